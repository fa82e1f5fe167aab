//! Which member of a family to believe: Lepski's method, with a guard.

use super::interval::{Ratio, paired, standard_error};
use crate::statistics::normal_quantile;
use rayon::prelude::*;

/// Coverage of the intervals that are compared.
const CONFIDENCE: f64 = 0.95;

/// The chosen member.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Choice {
    /// Its index in the family.
    pub index: usize,
    /// Why it is not the one that the intervals alone would have given.
    pub guard: Option<String>,
}

/// Chooses among members in order of rising bias and falling variance (SLOPE; Su, Srinath and Krishnamurthy 2020): the
/// last whose interval, of twice the width of a confidence interval, meets those of all before it. Of those up to it the
/// one with the least standard error is taken; ties go to the least biased.
///
/// Guard, which the source lacks: the members are functions of the same rounds, so that the *difference* to the least
/// biased member is known far better than either. A member whose difference is not within its own interval (at the same
/// confidence for all members together, by Bonferroni) shows its bias, and is passed over. Where the least biased member has no spread (no reward, one unit),
/// there is nothing to compare, and it is taken itself.
///
/// What neither sees is a bias that is smaller than the noise of the least biased member. Members that lean on a reward model
/// (`switch`, `switch_dr`, `dros`) share its error, which no interval of theirs knows: with few rounds, or large weights, a
/// wrong model is chosen all the way to the direct method. The choice is for reading; a verdict never rests on it
/// (`verdict::gates` refuses, and ranks estimators without a choice first).
pub(super) fn choose(members: &[Ratio<'_>]) -> Choice {
    if members.len() < 2 {
        return Choice { index: 0, guard: None };
    }
    let judged: Vec<(f64, Vec<f64>)> = members.par_iter().map(|ratio| (ratio.value(), ratio.influence())).collect();
    let errors: Vec<f64> = judged.iter().map(|(_, influence)| standard_error(influence)).collect();
    let unbiased = &judged[0];
    if !(errors[0].is_finite() && errors[0] > 0.0) {
        return Choice { index: 0, guard: Some("the least biased candidate has no spread to compare with".into()) };
    }
    let width = 2.0 * normal_quantile(0.5 + CONFIDENCE / 2.0);
    let (mut low, mut high) = (f64::NEG_INFINITY, f64::INFINITY);
    let meets = |((value, _), error): &(&(f64, Vec<f64>), &f64)| {
        low = f64::max(low, value - width * *error);
        high = f64::min(high, value + width * *error);
        low <= high
    };
    let meeting = judged.iter().zip(&errors).take_while(meets).count();
    let bound = normal_quantile(1.0 - (1.0 - CONFIDENCE) / (2.0 * (members.len() - 1) as f64));
    let shows_bias = |index: usize| {
        let (value, influence) = &judged[index];
        let error = standard_error(&paired(influence, &unbiased.1));
        (value - unbiased.0).abs() > bound * error
    };
    let least = |indices: &mut dyn Iterator<Item = usize>| {
        indices.fold(0, |best, index| if errors[index] < errors[best] { index } else { best })
    };
    let free = least(&mut (0..meeting));
    let index = least(&mut (0..meeting).filter(|index| *index == 0 || !shows_bias(*index)));
    let guard = (index != free).then(|| {
        let error = standard_error(&paired(&judged[free].1, &unbiased.1));
        let difference = (judged[free].0 - unbiased.0).abs() / error;
        format!("a candidate of less variance differs from the least biased one by {difference:.1} standard errors")
    });
    Choice { index, guard }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, Seed};

    /// Two hundred units of a family of three: noise that falls, and a bias that is there from the second or third on.
    fn family(biases: [f64; 3]) -> Vec<Vec<f64>> {
        let noise = |unit: u32| Seed::new(2).uniforms(Purpose::Problem, unit, 0, 0).map(|u| f64::from(u) - 0.5);
        let spreads = [4.0, 1.0, 0.3];
        let member = |index: usize| {
            (0..200).map(|unit| 1.0 + biases[index] + spreads[index] * noise(unit)[index % 2]).collect::<Vec<f64>>()
        };
        (0..3).map(member).collect()
    }

    fn chosen(biases: [f64; 3]) -> Choice {
        let rounds = vec![1.0; 200];
        let columns = family(biases);
        choose(&columns.iter().map(|plain| Ratio::mean(&rounds, plain)).collect::<Vec<_>>())
    }

    #[test]
    fn without_bias_the_calmest_is_taken() {
        assert_eq!(chosen([0.0; 3]), Choice { index: 2, guard: None });
    }

    #[test]
    fn a_member_far_off_ends_the_row() {
        assert_eq!(chosen([0.0, 0.0, 2.0]), Choice { index: 1, guard: None });
        assert_eq!(chosen([0.0, 5.0, 5.0]), Choice { index: 0, guard: None });
    }

    #[test]
    fn the_guard_sees_a_bias_that_hides_in_the_noise() {
        // The standard error of the first is about 4 / sqrt(12 * 200) = 0.08, and luck has moved it by two of them; a bias
        // of 0.1 the same way stays within its interval of ±4. The difference shows it all the same.
        let rounds = vec![1.0; 200];
        let columns = family([0.0; 3]);
        let luck: f64 = columns[2].iter().zip(&columns[0]).map(|(calm, noisy)| calm - noisy).sum();
        let biased: Vec<f64> = columns[2].iter().map(|value| value + 0.1 * luck.signum()).collect();
        let pair = |calm| choose(&[Ratio::mean(&rounds, &columns[0]), Ratio::mean(&rounds, calm)]);
        let choice = pair(&biased);
        assert_eq!(choice.index, 0);
        assert!(choice.guard.unwrap().contains("standard errors"));
    }

    #[test]
    fn nothing_to_compare_leaves_the_least_biased() {
        let rounds = vec![1.0; 4];
        let nothing = vec![0.0; 4];
        let choice = choose(&[Ratio::mean(&rounds, &nothing), Ratio::mean(&rounds, &nothing)]);
        assert!(choice.index == 0 && choice.guard.is_some());
    }
}
