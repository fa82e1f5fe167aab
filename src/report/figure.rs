//! The figure: who earned what over time, and what it cost in people who no longer listen.

use super::table::{per_consumer, short};
use super::{Run, RunError};
use crate::evaluation::{Metric, cumulative_incremental_profit};
use crate::protocol::Kpi;
use plotters::chart::ChartContext;
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Okabe & Ito (2008), distinct for colour-blind readers; yellow is left out on white. Further policies are grey.
pub(super) const PALETTE: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(0, 0, 0),
];
const GREY: RGBColor = RGBColor(130, 130, 130);
pub(super) const INK: RGBColor = RGBColor(40, 40, 40);
const WIDTH: u32 = 960;
const LABEL_WIDTH: i32 = 300;
const LABEL_HEIGHT: i32 = 18;
const AXIS_WIDTH: u32 = 72;
const AXIS_HEIGHT: u32 = 42;
const TITLE_LETTERS: usize = 78;
/// Bands of more lines than this cover each other.
const BANDS: usize = 2;
/// Width of the strip with the headlines, as a share of the time axis.
const STRIP: f64 = 0.16;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// One policy's line.
struct Curve {
    label: String,
    color: RGBColor,
    /// From (0, 0); x in days.
    points: Vec<(f64, f64)>,
    /// Low and high over replications, where known.
    band: Vec<(f64, f64, f64)>,
    /// What it is ranked by, future value included; drawn right of the line.
    headline: Option<Metric>,
}

/// `figure.svg`: cumulative incremental profit per consumer, with its 95 % band for the first two; right of it, the
/// headline that ranks them, future value included, with its 95 % interval; opt-outs below where there are any.
///
/// # Errors
/// Where drawing fails.
pub(crate) fn figure(run: &Run<'_>) -> Result<String, RunError> {
    draw(run).map_err(|error| RunError::Figure(error.to_string()))
}

fn draw(run: &Run<'_>) -> Result<String, Box<dyn std::error::Error>> {
    let profits = profit_curves(run);
    let opt_outs = opt_out_curves(run);
    let title = wrapped(&run.experiment.question, TITLE_LETTERS);
    let title_height = 30 * title.len() as u32 + 16;
    let labels = LABEL_HEIGHT as u32 * (profits.len() as u32 + 1);
    let upper = labels.max(300) + 30 + AXIS_HEIGHT;
    let lower = if opt_outs.is_empty() { 0 } else { labels.max(130) + 30 + AXIS_HEIGHT };
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (WIDTH, title_height + upper + lower + 6)).into_drawing_area();
        root.fill(&WHITE)?;
        for (line, text) in title.iter().enumerate() {
            root.draw_text(text, &style(25.0, INK, HPos::Left), (16, 26 + 30 * line as i32))?;
        }
        let (_, body) = root.split_vertically(title_height);
        let (top, bottom) = body.split_vertically(upper);
        let heading = "Extra profit per consumer so far [currency], against contacting nobody";
        panel(&top, heading, &profits, run)?;
        if !opt_outs.is_empty() {
            panel(&bottom, "Opt-outs so far [per 1,000 consumers]", &opt_outs, run)?;
        }
        root.present()?;
    }
    Ok(svg)
}

fn panel(area: &Area<'_>, heading: &str, curves: &[Curve], run: &Run<'_>) -> Result<(), Box<dyn std::error::Error>> {
    let banded = curves.iter().any(|curve| !curve.band.is_empty());
    let heading = if banded { format!("{heading}; bands and bars: 95 %") } else { heading.to_owned() };
    area.draw_text(&heading, &style(17.0, INK, HPos::Left), (16, 10))?;
    let spec = run.comparison.world.spec();
    let days = f64::from(spec.horizon) * spec.tick_days;
    let (low, high) = range(curves);
    // Panels without headlines leave the strip empty, so that the time axes stand one above the other.
    let strip = STRIP * days;
    let mut chart = ChartBuilder::on(area)
        .margin_top(26)
        .margin_right(LABEL_WIDTH)
        .x_label_area_size(AXIS_HEIGHT)
        .y_label_area_size(AXIS_WIDTH)
        .build_cartesian_2d(0.0..days + strip, low..high)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(RGBColor(225, 225, 225))
        .axis_style(RGBColor(150, 150, 150))
        .y_labels(6)
        .x_labels(8)
        .x_desc("days")
        .x_label_formatter(&|x| if *x > days { String::new() } else { trimmed(*x) })
        .y_label_formatter(&|y| trimmed(*y))
        .label_style(("sans-serif", 15.0).into_font().color(&INK))
        .axis_desc_style(("sans-serif", 15.0).into_font().color(&INK))
        .draw()?;
    for curve in curves.iter().take(BANDS) {
        let upper = curve.band.iter().map(|&(x, _, high)| (x, high));
        let lower = curve.band.iter().rev().map(|&(x, low, _)| (x, low));
        let outline: Vec<(f64, f64)> = upper.chain(lower).collect();
        if !outline.is_empty() {
            chart.draw_series([Polygon::new(outline, curve.color.mix(0.12))])?;
        }
    }
    chart.draw_series([PathElement::new(vec![(0.0, 0.0), (days + strip, 0.0)], RGBColor(150, 150, 150))])?;
    // The best is drawn last, on top.
    for curve in curves.iter().rev() {
        chart.draw_series(LineSeries::new(curve.points.iter().copied(), curve.color.stroke_width(2)))?;
    }
    headlines(area, &mut chart, curves, days)?;
    label(area, &chart, curves, days + strip)
}

