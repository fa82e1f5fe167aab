//! Two groups, and how differently they are treated: who belongs, what counts, the gap of a tick.
//!
//! d(a) is 1 for a message, or the depth of its discount; the gap is the mean of d over members less that over others. A price
//! on the gap charges a row `weight × distance(a)`, where the weight is 1 - share for members and -share for others, so
//! that the mean of what is charged is the gap times share (1 - share).

use super::super::naming;
use super::super::segment::Condition;
use crate::protocol::{Observation, Spec};
use crate::registry::{Refusal, Values};
use serde::{Deserialize, Serialize};

/// How the keys are called.
#[derive(Clone, Copy, Debug)]
pub(in crate::agent) struct Keys {
    /// The observed feature that tells members.
    pub feature: &'static str,
    /// `contact` or `discount`.
    pub on: &'static str,
    /// What offers take off.
    pub depths: &'static str,
}

/// How many rows of a group took each action; rows that do not count are left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Taken(Vec<u64>);

impl Taken {
    fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Sum of d.
    fn sum(&self, depths: &[f32]) -> f64 {
        self.0.iter().zip(depths).map(|(rows, depth)| *rows as f64 * f64::from(*depth)).sum()
    }
}

/// Two groups and what was done to them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::agent) struct Groups {
    is_member: Condition,
    /// Whether d is the depth of a message, and rows without a message do not count.
    is_of_messages: bool,
    /// d by action.
    depths: Vec<f32>,
    /// Members among the rows that count, in the last tick in which both groups did.
    member_share: f64,
    /// What d is counted from: its mean where d is the depth of a message, else 0.
    origin: f64,
    gap: f64,
    /// The tick that is being counted: members, others.
    open: [Taken; 2],
}

impl Groups {
    /// As a file says it.
    ///
    /// # Errors
    /// Where the feature does not exist, or depths are asked for and none is given.
    pub(in crate::agent) fn new(values: &Values, keys: Keys, spec: &Spec) -> Result<Self, Refusal> {
        let is_of_messages = values.text(keys.on) == "discount";
        let depths = if is_of_messages {
            discounts(values, keys.depths, spec)?
        } else {
            spec.actions.actions.iter().map(|action| f32::from(u8::from(action.levels.is_some()))).collect()
        };
        let condition = format!("{} > 0", values.text(keys.feature));
        let none = Taken(vec![0; depths.len()]);
        Ok(Self {
            is_member: Condition::parse(&condition, values, keys.feature, spec)?,
            is_of_messages,
            depths,
            member_share: 0.5,
            origin: 0.0,
            gap: 0.0,
            open: [none.clone(), none],
        })
    }

    /// Whether a row says something about parity.
    fn counts(&self, observation: &Observation, row: usize, action: u16) -> bool {
        if self.is_of_messages { action != 0 } else { observation.allowed.count(row) > 1 }
    }

    /// Counts what was done to the rows of a shard.
    pub(in crate::agent) fn count(&mut self, observation: &Observation, actions: &[u16]) {
        for (row, action) in actions.iter().enumerate() {
            if self.counts(observation, row, *action) {
                let group = usize::from(!self.is_member.holds(observation, row));
                self.open[group].0[usize::from(*action)] += 1;
            }
        }
    }

    /// The gap of the tick that is now over; `None` where nobody of one of the groups counted.
    pub(in crate::agent) fn close(&mut self) -> Option<f64> {
        let rows = [0, 1].map(|group: usize| self.open[group].total() as f64);
        let sums = [0, 1].map(|group: usize| self.open[group].sum(&self.depths));
        self.open.iter_mut().for_each(|taken| taken.0.fill(0));
        if rows.contains(&0.0) {
            return None;
        }
        let all = rows[0] + rows[1];
        self.gap = sums[0] / rows[0] - sums[1] / rows[1];
        self.member_share = rows[0] / all;
        if self.is_of_messages {
            self.origin = (sums[0] + sums[1]) / all;
        }
        Some(self.gap)
    }

    /// The last gap.
    pub(in crate::agent) fn gap(&self) -> f64 {
        self.gap
    }

    /// By how much a row counts, and which way.
    pub(in crate::agent) fn weight(&self, observation: &Observation, row: usize) -> f64 {
        f64::from(u8::from(self.is_member.holds(observation, row))) - self.member_share
    }

    /// What a price on the gap is charged for, by action. No contact has no d, whatever it is counted from.
    pub(in crate::agent) fn distances(&self) -> impl Iterator<Item = f32> + '_ {
        let origin = self.origin as f32;
        std::iter::once(0.0).chain(self.depths.iter().skip(1).map(move |depth| depth - origin))
    }
}

/// What each action gives of the discount, from `depths`.
fn discounts(values: &Values, key: &'static str, spec: &Spec) -> Result<Vec<f32>, Refusal> {
    let refuse = |message: &str| {
        Refusal::new(
            values,
            key,
            message,
            format!("write what offers take off, such as {key} = {{ ten = 0.10, fifth = 0.20 }}"),
        )
    };
    let given = values.coefficients(key);
    let factor =
        spec.actions.factor("offer").ok_or_else(|| refuse("there are no offers whose depth could be alike"))?;
    let levels = &spec.actions.factors[factor].levels;
    for (name, depth) in given {
        if !levels.contains(name) {
            let way_out = naming::way_out(name, levels.iter().map(String::as_str));
            return Err(Refusal::new(values, key, format!("there is no offer `{name}`"), way_out));
        }
        if !(0.0..=1.0).contains(depth) {
            return Err(refuse(&format!("`{name}` takes off {depth}, which is no share of a price")));
        }
    }
    let depth_of = |level: u16| {
        let name = &levels[usize::from(level)];
        given.iter().find(|(other, _)| other == name).map_or(0.0, |(_, depth)| *depth as f32)
    };
    let depths: Vec<f32> = spec
        .actions
        .actions
        .iter()
        .map(|action| action.levels.as_ref().map_or(0.0, |levels| depth_of(levels[factor])))
        .collect();
    if depths.iter().all(|depth| *depth == 0.0) {
        return Err(refuse("no offer has a depth, so that there is nothing to hold in balance"));
    }
    Ok(depths)
}
