//! Estimates with their intervals, how weights are spread, and where target and log overlap.

use crate::logged::{Judged, PROPENSITY_BINS, Spread, WEIGHT_BINS};
use crate::report::figure::{INK, PALETTE, shortened, style, trimmed};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

type Drawn = Result<String, Box<dyn std::error::Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const WIDTH: u32 = 960;
const ROW: u32 = 20;
const LABELS: u32 = 190;

/// `estimates.svg`: by target, every estimate with its interval; the line is what the logging policy earned.
pub(super) fn estimates(judged: &Judged) -> Drawn {
    let heights: Vec<u32> = judged.targets.iter().map(|target| 76 + ROW * target.estimates.len() as u32).collect();
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (WIDTH, heights.iter().sum::<u32>().max(40))).into_drawing_area();
        root.fill(&WHITE)?;
        let mut rest = root.clone();
        for (target, height) in judged.targets.iter().zip(heights) {
            let (area, below) = rest.split_vertically(height);
            rest = below;
            let heading = format!("{}: value a row, with intervals; the line is the logging policy", target.name);
            area.draw_text(&heading, &style(17.0, INK, HPos::Left), (16, 14))?;
            let values = target.estimates.iter().map(|estimate| estimate.value);
            let ends = values.flat_map(|value| [value.value, value.low, value.high]).chain([judged.mean_reward]);
            let ends = ends.filter(|end| end.is_finite());
            let (low, high) =
                ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), end| (low.min(end), high.max(end)));
            let air = (0.05 * (high - low)).max(1e-9);
            let rows = target.estimates.len() as f64;
            let mut chart = ChartBuilder::on(&area)
                .margin_top(26)
                .margin_right(24)
                .margin_left(LABELS)
                .x_label_area_size(36)
                .build_cartesian_2d(low - air..high + air, 0.0..rows)?;
            chart
                .configure_mesh()
                .disable_y_mesh()
                .y_labels(0)
                .x_labels(8)
                .light_line_style(TRANSPARENT)
                .bold_line_style(RGBColor(225, 225, 225))
                .x_label_formatter(&|x| short(*x))
                .label_style(("sans-serif", 15.0).into_font().color(&INK))
                .draw()?;
            let logged = vec![(judged.mean_reward, 0.0), (judged.mean_reward, rows)];
            chart.draw_series([PathElement::new(logged, PALETTE[1].stroke_width(2))])?;
            let origin = area.get_base_pixel();
            for (row, estimate) in target.estimates.iter().enumerate() {
                let (y, value) = (rows - row as f64 - 0.5, estimate.value);
                if value.low.is_finite() && value.high.is_finite() {
                    chart.draw_series([PathElement::new(
                        vec![(value.low, y), (value.high, y)],
                        PALETTE[0].stroke_width(2),
                    )])?;
                }
                if value.value.is_finite() {
                    chart.draw_series([Circle::new((value.value, y), 4, PALETTE[0].filled())])?;
                }
                let (_, pixel) = chart.backend_coord(&(low, y));
                let label = shortened(&estimate.estimator, 24);
                area.draw_text(&label, &style(15.0, INK, HPos::Right), (LABELS as i32 - 8, pixel - origin.1))?;
            }
        }
        root.present()?;
    }
    Ok(svg)
}

fn short(value: f64) -> String {
    if value.abs() < 0.01 && value != 0.0 { format!("{value:.1e}") } else { trimmed(value) }
}

/// `weights.svg`: by target, the share of rounds by importance weight.
pub(super) fn weights(judged: &Judged) -> Drawn {
    let labels: Vec<String> =
        std::iter::once("0".to_owned()).chain((0..WEIGHT_BINS).map(Spread::weight_label)).collect();
    let panels = judged.targets.iter().zip(&judged.spreads).map(|(target, spread)| {
        let total = (spread.zero + spread.weights.iter().sum::<u64>()).max(1) as f64;
        let counts = std::iter::once(spread.zero).chain(spread.weights);
        let bars: Vec<f64> = counts.map(|count| count as f64 / total).collect();
        (format!("{}: share of rows by weight (from the number below on)", target.name), vec![bars])
    });
    bars(panels.collect(), &labels, &[])
}

