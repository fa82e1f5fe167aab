//! A small causal tree: segments in which the effect differs (Athey and Imbens 2016).

use super::segment::{Condition, Segment};

/// Thresholds that are tried on a column of numbers.
const THRESHOLDS: usize = 32;
/// Words of a column that are tried; rarer ones stay with the rest.
const LEVELS: usize = 64;

/// How a tree grows.
#[derive(Clone, Copy, Debug)]
pub struct Growth {
    /// Splits from the whole to a leaf, at most.
    pub depth: usize,
    /// Treated and untreated units that each leaf has at least.
    pub least_units: usize,
}

/// Segments that together hold every unit once.
#[derive(Clone, Debug, PartialEq)]
pub struct Tree {
    /// In order from the first split's near side.
    pub leaves: Vec<Leaf>,
}

/// One segment.
#[derive(Clone, Debug, PartialEq)]
pub struct Leaf {
    /// All of them hold for its units; none where the tree did not split.
    pub conditions: Vec<Condition>,
    /// Effect on the units that the tree was grown on: too large where it is large. Measure it on others.
    pub grown_effect: f64,
}

/// Sums of one group's outcomes.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    count: f64,
    sum: f64,
    squares: f64,
}

impl Sums {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        self.sum += value;
        self.squares += value * value;
    }

    fn plus(self, other: Self) -> Self {
        Self { count: self.count + other.count, sum: self.sum + other.sum, squares: self.squares + other.squares }
    }

    fn minus(self, other: Self) -> Self {
        Self { count: self.count - other.count, sum: self.sum - other.sum, squares: self.squares - other.squares }
    }

    fn mean(self) -> f64 {
        self.sum / self.count.max(1.0)
    }

    fn variance(self) -> f64 {
        let mean = self.mean();
        ((self.squares - self.count * mean * mean) / (self.count - 1.0).max(1.0)).max(0.0)
    }
}

/// Untreated and treated.
type Pair = [Sums; 2];

fn plus(a: Pair, b: Pair) -> Pair {
    [a[0].plus(b[0]), a[1].plus(b[1])]
}

fn minus(a: Pair, b: Pair) -> Pair {
    [a[0].minus(b[0]), a[1].minus(b[1])]
}

fn effect(pair: Pair) -> f64 {
    pair[1].mean() - pair[0].mean()
}

/// The units that a tree is grown on.
struct Grower<'a> {
    segments: &'a [Segment],
    treated: &'a [bool],
    /// Less their mean, so that sums of squares stay exact.
    outcomes: Vec<f64>,
    growth: Growth,
    /// Units grown on.
    count: f64,
    /// Share of the treated.
    share: f64,
}

impl Tree {
    /// Grows a tree on some of the units; segments, treatment and outcomes are those of all units.
    ///
    /// A leaf is worth `n/N effect^2 - 2/N (s_1^2/p + s_0^2/(1-p))`, `p` the share of the treated: the honest criterion, for
    /// an estimation half of the same size. The best split is made wherever it makes the tree worth more. Ties go to the
    /// first column, and to its lowest threshold or word.
    ///
    /// Differences from the paper: 1. at most 32 thresholds of a number, at quantiles, and 64 words of a column are tried;
    /// 2. no cross-validated pruning: depth and least size bound the tree.
    #[must_use]
    pub fn grow(segments: &[Segment], treated: &[bool], outcomes: &[f64], units: &[usize], growth: Growth) -> Self {
        let count = units.len() as f64;
        let mean = units.iter().map(|unit| outcomes[*unit]).sum::<f64>() / count.max(1.0);
        let share = units.iter().filter(|unit| treated[**unit]).count() as f64 / count.max(1.0);
        let outcomes = outcomes.iter().map(|outcome| outcome - mean).collect();
        let grower = Grower { segments, treated, outcomes, growth, count, share };
        let mut leaves = Vec::new();
        grower.split(units, &mut Vec::new(), &mut leaves);
        Self { leaves }
    }

    /// The leaf of a unit.
    #[must_use]
    pub fn leaf_of(&self, segments: &[Segment], unit: usize) -> usize {
        let holds = |leaf: &Leaf| leaf.conditions.iter().all(|condition| condition.holds(segments, unit));
        self.leaves.iter().position(holds).unwrap_or(0)
    }
}

