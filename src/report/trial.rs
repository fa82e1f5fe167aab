//! A simulated test on paper: what the team would see beside the truth that they would not, and how often each analysis is
//! right over many such tests.

mod figure;
mod lab;
mod made;
mod once;

pub use lab::{csv as lab_csv, files as lab_files, json as lab_json, text as lab_text};
pub use made::Made;
pub use once::{csv, files, json, text};

use crate::evaluation::trial::{Outcome, Randomised};
use crate::report::page::{drawn, framed};
use crate::scenario::Trial;
use maud::{Markup, html};

/// What the test is, in a line.
fn heading(trial: &Trial) -> String {
    let spec = trial.scenario.world.spec();
    let days = f64::from(trial.span.ticks()) * spec.tick_days;
    let what = match trial.randomised {
        Randomised::Consumer => "consumers randomised".to_owned(),
        Randomised::Community => "communities randomised".to_owned(),
        Randomised::Period { ticks, .. } => {
            format!("arms alternate every {} days", f64::from(ticks) * spec.tick_days)
        }
    };
    format!(
        "{}: {} consumers of {}, {days} days, {what}, seed {}",
        trial.name,
        spec.consumers,
        trial.scenario.name,
        trial.seed().value()
    )
}

/// The unit of an outcome, for headings.
fn unit(outcome: &Outcome) -> String {
    match outcome.per {
        None => format!("{} per consumer", outcome.name()),
        Some(_) => outcome.name(),
    }
}

/// Four significant digits or so, never an exponent.
fn number(value: f64) -> String {
    if !value.is_finite() {
        return if value.is_nan() { "-".to_owned() } else { format!("{value}") };
    }
    let size = value.abs();
    let places = if size >= 1_000.0 {
        0
    } else if size >= 100.0 {
        1
    } else if size >= 10.0 {
        2
    } else if size >= 0.1 || size == 0.0 {
        3
    } else if size >= 0.01 {
        4
    } else {
        5
    };
    let text = format!("{value:.places$}");
    if text.trim_start_matches(['-', '0', '.']).is_empty() { text.trim_start_matches('-').to_owned() } else { text }
}

/// Columns of a text, each as wide as its widest cell; the first is flush left.
pub(super) fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let letters = |cell: &String| cell.chars().count();
    let widths: Vec<usize> = (0..columns)
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(letters).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let gap = " ".repeat(width - letters(cell));
            if column == 0 {
                line += &format!("{cell}{gap}");
            } else {
                line += &format!("  {gap}{cell}");
            }
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// A page around what was found; nothing is loaded from elsewhere.
fn page(trial: &Trial, figure: &str, body: &Markup) -> String {
    let title = if trial.question.is_empty() { &trial.name } else { &trial.question };
    let body = html! {
        h1 { (title) }
        p.quiet { (heading(trial)) }
        figure { (drawn(figure)) }
        (body)
    };
    framed(&trial.name, &body)
}

/// A table: the first row is its head.
pub(super) fn table(rows: &[Vec<String>]) -> Markup {
    html! {
        div.wide {
            table {
                @if let Some(head) = rows.first() { tr { @for cell in head { th { (cell) } } } }
                @for row in rows.iter().skip(1) { tr { @for cell in row { td { (cell) } } } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_columns() {
        assert_eq!(
            [1234.5, 12.345, 0.5, 0.0123, -0.0000001].map(number),
            ["1234", "12.35", "0.500", "0.0123", "0.00000"]
        );
        let rows = [["a", "1"], ["bcd", "20"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(aligned(&rows), "a     1\nbcd  20\n");
    }
}
