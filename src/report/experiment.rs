//! The analysis of an experiment on paper: a table for the screen, a CSV file, a figure, a page.

mod figure;
mod page;

pub use figure::figure;
pub use page::page;

use super::RunError;
use super::folder::{self, Of};
use crate::outcomes::{Finding, Findings, MetricFinding, UpliftFinding, Verdict};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Refuses a folder where the results of an experiment cannot or must not be put; nothing is written.
///
/// # Errors
/// Where it holds something, unless `force` and it holds results of an experiment (analysed, carried out, or of the lab);
/// where it is no folder, or another is at work there.
pub fn refuse(folder: &Path, force: bool) -> Result<(), RunError> {
    folder::refuse(folder, Of::Experiment, force)
}

/// Writes the files of results into `DIR.partial`, and puts it in place when all are there: what stood in the folder
/// stays whole until then.
///
/// # Errors
/// As [`refuse`], and where a file cannot be written.
pub fn write(folder: &Path, force: bool, files: &[(&'static str, String)]) -> Result<PathBuf, RunError> {
    folder::write_all(folder, Of::Experiment, force, files)
}

/// The files of results: the document, the table, the figure, the page.
///
/// # Errors
/// Where the figure cannot be drawn.
pub fn files(findings: &Findings, document: &str) -> Result<Vec<(&'static str, String)>, Box<dyn std::error::Error>> {
    let figure = figure(findings)?;
    let page = page(findings, &figure);
    Ok(vec![
        ("findings.json", document.to_owned()),
        ("table.csv", csv(findings)),
        ("figure.svg", figure),
        ("report.html", page),
    ])
}

/// The findings as text.
#[must_use]
pub fn text(findings: &Findings) -> String {
    let mut text = String::new();
    if !findings.question.is_empty() {
        let _ = writeln!(text, "{}\n", findings.question);
    }
    let arms: Vec<String> = findings.arms.iter().map(|arm| format!("{} {}", arm.name, arm.units)).collect();
    let split = &findings.sample_ratio;
    let _ = writeln!(
        text,
        "{}: {} units ({}); split {} (chi-square {:.6}, p {})",
        findings.name,
        findings.units,
        arms.join(", "),
        if split.is_alarm { "NOT AS DESIGNED" } else { "as designed" },
        split.statistic,
        p_value(split.p_value)
    );
    for warning in &findings.warnings {
        let _ = writeln!(text, "warning: {warning}");
    }
    let _ = writeln!(text);
    text += &columns(&table(findings));
    let level = 100.0 * (1.0 - findings.alpha);
    let _ = writeln!(
        text,
        "\nAgainst {}; {level} % intervals of each comparison alone; p adjusted by {} over what decides in each role.\n\
         * decides; the other lines show how much hangs on the choice of analysis.",
        findings.arms[0].name,
        findings.multiplicity.name()
    );
    if let Some(uplift) = &findings.uplift {
        text += &uplift_text(uplift, findings.alpha);
    }
    text
}

const HEADER: [&str; 10] =
    ["metric", "arm", "analysis", "control", "treated", "effect", "interval", "p", "p adjusted", "verdict"];

/// Rows of the screen's table, its header first.
fn table(findings: &Findings) -> Vec<Vec<String>> {
    let mut rows = vec![HEADER.map(str::to_owned).to_vec()];
    for metric in &findings.metrics {
        for finding in &metric.findings {
            rows.push(vec![
                metric.name.clone(),
                finding.arm.clone(),
                format!("{}{}", finding.analysis, if finding.decides { " *" } else { "" }),
                number(finding.control),
                number(finding.treated),
                number(finding.effect),
                if finding.lack.is_some() {
                    "-".to_owned()
                } else {
                    format!("[{}, {}]", number(finding.low), number(finding.high))
                },
                finding.p_value.map_or("-".to_owned(), p_value),
                finding.adjusted_p_value.map(p_value).unwrap_or_default(),
                finding.verdict.map_or("", Verdict::words).to_owned(),
            ]);
        }
    }
    rows
}

/// Aligned: words left, numbers right.
fn columns(rows: &[Vec<String>]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    let last = widths.len() - 1;
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, (value, width)) in row.iter().zip(&widths).enumerate() {
            let is_word = column < 3 || column == last;
            let _ = if is_word { write!(line, "{value:<width$}  ") } else { write!(line, "{value:>width$}  ") };
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

fn uplift_text(uplift: &UpliftFinding, alpha: f64) -> String {
    let mut text = format!(
        "\nWhom does {:?} help, by {:?}? Segments found on {} units, measured on {} others:\n",
        uplift.arm, uplift.metric, uplift.units[0], uplift.units[1]
    );
    let mut rows = vec![["segment", "share", "effect", "interval", "p adjusted", ""].map(str::to_owned).to_vec()];
    for leaf in &uplift.leaves {
        let interval = |effect: &crate::evaluation::experiment::Effect| {
            format!("[{}, {}]", number(effect.low), number(effect.high))
        };
        rows.push(vec![
            leaf.segment.clone(),
            format!("{:.1}%", 100.0 * leaf.share),
            leaf.effect.as_ref().map_or("too few".to_owned(), |effect| number(effect.effect)),
            leaf.effect.as_ref().map(interval).unwrap_or_default(),
            leaf.adjusted_p_value.map(p_value).unwrap_or_default(),
            if leaf.adjusted_p_value.is_some_and(|p| p <= alpha) { "differs from 0" } else { "" }.to_owned(),
        ]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..6).map(width).collect();
    for row in &rows {
        let mut line = format!("{:<width$}", row[0], width = widths[0]);
        for (value, width) in row[1..5].iter().zip(&widths[1..5]) {
            let _ = write!(line, "  {value:>width$}");
        }
        let _ = writeln!(text, "{}", format!("{line}  {}", row[5]).trim_end());
    }
    let _ = writeln!(text, "\nranking by (1 the best there is, 0 random)  normalised Qini  uplift at 10 / 30 / 50 %");
    for found in &uplift.rankings {
        let [tenth, third, half] = found.ranking.uplift_at.map(number);
        let qini = found.ranking.normalised_qini.map_or("-".to_owned(), |qini| format!("{qini:.4}"));
        let _ = writeln!(text, "{:<42}  {qini:>15}  {tenth} / {third} / {half}", found.score);
    }
    text
}

/// One line for each metric, arm and analysis.
#[must_use]
pub fn csv(findings: &Findings) -> String {
    let mut csv =
        "metric,role,arm,analysis,decides,control_units,treated_units,control,treated,effect,relative_effect,\
                   standard_error,low,high,p_value,adjusted_p_value,verdict\n"
            .to_owned();
    for metric in &findings.metrics {
        for finding in &metric.findings {
            csv += &csv_line(metric, finding);
        }
    }
    csv
}

fn csv_line(metric: &MetricFinding, finding: &Finding) -> String {
    let word = |value: String| value.trim_matches('"').to_owned();
    let role = word(serde_json::to_string(&metric.role).unwrap_or_default());
    let verdict = finding.verdict.map(|verdict| word(serde_json::to_string(&verdict).unwrap_or_default()));
    let optional = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    let known = |end: f64| Some(end).filter(|_| finding.lack.is_none());
    let fields = [
        metric.name.clone(),
        role,
        finding.arm.clone(),
        finding.analysis.clone(),
        finding.decides.to_string(),
        finding.units[0].to_string(),
        finding.units[1].to_string(),
        finding.control.to_string(),
        finding.treated.to_string(),
        finding.effect.to_string(),
        optional(finding.relative_effect),
        finding.standard_error.to_string(),
        optional(known(finding.low)),
        optional(known(finding.high)),
        optional(finding.p_value),
        optional(finding.adjusted_p_value),
        verdict.unwrap_or_default(),
    ];
    fields.map(quoted).join(",") + "\n"
}

fn quoted(field: String) -> String {
    if field.contains([',', '"', '\n', '\r']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field }
}

/// Four digits that count.
fn number(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    if !value.is_finite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let digits = libm::floor(libm::log10(value.abs())) as i32;
    let decimals = (3 - digits).clamp(0, 12) as usize;
    format!("{value:.decimals$}")
}

fn p_value(p: f64) -> String {
    if p < 1e-4 { format!("{p:.1e}") } else { format!("{p:.4}") }
}
