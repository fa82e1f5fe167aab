use super::*;
use crate::evaluation::estimator::ESTIMATORS;
use crate::evaluation::estimator::testing::EightRounds;
use crate::registry::{Values, find};

fn asked(kind: &str) -> Asked {
    let entry = find(ESTIMATORS, kind).unwrap();
    let family = (entry.build)(&Values::defaults(entry.parameters)).unwrap();
    Asked { name: kind.into(), kind: entry.name, family }
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|action| format!("arm_{action}")).collect()
}

#[test]
fn the_eight_rounds_are_judged() {
    let rounds = EightRounds::new();
    let settings = Settings::default();
    let mut appraiser = Appraiser::new("target", vec![asked("ips"), asked("snips")], &settings, &names(3));
    let units: Vec<u64> = (0..8).collect();
    appraiser.take(&rounds.evidence().part(0..3), &units[..3]).unwrap();
    appraiser.take(&rounds.evidence().part(3..8), &units[3..]).unwrap();
    let appraisal = appraiser.finish();
    let ips = &appraisal.estimates[0];
    assert!((ips.value.value - 0.75).abs() < 1e-12);
    // Variance of the terms: (5.76 + 10.24 + 0.16 - 8 * 0.75²) / 7.
    assert!((ips.value.standard_error - (11.66_f64 / 7.0 / 8.0).sqrt()).abs() < 1e-12);
    assert!((ips.difference.value - 0.375).abs() < 1e-12);
    assert!((appraisal.estimates[1].value.value - 6.0 / 13.0).abs() < 1e-12);
    assert!((appraisal.diagnostics.effective_sample_size - 5.121_212_121).abs() < 1e-9);
    assert_eq!(appraisal.diagnostics.weight_max, 3.2);
}
