//! One target policy judged on a log: estimates with intervals, diagnostics, and a verdict.

use super::estimator::{Estimator, Family};
use super::evidence::{Evidence, MissingEvidence, Needs};
pub use super::interval::Ranged;
use super::interval::{IntervalKind, Method, Ratio};
use super::tally::Tally;
use crate::random::Seed;
use serde::Serialize;

/// One estimator that a file asks for.
#[derive(Debug)]
pub struct Asked {
    /// Its name in the results; unique.
    pub name: String,
    /// The registry's name of its kind.
    pub kind: &'static str,
    /// What was built.
    pub family: Family,
}

/// How a target is judged.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How intervals are made.
    pub interval: IntervalKind,
    /// Coverage of intervals; 0.95 as a rule.
    pub confidence: f64,
    /// Resamples of a bootstrap.
    pub resamples: u32,
    /// Seed of the bootstrap.
    pub seed: Seed,
    /// The smallest difference to the logging policy that matters, a round.
    pub margin: Option<f64>,
    /// Whether the propensities were estimated and not logged: hidden causes are then bounded and not excluded.
    pub propensities_are_estimated: bool,
    /// What the reader of the log has to say (coupled modules, estimated propensities, …); goes into the warnings.
    pub notes: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            interval: IntervalKind::default(),
            confidence: 0.95,
            resamples: 1_000,
            seed: Seed::new(1),
            margin: None,
            propensities_are_estimated: false,
            notes: Vec::new(),
        }
    }
}

/// What one estimator says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// Name that was asked for.
    pub estimator: String,
    /// Registry name of its kind.
    pub kind: &'static str,
    /// The target's value, per round.
    #[serde(flatten)]
    pub value: Ranged,
    /// Target less logging policy, on the same units.
    pub difference: Ranged,
    /// The member that the data chose, where the estimator has a parameter that was not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chosen: Option<Chosen>,
}

/// The parameter that the data chose.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Chosen {
    /// Name of the parameter.
    pub parameter: &'static str,
    /// Its value.
    pub value: f64,
    /// Among how many.
    pub candidates: usize,
    /// Whether the guard held the choice back, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guard: Option<String>,
}

/// How far the log supports the estimates.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Diagnostics {
    /// `(sum w)² / sum w²` over rounds.
    pub effective_sample_size: f64,
    /// Mean weight; 1 where propensities are right.
    pub weight_mean: f64,
    /// Largest weight.
    pub weight_max: f64,
    /// Largest weight over the sum of weights.
    pub share_of_largest_weight: f64,
    /// Share of the target's mass on cells that the log cannot speak of.
    pub unsupported_target_mass: f64,
    /// What a reader should know.
    pub warnings: Vec<String>,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// The target is better than the logging policy.
    Ship,
    /// It is worse, or no better by what matters.
    Hold,
    /// The log cannot tell; more of it could.
    Explore,
    /// The estimates are not to be trusted.
    Unreliable,
}

/// The decision with its reason.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// What to do.
    pub decision: Decision,
    /// One sentence, with the numbers.
    pub reason: String,
    /// What to explore; empty for other decisions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cells: Vec<Cell>,
}

/// Something that the target does and the log cannot speak of.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cell {
    /// In words: an action, or a context and an action.
    pub name: String,
    /// Share of the target's mass.
    pub target_mass: f64,
}

/// A judged target; serializes into an element of `targets`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Appraisal {
    /// Rounds that were read.
    #[serde(skip)]
    pub rows: u64,
    /// Independent units, or groups of them.
    #[serde(skip)]
    pub units: usize,
    /// Whether units were pooled into groups.
    #[serde(skip)]
    pub units_are_pooled: bool,
    /// The target.
    pub name: String,
    /// In the order asked.
    pub estimates: Vec<Estimate>,
    /// How far to trust them.
    pub diagnostics: Diagnostics,
    /// What to do.
    pub verdict: Verdict,
}

/// Judges one target while a log streams by.
#[derive(Debug)]
pub struct Appraiser {
    target: String,
    asked: Vec<Asked>,
    settings: Settings,
    action_names: Vec<String>,
    tally: Tally,
    rows: u64,
    weight_squares: f64,
    weight_max: f64,
    unsupported: Vec<Cell>,
    target_mass: Vec<f64>,
}

