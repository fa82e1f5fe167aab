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

#[test]
fn the_z_test_of_proportions_of_a_published_mailing() {
    // Visits without e-mail 2,262 of 21,306, with the men's e-mail 3,894 of 21,307 (Hillstrom 2008): +.07659, z 22.6.
    let arm =
        |units: usize, visits: usize| (0..units).map(|unit| f64::from(u8::from(unit < visits))).collect::<Vec<_>>();
    let (arms, outcomes) = two(&arm(21_306, 2_262), &arm(21_307, 3_894));
    let sample = Sample::new(&arms, 2, &outcomes);
    let plain = only("z_test", &sample);
    assert!((plain.effect - 0.076_589_563_651_531_25).abs() < 1e-12);
    assert!((plain.standard_error - 0.003_385_887_811_728_365_3).abs() < 1e-9);
    assert!((plain.effect / plain.standard_error - 22.62).abs() < 0.01);
    // Pooled: sqrt(p (1 - p) (1/n_1 + 1/n_0)) with p = 6156/42613. The interval stays that of the two variances.
    let entry = crate::registry::find(ANALYSES, "z_test").unwrap();
    let values = Values::defaults(entry.parameters).with("pooled", crate::registry::Value::Boolean(true));
    let pooled = (entry.build)(&values).unwrap();
    let small = two(&arm(200, 20), &arm(100, 16));
    let effect = pooled.effects(&Sample::new(&small.0, 2, &small.1), 0.05).unwrap().remove(0);
    let z = 0.06 / (0.12_f64 * 0.88 * (1.0 / 200.0 + 1.0 / 100.0)).sqrt();
    assert!((effect.p_value - effect::normal_p_value(z)).abs() < 1e-12);
    let money = two(&[1.0, 0.0, 2.0], &[0.0, 1.0]);
    let refused = pooled.effects(&Sample::new(&money.0, 2, &money.1), 0.05).unwrap_err();
    assert_eq!(refused, Unanalysable::NotBinary { row: 3, value: 2.0 });
}

#[test]
fn ratios_of_sums_by_the_delta_method() {
    // Control: orders 1, 2, 3 from visits 2, 4, 6, a ratio of 1/2 without residuals. Treated: 3, 3 from 2, 4.
    let (arms, outcomes) = two(&[1.0, 2.0, 3.0], &[3.0, 3.0]);
    let visits = [2.0, 4.0, 6.0, 2.0, 4.0];
    let sample = Sample { denominators: Some(&visits), ..Sample::new(&arms, 2, &outcomes) };
    let ratio = only("ratio", &sample);
    assert!((ratio.control - 0.5).abs() < 1e-12 && (ratio.treated - 1.0).abs() < 1e-12);
    // Residuals (3 - 2)/3 and (3 - 4)/3 have variance 2/9, over two units 1/9.
    assert!((ratio.standard_error - 1.0 / 3.0).abs() < 1e-12);
    // With denominators of one it is the difference of means.
    let ones = [1.0; 5];
    let same = only("ratio", &Sample { denominators: Some(&ones), ..sample });
    let welch = only("welch", &sample);
    assert!((same.effect - welch.effect).abs() < 1e-12 && (same.low - welch.low).abs() < 1e-9);
    let none = [0.0, 0.0, 0.0, 1.0, 1.0];
    let refused = default_analysis("ratio").unwrap().effects(&Sample { denominators: Some(&none), ..sample }, 0.05);
    assert_eq!(refused.unwrap_err(), Unanalysable::Denominator { arm: 0, sum: 0.0 });
    let missing = default_analysis("ratio").unwrap().effects(&Sample::new(&arms, 2, &outcomes), 0.05);
    assert_eq!(missing.unwrap_err(), Unanalysable::Missing("denominator"));
}