/// `overlap.svg`: by target, rows and the target's mass by propensity.
pub(super) fn overlap(judged: &Judged) -> Drawn {
    let label = |bin: usize| if bin == 0 { "1".to_owned() } else { format!("1/{}", 1_u32 << bin) };
    // Rare actions stand left.
    let labels: Vec<String> = (0..PROPENSITY_BINS).rev().map(label).collect();
    let panels = judged.targets.iter().zip(&judged.spreads).map(|(target, spread)| {
        let rows = spread.rounds.iter().sum::<u64>().max(1) as f64;
        let mass = spread.mass.iter().sum::<f64>().max(f64::MIN_POSITIVE);
        let logged = spread.rounds.iter().rev().map(|count| *count as f64 / rows).collect();
        let wanted = spread.mass.iter().rev().map(|sum| sum / mass).collect();
        (format!("{}: by propensity, up to the number below", target.name), vec![logged, wanted])
    });
    bars(panels.collect(), &labels, &["rows of the log", "mass of the target"])
}

/// Panels of bars side by side, one group for each label.
fn bars(panels: Vec<(String, Vec<Vec<f64>>)>, labels: &[String], legend: &[&str]) -> Drawn {
    const HEIGHT: u32 = 190;
    let mut svg = String::new();
    {
        let size = (WIDTH, (HEIGHT * panels.len() as u32).max(40));
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        root.fill(&WHITE)?;
        let mut rest = root.clone();
        for (heading, series) in &panels {
            let (area, below) = rest.split_vertically(HEIGHT);
            rest = below;
            panel(&area, heading, series, labels, legend)?;
        }
        root.present()?;
    }
    Ok(svg)
}

fn panel(
    area: &Area<'_>,
    heading: &str,
    series: &[Vec<f64>],
    labels: &[String],
    legend: &[&str],
) -> Result<(), Box<dyn std::error::Error>> {
    area.draw_text(heading, &style(17.0, INK, HPos::Left), (16, 14))?;
    for (index, name) in legend.iter().enumerate() {
        let x = 620 + 160 * index as i32;
        area.draw(&Rectangle::new([(x, 8), (x + 12, 20)], PALETTE[index].filled()))?;
        area.draw_text(name, &style(15.0, INK, HPos::Left), (x + 18, 14))?;
    }
    let highest = series.iter().flatten().copied().fold(0.0_f64, f64::max).max(1e-9);
    let mut chart = ChartBuilder::on(area)
        .margin_top(28)
        .margin_right(16)
        .x_label_area_size(28)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..labels.len() as f64, 0.0..1.08 * highest)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(0)
        .y_labels(5)
        .light_line_style(TRANSPARENT)
        .bold_line_style(RGBColor(225, 225, 225))
        .y_label_formatter(&|y| format!("{} %", trimmed((1e3 * *y).round() / 10.0)))
        .label_style(("sans-serif", 15.0).into_font().color(&INK))
        .draw()?;
    let width = 0.8 / series.len() as f64;
    for (index, values) in series.iter().enumerate() {
        let bar = |(bin, value): (usize, &f64)| {
            let left = bin as f64 + 0.1 + width * index as f64;
            Rectangle::new([(left, 0.0), (left + width, *value)], PALETTE[index].filled())
        };
        chart.draw_series(values.iter().enumerate().map(bar))?;
    }
    let origin = area.get_base_pixel();
    for (bin, label) in labels.iter().enumerate() {
        let (x, y) = chart.backend_coord(&(bin as f64 + 0.5, 0.0));
        area.draw_text(label, &style(13.0, INK, HPos::Center), (x - origin.0, y - origin.1 + 14))?;
    }
    Ok(())
}
