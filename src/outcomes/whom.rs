//! `[uplift]`: segments grown on one half of the units and measured on the other, and how well scores rank the other half.

use super::file::Inquiry;
use crate::evaluation::experiment::uplift::{
    Condition, Growth, Leaf, Ranking, Ridge, Segment, Tree, doubly_robust, halves, rank, residuals, transformed_outcome,
};
use crate::evaluation::experiment::{Better, Effect, Sample, default_analysis};
use crate::random::Seed;
use serde::Serialize;

/// Whom one treatment helps.
#[derive(Clone, Debug, Serialize)]
pub struct UpliftFinding {
    /// The metric that it should move.
    pub metric: String,
    /// The treated arm.
    pub arm: String,
    /// Units on which segments and scores were made, and units on which they were measured.
    pub units: [usize; 2],
    /// Effect on all measured units.
    pub whole: Effect,
    /// The segments, from the greatest gain to the least.
    pub leaves: Vec<LeafFinding>,
    /// How well scores rank the measured units.
    pub rankings: Vec<RankingFinding>,
}

/// One segment, measured on units that had no part in finding it.
#[derive(Clone, Debug, Serialize)]
pub struct LeafFinding {
    /// Its conditions in words; "everybody" where nothing was split.
    pub segment: String,
    /// Its share of the measured units.
    pub share: f64,
    /// The effect in it; absent where it has too few measured units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effect: Option<Effect>,
    /// p value, adjusted over all segments by the experiment's procedure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adjusted_p_value: Option<f64>,
}

/// How well one kind of score ranks.
#[derive(Clone, Debug, Serialize)]
pub struct RankingFinding {
    /// What scores.
    pub score: &'static str,
    /// How well.
    #[serde(flatten)]
    pub ranking: Ranking,
}

/// The control and one arm, with outcomes that are better when higher.
struct Pair {
    treated: Vec<bool>,
    outcomes: Vec<f64>,
    segments: Vec<Segment>,
    halves: Vec<bool>,
}

impl Pair {
    fn of_half(&self, half: bool) -> Vec<usize> {
        (0..self.treated.len()).filter(|unit| self.halves[*unit] == half).collect()
    }
}

impl Inquiry {
    pub(super) fn uplift(&self) -> Option<UpliftFinding> {
        let whom = self.whom.as_ref()?;
        let metric = &self.metrics[whom.metric];
        let columns = &self.columns;
        let in_pair = |unit: &usize| matches!(columns.arms[*unit] as usize, arm if arm == 0 || arm == whom.arm);
        let rows: Vec<usize> = (0..columns.arms.len()).filter(in_pair).collect();
        let pair = Pair {
            treated: rows.iter().map(|row| columns.arms[*row] != 0).collect(),
            outcomes: rows.iter().map(|row| columns.numbers[metric.outcome][*row]).collect(),
            segments: columns.segments.iter().map(|segment| segment.of_rows(&rows)).collect(),
            halves: halves(rows.len(), Seed::new(self.seed)),
        };
        let (grown, measured) = (pair.of_half(true), pair.of_half(false));
        effect(&pair, &grown, self.alpha)?;
        let growth = Growth { depth: whom.depth, least_units: whom.least_units };
        let tree = Tree::grow(&pair.segments, &pair.treated, &pair.outcomes, &grown, growth);
        let whole = effect(&pair, &measured, self.alpha)?;
        let sign = if metric.better == Better::Higher { 1.0 } else { -1.0 };
        Some(UpliftFinding {
            metric: metric.name.clone(),
            arm: columns.arm_names[whom.arm].clone(),
            units: [grown.len(), measured.len()],
            whole,
            leaves: self.leaves(&pair, &tree, &measured, sign),
            rankings: rankings(&pair, &tree, &grown, &measured, sign),
        })
    }

