//! One target policy judged on a log: estimates with intervals, diagnostics, and a verdict.

pub use super::diagnostics::{Bin, Calibration, Clipped, Diagnostics, Hidden, Quantile};
pub use super::interval::Ranged;
pub use super::verdict::{Cell, Decision, Verdict};

use super::diagnostics::Scan;
use super::estimator::{Estimator, Family};
use super::evidence::{Evidence, MissingEvidence, Needs, Saved};
use super::interval::{IntervalKind, Method, Ratio, paired, standard_error, student};
use super::selection::{Choice, choose};
use super::tally::Tally;
use super::verdict::gates::Facts;
use super::verdict::{Cells, decide, judge};
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
    /// By unit, how far it moves the judging estimate; empty without one.
    #[serde(skip)]
    pub influence: Vec<f64>,
}

impl Appraisal {
    /// This target less another on the same log, by the judging estimates and on the same units (Student's interval). `None`
    /// where either has no estimate, or where they did not see the same units.
    #[must_use]
    pub fn less(&self, other: &Self, confidence: f64) -> Option<Ranged> {
        let value = |appraisal: &Self| {
            let judge = appraisal.verdict.judge.as_ref()?;
            let estimate = appraisal.estimates.iter().find(|estimate| estimate.estimator == *judge)?;
            Some(estimate.value.value)
        };
        let same = self.rows == other.rows && self.influence.len() == other.influence.len();
        let difference = value(self)? - value(other)?;
        same.then(|| student(difference, &paired(&self.influence, &other.influence), confidence))
    }
}

/// Judges one target while a log streams by.
#[derive(Debug)]
pub struct Appraiser {
    target: String,
    asked: Vec<Asked>,
    settings: Settings,
    action_names: Vec<String>,
    tally: Tally,
    scan: Scan,
    unsupported: Option<Vec<Cell>>,
    borrows: bool,
    weights: Vec<f64>,
}

impl Appraiser {
    /// Judges a target by these estimators. `action_names` has one name per action.
    #[must_use]
    pub fn new(target: &str, asked: Vec<Asked>, settings: &Settings, action_names: &[String]) -> Self {
        let members = asked.iter().map(|asked| asked.family.members.len()).sum();
        let judge = asked.get(judge(&asked.iter().map(|asked| asked.kind).collect::<Vec<_>>()));
        let by_mixture =
            judge.is_some_and(|judge| judge.family.members.iter().any(|member| member.estimator.needs().mixture));
        let mut tally = Tally::new(members);
        tally.by_mixture = by_mixture;
        Self {
            target: target.to_owned(),
            asked,
            settings: settings.clone(),
            action_names: action_names.to_vec(),
            tally,
            scan: Scan::new(action_names.len(), settings.propensities_are_estimated),
            unsupported: None,
            borrows: false,
            weights: Vec::new(),
        }
    }

    /// What the evidence must have.
    #[must_use]
    pub fn needs(&self) -> Needs {
        members(&self.asked).iter().fold(Needs::NOTHING, |needs, estimator| needs.or(estimator.needs()))
    }

    /// The next rounds, with the unit of each (as many units as rounds): the number of the row from 0, or a hash of the column that names the unit.
    /// Batches may be cut anywhere: not a bit of the result depends on it.
    ///
    /// # Errors
    /// Where the evidence lacks what an estimator [`needs`](Self::needs).
    pub fn take(&mut self, evidence: &Evidence<'_>, units: &[u64]) -> Result<(), MissingEvidence> {
        evidence.covers(self.needs())?;
        let by_mixture = self.tally.by_mixture;
        let Self { asked, tally, scan, weights, .. } = self;
        let estimators = members(asked);
        weights.clear();
        weights.extend((0..evidence.rounds()).map(|round| evidence.weight(round)));
        let evidence = Evidence { saved: Saved { weights: Some(weights.as_slice()), ..evidence.saved }, ..*evidence };
        let judging = if by_mixture { evidence.by_mixture() } else { evidence };
        let (taken, ()) = rayon::join(|| tally.take(&evidence, units, &estimators), || scan.take(&judging));
        taken
    }