/// A dot and its interval for each policy, side by side in the order of rank.
fn headlines(
    area: &Area<'_>,
    chart: &mut Chart<'_, '_>,
    curves: &[Curve],
    days: f64,
) -> Result<(), Box<dyn std::error::Error>> {
    if curves.iter().all(|curve| curve.headline.is_none()) {
        return Ok(());
    }
    let (low, high) = range(curves);
    chart.draw_series([PathElement::new(vec![(days, low), (days, high)], RGBColor(190, 190, 190))])?;
    let origin = area.get_base_pixel();
    let (x, _) = chart.backend_coord(&(days * (1.0 + STRIP / 2.0), low));
    area.draw_text("+ future", &style(15.0, INK, HPos::Center), (x - origin.0, 36))?;
    for (rank, curve) in curves.iter().enumerate() {
        let x = days * (1.0 + STRIP * (rank as f64 + 1.0) / (curves.len() as f64 + 1.0));
        let Some(headline) = curve.headline else { continue };
        if let (Some(low), Some(high)) = (headline.low, headline.high) {
            chart.draw_series([PathElement::new(vec![(x, low), (x, high)], curve.color.stroke_width(2))])?;
        }
        chart.draw_series([Circle::new((x, headline.mean), 4, curve.color.filled())])?;
    }
    Ok(())
}

/// Names beside the headlines, or at the ends of the lines where there are none, moved apart where they would overlap, each tied to its line.
fn label(
    area: &Area<'_>,
    chart: &Chart<'_, '_>,
    curves: &[Curve],
    right: f64,
) -> Result<(), Box<dyn std::error::Error>> {
    let origin = area.get_base_pixel();
    let ends: Vec<(i32, i32)> = curves
        .iter()
        .filter_map(|curve| curve.headline.map(|headline| headline.mean).or(curve.points.last().map(|point| point.1)))
        .map(|height| chart.backend_coord(&(right, height)))
        .map(|(x, y)| (x - origin.0, y - origin.1))
        .collect();
    let (_, height) = area.dim_in_pixel();
    let places = spread(&ends.iter().map(|end| end.1).collect::<Vec<_>>(), 30, height as i32 - AXIS_HEIGHT as i32);
    for ((curve, &(x, y)), place) in curves.iter().zip(&ends).zip(places) {
        area.draw(&PathElement::new(vec![(x + 2, y), (x + 14, place)], curve.color.mix(0.6)))?;
        area.draw_text(&curve.label, &style(16.0, curve.color, HPos::Left), (x + 18, place))?;
    }
    Ok(())
}

/// Heights near the wanted ones, in their order from the top, at least a label apart, inside the panel.
fn spread(wanted: &[i32], top: i32, bottom: i32) -> Vec<i32> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by_key(|&index| (wanted[index], index));
    let mut places = wanted.to_vec();
    let mut floor = top;
    for &index in &order {
        places[index] = places[index].max(floor);
        floor = places[index] + LABEL_HEIGHT;
    }
    let mut ceiling = bottom;
    for &index in order.iter().rev() {
        places[index] = places[index].min(ceiling);
        ceiling = places[index] - LABEL_HEIGHT;
    }
    places
}

/// In order of rank, so that colours say it too.
fn profit_curves(run: &Run<'_>) -> Vec<Curve> {
    let tick_days = run.comparison.world.spec().tick_days;
    curves(run, |index| {
        let steps = cumulative_incremental_profit(&run.results.contestants[index], &run.results.baseline);
        let at = |tick: usize| (tick + 1) as f64 * tick_days;
        let points: Vec<(f64, f64)> = steps.iter().enumerate().map(|(tick, step)| (at(tick), step.mean)).collect();
        let banded = |(tick, step): (usize, &Metric)| Some((at(tick), step.low?, step.high?));
        let band: Vec<(f64, f64, f64)> = steps.iter().enumerate().filter_map(banded).collect();
        let last = points.last().map_or(0.0, |point| point.1);
        let headline = run.summary.policies[index].headline();
        (points, band, format!("{} (line {})", signed(headline.mean), signed(last)), Some(headline))
    })
}

