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
fn expected_profits_add_up_to_booked_ones_on_average_and_vary_far_less() {
    for (modules, seed) in [(None, 5), (Some(vec!["price_response", "inventory", "delay_censoring", "fatigue"]), 6)] {
        let mut sections = sections(30_000, 12);
        sections.modules = modules.map(|names| {
            let values = |name| (name, Values::defaults(find(MODULES, name).unwrap().parameters));
            names.into_iter().map(values).collect()
        });
        let sums = lived(&sections, seed, 12);
        let (difference, noise) = mean_and_variance(sums.iter().map(|(booked, expected)| booked - expected));
        let standard_error = (noise / sums.len() as f64).sqrt();
        assert!(difference.abs() < 3.0 * standard_error, "{difference} {standard_error}");
        let [(mean, booked), (_, expected)] =
            [mean_and_variance(sums.iter().map(|sum| sum.0)), mean_and_variance(sums.iter().map(|sum| sum.1))];
        // Sharp enough to notice an error of a tenth.
        assert!(mean.abs() > 30.0 * standard_error && expected < 0.5 * booked, "{mean} {booked} {expected}");
    }
}