impl Grower<'_> {
    fn split(&self, units: &[usize], path: &mut Vec<Condition>, leaves: &mut Vec<Leaf>) {
        let whole = self.sums(units);
        let best = if path.len() < self.growth.depth { self.best(units, whole) } else { None };
        let Some((segment, at)) = best else {
            leaves.push(Leaf { conditions: path.clone(), grown_effect: effect(whole) });
            return;
        };
        for is_near in [true, false] {
            let condition = Condition { segment, at, is_near };
            let side: Vec<usize> = units.iter().copied().filter(|unit| condition.holds(self.segments, *unit)).collect();
            path.push(condition);
            self.split(&side, path, leaves);
            path.pop();
        }
    }

    fn add(&self, pair: &mut Pair, unit: usize) {
        pair[usize::from(self.treated[unit])].add(self.outcomes[unit]);
    }

    fn sums(&self, units: &[usize]) -> Pair {
        let mut pair = Pair::default();
        units.iter().for_each(|unit| self.add(&mut pair, *unit));
        pair
    }

    fn worth(&self, pair: Pair) -> f64 {
        let effect = effect(pair);
        let spread = pair[1].variance() / self.share + pair[0].variance() / (1.0 - self.share);
        (pair[0].count + pair[1].count) / self.count * effect * effect - 2.0 / self.count * spread
    }

    /// The split that adds most, if any adds.
    fn best(&self, units: &[usize], whole: Pair) -> Option<(usize, f64)> {
        let before = self.worth(whole);
        let is_large = |pair: Pair| pair.iter().all(|sums| sums.count >= self.growth.least_units.max(2) as f64);
        let mut best: Option<(f64, usize, f64)> = None;
        for segment in 0..self.segments.len() {
            for (at, near) in self.candidates(segment, units) {
                let far = minus(whole, near);
                if !is_large(near) || !is_large(far) {
                    continue;
                }
                let gain = self.worth(near) + self.worth(far) - before;
                if gain > best.map_or(0.0, |(gain, ..)| gain) {
                    best = Some((gain, segment, at));
                }
            }
        }
        best.map(|(_, segment, at)| (segment, at))
    }

    /// Where a column can be split, with the sums of the near side.
    fn candidates(&self, segment: usize, units: &[usize]) -> Vec<(f64, Pair)> {
        match &self.segments[segment] {
            Segment::Levels { levels, values, .. } => {
                let mut sums = vec![Pair::default(); levels.len()];
                units.iter().for_each(|unit| self.add(&mut sums[values[*unit] as usize], *unit));
                let mut order: Vec<usize> = (0..levels.len()).collect();
                let size = |level: usize| sums[level][0].count + sums[level][1].count;
                order.sort_by(|a, b| size(*b).total_cmp(&size(*a)));
                order.retain(|level| size(*level) > 0.0);
                order.truncate(LEVELS);
                order.sort_unstable();
                // Of two words either is the rest of the other.
                order.truncate(if order.len() == 2 { 1 } else { LEVELS });
                order.into_iter().map(|level| (level as f64, sums[level])).collect()
            }
            Segment::Numbers { values, .. } => {
                let thresholds = thresholds(units.iter().map(|unit| values[*unit]).collect());
                let mut bins = vec![Pair::default(); thresholds.len() + 1];
                for unit in units {
                    let bin = thresholds.partition_point(|threshold| *threshold < values[*unit]);
                    self.add(&mut bins[bin], *unit);
                }
                let mut near = Pair::default();
                let sums = bins.iter().map(|bin| {
                    near = plus(near, *bin);
                    near
                });
                thresholds.iter().copied().zip(sums).collect()
            }
        }
    }
}

