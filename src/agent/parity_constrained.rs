//! Parity: the best upper bound of a linear reward less a price on treating the members of a group differently.
//!
//! What is held in balance is d(a): 1 for a message (`on = "contact"`) or the depth of its discount (`on = "discount"`). The
//! gap is the mean of d over members less that over others. Its Lagrangian multiplier ν is a price, and each row takes
//!
//! ```text
//! argmax over allowed a of   bound_a(x) - ν s(x) d(a),     s(x) = 1 - share for members, -share for others
//! ```
//!
//! with the share of members among the rows that count, so that the mean of s d is the gap times share (1 - share). After
//! each tick ν goes against what the gap exceeds `tolerance` by: a positive ν makes d dear for members and cheap for others.
//! Agarwal, Beygelzimer, Dudík, Langford & Wallach 2018, *A reductions approach to fair classification*, ICML, section 3
//! (a parity constraint as a cost for each decision, its multipliers found by play against the learner); the step that
//! shrinks with the root of time is Zinkevich 2003. A frozen policy keeps the ν and the share that it has learned.
//!
//! Members are those whose raw `feature` is above 0: an indicator such as `group`, or a `proxy` that is 1 or -1. **Where only
//! a proxy is observed, parity is kept between the groups that the proxy tells**, not between the true ones. With
//! q = P(proxy | member) - P(proxy | other) and decisions that otherwise know nothing of the group, the true gap is q times
//! the gap by proxy, so that closing the one closes the other. But what the value model reads may tell the group beyond the
//! proxy, and of that part nothing is seen, corrected, or even reported here: only who observes the group can say what is
//! left (Chen, Kallus, Mao, Svacha & Udell 2019, *Fairness under unawareness*, FAT\*).
//!
//! What parity is not: equal d on average does not make treatment equal for equal need, and can harm those it is meant for
//! (Corbett-Davies & Goel 2018, *The measure and mismeasure of fairness*, against constraints that ignore how groups differ).
//!
//! Differences from the sources (both to be checked against the papers):
//! 1. The learner is a bandit and decides by upper bounds; the multiplier moves while the model still learns.
//! 2. One signed multiplier stands for the two of `gap <= tolerance` and `-gap <= tolerance`; it does not jump over 0.
//! 3. The last ν decides, not a random mixture of all iterates: where many rows are equal it goes to and fro about parity.
//! 4. Rows that count are, for contact, those who may be contacted: nobody answers for who gave no consent. For discount,
//!    those who got a message; d is then the depth less the mean depth, so that ν moves depth and not the number of messages.
//! 5. The market does not tell agents what an offer takes off: `depths` does, by the names of offers.

use super::lin_ucb::{ALPHA, EPSILON};
use super::linear::blind::BLIND_TO;
use super::linear::{INTERCEPT, Law, Learner, MODEL, Model, RIDGE, Row, mix_uniform};
use super::segment::Condition;
use super::{AgentBuild, linear, naming};
use crate::protocol::{Agent, Metrics, Observation, Spec, Transitions};
use crate::registry::{Entry, Kind, Parameter, Range, Refusal, Tuning, Values};
use serde::{Deserialize, Serialize};

