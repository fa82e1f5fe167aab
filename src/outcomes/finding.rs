//! The answers: every metric by every analysis that can be made of it, and what follows.

use super::file::{Inquiry, Metric, Role};
use super::whom::UpliftFinding;
use crate::evaluation::experiment::{
    Analysis, Better, Effect, Margin, Multiplicity, Promise, Reads, Sample, SampleRatio, Sequential, Unanalysable,
    sample_ratio,
};
use crate::scenario::{Code, ScenarioError, ScenarioErrors};
use serde::Serialize;

/// All that an experiment shows.
#[derive(Clone, Debug, Serialize)]
pub struct Findings {
    /// Name of the experiment.
    pub name: String,
    /// The question, in a sentence.
    pub question: String,
    /// Number of rows.
    pub units: usize,
    /// Two-sided level.
    pub alpha: f64,
    /// How p values are adjusted.
    pub multiplicity: Multiplicity,
    /// The arms, the control first.
    pub arms: Vec<ArmSize>,
    /// Whether units fell into the arms as designed.
    pub sample_ratio: SampleRatio,
    /// The metrics, in file order.
    pub metrics: Vec<MetricFinding>,
    /// Whom the treatment helps, where the file asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uplift: Option<UpliftFinding>,
    /// Whether every guardrail was shown to hold.
    pub guardrails_hold: bool,
    /// What must be known before any of it is believed.
    pub warnings: Vec<String>,
}

/// One arm.
#[derive(Clone, Debug, Serialize)]
pub struct ArmSize {
    /// Its name.
    pub name: String,
    /// Its units.
    pub units: usize,
    /// Its share by design.
    pub share: f64,
}

/// One metric.
#[derive(Clone, Debug, Serialize)]
pub struct MetricFinding {
    /// Its name.
    pub name: String,
    /// What hangs on it.
    pub role: Role,
    /// Which way is good.
    pub better: Better,
    /// Of a guardrail: the greatest harm that is put up with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub margin: Option<f64>,
    /// One for each treated arm and analysis.
    pub findings: Vec<Finding>,
}

/// One treated arm by one analysis.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// Name of the arm.
    pub arm: String,
    /// Name of the analysis.
    pub analysis: String,
    /// Whether the metric is decided by it; other analyses show how much hangs on the choice.
    pub decides: bool,
    /// Units read in control and arm.
    pub units: [usize; 2],
    /// Level in the control.
    pub control: f64,
    /// Level in the arm.
    pub treated: f64,
    /// The difference.
    pub effect: f64,
    /// The difference as a share of the control's level, where that is not 0.
    pub relative_effect: Option<f64>,
    /// Standard error of the difference.
    pub standard_error: f64,
    /// Lower end of the interval; of this comparison alone. Nothing where there is no end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// p value of this comparison alone; nothing where there is none yet.
    pub p_value: Option<f64>,
    /// Why there is neither interval nor p value, where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lack: Option<String>,
    /// Adjusted for all that is decided with it; of the analysis that decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adjusted_p_value: Option<f64>,
    /// What follows; of the analysis that decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// What repeated looks saw.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequential: Option<Sequential>,
}

/// What follows from a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The arm is better than the control.
    Better,
    /// The arm is worse than the control.
    Worse,
    /// Neither is shown.
    Open,
    /// A guardrail holds: more harm than its margin is ruled out.
    Held,
    /// A guardrail is not shown to hold: more harm is neither shown nor ruled out, or too little was seen to say.
    Unproven,
    /// A guardrail is broken: more harm is shown.
    Broken,
}

impl Verdict {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Worse => "worse",
            Self::Open => "no difference shown",
            Self::Held => "guardrail holds",
            Self::Unproven => "guardrail not shown to hold",
            Self::Broken => "guardrail broken",
        }
    }
}

