//! What did the campaign do? Those whom it reached buy far more, and would have done so anyway.
//!
//! One e-mail on day 0, to 80 % of those who bought within 90 days and to 5 % of the others, among those who may be
//! written to. The naive effect is the difference of their profits in the following fortnight; inverse propensity
//! weighting (Horvitz & Thompson 1952; Hirano, Imbens & Ridder 2003) with the logged probabilities puts it right; the
//! truth is everybody written to against nobody, the same people with the same luck.

use super::market::{Once, Targeted, live, market, seed};
use super::{Extent, Figure, Finding, Point, Series};
use crate::environment::campaign::Campaign;
use crate::episode::{DecisionSink, Matured, Recorder, judge};
use crate::protocol::World;
use crate::random::Seed;
use crate::registry::Refusal;

const DAYS: i64 = 14;
const PROPENSITIES: [f32; 2] = [0.8, 0.05];

pub(super) fn spring(extent: Extent) -> Result<Finding, Vec<Refusal>> {
    let modules = ["inventory", "price_reference", "goodwill", "awareness", "satisfaction_loyalty"];
    let campaign = market(extent, DAYS, &[0.0], &modules)?;
    let found: Vec<Market> = (0..extent.markets).map(|index| compare(&campaign, seed(extent, index))).collect();
    let over = |read: fn(&Market) -> f64| Figure::over(&found.iter().map(read).collect::<Vec<_>>());
    let naive = over(|market| market.naive);
    let treated = over(|market| market.on_treated);
    let weighted = over(|market| market.weighted);
    let truth = over(|market| market.truth);
    // Both are paired by market; the estimate's own spread over consumers says how far it may be off.
    let distance = over(|market| market.weighted - market.truth);
    let error = (found.iter().map(|market| market.variance).sum::<f64>()).sqrt() / f64::from(extent.markets);
    let point = |x: f64, label: &str, value: Figure| Point { x, label: label.to_owned(), value };
    let series = vec![
        Series { name: "naive".to_owned(), points: vec![point(0.0, "reached less not reached", naive)] },
        Series { name: "estimated".to_owned(), points: vec![point(1.0, "inverse propensity weighting", weighted)] },
        Series {
            name: "true".to_owned(),
            points: vec![point(2.0, "true, on those reached", treated), point(3.0, "true, on all", truth)],
        },
    ];
    Ok(Finding {
        name: "confounding",
        question: "What did the campaign do?",
        x_axis: "",
        y_axis: "profit of 14 days per consumer",
        is_named: true,
        series,
        naive: format!(
            "Those whom the e-mail reached earned {:.3} more per consumer in the fortnight than those whom it did not reach.",
            naive.mean
        ),
        truth: format!(
            "On those reached it caused {:.3}, {:.1} times less; on all it would cause {:.3}. Weighted by the logged \
             propensities, the same log says {:.3} +- {:.3} (one standard error), {:.1} standard errors from the truth.",
            treated.mean,
            naive.mean / treated.mean,
            truth.mean,
            weighted.mean,
            error,
            distance.mean.abs() / error
        ),
        facts: vec![
            ("naive_over_true", naive.mean / treated.mean),
            ("standard_errors_from_truth", distance.mean / error),
        ],
    })
}

/// What one market shows.
struct Market {
    naive: f64,
    on_treated: f64,
    weighted: f64,
    truth: f64,
    /// Of the weighted estimate less the truth, over consumers.
    variance: f64,
}

/// Who was written to on day 0, with which probability, and who could have been.
#[derive(Default)]
struct Log {
    rows: Vec<Row>,
}

#[derive(Clone, Copy)]
struct Row {
    is_treated: bool,
    propensity: f64,
    is_reachable: bool,
}

impl DecisionSink for Log {
    fn take(&mut self, step: &Matured, _closed: bool) {
        if step.observation.tick == 0 {
            let rows = step.actions.iter().zip(&step.propensities).enumerate();
            self.rows.extend(rows.map(|(row, (action, propensity))| Row {
                is_treated: *action > 0,
                propensity: f64::from(*propensity),
                is_reachable: step.observation.allowed.allows(row, 1),
            }));
        }
    }
}

fn compare(campaign: &Campaign, seed: Seed) -> Market {
    let profits = |action: u16| live(campaign, seed, &Once(action)).by_consumer.unwrap_or_default().profits;
    let (none, all) = (profits(0), profits(1));
    let (log, lived) = targeted(campaign, seed);
    let reached: Vec<usize> = (0..log.len()).filter(|who| log[*who].is_reachable).collect();
    let mean = |values: &mut dyn Iterator<Item = f64>| {
        let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
        sum / f64::max(count, 1.0)
    };
    let of =
        |treated: bool| mean(&mut reached.iter().filter(|who| log[**who].is_treated == treated).map(|who| lived[*who]));
    // Each consumer's term of the weighted estimate, less their own true effect.
    let terms: Vec<f64> = reached
        .iter()
        .map(|&who| {
            let Row { is_treated, propensity, .. } = log[who];
            let weight = if is_treated { 1.0 / propensity } else { -1.0 / propensity };
            weight * lived[who] - (all[who] - none[who])
        })
        .collect();
    let truth = mean(&mut reached.iter().map(|who| all[*who] - none[*who]));
    let centre = mean(&mut terms.iter().copied());
    let count = terms.len() as f64;
    let treated = reached.iter().filter(|who| log[**who].is_treated);
    Market {
        naive: of(true) - of(false),
        on_treated: mean(&mut treated.map(|who| lived[*who] - none[*who])),
        weighted: truth + centre,
        truth,
        variance: terms.iter().map(|term| (term - centre).powi(2)).sum::<f64>() / (count * count),
    }
}

/// The campaign as it was run: its log and the profit of each consumer.
fn targeted(campaign: &Campaign, seed: Seed) -> (Vec<Row>, Vec<f64>) {
    let features = &campaign.spec().features;
    let column = features.iter().position(|feature| feature.name == "orders_90_days").unwrap_or(0);
    // Half an order, in the units of the column.
    let above = features.get(column).map_or(0.0, |feature| feature.to_observed(0.5));
    let policy = Targeted { column, above, probabilities: PROPENSITIES };
    let mut log = Log::default();
    let mut environment = campaign.open(seed);
    let recorder = Recorder { by_consumer: true, sink: Some(&mut log) };
    let record = judge(environment.as_mut(), &policy, seed, recorder).unwrap_or_default();
    (log.rows, record.by_consumer.unwrap_or_default().profits)
}
