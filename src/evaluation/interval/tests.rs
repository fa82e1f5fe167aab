use super::*;
use crate::evaluation::estimator::testing::{Market, build};
use crate::evaluation::tally::Tally;
use crate::statistics::mean_and_variance;

fn method(kind: IntervalKind) -> Method {
    Method { kind, confidence: 0.95, resamples: 1_000, seed: Seed::new(3) }
}

#[test]
fn units_of_one_round_give_the_standard_error_of_a_mean() {
    let terms: Vec<f64> = (0..50).map(|unit| f64::from(unit * unit % 17)).collect();
    let rounds = vec![1.0; 50];
    let influence = Ratio::mean(&rounds, &terms).influence();
    let (_, variance) = mean_and_variance(&terms);
    assert!((standard_error(&influence) - (variance / 50.0).sqrt()).abs() < 1e-12);
}

#[test]
fn units_of_several_rounds_give_the_delta_method() {
    // Two units: 1 round with a term of 3, 3 rounds with terms of 1 in all. Mean 1; influences (3 - 1) * 2 / 4 and
    // (1 - 3) * 2 / 4.
    let influence = Ratio::mean(&[1.0, 3.0], &[3.0, 1.0]).influence();
    assert_eq!(influence, [1.0, -1.0]);
    assert_eq!(standard_error(&influence), 1.0);
}

#[test]
fn every_interval_is_one_and_agrees_on_a_large_sample() {
    let (rounds, reward, sums) = sums(&Market::TWO_CONTEXTS.log(4_000, 1), "dr");
    let ratio = Ratio::of(&rounds, &sums);
    let [normal, difference] = method(IntervalKind::Normal).judge(&rounds, &reward, &[ratio])[0];
    assert!(
        difference.low > 0.0
            && (difference.value - (normal.value - reward.iter().sum::<f64>() / 4_000.0)).abs() < 1e-12
    );
    for (name, kind, _) in IntervalKind::NAMED {
        assert_eq!(IntervalKind::named(name), Some(*kind));
        assert!(IntervalKind::NAMES.contains(name));
        let [value, _] = method(*kind).judge(&rounds, &reward, &[ratio])[0];
        assert_eq!(value.value, normal.value);
        assert!(value.low < value.value && value.value < value.high);
        let width = (value.high - value.low) / (normal.high - normal.low);
        let expected = match kind {
            IntervalKind::EmpiricalBernstein | IntervalKind::ConfidenceSequence => 1.2..2.5,
            // The ends of a bootstrap of 1,000 have an error of about 1 / 15 of a standard error each.
            _ => 0.93..1.07,
        };
        assert!(expected.contains(&width), "{name}: {width}");
    }
}

fn sums(log: &crate::evaluation::estimator::testing::EightRounds, kind: &str) -> (Vec<f64>, Vec<f64>, Sums) {
    let units: Vec<u64> = (0..log.actions.len() as u64).collect();
    let mut tally = Tally::new(1);
    tally.take(&log.evidence(), &units, &[&*build(kind)]).unwrap();
    tally.close();
    (tally.rounds, tally.reward, tally.sums.swap_remove(0))
}

/// Share of 95 % intervals on logs of a known market that hold the truth.
fn coverage(interval: IntervalKind, kind: &str, logs: u64, rounds: u32) -> f64 {
    let covered = |seed: &u64| {
        let mut log = Market::TWO_CONTEXTS.log(rounds, 1_000 + seed);
        // A model that is off.
        log.model.iter_mut().for_each(|reward| *reward = 0.5 * *reward + 0.1);
        let (rounds, reward, sums) = sums(&log, kind);
        let [value, _] = method(interval).judge(&rounds, &reward, &[Ratio::of(&rounds, &sums)])[0];
        value.low <= 0.385 && 0.385 <= value.high
    };
    (0..logs).filter(covered).count() as f64 / logs as f64
}

#[test]
fn intervals_of_short_logs_cover() {
    // Three standard errors of 200 trials of 0.95.
    for (interval, kind) in [(IntervalKind::Normal, "dr"), (IntervalKind::Normal, "snips"), (IntervalKind::Bca, "ips")]
    {
        let covered = coverage(interval, kind, 200, 500);
        assert!((covered - 0.95).abs() < 3.0 * (0.95_f64 * 0.05 / 200.0).sqrt(), "{kind}: {covered}");
    }
}

#[test]
#[ignore = "slow: five million rounds"]
fn intervals_cover_on_a_thousand_logs_of_five_thousand_rounds() {
    for kind in ["dr", "snips", "ips", "sndr"] {
        let covered = coverage(IntervalKind::Normal, kind, 1_000, 5_000);
        assert!((0.93..=0.97).contains(&covered), "{kind}: {covered}");
    }
}
