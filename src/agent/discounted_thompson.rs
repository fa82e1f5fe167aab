//! Thompson sampling that forgets (Raj & Kalyani 2017, *Taming non-stationary bandits: a Bayesian approach*, algorithm 1,
//! dTS): before it learns, every count of successes and failures is multiplied by a discount, so that an arm that is no
//! longer tried grows uncertain again.
//!
//! Differences from the paper, besides those of [`super::thompson`]:
//! 1. The discount is that of a tick, 2^(-1 / `half_life_ticks`), not of a round: a tick decides for many consumers at
//!    once. Rewards are discounted from the tick of their decision on, whenever they mature.
//! 2. Gaussian posteriors are discounted too: the number of rewards behind a mean fades, the mean itself stays.
//! 3. The prior is not discounted, as in the paper; a learned range of rewards is not forgotten.
//!
//! With an infinite half-life it is [`super::thompson`], bit for bit.

use super::AgentBuild;
use super::arms::MODEL;
use super::forgetting::HALF_LIFE_TICKS;
use super::reward_range::{REWARD_HIGH, REWARD_LOW};
use super::thompson::{
    BUILD, FLOOR, LIKELIHOOD, NOISE_VARIANCE, PRIOR_FAILURES, PRIOR_MEAN, PRIOR_STRENGTH, PRIOR_SUCCESSES, SAMPLES,
};
use crate::registry::Entry;

/// `kind = "discounted_thompson"`.
pub const ENTRY: Entry<AgentBuild> = Entry {
    name: "discounted_thompson",
    summary: "Thompson sampling that forgets by a half-life, for markets that drift",
    source: "Raj & Kalyani 2017, Taming non-stationary bandits: a Bayesian approach, algorithm 1",
    parameters: &[
        HALF_LIFE_TICKS,
        LIKELIHOOD,
        SAMPLES,
        FLOOR,
        PRIOR_SUCCESSES,
        PRIOR_FAILURES,
        REWARD_LOW,
        REWARD_HIGH,
        PRIOR_MEAN,
        PRIOR_STRENGTH,
        NOISE_VARIANCE,
        MODEL,
    ],
    build: BUILD,
};

#[cfg(test)]
mod tests {
    use super::super::forgetting::tests::{mean_regret_after_change, same_play};
    use super::super::index_bandit::tests::flat;
    use super::super::thompson;
    use super::*;
    use crate::protocol::Agent;
    use crate::registry::{Value, Values};

    fn agent(entry: &Entry<AgentBuild>, half_life_ticks: Option<f64>) -> Box<dyn Agent> {
        let values = Values::defaults(entry.parameters)
            .with("likelihood", Value::Text("beta".into()))
            .with("reward_low", Value::Number(0.0))
            .with("reward_high", Value::Number(1.0));
        let values = half_life_ticks
            .into_iter()
            .fold(values, |values, ticks| values.with("half_life_ticks", Value::Number(ticks)));
        (entry.build.create)(&values, &flat(2)).unwrap()
    }

    #[test]
    fn without_forgetting_it_is_the_parent_bit_for_bit() {
        same_play(agent(&thompson::ENTRY, None).as_mut(), agent(&ENTRY, Some(1e300)).as_mut());
    }

    #[test]
    fn after_a_change_it_loses_less_than_its_parent() {
        let parent = mean_regret_after_change(|| agent(&thompson::ENTRY, None));
        let own = mean_regret_after_change(|| agent(&ENTRY, Some(10.0)));
        assert!(own < 0.5 * parent, "{own} against {parent}");
    }
}
