//! How often should one write? Attribution says as often as one can, the people say otherwise.
//!
//! A full-price e-mail at eight frequencies over a year. Credit goes to every order with a message in the week before it:
//! the more one writes, the more orders have one. What messages cause rises, and falls again as people tire and leave
//! the list (Zhang, Kumar & Cosguner 2017; Godfrey, Seiders & Voss 2011).

use super::market::{Weekly, live, market, seed};
use super::{Extent, Figure, Finding, Point, Series, best};
use crate::protocol::Kpi;
use crate::registry::Refusal;

const PER_WEEK: [f64; 8] = [0.0, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 7.0];
const DAYS: i64 = 365;

pub(super) fn spring(extent: Extent) -> Result<Finding, Vec<Refusal>> {
    let campaign = market(extent, DAYS, &[0.0], &["goodwill", "awareness", "satisfaction_loyalty"])?;
    // [frequency][credited, caused][market], per consumer.
    let mut profits = vec![[Vec::new(), Vec::new()]; PER_WEEK.len()];
    for index in 0..extent.markets {
        let seed = seed(extent, index);
        let people = f64::from(extent.consumers);
        let mut untouched = 0.0;
        for (per_week, profits) in PER_WEEK.into_iter().zip(&mut profits) {
            let record = live(&campaign, seed, &Weekly { action: 1, per_week });
            let total = |kpi: Kpi| record.series.iter().map(|tally| tally.value(kpi)).sum::<f64>();
            let profit = total(Kpi::Profit);
            if per_week == 0.0 {
                untouched = profit;
            }
            // The margin of an average order, for each order that attribution hands to the messages.
            let margin = (profit + total(Kpi::Cost)) / total(Kpi::Orders).max(1.0);
            profits[0].push((total(Kpi::TouchedOrders) * margin - total(Kpi::Cost)) / people);
            profits[1].push((profit - untouched) / people);
        }
    }
    let series = |which: usize, name: &str| Series {
        name: name.to_owned(),
        points: PER_WEEK
            .iter()
            .zip(&profits)
            .map(|(per_week, profits)| Point {
                x: *per_week,
                label: format!("{per_week}"),
                value: Figure::over(&profits[which]),
            })
            .collect(),
    };
    let (credited, caused) = (series(0, "credited to messages"), series(1, "caused by messages"));
    let [naive, truth] = [&credited, &caused].map(|series| best(&series.points));
    Ok(Finding {
        name: "frequency",
        question: "How often should one write?",
        x_axis: "e-mails a week",
        y_axis: "profit of a year per consumer",
        is_named: false,
        naive: format!(
            "Attribution (a message in the week before the order) credits most at {} e-mails a week: {:.2} per consumer.",
            credited.points[naive].label, credited.points[naive].value.mean
        ),
        truth: format!(
            "Messages cause most at {} a week: {:.2} per consumer. At {} a week they cause {:.2}, {:.0} % of what is credited \
             to them.",
            caused.points[truth].label,
            caused.points[truth].value.mean,
            credited.points[naive].label,
            caused.points[naive].value.mean,
            100.0 * caused.points[naive].value.mean / credited.points[naive].value.mean
        ),
        facts: vec![
            ("naive_per_week", PER_WEEK[naive]),
            ("true_per_week", PER_WEEK[truth]),
            ("lost_per_consumer", caused.points[truth].value.mean - caused.points[naive].value.mean),
        ],
        series: vec![credited, caused],
    })
}
