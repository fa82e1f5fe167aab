//! How deep should a discount be? A fortnight says one thing, a third of a year another.
//!
//! One e-mail on day 0 to everybody, at nine depths. A discount moves orders forward, fills cupboards and spoils the
//! reference price, so that part of what it sells is missing later (Neslin, Henderson & Quelch 1985; van Heerde, Gupta &
//! Wittink 2003).

use super::market::{Once, live, market, seed};
use super::{Extent, Figure, Finding, Point, Series, best};
use crate::protocol::Kpi;
use crate::registry::Refusal;

const DEPTHS: [f64; 9] = [0.0, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3];
const SHORT_DAYS: usize = 14;
const LONG_DAYS: usize = 120;

pub(super) fn spring(extent: Extent) -> Result<Finding, Vec<Refusal>> {
    let modules = ["inventory", "price_reference", "goodwill", "awareness", "satisfaction_loyalty"];
    let campaign = market(extent, LONG_DAYS as i64, &DEPTHS, &modules)?;
    // [depth][horizon][market]: profit per consumer beyond that of writing to nobody.
    let mut gained = vec![[Vec::new(), Vec::new()]; DEPTHS.len()];
    for index in 0..extent.markets {
        let seed = seed(extent, index);
        let profit = |action: u16| {
            let record = live(&campaign, seed, &Once(action));
            [SHORT_DAYS, LONG_DAYS].map(|days| {
                let total: f64 = record.series.iter().take(days).map(|tally| tally.value(Kpi::Profit)).sum();
                total / f64::from(extent.consumers)
            })
        };
        let none = profit(0);
        for (depth, gained) in gained.iter_mut().enumerate() {
            for ((gained, profit), none) in gained.iter_mut().zip(profit(depth as u16 + 1)).zip(none) {
                gained.push(profit - none);
            }
        }
    }
    let series = |horizon: usize, name: &str| Series {
        name: name.to_owned(),
        points: DEPTHS
            .iter()
            .zip(&gained)
            .map(|(depth, gained)| Point {
                x: 100.0 * depth,
                label: format!("{:.1} %", 100.0 * depth),
                value: Figure::over(&gained[horizon]),
            })
            .collect(),
    };
    let (short, long) = (series(0, "14 days"), series(1, "120 days"));
    let [naive, truth] = [&short, &long].map(|series| best(&series.points));
    let lost = long.points[truth].value.mean - long.points[naive].value.mean;
    Ok(Finding {
        name: "discount",
        question: "How deep should a discount be?",
        x_axis: "discount [%]",
        y_axis: "profit per consumer beyond that of no message",
        is_named: false,
        naive: format!(
            "The fortnight after the e-mail earns most at {} off: {:.4} per consumer.",
            short.points[naive].label, short.points[naive].value.mean
        ),
        truth: format!(
            "Over 120 days the best depth is {}: it earns {:.4}, and the depth that the fortnight picked {:.4} ({:.4} less), \
             since part of what a discount sells is missing later.",
            long.points[truth].label, long.points[truth].value.mean, long.points[naive].value.mean, lost
        ),
        facts: vec![("naive_depth", DEPTHS[naive]), ("true_depth", DEPTHS[truth]), ("lost_per_consumer", lost)],
        series: vec![short, long],
    })
}
