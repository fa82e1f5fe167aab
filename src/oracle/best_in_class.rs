//! The best of a class of calendar rules, by trial in markets of its own.

use super::calendar::{self, EVERY_DAYS, Rule};
use super::{Inside, OracleBuild, require_campaign};
use crate::matrix::Matrix;
use crate::protocol::{Decision, Observation, Policy, Views, World};
use crate::random::Seed;
use crate::registry::{Entry, Parameter, Refusal, Values};
use rayon::prelude::*;

/// Seed under which trials are drawn; no judged market has it.
const TRIALS: Seed = Seed::new(0x6265_7374);

/// Every rule meets the same people and the same luck in the trial; the best is then judged like any other policy.
pub const ENTRY: Entry<OracleBuild> = Entry {
    name: "best_in_class",
    summary: "the best of all calendar rules (every n days, one action), found by trial in a market of its own",
    source: "Mercato: a sanity bound from below, near exact within its class",
    parameters: &[
        EVERY_DAYS,
        Parameter::integer("trial_consumers", 3_000, 1, 1_000_000, "consumers of the trial market"),
    ],
    build,
};

fn build(values: &Values, inside: Inside<'_>) -> Result<Box<dyn Policy>, Refusal> {
    let campaign = require_campaign(values, "best_in_class", inside)?;
    let consumers = values.integer("trial_consumers") as u32;
    let rules = calendar::rules(values, campaign);
    let tried: Vec<f64> = rules.par_iter().map(|rule| calendar::value(campaign, *rule, TRIALS, consumers)).collect();
    // Ties go to the first.
    let best = (0..rules.len()).fold(0, |best, index| if tried[index] > tried[best] { index } else { best });
    Ok(Box::new(BestInClass { rule: rules[best], tried: tried[best], actions: campaign.spec().actions.len() }))
}

#[derive(Debug)]
struct BestInClass {
    rule: Rule,
    tried: f64,
    actions: usize,
}

impl Policy for BestInClass {
    fn views(&self) -> Views {
        Views::default()
    }

    fn facts(&self) -> Vec<(&'static str, f64)> {
        let (action, period) = self.rule;
        vec![("action", f64::from(action)), ("every_ticks", f64::from(period)), ("value_in_trial", self.tried)]
    }

    fn probabilities(&self, observation: &Observation, _seed: Seed, probabilities: &mut Matrix) {
        let mut decision = Decision::default();
        calendar::write(self.rule, observation.tick, observation, &mut decision);
        probabilities.reset(observation.rows(), self.actions);
        for (row, action) in decision.actions.iter().enumerate() {
            probabilities.set(row, usize::from(*action), 1.0);
        }
    }

    fn decide(&self, observation: &Observation, _seed: Seed, decision: &mut Decision) {
        calendar::write(self.rule, observation.tick, observation, decision);
    }
}