#[test]
fn ratios_of_clusters_are_those_of_their_sums() {
    // The rows of the ratios above, each cut in two: the answer of the sums, and not that of twice as many units.
    let (arms, outcomes) = two(&[1.0, 0.0, 1.5, 0.5, 0.0, 3.0], &[1.0, 2.0, 3.0, 0.0]);
    let visits = [1.0, 1.0, 3.0, 1.0, 2.0, 4.0, 1.0, 1.0, 3.0, 1.0];
    let clusters = [7, 7, 8, 8, 9, 9, 3, 3, 4, 4];
    let sample = Sample { denominators: Some(&visits), clusters: Some(&clusters), ..Sample::new(&arms, 2, &outcomes) };
    let ratio = only("ratio", &sample);
    assert!((ratio.control - 0.5).abs() < 1e-12 && (ratio.treated - 1.0).abs() < 1e-12);
    assert!((ratio.standard_error - 1.0 / 3.0).abs() < 1e-12, "{ratio:?}");
    let ones = [1.0; 10];
    let same = only("ratio", &Sample { denominators: Some(&ones), ..sample });
    let clustered = only("clustered", &sample);
    assert!((same.effect - clustered.effect).abs() < 1e-12 && (same.low - clustered.low).abs() < 1e-9);
}

#[test]
fn exposed_units_are_weighted_by_how_rare_their_exposure_was() {
    // Control: weights 2, 4 in one cluster, 2 in another, mean (2 + 12 + 4)/8. Leaving out the first leaves 2, leaving
    // out the second 14/6. Treated: three clusters of one unit, 4, 6, 8. Those of 100 and -100 are not exposed.
    let arms = [0, 0, 0, 0, 1, 1, 1, 1];
    let outcomes = [1.0, 3.0, 2.0, 100.0, 4.0, 6.0, 8.0, -100.0];
    let met = [true, true, true, false, true, true, true, false];
    let probabilities = [0.5, 0.25, 0.5, 0.5, 0.5, 0.5, 0.5, 0.0];
    let sample = Sample {
        clusters: Some(&[1, 1, 2, 2, 3, 4, 5, 5]),
        exposures: Some(&met),
        exposure_probabilities: Some(&probabilities),
        ..Sample::new(&arms, 2, &outcomes)
    };
    let effect = only("exposure", &sample);
    assert_eq!((effect.units, effect.control, effect.treated), ([3, 3], 2.25, 6.0));
    let control: f64 = 0.5 * (0.25_f64.powi(2) + (14.0 / 6.0 - 2.25_f64).powi(2));
    assert!((effect.standard_error - (control + 4.0 / 3.0).sqrt()).abs() < 1e-12, "{effect:?}");
    // Degrees of freedom: 1/(.75^2 + .25^2) - 1 = .6 and 2.
    let degrees = (control + 4.0 / 3.0).powi(2) / (control * control / 0.6 + 16.0 / 9.0 / 2.0);
    let quantile = crate::statistics::student_t_quantile(0.975, degrees);
    assert!((effect.high - effect.effect - quantile * effect.standard_error).abs() < 1e-9);
    // Everybody exposed alike, in clusters of one size: whole clusters and nothing else.
    let alike = Sample {
        clusters: Some(&[1, 1, 2, 2, 3, 3, 5, 5]),
        exposures: Some(&[true; 8]),
        exposure_probabilities: Some(&[0.5; 8]),
        ..sample
    };
    let (weighted, clustered) = (only("exposure", &alike), only("clustered", &alike));
    assert!((weighted.standard_error - clustered.standard_error).abs() < 1e-9);
    assert!((weighted.low - clustered.low).abs() < 1e-9 && (weighted.p_value - clustered.p_value).abs() < 1e-12);
    let refused = |sample: &Sample<'_>| default_analysis("exposure").unwrap().effects(sample, 0.05).unwrap_err();
    assert_eq!(
        refused(&Sample { exposures: Some(&[true; 8]), ..sample }),
        Unanalysable::Exposure { row: 8, probability: 0.0 }
    );
    assert_eq!(
        refused(&Sample { clusters: Some(&[1, 1, 2, 2, 2, 4, 5, 5]), ..sample }),
        Unanalysable::DividedCluster { row: 5 }
    );
    assert_eq!(
        refused(&Sample { exposures: Some(&[true, true, false, false, true, true, true, false]), ..sample }),
        Unanalysable::TooFew { arm: 0, count: 1, what: "clusters with an exposed unit", needed: 2 }
    );
    assert!(matches!(refused(&Sample::new(&arms, 2, &outcomes)), Unanalysable::Missing(_)));
}

