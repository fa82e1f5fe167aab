//! LinUCB that forgets (Russac, Vernade & Cappé 2019, *Weighted linear bandits for non-stationary environments*, algorithm
//! 1, D-LinUCB): past rows count ever less, the prior stays.
//!
//! `argmax over allowed a of mean_a(x) + alpha sqrt(x' A_a^-1 x)` with `A_a = ridge I + sum of w x x'` and
//! `mean_a(x) = x' A_a^-1 (sum of w reward x)`, where a row weighs `w = 2^(-age / half_life_ticks)`.
//!
//! Differences from the paper, besides those of [`super::lin_ucb`]:
//! 1. Age is counted in ticks, not in rounds: a tick decides for many consumers at once.
//! 2. The width is `x' A^-1 x`; the paper's is `x' A^-1 B A^-1 x`, where B has the squares of the weights. Since these are
//!    at most 1, `B <= A` and the width is never the smaller one.
//! 3. `alpha` is a constant, not the paper's bound.
//!
//! With an infinite half-life it is [`super::lin_ucb`], bit for bit.

use super::forgetting::{Clock, HALF_LIFE_TICKS, weight};
use super::lin_ucb::{ALPHA, EPSILON, LinUcb};
use super::linear::{INTERCEPT, Law, Learner, MODEL, Model, RIDGE, Row};
use super::{AgentBuild, linear};
use crate::protocol::{Agent, Spec, Transitions};
use crate::registry::{Entry, Refusal, Values};
use serde::{Deserialize, Serialize};

/// `kind = "discounted_lin_ucb"`.
pub const ENTRY: Entry<AgentBuild> = Entry {
    name: DiscountedLinUcb::NAME,
    summary: "upper confidence bound of a linear reward that forgets by a half-life, for markets that drift",
    source: "Russac, Vernade & Cappé 2019, Weighted linear bandits for non-stationary environments, algorithm 1",
    parameters: &[HALF_LIFE_TICKS, ALPHA, MODEL, RIDGE, INTERCEPT, EPSILON],
    build: AgentBuild { create, load: linear::Learner::<DiscountedLinUcb>::load },
};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct DiscountedLinUcb {
    bound: LinUcb,
    half_life_ticks: f64,
    ridge: f64,
    clock: Clock,
}

fn create(values: &Values, spec: &Spec) -> Result<Box<dyn Agent>, Refusal> {
    let law = DiscountedLinUcb {
        bound: LinUcb::new(values),
        half_life_ticks: values.number(HALF_LIFE_TICKS.name),
        ridge: values.number(RIDGE.name),
        clock: Clock::default(),
    };
    Ok(Box::new(Learner::new(law, Model::create(values, spec)?)))
}

impl Law for DiscountedLinUcb {
    const NAME: &'static str = "discounted_lin_ucb";

    fn prepare(&mut self, model: &mut Model, batch: &Transitions<'_>) {
        let elapsed = self.clock.advance(batch.observation.tick);
        if elapsed > 0 {
            model.forget(weight(elapsed, self.half_life_ticks), self.ridge);
        }
    }

    fn fill(&self, row: &mut Row<'_>, probabilities: &mut [f32]) {
        self.bound.fill(row, probabilities);
    }

    fn certain(&self, row: &mut Row<'_>) -> Option<usize> {
        self.bound.certain(row)
    }
}

#[cfg(test)]
mod tests {
    use super::super::forgetting::tests::{mean_regret_after_change, same_play};
    use super::super::lin_ucb;
    use super::*;
    use crate::agent::linear::testing::{Play, spec};
    use crate::registry::Value;

    fn values(half_life_ticks: f64) -> Values {
        Values::defaults(ENTRY.parameters).with("half_life_ticks", Value::Number(half_life_ticks))
    }

    #[test]
    fn bounds_by_hand() {
        // One feature, no intercept, ridge 1, half-life of one tick. Arm 0 saw x = 1, reward 3 at tick 0; at tick 1 that
        // counts for half: A = 1.5, b = 1.5, a bound of 1 + 1.2 / sqrt 1.5 = 1.980 at x = 1. Arm 1 saw x = 1, reward 2
        // at tick 1: A = 2, b = 2, 1 + 1.2 / sqrt 2 = 1.849; arm 2 has 1.2. Without forgetting: 1.5 + .849 and 1.849.
        let values = values(1.0).with("intercept", Value::Boolean(false)).with("alpha", Value::Number(1.2));
        let mut agent = create(&values, &spec(1, 3)).unwrap();
        let mut play = Play::new(&[&[1.0]], 3);
        for (tick, arm, reward) in [(0, 0, 3.0), (1, 1, 2.0)] {
            play.observation.tick = tick;
            play.teach_agent(agent.as_mut(), &[arm], &[reward]);
        }
        assert_eq!(play.decide(agent.as_ref()).0, vec![0]);
        // Two ticks later arm 0 has A = 1.25, b = .75, bound .6 + 1.073; arm 1, taught again, A = 2.25, b = 2.9, 2.089.
        play.observation.tick = 2;
        play.teach_agent(agent.as_mut(), &[1], &[1.9]);
        assert_eq!(play.decide(agent.as_ref()).0, vec![1]);
    }

    #[test]
    fn without_forgetting_it_is_the_parent_bit_for_bit() {
        for model in ["disjoint", "shared", "factored"] {
            let of = |entry: &Entry<AgentBuild>, values: Values| {
                (entry.build.create)(&values.with("model", Value::Text(model.into())), &spec(1, 3)).unwrap()
            };
            let mut parent = of(&lin_ucb::ENTRY, Values::defaults(lin_ucb::ENTRY.parameters));
            same_play(parent.as_mut(), of(&ENTRY, values(1e300)).as_mut());
        }
    }

    #[test]
    fn after_a_change_it_loses_less_than_its_parent() {
        let parent = mean_regret_after_change(|| {
            (lin_ucb::ENTRY.build.create)(&Values::defaults(lin_ucb::ENTRY.parameters), &spec(1, 3)).unwrap()
        });
        let own = mean_regret_after_change(|| create(&values(10.0), &spec(1, 3)).unwrap());
        assert!(own < 0.5 * parent, "{own} against {parent}");
    }
}
