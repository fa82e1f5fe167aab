//! The newsletter: one action every n days, to everybody or to a segment.

use super::segment::Condition;
use super::{PolicyBuild, certain, contact};
use crate::matrix::Matrix;
use crate::protocol::{Decision, Observation, Policy, Spec, Views};
use crate::random::Seed;
use crate::registry::{Entry, Kind, Parameter, Range, Refusal, Values};

/// One action at fixed intervals, to those who meet all conditions; no contact elsewhere and where it is masked.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    action: u16,
    period_ticks: u32,
    start_tick: u32,
    stagger: bool,
    segment: Vec<Condition>,
}

/// `kind = "rule"`.
pub const ENTRY: Entry<PolicyBuild> = Entry {
    name: "rule",
    summary: "sends one action every n days, to everybody or to those who meet all conditions",
    source: "Mercato: business as usual, the calendar newsletter",
    parameters: &[
        Parameter::number("every_days", 7.0, Range::POSITIVE, "days from one message to the next; whole ticks"),
        Parameter::number("start_day", 0.0, Range::NON_NEGATIVE, "day of the first message; whole ticks"),
        Parameter::boolean("stagger", false, "spreads the consumers over the interval by their number"),
        Parameter::of(
            "segment",
            Kind::Texts { default: Some(&[]) },
            "conditions in raw units that all must hold, such as \"days_since_order > 90\"",
        ),
        contact::ACTION,
        contact::CHANNEL,
        contact::HOUR,
        contact::OFFER,
        contact::CREATIVE,
    ],
    build: |values, spec| Ok(Box::new(Rule::new(values, spec)?)),
};

/// Relative error that a number of days may have as a number of ticks: an hour is no exact part of a day.
const ROUNDING: f64 = 1e-6;

impl Rule {
    fn new(values: &Values, spec: &Spec) -> Result<Self, Refusal> {
        let every_days = values.number("every_days");
        if every_days < spec.tick_days * (1.0 - ROUNDING) {
            return Err(Refusal::new(
                values,
                "every_days",
                format!("{every_days} days are shorter than a tick of {} days", spec.tick_days),
                "a rule sends at most once per tick: use `always`, or shorten the tick",
            ));
        }
        let conditions = values.texts("segment").iter().map(|text| Condition::parse(text, values, "segment", spec));
        Ok(Self {
            action: contact::chosen_action(values, spec)?,
            period_ticks: whole_ticks(values, "every_days", spec)?,
            start_tick: whole_ticks(values, "start_day", spec)?,
            stagger: values.boolean("stagger"),
            segment: conditions.collect::<Result<_, _>>()?,
        })
    }

    fn action_of(&self, observation: &Observation, row: usize) -> u16 {
        let Some(since_start) = observation.tick.checked_sub(self.start_tick) else { return 0 };
        let phase = if self.stagger { observation.consumer_ids[row] % self.period_ticks } else { 0 };
        let due = since_start % self.period_ticks == phase;
        if due && self.segment.iter().all(|condition| condition.holds(observation, row)) { self.action } else { 0 }
    }

    /// Whether nobody at all is due, so that rows need not be looked at.
    fn rests(&self, tick: u32) -> bool {
        tick < self.start_tick || (!self.stagger && !(tick - self.start_tick).is_multiple_of(self.period_ticks))
    }
}

/// A number of days as ticks.
fn whole_ticks(values: &Values, key: &str, spec: &Spec) -> Result<u32, Refusal> {
    let days = values.number(key);
    let ticks = days / spec.tick_days;
    let rounded = libm::round(ticks);
    let too_many = rounded > f64::from(u32::MAX);
    if too_many || (ticks - rounded).abs() > ROUNDING * rounded.max(1.0) {
        return Err(Refusal::new(
            values,
            key,
            format!("{days} days are not a whole number of ticks of {} days", spec.tick_days),
            format!("the nearest that fits is {} days", rounded.min(1e6) * spec.tick_days),
        ));
    }
    Ok(rounded as u32)
}

impl Policy for Rule {
    fn views(&self) -> Views {
        Views { features: !self.segment.is_empty(), events: false }
    }