#[test]
fn a_covariate_that_explains_everything_leaves_the_effect_alone() {
    // y = 3 x + 2 in the treated arm: all that is left is 2.
    let before: Vec<f64> = [1.0, 2.0, 4.0, 8.0, 3.0, 5.0, 6.0, 1.0].to_vec();
    let arms = [0, 0, 0, 0, 1, 1, 1, 1];
    let outcomes: Vec<f64> = before.iter().zip(arms).map(|(x, arm)| 3.0 * x + 2.0 * f64::from(arm)).collect();
    let sample = Sample { covariates: Some(&before), ..Sample::new(&arms, 2, &outcomes) };
    let effect = only("cuped", &sample);
    assert!((effect.effect - 2.0).abs() < 1e-12 && effect.standard_error < 1e-12);
    let constant = [0.1; 8];
    let refused = default_analysis("cuped").unwrap().effects(&Sample { covariates: Some(&constant), ..sample }, 0.05);
    assert_eq!(refused.unwrap_err(), Unanalysable::ConstantCovariate);
}

#[test]
fn the_largest_outcomes_are_cut_to_the_quantile() {
    // The 90 % quantile of 0, 1, …, 10 is 9: 10 becomes 9, and with both ends 0 becomes 1.
    let outcomes: Vec<f64> = (0..=10).map(f64::from).collect();
    let arms: Vec<u32> = (0..=10).map(|unit| unit % 2).collect();
    let entry = crate::registry::find(ANALYSES, "winsorised").unwrap();
    let analyse = |both| {
        let values = Values::defaults(entry.parameters)
            .with("quantile", crate::registry::Value::Number(0.9))
            .with("both_ends", crate::registry::Value::Boolean(both));
        (entry.build)(&values).unwrap().effects(&Sample::new(&arms, 2, &outcomes), 0.05).unwrap().remove(0)
    };
    // Even numbers in the control: 30/6 becomes 29/6, then 30/6. Odd ones: 25/5 stays.
    assert!((analyse(false).control - 29.0 / 6.0).abs() < 1e-12);
    assert!((analyse(true).control - 5.0).abs() < 1e-12);
    assert!((analyse(false).treated - 5.0).abs() < 1e-12);
}

#[test]
fn strata_are_weighted_by_their_size() {
    // Stratum 0 (8 units): effect 1; stratum 1 (4 units): effect 4. Weighted 2/3 and 1/3: 2.
    let strata = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1];
    let arms = [0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 1, 1];
    let outcomes = [1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 2.0, 4.0, 10.0, 12.0, 14.0, 16.0];
    let sample = Sample { strata: Some(&strata), ..Sample::new(&arms, 2, &outcomes) };
    let effect = only("stratified", &sample);
    assert!((effect.effect - 2.0).abs() < 1e-12);
    // Variances .8/6 + 2/2 and 2/2 + 2/2, weighted by 4/9 and 1/9.
    assert!((effect.standard_error - (4.0 / 9.0 * (0.8 / 6.0 + 1.0) + 2.0 / 9.0_f64).sqrt()).abs() < 1e-12);
    let lonely = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 2];
    let refused = default_analysis("stratified").unwrap().effects(&Sample { strata: Some(&lonely), ..sample }, 0.05);
    assert_eq!(refused.unwrap_err(), Unanalysable::EmptyStratum { stratum: 1, arm: 1, count: 0 });
    // One stratum alone is Welch's test.
    let one = [7; 12];
    let (same, welch) = (only("stratified", &Sample { strata: Some(&one), ..sample }), only("welch", &sample));
    assert!((same.low - welch.low).abs() < 1e-9 && (same.p_value - welch.p_value).abs() < 1e-12);
}

