//! Panels of marks with intervals, one line a mark, against lines of reference.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Okabe & Ito (2008).
pub(super) const BLUE: RGBColor = RGBColor(0, 114, 178);
pub(super) const VERMILION: RGBColor = RGBColor(213, 94, 0);
pub(super) const GREEN: RGBColor = RGBColor(0, 158, 115);
const INK: RGBColor = RGBColor(40, 40, 40);
const LINE: RGBColor = RGBColor(215, 215, 215);
const WIDTH: i32 = 960;
const LEFT: i32 = 250;
const RIGHT: i32 = 190;
const MARK_HEIGHT: i32 = 24;
const PANEL_HEAD: i32 = 40;
const PANEL_FOOT: i32 = 34;
const TITLE_HEIGHT: i32 = 48;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn std::error::Error>>;

/// One mark with its interval.
pub(super) struct Mark {
    pub label: String,
    pub value: f64,
    pub low: f64,
    pub high: f64,
    pub color: RGBColor,
    /// Written at the right.
    pub note: String,
}

/// Marks on one scale.
pub(super) struct Panel {
    pub heading: String,
    pub marks: Vec<Mark>,
    /// Where the truth or the level stands, with its name.
    pub lines: Vec<(f64, String)>,
}

/// The figure as SVG.
///
/// # Errors
/// Where drawing fails.
pub(super) fn draw(title: &str, panels: &[Panel]) -> Result<String, Box<dyn std::error::Error>> {
    let height: i32 = panels.iter().map(Panel::height).sum::<i32>() + TITLE_HEIGHT + 8;
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (WIDTH as u32, height as u32)).into_drawing_area();
        root.fill(&WHITE)?;
        root.draw_text(title, &letters(21.0, INK, HPos::Left), (16, 26))?;
        let mut top = TITLE_HEIGHT;
        for panel in panels {
            panel.draw(&root, top)?;
            top += panel.height();
        }
        root.present()?;
    }
    Ok(svg)
}

impl Panel {
    fn height(&self) -> i32 {
        PANEL_HEAD + PANEL_FOOT + MARK_HEIGHT * self.marks.len() as i32
    }

    /// Everything finite, with some air; never empty.
    fn range(&self) -> (f64, f64) {
        let marks = self.marks.iter().flat_map(|mark| [mark.value, mark.low, mark.high]);
        let all = marks.chain(self.lines.iter().map(|line| line.0)).filter(|value| value.is_finite());
        let (low, high) =
            all.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        if low > high {
            return (-1.0, 1.0);
        }
        let air = (0.05 * (high - low)).max(1e-9);
        (low - air, high + air)
    }

    fn draw(&self, root: &Area<'_>, top: i32) -> Drawn {
        let (low, high) = self.range();
        let place = |value: f64| {
            let share = ((value - low) / (high - low)).clamp(0.0, 1.0);
            LEFT + (share * f64::from(WIDTH - LEFT - RIGHT)).round() as i32
        };
        root.draw_text(&self.heading, &letters(16.0, INK, HPos::Left), (16, top + 10))?;
        let (begin, end) = (top + PANEL_HEAD - 12, top + PANEL_HEAD + MARK_HEIGHT * self.marks.len() as i32);
        for tick in ticks(low, high) {
            let x = place(tick);
            root.draw(&PathElement::new(vec![(x, begin), (x, end)], LINE))?;
            root.draw_text(&trimmed(tick), &letters(13.0, INK, HPos::Center), (x, end + 12))?;
        }
        for (index, (value, name)) in self.lines.iter().enumerate() {
            let x = place(*value);
            root.draw(&PathElement::new(vec![(x, begin), (x, end)], INK.stroke_width(2)))?;
            let y = begin - 4 - 12 * (index as i32 % 2);
            root.draw_text(name, &letters(13.0, INK, HPos::Center), (x, y))?;
        }
        for (index, mark) in self.marks.iter().enumerate() {
            let y = top + PANEL_HEAD + MARK_HEIGHT * index as i32 + MARK_HEIGHT / 2 - 6;
            root.draw_text(&mark.label, &letters(15.0, mark.color, HPos::Right), (LEFT - 14, y))?;
            if mark.value.is_finite() {
                let ends = [mark.low, mark.high].map(|end| if end.is_finite() { end } else { mark.value });
                let bar = ends.map(|end| (place(end), y)).to_vec();
                root.draw(&PathElement::new(bar, mark.color.stroke_width(2)))?;
                root.draw(&Circle::new((place(mark.value), y), 4, mark.color.filled()))?;
            }
            root.draw_text(&mark.note, &letters(14.0, INK, HPos::Left), (WIDTH - RIGHT + 14, y))?;
        }
        Ok(())
    }
}

/// Round numbers inside, about six.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    let rough = (high - low) / 6.0;
    let power = libm::pow(10.0, libm::floor(libm::log10(rough)));
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| factor * power).find(|step| *step >= rough);
    let step = step.unwrap_or(rough);
    let first = (low / step).ceil();
    (0..12).map(|index| (first + f64::from(index)) * step).take_while(|tick| *tick <= high).collect()
}

fn trimmed(value: f64) -> String {
    let text = format!("{:.5}", if value.abs() < 1e-12 { 0.0 } else { value });
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn letters(size: f64, color: RGBColor, horizontal: HPos) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&color).pos(Pos::new(horizontal, VPos::Center))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(ticks(0.0, 1.0), [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]);
        let few = ticks(-0.013, 0.027);
        assert!(few.len() >= 3 && few.iter().all(|tick| (-0.013..=0.027).contains(tick)), "{few:?}");
        assert_eq!(trimmed(0.6000000000000001), "0.6");
    }

    #[test]
    fn a_panel_of_infinite_intervals_can_be_drawn() {
        let mark = |value: f64, low: f64| Mark {
            label: "a".to_owned(),
            value,
            low,
            high: -low,
            color: BLUE,
            note: String::new(),
        };
        let marks = vec![mark(0.5, f64::NEG_INFINITY), mark(f64::NAN, f64::NAN)];
        let svg = draw("t", &[Panel { heading: "h".to_owned(), marks, lines: vec![(0.0, "0".to_owned())] }]).unwrap();
        assert!(svg.contains("<svg") && !svg.contains("NaN"), "{svg}");
    }
}
