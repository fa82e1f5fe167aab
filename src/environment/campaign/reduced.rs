//! The market with few states: what dynamic programming needs.
//!
//! Consumers are cut into types (quantiles of order rate, persuadability and price elasticity; all other traits at the mean
//! of the type) or stand for themselves ([`Sample`]), and the past of a consumer into a grid over what modules carry on ([`ResponseModule::state`]). For each
//! type, state and message the market's own code says what a message earns, how it ends and where each ending leads: no
//! second model is written down. What the grid leaves out stands at rest: wear-out, caps, coupons in hand, days of the week.

use super::forces::Series;
use super::model::Dropout;
use super::shard::CampaignShard;
use super::truth::Way;
use super::{Campaign, CampaignEnvironment};
use crate::market::people::People;
use crate::protocol::{Decision, Environment, Observation, Outcome, Views};
use crate::random::{Purpose, Seed};
use crate::response::ResponseModule;
use std::sync::Arc;

/// People and days of the market in which the range of each state is seen.
const PILOT: u32 = 2_048;
const PILOT_DAYS: f64 = 120.0;
/// Share of what was seen that lies within the grid.
const COVERED: f64 = 0.995;

/// One axis of the grid.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// What it measures.
    pub name: &'static str,
    /// Where it stands among the latent values.
    pub value: usize,
    module: usize,
    column: usize,
    /// Mean at tick 0, the lived history behind it.
    pub start: f32,
    /// Ascending.
    pub knots: Vec<f32>,
}

/// Where a point lies between knots: the lower one and the weight of the upper one.
#[must_use]
pub fn locate(knots: &[f32], value: f32) -> (usize, f32) {
    let upper = knots.partition_point(|knot| *knot <= value).clamp(1, knots.len().max(2) - 1);
    let Some(&high) = knots.get(upper) else { return (0, 0.0) };
    let low = knots[upper - 1];
    (upper - 1, ((value - low) / (high - low)).clamp(0.0, 1.0))
}

/// The latent values of every market: three traits, then the states of its modules.
pub const TRAITS: [&str; 3] = ["order_rate", "persuadability", "price_elasticity"];

/// Where one ending of a message leads.
#[derive(Clone, Debug, Default)]
pub struct Passage {
    /// Probability of the ending, per state.
    pub probability: Vec<f32>,
    /// Probability of an order of one's own accord after it.
    pub order: Vec<f32>,
    /// Expected profit of each later day by a coupon that is now in hand.
    pub later: Vec<f32>,
    /// Whether a coupon is now in hand, remembered or not.
    pub holds_coupon: bool,
    /// Where each axis stands afterwards: `[axis][state]`.
    pub next: Vec<Vec<f32>>,
}

/// What an action does to one type, per state.
#[derive(Clone, Debug, Default)]
pub struct Course {
    /// Expected profit, orders after the click counted at once, less the cost.
    pub reward: Vec<f32>,
    /// Probability of losing the channel: consent withdrawn, a complaint, a hard bounce.
    pub opt_out: Vec<f32>,
    /// Probability of an order through the message.
    pub order: Vec<f32>,
    /// The endings; their probabilities sum to 1.
    pub passages: Vec<Passage>,
}

/// One type of consumer.
#[derive(Clone, Debug)]
pub struct ConsumerType {
    /// Share of the population.
    pub share: f64,
    /// Of these, the share that are customers at tick 0 and can be reached, and that are customers; on average over
    /// channels.
    pub start: [f64; 2],
    /// Per action; 0 is no contact.
    pub courses: Vec<Course>,
    /// Probability of dropping out with an order, or in a tick (as the clock has it).
    pub dropout: f64,
    /// Whether dropout follows orders.
    pub dropout_follows_orders: bool,
    /// Value beyond the horizon while a customer, without and with reach.
    pub terminal: [f64; 2],
}

