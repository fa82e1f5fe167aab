//! A trap on paper: a table for the screen, a CSV file, a figure.

use crate::trap::{Figure, Finding, Series};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::fmt::Write;

/// Okabe & Ito (2008): what is naive in vermilion, what is true in blue, what lies between in green.
const NAIVE: RGBColor = RGBColor(213, 94, 0);
const TRUE: RGBColor = RGBColor(0, 114, 178);
const BETWEEN: RGBColor = RGBColor(0, 158, 115);
const INK: RGBColor = RGBColor(40, 40, 40);
const LINE: RGBColor = RGBColor(225, 225, 225);
const SIZE: (u32, u32) = (960, 480);
const BAR_LETTERS: usize = 40;

/// The finding as text: the question, a line for each point with a bar, both answers.
#[must_use]
pub fn text(finding: &Finding) -> String {
    let mut text = format!("{}\n\n{}\n", finding.question, finding.y_axis);
    let greatest = values(finding).map(|value| value.mean.abs()).fold(f64::MIN_POSITIVE, f64::max);
    for series in &finding.series {
        if !finding.is_named {
            let _ = writeln!(text, "\n{}  ({})", series.name, finding.x_axis);
        }
        for point in &series.points {
            let Figure { mean, low, high, .. } = point.value;
            let bar = "#".repeat(((mean.max(0.0) / greatest) * BAR_LETTERS as f64).round() as usize);
            let _ = writeln!(text, "{:>28}  {mean:>9.4}  [{low:.4}, {high:.4}]  {bar}", point.label);
        }
    }
    let _ = write!(text, "\nnaive  {}\ntrue   {}\n", finding.naive, finding.truth);
    text
}

/// One line for each point.
#[must_use]
pub fn csv(finding: &Finding) -> String {
    let mut csv = "series,label,x,mean,standard_error,low,high\n".to_owned();
    for series in &finding.series {
        for point in &series.points {
            let Figure { mean, standard_error, low, high } = point.value;
            let _ = writeln!(
                csv,
                "{},{},{},{mean:.6},{standard_error:.6},{low:.6},{high:.6}",
                series.name, point.label, point.x
            );
        }
    }
    csv
}

/// Of a letter of the legend, in pixels.
const LETTER_WIDTH: i32 = 9;

/// The figure as SVG: a line for each series, or a point for each thing that has a name; bars are 95 % intervals.
///
/// # Errors
/// Where drawing fails.
pub fn figure(finding: &Finding) -> Result<String, Box<dyn std::error::Error>> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        root.draw_text(finding.question, &letters(25.0, INK), (16, 26))?;
        let (low, high) = range(finding);
        let points = finding.series.iter().flat_map(|series| &series.points);
        let last = points.map(|point| point.x).fold(0.0, f64::max);
        let margin = if finding.is_named { 0.6 } else { 0.03 * last };
        let mut chart = ChartBuilder::on(&root)
            .margin_top(52)
            .margin_right(30)
            .margin_left(12)
            .margin_bottom(8)
            .x_label_area_size(48)
            .y_label_area_size(88)
            .build_cartesian_2d(-margin..last + margin, low..high)?;
        let name = |x: &f64| {
            let is_thing = finding.is_named && (x - x.round()).abs() < 1e-9;
            let thing =
                finding.series.iter().flat_map(|series| &series.points).find(|point| (point.x - x).abs() < 1e-9);
            match thing {
                Some(point) if is_thing => point.label.clone(),
                _ if finding.is_named => String::new(),
                _ => format!("{x}"),
            }
        };
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(LINE)
            .y_desc(finding.y_axis)
            .x_desc(finding.x_axis)
            .x_labels(if finding.is_named { 5 } else { 8 })
            .x_label_formatter(&name)
            .label_style(("sans-serif", 15.0).into_font().color(&INK))
            .axis_desc_style(("sans-serif", 15.0).into_font().color(&INK))
            .draw()?;
        chart.draw_series([PathElement::new(vec![(-margin, 0.0), (last + margin, 0.0)], INK)])?;
        for (index, series) in finding.series.iter().enumerate() {
            let color = color(index, finding.series.len());
            if !finding.is_named {
                let line = series.points.iter().map(|point| (point.x, point.value.mean));
                chart.draw_series(LineSeries::new(line, color.stroke_width(2)))?;
            }
            for point in &series.points {
                let Figure { mean, low, high, .. } = point.value;
                chart.draw_series([PathElement::new(vec![(point.x, low), (point.x, high)], color.stroke_width(2))])?;
                chart.draw_series([Circle::new((point.x, mean), 4, color.filled())])?;
            }
        }
        if !finding.is_named {
            legend(&root, finding)?;
        }
        root.present()?;
    }
    Ok(svg)
}

/// The series from left to right, ending at the right edge.
fn legend(
    root: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    finding: &Finding,
) -> Result<(), Box<dyn std::error::Error>> {
    let width = |series: &Series| 40 + LETTER_WIDTH * series.name.chars().count() as i32;
    let mut x = SIZE.0 as i32 - finding.series.iter().map(width).sum::<i32>();
    for (index, series) in finding.series.iter().enumerate() {
        root.draw(&Circle::new((x, 30), 5, color(index, finding.series.len()).filled()))?;
        root.draw_text(&series.name, &letters(17.0, INK), (x + 12, 30))?;
        x += width(series);
    }
    Ok(())
}

/// What is naive comes first, what is true last.
fn color(index: usize, count: usize) -> RGBColor {
    if index == 0 {
        NAIVE
    } else if index + 1 == count {
        TRUE
    } else {
        BETWEEN
    }
}

fn letters(size: f64, color: RGBColor) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&color).pos(Pos::new(HPos::Left, VPos::Center))
}

fn values(finding: &Finding) -> impl Iterator<Item = Figure> + '_ {
    finding.series.iter().flat_map(|series| series.points.iter().map(|point| point.value))
}

/// All intervals, zero, and a little air.
fn range(finding: &Finding) -> (f64, f64) {
    let low = values(finding).map(|value| value.low).fold(0.0, f64::min);
    let high = values(finding).map(|value| value.high).fold(0.0, f64::max);
    let air = 0.06 * (high - low).max(1e-9);
    (low - if low < 0.0 { air } else { 0.0 }, high + air)
}