impl Inquiry {
    /// Makes every analysis.
    ///
    /// # Errors
    /// Where the outcomes do not allow one; each with the analysis at fault.
    pub fn analyse(&self) -> Result<Findings, ScenarioErrors> {
        let mut faults = Vec::new();
        let mut metrics: Vec<MetricFinding> = Vec::new();
        for metric in &self.metrics {
            let mut findings = Vec::new();
            for index in &metric.analyses {
                match self.effects(metric, self.analyses[*index].analysis.as_ref()) {
                    Ok(effects) => findings.extend(effects.iter().map(|effect| self.finding(metric, *index, effect))),
                    Err(reason) => faults.push(self.fault(metric, *index, &reason)),
                }
            }
            let margin = (metric.role == Role::Guardrail).then_some(metric.margin);
            let (name, role, better) = (metric.name.clone(), metric.role, metric.better);
            metrics.push(MetricFinding { name, role, better, margin, findings });
        }
        if !faults.is_empty() {
            return Err(ScenarioErrors::new(&self.file_name, &self.text, faults));
        }
        for role in [Role::Primary, Role::Secondary] {
            self.adjust(&mut metrics, role);
        }
        Ok(self.findings(metrics))
    }

    fn findings(&self, metrics: Vec<MetricFinding>) -> Findings {
        let units = self.sample(&self.metrics[0]).counts();
        let columns = &self.columns;
        let arms = columns.arm_names.iter().zip(&units).zip(&columns.shares);
        let whole: f64 = columns.shares.iter().sum();
        let verdicts = || metrics.iter().flat_map(|metric| &metric.findings).filter_map(|finding| finding.verdict);
        let guardrails_hold = !verdicts().any(|verdict| matches!(verdict, Verdict::Unproven | Verdict::Broken));
        let sample_ratio = sample_ratio(&units, &columns.shares);
        let uplift = self.uplift();
        let mut warnings = self.warnings(&sample_ratio, &metrics);
        if self.whom.is_some() && uplift.is_none() {
            warnings.push("there are too few units to cut into halves: nothing is said about whom it helps".to_owned());
        }
        Findings {
            name: self.name.clone(),
            question: self.question.clone(),
            units: columns.arms.len(),
            alpha: self.alpha,
            multiplicity: self.multiplicity,
            arms: arms
                .map(|((name, units), share)| ArmSize { name: name.clone(), units: *units, share: share / whole })
                .collect(),
            warnings,
            sample_ratio,
            metrics,
            uplift,
            guardrails_hold,
        }
    }

