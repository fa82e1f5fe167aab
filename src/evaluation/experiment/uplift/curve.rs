//! Qini and uplift curves: how good a ranking of units by their expected effect is.

use serde::Serialize;

/// How good a ranking is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ranking {
    /// Area between the Qini curve and the line of a random ranking, over that of the best ranking of these outcomes: 1 is
    /// the best there is, 0 is random, below 0 is worse than random; `None` where outcomes leave nothing to rank.
    pub normalised_qini: Option<f64>,
    /// The same of the uplift curve; of outcomes 0 and 1 alone.
    pub normalised_uplift: Option<f64>,
    /// Area under the uplift curve by share of units: the mean effect among the best-ranked, averaged over shares and
    /// weighted by them.
    pub area_under_uplift: f64,
    /// Effect among the best-ranked tenth, three tenths and half of the units.
    pub uplift_at: [f64; 3],
}

/// Units in the order of their scores.
#[derive(Clone, Debug)]
pub struct Ranked {
    /// Units, treated, sum of the outcomes of treated and of untreated units, down to and with each distinct score.
    points: Vec<[f64; 4]>,
}

impl Ranked {
    /// Sorts units by falling score; those of one score come together.
    #[must_use]
    pub fn new(scores: &[f64], treated: &[bool], outcomes: &[f64]) -> Self {
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
        let mut points = Vec::new();
        let mut sums = [0.0; 4];
        for (position, unit) in order.iter().enumerate() {
            sums[0] += 1.0;
            if treated[*unit] {
                sums[1] += 1.0;
                sums[2] += outcomes[*unit];
            } else {
                sums[3] += outcomes[*unit];
            }
            if order.get(position + 1).is_none_or(|next| scores[*next] != scores[*unit]) {
                points.push(sums);
            }
        }
        Self { points }
    }

    /// The Qini curve, from (0, 0): units against the gain among the treated of them, `Y_1 - Y_0 n_1 / n_0` (Radcliffe
    /// 2007); where there are no untreated units, `Y_1`.
    #[must_use]
    pub fn qini(&self) -> Vec<(f64, f64)> {
        self.curve(|[units, treated, gained, organic]| {
            let untreated = units - treated;
            gained - if untreated > 0.0 { organic * treated / untreated } else { 0.0 }
        })
    }

    /// The uplift curve, from (0, 0): units against the difference of means times their number; a group without units has
    /// the mean 0.
    #[must_use]
    pub fn uplift(&self) -> Vec<(f64, f64)> {
        self.curve(|point| difference(point) * point[0])
    }

    fn curve(&self, value: impl Fn([f64; 4]) -> f64) -> Vec<(f64, f64)> {
        std::iter::once((0.0, 0.0)).chain(self.points.iter().map(|point| (point[0], value(*point)))).collect()
    }

    /// Difference of means among the best-ranked share; units of the score at its edge all count.
    #[must_use]
    pub fn uplift_at(&self, share: f64) -> f64 {
        let total = self.points.last().map_or(0.0, |point| point[0]);
        let point = self.points.iter().find(|point| point[0] >= share * total);
        point.map_or(0.0, |point| difference(*point))
    }
}

fn difference([units, treated, gained, organic]: [f64; 4]) -> f64 {
    let mean = |sum: f64, count: f64| if count > 0.0 { sum / count } else { 0.0 };
    mean(gained, treated) - mean(organic, units - treated)
}

/// Area under a curve, between its points along straight lines.
fn area(curve: &[(f64, f64)]) -> f64 {
    curve.windows(2).map(|pair| 0.5 * (pair[1].0 - pair[0].0) * (pair[0].1 + pair[1].1)).sum()
}

/// Area above the line from the first point to the last.
fn above_the_line(curve: &[(f64, f64)]) -> f64 {
    let end = curve.last().map_or((0.0, 0.0), |last| *last);
    area(curve) - 0.5 * end.0 * end.1
}

