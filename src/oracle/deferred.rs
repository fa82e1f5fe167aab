//! An oracle that is solved when it is first needed: checking a file takes no time, and who is not asked is not solved.

use crate::matrix::Matrix;
use crate::protocol::{Decision, Look, Observation, Policy, Views};
use crate::random::Seed;
use std::fmt;
use std::sync::OnceLock;

/// How a checked oracle is solved.
type Solve = Box<dyn Fn() -> Box<dyn Policy> + Send + Sync>;

/// Solves once, in [`Policy::prepare`] or else at the first question.
pub(super) struct Deferred {
    look: Option<Look<'static>>,
    solve: Solve,
    solved: OnceLock<Box<dyn Policy>>,
}

impl Deferred {
    /// `look` is what the solved policy will ask for inside; it never reads features.
    pub(super) fn new(
        look: Option<Look<'static>>,
        solve: impl Fn() -> Box<dyn Policy> + Send + Sync + 'static,
    ) -> Self {
        Self { look, solve: Box::new(solve), solved: OnceLock::new() }
    }

    fn policy(&self) -> &dyn Policy {
        self.solved.get_or_init(|| (self.solve)()).as_ref()
    }
}

impl fmt::Debug for Deferred {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Deferred").field("solved", &self.solved.get()).finish_non_exhaustive()
    }
}

impl Policy for Deferred {
    fn prepare(&self) {
        self.policy();
    }

    fn views(&self) -> Views {
        Views::default()
    }

    fn looks_inside(&self) -> Option<Look<'_>> {
        self.look
    }

    fn facts(&self) -> Vec<(&'static str, f64)> {
        self.policy().facts()
    }

    fn probabilities(&self, observation: &Observation, seed: Seed, probabilities: &mut Matrix) {
        self.policy().probabilities(observation, seed, probabilities);
    }

    fn decide(&self, observation: &Observation, seed: Seed, decision: &mut Decision) {
        self.policy().decide(observation, seed, decision);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[derive(Debug)]
    struct Solved;

    impl Policy for Solved {
        fn views(&self) -> Views {
            Views::default()
        }

        fn facts(&self) -> Vec<(&'static str, f64)> {
            vec![("bound", 7.0)]
        }

        fn probabilities(&self, _: &Observation, _: Seed, _: &mut Matrix) {}
    }

    #[test]
    fn nothing_is_solved_before_it_is_needed_and_nothing_twice() {
        let times = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&times);
        let policy = Deferred::new(None, move || {
            counted.fetch_add(1, Ordering::Relaxed);
            Box::new(Solved)
        });
        assert_eq!((policy.views(), times.load(Ordering::Relaxed)), (Views::default(), 0));
        policy.prepare();
        assert_eq!(policy.facts(), [("bound", 7.0)]);
        assert_eq!(times.load(Ordering::Relaxed), 1);
    }
}
