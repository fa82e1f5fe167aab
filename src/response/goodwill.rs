//! Goodwill: opened messages leave a stock of advertising that fades over weeks and saturates.
//!
//! `G <- G * rho + weight_c * opened`, half-life four weeks; the log-hazard of an order gains
//! `hill_weight * G^h / (G^h + half_saturation^h)` with h = `hill_exponent` (docs/market.md 6.7). Source: the adstock of
//! Broadbent (1979) on the goodwill of Nerlove & Arrow (1962).
//!
//! Why these defaults: two e-mails a week with an open rate of a quarter settle near G = 3 = `half_saturation`, where the
//! elasticity of orders to lasting pressure is `hill_weight / 4`. Of what a month of messages builds up, the month itself
//! sees 53 %, as in the short-run over long-run elasticity of .12 over .24 (Sethuraman, Tellis & Briesch 2011). Those are
//! of all advertising of a brand; messages to customers are a small part of it, so the default, 0.2, gives a lasting
//! elasticity of .05. Half-life: advertising effects last 6 to 9 months to 90 % (Leone 1995) in data with long intervals;
//! four weeks stand for the 2 to 8 of studies with short ones. The strength is an assumption.
//!
//! Differences from the sources: (1) a personal stock, fed by what the person opened, in place of market spending; (2)
//! saturation by a Hill curve; (3) it moves the hazard of an order, not the volume of sales.

use super::{Contacts, ModuleBuild, ResponseModule, Responses, Surroundings, View};
use crate::math::{decay, ln, sigmoid};
use crate::registry::{Entry, Kind, Parameter, Range, Refusal, Value, Values};
use multiversion::multiversion;

/// Greatest weight of a channel.
const CHANNEL_WEIGHT_MAX: f64 = 1e3;

/// Registration.
pub(super) const ENTRY: Entry<ModuleBuild> = Entry {
    name: "goodwill",
    summary: "opened messages build a stock of goodwill that fades over weeks, saturates and lifts orders",
    source: "Broadbent (1979); Nerlove & Arrow (1962); docs/market.md 6.7",
    parameters: &[
        Parameter::number("half_life_days", 28.0, Range::POSITIVE, "time in which goodwill halves"),
        Parameter::number("hill_weight", 0.2, Range::closed(0.0, 10.0), "log-hazard of an order at boundless goodwill"),
        Parameter::number(
            "half_saturation",
            3.0,
            Range::closed(1e-6, 1e6),
            "goodwill at which half of that is reached",
        ),
        Parameter::number("hill_exponent", 1.0, Range::closed(0.1, 10.0), "above 1, little goodwill does nothing"),
        Parameter::of(
            "channel_weights",
            Kind::Coefficients,
            "goodwill of an opened message by channel; 1 where absent",
        ),
    ],
    build: ModuleBuild { create, neutral: || vec![("hill_weight", Value::Number(0.0))] },
};

fn create(values: &Values, surroundings: &Surroundings<'_>) -> Result<Box<dyn ResponseModule>, Refusal> {
    let channels = &surroundings.catalogue.channels;
    let mut channel_weights = vec![1.0; channels.len()];
    for (name, weight) in values.coefficients("channel_weights") {
        let refuse = |message, help| Err(Refusal::new(values, "channel_weights", message, help));
        let Some(index) = channels.iter().position(|channel| channel.name == *name) else {
            let known: Vec<&str> = channels.iter().map(|channel| channel.name.as_str()).collect();
            return refuse(format!("there is no channel `{name}`"), format!("the channels are: {}", known.join(", ")));
        };
        if !Range::closed(0.0, CHANNEL_WEIGHT_MAX).contains(*weight) {
            let help = format!("give a number from 0 to {CHANNEL_WEIGHT_MAX}");
            return refuse(format!("the weight of channel `{name}` is {weight}"), help);
        }
        channel_weights[index] = *weight as f32;
    }
    Ok(Box::new(Goodwill {
        kept: decay(values.number("half_life_days"), surroundings.tick_days),
        weight: values.number("hill_weight") as f32,
        half: values.number("half_saturation") as f32,
        exponent: values.number("hill_exponent") as f32,
        channel_weights,
    }))
}

#[derive(Debug)]
struct Goodwill {
    kept: f32,
    weight: f32,
    half: f32,
    exponent: f32,
    channel_weights: Vec<f32>,
}

impl ResponseModule for Goodwill {
    fn columns(&self) -> usize {
        1
    }

