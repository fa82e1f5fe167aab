//! How far training has come, and which updates are due by now.

use crate::protocol::TrainingPlan;
use serde::{Deserialize, Serialize};

/// Decisions that schedules reckon with where nobody tells how many come.
const UNTOLD_DECISIONS: u64 = 500_000;

/// Decisions that were learned from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    decisions: u64,
    planned: Option<u64>,
}

impl Pace {
    /// So much more is to come.
    pub fn plan(&mut self, plan: &TrainingPlan) {
        self.planned = Some(self.decisions + plan.decisions());
    }

    /// So many decisions more are over.
    pub fn advance(&mut self, decisions: usize) {
        self.decisions += decisions as u64;
    }

    /// Decisions that are over.
    #[must_use]
    pub fn decisions(&self) -> u64 {
        self.decisions
    }

    /// Share of training that is over; above 1 where more came than was planned.
    #[must_use]
    pub fn progress(&self) -> f64 {
        self.decisions as f64 / self.planned.unwrap_or(UNTOLD_DECISIONS).max(1) as f64
    }

    /// Updates that are due by now: one for each so many decisions after the first so many, but those that are done.
    #[must_use]
    pub fn due(&self, decisions_before: u64, decisions_per_update: u64, done: u64) -> u64 {
        let since = self.decisions.saturating_sub(decisions_before);
        (since / decisions_per_update.max(1)).saturating_sub(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn updates_fall_due_in_step_with_decisions() {
        let mut pace = Pace::default();
        pace.plan(&TrainingPlan { markets: 2, ticks: 10, consumers: 5 });
        pace.advance(30);
        assert_eq!((pace.progress(), pace.due(10, 4, 0), pace.due(10, 4, 3), pace.due(40, 4, 0)), (0.3, 5, 2, 0));
        pace.advance(90);
        assert_eq!((pace.progress(), pace.decisions()), (1.2, 120));
    }
}
