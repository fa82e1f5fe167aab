//! What a price earns in the market itself.

use crate::environment::campaign::Campaign;
use crate::protocol::{Decision, Kpi, Observation, Outcome, Policy, Shard, Views, World};
use crate::random::Seed;
use rayon::prelude::*;

/// Seed under which trials are drawn; no judged market has it.
const TRIALS: Seed = Seed::new(0x6475_616c);
/// Consumers of a trial market, at most.
const CONSUMERS: u32 = 8_192;
/// Steps of the search; each cuts the interval to .62.
const STEPS: usize = 9;
/// Prices are tried up to so many times the dual one.
const REACH: f64 = 2.0;

/// What happened in a trial, per consumer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Trial {
    /// Expected profit of the decisions, discounted.
    pub value: f64,
    /// Whether no more was spent than there is.
    pub is_feasible: bool,
}

/// One market under a policy. What decisions are worth is summed by their exact expectation, not by what they happened to
/// earn: luck would hide what prices differ in.
pub(super) fn live(campaign: &Campaign, policy: &dyn Policy, budget_per_consumer: f64) -> Trial {
    let spec = campaign.spec();
    let mut market = campaign.open_some(TRIALS, CONSUMERS);
    let consumers = f64::from(spec.consumers.clamp(1, CONSUMERS));
    let (mut value, mut spent, mut weight) = (0.0, 0.0, 1.0);
    for _ in 0..spec.horizon {
        let lived: Vec<(f64, f64)> =
            market.shards_mut().into_par_iter().map(|shard| live_shard(shard, policy)).collect();
        market.end_tick();
        value += weight * lived.iter().map(|(value, _)| value).sum::<f64>();
        spent += lived.iter().map(|(_, spent)| spent).sum::<f64>();
        weight *= spec.discount;
    }
    Trial { value: value / consumers, is_feasible: spent <= budget_per_consumer * consumers }
}

/// Expected profit and spending of a tick.
fn live_shard(shard: &mut dyn Shard, policy: &dyn Policy) -> (f64, f64) {
    let (mut observation, mut decision, mut outcome) =
        (Observation::default(), Decision::default(), Outcome::default());
    shard.observe(Views::default(), &mut observation);
    if let Some(look) = policy.looks_inside() {
        shard.reveal(look, &mut observation.latent);
    }
    policy.decide(&observation, TRIALS, &mut decision);
    let of_row = |(row, action): (usize, &u16)| f64::from(observation.latent.expected.get(row, usize::from(*action)));
    let value = decision.actions.iter().enumerate().map(of_row).sum();
    // What is allowed is never refused.
    let _ = shard.step(&decision, &mut outcome);
    (value, outcome.tally.value(Kpi::Cost))
}

/// The price from 0 to twice the dual one whose trial is worth most without overspending, by golden section: below the best
/// price too much is spent, or too little is asked of a message; above it too little is spent.
pub(super) fn best_price(dual_price: f64, trial: impl Fn(f64) -> Trial) -> f64 {
    if dual_price <= 0.0 {
        return dual_price;
    }
    let mut best: (f64, Option<f64>) = (dual_price, None);
    let mut tried = |price: f64| {
        let trial = trial(price);
        if trial.is_feasible && best.1.is_none_or(|value| trial.value > value) {
            best = (price, Some(trial.value));
        }
        trial
    };
    tried(dual_price);
    let ratio = 0.5 * (5.0_f64.sqrt() - 1.0);
    let (mut low, mut high) = (0.0, REACH * dual_price);
    let (mut left, mut right) = (high - ratio * (high - low), low + ratio * (high - low));
    let (mut at_left, mut at_right) = (tried(left), tried(right));
    for _ in 0..STEPS {
        if at_left.is_feasible && at_left.value >= at_right.value {
            (high, right, at_right) = (right, left, at_left);
            left = high - ratio * (high - low);
            at_left = tried(left);
        } else {
            (low, left, at_left) = (left, right, at_right);
            right = low + ratio * (high - low);
            at_right = tried(right);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_feasible_price_is_found() {
        // Earns most at .5, where it may go; where only prices from 1.2 on are within the budget, at 1.2.
        let trial = |least: f64| {
            move |price: f64| Trial { value: 3.0 - (price - 0.5) * (price - 0.5), is_feasible: price >= least }
        };
        for (least, expected) in [(0.0, 0.5), (1.2, 1.2)] {
            let price = best_price(1.0, trial(least));
            assert!((price - expected).abs() < 0.03 && price >= least, "{least}: {price}");
        }
        assert_eq!(best_price(0.0, |_| unreachable!("a budget that does not bind is not tried")), 0.0);
    }
}
