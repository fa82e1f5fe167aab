//! KL-UCB (Garivier & Cappé 2011, *The KL-UCB algorithm for bounded stochastic bandits and beyond*, algorithm 1).
//!
//! Index of an arm tried n times of t with mean p: the greatest q in [p, 1] with n kl(p, q) ≤ ln t + c ln ln t, where
//! kl(p, q) = p ln(p/q) + (1-p) ln((1-p)/(1-q)) is the divergence of Bernoulli laws.
//!
//! Differences from the paper, besides those of [`super::index_bandit`]:
//! 6. Rewards are rescaled to [0, 1] by their range and clipped to a declared one, since the divergence needs means in
//!    there; the clipped ones are counted.
//! 7. ln ln t counts as 0 where t < e.

use super::AgentBuild;
use super::arms::MODEL;
use super::index_bandit::{IndexBandit, Width};
use super::reward_range::{REWARD_HIGH, REWARD_LOW};
use crate::registry::{Entry, Parameter, Range, Tuning, Values};
use serde::{Deserialize, Serialize};

/// The confidence width of KL-UCB.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct KullbackLeibler {
    log_log_weight: f64,
}

/// `kind = "kl_ucb"`.
pub const ENTRY: Entry<AgentBuild> = Entry {
    name: "kl_ucb",
    summary: "takes the action with the highest Kullback-Leibler confidence bound, tighter than ucb1 for rare events",
    source: "Garivier & Cappé 2011, The KL-UCB algorithm for bounded stochastic bandits and beyond, algorithm 1",
    parameters: &[
        Parameter::number(
            "log_log_weight",
            0.0,
            Range::NON_NEGATIVE,
            "the paper's c, factor of ln ln t: 3 in its theorem, 0 in its experiments",
        )
        .tuned(Tuning::Uniform { low: 0.0, high: 3.0 }),
        REWARD_LOW,
        REWARD_HIGH,
        MODEL,
    ],
    build: IndexBandit::<KullbackLeibler>::BUILD,
};

impl Width for KullbackLeibler {
    const NAME: &'static str = "kl_ucb";
    const CLIPS: bool = true;

    fn new(values: &Values) -> Self {
        Self { log_log_weight: values.number("log_log_weight") }
    }

    fn width(&self, mean: f64, count: f64, log_rounds: f64) -> f64 {
        let log_log = if log_rounds > 1.0 { libm::log(log_rounds) } else { 0.0 };
        let level = (log_rounds + self.log_log_weight * log_log) / count;
        upper_bound(mean.clamp(0.0, 1.0), level) - mean
    }
}

/// Divergence of two Bernoulli laws, p and q inside [0, 1], q not at an end that p does not share.
#[must_use]
pub fn divergence(p: f64, q: f64) -> f64 {
    let term = |p: f64, q: f64| if p > 0.0 { p * libm::log(p / q) } else { 0.0 };
    term(p, q) + term(1.0 - p, 1.0 - q)
}

/// The greatest q with kl(p, q) ≤ level, by Newton's method.
///
/// kl(p, ·) is convex and increasing right of p, and kl ≥ 2 (q - p)² (Pinsker), so that steps from p + sqrt(level / 2)
/// come down to the solution from the right without crossing it.
#[must_use]
pub fn upper_bound(p: f64, level: f64) -> f64 {
    const LARGEST: f64 = 1.0 - f64::EPSILON;
    if level <= 0.0 || p >= LARGEST {
        return p;
    }
    if p <= 0.0 {
        return -libm::expm1(-level);
    }
    let mut q = (p + (level / 2.0).sqrt()).min(LARGEST);
    for _ in 0..100 {
        let next = q - (divergence(p, q) - level) * q * (1.0 - q) / (q - p);
        // Also stops where the very largest q is still too small, and where rounding ends the descent.
        if next.is_nan() || next >= q || next <= p {
            break;
        }
        q = next;
    }
    q
}

#[cfg(test)]
mod tests {
    use super::super::arms::tests::experience;
    use super::super::index_bandit::tests::{MEANS, flat, regret, regret_in};
    use super::super::reward_range::tests::declared;
    use super::super::ucb1;
    use super::*;
    use crate::protocol::Agent;
    use crate::random::Seed;

    fn unit_range() -> Values {
        declared(Values::defaults(ENTRY.parameters), 0.0, 1.0)
    }

    #[test]
    fn the_divergence_by_hand() {
        // 0.5 ln(0.5/0.25) + 0.5 ln(0.5/0.75) = 0.5 ln(4/3)
        assert!((divergence(0.5, 0.25) - 0.143_841_036_225_89).abs() < 1e-12);
        assert_eq!(divergence(0.3, 0.3), 0.0);
        assert!((divergence(0.0, 0.5) - std::f64::consts::LN_2).abs() < 1e-15);
    }