/// Values below the greatest at which numbers are split: all of them, or those at evenly spaced ranks.
fn thresholds(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    let Some(greatest) = values.last().copied() else { return Vec::new() };
    let mut distinct = values.clone();
    distinct.dedup();
    if distinct.len() > THRESHOLDS + 1 {
        distinct = (1..=THRESHOLDS).map(|rank| values[rank * values.len() / (THRESHOLDS + 1)]).collect();
        distinct.dedup();
    }
    distinct.retain(|value| *value < greatest);
    distinct
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, Seed};
    use rand_distr::{Distribution, StandardNormal};

    /// 4,000 units: the effect is 2 for regular customers up to 40 years of age, 0 for all others.
    fn market(effect: f64) -> (Vec<Segment>, Vec<bool>, Vec<f64>) {
        let (mut ages, mut words, mut treated, mut outcomes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for unit in 0..4_000_u32 {
            let mut stream = Seed::new(3).stream(Purpose::Problem, unit, 0);
            let age = 20.0 + (40.0 * f64::from(stream.uniform())).floor();
            let word = ["new", "regular", "lapsed"][(3.0 * stream.uniform()) as usize];
            let is_treated = stream.uniform() < 0.5;
            let noise: f64 = StandardNormal.sample(&mut stream);
            let gains = is_treated && age <= 40.0 && word == "regular";
            ages.push(age);
            words.push(word.to_owned());
            treated.push(is_treated);
            outcomes.push(noise + if gains { effect } else { 0.0 });
        }
        let noise: Vec<String> = (0..4_000_u32).map(|unit| format!("{}", (unit * 7) % 5)).collect();
        let ages = Segment::Numbers { name: "age".into(), values: ages };
        (vec![Segment::from_texts("noise", &noise), ages, Segment::from_texts("kind", &words)], treated, outcomes)
    }

    #[test]
    fn the_segment_with_the_effect_is_found() {
        let (segments, treated, outcomes) = market(2.0);
        let units: Vec<usize> = (0..4_000).collect();
        let tree = Tree::grow(&segments, &treated, &outcomes, &units, Growth { depth: 2, least_units: 100 });
        let greatest = tree.leaves.iter().max_by(|a, b| a.grown_effect.total_cmp(&b.grown_effect)).unwrap();
        let told: Vec<String> =
            greatest.conditions.iter().map(|condition| condition.describe(&segments).to_string()).collect();
        assert!(told.contains(&"kind is \"regular\"".to_owned()), "{told:?}");
        let age = greatest.conditions.iter().find(|condition| condition.segment == 1).unwrap();
        assert!(age.is_near && (age.at - 40.0).abs() <= 2.0, "{told:?}");
        // Effect 2 with standard error about 2 / sqrt(680).
        assert!((greatest.grown_effect - 2.0).abs() < 0.35, "{}", greatest.grown_effect);
        // Every unit is in one leaf.
        for unit in 0..4_000 {
            let held = tree.leaves.iter().filter(|leaf| leaf.conditions.iter().all(|c| c.holds(&segments, unit)));
            assert_eq!(held.count(), 1);
        }
    }

    #[test]
    fn what_a_tree_says_of_its_own_units_is_too_good_and_the_other_half_is_not() {
        // No effect at all: over 60 halvings, effects of the best leaf on its own half are far above 0, on the other not.
        let (segments, treated, outcomes) = market(0.0);
        let (mut own, mut other) = (Vec::new(), Vec::new());
        for seed in 0..60 {
            let halves = super::super::halves(outcomes.len(), Seed::new(seed));
            let grown: Vec<usize> = (0..outcomes.len()).filter(|unit| halves[*unit]).collect();
            let tree = Tree::grow(&segments, &treated, &outcomes, &grown, Growth { depth: 3, least_units: 50 });
            let best = (0..tree.leaves.len())
                .max_by(|a, b| tree.leaves[*a].grown_effect.total_cmp(&tree.leaves[*b].grown_effect))
                .unwrap();
            let mut sums = [(0.0, 0.0); 2];
            for unit in (0..outcomes.len()).filter(|unit| !halves[*unit]) {
                if tree.leaf_of(&segments, unit) == best {
                    let sums = &mut sums[usize::from(treated[unit])];
                    *sums = (sums.0 + 1.0, sums.1 + outcomes[unit]);
                }
            }
            own.push(tree.leaves[best].grown_effect);
            other.push(sums[1].1 / sums[1].0 - sums[0].1 / sums[0].0);
        }
        let (own, other) = (crate::statistics::estimate(&own), crate::statistics::estimate(&other));
        // A leaf of 100 units an arm or so has a standard error of .2; one fixed sample of 4,000 shifts the mean by
        // about .03.
        assert!(own.mean > 0.15, "{own:?}");
        assert!(other.mean.abs() < 0.1, "{other:?}");
    }

    #[test]
    fn small_samples_are_not_split() {
        let (segments, treated, outcomes) = market(2.0);
        let units: Vec<usize> = (0..100).collect();
        let tree = Tree::grow(&segments, &treated, &outcomes, &units, Growth { depth: 2, least_units: 60 });
        assert_eq!(tree.leaves.len(), 1);
        assert!(tree.leaves[0].conditions.is_empty());
    }
}