/// Who stands for the people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample {
    /// One mean person for each combination of so many levels of three traits: few to solve, and what a policy can look
    /// up. The best value of a mean person is below the mean of the best values.
    Types {
        /// Levels of each trait.
        levels: usize,
    },
    /// So many single people, evenly spread over the three traits: their mean value is that of the people, but for the
    /// error of sampling.
    People {
        /// How many.
        count: usize,
    },
}

/// Levels of each trait along which single people are spread.
const SPREAD_LEVELS: usize = 8;

/// The market with few states.
#[derive(Clone, Debug)]
pub struct Reduced {
    /// The grid; the first axis turns slowest.
    pub axes: Vec<Axis>,
    /// Cuts of each trait of [`TRAITS`]; the first turns slowest. Without cuts where single people were taken.
    pub cuts: [Vec<f32>; 3],
    /// One for each combination of cuts, or for each person.
    pub types: Vec<ConsumerType>,
    /// Number of channels: what withdrawing consent to one of them leaves.
    pub channels: usize,
    /// Ticks after the first on which a coupon counts.
    pub coupon_later_ticks: u32,
    /// Whether no discount may be sent meanwhile.
    pub one_live_coupon: bool,
}

impl Reduced {
    /// Number of states.
    #[must_use]
    pub fn states(&self) -> usize {
        self.axes.iter().map(|axis| axis.knots.len()).product()
    }
}