    fn leaves(&self, pair: &Pair, tree: &Tree, measured: &[usize], sign: f64) -> Vec<LeafFinding> {
        let mut members = vec![Vec::new(); tree.leaves.len()];
        for unit in measured {
            members[tree.leaf_of(&pair.segments, *unit)].push(*unit);
        }
        let mut found: Vec<LeafFinding> = tree
            .leaves
            .iter()
            .zip(&members)
            .map(|(leaf, units)| LeafFinding {
                segment: told(leaf, &pair.segments),
                share: units.len() as f64 / measured.len().max(1) as f64,
                effect: effect(pair, units, self.alpha),
                adjusted_p_value: None,
            })
            .collect();
        let p_values: Vec<f64> = found.iter().filter_map(|leaf| Some(leaf.effect.as_ref()?.p_value)).collect();
        let known = found.iter_mut().filter(|leaf| leaf.effect.is_some());
        for (leaf, adjusted) in known.zip(self.multiplicity.adjusted(&p_values)) {
            leaf.adjusted_p_value = Some(adjusted);
        }
        let gain = |leaf: &LeafFinding| leaf.effect.as_ref().map_or(f64::NEG_INFINITY, |effect| sign * effect.effect);
        found.sort_by(|a, b| gain(b).total_cmp(&gain(a)));
        found
    }
}

/// A leaf in words. Of several thresholds on one side of a column the last is the tightest, and says it all.
fn told(leaf: &Leaf, segments: &[Segment]) -> String {
    let is_outdone = |index: usize, condition: &Condition| {
        let is_number = matches!(segments[condition.segment], Segment::Numbers { .. });
        let later = &leaf.conditions[index + 1..];
        is_number && later.iter().any(|l| l.segment == condition.segment && l.is_near == condition.is_near)
    };
    let conditions: Vec<String> = leaf
        .conditions
        .iter()
        .enumerate()
        .filter(|(index, condition)| !is_outdone(*index, condition))
        .map(|(_, condition)| condition.describe(segments).to_string())
        .collect();
    if conditions.is_empty() { "everybody".to_owned() } else { conditions.join(" and ") }
}

/// The effect on some units; `None` where an arm has fewer than two of them.
fn effect(pair: &Pair, units: &[usize], alpha: f64) -> Option<Effect> {
    let arms: Vec<u32> = units.iter().map(|unit| u32::from(pair.treated[*unit])).collect();
    let outcomes: Vec<f64> = units.iter().map(|unit| pair.outcomes[*unit]).collect();
    default_analysis("welch")?.effects(&Sample::new(&arms, 2, &outcomes), alpha).ok()?.pop()
}

/// Scores that were made on one half, judged on the other.
fn rankings(pair: &Pair, tree: &Tree, grown: &[usize], measured: &[usize], sign: f64) -> Vec<RankingFinding> {
    let features = Segment::all_features(&pair.segments);
    let share = grown.iter().filter(|unit| pair.treated[**unit]).count() as f64 / grown.len().max(1) as f64;
    let folds = halves(pair.treated.len(), Seed::new(0).derive(1, 1));
    let transformed: Vec<f64> =
        pair.outcomes.iter().zip(&pair.treated).map(|(y, treated)| transformed_outcome(*y, *treated, share)).collect();
    let robust = doubly_robust(&features, &pair.treated, &pair.outcomes, grown, &folds, share);
    let ridge = |targets: &[f64]| {
        let model = Ridge::fit(&features, targets, grown, 1.0);
        measured.iter().map(|unit| sign * model.predict(&features, *unit)).collect::<Vec<f64>>()
    };
    let left = residuals(&features, &pair.treated, &pair.outcomes, grown, &folds, share);
    let by_residuals = Ridge::fit_weighted(&features, &left.targets, &left.weights, grown, 1.0);
    let by_residuals: Vec<f64> = measured.iter().map(|unit| sign * by_residuals.predict(&features, *unit)).collect();
    let by_tree: Vec<f64> =
        measured.iter().map(|unit| sign * tree.leaves[tree.leaf_of(&pair.segments, *unit)].grown_effect).collect();
    let treated: Vec<bool> = measured.iter().map(|unit| pair.treated[*unit]).collect();
    let outcomes: Vec<f64> = measured.iter().map(|unit| sign * pair.outcomes[*unit]).collect();
    let judged = |score, scores: &[f64]| RankingFinding { score, ranking: rank(scores, &treated, &outcomes) };
    vec![
        judged("tree", &by_tree),
        judged("ridge_on_transformed_outcome", &ridge(&transformed)),
        judged("ridge_on_doubly_robust_scores", &ridge(&robust)),
        judged("ridge_on_residuals", &by_residuals),
    ]
}