fn opt_out_curves(run: &Run<'_>) -> Vec<Curve> {
    let spec = run.comparison.world.spec();
    if !spec.kpis.contains(&Kpi::OptOuts) {
        return Vec::new();
    }
    let curves = curves(run, |index| {
        let mut sum = 0.0;
        let points = (0..spec.horizon as usize).map(|tick| {
            sum += 1e3 * per_consumer(&run.results.contestants[index], tick, Kpi::OptOuts);
            ((tick + 1) as f64 * spec.tick_days, sum)
        });
        let points: Vec<(f64, f64)> = points.collect();
        let last = points.last().map_or(0.0, |point| point.1);
        (points, Vec::new(), short(last), None)
    });
    let any = curves.iter().flat_map(|curve| &curve.points).any(|point| point.1 > 0.0);
    if any { curves } else { Vec::new() }
}

type Drawn = (Vec<(f64, f64)>, Vec<(f64, f64, f64)>, String, Option<Metric>);

fn curves(run: &Run<'_>, mut of: impl FnMut(usize) -> Drawn) -> Vec<Curve> {
    let ranked = run.summary.ranking().into_iter().enumerate();
    ranked
        .map(|(rank, index)| {
            let (mut points, mut band, value, headline) = of(index);
            points.insert(0, (0.0, 0.0));
            if !band.is_empty() {
                band.insert(0, (0.0, 0.0, 0.0));
            }
            let name = shortened(&run.summary.policies[index].name, 17);
            let color = PALETTE.get(rank).copied().unwrap_or(GREY);
            Curve { label: format!("{name}  {value}"), color, points, band, headline }
        })
        .collect()
}

/// All that is drawn, with some air; never empty.
fn range(curves: &[Curve]) -> (f64, f64) {
    let points = curves.iter().flat_map(|curve| curve.points.iter().map(|point| point.1));
    let headlines = curves
        .iter()
        .filter_map(|curve| curve.headline)
        .flat_map(|headline| [Some(headline.mean), headline.low, headline.high].into_iter().flatten());
    let bands = curves.iter().take(BANDS).flat_map(|curve| curve.band.iter().flat_map(|&(_, low, high)| [low, high]));
    let (low, high) = points
        .chain(bands)
        .chain(headlines)
        .filter(|value| value.is_finite())
        .fold((0.0_f64, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
    if high - low < 1e-9 {
        return (-1.0, 1.0);
    }
    let air = 0.05 * (high - low);
    (if low < 0.0 { low - air } else { 0.0 }, high + air)
}

pub(super) fn style(size: f64, color: RGBColor, horizontal: HPos) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&color).pos(Pos::new(horizontal, VPos::Center))
}

fn signed(value: f64) -> String {
    if value > 0.0 { format!("+{}", short(value)) } else { short(value) }
}

/// An axis label without needless zeros.
pub(super) fn trimmed(value: f64) -> String {
    let text = format!("{:.4}", if value == 0.0 { 0.0 } else { value });
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

pub(super) fn shortened(name: &str, letters: usize) -> String {
    if name.chars().count() <= letters {
        return name.to_owned();
    }
    name.chars().take(letters - 1).chain(['…']).collect()
}

/// Lines of at most this many letters, broken between words.
fn wrapped(text: &str, letters: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last().map_or(0, |line| line.chars().count());
        if last > 0 && last + 1 + word.chars().count() > letters {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_never_overlap_and_keep_their_order() {
        let wanted = [100, 101, 102, 40, 299, 300];
        let places = spread(&wanted, 10, 300);
        let mut sorted = places.clone();
        sorted.sort_unstable();
        assert!(sorted.windows(2).all(|pair| pair[1] - pair[0] >= LABEL_HEIGHT), "{places:?}");
        assert!(places[0] < places[1] && places[1] < places[2] && places[3] < places[0]);
        assert!(sorted[0] >= 10 && sorted[5] <= 300);
    }

    #[test]
    fn words_wrap() {
        assert_eq!(wrapped("aa bb  cc", 5), ["aa bb", "cc"]);
        assert_eq!(trimmed(0.25), "0.25");
        assert_eq!(trimmed(-0.0), "0");
        assert_eq!(trimmed(30.0), "30");
    }
}