#[test]
fn rows_of_a_cluster_count_once() {
    // Every row five times in a cluster of its own: the answer of the single rows, with the same interval.
    let (arms, outcomes) = two(&[1.0, 2.0, 3.0, 4.0], &[2.0, 4.0, 6.0]);
    let welch = only("welch", &Sample::new(&arms, 2, &outcomes));
    let many = |values: &[f64]| values.iter().flat_map(|value| [*value; 5]).collect::<Vec<f64>>();
    let many_arms: Vec<u32> = arms.iter().flat_map(|arm| [*arm; 5]).collect();
    let clusters: Vec<u64> = (0..7).flat_map(|cluster| [cluster; 5]).collect();
    let values = many(&outcomes);
    let sample = Sample { clusters: Some(&clusters), ..Sample::new(&many_arms, 2, &values) };
    let clustered = only("clustered", &sample);
    assert!((clustered.effect - welch.effect).abs() < 1e-12);
    assert!((clustered.standard_error - welch.standard_error).abs() < 1e-12);
    assert!((clustered.p_value - welch.p_value).abs() < 1e-12);
    // Consumers with one row in each arm: the paired test. Differences 1, 2, 3: mean 2, standard error 1/sqrt 3.
    let paired = Sample {
        clusters: Some(&[1, 2, 3, 1, 2, 3]),
        ..Sample::new(&[0, 0, 0, 1, 1, 1], 2, &[5.0, 7.0, 9.0, 6.0, 9.0, 12.0])
    };
    let effect = only("clustered", &paired);
    assert!((effect.effect - 2.0).abs() < 1e-12 && (effect.standard_error - 1.0 / 3.0_f64.sqrt()).abs() < 1e-12);
}

#[test]
fn a_switchback_forgets_what_carries_over() {
    // Runs 000 111 000 111 with level 1 and 3; the first period after each switch still has the level of the last arm.
    let arms = [0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1];
    let levels = [1.0, 1.0, 1.0, 1.0, 3.0, 3.0, 3.0, 1.0, 1.0, 1.0, 3.0, 3.0];
    // Each period with two rows around its level.
    let twice: Vec<u32> = arms.iter().flat_map(|arm| [*arm; 2]).collect();
    let outcomes: Vec<f64> = levels.iter().flat_map(|level| [level - 0.5, level + 0.5]).collect();
    let periods: Vec<u32> = (0..12).flat_map(|period| [period; 2]).collect();
    let sample = Sample { periods: Some(&periods), ..Sample::new(&twice, 2, &outcomes) };
    let entry = crate::registry::find(ANALYSES, "switchback").unwrap();
    let with = |burn_in| {
        let value = crate::registry::Value::Integer(burn_in);
        let analysis = (entry.build)(&Values::defaults(entry.parameters).with("burn_in_periods", value)).unwrap();
        analysis.effects(&sample, 0.05)
    };
    assert!((with(1).unwrap()[0].effect - 2.0).abs() < 1e-12);
    assert!(with(0).unwrap()[0].effect < 1.1);
    assert!(matches!(with(3), Err(Unanalysable::TooFew { .. })));
    let mut mixed = twice.clone();
    mixed[1] = 1;
    let refused = default_analysis("switchback").unwrap().effects(&Sample { arms: &mixed, ..sample }, 0.05);
    assert_eq!(refused.unwrap_err(), Unanalysable::MixedPeriod { row: 2 });
}

#[test]
fn the_mixture_and_the_sequence_of_the_literature() {
    // n = 1,000 pairs with variance 2, mixing variance .01, mean difference .2.
    let logarithm = mixture_likelihood_ratio(0.2, 2.0 / 1_000.0, 0.01);
    assert!((logarithm.exp() - 1_698.419_85).abs() < 1e-4);
    assert!(((-logarithm).exp() - 0.000_588_78).abs() < 1e-8);
    assert!((half_width(1.0, 1_000.0, 0.01, 0.05) - 0.096_064_0).abs() < 1e-7);
    // A fixed look takes .0619806, with 1.96 for the quantile.
    assert!((crate::statistics::normal_quantile(0.975) / 1_000.0_f64.sqrt() - 0.061_980_6).abs() < 2e-6);
    // The ratio is near the best at its count.
    let best = mixing_ratio_tightest_at(1_000.0, 0.05);
    let at = |ratio| half_width(1.0, 1_000.0, ratio, 0.05);
    assert!(at(best) < 1.001 * at(best * 1.3).min(at(best / 1.3)));
}