/// `kind = "parity_constrained"`.
pub const ENTRY: Entry<AgentBuild> = Entry {
    name: ParityConstrained::NAME,
    summary: "upper confidence bound of a linear reward less a learned price on treating two groups differently",
    source: "Agarwal, Beygelzimer, Dudík, Langford & Wallach 2018, section 3; Zinkevich 2003",
    parameters: &[
        Parameter::of(
            "feature",
            Kind::Text { default: None },
            "observed feature that tells members (raw value above 0) from others, such as \"group\" or \"proxy\"",
        )
        .required(),
        Parameter::choice("on", "contact", &["contact", "discount"], "what both groups shall get alike"),
        Parameter::of(
            "depths",
            Kind::Coefficients,
            "share of the price that each offer takes off, by its name; 0 where absent; for on = \"discount\"",
        ),
        Parameter::number(
            "tolerance",
            0.0,
            Range::NON_NEGATIVE,
            "gap that is let be, either way (messages; share of price)",
        ),
        Parameter::number("nu", 0.0, Range::ANY, "price of the gap before the first tick (reward per unit of it)"),
        Parameter::number(
            "nu_rate",
            1.0,
            Range::NON_NEGATIVE,
            "change of the price by a gap of 1, after the first tick; later it shrinks with the root of the ticks",
        )
        .tuned(Tuning::LogUniform { low: 0.05, high: 20.0 }),
        ALPHA,
        MODEL,
        RIDGE,
        INTERCEPT,
        EPSILON,
        BLIND_TO,
    ],
    build: AgentBuild { create, load: linear::Learner::<ParityConstrained>::load },
};

/// Beyond this the gap alone decides.
const PRICE_MAX: f64 = 1e12;

/// How many rows of a group took each action.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Taken {
    /// By action; rows that do not count are left out.
    rows: Vec<u64>,
}

impl Taken {
    fn none(actions: usize) -> Self {
        Self { rows: vec![0; actions] }
    }

    fn total(&self) -> u64 {
        self.rows.iter().sum()
    }

    /// Sum of d.
    fn sum(&self, depths: &[f32]) -> f64 {
        self.rows.iter().zip(depths).map(|(rows, depth)| *rows as f64 * f64::from(*depth)).sum()
    }
}

/// A tick that is still being learned from.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct OpenTick {
    tick: u32,
    members: Taken,
    others: Taken,
}

/// What a finished tick shows.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Finding {
    /// Mean of d, members less others.
    gap: f64,
    /// Members among the rows that count.
    member_share: f64,
    /// Mean of d over all rows that count.
    mean_depth: f64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct ParityConstrained {
    alpha: f32,
    epsilon: f32,
    is_member: Condition,
    /// Whether d is the depth of a message, and rows without a message do not count.
    is_of_messages: bool,
    /// d by action.
    depths: Vec<f32>,
    tolerance: f64,
    rate: f64,
    price: f64,
    /// Ticks that have moved the price.
    ticks: u64,
    member_share: f64,
    /// What d is counted from: its mean for `on = "discount"`, else 0.
    origin: f64,
    gap: f64,
    open: Option<OpenTick>,
}

fn create(values: &Values, spec: &Spec) -> Result<Box<dyn Agent>, Refusal> {
    Ok(Box::new(Learner::new(ParityConstrained::new(values, spec)?, Model::create(values, spec)?)))
}

