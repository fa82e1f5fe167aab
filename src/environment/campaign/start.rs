//! Where the market starts: synthetic customers with a past, or real ones from a file.
//!
//! Synthetic customers were acquired by a first order between `history_days` and `tenure_days_max` before tick 0 and
//! bought since by their own clock, in continuous time and without messages, until the lived history begins.
//!
//! Real customers keep what the file says (recency, orders, spend); what it cannot say is drawn from the posterior of the
//! purchase model given the file. For BG/NBD with Gamma and Beta priors that posterior is a mixture of two conjugate
//! laws (alive or dead; Fader, Hardie & Lee 2005), and Gamma for the spend rate (Fader, Hardie & Lee 2005b). All other
//! traits come from their population law.
//!
//! Where the file does not say how long someone has been a customer, that is drawn first, from its posterior given orders
//! and recency under the acquisition law of synthetic customers; see [`draw_tenure`].

use super::model::{Dropout, Model};
use super::state::State;
use crate::market::btyd::{BgNbd, History};
use crate::market::channel::CHANNELS_MAX;
use crate::market::people::People;
use crate::market::population::Person;
use crate::random::{LANES, Purpose, Seed, Stream};
use rand_distr::{Beta, Distribution, Exp, Gamma};
use std::ops::Range;

/// What a customer file says about one customer, in the units of the market.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Customer {
    /// Days since the last order.
    pub recency_days: f64,
    /// Days since the first order, where the file says so.
    pub tenure_days: Option<f64>,
    /// Orders so far, at least 1.
    pub orders: f64,
    /// Money spent so far.
    pub spend: f64,
    /// Consent per channel, where the file says so.
    pub reachable: [Option<bool>; CHANNELS_MAX],
}

/// The customers of a file.
pub type Customers = Vec<Customer>;

/// Traits and state of consecutive consumers at the start of the lived history.
pub fn people_and_state(
    model: &Model,
    seed: Seed,
    consumers: Range<u32>,
    customers: Option<&Customers>,
) -> (People, State) {
    let channels = model.catalogue.channels.len();
    let mut people = People::default();
    let mut state = State::new(consumers.len(), channels);
    let mut drawn = [Person::default(); LANES];
    for (row, consumer) in consumers.enumerate() {
        if row % LANES == 0 {
            drawn = model.population.draw_lanes(seed, consumer, channels);
        }
        let mut person = drawn[row % LANES];
        for module in &model.modules {
            module.shape(seed, consumer, &mut person);
        }
        let mut stream = seed.stream(Purpose::InitialState, consumer, 0);
        let known = customers.and_then(|customers| customers.get(consumer as usize));
        let arrival = model.modules.iter().find_map(|module| module.arrival_tick(seed, consumer));
        let acquired_day = match known {
            None if arrival.is_some() => arrive_later(model, &mut state, row, arrival.unwrap_or(0)),
            Some(customer) => take_over(model, customer, &mut person, &mut state, row, &mut stream),
            None => live_before(model, &person, &mut state, row, &mut stream),
        };
        reach(model, &person, known, &mut state, row);
        push(model, &mut people, &person, acquired_day, consumer);
    }
    (people, state)
}

fn push(model: &Model, people: &mut People, person: &Person, acquired_day: f32, consumer: u32) {
    people.order_rate.push(person.order_rate_per_day);
    people
        .rate_log_ratio
        .push(crate::math::ln(person.order_rate_per_day / model.population.mean_order_rate_per_day() as f32));
    people.dropout.push(match model.dropout {
        Dropout::AfterOrders => person.dropout_probability,
        Dropout::AtAnyTime => person.dropout_hazard_per_day,
    });
    people.spend_rate.push(person.spend_rate);
    people.price_elasticity.push(person.price_elasticity);
    people.deal_proneness.push(person.deal_proneness);
    people.persuadability.push(person.persuadability);
    people.irritability.push(person.irritability);
    people.chronotype_hours.push(person.chronotype_hours);
    people.works_weekends.push(person.works_weekends);
    for channel in 0..model.catalogue.channels.len() {
        people.channel_affinity[channel].push(person.channel_affinity[channel]);
    }
    for (column, taste) in people.taste.iter_mut().zip(person.taste) {
        column.push(taste);
    }
    people.group.push(person.group);
    people.proxy.push(person.proxy);
    people.minor.push(person.minor);
    people.acquired_day.push(acquired_day);
    people.age_band.push(person.age_band);
    people.sex.push(person.sex);
    people.region.push(person.region);
    people.income_band.push(person.income_band);
    people.device.push(person.device);
    let offset = model.clock_offsets_hours.get(usize::from(person.region)).copied().unwrap_or(0);
    people.clock_offset_hours.push(offset);
    people.suppressed.push(model.mask.suppressed.binary_search(&consumer).is_ok());
}

