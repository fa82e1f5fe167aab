//! What all doubly robust estimators share: the model's value plus weighted residuals.

use super::Terms;
use crate::evaluation::evidence::{Evidence, Fit, MissingEvidence};

/// Per round `q(x, target) + weight (r - q(x, a))`, averaged over rounds.
pub(super) fn plain_terms(
    evidence: &Evidence<'_>,
    fit: Fit,
    weight: impl Fn(usize) -> f64,
    terms: &mut Terms,
) -> Result<(), MissingEvidence> {
    let modelled = evidence.direct(fit)?.zip(evidence.logged(fit)?).zip(evidence.rewards).enumerate();
    let term =
        |(round, ((direct, logged), reward)): (usize, ((f64, f64), &f64))| direct + weight(round) * (reward - logged);
    terms.plain.extend(modelled.map(term));
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::evaluation::estimator::testing::{EightRounds, build, build_with};
    use crate::registry::Value;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn without_a_model_doubly_robust_is_inverse_propensity(mut rounds in EightRounds::any()) {
            rounds.model.fill(0.0);
            prop_assert!((rounds.value(&*build("dr")) - rounds.value(&*build("ips"))).abs() < 1e-9);
            prop_assert!((rounds.value(&*build("sndr")) - rounds.value(&*build("snips"))).abs() < 1e-9);
        }

        #[test]
        fn a_threshold_of_nothing_leaves_the_model(rounds in EightRounds::any()) {
            let direct = rounds.value(&*build("dm"));
            for (kind, parameter) in [("switch_dr", "tau"), ("switch", "tau"), ("dros", "lambda")] {
                let estimate = rounds.value(&*build_with(kind, parameter, Value::Number(0.0)));
                // A weight of 0 is not above a threshold of 0, and moves nothing.
                prop_assert!((estimate - direct).abs() < 1e-9, "{kind}: {estimate} {direct}");
            }
        }

        #[test]
        fn a_threshold_beyond_all_weights_leaves_doubly_robust(rounds in EightRounds::any()) {
            let robust = rounds.value(&*build("dr"));
            for (kind, parameter) in [("switch_dr", "tau"), ("dros", "lambda")] {
                let estimate = rounds.value(&*build_with(kind, parameter, Value::Number(1e18)));
                prop_assert!((estimate - robust).abs() < 1e-9, "{kind}: {estimate} {robust}");
            }
            let unbounded = rounds.value(&*build_with("switch", "tau", Value::Number(1e18)));
            prop_assert!((unbounded - rounds.value(&*build("ips"))).abs() < 1e-9);
            let trusting = rounds.value(&*build_with("sub_gaussian_dr", "lambda", Value::Number(0.0)));
            prop_assert!((trusting - robust).abs() < 1e-9);
        }

        #[test]
        fn the_logging_policy_is_worth_its_mean_reward(mut rounds in EightRounds::any()) {
            rounds.target = rounds.logging.clone();
            let mean = rounds.rewards.iter().sum::<f64>() / rounds.rewards.len() as f64;
            for kind in ["ips", "snips", "mips"] {
                prop_assert!((rounds.value(&*build(kind)) - mean).abs() < 1e-9, "{kind}");
            }
        }

        #[test]
        fn only_normalised_weights_shift_with_the_rewards(mut rounds in EightRounds::any(), shift in 0.5..5.0_f64) {
            let before = ["snips", "replay", "ips"].map(|kind| rounds.value(&*build(kind)));
            let weight = rounds.mean_weight();
            rounds.rewards.iter_mut().for_each(|reward| *reward += shift);
            let after = ["snips", "replay", "ips"].map(|kind| rounds.value(&*build(kind)));
            prop_assert!((after[0] - before[0] - shift).abs() < 1e-9);
            prop_assert!((after[1] - before[1] - shift).abs() < 1e-9);
            prop_assert!((after[2] - before[2] - shift * weight).abs() < 1e-9);
        }
    }
}
