//! The figure: the effect of every arm on every metric, with its interval, each metric on a scale of its own.

use super::number;
use crate::outcomes::{Finding, Findings, MetricFinding};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Okabe & Ito (2008): what decides in blue, what is beside it in grey.
const DECIDES: RGBColor = RGBColor(0, 114, 178);
const BESIDE: RGBColor = RGBColor(130, 130, 130);
const INK: RGBColor = RGBColor(40, 40, 40);
const LINE: RGBColor = RGBColor(190, 190, 190);
const HARM: RGBColor = RGBColor(213, 94, 0);
const WIDTH: u32 = 1_020;
/// Where the scale begins and ends.
const SCALE: (i32, i32) = (330, 800);
const ROW: i32 = 24;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// The figure as SVG.
///
/// # Errors
/// Where drawing fails.
pub fn figure(findings: &Findings) -> Result<String, Box<dyn std::error::Error>> {
    let height = |metric: &MetricFinding| 62 + ROW * metric.findings.len() as i32;
    let total: i32 = findings.metrics.iter().map(height).sum();
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (WIDTH, total as u32 + 70)).into_drawing_area();
        root.fill(&WHITE)?;
        let title = if findings.question.is_empty() { &findings.name } else { &findings.question };
        root.draw_text(title, &letters(22.0, INK, HPos::Left), (16, 26))?;
        let level = 100.0 * (1.0 - findings.alpha);
        let mut legend =
            format!("effect against {}, with {level} % interval; what decides is blue", findings.arms[0].name);
        if findings.metrics.iter().any(|metric| metric.margin.is_some()) {
            legend += ", a guardrail's margin orange";
        }
        root.draw_text(&legend, &letters(15.0, INK, HPos::Left), (16, 50))?;
        let mut top = 70;
        for metric in &findings.metrics {
            panel(&root, metric, top)?;
            top += height(metric);
        }
        root.present()?;
    }
    Ok(svg)
}

fn panel(root: &Area<'_>, metric: &MetricFinding, top: i32) -> Result<(), Box<dyn std::error::Error>> {
    let finite = |value: f64| value.is_finite().then_some(value);
    let ends = metric.findings.iter().flat_map(|finding| [finding.low, finding.high, finding.effect]);
    let margin = metric.margin.map(|margin| match metric.better {
        crate::evaluation::experiment::Better::Higher => -margin,
        crate::evaluation::experiment::Better::Lower => margin,
    });
    let all = ends.filter_map(finite).chain(margin);
    let (low, high) = all.fold((0.0_f64, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
    let span = (high - low).max(1e-12);
    let place = |value: f64| {
        let share = ((value - low) / span).clamp(-0.02, 1.02);
        SCALE.0 + (share * f64::from(SCALE.1 - SCALE.0)) as i32
    };
    let bottom = top + 28 + ROW * metric.findings.len() as i32;
    root.draw_text(&metric.name, &letters(17.0, INK, HPos::Left), (16, top + 14))?;
    root.draw(&PathElement::new(vec![(place(0.0), top + 24), (place(0.0), bottom)], INK))?;
    if let Some(margin) = margin {
        root.draw(&PathElement::new(vec![(place(margin), top + 24), (place(margin), bottom)], HARM))?;
    }
    root.draw(&PathElement::new(vec![(SCALE.0, bottom), (SCALE.1, bottom)], LINE))?;
    let mut labelled = vec![low, 0.0, high];
    labelled.dedup();
    for value in labelled {
        root.draw_text(&number(value), &letters(13.0, INK, HPos::Center), (place(value), bottom + 12))?;
    }
    for (index, finding) in metric.findings.iter().enumerate() {
        row(root, finding, top + 36 + ROW * index as i32, &place)?;
    }
    Ok(())
}

fn row(
    root: &Area<'_>,
    finding: &Finding,
    middle: i32,
    place: &dyn Fn(f64) -> i32,
) -> Result<(), Box<dyn std::error::Error>> {
    let color = if finding.decides { DECIDES } else { BESIDE };
    let label = format!("{}, {}", finding.arm, finding.analysis);
    root.draw_text(&label, &letters(14.0, INK, HPos::Left), (24, middle))?;
    if finding.lack.is_none() {
        let line = vec![(place(finding.low), middle), (place(finding.high), middle)];
        root.draw(&PathElement::new(line, color.stroke_width(2)))?;
    }
    root.draw(&Circle::new((place(finding.effect), middle), 4, color.filled()))?;
    let verdict = finding.verdict.map_or("", |verdict| verdict.words());
    root.draw_text(verdict, &letters(14.0, color, HPos::Left), (SCALE.1 + 14, middle))?;
    Ok(())
}

fn letters(size: f64, color: RGBColor, at: HPos) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&color).pos(Pos::new(at, VPos::Center))
}
