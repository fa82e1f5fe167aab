//! Many questions of one experiment: p values that are adjusted for their number.

use serde::Serialize;

/// How p values of one family are adjusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Multiplicity {
    /// Not at all: each test keeps its own level, and of twenty true null hypotheses one is rejected.
    None,
    /// Times their number: no true null hypothesis is rejected, with probability `1 - alpha`, whatever the dependence.
    Bonferroni,
    /// The same promise as Bonferroni, and never fewer rejections (Holm 1979).
    #[default]
    Holm,
    /// Of the rejected hypotheses at most the share `alpha` is true, on average, for independent or positively dependent
    /// tests (Benjamini and Hochberg 1995; Benjamini and Yekutieli 2001).
    BenjaminiHochberg,
}

impl Multiplicity {
    /// Names in files, in the order of the variants.
    pub const NAMES: &'static [&'static str] = &["none", "bonferroni", "holm", "benjamini_hochberg"];

    /// By its name in files.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let all = [Self::None, Self::Bonferroni, Self::Holm, Self::BenjaminiHochberg];
        Self::NAMES.iter().position(|known| *known == name).map(|index| all[index])
    }

    /// Its name in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// The adjusted p values of one family: hypothesis `i` is rejected at a level if its adjusted p value is at most that.
    #[must_use]
    pub fn adjusted(self, p_values: &[f64]) -> Vec<f64> {
        let count = p_values.len() as f64;
        match self {
            Self::None => p_values.to_vec(),
            Self::Bonferroni => p_values.iter().map(|p| (p * count).min(1.0)).collect(),
            Self::Holm => {
                let mut greatest: f64 = 0.0;
                stepwise(p_values, false, |rank, p| {
                    greatest = greatest.max((count - rank as f64) * p).min(1.0);
                    greatest
                })
            }
            Self::BenjaminiHochberg => {
                let mut least: f64 = 1.0;
                stepwise(p_values, true, |rank, p| {
                    least = least.min(p * count / (rank as f64 + 1.0));
                    least
                })
            }
        }
    }
}

/// Visits p values in rising order, or falling where that is asked for, with their rank from 0 in rising order.
fn stepwise(p_values: &[f64], falling: bool, mut step: impl FnMut(usize, f64) -> f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|a, b| p_values[*a].total_cmp(&p_values[*b]));
    let mut adjusted = vec![0.0; p_values.len()];
    let mut visit = |rank: usize| adjusted[order[rank]] = step(rank, p_values[order[rank]]);
    if falling {
        (0..order.len()).rev().for_each(&mut visit);
    } else {
        (0..order.len()).for_each(&mut visit);
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, Seed};
    use crate::statistics::normal_cdf;
    use rand_distr::{Distribution, StandardNormal};

    /// Benjamini and Hochberg 1995, as it is told in textbooks.
    const P_VALUES: [f64; 8] = [0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205];

    fn rejected(method: Multiplicity, p_values: &[f64], alpha: f64) -> usize {
        method.adjusted(p_values).iter().filter(|p| **p <= alpha).count()
    }

    #[test]
    fn eight_p_values_of_the_literature() {
        assert_eq!(rejected(Multiplicity::BenjaminiHochberg, &P_VALUES, 0.05), 2);
        assert_eq!(rejected(Multiplicity::Holm, &P_VALUES, 0.05), 1);
        assert_eq!(rejected(Multiplicity::Bonferroni, &P_VALUES, 0.05), 1);
        assert_eq!(rejected(Multiplicity::None, &P_VALUES, 0.05), 5);
    }

    #[test]
    fn adjusted_values_do_not_depend_on_the_order() {
        let shuffled = [0.074, 0.001, 0.205, 0.041, 0.008, 0.06, 0.042, 0.039];
        for name in Multiplicity::NAMES {
            let method = Multiplicity::named(name).unwrap();
            assert_eq!(method.name(), *name);
            let (sorted, other) = (method.adjusted(&P_VALUES), method.adjusted(&shuffled));
            for (p, adjusted) in shuffled.iter().zip(other) {
                let position = P_VALUES.iter().position(|known| known == p).unwrap();
                assert_eq!(adjusted, sorted[position], "{name}");
            }
        }
        // By hand: 8 * .001; 7 * .008; 6 * .039; the next two are no smaller; and 8/5 * .042 for the third of BH.
        let holm = Multiplicity::Holm.adjusted(&P_VALUES);
        assert!((holm[1] - 0.056).abs() < 1e-12 && (holm[2] - 0.234).abs() < 1e-12 && holm[4] == holm[2]);
        let bh = Multiplicity::BenjaminiHochberg.adjusted(&P_VALUES);
        assert!((bh[2] - 0.0672).abs() < 1e-12 && (bh[0] - 0.008).abs() < 1e-12);
        assert!(Multiplicity::Holm.adjusted(&[]).is_empty());
    }

    #[test]
    fn benjamini_and_hochberg_hold_the_false_discovery_rate() {
        // 20 tests, 5 of them with an effect of 3 standard errors. The rate is exactly .05 * 15/20 = .0375.
        let replications = 4_000;
        let (mut rates, mut squares) = (0.0, 0.0);
        for replication in 0..replications {
            let mut stream = Seed::new(20).stream(Purpose::Problem, replication, 0);
            let p_values: Vec<f64> = (0..20)
                .map(|test| {
                    let noise: f64 = StandardNormal.sample(&mut stream);
                    2.0 * normal_cdf(-(noise + if test < 5 { 3.0 } else { 0.0 }).abs())
                })
                .collect();
            let adjusted = Multiplicity::BenjaminiHochberg.adjusted(&p_values);
            let all = adjusted.iter().filter(|p| **p <= 0.05).count();
            let wrong = adjusted[5..].iter().filter(|p| **p <= 0.05).count();
            let rate = wrong as f64 / all.max(1) as f64;
            rates += rate;
            squares += rate * rate;
        }
        let count = f64::from(replications);
        let mean = rates / count;
        let standard_error = ((squares / count - mean * mean) / count).sqrt();
        assert!((mean - 0.0375).abs() < 4.0 * standard_error, "{mean} ± {standard_error}");
    }
}
