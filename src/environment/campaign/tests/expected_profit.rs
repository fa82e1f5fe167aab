//! What a tick earns in expectation, given all but the draws of orders and baskets.

use super::*;

/// Per consumer: profit booked over the run, and the sum of its expectations.
fn lived(sections: &Sections, seed: u64, ticks: u32) -> Vec<(f64, f64)> {
    let mut market = open(sections, seed);
    let mut sums = vec![(0.0, 0.0); market.spec().consumers as usize];
    let (mut observation, mut decision, mut outcome) = <(Observation, Decision, Outcome)>::default();
    let mut expected = Vec::new();
    for _ in 0..ticks {
        for shard in market.shards_mut() {
            shard.observe(FEATURES, &mut observation);
            scatter(&observation, &mut decision);
            shard.step(&decision, &mut outcome).unwrap();
            assert!(shard.expected_profits(&mut expected));
            for (&consumer, (booked, expected)) in
                observation.consumer_ids.iter().zip(outcome.profits.iter().zip(&expected))
            {
                let (sum, sum_expected) = &mut sums[consumer as usize];
                *sum += booked.amount();
                *sum_expected += expected.amount();
            }
        }
        market.end_tick();
    }
    sums
}

fn mean_and_variance(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let count = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / count;
    (mean, values.map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0))
}

#[test]
fn expected_profits_add_up_to_booked_ones_on_average_and_vary_less() {
    // Once orders of one's own accord are most, once those after a click: in the session, or when they fall due.
    for (rates, session_share, seed) in [(None, 0.35, 5), (Some(0.8), 1.0, 6), (Some(0.8), 0.5, 7)] {
        let mut sections = sections(20_000, 12);
        let values = |name| (name, Values::defaults(find(MODULES, name).unwrap().parameters));
        let names = ["price_response", "inventory", "delay_censoring", "fatigue"];
        let mut modules: Vec<(&'static str, Values)> = names.into_iter().map(values).collect();
        modules[2].1.set("session_share", Value::Number(session_share), None);
        sections.modules = Some(modules);
        for (key, rate) in ["open_rate", "click_rate", "conversion_rate"].into_iter().zip(rates.into_iter().cycle()) {
            for (_, _, channel) in &mut sections.channels {
                channel.set(key, Value::Number(rate), None);
            }
        }
        let sums = lived(&sections, seed, 12);
        let (difference, noise) = mean_and_variance(sums.iter().map(|(booked, expected)| booked - expected));
        let standard_error = (noise / sums.len() as f64).sqrt();
        assert!(difference.abs() < 3.0 * standard_error, "{seed}: {difference} {standard_error}");
        let [(mean, booked), (_, expected)] =
            [mean_and_variance(sums.iter().map(|sum| sum.0)), mean_and_variance(sums.iter().map(|sum| sum.1))];
        // Sharp enough to notice an error of a sixth.
        assert!(mean.abs() > 20.0 * standard_error && expected < booked, "{seed}: {mean} {booked} {expected}");
        assert_eq!(mean > 10.0, rates.is_some(), "{seed}: orders after a click are most of {mean}, or few");
    }
}