    /// The units of a metric.
    pub(super) fn sample(&self, metric: &Metric) -> Sample<'_> {
        let columns = &self.columns;
        let number = |index: usize| columns.numbers[index].as_slice();
        Sample {
            arms: &columns.arms,
            arm_count: columns.arm_names.len(),
            outcomes: number(metric.outcome),
            covariates: metric.covariate.map(number),
            denominators: metric.denominator.map(number),
            clusters: columns.clusters.as_deref(),
            strata: columns.strata.as_deref(),
            periods: columns.periods.as_deref(),
            exposures: columns.exposures.as_deref(),
            exposure_probabilities: columns.exposure_probabilities.as_deref(),
        }
    }

    fn effects(&self, metric: &Metric, analysis: &dyn Analysis) -> Result<Vec<Effect>, Unanalysable> {
        analysis.effects(&self.sample(metric), self.alpha)
    }

    fn finding(&self, metric: &Metric, index: usize, effect: &Effect) -> Finding {
        let decides = index == metric.decides;
        let margin = Margin { better: metric.better, margin: metric.margin };
        let promise = || match margin.judge(effect, &self.sample(metric)) {
            Promise::Held => Verdict::Held,
            Promise::Unproven => Verdict::Unproven,
            Promise::Broken => Verdict::Broken,
        };
        let lack = effect.waits();
        Finding {
            arm: self.columns.arm_names[effect.arm].clone(),
            analysis: self.analyses[index].name.clone(),
            decides,
            units: effect.units,
            control: effect.control,
            treated: effect.treated,
            effect: effect.effect,
            relative_effect: (effect.control != 0.0).then(|| effect.effect / effect.control.abs()),
            standard_error: effect.standard_error,
            low: effect.low,
            high: effect.high,
            p_value: lack.is_none().then_some(effect.p_value),
            lack,
            adjusted_p_value: None,
            verdict: (decides && metric.role == Role::Guardrail).then(promise),
            sequential: effect.sequential,
        }
    }

    /// Adjusts what is decided together, and draws the conclusions.
    fn adjust(&self, metrics: &mut [MetricFinding], role: Role) {
        let mut family: Vec<(Better, &mut Finding)> = metrics
            .iter_mut()
            .filter(|metric| metric.role == role)
            .flat_map(|metric| metric.findings.iter_mut().map(|finding| (metric.better, finding)))
            .filter(|(_, finding)| finding.decides)
            .collect();
        // What waits for its first look rejects nothing, and is one of the questions all the same.
        let p_values: Vec<f64> = family.iter().map(|(_, finding)| finding.p_value.unwrap_or(1.0)).collect();
        for ((better, finding), adjusted) in family.iter_mut().zip(self.multiplicity.adjusted(&p_values)) {
            finding.adjusted_p_value = finding.p_value.map(|_| adjusted);
            let is_up = (finding.effect > 0.0) == (*better == Better::Higher);
            finding.verdict = Some(match (adjusted <= self.alpha, is_up) {
                (false, _) => Verdict::Open,
                (true, true) => Verdict::Better,
                (true, false) => Verdict::Worse,
            });
        }
    }

    fn fault(&self, metric: &Metric, index: usize, reason: &Unanalysable) -> ScenarioError {
        let analysis = &self.analyses[index];
        let names: Vec<&str> = self.columns.arm_names.iter().map(String::as_str).collect();
        let reason = reason.told(&names);
        ScenarioError {
            message: format!("metric {:?} by {:?}: {reason}", metric.name, analysis.name),
            place: analysis.place.clone(),
            help: Some("drop the analysis or mend the outcomes; docs/experiments.md says what each assumes".to_owned()),
            code: Code::Refused,
        }
    }

    fn warnings(&self, split: &SampleRatio, metrics: &[MetricFinding]) -> Vec<String> {
        let mut warnings = Vec::new();
        if split.is_alarm {
            warnings.push(format!(
                "the split is not as designed (chi-square {:.1}, p {:.2e}): units were lost or misplaced, and not at \
                 random; find out why before anything below is believed",
                split.statistic, split.p_value
            ));
        }
        let users = |kind: fn(Reads) -> bool| -> Vec<&str> {
            let is_used = |index: &usize| self.metrics.iter().any(|metric| metric.analyses.contains(index));
            let used = (0..self.analyses.len()).filter(is_used).map(|index| &self.analyses[index]);
            used.filter(|named| kind(named.analysis.reads())).map(|named| named.name.as_str()).collect()
        };
        let careless = users(|reads| !reads.heeds_clusters());
        if self.columns.clusters.is_some() && !careless.is_empty() {
            warnings.push(format!(
                "units belong to clusters, and these analyses take them for independent: {}; their intervals are too \
                 short",
                careless.join(", ")
            ));
        }
        if self.analyses.iter().any(|named| named.kind == "peeking") {
            warnings.push(
                "peeking is wrong on purpose: its intervals and p values are not what they say; use msprt or \
                 confidence_sequence to look repeatedly"
                    .to_owned(),
            );
        }
        if self.columns.periods.is_none() && !users(|reads| reads.order).is_empty() {
            warnings.push(
                "no column gives the time: analyses that look repeatedly take the order of the rows for it".to_owned(),
            );
        }
        let findings = metrics.iter().flat_map(|metric| metric.findings.iter().map(|finding| (&metric.name, finding)));
        warnings.extend(findings.filter_map(|(metric, Finding { arm, analysis, lack, .. })| {
            Some(format!("{analysis} says nothing yet of {metric:?} in {arm:?}: {}", lack.as_ref()?))
        }));
        let of_metrics = self.metrics.iter().zip(metrics);
        warnings.extend(of_metrics.filter_map(|(metric, found)| self.too_little(metric, found)));
        warnings
    }

    /// Why the intervals that decide on a metric are not to be relied on: the first reason there is.
    fn too_little(&self, metric: &Metric, found: &MetricFinding) -> Option<String> {
        let (name, sample) = (&metric.name, self.sample(metric));
        let deciding = found.findings.iter().filter(|finding| finding.decides);
        deciding.enumerate().find_map(|(index, finding)| {
            let units = finding.units[0].min(finding.units[1]);
            if let Some(events) = sample.rare_events(index + 1).filter(|events| *events < Margin::LEAST_SEEN) {
                Some(format!(
                    "{name:?} happened {events} times in an arm: with so few its interval is not to be relied on"
                ))
            } else if finding.standard_error == 0.0 {
                Some(format!("{name:?} does not vary: its interval has no width"))
            } else if metric.role == Role::Guardrail && units < Margin::LEAST_SEEN {
                Some(format!(
                    "{name:?} was read on {units} units of an arm: with so few its interval is not to be relied on"
                ))
            } else {
                None
            }
        })
    }
}