    fn probabilities(&self, observation: &Observation, _seed: Seed, probabilities: &mut Matrix) {
        certain::write(observation, probabilities, |row| self.action_of(observation, row));
    }

    fn decide(&self, observation: &Observation, _seed: Seed, decision: &mut Decision) {
        if self.rests(observation.tick) {
            decision.reset(observation.rows());
            decision.probabilities.reset(0, 0);
            return;
        }
        certain::decide(observation, decision, |row| self.action_of(observation, row));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{ActionBits, Feature};
    use crate::registry::Value;

    /// Actions of consumers 0..4 in ticks 0..ticks.
    fn calendar(values: &Values, spec: &Spec, ticks: u32) -> Vec<Vec<u16>> {
        let policy = (ENTRY.build)(values, spec).unwrap();
        let orders: Vec<Vec<f32>> = (0..4).map(|row| vec![row as f32]).collect();
        let rows: Vec<&[f32]> = orders.iter().map(Vec::as_slice).collect();
        let mut observation = Observation {
            consumer_ids: (0..4).collect(),
            features: Matrix::from_rows(&rows),
            allowed: ActionBits::all(4, spec.actions.len()),
            ..Observation::default()
        };
        let (mut decision, mut law) = (Decision::default(), Matrix::default());
        (0..ticks)
            .map(|tick| {
                observation.tick = tick;
                policy.decide(&observation, Seed::new(3), &mut decision);
                policy.probabilities(&observation, Seed::new(3), &mut law);
                for (row, action) in decision.actions.iter().enumerate() {
                    assert_eq!(law.get(row, usize::from(*action)), 1.0);
                }
                decision.actions.clone()
            })
            .collect()
    }

    fn spec() -> Spec {
        Spec { features: vec![Feature::raw("orders_365_days", "orders")], ..contact::tests::market() }
    }

    #[test]
    fn a_weekly_newsletter_goes_out_weekly() {
        let values = Values::defaults(ENTRY.parameters);
        let sent = calendar(&values, &spec(), 30);
        let days: Vec<usize> = (0..30).filter(|day| sent[*day] == [1; 4]).collect();
        assert_eq!(days, vec![0, 7, 14, 21, 28]);
        assert_eq!(sent.iter().flatten().filter(|action| **action == 1).count(), 20);
        let weekly_ticks = Spec { tick_days: 7.0, ..spec() };
        assert_eq!(calendar(&values.clone().with("every_days", Value::Integer(14)), &weekly_ticks, 4)[2], [1; 4]);
        let refusal = (ENTRY.build)(&values.clone().with("every_days", Value::Integer(10)), &weekly_ticks).unwrap_err();
        assert_eq!((refusal.key.as_str(), refusal.help.as_str()), ("every_days", "the nearest that fits is 7 days"));
        let refused =
            |key, value| (ENTRY.build)(&values.clone().with(key, Value::Number(value)), &weekly_ticks).unwrap_err();
        assert!(refused("every_days", 1.0).message.contains("shorter than a tick"));
        assert_eq!(refused("start_day", 3.0).help, "the nearest that fits is 0 days");
        let hourly_ticks = Spec { tick_days: 1.0 / 24.0, ..spec() };
        let sent = calendar(&values, &hourly_ticks, 24 * 14);
        assert_eq!((0..24 * 14).filter(|tick| sent[*tick] == [1; 4]).collect::<Vec<_>>(), [0, 168]);
    }

    #[test]
    fn start_and_stagger_spread_the_consumers() {
        let values = Values::defaults(ENTRY.parameters)
            .with("every_days", Value::Integer(3))
            .with("start_day", Value::Integer(2))
            .with("stagger", Value::Boolean(true));
        let sent = calendar(&values, &spec(), 6);
        assert_eq!(sent, [[0, 0, 0, 0], [0, 0, 0, 0], [1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 1]]);
    }

    #[test]
    fn a_segment_is_written_to_alone() {
        let segment = Value::Texts(vec!["orders_365_days >= 1".into(), "orders_365_days < 3".into()]);
        let values = Values::defaults(ENTRY.parameters).with("segment", segment);
        assert!((ENTRY.build)(&values, &spec()).unwrap().views().features);
        assert_eq!(calendar(&values, &spec(), 1), [[0, 1, 1, 0]]);
    }
}
