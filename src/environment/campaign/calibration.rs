//! Modules shift how often people order; this brings the market back to the order rate that it is said to have.
//!
//! One constant on the log-hazard of orders is solved on a sample of people of a fixed seed, so that the same market has
//! the same constant in every run: orders over the first days after the lived history, nobody being contacted, come to
//! the target. Orders grow nearly in proportion to `exp(constant)`, so a few steps of ln(target / seen) get there.

use super::Campaign;
use super::model::Model;
use super::shard::CampaignShard;
use crate::protocol::{Decision, Environment, Kpi, Outcome};
use crate::random::Seed;
use crate::registry::{Refusal, Values};
use std::sync::Arc;

/// People on whom the constant is solved.
const SAMPLE: u32 = 4_096;
/// Days over which their orders are counted.
const DAYS: f64 = 91.0;
const STEPS: usize = 5;
/// Distance in logarithms at which the target counts as met.
const TOLERANCE: f64 = 2e-3;

/// Sets the constant, or says that no constant gets there.
pub fn calibrate(model: &mut Arc<Model>, orders_per_year: f64, values: &Values) -> Result<(), Refusal> {
    for _ in 0..STEPS {
        let seen = orders_of_sample(model);
        let step = libm::log(orders_per_year / seen);
        if step.abs() < TOLERANCE {
            return Ok(());
        }
        let offset = f64::from(model.order_offset) + step;
        // Two times the greatest sum of all modules; beyond it nothing moves any more.
        if !offset.is_finite() || offset.abs() > 6.0 {
            return Err(Refusal::new(
                values,
                "orders_per_year",
                format!("no order rate near {orders_per_year} a year can be had: this market comes to {seen:.3}"),
                "set it nearer to what the market does, or change purchase_rate_shape and purchase_rate_scale_weeks",
            ));
        }
        if let Some(model) = Arc::get_mut(model) {
            model.order_offset = offset as f32;
        }
    }
    Ok(())
}

/// Orders per consumer and year over the first days, without contact.
fn orders_of_sample(model: &Arc<Model>) -> f64 {
    let campaign = Campaign { model: Arc::clone(model), customers: None, names: None };
    let mut market = campaign.open_consumers(Seed::new(0), 0..SAMPLE.min(model.spec.consumers));
    let ticks = model.clock.ticks(DAYS).min(model.spec.horizon).max(1);
    let (mut decision, mut outcome) = (Decision::default(), Outcome::default());
    let (mut orders, mut present) = (0, 0);
    for _ in 0..ticks {
        for shard in market.shards_mut() {
            let rows = shard.consumers().len();
            decision.reset(rows);
            if shard.step(&decision, &mut outcome).is_ok() {
                orders += outcome.tally.get(Kpi::Orders);
            }
        }
        present += market.shards.iter().map(CampaignShard::present).sum::<usize>();
        market.end_tick();
    }
    let years = f64::from(ticks) * model.clock.tick_days / 365.25;
    // Half an order keeps the logarithm finite where nobody ordered.
    // Those who have not come yet do not count.
    (orders as f64).max(0.5) / ((present as f64 / f64::from(ticks)).max(1.0) * years)
}