#[test]
fn sequential_test_and_sequence_are_two_sides_of_one_mixture() {
    let outcomes: Vec<f64> = (0..2_000).map(|unit: u32| f64::from((unit * 7_919) % 101) / 50.0).collect();
    let arms: Vec<u32> = (0..2_000).map(|unit: u32| (unit * 31) % 2).collect();
    let sample = Sample::new(&arms, 2, &outcomes);
    let (test, sequence) = (only("msprt", &sample), only("confidence_sequence", &sample));
    assert!((test.low - sequence.low).abs() < 1e-12 && (test.p_value - sequence.p_value).abs() < 1e-12);
    let seen = sequence.sequential.unwrap();
    assert_eq!(seen.looks, 1_501);
    assert!(seen.low >= sequence.low && seen.high <= sequence.high);
    // Too few units for a first look: nothing is said.
    let few = Sample::new(&arms[..100], 2, &outcomes[..100]);
    let silent = only("confidence_sequence", &few);
    assert!(silent.low == f64::NEG_INFINITY && silent.p_value == 1.0 && !silent.is_rejected);
}

#[test]
fn samples_that_cannot_be_compared_are_refused() {
    let outcomes = [1.0, 2.0, 3.0, 4.0];
    let refused = |arms: &[u32], count, outcomes: &[f64]| {
        default_analysis("welch").unwrap().effects(&Sample::new(arms, count, outcomes), 0.05).unwrap_err()
    };
    assert_eq!(refused(&[0; 4], 1, &outcomes), Unanalysable::OneArm);
    assert_eq!(
        refused(&[0, 0, 0, 1], 2, &outcomes),
        Unanalysable::TooFew { arm: 1, count: 1, what: "units", needed: 2 }
    );
    assert_eq!(refused(&[0, 0, 3, 1], 2, &outcomes), Unanalysable::UnknownArm { row: 3, arm: 3 });
    let broken = [1.0, f64::NAN, 2.0, 3.0];
    assert_eq!(refused(&[0, 0, 1, 1], 2, &broken), Unanalysable::NotFinite { column: "outcome", row: 2 });
    assert!(matches!(refused(&[0, 0, 1, 1], 2, &outcomes[..3]), Unanalysable::Length { rows: 3, expected: 4, .. }));
    // Nothing varies: no effect is no evidence, and any effect is certain.
    let (arms, same) = two(&[2.0, 2.0], &[2.0, 2.0]);
    assert_eq!(only("welch", &Sample::new(&arms, 2, &same)).p_value, 1.0);
    let (arms, apart) = two(&[2.0, 2.0], &[3.0, 3.0]);
    let effect = only("welch", &Sample::new(&arms, 2, &apart));
    assert!(effect.p_value == 0.0 && effect.is_rejected && effect.low == 1.0);
}

#[test]
fn each_arm_is_compared_with_the_control() {
    let arms = [0, 1, 2, 0, 1, 2, 0, 1, 2];
    let outcomes = [1.0, 2.0, 4.0, 2.0, 3.0, 5.0, 3.0, 4.0, 6.0];
    let before = [1.0, 3.0, 2.0, 2.0, 1.0, 3.0, 3.0, 2.0, 1.0];
    for entry in ANALYSES.iter().filter(|entry| !matches!(entry.name, "switchback" | "peeking")) {
        let ones = [1.0; 9];
        let sample = Sample {
            covariates: Some(&before),
            denominators: Some(&ones),
            clusters: Some(&[0, 1, 2, 3, 4, 5, 6, 7, 8]),
            strata: Some(&[0; 9]),
            exposures: Some(&[true; 9]),
            exposure_probabilities: Some(&[0.25; 9]),
            ..Sample::new(&arms, 3, &outcomes)
        };
        let effects = default_analysis(entry.name).unwrap().effects(&sample, 0.05).unwrap();
        assert_eq!(effects.iter().map(|effect| effect.arm).collect::<Vec<_>>(), [1, 2], "{}", entry.name);
        assert!(effects.iter().all(|effect| effect.units == [3, 3]), "{}", entry.name);
        if !matches!(entry.name, "cuped" | "winsorised") {
            assert!((effects[0].effect - 1.0).abs() < 1e-12 && (effects[1].effect - 3.0).abs() < 1e-12);
        }
    }
}

mod error_rates;