/// What each action gives of the discount, from `depths`.
fn discounts(values: &Values, spec: &Spec) -> Result<Vec<f32>, Refusal> {
    let refuse = |message: &str| {
        Refusal::new(
            values,
            "depths",
            message,
            "write what offers take off, such as depths = { ten = 0.10, fifth = 0.20 }",
        )
    };
    let given = values.coefficients("depths");
    let factor =
        spec.actions.factor("offer").ok_or_else(|| refuse("there are no offers whose depth could be alike"))?;
    let levels = &spec.actions.factors[factor].levels;
    for (name, depth) in given {
        if !levels.contains(name) {
            let way_out = naming::way_out(name, levels.iter().map(String::as_str));
            return Err(Refusal::new(values, "depths", format!("there is no offer `{name}`"), way_out));
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

impl ParityConstrained {
    fn new(values: &Values, spec: &Spec) -> Result<Self, Refusal> {
        let is_of_messages = values.text("on") == "discount";
        let depths = if is_of_messages {
            discounts(values, spec)?
        } else {
            spec.actions.actions.iter().map(|action| f32::from(u8::from(action.levels.is_some()))).collect()
        };
        Ok(Self {
            alpha: values.number("alpha") as f32,
            epsilon: values.number("epsilon") as f32,
            is_member: Condition::parse(&format!("{} > 0", values.text("feature")), values, "feature", spec)?,
            is_of_messages,
            depths,
            tolerance: values.number("tolerance"),
            rate: values.number("nu_rate"),
            price: values.number("nu").clamp(-PRICE_MAX, PRICE_MAX),
            ticks: 0,
            member_share: 0.5,
            origin: 0.0,
            gap: 0.0,
            open: None,
        })
    }

    /// Whether a row says something about parity.
    fn counts(&self, observation: &Observation, row: usize, action: u16) -> bool {
        if self.is_of_messages { action != 0 } else { observation.allowed.count(row) > 1 }
    }

    /// The gap of a tick; `None` where nobody of one of the groups counted.
    fn finding(&self, done: &OpenTick) -> Option<Finding> {
        let rows = [&done.members, &done.others].map(|taken| taken.total() as f64);
        if rows.contains(&0.0) {
            return None;
        }
        let sums = [&done.members, &done.others].map(|taken| taken.sum(&self.depths));
        let all = rows[0] + rows[1];
        Some(Finding {
            gap: sums[0] / rows[0] - sums[1] / rows[1],
            member_share: rows[0] / all,
            mean_depth: (sums[0] + sums[1]) / all,
        })
    }

    /// One step of both multipliers, of which one at most is not 0.
    fn close(&mut self, done: &OpenTick) {
        let Some(Finding { gap, member_share, mean_depth }) = self.finding(done) else { return };
        self.ticks += 1;
        let rate = self.rate / (self.ticks as f64).sqrt();
        let (too_much, too_little) = (rate * (gap - self.tolerance), rate * (gap + self.tolerance));
        self.price = if self.price > 0.0 || (self.price == 0.0 && too_much > 0.0) {
            (self.price + too_much).clamp(0.0, PRICE_MAX)
        } else {
            (self.price + too_little).clamp(-PRICE_MAX, 0.0)
        };
        self.gap = gap;
        self.member_share = member_share;
        if self.is_of_messages {
            self.origin = mean_depth;
        }
    }

    fn score(&self, row: &mut Row<'_>) {
        row.score_by_upper_bound(self.alpha);
        let is_member = f64::from(u8::from(self.is_member.holds(row.observation, row.index)));
        let price = (self.price * (is_member - self.member_share)) as f32;
        let origin = self.origin as f32;
        // No contact has no d, whatever it is counted from.
        let contacts = self.depths.iter().skip(1).map(|depth| price * (depth - origin));
        row.charge(std::iter::once(0.0).chain(contacts));
    }
}

impl Law for ParityConstrained {
    const NAME: &'static str = "parity_constrained";

    fn fill(&self, row: &mut Row<'_>, probabilities: &mut [f32]) {
        self.score(row);
        probabilities[row.best()] = 1.0;
        mix_uniform(row, self.epsilon, probabilities);
    }

    fn certain(&self, row: &mut Row<'_>) -> Option<usize> {
        (self.epsilon == 0.0).then(|| {
            self.score(row);
            row.best()
        })
    }

    fn review(&mut self, _model: &Model, batch: &Transitions<'_>) -> Metrics {
        if batch.actions.is_empty() {
            return Metrics::new();
        }
        let tick = batch.observation.tick;
        if let Some(done) = self.open.take_if(|open| open.tick != tick) {
            self.close(&done);
        }
        let actions = self.depths.len();
        let mut open = self.open.take().unwrap_or_else(|| OpenTick {
            tick,
            members: Taken::none(actions),
            others: Taken::none(actions),
        });
        for (row, action) in batch.actions.iter().enumerate() {
            if self.counts(batch.observation, row, *action) {
                let is_member = self.is_member.holds(batch.observation, row);
                let taken = if is_member { &mut open.members } else { &mut open.others };
                taken.rows[usize::from(*action)] += 1;
            }
        }
        self.open = Some(open);
        vec![("nu", self.price), ("gap", self.gap)]
    }
}

#[cfg(test)]
mod tests;