    #[test]
    fn the_bound_solves_its_equation() {
        for p in [1e-9, 1e-4, 0.01, 0.1, 0.3, 0.5, 0.9, 0.999] {
            for level in [1e-8, 1e-5, 1e-3, 0.1, 0.5, 1.0, 3.0] {
                let q = upper_bound(p, level);
                assert!(q > p && q < 1.0);
                // Near 1 the divergence is steeper than f64 resolves: the level then lies between that of the
                // neighbours of q, or above that of the largest q below 1.
                let solved = (divergence(p, q) - level).abs() < 1e-9;
                let (below, above) = (q.next_down().next_down(), q.next_up().next_up());
                let enclosed = divergence(p, below) <= level && (above >= 1.0 || level <= divergence(p, above));
                assert!(solved || enclosed, "p = {p}, level = {level}: q = {q}, kl = {}", divergence(p, q));
            }
        }
        assert!((upper_bound(0.0, 0.7) - (1.0 - (-0.7f64).exp())).abs() < 1e-15);
        assert_eq!((upper_bound(1.0, 0.7), upper_bound(0.4, 0.0)), (1.0, 0.4));
        assert!(upper_bound(0.5, 1e3) > 1.0 - 1e-12);
    }

    #[test]
    fn the_index_is_the_bound_and_rewards_outside_are_clipped() {
        let mut agent = IndexBandit::<KullbackLeibler>::new(&unit_range(), &flat(1)).unwrap();
        let rewards = [1.0, 0.0, 7.0, -2.0];
        let metrics = experience(&[0, 1, 1, 1], &rewards, |batch| agent.learn(batch, Seed::new(1))).unwrap();
        assert_eq!(metrics, vec![("rewards_outside_range", 2.0)]);
        let index = agent.indices()[1].unwrap();
        assert!((3.0 * divergence(1.0 / 3.0, index) - 4f64.ln()).abs() < 1e-9);
    }

    #[test]
    fn regret_is_below_that_of_ucb1() {
        let mut agents = [ENTRY, ucb1::ENTRY].map(|entry| {
            (entry.build.create)(&declared(Values::defaults(entry.parameters), 0.0, 1.0), &flat(9)).unwrap()
        });
        let [kl, hoeffding] = agents.each_mut().map(|agent| regret(agent.as_mut(), &MEANS, 4_000, Seed::new(5)));
        // Lai & Robbins' constant Σ Δ / kl(μ, μ*) times ln T, an asymptotic lower bound.
        let best = 0.8;
        let worse = MEANS.iter().map(|mean| f64::from(*mean)).filter(|mean| *mean < best - 1e-6);
        let constant: f64 = worse.map(|mean| (best - mean) / divergence(mean, best)).sum();
        let lower = constant * 4_000f64.ln();
        assert!(kl < 0.5 * hoeffding, "{kl} against {hoeffding}");
        assert!(kl < 1.5 * lower, "{kl} against {lower}");
    }

    #[test]
    fn rewards_in_any_currency_give_the_same_choices() {
        for entry in [ENTRY, ucb1::ENTRY] {
            let create =
                |values: &Values| (entry.build.create)(values, &flat(9)).unwrap_or_else(|error| panic!("{error:?}"));
            let defaults = Values::defaults(entry.parameters);
            let currencies: [fn(f32) -> f32; 3] =
                [|reward| reward, |reward| 18.0 * reward - 5.0, |reward| reward / 1024.0];
            let regrets =
                currencies.map(|currency| regret_in(currency, create(&defaults).as_mut(), &MEANS, 4_000, Seed::new(5)));
            println!("{}: {regrets:?}", entry.name);
            let known = regret(create(&declared(defaults, 0.0, 1.0)).as_mut(), &MEANS, 4_000, Seed::new(5));
            println!("known: {known}");
            // Rounding may break a tie otherwise, which moves a few choices of thousands.
            for regret in regrets {
                assert!((regret - regrets[0]).abs() < 0.02 * regrets[0], "{}: {regrets:?}", entry.name);
                assert!((regret - known).abs() < 0.1 * known, "{}: {regret} against {known}", entry.name);
            }
        }
    }

    #[test]
    fn costs_are_not_clipped_away() {
        // No contact earns nothing; one contact loses 18, the other gains 40 in one of four.
        let mut agent = IndexBandit::<KullbackLeibler>::new(&Values::defaults(ENTRY.parameters), &flat(2)).unwrap();
        let actions: Vec<u16> = (0..600).map(|index| index % 3).collect();
        let rewards: Vec<f32> =
            (0..600).map(|index| [0.0, -18.0, if index % 4 == 0 { 40.0 } else { 0.0 }][index % 3]).collect();
        let metrics = experience(&actions, &rewards, |batch| agent.learn(batch, Seed::new(1))).unwrap();
        let margin = 58.0 / 599.0;
        assert_eq!(
            metrics,
            [("rewards_outside_range", 0.0), ("reward_low", -18.0 - margin), ("reward_high", 40.0 + margin)]
        );
        let [none, loss, gain] = [0, 1, 2].map(|action| agent.indices()[action].unwrap());
        assert!(loss < none && none < gain, "{loss}, {none}, {gain}");
    }
}