/// Judges scores by what happened to units that had no part in making them.
///
/// The best ranking for the Qini curve puts treated units with large outcomes first and untreated ones last; that for the
/// uplift curve, of outcomes 0 and 1, puts first the treated with 1 and the untreated with 0. Both know the outcomes, so
/// that no ranking by true effects reaches 1. The conventions are those of scikit-uplift 0.5.
#[must_use]
pub fn rank(scores: &[f64], treated: &[bool], outcomes: &[f64]) -> Ranking {
    let ranked = Ranked::new(scores, treated, outcomes);
    let signed = |unit: usize| if treated[unit] { outcomes[unit] } else { -outcomes[unit] };
    let best: Vec<f64> = (0..outcomes.len()).map(signed).collect();
    let best_qini = above_the_line(&Ranked::new(&best, treated, outcomes).qini());
    let is_binary = outcomes.iter().all(|outcome| *outcome == 0.0 || *outcome == 1.0);
    let best_uplift = is_binary.then(|| best_uplift(treated, outcomes));
    let ratio = |value: f64, best: f64| (best.abs() > 1e-12).then(|| value / best);
    let uplift = ranked.uplift();
    let units = outcomes.len().max(1) as f64;
    Ranking {
        normalised_qini: ratio(above_the_line(&ranked.qini()), best_qini),
        normalised_uplift: best_uplift.and_then(|best| ratio(above_the_line(&uplift), best)),
        area_under_uplift: area(&uplift) / (units * units),
        uplift_at: [0.1, 0.3, 0.5].map(|share| ranked.uplift_at(share)),
    }
}

fn best_uplift(treated: &[bool], outcomes: &[f64]) -> f64 {
    let successes = |group: bool| treated.iter().zip(outcomes).filter(|(t, y)| **t == group && **y == 1.0).count();
    let is_organic = successes(false) > successes(true);
    let best = |unit: usize| {
        let treatment = f64::from(u8::from(treated[unit]));
        let agrees = if outcomes[unit] == treatment { 2.0 } else { 0.0 };
        agrees + if is_organic { outcomes[unit] } else { treatment }
    };
    let best: Vec<f64> = (0..outcomes.len()).map(best).collect();
    above_the_line(&Ranked::new(&best, treated, outcomes).uplift())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, Seed};
    use proptest::prelude::*;

    #[test]
    fn a_curve_by_hand() {
        // By falling score: treated 1, untreated 0, treated 0 and untreated 1 (of one score).
        let scores = [0.9, 0.5, 0.1, 0.1];
        let treated = [true, false, true, false];
        let outcomes = [1.0, 0.0, 0.0, 1.0];
        let ranked = Ranked::new(&scores, &treated, &outcomes);
        assert_eq!(ranked.qini(), [(0.0, 0.0), (1.0, 1.0), (2.0, 1.0), (4.0, 0.0)]);
        assert_eq!(ranked.uplift(), [(0.0, 0.0), (1.0, 1.0), (2.0, 2.0), (4.0, 0.0)]);
        assert_eq!(ranked.uplift_at(0.5), 1.0);
        // Areas .5 + 1 + 1 = 2.5; the best ranking is 1, then 0 and 0, then -1: .5, 2 and .5 = 3.
        let ranking = rank(&scores, &treated, &outcomes);
        assert!((ranking.normalised_qini.unwrap() - 2.5 / 3.0).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn the_best_ranking_is_one_and_no_ranking_is_zero(
            units in prop::collection::vec((any::<bool>(), 0_u8..4), 8..200),
        ) {
            let treated: Vec<bool> = units.iter().map(|unit| unit.0).collect();
            let outcomes: Vec<f64> = units.iter().map(|unit| f64::from(unit.1)).collect();
            let oracle: Vec<f64> = (0..units.len()).map(|i| if treated[i] { outcomes[i] } else { -outcomes[i] }).collect();
            let ranking = rank(&oracle, &treated, &outcomes);
            if let Some(best) = ranking.normalised_qini {
                prop_assert!((best - 1.0).abs() < 1e-9);
                let scaled: Vec<f64> = oracle.iter().map(|score| 3.0 * score + 1.0).collect();
                prop_assert_eq!(rank(&scaled, &treated, &outcomes).normalised_qini, Some(best));
                // One score for all is the line.
                let nothing = vec![0.5; units.len()];
                let line = rank(&nothing, &treated, &outcomes).normalised_qini.unwrap();
                prop_assert!(line.abs() < 1e-9);
            }
        }
    }

    #[test]
    fn random_rankings_are_zero_on_average() {
        let count = 500_u32;
        let draw = |entity: u32, tick: u32| Seed::new(9).uniforms(Purpose::Problem, entity, tick, 0);
        let treated: Vec<bool> = (0..count).map(|unit| draw(unit, 0)[0] < 0.4).collect();
        let outcomes: Vec<f64> = (0..count).map(|unit| f64::from(u8::from(draw(unit, 0)[1] < 0.3))).collect();
        let values: Vec<f64> = (1..=400)
            .map(|tick| {
                let scores: Vec<f64> = (0..count).map(|unit| f64::from(draw(unit, tick)[0])).collect();
                rank(&scores, &treated, &outcomes).normalised_qini.unwrap()
            })
            .collect();
        let mean = crate::statistics::estimate(&values);
        assert!(mean.mean.abs() < 4.0 * mean.standard_error, "{mean:?}");
    }
}