/// Nobody yet: no past, no orders, until the tick of arrival. Returns the day of acquisition.
fn arrive_later(model: &Model, state: &mut State, row: usize, tick: i32) -> f32 {
    state.alive[row] = 0.0;
    state.arrival_tick[row] = tick;
    model.clock.day(tick) as f32
}

/// Addresses and consent: from the file where it says so, else drawn by the device's share.
fn reach(model: &Model, person: &Person, known: Option<&Customer>, state: &mut State, row: usize) {
    for (channel, figures) in model.catalogue.channels.iter().enumerate() {
        let drawn = person.channel_random[channel] < figures.opt_in_shares[usize::from(person.device.min(1))];
        let reachable = known.and_then(|customer| customer.reachable[channel]).unwrap_or(drawn);
        if reachable {
            state.consent[row] |= 1 << channel;
            state.address[row] |= 1 << channel;
        }
    }
}

/// The past of a synthetic customer up to the start of the lived history; returns the day of acquisition.
fn live_before(model: &Model, person: &Person, state: &mut State, row: usize, stream: &mut Stream) -> f32 {
    let tick_days = model.clock.tick_days;
    let start_day = -f64::from(model.history.ticks) * tick_days;
    let spread = (model.tenure_days_max + start_day).max(0.0);
    let acquired_day = start_day - spread * f64::from(stream.uniform());
    let tick_of = |day: f64| (day / tick_days).ceil() as i32 - 1;
    let basket = |stream: &mut Stream| model.population.basket(stream.uniform(), person.spend_rate);
    state.orders[row].push(tick_of(acquired_day), basket(stream), false);
    let lifetime = match model.dropout {
        Dropout::AfterOrders => f64::INFINITY,
        Dropout::AtAnyTime => exponential(f64::from(person.dropout_hazard_per_day), stream),
    };
    let mut day = acquired_day;
    loop {
        day += exponential(f64::from(person.order_rate_per_day), stream);
        if acquired_day + lifetime < day.min(start_day) {
            state.alive[row] = 0.0;
            break;
        }
        if day >= start_day {
            break;
        }
        state.orders[row].push(tick_of(day), basket(stream), false);
        if model.dropout == Dropout::AfterOrders && stream.uniform() < person.dropout_probability {
            state.alive[row] = 0.0;
            break;
        }
    }
    acquired_day as f32
}

fn exponential(rate: f64, stream: &mut Stream) -> f64 {
    Exp::new(rate).map_or(f64::INFINITY, |law| law.sample(stream))
}

/// Sets the state that the file knows and draws the traits that it does not; returns the day of acquisition.
fn take_over(
    model: &Model,
    customer: &Customer,
    person: &mut Person,
    state: &mut State,
    row: usize,
    stream: &mut Stream,
) -> f32 {
    let tick_days = model.clock.tick_days;
    let repeats = (customer.orders - 1.0).max(0.0);
    let tenure_days = match customer.tenure_days {
        Some(days) => days,
        None => draw_tenure(model, customer, f64::from(person.order_rate_per_day), stream),
    };
    let last = if repeats > 0.0 { tenure_days - customer.recency_days } else { 0.0 };
    let orders = customer.orders as u32;
    let basket = customer.spend / customer.orders;
    for index in 0..orders {
        let share = if orders > 1 { f64::from(index) / f64::from(orders - 1) } else { 1.0 };
        let day = -tenure_days + last * share;
        state.orders[row].push((day / tick_days).ceil() as i32 - 1, basket as f32, false);
    }
    if let Some(prior) = model.population.bg_nbd() {
        let posterior = posterior(prior, repeats, last, tenure_days);
        let is_alive = f64::from(stream.uniform()) < posterior.alive_probability;
        let law = if is_alive { posterior.alive } else { posterior.dead };
        state.alive[row] = f32::from(u8::from(is_alive));
        person.order_rate_per_day = gamma(law.rate_shape, law.rate_scale, stream).max(1e-9) as f32;
        person.dropout_probability = Beta::new(law.dropout_a, law.dropout_b)
            .map_or(f64::from(person.dropout_probability), |beta| beta.sample(stream))
            as f32;
    }
    let spend = model.population.spend();
    let shape = spend.rate_shape + spend.shape * customer.orders;
    person.spend_rate = gamma(shape, spend.rate_scale + customer.spend, stream).max(1e-9) as f32;
    -tenure_days as f32
}

/// Cells into which the possible times from the first order to the last are cut.
const TENURE_CELLS: usize = 64;

