//! The policy with hindsight: for each consumer the calendar rule that turns out best, by the luck still to come.

use super::calendar::{self, EVERY_DAYS, Rule};
use super::{Inside, OracleBuild, require_campaign};
use crate::matrix::Matrix;
use crate::protocol::{Decision, Look, Observation, Policy, Views, World};
use crate::random::Seed;
use crate::registry::{Entry, Refusal, Values};

/// No policy that gives each consumer one rule of the grid earns more on the same market: an upper bound within that
/// class, and loose, since it knows the future (Brown, Smith & Sun 2010: the relaxation of information without a
/// penalty). Policies that change their mind may pass it.
pub const ENTRY: Entry<OracleBuild> = Entry {
    name: "clairvoyant",
    summary: "for each consumer the calendar rule that turns out best in hindsight: a loose upper bound within that class",
    source: "Brown, Smith & Sun (2010), information relaxation without a penalty",
    parameters: &[EVERY_DAYS],
    build,
};

fn build(values: &Values, inside: Inside<'_>) -> Result<Box<dyn Policy>, Refusal> {
    let campaign = require_campaign(values, "clairvoyant", inside)?;
    if campaign.is_coupled() {
        return Err(Refusal::new(
            values,
            "kind",
            "`clairvoyant` lives each consumer's future alone, and in this market consumers touch each other",
            "take out the budget and the modules that couple (deliverability, word_of_mouth), or use `best_in_class`",
        ));
    }
    Ok(Box::new(Clairvoyant { rules: calendar::rules(values, campaign)?, actions: campaign.spec().actions.len() }))
}

#[derive(Debug)]
struct Clairvoyant {
    rules: Vec<Rule>,
    actions: usize,
}

impl Clairvoyant {
    fn action(&self, observation: &Observation, row: usize) -> u16 {
        let best = observation.latent.best_rules.get(row).copied().unwrap_or(0);
        let (action, period) = self.rules.get(usize::from(best)).copied().unwrap_or((0, 0));
        let due = period > 0 && observation.tick.is_multiple_of(period);
        if due && observation.allowed.allows(row, usize::from(action)) { action } else { 0 }
    }
}

impl Policy for Clairvoyant {
    fn views(&self) -> Views {
        Views::default()
    }

    fn looks_inside(&self) -> Option<Look<'_>> {
        Some(Look::Future(&self.rules))
    }

    fn probabilities(&self, observation: &Observation, _seed: Seed, probabilities: &mut Matrix) {
        probabilities.reset(observation.rows(), self.actions);
        for row in 0..observation.rows() {
            probabilities.set(row, usize::from(self.action(observation, row)), 1.0);
        }
    }

    fn decide(&self, observation: &Observation, _seed: Seed, decision: &mut Decision) {
        decision.reset(observation.rows());
        decision.probabilities.reset(0, 0);
        for (row, action) in decision.actions.iter_mut().enumerate() {
            *action = self.action(observation, row);
        }
    }
}