impl Campaign {
    /// Names of the latent values.
    #[must_use]
    pub fn latent_names(&self) -> Vec<&'static str> {
        let states = self.model.modules.iter().flat_map(|module| module.state().iter().map(|(_, name)| *name));
        TRAITS.into_iter().chain(states).collect()
    }

    /// The market with so many knots on each axis. `axes` names the states of the grid.
    #[must_use]
    pub fn reduce(&self, axes: &[&str], knots: usize, sample: Sample) -> Reduced {
        let mut market = self.open_consumers(Seed::new(0), 0..PILOT.min(self.model.spec.consumers));
        let rest = self.at_rest(&market.shards);
        let present: Vec<Vec<[f64; 2]>> = market.shards.iter().map(CampaignShard::reach_at_start).collect();
        self.live_pilot(&mut market);
        let pilot = market.shards;
        let mut grid = Vec::new();
        let mut value = TRAITS.len();
        for (module, state) in self.model.modules.iter().map(|module| module.state()).enumerate() {
            for &(column, name) in state {
                if axes.contains(&name) {
                    let seen = pilot.iter().flat_map(|shard| shard.forces.column(module, column).iter().copied());
                    let start = rest[module][column];
                    grid.push(Axis { name, value, module, column, start, knots: spread(seen.collect(), start, knots) });
                }
                value += 1;
            }
        }
        let people: Vec<Arc<People>> = pilot.iter().map(|shard| Arc::clone(&shard.people)).collect();
        let (cuts, members) = match sample {
            Sample::Types { levels } => strata(&people, levels),
            Sample::People { count } => (<[Vec<f32>; 3]>::default(), evenly_spread(&people, count)),
        };
        let standing: usize = members.iter().map(Vec::len).sum();
        let types = {
            use rayon::prelude::*;
            let one = |members: &Members| ConsumerType {
                share: members.len() as f64 / standing.max(1) as f64,
                ..self.type_from(members, &people, &present, &grid, &rest)
            };
            members.par_iter().map(one).collect()
        };
        Reduced {
            axes: grid,
            cuts,
            types,
            channels: self.model.catalogue.channels.len(),
            coupon_later_ticks: self.model.coupon_ticks.saturating_sub(1),
            one_live_coupon: self.model.mask.one_live_coupon,
        }
    }

    /// A market in which half of the consumers get some allowed message each day: where states come to lie.
    fn live_pilot(&self, market: &mut CampaignEnvironment) {
        let ticks = self.model.clock.ticks(PILOT_DAYS).min(self.model.spec.horizon);
        let (mut observation, mut decision, mut outcome) =
            (Observation::default(), Decision::default(), Outcome::default());
        for tick in 0..ticks {
            for shard in market.shards_mut() {
                shard.observe(Views::default(), &mut observation);
                decision.reset(observation.rows());
                for (row, &consumer) in observation.consumer_ids.iter().enumerate() {
                    let [whether, which, ..] = Seed::new(0).uniforms(Purpose::Problem, consumer, tick, 0);
                    let allowed = observation.allowed.count(row);
                    let pick = (which * allowed as f32) as usize;
                    if whether < 0.5 {
                        decision.actions[row] = observation.allowed.iter(row).nth(pick).unwrap_or(0) as u16;
                    }
                }
                // What is allowed is never refused.
                let _ = shard.step(&decision, &mut outcome);
            }
            market.end_tick();
        }
    }

    /// Mean of every module column at tick 0: where states that are no axis stand.
    fn at_rest(&self, pilot: &[CampaignShard]) -> Vec<Vec<f32>> {
        let mean = |module: usize, column: usize| {
            let (mut sum, mut count) = (0.0, 0);
            for shard in pilot {
                sum += shard.forces.column(module, column).iter().map(|value| f64::from(*value)).sum::<f64>();
                count += shard.people.len();
            }
            (sum / f64::from(count.max(1) as u32)) as f32
        };
        let columns = |(index, module): (usize, &dyn ResponseModule)| {
            let carried = |column: usize| module.state().iter().any(|(state, _)| *state == column);
            // Columns that are no state (coupons, ticks) stand at 0.
            (0..module.columns()).map(|column| if carried(column) { mean(index, column) } else { 0.0 }).collect()
        };
        self.model.modules.iter().map(Box::as_ref).enumerate().map(columns).collect()
    }

    /// One type: a shard whose rows are the states of the grid.
    fn type_from(
        &self,
        members: &[(usize, usize)],
        people: &[Arc<People>],
        present: &[Vec<[f64; 2]>],
        axes: &[Axis],
        rest: &[Vec<f32>],
    ) -> ConsumerType {
        let model = &self.model;
        let states: usize = axes.iter().map(|axis| axis.knots.len()).product();
        let person = mean_person(members, people, model.catalogue.channels.len());
        let mut shard = CampaignShard::of_states(
            model,
            repeat(&person, states),
            &Arc::new(Series::draw(&model.modules, Seed::new(0), 0..1)),
        );
        for (module, columns) in rest.iter().enumerate() {
            for (column, &value) in columns.iter().enumerate() {
                shard.forces.column_mut(module, column).fill(value);
            }
        }
        let mut stride = states;
        for axis in axes {
            stride /= axis.knots.len();
            let column = shard.forces.column_mut(axis.module, axis.column);
            for (state, value) in column.iter_mut().enumerate() {
                *value = axis.knots[state / stride % axis.knots.len()];
            }
        }
        let untouched = shard.untouched();
        let mut courses = vec![self.course_of_none(&shard, &untouched, axes)];
        for message in &model.catalogue.messages {
            courses.push(self.course(&shard, message, &untouched, axes));
        }
        let reached = shard.terminal_value(0);
        ConsumerType {
            share: 1.0,
            start: [0, 1].map(|which| {
                let sum: f64 = members.iter().map(|&(shard, row)| present[shard][row][which]).sum();
                sum / members.len().max(1) as f64
            }),
            courses,
            dropout: match model.dropout {
                Dropout::AfterOrders => f64::from(person.dropout[0]),
                Dropout::AtAnyTime => -libm::expm1(-f64::from(person.dropout[0]) * model.clock.tick_days),
            },
            dropout_follows_orders: model.dropout == Dropout::AfterOrders,
            terminal: [reached - model.reachability_value, reached],
        }
    }

    fn course_of_none(&self, shard: &CampaignShard, untouched: &Way, axes: &[Axis]) -> Course {
        let states = untouched.order.len();
        Course {
            reward: (0..states).map(|state| shard.without_session(untouched, state) as f32).collect(),
            opt_out: vec![0.0; states],
            order: vec![0.0; states],
            passages: vec![self.passage(shard, vec![1.0; states], untouched, None, None, axes)],
        }
    }

    fn course(
        &self,
        shard: &CampaignShard,
        message: &crate::market::catalogue::Message,
        untouched: &Way,
        axes: &[Axis],
    ) -> Course {
        let states = untouched.order.len();
        let prospect = shard.prospect(message);
        let cost = message.cost.amount();
        let reward = |state| (shard.expect_of(&prospect, untouched, state, true) - cost) as f32;
        let mut passages = Vec::new();
        let mut push =
            |way: &Way, probability: &dyn Fn(usize) -> f32, ending: Option<Opened<'_>>, without: Option<&Way>| {
                let probability = (0..states).map(probability).collect();
                passages.push(self.passage(shard, probability, way, ending, without, axes));
            };
        let (deliver, open, click) = (&prospect.deliver, &prospect.open, &prospect.click);
        push(untouched, &|s| 1.0 - deliver[s], None, None);
        push(&prospect.ignored, &|s| deliver[s] * (1.0 - open[s]), None, None);
        for clicked in 0..2 {
            let share = |s: usize| deliver[s] * open[s] * if clicked == 1 { click[s] } else { 1.0 - click[s] };
            let forgotten = &prospect.forgotten[clicked];
            let remember = |s: usize| if prospect.remembered.is_some() { prospect.remember[s] } else { 0.0 };
            let ending = |remembered| Opened {
                discount: message.discount,
                remembered,
                convert: (clicked == 1).then_some(prospect.convert.as_slice()),
            };
            push(forgotten, &|s| share(s) * (1.0 - remember(s)), Some(ending(false)), None);
            if let Some(remembered) = &prospect.remembered {
                push(&remembered[clicked], &|s| share(s) * remember(s), Some(ending(true)), Some(forgotten));
            }
        }
        let bounce = self.model.catalogue.channels[usize::from(message.channel)].hard_bounce_rate;
        Course {
            reward: (0..states).map(reward).collect(),
            opt_out: (0..states).map(|s| bounce + deliver[s] * prospect.opt_out[s]).collect(),
            order: (0..states).map(|s| deliver[s] * open[s] * click[s] * prospect.convert[s]).collect(),
            passages,
        }
    }

    /// One ending. `without` is the same ending with the coupon forgotten: a coupon in hand moves orders on later days.
    fn passage(
        &self,
        shard: &CampaignShard,
        probability: Vec<f32>,
        way: &Way,
        ending: Option<Opened<'_>>,
        without: Option<&Way>,
        axes: &[Axis],
    ) -> Passage {
        let states = probability.len();
        let moment = shard.moment_of(&[], &[]);
        let later = |state: usize| {
            without.map_or(0.0, |without| {
                (shard.without_session(way, state) - shard.without_session(without, state)) as f32
            })
        };
        let own_discount = ending.map_or(0.0, |ending| if ending.remembered { ending.discount } else { 0.0 });
        let message_discount = ending.map_or(0.0, |ending| ending.discount);
        let next = |axis: &Axis| {
            let module = &self.model.modules[axis.module];
            let before = way.forces.column(axis.module, axis.column);
            let after = |state: usize, discount: f32| {
                let quantity = way.forces.quantity(&self.model.modules, &moment, state, discount);
                module.state_after_order(axis.column, before[state], quantity, discount)
            };
            (0..states)
                .map(|state| {
                    let through = ending.and_then(|ending| ending.convert).map_or(0.0, |convert| convert[state]);
                    let own = (1.0 - through) * way.order[state];
                    let neither = 1.0 - through - own;
                    neither * before[state]
                        + own * after(state, own_discount)
                        + through * after(state, message_discount)
                })
                .collect::<Vec<f32>>()
        };
        Passage {
            next: axes.iter().map(next).collect(),
            later: (0..states).map(later).collect(),
            holds_coupon: message_discount > 0.0,
            order: way.order.clone(),
            probability,
        }
    }
}

