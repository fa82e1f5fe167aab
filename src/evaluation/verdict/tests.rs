use super::gates::Facts;
use super::*;
use crate::evaluation::appraisal::Ranged;
use crate::evaluation::diagnostics::{Calibration, Diagnostics};

/// A log that nothing is wrong with.
fn sound() -> Diagnostics {
    Diagnostics {
        effective_sample_size: 4_000.0,
        effective_share: 0.4,
        weight_mean: 1.01,
        weight_mean_standard_error: 0.01,
        weight_max: 5.0,
        share_of_largest_weight: 0.001,
        events: 1_000,
        events_per_arm: 100.0,
        effective_events: 500.0,
        direct_disagreement: Some(1.0),
        ..Diagnostics::default()
    }
}

fn facts(diagnostics: &Diagnostics) -> Facts<'_> {
    Facts {
        diagnostics,
        rounds: 10_000,
        units: 10_000,
        skewness: 2.0,
        judge: Some(("dr", false)),
        exists: true,
        is_finite: true,
        mixture_disagreement: None,
        direct: None,
        overturned_by: None,
    }
}

fn estimate(value: f64, standard_error: f64) -> Estimate {
    let (low, high) = (value - 1.96 * standard_error, value + 1.96 * standard_error);
    let difference = Ranged { value, standard_error, low, high };
    Estimate { estimator: "dr".into(), kind: "dr", value: difference, difference, chosen: None }
}

fn verdict(
    difference: f64,
    error: f64,
    facts: &Facts<'_>,
    margin: Option<f64>,
    unsupported: f64,
) -> (Verdict, Vec<String>) {
    let cell = |name: &str, target_mass| Cell { name: name.into(), target_mass };
    let unsupported = if unsupported > 0.0 { vec![cell("sms at 8", unsupported)] } else { Vec::new() };
    let cells = Cells { unsupported, thin: vec![cell("email at 20", 0.3)] };
    decide(Some(&estimate(difference, error)), facts, cells, margin, 0.95)
}

#[test]
fn the_interval_decides_where_the_log_is_sound() {
    let sound = sound();
    let decision = |difference, error, margin| verdict(difference, error, &facts(&sound), margin, 0.0).0.decision;
    assert_eq!(decision(0.03, 0.01, None), Decision::Ship);
    assert_eq!(decision(-0.03, 0.01, None), Decision::Hold);
    assert_eq!(decision(0.01, 0.01, None), Decision::Hold);
    // Shown with 80 %: (1.96 + 0.84) * 0.01 = 0.028.
    assert_eq!(decision(0.01, 0.01, Some(0.029)), Decision::Hold);
    assert_eq!(decision(0.01, 0.01, Some(0.027)), Decision::Explore);
    let (explore, warnings) = verdict(0.01, 0.01, &facts(&sound), Some(0.001), 0.0);
    assert_eq!(explore.cells[0].name, "email at 20");
    assert!(explore.reason.contains("between -0.009600 and 0.02960"), "{}", explore.reason);
    assert!(warnings.is_empty());
}

#[test]
fn differences_below_the_digits_of_a_log_are_none() {
    let one = |size: f64| {
        let difference = Ranged { value: -2.0 * size, standard_error: 0.1 * size, low: -3.0 * size, high: -size };
        let value = Ranged { value: 0.14, ..difference };
        by_interval(&Estimate { value, difference, ..estimate(0.0, 0.0) }, None, 0.95, Vec::new())
    };
    let (decision, reason, _) = one(1e-11);
    assert!(decision == Decision::Hold && reason.contains("what the logging policy does"), "{reason}");
    let (decision, reason, _) = one(1e-3);
    assert!(decision == Decision::Hold && reason.contains("below 0"), "{reason}");
}

#[test]
fn what_is_nowhere_in_the_log_is_explored_first() {
    let sound = sound();
    let (explore, _) = verdict(0.03, 0.01, &facts(&sound), None, 0.06);
    assert_eq!((explore.decision, explore.cells[0].name.as_str()), (Decision::Explore, "sms at 8"));
    assert!(explore.reason.starts_with("6.0 %"));
    assert_eq!(verdict(0.03, 0.01, &facts(&sound), None, 0.04).0.decision, Decision::Ship);
}