    /// The evidence with the propensities that the judging estimate weighs by: those of the mixture, where it does. What
    /// is said of weights (how many rounds they are worth, whether they average 1) is said of these.
    #[must_use]
    pub fn judging<'a>(&self, evidence: &Evidence<'a>) -> Evidence<'a> {
        if self.tally.by_mixture { evidence.by_mixture() } else { *evidence }
    }

    /// Something that the reader of the log has to say of this target; goes into the warnings.
    pub fn note(&mut self, note: String) {
        self.settings.notes.push(note);
    }

    /// The target does what those who logged some of the rows could not do there, and others could: estimates by each one's own
    /// propensities leave that out, so that they say nothing against those by the mixture.
    pub fn borrows(&mut self) {
        self.borrows = true;
    }

    /// What the target does and the log cannot speak of, where the reader knows it better than by action alone. Without
    /// it, and where the log does not carry the logging policy's probabilities, these are the actions never logged.
    pub fn unsupported(&mut self, cells: Vec<Cell>) {
        self.unsupported = Some(cells);
    }

    /// The judgement.
    #[must_use]
    pub fn finish(mut self) -> Appraisal {
        self.tally.close();
        let tally = &self.tally;
        let (ratios, chosen) = self.choose();
        let Settings { interval: kind, confidence, resamples, seed, .. } = self.settings;
        let method = Method { kind, confidence, resamples, seed };
        let judged = method.judge(&tally.rounds, &tally.reward, &ratios);
        let estimates: Vec<Estimate> = (self.asked.iter().zip(judged).zip(chosen))
            .map(|((asked, [value, difference]), chosen)| {
                let (estimator, kind) = (asked.name.clone(), asked.kind);
                Estimate { estimator, kind, value, difference, chosen }
            })
            .collect();
        let (mut diagnostics, cells) = (self.scan.finish(), self.cells());
        diagnostics.unsupported_target_mass = cells.unsupported.iter().map(|cell| cell.target_mass).sum();
        let weights = Ratio::mean(&tally.rounds, &tally.weight);
        diagnostics.weight_mean_standard_error = standard_error(&weights.influence());
        let place = |kind: &str| self.asked.iter().position(|asked| asked.kind == kind);
        let direct = place("dm").zip(place("dr"));
        diagnostics.direct_disagreement = direct.map(|(dm, dr)| disagreement(&ratios[dm], &ratios[dr]));
        let mixed = place("ips").zip(place("balanced_ips")).filter(|_| !self.borrows);
        let mixture_disagreement = mixed.map(|(own, mixed)| disagreement(&ratios[own], &ratios[mixed]));
        let judge = judge(&self.asked.iter().map(|asked| asked.kind).collect::<Vec<_>>());
        let logging = Ratio::mean(&tally.rounds, &tally.reward);
        let influence = ratios.get(judge).map_or_else(Vec::new, Ratio::influence);
        let facts = Facts {
            diagnostics: &diagnostics,
            rounds: self.scan.rounds,
            units: tally.units(),
            judge: estimates.get(judge).map(|estimate| (estimate.kind, estimate.chosen.is_some())),
            skewness: skewness(&paired(&influence, &logging.influence())),
            exists: ratios.get(judge).is_none_or(Ratio::exists),
            is_finite: logging.value().is_finite()
                && ratios.iter().all(|ratio| !ratio.exists() || ratio.value().is_finite())
                && (estimates.get(judge).zip(ratios.get(judge)))
                    .filter(|(_, ratio)| ratio.exists())
                    .is_none_or(|(judge, _)| !judge.difference.low.is_nan() && !judge.difference.high.is_nan()),
            mixture_disagreement,
            direct: direct.map(|(dm, dr)| {
                let robust = &estimates[dr].difference;
                (estimates[dm].difference.value, [robust.low, robust.high])
            }),
            overturned_by: overturned_by(&diagnostics, logging.value()),
        };
        let (verdict, mut warnings) = decide(estimates.get(judge), &facts, cells, self.settings.margin, confidence);
        warnings.extend(self.settings.notes.iter().cloned());
        diagnostics.warnings = warnings;
        Appraisal {
            rows: self.scan.rounds,
            units: tally.units(),
            units_are_pooled: tally.is_pooled(),
            name: self.target,
            estimates,
            diagnostics,
            verdict,
            influence,
        }
    }

    /// The member of each family that is believed.
    fn choose(&self) -> (Vec<Ratio<'_>>, Vec<Option<Chosen>>) {
        let mut sums = self.tally.sums.iter();
        let choose = |asked: &Asked| {
            let members = &asked.family.members;
            let ratios: Vec<Ratio<'_>> =
                sums.by_ref().take(members.len()).map(|sums| Ratio::of(&self.tally.rounds, sums)).collect();
            let Choice { index, guard } = choose(&ratios);
            let chosen = asked.family.parameter.filter(|_| members.len() > 1).map(|parameter| Chosen {
                parameter,
                value: members[index].value,
                candidates: members.len(),
                guard,
            });
            (ratios[index], chosen)
        };
        self.asked.iter().map(choose).unzip()
    }

    /// What the log says nothing of, and what it says least of.
    fn cells(&self) -> Cells {
        let (rounds, actions) = (self.scan.rounds as f64, &self.scan.actions);
        let cell = |action: usize| Cell {
            name: self.action_names.get(action).cloned().unwrap_or_else(|| action.to_string()),
            target_mass: self.scan.targets[action] / rounds,
        };
        let never = || {
            let unknown = |action: &usize| actions[*action].rounds == 0 && self.scan.targets[*action] > 0.0;
            (0..actions.len()).filter(unknown).filter(|_| !self.scan.knows_logging).map(cell).collect()
        };
        let mut unsupported: Vec<Cell> = self.unsupported.clone().unwrap_or_else(never);
        unsupported.sort_by(|first, second| second.target_mass.total_cmp(&first.target_mass));
        let mut thin: Vec<usize> = (0..actions.len()).filter(|action| actions[*action].weight_squares > 0.0).collect();
        thin.sort_by(|first, second| actions[*second].weight_squares.total_cmp(&actions[*first].weight_squares));
        Cells { unsupported, thin: thin.into_iter().map(cell).collect() }
    }
}

/// By how many standard errors of their difference two estimates differ.
fn disagreement(first: &Ratio<'_>, second: &Ratio<'_>) -> f64 {
    let error = standard_error(&paired(&first.influence(), &second.influence()));
    let difference = first.value() - second.value();
    if difference == 0.0 { 0.0 } else { difference / error }
}

/// Third moment over the variance's 3/2.
fn skewness(influence: &[f64]) -> f64 {
    let units = influence.len() as f64;
    let squares: f64 = influence.iter().map(|value| value * value).sum::<f64>() / units;
    let cubes: f64 = influence.iter().map(|value| value * value * value).sum::<f64>() / units;
    if squares > 0.0 { cubes / (squares * squares.sqrt()) } else { 0.0 }
}

/// The least gamma whose bounds hold the logging policy's value.
fn overturned_by(diagnostics: &Diagnostics, logged: f64) -> Option<f64> {
    diagnostics.hidden_causes.iter().find(|bound| bound.low <= logged && logged <= bound.high).map(|bound| bound.gamma)
}

fn members(asked: &[Asked]) -> Vec<&dyn Estimator> {
    asked.iter().flat_map(|asked| &asked.family.members).map(|member| &*member.estimator).collect()
}

#[cfg(test)]
mod tests;
