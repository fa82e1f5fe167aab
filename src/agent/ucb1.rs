//! UCB1 (Auer, Cesa-Bianchi & Fischer 2002, *Finite-time analysis of the multiarmed bandit problem*, figure 1).
//!
//! Index of an arm tried n times of t, rewards in [0, 1]: mean + sqrt(2 ln t / n). Regret after T rounds, bounded in
//! theorem 1: at most 8 Σ ln T / Δ + (1 + π²/3) Σ Δ over the arms that are worse by Δ.
//!
//! Differences from the paper, besides those of [`super::index_bandit`]:
//! 6. Rewards are rescaled by their range, but not clipped to a declared one, so that means stay unbiased; those outside
//!    are counted and void the bound.
//! 7. The constant 2 is the parameter `exploration`.

use super::AgentBuild;
use super::arms::MODEL;
use super::index_bandit::{IndexBandit, Width};
use super::reward_range::{REWARD_HIGH, REWARD_LOW};
use crate::registry::{Entry, Parameter, Range, Tuning, Values};
use serde::{Deserialize, Serialize};

/// The confidence width of UCB1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hoeffding {
    exploration: f64,
}

/// `kind = "ucb1"`.
pub const ENTRY: Entry<AgentBuild> = Entry {
    name: "ucb1",
    summary: "takes the action with the highest mean plus confidence width, for rewards in a declared or learned range",
    source: "Auer, Cesa-Bianchi & Fischer 2002, Finite-time analysis of the multiarmed bandit problem, figure 1",
    parameters: &[
        Parameter::number(
            "exploration",
            2.0,
            Range::NON_NEGATIVE,
            "factor of ln t / n under the root; 2 in Auer et al. 2002",
        )
        .tuned(Tuning::LogUniform { low: 0.01, high: 10.0 }),
        REWARD_LOW,
        REWARD_HIGH,
        MODEL,
    ],
    build: IndexBandit::<Hoeffding>::BUILD,
};

impl Width for Hoeffding {
    const NAME: &'static str = "ucb1";
    const CLIPS: bool = false;

    fn new(values: &Values) -> Self {
        Self { exploration: values.number("exploration") }
    }

    fn width(&self, _mean: f64, count: f64, log_rounds: f64) -> f64 {
        (self.exploration * log_rounds / count).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::super::arms::tests::experience;
    use super::super::contact;
    use super::super::index_bandit::tests::{MEANS, flat, free, regret};
    use super::super::reward_range::tests::declared;
    use super::*;
    use crate::matrix::Matrix;
    use crate::protocol::{Agent, Policy, Spec};
    use crate::random::Seed;
    use crate::registry::Value;

    fn unit_range() -> Values {
        declared(Values::defaults(ENTRY.parameters), 0.0, 1.0)
    }

    fn bandit(values: Values, spec: &Spec) -> IndexBandit<Hoeffding> {
        IndexBandit::new(&values, spec).unwrap()
    }

    fn law(policy: &dyn Policy, actions: usize) -> Vec<f32> {
        let mut law = Matrix::default();
        policy.probabilities(&free(1, actions, 0), Seed::new(1), &mut law);
        law.row(0)
    }

    #[test]
    fn the_index_by_hand() {
        let mut agent = bandit(unit_range(), &flat(2));
        assert_eq!(law(&agent, 3), vec![1.0 / 3.0; 3]);
        experience(&[1, 1, 0], &[1.0, 0.0, 1.0], |batch| agent.learn(batch, Seed::new(1))).unwrap();
        assert_eq!(law(&agent, 3), vec![0.0, 0.0, 1.0], "the untried one comes first");
        experience(&[2], &[0.25], |batch| agent.learn(batch, Seed::new(1))).unwrap();
        // t = 4: 1 + sqrt(2 ln 4), 0.5 + sqrt(ln 4), 0.25 + sqrt(2 ln 4).
        let expected = [1.0 + 1.665_109_222, 0.5 + 1.177_410_023, 0.25 + 1.665_109_222];
        for (index, expected) in agent.indices().into_iter().zip(expected) {
            assert!((index.unwrap() - expected).abs() < 1e-9);
        }
        assert_eq!(law(&agent, 3), vec![1.0, 0.0, 0.0]);
    }

    #[test]
    fn rewards_outside_the_range_are_counted_and_kept() {
        let values = unit_range().with("reward_high", Value::Number(10.0));
        let mut agent = bandit(values, &flat(1));
        let metrics = experience(&[0, 0, 1], &[20.0, 10.0, -1.0], |batch| agent.learn(batch, Seed::new(1))).unwrap();
        assert_eq!(metrics, vec![("rewards_outside_range", 2.0)]);
        let width = (2.0 * 3f64.ln() / 2.0).sqrt();
        assert!((agent.indices()[0].unwrap() - 1.5 - width).abs() < 1e-12);
    }

    #[test]
    fn regret_stays_within_theorem_1() {
        let rounds = 10_000;
        let mut agent = bandit(unit_range(), &flat(9));
        let regret = regret(&mut agent, &MEANS, rounds, Seed::new(5));
        let gaps: Vec<f64> = MEANS.iter().map(|mean| f64::from(0.8 - mean)).filter(|gap| *gap > 0.0).collect();
        let bound = gaps.iter().map(|gap| 8.0 * f64::from(rounds).ln() / gap).sum::<f64>()
            + (1.0 + std::f64::consts::PI.powi(2) / 3.0) * gaps.iter().sum::<f64>();
        let uniform = gaps.iter().sum::<f64>() / 10.0 * f64::from(rounds);
        assert!(regret < bound, "{regret} against the bound {bound}");
        assert!(regret < 0.35 * uniform, "{regret} against {uniform} of drawing at random");
    }

    #[test]
    fn with_one_factor_factored_is_flat() {
        let factored = unit_range().with("model", Value::Text("factored".into()));
        let mut agents = [unit_range(), factored].map(|values| bandit(values, &flat(6)));
        let actions: Vec<u16> = (0..70).map(|index| index % 7).collect();
        let rewards: Vec<f32> = (0..70).map(|index| ((index * 37) % 11) as f32 / 10.0).collect();
        for agent in &mut agents {
            experience(&actions, &rewards, |batch| agent.learn(batch, Seed::new(1))).unwrap();
        }
        assert_eq!(agents[0].indices(), agents[1].indices());
    }

    #[test]
    fn factored_knows_an_action_by_its_parts() {
        let values = unit_range().with("model", Value::Text("factored".into()));
        let mut agent = bandit(values.with("exploration", Value::Number(0.0)), &contact::tests::market());
        // E-mail at 12 with ten is never tried; its parts are: 8/full earns 0, 8/ten and 12/full earn 1; push earns 0.5.
        experience(&[0, 1, 2, 3, 5], &[0.0, 0.0, 1.0, 1.0, 0.5], |batch| agent.learn(batch, Seed::new(1))).unwrap();
        assert_eq!(law(&agent, 6), vec![0.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    }
}
