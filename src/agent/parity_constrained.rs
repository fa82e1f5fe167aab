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

pub(super) mod groups;

use super::lin_ucb::{ALPHA, EPSILON};
use super::linear::blind::BLIND_TO;
use super::linear::{INTERCEPT, Law, Learner, MODEL, Model, RIDGE, Row, mix_uniform};
use super::{AgentBuild, linear};
use crate::protocol::{Agent, Metrics, Spec, Transitions};
use crate::registry::{Entry, Kind, Parameter, Range, Refusal, Tuning, Values};
use groups::{Groups, Keys};
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

#[derive(Clone, Debug, Serialize, Deserialize)]
struct ParityConstrained {
    alpha: f32,
    epsilon: f32,
    groups: Groups,
    tolerance: f64,
    rate: f64,
    price: f64,
    /// Ticks that have moved the price.
    ticks: u64,
    open_tick: Option<u32>,
}

fn create(values: &Values, spec: &Spec) -> Result<Box<dyn Agent>, Refusal> {
    Ok(Box::new(Learner::new(ParityConstrained::new(values, spec)?, Model::create(values, spec)?)))
}

impl ParityConstrained {
    fn new(values: &Values, spec: &Spec) -> Result<Self, Refusal> {
        Ok(Self {
            alpha: values.number("alpha") as f32,
            epsilon: values.number("epsilon") as f32,
            groups: Groups::new(values, Keys { feature: "feature", on: "on", depths: "depths" }, spec)?,
            tolerance: values.number("tolerance"),
            rate: values.number("nu_rate"),
            price: values.number("nu").clamp(-PRICE_MAX, PRICE_MAX),
            ticks: 0,
            open_tick: None,
        })
    }

    /// One step of both multipliers, of which one at most is not 0.
    fn close(&mut self) {
        let Some(gap) = self.groups.close() else { return };
        self.ticks += 1;
        let rate = self.rate / (self.ticks as f64).sqrt();
        let (too_much, too_little) = (rate * (gap - self.tolerance), rate * (gap + self.tolerance));
        self.price = if self.price > 0.0 || (self.price == 0.0 && too_much > 0.0) {
            (self.price + too_much).clamp(0.0, PRICE_MAX)
        } else {
            (self.price + too_little).clamp(-PRICE_MAX, 0.0)
        };
    }

    fn score(&self, row: &mut Row<'_>) {
        row.score_by_upper_bound(self.alpha);
        let price = (self.price * self.groups.weight(row.observation, row.index)) as f32;
        row.charge(self.groups.distances().map(|distance| price * distance));
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
        if self.open_tick.is_some_and(|open| open != tick) {
            self.close();
        }
        self.open_tick = Some(tick);
        self.groups.count(batch.observation, batch.actions);
        vec![("nu", self.price), ("gap", self.groups.gap())]
    }
}

#[cfg(test)]
mod tests;