/// How an opened message ended.
#[derive(Clone, Copy)]
struct Opened<'a> {
    discount: f32,
    remembered: bool,
    /// Probability of an order through the message, after a click.
    convert: Option<&'a [f32]>,
}

/// Evenly spread knots over what was seen, from the least to nearly the greatest.
fn spread(mut seen: Vec<f32>, start: f32, knots: usize) -> Vec<f32> {
    seen.sort_by(f32::total_cmp);
    let at = |share: f64| seen.get(((seen.len().max(1) - 1) as f64 * share) as usize).copied().unwrap_or(0.0);
    let low = at(1.0 - COVERED).min(start);
    let high = at(COVERED).max(start).max(low + 1e-3);
    let last = (knots.max(2) - 1) as f32;
    (0..knots.max(2)).map(|knot| low + (high - low) * knot as f32 / last).collect()
}

type Members = Vec<(usize, usize)>;

/// Cuts the people into levels of each trait, equally many in each; returns the members (shard, row) of each combination.
fn strata(people: &[Arc<People>], levels: usize) -> ([Vec<f32>; 3], Vec<Members>) {
    let traits: [fn(&People) -> &Vec<f32>; 3] =
        [|people| &people.order_rate, |people| &people.persuadability, |people| &people.price_elasticity];
    let cuts = traits.map(|read| {
        let mut values: Vec<f32> = people.iter().flat_map(|people| read(people).iter().copied()).collect();
        values.sort_by(f32::total_cmp);
        (1..levels).map(|level| values[level * values.len() / levels]).collect::<Vec<f32>>()
    });
    let mut members = vec![Vec::new(); levels.pow(3)];
    for (shard, people) in people.iter().enumerate() {
        for row in 0..people.len() {
            let values = traits.map(|read| read(people)[row]);
            members[type_of(&cuts, values)].push((shard, row));
        }
    }
    (cuts, members)
}

