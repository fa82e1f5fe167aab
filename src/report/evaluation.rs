//! What leaves an evaluation: a table on screen, JSON, CSV, figures, a page.

mod figures;
mod page;

use super::RunError;
use super::folder::{self, EVALUATION_FILE, Of};
use crate::evaluation::appraisal::{Appraisal, Decision};
use crate::logged::{Evaluation, Judged};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// What is to be shown and written.
#[derive(Clone, Debug)]
pub struct Written {
    /// For people at a terminal.
    pub table: String,
    /// Names and contents of the files of results.
    pub files: Vec<(&'static str, String)>,
}

/// The one JSON document.
///
/// # Errors
/// Where it cannot be written.
pub fn json(judged: &Judged) -> serde_json::Result<String> {
    Ok(serde_json::to_string_pretty(judged)? + "\n")
}

/// The table and all files.
///
/// # Errors
/// Where a figure cannot be drawn.
pub fn screen(evaluation: &Evaluation, judged: &Judged, document: &str) -> Result<Written, String> {
    let estimates = figures::estimates(judged).map_err(|error| error.to_string())?;
    let weights = figures::weights(judged).map_err(|error| error.to_string())?;
    let overlap = figures::overlap(judged).map_err(|error| error.to_string())?;
    let page = page::page(evaluation, judged, &[&estimates, &weights, &overlap]);
    let mut files = vec![
        (EVALUATION_FILE, document.to_owned()),
        ("table.csv", csv(judged)),
        ("evaluation.toml", evaluation.text.clone()),
        ("estimates.svg", estimates),
        ("weights.svg", weights),
        ("overlap.svg", overlap),
        ("report.html", page),
    ];
    if judged.twin.is_some() {
        files.push(("twin.csv", twin_csv(judged)));
    }
    Ok(Written { table: table(judged), files })
}

/// Refuses a folder where the results cannot or must not be put; nothing is written.
///
/// # Errors
/// Where it holds something, unless `force` and it holds an evaluation; where it is no folder, or another is at work there.
pub fn refuse(folder: &Path, force: bool) -> Result<(), RunError> {
    folder::refuse(folder, Of::Evaluation, force)
}

/// Writes the files of results into `DIR.partial`, and puts it in place when all are there: what stood in the folder
/// stays whole until then.
///
/// # Errors
/// As [`refuse`], and where a file cannot be written.
pub fn write(folder: &Path, force: bool, files: &[(&'static str, String)]) -> Result<PathBuf, RunError> {
    folder::write_all(folder, Of::Evaluation, force, files)
}

/// A decision in words.
pub(super) fn word(decision: Decision) -> &'static str {
    match decision {
        Decision::Ship => "ship",
        Decision::Hold => "hold",
        Decision::Explore => "explore",
        Decision::Unreliable => "unreliable",
    }
}

/// Enough digits to tell figures apart, and no more.
pub(super) fn number(value: f64) -> String {
    if !value.is_finite() {
        return "unknown".to_owned();
    }
    let size = value.abs();
    if size == 0.0 {
        "0".to_owned()
    } else if !(1e-5..1e5).contains(&size) {
        format!("{value:.3e}")
    } else {
        let digits = (3.0 - libm::floor(libm::log10(size))).clamp(0.0, 9.0) as usize;
        format!("{value:.digits$}")
    }
}

// Writing to a string cannot fail.
fn table(judged: &Judged) -> String {
    let mut text = format!(
        "{} rows, {} {}units; the logging policy earned {} a row\n",
        judged.rows,
        judged.units,
        if judged.units_are_pooled { "groups of " } else { "" },
        number(judged.mean_reward)
    );
    if let Some(model) = &judged.reward_model {
        let calibrated = &model.calibrated;
        let _ = writeln!(
            text,
            "reward model {}: out of fold it explains {:.1} % of the variance, calibration error {}, slope {}",
            model.kind,
            100.0 * calibrated.explained,
            number(calibrated.expected_error),
            number(calibrated.slope)
        );
    }
    for target in &judged.targets {
        let diagnostics = &target.diagnostics;
        let _ = writeln!(
            text,
            "\n{}: {}. {}\n  effective sample size {:.0}, mean weight {}, largest weight {} ({:.1} % of all), unsupported mass {:.1} %",
            target.name,
            word(target.verdict.decision).to_uppercase(),
            target.verdict.reason,
            diagnostics.effective_sample_size,
            number(diagnostics.weight_mean),
            number(diagnostics.weight_max),
            100.0 * diagnostics.share_of_largest_weight,
            100.0 * diagnostics.unsupported_target_mass.abs()
        );
        text += &estimates(target);
        for warning in &diagnostics.warnings {
            let _ = writeln!(text, "  note: {warning}");
        }
    }
    text += &sequences(judged);
    text += &twin(judged);
    text
}

/// What targets earn over whole sequences.
fn sequences(judged: &Judged) -> String {
    let mut text = String::new();
    for target in &judged.sequences {
        let diagnostics = &target.diagnostics;
        let _ = writeln!(
            text,
            "\n{}, over whole sequences: {} units, {} steps at most; expected return of a unit",
            target.name, diagnostics.trajectories, diagnostics.longest
        );
        let width = target.estimates.iter().map(|named| named.estimator.len()).max().unwrap_or(0).max(12);
        for named in &target.estimates {
            let value = &named.estimate;
            let [low, high] = [value.low, value.high].map(number);
            let (estimate, error) = (number(value.value), number(value.standard_error));
            let _ = writeln!(text, "  {:width$}  {estimate:>11}  {error:>11}  [{low}, {high}]", named.estimator);
        }
        for warning in &diagnostics.warnings {
            let _ = writeln!(text, "  note: {warning}");
        }
    }
    text
}

/// How estimators did where the truth is known.
fn twin(judged: &Judged) -> String {
    let mut text = String::new();
    if let Some(twin) = &judged.twin {
        let _ = writeln!(
            text,
            "\ntwin: {} synthetic logs of {} rows, rewards {}",
            twin.replications, twin.rows, twin.rewards
        );
        let width = twin.results.iter().map(|result| result.estimator.len()).max().unwrap_or(0).max(9);
        let mut last = "";
        for result in &twin.results {
            if result.target != last {
                let _ = writeln!(
                    text,
                    "  {} (truth {})\n  {:width$}  {:>12}  {:>12}  {:>14}",
                    result.target,
                    number(result.truth),
                    "estimator",
                    "bias",
                    "rmse",
                    "coverage"
                );
                last = &result.target;
            }
            let coverage = format!("{:.3} ± {:.3}", result.coverage, result.coverage_standard_error);
            let _ = writeln!(
                text,
                "  {:width$}  {:>12}  {:>12}  {coverage:>14}",
                result.estimator,
                number(result.bias),
                number(result.root_mean_squared_error)
            );
        }
        for note in &twin.notes {
            let _ = writeln!(text, "  note: {note}");
        }
    }
    text
}

fn estimates(target: &Appraisal) -> String {
    let width = target.estimates.iter().map(|estimate| estimate.estimator.len()).max().unwrap_or(0).max(9);
    let mut text = format!(
        "  {:width$}  {:>11}  {:>11}  {:>26}  {:>12}\n",
        "estimator", "value", "std. error", "interval", "less logging"
    );
    for estimate in &target.estimates {
        let value = &estimate.value;
        let interval = format!("[{}, {}]", number(value.low), number(value.high));
        let _ = writeln!(
            text,
            "  {:width$}  {:>11}  {:>11}  {interval:>26}  {:>12}",
            estimate.estimator,
            number(value.value),
            number(value.standard_error),
            number(estimate.difference.value)
        );
    }
    text
}

fn csv(judged: &Judged) -> String {
    let mut text = String::from(
        "target,estimator,kind,value,standard_error,low,high,difference,difference_standard_error,difference_low,difference_high,verdict\n",
    );
    for target in &judged.targets {
        for estimate in &target.estimates {
            let (value, difference) = (&estimate.value, &estimate.difference);
            let _ = writeln!(
                text,
                "{},{},{},{},{},{},{},{},{},{},{},{}",
                target.name,
                estimate.estimator,
                estimate.kind,
                value.value,
                value.standard_error,
                value.low,
                value.high,
                difference.value,
                difference.standard_error,
                difference.low,
                difference.high,
                word(target.verdict.decision)
            );
        }
    }
    text
}

fn twin_csv(judged: &Judged) -> String {
    let mut text = String::from(
        "target,estimator,truth,bias,bias_standard_error,root_mean_squared_error,coverage,coverage_standard_error,interval_length\n",
    );
    for result in judged.twin.iter().flat_map(|twin| &twin.results) {
        let _ = writeln!(
            text,
            "{},{},{},{},{},{},{},{},{}",
            result.target,
            result.estimator,
            result.truth,
            result.bias,
            result.bias_standard_error,
            result.root_mean_squared_error,
            result.coverage,
            result.coverage_standard_error,
            result.interval_length
        );
    }
    text
}
