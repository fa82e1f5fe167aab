//! Score against budget: every trial a line that ends where it went out.

use super::Told;
use crate::evaluation::tuning::{Budget, Level, StepFound};
use crate::report::figure::{INK, PALETTE};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

const SIZE: (u32, u32) = (960, 520);
const HEAD: u32 = 64;
const LINE: RGBColor = RGBColor(190, 190, 190);
/// Share of the scores that may lie below the frame: a few hopeless trials must not press the others together.
const BELOW: f64 = 0.1;

/// The figure as SVG.
///
/// # Errors
/// Where drawing fails.
pub(super) fn draw(told: &Told<'_>) -> Result<String, Box<dyn std::error::Error>> {
    let (low, high) = range(told);
    let amounts = amounts(told);
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let title = format!("{}: worth of each trial by budget", told.tunable.entry.name);
        root.draw_text(&title, &letters(23.0, HPos::Left), (16, 24))?;
        let note =
            "Profit and future value per consumer on the markets of the search; blue: the best, orange: the start";
        root.draw_text(note, &letters(15.0, HPos::Left), (16, 50))?;
        let (_, body) = root.split_vertically(HEAD);
        let mut chart = ChartBuilder::on(&body)
            .margin_right(30)
            .margin_top(10)
            .x_label_area_size(44)
            .y_label_area_size(76)
            .build_cartesian_2d(-0.3..amounts.len() as f64 - 0.7, low..high)?;
        let place = |x: &f64| amounts.get(x.round() as usize).filter(|_| (x - x.round()).abs() < 1e-6).copied();
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(RGBColor(225, 225, 225))
            .axis_style(RGBColor(150, 150, 150))
            .x_labels(64)
            .x_label_formatter(&|x| place(x).map_or_else(String::new, |amount| amount.to_string()))
            .x_desc(match told.plan.budget {
                Budget::Replications => "markets of a trial",
                Budget::Episodes => "training episodes of a trial",
            })
            .label_style(("sans-serif", 15.0).into_font().color(&INK))
            .axis_desc_style(("sans-serif", 15.0).into_font().color(&INK))
            .draw()?;
        // The best and the start are drawn last, on top.
        let mut trials: Vec<u32> =
            (0..told.asked.trials).filter(|trial| *trial != told.best() && *trial != 0).collect();
        trials.extend([0, told.best()]);
        for trial in trials {
            let color = match trial {
                trial if trial == told.best() => PALETTE[0],
                0 => PALETTE[1],
                _ => LINE,
            };
            let width = if color == LINE { 1 } else { 3 };
            let points: Vec<(f64, f64)> = told.found.steps.iter().filter_map(|step| point(told, step, trial)).collect();
            let points: Vec<(f64, f64)> = points.into_iter().map(|(x, y)| (x, y.clamp(low, high))).collect();
            chart.draw_series(LineSeries::new(points.iter().copied(), color.stroke_width(width)))?;
            chart.draw_series(points.iter().map(|&point| Circle::new(point, 2 + width as i32, color.filled())))?;
        }
        root.present()?;
    }
    Ok(svg)
}

/// The budgets of the plan, ascending.
fn amounts(told: &Told<'_>) -> Vec<u32> {
    let mut amounts: Vec<u32> =
        told.plan.brackets.iter().flat_map(|bracket| &bracket.steps).map(|step| amount(told, step.level)).collect();
    amounts.sort_unstable();
    amounts.dedup();
    amounts
}

fn amount(told: &Told<'_>, level: Level) -> u32 {
    match told.plan.budget {
        Budget::Replications => level.replications,
        Budget::Episodes => level.episodes,
    }
}

/// Where a trial stands at a step; x is the place of the budget among all.
fn point(told: &Told<'_>, step: &StepFound, trial: u32) -> Option<(f64, f64)> {
    let worth = step.standings.iter().find(|one| one.trial == trial)?.worth?;
    let place = amounts(told).iter().position(|amount_of| *amount_of == amount(told, step.level))?;
    Some((place as f64, worth))
}

/// From what a tenth of the scores lies below to the greatest, with some air; never empty.
fn range(told: &Told<'_>) -> (f64, f64) {
    let standings = told.found.steps.iter().flat_map(|step| &step.standings);
    let mut scores: Vec<f64> = standings.filter_map(|one| one.worth).collect();
    scores.sort_by(f64::total_cmp);
    let low = scores.get((BELOW * scores.len() as f64) as usize).copied().unwrap_or(0.0);
    let high = scores.last().copied().unwrap_or(1.0);
    let air = (0.06 * (high - low)).max(1e-6 * high.abs()).max(1e-9);
    (low - air, high + air)
}

fn letters(size: f64, horizontal: HPos) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK).pos(Pos::new(horizontal, VPos::Center))
}