/// Single people, evenly spread over the types of many levels.
fn evenly_spread(people: &[Arc<People>], count: usize) -> Vec<Members> {
    let ordered = strata(people, SPREAD_LEVELS).1.concat();
    let count = count.clamp(1, ordered.len().max(1));
    let at = |index: usize| (2 * index + 1) * ordered.len() / (2 * count);
    (0..count).filter_map(|index| ordered.get(at(index))).map(|one| vec![*one]).collect()
}

/// Which type a consumer of these traits belongs to.
#[must_use]
pub fn type_of(cuts: &[Vec<f32>; 3], traits: [f32; 3]) -> usize {
    let level = |(cuts, value): (&Vec<f32>, f32)| cuts.partition_point(|cut| *cut <= value);
    let levels = cuts[0].len() + 1;
    cuts.iter().zip(traits).map(level).fold(0, |index, level| index * levels + level)
}

/// One person with the mean traits of the members; what is no number is that of nobody in particular.
fn mean_person(members: &[(usize, usize)], people: &[Arc<People>], channels: usize) -> People {
    let mean = |read: &dyn Fn(&People, usize) -> f32| {
        let sum: f64 = members.iter().map(|&(shard, row)| f64::from(read(&people[shard], row))).sum();
        (sum / members.len().max(1) as f64) as f32
    };
    let mut person = People {
        order_rate: vec![mean(&|people, row| people.order_rate[row])],
        rate_log_ratio: vec![mean(&|people, row| people.rate_log_ratio[row])],
        dropout: vec![mean(&|people, row| people.dropout[row])],
        // Baskets are means of 1 / rate.
        spend_rate: vec![1.0 / mean(&|people, row| 1.0 / people.spend_rate[row]).max(f32::MIN_POSITIVE)],
        price_elasticity: vec![mean(&|people, row| people.price_elasticity[row])],
        deal_proneness: vec![mean(&|people, row| people.deal_proneness[row])],
        persuadability: vec![mean(&|people, row| people.persuadability[row])],
        irritability: vec![mean(&|people, row| people.irritability[row])],
        chronotype_hours: vec![mean(&|people, row| people.chronotype_hours[row])],
        acquired_day: vec![mean(&|people, row| people.acquired_day[row])],
        proxy: vec![0.0],
        works_weekends: vec![false],
        group: vec![false],
        minor: vec![false],
        suppressed: vec![false],
        age_band: vec![2],
        sex: vec![0],
        region: vec![0],
        income_band: vec![1],
        device: vec![1],
        clock_offset_hours: vec![0],
        ..People::default()
    };
    for channel in 0..channels {
        person.channel_affinity[channel] = vec![mean(&|people, row| people.channel_affinity[channel][row])];
    }
    for taste in &mut person.taste {
        taste.push(0.0);
    }
    person
}

