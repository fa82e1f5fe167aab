//! The best of a class of calendar rules, by trial in markets of its own.

use super::calendar::{self, EVERY_DAYS, Rule};
use super::deferred::Deferred;
use super::{Inside, OracleBuild, require_campaign};
use crate::environment::campaign::Campaign;
use crate::matrix::Matrix;
use crate::protocol::{Decision, Observation, Policy, Views, World};
use crate::random::Seed;
use crate::registry::{Entry, Parameter, Refusal, Values};
use crate::statistics::{Estimate, estimate, mean_and_variance};
use rayon::prelude::*;

/// Seed under which trials are drawn; no judged market has it.
const TRIALS: Seed = Seed::new(0x6265_7374);

/// Every rule meets the same people and the same luck in the trial; the best is then judged like any other policy.
pub const ENTRY: Entry<OracleBuild> = Entry {
    name: "best_in_class",
    summary: "the best of up to 512 calendar rules (every n days, one action) in a trial on a market of its own",
    source: "Mercato: a sanity bound from below, as good as its trial",
    parameters: &[
        EVERY_DAYS,
        Parameter::integer("trial_consumers", 3_000, 1, 1_000_000, "consumers of the trial market"),
    ],
    build,
};

fn build(values: &Values, inside: Inside<'_>) -> Result<Box<dyn Policy>, Refusal> {
    let campaign = require_campaign(values, "best_in_class", inside)?.clone();
    let consumers = values.integer("trial_consumers") as u32;
    let rules = calendar::rules(values, &campaign)?;
    Ok(Box::new(Deferred::new(None, move || Box::new(BestInClass::new(&campaign, &rules, consumers)))))
}

/// The winner of the trial. Rules that differ by less than the standard error of their difference are told apart by luck.
#[derive(Debug)]
struct BestInClass {
    rule: Rule,
    tried: usize,
    value: f64,
    /// Over the second best, and the standard error of that difference over consumers.
    lead: Option<Estimate>,
    actions: usize,
}

impl BestInClass {
    fn new(campaign: &Campaign, rules: &[Rule], consumers: u32) -> Self {
        let trial = |rule: &Rule| calendar::values_by_consumer(campaign, *rule, TRIALS, consumers);
        let means: Vec<f64> = rules.par_iter().map(|rule| mean_and_variance(&trial(rule)).0).collect();
        let mut order: Vec<usize> = (0..rules.len()).collect();
        // Ties go to the first.
        order.sort_by(|a, b| means[*b].total_cmp(&means[*a]));
        let lead = order.get(1).map(|second| {
            let (best, second) = (trial(&rules[order[0]]), trial(&rules[*second]));
            estimate(&best.iter().zip(&second).map(|(best, second)| best - second).collect::<Vec<f64>>())
        });
        let best = order[0];
        let actions = campaign.spec().actions.len();
        Self { rule: rules[best], tried: rules.len(), value: means[best], lead, actions }
    }
}

impl Policy for BestInClass {
    fn views(&self) -> Views {
        Views::default()
    }

    fn facts(&self) -> Vec<(&'static str, f64)> {
        let (action, period) = self.rule;
        let mut facts = vec![
            ("action", f64::from(action)),
            ("every_ticks", f64::from(period)),
            ("rules_tried", self.tried as f64),
            ("value_in_trial", self.value),
        ];
        if let Some(lead) = self.lead {
            facts.extend([("lead_in_trial", lead.mean), ("lead_in_trial_standard_error", lead.standard_error)]);
        }
        facts
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
