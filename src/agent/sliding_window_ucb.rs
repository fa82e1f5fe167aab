//! UCB over the latest ticks alone (Garivier & Moulines 2011, *On upper-confidence bound policies for switching bandit
//! problems*, section 3.2, SW-UCB).
//!
//! Index of an arm tried n times within the window, rewards in [0, 1]: mean within the window + sqrt(ξ ln N / n), where N
//! is the number of decisions within the window.
//!
//! Differences from the paper, besides those of [`super::index_bandit`]:
//! 6. The window is counted in ticks, not in rounds, because a tick decides for many consumers at once; N is the number of
//!    decisions learned from within it, where the paper has the smaller of t and the window.
//! 7. ξ is the parameter `exploration`: 0.6 in the experiments of the paper, above 1/2 in its theorem.
//!
//! With a window as long as all time it is [`super::ucb1`] of the same `exploration`, bit for bit.

use super::AgentBuild;
use super::arms::MODEL;
use super::forgetting::WINDOW_TICKS;
use super::index_bandit::{IndexBandit, Width};
use super::reward_range::{REWARD_HIGH, REWARD_LOW};
use super::ucb1::Hoeffding;
use crate::registry::{Entry, Parameter, Range, Tuning, Values};
use serde::{Deserialize, Serialize};

/// The confidence width of UCB1, under a name of its own.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WindowHoeffding(Hoeffding);

/// `kind = "sliding_window_ucb"`.
pub const ENTRY: Entry<AgentBuild> = Entry {
    name: WindowHoeffding::NAME,
    summary: "takes the action with the highest mean plus confidence width of the latest ticks, for markets that drift",
    source: "Garivier & Moulines 2011, On upper-confidence bound policies for switching bandit problems, section 3.2",
    parameters: &[
        WINDOW_TICKS,
        Parameter::number(
            "exploration",
            0.6,
            Range::NON_NEGATIVE,
            "factor of ln N / n under the root; 0.6 in the experiments of Garivier & Moulines 2011",
        )
        .tuned(Tuning::LogUniform { low: 0.01, high: 5.0 }),
        REWARD_LOW,
        REWARD_HIGH,
        MODEL,
    ],
    build: IndexBandit::<WindowHoeffding>::BUILD,
};

impl Width for WindowHoeffding {
    const NAME: &'static str = "sliding_window_ucb";
    const CLIPS: bool = Hoeffding::CLIPS;

    fn new(values: &Values) -> Self {
        Self(Hoeffding::new(values))
    }

    fn width(&self, mean: f64, count: f64, log_rounds: f64) -> f64 {
        self.0.width(mean, count, log_rounds)
    }
}

#[cfg(test)]
mod tests {
    use super::super::arms::tests::experience_at;
    use super::super::forgetting::tests::{mean_regret_after_change, same_play};
    use super::super::index_bandit::tests::{flat, free};
    use super::super::reward_range::tests::declared;
    use super::super::ucb1;
    use super::*;
    use crate::protocol::Agent;
    use crate::random::Seed;
    use crate::registry::Value;

    fn values(entry: &Entry<AgentBuild>, window_ticks: Option<i64>) -> Values {
        let values = declared(Values::defaults(entry.parameters), 0.0, 1.0).with("exploration", Value::Number(0.6));
        window_ticks.into_iter().fold(values, |values, ticks| values.with("window_ticks", Value::Integer(ticks)))
    }

    fn agent(entry: &Entry<AgentBuild>, window_ticks: Option<i64>) -> Box<dyn Agent> {
        (entry.build.create)(&values(entry, window_ticks), &flat(2)).unwrap()
    }

    #[test]
    fn the_index_by_hand() {
        let mut agent = IndexBandit::<WindowHoeffding>::new(&values(&ENTRY, Some(2)), &flat(2)).unwrap();
        for (tick, actions, rewards) in [(0, [0, 1], [1.0, 1.0]), (1, [0, 0], [0.0, 0.5]), (2, [1, 2], [0.25, 0.0])] {
            experience_at(&free(2, 3, tick), &actions, &rewards, |batch| agent.learn(batch, Seed::new(1))).unwrap();
        }
        // Tick 0 is forgotten: N = 4, means 1/4 of two, 1/4 and 0 of one.
        let width = |count: f64| (0.6 * 4f64.ln() / count).sqrt();
        let expected = [0.25 + width(2.0), 0.25 + width(1.0), width(1.0)];
        for (index, expected) in agent.indices().into_iter().zip(expected) {
            assert!((index.unwrap() - expected).abs() < 1e-12);
        }
        experience_at(&free(1, 3, 4), &[0], &[1.0], |batch| agent.learn(batch, Seed::new(1))).unwrap();
        assert_eq!(agent.indices()[1..], [None, None], "what is forgotten is tried again");
    }

    #[test]
    fn without_forgetting_it_is_the_parent_bit_for_bit() {
        same_play(agent(&ucb1::ENTRY, None).as_mut(), agent(&ENTRY, Some(1_000_000)).as_mut());
    }

    #[test]
    fn after_a_change_it_loses_less_than_its_parent() {
        let parent = mean_regret_after_change(|| agent(&ucb1::ENTRY, None));
        let own = mean_regret_after_change(|| agent(&ENTRY, Some(30)));
        // 110 against 203, on eight seeds.
        assert!(own < 0.65 * parent, "{own} against {parent}");
    }
}