/// So many rows alike.
fn repeat(person: &People, rows: usize) -> People {
    fn all<T: Copy>(column: &[T], rows: usize) -> Vec<T> {
        column.first().map_or_else(Vec::new, |value| vec![*value; rows])
    }
    let f = |column: &Vec<f32>| all(column, rows);
    People {
        order_rate: f(&person.order_rate),
        rate_log_ratio: f(&person.rate_log_ratio),
        dropout: f(&person.dropout),
        spend_rate: f(&person.spend_rate),
        price_elasticity: f(&person.price_elasticity),
        deal_proneness: f(&person.deal_proneness),
        persuadability: f(&person.persuadability),
        irritability: f(&person.irritability),
        chronotype_hours: f(&person.chronotype_hours),
        channel_affinity: std::array::from_fn(|channel| f(&person.channel_affinity[channel])),
        taste: std::array::from_fn(|taste| f(&person.taste[taste])),
        acquired_day: f(&person.acquired_day),
        works_weekends: all(&person.works_weekends, rows),
        age_band: all(&person.age_band, rows),
        sex: all(&person.sex, rows),
        region: all(&person.region, rows),
        income_band: all(&person.income_band, rows),
        device: all(&person.device, rows),
        clock_offset_hours: all(&person.clock_offset_hours, rows),
        group: all(&person.group, rows),
        proxy: f(&person.proxy),
        minor: all(&person.minor, rows),
        suppressed: all(&person.suppressed, rows),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_lie_between_their_knots() {
        let knots = [0.0, 1.0, 3.0];
        assert_eq!(locate(&knots, 0.5), (0, 0.5));
        assert_eq!(locate(&knots, 2.0), (1, 0.5));
        assert_eq!(locate(&knots, -1.0), (0, 0.0));
        assert_eq!(locate(&knots, 9.0), (1, 1.0));
        assert_eq!(locate(&knots, 3.0), (1, 1.0));
    }

    #[test]
    fn single_people_are_taken_from_everywhere() {
        let column: Vec<f32> = (0..100).map(|row| row as f32).collect();
        let people = People {
            order_rate: column.clone(),
            persuadability: column.clone(),
            price_elasticity: column,
            acquired_day: vec![0.0; 100],
            ..People::default()
        };
        let taken = evenly_spread(&[Arc::new(people)], 4);
        assert_eq!(taken, [12, 37, 62, 87].map(|row| vec![(0, row)]));
    }

    #[test]
    fn types_are_numbered_with_the_first_trait_slowest() {
        let cuts = [vec![1.0], vec![0.0], vec![2.0]];
        assert_eq!(type_of(&cuts, [0.5, -1.0, 1.0]), 0);
        assert_eq!(type_of(&cuts, [0.5, -1.0, 3.0]), 1);
        assert_eq!(type_of(&cuts, [1.0, 0.0, 2.0]), 7);
    }
}
