//! The value that records tell is the expectation of the value that scores.

use super::super::observed_value::Observed;
use super::*;

fn market(clock: &str) -> Sections {
    let mut sections = sections(20_000, 5);
    sections.market =
        sections.market.with("clock", Value::Text(clock.into())).with("history_message_every_days", Value::Integer(0));
    // Nobody is written to and nothing else moves them, so that the law of the purchases is the whole truth.
    sections.modules = Some(Vec::new());
    sections
}

#[test]
fn observed_values_are_calibrated_for_the_many_and_for_each_group_of_orders() {
    for clock in ["bg_nbd", "pareto_nbd", "nbd"] {
        let mut market = open(&market(clock), 11);
        let index = market.spec().features.iter().position(|feature| feature.name == "orders_ever").unwrap();
        let feature = market.spec().features[index].clone();
        // Sum, squares and count of the differences, for all and by number of orders.
        let mut groups = [[0.0_f64; 4]; 4];
        let (mut told, mut truth, mut observation) = (Vec::new(), Vec::new(), Observation::default());
        for shard in market.shards_mut() {
            assert!(shard.observed_values(&mut told));
            shard.terminal_values(&mut truth);
            shard.observe(FEATURES, &mut observation);
            for row in 0..told.len() {
                let orders = feature.to_raw(observation.features.get(row, index)).round();
                let group = if orders < 1.5 {
                    1
                } else if orders < 4.5 {
                    2
                } else {
                    3
                };
                let difference = truth[row] - f64::from(told[row]);
                for sums in [0, group] {
                    let [sum, squares, count, value] = &mut groups[sums];
                    *sum += difference;
                    *squares += difference * difference;
                    *count += 1.0;
                    *value += truth[row];
                }
            }
        }
        for (group, [sum, squares, count, value]) in groups.into_iter().enumerate() {
            let (mean, level) = (sum / count, value / count);
            let error = ((squares / count - mean * mean) / count).sqrt();
            assert!(count > 500.0 && error < 0.15 * level, "{clock} {group}: {count} {error}");
            // Times are days, a day is a tick, and at most one order falls on it: a per cent is left for that.
            assert!(mean.abs() < 3.0 * error + 0.01 * level, "{clock} {group}: {mean} ± {error} of {level}");
        }
    }
}

#[test]
fn the_value_of_a_poisson_buyer_by_hand() {
    // NBD: rate (r + x) / (alpha + T), for ever; margin × basket × rate ∫ e^(-dt) dt up to eighty years.
    let campaign = Campaign::new(&market("nbd")).unwrap();
    let model = &campaign.model;
    let observed = Observed { orders: 4, recency_days: 90.0, age_days: 200.0, basket_mean: 50.0, is_reachable: true };
    let shape = model.population.order_rate_shape();
    let rate = (shape + 3.0) / (shape / model.population.mean_order_rate_per_day() + 200.0);
    let discount = model.discount_rate_per_day;
    let years = (1.0 - (-discount * 29_220.0).exp()) / discount;
    let basket = model.population.spend().conditional_mean(4, 50.0);
    let expected = model.margin * basket * rate * years + model.reachability_value;
    let value = model.observed_value(&observed);
    assert!((value / expected - 1.0).abs() < 1e-9, "{value} {expected}");
    let unreachable = model.observed_value(&Observed { is_reachable: false, ..observed });
    assert!((value - unreachable - model.reachability_value).abs() < 1e-9);
}