    fn state(&self) -> &'static [(usize, &'static str)] {
        &[(0, "goodwill")]
    }

    fn advance(&self, _view: &View<'_>, contacts: &Contacts, responses: &Responses, next: &mut [Vec<f32>]) {
        for value in &mut next[0] {
            *value *= self.kept;
        }
        for (index, &row) in contacts.rows.iter().enumerate() {
            if responses.opened[index] {
                next[0][row as usize] += self.channel_weights[usize::from(contacts.messages[index].channel)];
            }
        }
    }

    fn contribute_to_orders(&self, view: &View<'_>, log_hazard: &mut [f32]) {
        if self.exponent == 1.0 {
            add_saturating(log_hazard, &view.columns[0], self.weight, self.half);
        } else {
            add_hill(log_hazard, &view.columns[0], self.weight, self.half, self.exponent);
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
fn add_saturating(log_hazard: &mut [f32], goodwill: &[f32], weight: f32, half: f32) {
    for (sum, goodwill) in log_hazard.iter_mut().zip(goodwill) {
        *sum += weight * (goodwill / (goodwill + half));
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
fn add_hill(log_hazard: &mut [f32], goodwill: &[f32], weight: f32, half: f32, exponent: f32) {
    for (sum, goodwill) in log_hazard.iter_mut().zip(goodwill) {
        // x^h / (1 + x^h) = sigmoid(h ln x); the logarithm takes no zero.
        let relative = goodwill / half;
        let reached = sigmoid(exponent * ln(relative.max(1e-30)));
        *sum += weight * if relative > 1e-30 { reached } else { 0.0 };
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;
    use crate::market::people::People;

    fn people(count: usize) -> People {
        People { order_rate: vec![0.1; count], ..People::default() }
    }

    fn lift(module: &dyn ResponseModule, goodwill: f32) -> f32 {
        let mut log_hazard = [0.0];
        let columns = [vec![goodwill]];
        module.contribute_to_orders(&View::bare(&people(1), &columns), &mut log_hazard);
        log_hazard[0]
    }

    #[test]
    fn four_weeks_halve_an_opened_message_and_an_unopened_one_leaves_nothing() {
        let catalogue = testing::catalogue(&[("email", "email"), ("push", "push")], &[]);
        let weights = Value::Coefficients(vec![("push".into(), 2.5)]);
        let values = Values::defaults(ENTRY.parameters).with("channel_weights", weights);
        let module = testing::build(&ENTRY, &values, &catalogue).unwrap();
        let people = people(3);
        let view = View::bare(&people, &[]);
        let mut columns = vec![vec![0.0; 3]];
        module.advance(&view, &testing::sent(&catalogue, 0, 0, &[0]), &testing::opened(1, false), &mut columns);
        for _ in 0..27 {
            module.advance(&view, &Contacts::default(), &Responses::default(), &mut columns);
        }
        let mut responses = testing::opened(2, false);
        responses.opened[1] = false;
        module.advance(&view, &testing::sent(&catalogue, 1, 0, &[0, 1]), &responses, &mut columns);
        assert!((columns[0][0] - (0.5 + 2.5)).abs() < 1e-5, "{columns:?}");
        assert_eq!(columns[0][1..], [0.0, 0.0]);
    }

    #[test]
    fn saturation_is_that_of_hill() {
        let values = Values::defaults(ENTRY.parameters);
        let catalogue = testing::catalogue(&[("email", "email")], &[]);
        let with = |exponent: f64| {
            let values = values.clone().with("hill_exponent", Value::Number(exponent));
            testing::build(&ENTRY, &values, &catalogue).unwrap()
        };
        let [one, two, nearly_one] = [1.0, 2.0, 1.000_000_1].map(with);
        // 0.2 * 1 / (1 + 3); 0.2 * 1 / (1 + 9).
        assert!((lift(one.as_ref(), 1.0) - 0.05).abs() < 1e-7);
        assert!((lift(two.as_ref(), 1.0) - 0.02).abs() < 1e-6);
        for goodwill in [0.01, 0.5, 3.0, 40.0] {
            assert!((lift(one.as_ref(), goodwill) - lift(nearly_one.as_ref(), goodwill)).abs() < 1e-6);
        }
        assert_eq!((lift(one.as_ref(), 0.0), lift(two.as_ref(), 0.0)), (0.0, 0.0));
    }

    #[test]
    fn a_month_sees_half_of_what_it_builds_and_two_emails_a_week_reach_the_middle() {
        // Short-run over long-run elasticity .12 / .24: the share of the effect that falls into the first month.
        let kept = f64::from(decay(28.0, 1.0));
        assert!((1.0 - libm::pow(kept, 365.25 / 12.0) - 0.53).abs() < 0.01);
        // Two e-mails a week, a quarter opened.
        let settled = 2.0 * 0.25 / 7.0 / (1.0 - kept);
        assert!((settled - 3.0).abs() < 0.2, "{settled}");
        // Elasticity there: d ln hazard / d ln G = weight * x / (1 + x)^2 = weight / 4.
        let module = testing::default(&ENTRY);
        let elasticity = (lift(module.as_ref(), 3.03) - lift(module.as_ref(), 2.97)) / 0.02;
        assert!((elasticity - 0.05).abs() < 1e-3, "{elasticity}");
    }

    #[test]
    fn weights_of_channels_are_checked() {
        let catalogue = testing::catalogue(&[("email", "news")], &[]);
        let refused = |name: &str, weight: f64| {
            let weights = Value::Coefficients(vec![(name.into(), weight)]);
            let values = Values::defaults(ENTRY.parameters).with("channel_weights", weights);
            testing::build(&ENTRY, &values, &catalogue).err().map(|refusal| refusal.message)
        };
        assert_eq!(refused("news", 0.0), None);
        assert_eq!(refused("email", 1.0).unwrap(), "there is no channel `email`");
        assert_eq!(refused("news", -1.0).unwrap(), "the weight of channel `news` is -1");
    }
}