/// What is left of "ship" when one figure changes.
fn changed(change: impl FnOnce(&mut Diagnostics), turn: impl FnOnce(&mut Facts<'_>)) -> (Decision, usize) {
    let mut diagnostics = sound();
    change(&mut diagnostics);
    let mut facts = facts(&diagnostics);
    turn(&mut facts);
    let (verdict, warnings) = verdict(0.03, 0.01, &facts, None, 0.0);
    assert_eq!(
        verdict.decision == Decision::Unreliable,
        warnings.iter().any(|warning| verdict.reason.contains(warning))
    );
    (verdict.decision, warnings.len())
}

#[test]
fn each_gate_warns_and_refuses_where_it_says() {
    use Decision::{Ship, Unreliable};
    let figure = |change: fn(&mut Diagnostics)| changed(change, |_| ());
    assert_eq!(figure(|_| ()), (Ship, 0));
    assert_eq!(figure(|found| found.effective_share = 0.049), (Ship, 1));
    assert_eq!(figure(|found| found.effective_share = 0.009), (Unreliable, 1));
    assert_eq!(figure(|found| found.share_of_largest_weight = 0.06), (Ship, 1));
    assert_eq!(figure(|found| found.share_of_largest_weight = 0.21), (Unreliable, 1));
    assert_eq!(figure(|found| found.weight_mean = 0.96), (Unreliable, 1));
    assert_eq!(figure(|found| (found.weight_mean, found.weight_mean_standard_error) = (1.004, 0.001)), (Ship, 1));
    assert_eq!(figure(|found| found.effective_events = 29.0), (Unreliable, 1));
    assert_eq!(figure(|found| found.events_per_arm = 4.0), (Ship, 0));
    assert_eq!(figure(|found| (found.events_per_arm, found.effective_events) = (4.0, 99.0)), (Unreliable, 1));
    assert_eq!(figure(|found| found.direct_disagreement = Some(-3.1)), (Ship, 1));
    assert_eq!(figure(|found| found.share_of_small_propensities = 0.02), (Ship, 1));
    let calibration = |slope| Some(Calibration { expected_calibration_error: 0.0, slope: Some(slope) });
    assert_eq!(changed(|found| found.calibration = calibration(0.4), |_| ()), (Ship, 1));
    assert_eq!(changed(|found| found.calibration = calibration(0.9), |_| ()), (Ship, 0));
    let fact = |turn: fn(&mut Facts<'_>)| changed(|_| (), turn);
    assert_eq!(fact(|facts| facts.units = 29), (Unreliable, 2));
    // 28 + 25 * 20² = 10,028.
    assert_eq!(fact(|facts| facts.skewness = -20.0), (Unreliable, 1));
    assert_eq!(fact(|facts| facts.skewness = 19.9), (Ship, 0));
    assert_eq!(fact(|facts| facts.overturned_by = Some(1.5)), (Ship, 1));
}

#[test]
fn estimators_that_decide_otherwise_are_not_believed() {
    let far = |found: &mut Diagnostics| found.direct_disagreement = Some(5.0);
    assert_eq!(changed(far, |facts| facts.direct = Some((-0.01, [0.01, 0.05]))).0, Decision::Unreliable);
    assert_eq!(changed(far, |facts| facts.direct = Some((0.001, [0.01, 0.05]))).0, Decision::Ship);
    // Near each other, a sign is luck.
    assert_eq!(changed(|_| (), |facts| facts.direct = Some((-0.01, [0.01, 0.05]))).0, Decision::Ship);
}

#[test]
fn the_judge_is_the_best_at_hand() {
    assert_eq!(judge(&["ips", "snips", "dm", "dr"]), 3);
    assert_eq!(judge(&["ips", "snips"]), 1);
    assert_eq!(judge(&["dm"]), 0);
}

#[test]
fn four_digits_are_enough() {
    assert_eq!([0.0, 1_234.5, 0.004_566_9, -12.345_6].map(digits), ["0", "1234", "0.004567", "-12.35"]);
}

#[test]
fn a_target_that_no_round_follows_is_told_first() {
    let nothing = Diagnostics { weight_max: 0.0, weight_mean: 0.0, effective_share: 0.0, ..sound() };
    let (verdict, _) = verdict(0.03, 0.01, &Facts { exists: false, ..facts(&nothing) }, None, 0.0);
    assert_eq!(verdict.decision, Decision::Unreliable);
    assert!(verdict.reason.starts_with("no logged round does what the target would do"), "{}", verdict.reason);
}
