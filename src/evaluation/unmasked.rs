//! A contestant that does not see the rules: what it would do is then executed and counted, where rules are only audited.

use crate::matrix::Matrix;
use crate::protocol::{
    Agent, Decision, Diverged, Ending, Look, Metrics, Observation, Policy, TrainingPlan, Transitions, Views,
};
use crate::random::Seed;
use std::io;

/// Shows its policy every action as allowed.
#[derive(Debug)]
pub struct Unmasked<P>(pub P);

/// The same sight without the rules.
fn unmasked(observation: &Observation) -> Observation {
    let mut seen = observation.clone();
    let (rows, actions) = (seen.allowed.rows(), seen.allowed.actions());
    seen.allowed.reset_to_all(rows, actions);
    seen
}

impl Policy for Unmasked<Box<dyn Policy>> {
    fn prepare(&self) {
        self.0.prepare();
    }

    fn views(&self) -> Views {
        self.0.views()
    }

    fn looks_inside(&self) -> Option<Look<'_>> {
        self.0.looks_inside()
    }

    fn facts(&self) -> Vec<(&'static str, f64)> {
        self.0.facts()
    }

    fn probabilities(&self, observation: &Observation, seed: Seed, probabilities: &mut Matrix) {
        self.0.probabilities(&unmasked(observation), seed, probabilities);
    }

    fn decide(&self, observation: &Observation, seed: Seed, decision: &mut Decision) {
        self.0.decide(&unmasked(observation), seed, decision);
    }
}

impl Policy for Unmasked<Box<dyn Agent>> {
    fn views(&self) -> Views {
        self.0.views()
    }

    fn probabilities(&self, observation: &Observation, seed: Seed, probabilities: &mut Matrix) {
        self.0.probabilities(&unmasked(observation), seed, probabilities);
    }

    fn decide(&self, observation: &Observation, seed: Seed, decision: &mut Decision) {
        self.0.decide(&unmasked(observation), seed, decision);
    }
}

impl Agent for Unmasked<Box<dyn Agent>> {
    fn learn(&mut self, batch: &Transitions<'_>, seed: Seed) -> Result<Metrics, Diverged> {
        let seen = unmasked(batch.observation);
        self.0.learn(&Transitions { observation: &seen, ..*batch }, seed)
    }

    fn is_sequential(&self) -> bool {
        self.0.is_sequential()
    }

    fn begin_training(&mut self, plan: &TrainingPlan) {
        self.0.begin_training(plan);
    }

    fn learns_from_opt_outs(&self) -> bool {
        self.0.learns_from_opt_outs()
    }

    fn hear_opt_outs(&mut self, consumers: &[u32]) {
        self.0.hear_opt_outs(consumers);
    }

    fn end_episode(&mut self, ending: &Ending<'_>, seed: Seed) -> Result<Metrics, Diverged> {
        let seen = unmasked(ending.observation);
        self.0.end_episode(&Ending { observation: &seen, ..*ending }, seed)
    }

    fn conclude(&mut self, seed: Seed) -> Result<Metrics, Diverged> {
        self.0.conclude(seed)
    }

    fn snapshot(&self) -> Box<dyn Policy> {
        Box::new(Unmasked(self.0.snapshot()))
    }

    fn save(&self, to: &mut dyn io::Write) -> io::Result<()> {
        self.0.save(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::NoContact;
    use crate::protocol::ActionBits;

    /// Takes the last allowed action.
    #[derive(Debug)]
    struct Last;

    impl Policy for Last {
        fn views(&self) -> Views {
            Views::default()
        }

        fn probabilities(&self, observation: &Observation, _: Seed, probabilities: &mut Matrix) {
            probabilities.reset(observation.rows(), observation.allowed.actions());
            for row in 0..observation.rows() {
                let last = observation.allowed.iter(row).last().unwrap();
                probabilities.set(row, last, 1.0);
            }
        }
    }

    #[test]
    fn what_is_forbidden_is_chosen_all_the_same() {
        let mut allowed = ActionBits::all(2, 4);
        allowed.forbid(1, 3);
        let observation = Observation { consumer_ids: vec![0, 1], allowed, ..Observation::default() };
        let mut decision = Decision::default();
        Last.decide(&observation, Seed::new(1), &mut decision);
        assert_eq!(decision.actions, [3, 2]);
        Unmasked(Box::new(Last) as Box<dyn Policy>).decide(&observation, Seed::new(1), &mut decision);
        assert_eq!(decision.actions, [3, 3]);
        Unmasked(Box::new(NoContact) as Box<dyn Policy>).decide(&observation, Seed::new(1), &mut decision);
        assert_eq!(decision.actions, [0, 0]);
    }
}
