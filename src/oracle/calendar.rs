//! Calendar rules: one action every so many ticks to everybody, the class in which oracles without a model search.

use crate::environment::campaign::Campaign;
use crate::protocol::{Decision, Observation, Outcome, Views, World};
use crate::random::Seed;
use crate::registry::{Kind, Parameter, Refusal, Values};

/// An action and the ticks from one message to the next; 0 ticks for no message at all.
pub(super) type Rule = (u16, u32);

/// Days between messages that are tried.
pub(super) const EVERY_DAYS: Parameter = Parameter::of(
    "every_days",
    Kind::Integers { default: Some(&[1, 2, 3, 4, 7, 14, 28]), minimum: 1, maximum: 3650 },
    "days between messages to try",
);

/// Most rules that are tried.
const RULES_MAX: usize = 512;

/// No message, and every action at every interval. Where that makes too many, only one action in so many is tried.
pub(super) fn rules(values: &Values, campaign: &Campaign) -> Result<Vec<Rule>, Refusal> {
    let spec = campaign.spec();
    let mut periods: Vec<u32> = values
        .integers("every_days")
        .iter()
        .map(|days| ((*days as f64 / spec.tick_days).round() as u32).max(1))
        .collect();
    periods.sort_unstable();
    periods.dedup();
    if periods.is_empty() {
        return Err(Refusal::new(values, "every_days", "every_days: no interval to try", "name one or more, in days"));
    }
    let actions = spec.actions.len() - 1;
    let step = (actions * periods.len()).div_ceil(RULES_MAX).max(1);
    let mut rules = vec![(0, 0)];
    for action in (1..=actions).step_by(step) {
        rules.extend(periods.iter().map(|period| (action as u16, *period)));
    }
    Ok(rules)
}

/// Discounted profit and terminal value of each of the first so many consumers of a market under a rule. A budget is cut
/// to their share.
pub(super) fn values_by_consumer(campaign: &Campaign, rule: Rule, seed: Seed, consumers: u32) -> Vec<f64> {
    let spec = campaign.spec();
    let mut market = campaign.open_some(seed, consumers);
    let (mut observation, mut decision, mut outcome) =
        (Observation::default(), Decision::default(), Outcome::default());
    let mut totals: Vec<f64> = Vec::new();
    let mut weight = 1.0;
    for tick in 0..spec.horizon {
        for shard in market.shards_mut() {
            shard.observe(Views::default(), &mut observation);
            write(rule, tick, &observation, &mut decision);
            // What is allowed is never refused.
            if shard.step(&decision, &mut outcome).is_ok() {
                for (consumer, profit) in observation.consumer_ids.iter().zip(&outcome.profits) {
                    let consumer = *consumer as usize;
                    totals.resize(totals.len().max(consumer + 1), 0.0);
                    totals[consumer] += weight * profit.amount();
                }
            }
        }
        market.end_tick();
        weight *= spec.discount;
    }
    let mut terminal = Vec::new();
    for shard in market.shards_mut() {
        shard.observe(Views::default(), &mut observation);
        shard.terminal_values(&mut terminal);
        for (consumer, value) in observation.consumer_ids.iter().zip(&terminal) {
            totals[*consumer as usize] += weight * value;
        }
    }
    totals
}

/// What a rule does in a tick.
pub(super) fn write((action, period): Rule, tick: u32, observation: &Observation, decision: &mut Decision) {
    decision.reset(observation.rows());
    decision.probabilities.reset(0, 0);
    if period > 0 && tick.is_multiple_of(period) {
        for (row, chosen) in decision.actions.iter_mut().enumerate() {
            if observation.allowed.allows(row, usize::from(action)) {
                *chosen = action;
            }
        }
    }
}
