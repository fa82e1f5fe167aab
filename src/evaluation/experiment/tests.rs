//! Known answers of the analyses.

use super::*;

/// Two arms one after the other.
fn two(control: &[f64], treated: &[f64]) -> (Vec<u32>, Vec<f64>) {
    let arms = control.iter().map(|_| 0).chain(treated.iter().map(|_| 1)).collect();
    (arms, [control, treated].concat())
}

fn only(name: &str, sample: &Sample<'_>) -> Effect {
    default_analysis(name).unwrap().effects(sample, 0.05).unwrap().remove(0)
}

#[test]
fn every_analysis_says_what_it_is_and_is_made_from_its_defaults() {
    for entry in ANALYSES {
        assert!(!entry.summary.is_empty() && !entry.source.is_empty(), "{}", entry.name);
        assert!(default_analysis(entry.name).is_some(), "{}", entry.name);
    }
    assert!(default_analysis("anova").is_none());
}

#[test]
fn welch_and_the_pooled_test_on_two_samples_by_hand() {
    // Control 1, 2, 3, 4 (mean 2.5, variance 5/3), treated 2, 4, 6 (mean 4, variance 4).
    let (arms, outcomes) = two(&[1.0, 2.0, 3.0, 4.0], &[2.0, 4.0, 6.0]);
    let sample = Sample::new(&arms, 2, &outcomes);
    let welch = only("welch", &sample);
    let (a, b): (f64, f64) = (5.0 / 12.0, 4.0 / 3.0);
    assert!((welch.effect - 1.5).abs() < 1e-12);
    assert!((welch.standard_error - (a + b).sqrt()).abs() < 1e-12);
    let degrees = (a + b) * (a + b) / (a * a / 3.0 + b * b / 2.0);
    let quantile = crate::statistics::student_t_quantile(0.975, degrees);
    assert!((welch.high - welch.effect - quantile * welch.standard_error).abs() < 1e-12);
    let pooled = only("t_test", &sample);
    // (5 + 8) / 5 = 2.6, times 1/4 + 1/3.
    assert!((pooled.standard_error - (2.6_f64 * 7.0 / 12.0).sqrt()).abs() < 1e-12);
    assert!((pooled.p_value - effect::student_p_value(1.5 / pooled.standard_error, 5.0)).abs() < 1e-12);
}