/// Days since the first order, drawn from the posterior given `orders` and `recency_days`.
///
/// A customer of one order was acquired by it. Else the law before the file is even over
/// (`recency_days`, max(`tenure_days_max`, 1.05 `recency_days`)], as synthetic customers are acquired, and the weight of
/// age T with the last of x repeat orders at t = T - `recency_days` is
/// `t^(x-1) * (B(a, b+x) (alpha+T)^-(r+x) + B(a+1, b+x-1) (alpha+t)^-(r+x))`: the likelihood of BG/NBD (Fader, Hardie &
/// Lee 2005, equation 6), times the volume `t^(x-1) / (x-1)!` of the times at which the orders between may have stood,
/// which does not matter at a known age and does at an unknown one. With the clock `nbd` it is `t^(x-1) e^(-l T)` at the
/// consumer's own rate l. The draw inverts the cumulative weight over [`TENURE_CELLS`] cells of t, evenly within a cell.
fn draw_tenure(model: &Model, customer: &Customer, order_rate_per_day: f64, stream: &mut Stream) -> f64 {
    let recency = customer.recency_days;
    let repeats = customer.orders - 1.0;
    if repeats < 1.0 {
        return recency;
    }
    let longest = model.tenure_days_max.max(1.05 * recency) - recency;
    let width = longest / TENURE_CELLS as f64;
    if width <= 0.0 {
        return recency;
    }
    let log_likelihood = |last: f64| match model.population.bg_nbd() {
        Some(prior) => prior.log_likelihood(&History { repeats: repeats as u32, recency: last, age: last + recency }),
        None => -order_rate_per_day * last,
    };
    let mut weights = [0.0; TENURE_CELLS];
    let mut greatest = f64::NEG_INFINITY;
    for (cell, weight) in weights.iter_mut().enumerate() {
        let last = (cell as f64 + 0.5) * width;
        *weight = (repeats - 1.0) * libm::log(last) + log_likelihood(last);
        greatest = greatest.max(*weight);
    }
    for weight in &mut weights {
        *weight = libm::exp(*weight - greatest);
    }
    let mut rest = f64::from(stream.uniform()) * weights.iter().sum::<f64>();
    for (cell, weight) in weights.iter().enumerate() {
        if rest < *weight {
            return recency + (cell as f64 + rest / weight) * width;
        }
        rest -= weight;
    }
    recency + longest
}

/// Conjugate laws of one customer's order rate and dropout probability.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Conjugate {
    rate_shape: f64,
    rate_scale: f64,
    dropout_a: f64,
    dropout_b: f64,
}

/// What x repeat orders, the last at t_x, say about a customer of age T.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Posterior {
    alive_probability: f64,
    alive: Conjugate,
    dead: Conjugate,
}

/// The likelihood of BG/NBD is `(1-p)^x l^x e^(-l T) + [x > 0] p (1-p)^(x-1) l^x e^(-l t_x)` (Fader, Hardie & Lee 2005,
/// eq. 3): each term is conjugate to Gamma(r, alpha) and Beta(a, b), so the posterior is a mixture of two.
fn posterior(prior: &BgNbd, repeats: f64, last: f64, age: f64) -> Posterior {
    let rate_shape = prior.shape + repeats;
    let alive =
        Conjugate { rate_shape, rate_scale: prior.scale + age, dropout_a: prior.a, dropout_b: prior.b + repeats };
    let dead = Conjugate {
        rate_shape,
        rate_scale: prior.scale + last,
        dropout_a: prior.a + 1.0,
        dropout_b: (prior.b + repeats - 1.0).max(f64::MIN_POSITIVE),
    };
    let alive_probability = if repeats > 0.0 {
        // Ratio of the two marginal likelihoods: B(a+1, b+x-1) / B(a, b+x) = a / (b+x-1).
        let odds = prior.a / (prior.b + repeats - 1.0)
            * libm::exp(rate_shape * (libm::log(prior.scale + age) - libm::log(prior.scale + last)));
        1.0 / (1.0 + odds)
    } else {
        1.0
    };
    Posterior { alive_probability, alive, dead }
}

/// Gamma with a shape and an inverse scale ("rate").
fn gamma(shape: f64, rate: f64, stream: &mut Stream) -> f64 {
    Gamma::new(shape, 1.0 / rate).map_or(0.0, |law| law.sample(stream))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_posterior_gives_the_known_probability_of_being_alive() {
        // The CDNOW fit of Fader, Hardie & Lee (2005), in weeks: x = 2, t_x = 30.43, T = 38.86, P(alive) = .7266.
        let prior = BgNbd { shape: 0.242_59, scale: 4.413_53, a: 0.792_89, b: 2.425_75 };
        let law = posterior(&prior, 2.0, 30.43, 38.86);
        assert!((law.alive_probability - 0.7266).abs() < 1e-4, "{law:?}");
        assert_eq!(posterior(&prior, 0.0, 0.0, 38.86).alive_probability, 1.0);
    }
}
