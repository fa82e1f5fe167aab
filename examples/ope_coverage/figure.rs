//! Coverage by rate, above the share of verdicts that say "unreliable".

use super::{DRAWN, RATES, Row, Scene};
use std::fmt::Write;

/// Okabe & Ito (2008).
const COLOURS: [&str; 3] = ["#0072b2", "#009e73", "#d55e00"];
const LEFT: f64 = 90.0;
const RIGHT: f64 = 680.0;
/// Tops and bottoms of the two panels.
const COVERAGE: [f64; 2] = [70.0, 330.0];
const VERDICTS: [f64; 2] = [400.0, 540.0];
/// The least coverage that has a place of its own.
const LOWEST: f64 = 0.7;

/// Rates stand at equal distances, frequent rewards at the left.
fn x(index: usize) -> f64 {
    LEFT + 30.0 + (RIGHT - LEFT - 60.0) * index as f64 / (RATES.len() - 1) as f64
}

fn y(share: f64, [top, bottom]: [f64; 2], lowest: f64) -> f64 {
    bottom - (bottom - top) * (share.max(lowest) - lowest) / (1.0 - lowest)
}

fn letters(svg: &mut String, x: f64, y: f64, anchor: &str, size: u32, text: &str) {
    let _ =
        writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" font-size=\"{size}\">{text}</text>");
}

fn axis(svg: &mut String, panel: [f64; 2], lowest: f64, ticks: &[f64]) {
    for tick in ticks {
        let y = y(*tick, panel, lowest);
        let _ = writeln!(svg, "<line x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{RIGHT}\" y2=\"{y:.1}\" stroke=\"#d7d7d7\"/>");
        letters(svg, LEFT - 8.0, y + 4.0, "end", 13, &format!("{:.0} %", 100.0 * tick));
    }
}

/// The figure as SVG.
pub fn draw(rows: &[Row], scenes: &[Scene]) -> String {
    let mut svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"860\" height=\"600\" viewBox=\"0 0 860 600\" \
                   font-family=\"sans-serif\" fill=\"#282828\">\n<rect width=\"860\" height=\"600\" fill=\"#ffffff\"/>\n"
        .to_owned();
    letters(&mut svg, 16.0, 28.0, "start", 19, "Logs of 5,000 rounds: do 95 % intervals hold the truth?");
    letters(&mut svg, LEFT, 58.0, "start", 14, "Normal intervals that hold the truth (band: 93 to 97 %)");
    let band = [0.97, 0.93].map(|share| y(share, COVERAGE, LOWEST));
    let _ = writeln!(
        svg,
        "<rect x=\"{LEFT}\" y=\"{:.1}\" width=\"{}\" height=\"{:.1}\" fill=\"#eeeeee\"/>",
        band[0],
        RIGHT - LEFT,
        band[1] - band[0]
    );
    axis(&mut svg, COVERAGE, LOWEST, &[0.7, 0.8, 0.9, 1.0]);
    for (place, (kind, colour)) in DRAWN.iter().zip(COLOURS).enumerate() {
        let own =
            |rate: f64| rows.iter().find(|row| row.rate == rate && row.estimator == *kind && row.interval == "normal");
        let points: Vec<String> = RATES
            .iter()
            .enumerate()
            .filter_map(|(index, rate)| {
                Some(format!("{:.1},{:.1}", x(index), y(own(*rate)?.coverage, COVERAGE, LOWEST)))
            })
            .collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            points.join(" ")
        );
        for point in &points {
            if let Some((x, y)) = point.split_once(',') {
                let _ = writeln!(svg, "<circle cx=\"{x}\" cy=\"{y}\" r=\"4\" fill=\"{colour}\"/>");
            }
        }
        let y = 90.0 + 24.0 * place as f64;
        let _ = writeln!(svg, "<circle cx=\"710\" cy=\"{:.1}\" r=\"5\" fill=\"{colour}\"/>", y - 4.0);
        letters(&mut svg, 722.0, y, "start", 14, kind);
    }
    letters(&mut svg, LEFT, 388.0, "start", 14, "Verdicts that say \"unreliable\"");
    axis(&mut svg, VERDICTS, 0.0, &[0.0, 0.5, 1.0]);
    for (index, scene) in scenes.iter().enumerate() {
        let top = y(scene.decisions[3], VERDICTS, 0.0);
        let _ = writeln!(
            svg,
            "<rect x=\"{:.1}\" y=\"{top:.1}\" width=\"36\" height=\"{:.1}\" fill=\"#d55e00\"/>",
            x(index) - 18.0,
            VERDICTS[1] - top
        );
        letters(&mut svg, x(index), VERDICTS[1] + 20.0, "middle", 13, &scene.rate.to_string());
    }
    letters(&mut svg, (LEFT + RIGHT) / 2.0, 586.0, "middle", 14, "reward of a round under the logging policy");
    svg + "</svg>\n"
}
