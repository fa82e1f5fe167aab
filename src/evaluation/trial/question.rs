//! What is asked of a test: an outcome, compared in one way.

use super::assignment::Randomised;
use super::lived::Rows;
use super::measure::Outcome;
use crate::evaluation::experiment::{ANALYSES, Analysis, Effect, Reads, Unanalysable};
use crate::registry::{Value, Values, find};

/// An outcome and the way in which arms are compared.
#[derive(Debug)]
pub struct Question {
    /// What is compared.
    pub outcome: Outcome,
    /// The name of the analysis, its own where the file gives one.
    pub name: String,
    /// How.
    pub analysis: Box<dyn Analysis>,
}

impl Question {
    /// The effect of every treated arm.
    ///
    /// # Errors
    /// Where the rows lack what the analysis reads, or do not vary.
    pub fn ask(&self, rows: &Rows, arm_count: usize, alpha: f64) -> Result<Vec<Effect>, Unanalysable> {
        self.analysis.effects(&rows.sample(arm_count), alpha)
    }
}

/// What a design has to offer to an analysis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offered {
    /// What is assigned as one.
    pub randomised: Randomised,
    /// Something is known of each consumer before the test.
    pub covariate: bool,
    /// The outcome is a ratio.
    pub denominator: bool,
    /// The market knows who is whose friend.
    pub friendships: bool,
}

impl Offered {
    /// The column that an analysis reads and this design lacks, in words.
    #[must_use]
    pub fn lacks(&self, reads: Reads) -> Option<&'static str> {
        let is_period = matches!(self.randomised, Randomised::Period { .. });
        let lacking = [
            (reads.covariate && (!self.covariate || is_period), "a covariate: `covariate` or `pre_days` of [design]"),
            (reads.denominator && !self.denominator, "a ratio, such as metrics = [\"opt_outs/messages\"]"),
            (reads.cluster && self.randomised == Randomised::Consumer, "randomise = \"community\" or \"period\""),
            (reads.period && !is_period, "randomise = \"period\""),
            (reads.stratum, "strata, which a simulated test has not"),
            (reads.exposure && is_period, "arms that do not change over time; randomise = \"community\""),
            (reads.exposure && !self.friendships, "friendships, which only [modules.word_of_mouth] has"),
            (reads.order && is_period, "units that come one after the other; a switchback has a few periods"),
        ];
        lacking.into_iter().find(|(lacks, _)| *lacks).map(|(_, what)| what)
    }

    /// The analyses that a design is usually read by, with what they are told of it: how many units there will be.
    #[must_use]
    pub fn usual_analyses(&self, consumers: u32) -> Vec<(&'static str, Values)> {
        let names: &[&'static str] = match (self.randomised, self.denominator) {
            (_, true) => &["ratio"],
            (Randomised::Consumer, false) => &["welch", "cuped", "peeking", "msprt", "confidence_sequence"],
            (Randomised::Community, false) => &["welch", "clustered", "exposure"],
            (Randomised::Period { .. }, false) => &["switchback", "clustered"],
        };
        names
            .iter()
            .filter_map(|name| {
                let entry = find(ANALYSES, name)?;
                let mut values = Values::defaults(entry.parameters);
                if entry.parameters.iter().any(|parameter| parameter.name == "planned_units") {
                    // Looks begin at a tenth of the units, as far as variances are known well by then.
                    let first = i64::from(consumers / 10).clamp(100, 500);
                    values.set("planned_units", Value::Integer(i64::from(consumers)), None);
                    values.set("first_units", Value::Integer(first), None);
                }
                let analysis = (entry.build)(&values).ok()?;
                self.lacks(analysis.reads()).is_none().then_some((*name, values))
            })
            .collect()
    }
}