impl Appraiser {
    /// Judges a target by these estimators. `action_names` has one name per action.
    #[must_use]
    pub fn new(target: &str, asked: Vec<Asked>, settings: &Settings, action_names: &[String]) -> Self {
        let members = asked.iter().map(|asked| asked.family.members.len()).sum();
        Self {
            target: target.to_owned(),
            asked,
            settings: settings.clone(),
            action_names: action_names.to_vec(),
            tally: Tally::new(members),
            rows: 0,
            weight_squares: 0.0,
            weight_max: 0.0,
            unsupported: Vec::new(),
            target_mass: vec![0.0; action_names.len()],
        }
    }

    /// What the evidence must have.
    #[must_use]
    pub fn needs(&self) -> Needs {
        members(&self.asked).iter().fold(Needs::NOTHING, |needs, estimator| needs.or(estimator.needs()))
    }

    /// The next rounds, with the unit of each: the number of the row from 0, or a hash of the column that names the unit.
    ///
    /// # Errors
    /// Where the evidence lacks what an estimator [`needs`](Self::needs).
    pub fn take(&mut self, evidence: &Evidence<'_>, units: &[u64]) -> Result<(), MissingEvidence> {
        self.tally.take(evidence, units, &members(&self.asked))?;
        self.rows += evidence.rounds() as u64;
        for round in 0..evidence.rounds() {
            let weight = evidence.weight(round);
            self.weight_squares += weight * weight;
            self.weight_max = self.weight_max.max(weight);
        }
        Ok(())
    }

    /// What the target does and the log cannot speak of, where the reader knows it better than by action alone.
    pub fn unsupported(&mut self, cells: Vec<Cell>) {
        self.unsupported = cells;
    }

    /// The judgement.
    #[must_use]
    pub fn finish(mut self) -> Appraisal {
        self.tally.close();
        let mut first = 0;
        let mut ratios = Vec::new();
        for asked in &self.asked {
            ratios.push(Ratio::of(&self.tally.rounds, &self.tally.sums[first]));
            first += asked.family.members.len();
        }
        let Settings { interval: kind, confidence, resamples, seed, .. } = self.settings;
        let method = Method { kind, confidence, resamples, seed };
        let judged = method.judge(&self.tally.rounds, &self.tally.reward, &ratios);
        let mut estimates = Vec::new();
        for (asked, [value, difference]) in self.asked.iter().zip(judged) {
            estimates.push(Estimate {
                estimator: asked.name.clone(),
                kind: asked.kind,
                value,
                difference,
                chosen: None,
            });
        }
        let weight: f64 = self.tally.weight.iter().sum();
        let diagnostics = Diagnostics {
            effective_sample_size: weight * weight / self.weight_squares,
            weight_mean: weight / self.rows as f64,
            weight_max: self.weight_max,
            share_of_largest_weight: self.weight_max / weight,
            unsupported_target_mass: self.unsupported.iter().map(|cell| cell.target_mass).sum(),
            warnings: self.settings.notes.clone(),
        };
        let verdict = Self::verdict(&estimates);
        Appraisal {
            rows: self.rows,
            units: self.tally.units(),
            units_are_pooled: self.tally.is_pooled(),
            name: self.target,
            estimates,
            diagnostics,
            verdict,
        }
    }

    fn verdict(estimates: &[Estimate]) -> Verdict {
        let (decision, reason) = match estimates.first() {
            Some(estimate) if estimate.difference.low > 0.0 => (Decision::Ship, "the difference is above 0".to_owned()),
            Some(_) => (Decision::Hold, "the difference is not above 0".to_owned()),
            None => (Decision::Unreliable, "no estimator was asked for".to_owned()),
        };
        Verdict { decision, reason, cells: Vec::new() }
    }
}

fn members(asked: &[Asked]) -> Vec<&dyn Estimator> {
    asked.iter().flat_map(|asked| &asked.family.members).map(|member| &*member.estimator).collect()
}

#[cfg(test)]
mod tests;
