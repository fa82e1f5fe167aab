//! How often should one write? A test of four weeks says more often than people bear in the long run.
//!
//! A full-price e-mail at eight frequencies over a year. In the first weeks every further message sells a little more;
//! fatigue, dissatisfaction and lost consent take months to cost what they cost (Zhang, Kumar & Cosguner 2017; Godfrey,
//! Seiders & Voss 2011). Beside both stands last-click credit: every order with a click in the week before it.

use super::market::{Weekly, live, market, seed};
use super::{Extent, Figure, Finding, Point, Series, best};
use crate::protocol::Kpi;
use crate::registry::Refusal;

const PER_WEEK: [f64; 8] = [0.0, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 7.0];
const DAYS: i64 = 365;
const TEST_DAYS: usize = 28;

pub(super) fn spring(extent: Extent) -> Result<Finding, Vec<Refusal>> {
    let campaign = market(extent, DAYS, &[0.0], &["goodwill", "awareness", "satisfaction_loyalty"])?;
    // [frequency][test, credited, caused][market], per consumer.
    let mut profits = vec![[Vec::new(), Vec::new(), Vec::new()]; PER_WEEK.len()];
    for index in 0..extent.markets {
        let seed = seed(extent, index);
        let people = f64::from(extent.consumers);
        let mut untouched = [0.0; 2];
        for (per_week, profits) in PER_WEEK.into_iter().zip(&mut profits) {
            let record = live(&campaign, seed, &Weekly { action: 1, per_week });
            let within =
                |kpi: Kpi, days: usize| record.series[..days].iter().map(|tally| tally.value(kpi)).sum::<f64>();
            let total = |kpi: Kpi| within(kpi, DAYS as usize);
            let profit = [within(Kpi::Profit, TEST_DAYS), total(Kpi::Profit)];
            if per_week == 0.0 {
                untouched = profit;
            }
            // What the test says of a year.
            let year = DAYS as f64 / TEST_DAYS as f64;
            profits[0].push(year * (profit[0] - untouched[0]) / people);
            // The margin of an average order, for each order that attribution hands to the messages.
            let margin = (profit[1] + total(Kpi::Cost)) / total(Kpi::Orders).max(1.0);
            profits[1].push((total(Kpi::LastClickOrders) * margin - total(Kpi::Cost)) / people);
            profits[2].push((profit[1] - untouched[1]) / people);
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
    let test = series(0, "four-week test, x 13");
    let credited = series(1, "last-click credit");
    let caused = series(2, "caused in a year");
    let [naive, truth] = [&test, &caused].map(|series| best(&series.points));
    let means = |series: &Series| series.points.iter().map(|point| point.value.mean).collect::<Vec<_>>();
    let (tested, true_means) = (means(&test), means(&caused));
    Ok(Finding {
        name: "frequency",
        question: "How often should one write?",
        x_axis: "e-mails a week",
        y_axis: "profit of a year per consumer",
        is_named: false,
        naive: format!(
            "A test of four weeks earns most at {} e-mails a week: {:.2} per consumer if a year were thirteen such tests.",
            test.points[naive].label, tested[naive]
        ),
        truth: format!(
            "Over the year messages cause most at {} a week: {:.2} per consumer. At {} a week they cause {:.2} ({:.2} less), \
             since people tire, turn away and withdraw their consent.",
            caused.points[truth].label,
            true_means[truth],
            test.points[naive].label,
            true_means[naive],
            true_means[truth] - true_means[naive]
        ),
        facts: vec![
            ("naive_per_week", PER_WEEK[naive]),
            ("true_per_week", PER_WEEK[truth]),
            ("lost_per_consumer", true_means[truth] - true_means[naive]),
        ],
        series: vec![test, credited, caused],
    })
}
