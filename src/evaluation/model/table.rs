//! Shrunk means by keys.

use super::{Build, Column, Fitter, RewardModel, Rounds, Shape};
use crate::registry::{Entry, Kind, Parameter, Range, Refusal, Values};

/// The entry of `table`.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "table",
    summary: "mean reward of each combination of keys, shrunk to a coarser mean; exact on any number of rounds",
    source: "Efron and Morris 1975 (shrinkage to a common mean)",
    parameters: PARAMETERS,
    build,
};

const PARAMETERS: &[Parameter] = &[
    Parameter::of(
        "keys",
        Kind::Texts { default: None },
        "columns that make a cell; the action if not given (`action` or the action's own column)",
    ),
    Parameter::optional_text("prior", "key whose mean cells shrink to; the mean of all rounds if not given"),
    Parameter::number("strength", 100.0, Range::NON_NEGATIVE, "pseudo-observations that the prior mean counts as"),
];

/// More cells than this are refused: the table would be nearly empty.
pub(super) const CELLS: usize = 1 << 20;

fn build(values: &Values, shape: &Shape) -> Result<Box<dyn Fitter>, Refusal> {
    let keys: Vec<String> = match values.texts("keys") {
        [] => vec![shape.action_name.clone()],
        keys => keys.to_vec(),
    };
    let prior: Vec<String> = values.optional_text("prior").map(str::to_owned).into_iter().collect();
    let cells = Grid::new(&keys, shape, values, "keys")?;
    let coarse = Grid::new(&prior, shape, values, "prior")?;
    let folds = usize::from(shape.folds);
    Ok(Box::new(TableFitter {
        fine: vec![Sums::default(); cells.size * folds],
        coarse: vec![Sums::default(); coarse.size * folds],
        strength: values.number("strength"),
        action_count: shape.action_count,
        folds,
        grids: [cells, coarse],
    }))
}

/// One axis of a [`Grid`].
#[derive(Clone, Copy, Debug, PartialEq)]
enum Axis {
    Action,
    Column(usize),
}

/// Cells numbered in mixed radix over some keys.
#[derive(Clone, Debug)]
pub(super) struct Grid {
    axes: Vec<(Axis, usize)>,
    /// Number of cells.
    pub(super) size: usize,
}

impl Grid {
    /// The grid of these keys.
    ///
    /// # Errors
    /// Where a key is unknown, has no levels, or the grid is too large.
    pub(super) fn new(keys: &[String], shape: &Shape, values: &Values, parameter: &str) -> Result<Self, Refusal> {
        let refuse = |message: String, help: String| Refusal::new(values, parameter, message, help);
        let mut grid = Self { axes: Vec::new(), size: 1 };
        for key in keys {
            let (axis, levels) = if *key == shape.action_name || key == "action" {
                (Axis::Action, shape.action_count)
            } else if let Some(index) = shape.columns.iter().position(|column| column.name == *key) {
                (Axis::Column(index), shape.columns[index].levels)
            } else {
                let known: Vec<&str> = shape.columns.iter().map(|column| column.name.as_str()).collect();
                let help =
                    format!("keys are `{}` and the columns of `context`: {}", shape.action_name, known.join(", "));
                return Err(refuse(format!("{key:?} is neither the action nor a column of the context"), help));
            };
            if levels == 0 {
                let help = "take a column of fewer values, or another kind of model".to_owned();
                return Err(refuse(format!("{key:?} has too many different values to make cells of"), help));
            }
            grid.size = grid.size.saturating_mul(levels);
            grid.axes.push((axis, levels));
        }
        if grid.size > CELLS {
            let help = format!("at most {CELLS}: take fewer keys, or another kind of model");
            return Err(refuse(format!("the keys make {} cells", grid.size), help));
        }
        Ok(grid)
    }

    /// The cell of a round with this action.
    #[inline]
    pub(super) fn cell(&self, columns: &[Column<'_>], round: usize, action: u32) -> usize {
        self.axes.iter().fold(0, |cell, &(axis, levels)| {
            let level = match axis {
                Axis::Action => action,
                Axis::Column(index) => columns[index].levels[round],
            };
            cell * levels + level as usize
        })
    }
}

impl Grid {
    /// By cell of a finer grid, the cell that it lies in; `None` where the other lacks one of the keys.
    fn around(&self, finer: &Self) -> Option<Vec<usize>> {
        let place = |axis: &(Axis, usize)| finer.axes.iter().position(|(own, _)| *own == axis.0);
        let places = self.axes.iter().map(place).collect::<Option<Vec<usize>>>()?;
        let mut levels = vec![0; finer.axes.len()];
        let around = |cell: usize| {
            let mut rest = cell;
            for (level, (_, count)) in levels.iter_mut().zip(&finer.axes).rev() {
                *level = rest % count;
                rest /= count;
            }
            self.axes.iter().zip(&places).fold(0, |cell, ((_, count), place)| cell * count + levels[*place])
        };
        Some((0..finer.size).map(around).collect())
    }

    /// How far the cells of an action and the next lie apart.
    fn stride(&self) -> usize {
        let later = |place: usize| self.axes[place + 1..].iter().map(|(_, count)| count).product::<usize>();
        let actions = self.axes.iter().enumerate().filter(|(_, (axis, _))| *axis == Axis::Action);
        actions.map(|(place, _)| later(place)).sum()
    }
}

/// Weighted sums of a cell.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Sums {
    count: f64,
    weight: f64,
    reward: f64,
}

impl Sums {
    fn add(&mut self, other: Self) {
        self.count += other.count;
        self.weight += other.weight;
        self.reward += other.reward;
    }
}

#[derive(Debug)]
struct TableFitter {
    /// The cells, and the cells of the prior.
    grids: [Grid; 2],
    /// `[cell * folds + fold]`.
    fine: Vec<Sums>,
    coarse: Vec<Sums>,
    strength: f64,
    action_count: usize,
    folds: usize,
}

impl Fitter for TableFitter {
    fn take(&mut self, rounds: &Rounds<'_>, weights: Option<&[f64]>) {
        for round in 0..rounds.count() {
            let weight = weights.map_or(1.0, |weights| weights[round]);
            let sums = Sums { count: 1.0, weight, reward: weight * rounds.rewards[round] };
            let [fine, coarse] = [0, 1].map(|grid| self.grids[grid].cell(rounds.columns, round, rounds.actions[round]));
            let fold = usize::from(rounds.folds[round]);
            self.fine[fine * self.folds + fold].add(sums);
            self.coarse[coarse * self.folds + fold].add(sums);
        }
    }

    fn fit(&self, without: Option<u8>) -> Result<Box<dyn RewardModel>, Refusal> {
        let merged = |sums: &[Sums]| -> Vec<Sums> {
            sums.chunks(self.folds)
                .map(|folds| {
                    let mut all = Sums::default();
                    let kept = folds.iter().enumerate().filter(|(fold, _)| without != Some(*fold as u8));
                    kept.for_each(|(_, sums)| all.add(*sums));
                    all
                })
                .collect()
        };
        let (fine, coarse) = (merged(&self.fine), merged(&self.coarse));
        let mut all = Sums::default();
        coarse.iter().for_each(|sums| all.add(*sums));
        // Weights only say how rounds compare, so pseudo-observations weigh as much as the average round.
        let scale = if all.weight > 0.0 { all.count / all.weight } else { 1.0 };
        let mean = if all.weight > 0.0 { all.reward / all.weight } else { 0.0 };
        let means =
            coarse.iter().map(|sums| if sums.weight > 0.0 { sums.reward / sums.weight } else { mean }).collect();
        let (rewards, weights) =
            fine.iter().map(|sums| (sums.reward * scale, sums.weight * scale)).unzip::<f64, f64, Vec<f64>, Vec<f64>>();
        let mut table = Table {
            grids: self.grids.clone(),
            rewards,
            weights,
            means,
            strength: self.strength,
            action_count: self.action_count,
            values: None,
        };
        let [cells, coarse] = &self.grids;
        table.values = coarse
            .around(cells)
            .map(|around| around.iter().enumerate().map(|(fine, coarse)| table.value(fine, *coarse)).collect());
        Ok(Box::new(table))
    }
}

/// `(sum of rewards + strength × prior mean) / (count + strength)` of each cell; the prior mean where both are 0.
#[derive(Debug)]
struct Table {
    grids: [Grid; 2],
    rewards: Vec<f64>,
    weights: Vec<f64>,
    means: Vec<f64>,
    strength: f64,
    action_count: usize,
    /// The value of each cell, where it does not depend on further keys of the prior.
    values: Option<Vec<f64>>,
}

impl Table {
    fn value(&self, fine: usize, coarse: usize) -> f64 {
        let (mean, weight) = (self.means[coarse], self.weights[fine] + self.strength);
        if weight > 0.0 { (self.rewards[fine] + self.strength * mean) / weight } else { mean }
    }
}

impl RewardModel for Table {
    fn predict(&self, rounds: &Rounds<'_>, rewards: &mut [f64]) {
        if let Some(values) = &self.values {
            let stride = self.grids[0].stride();
            for (round, row) in rewards.chunks_mut(self.action_count).enumerate() {
                let values = &values[self.grids[0].cell(rounds.columns, round, 0)..];
                row.iter_mut().enumerate().for_each(|(action, reward)| *reward = values[action * stride]);
            }
            return;
        }
        for (round, row) in rewards.chunks_mut(self.action_count).enumerate() {
            for (action, reward) in row.iter_mut().enumerate() {
                let [fine, coarse] = [0, 1].map(|grid| self.grids[grid].cell(rounds.columns, round, action as u32));
                *reward = self.value(fine, coarse);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Log;
    use super::*;
    use crate::registry::Value;

    fn values(keys: &[&str], prior: Option<&str>, strength: f64) -> Values {
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        let values = Values::defaults(PARAMETERS).with("keys", Value::Texts(keys));
        let values = values.with("strength", Value::Number(strength));
        match prior {
            Some(prior) => values.with("prior", Value::Text(prior.to_owned())),
            None => values,
        }
    }

    #[test]
    fn cells_are_means_shrunk_to_the_prior_key() {
        let mut log = Log::drawn(6, 2, |_, _, _, _| 0.0);
        log.actions = vec![0, 0, 1, 0, 1, 1];
        log.levels = vec![0, 0, 0, 1, 1, 1];
        log.rewards = vec![1.0, 0.0, 0.0, 1.0, 1.0, 0.0];
        let mut fitter = build(&values(&["item", "place"], Some("place"), 3.0), &log.shape).unwrap();
        log.show(|rounds| fitter.take(rounds, None));
        let model = fitter.fit(None).unwrap();
        let predicted = log.predictions(model.as_ref());
        // Level 0: mean 1/3; action 0 (1 + 3/3) / (2 + 3), action 1 (0 + 1) / (1 + 3). Level 1: mean 2/3.
        let expected = [2.0 / 5.0, 1.0 / 4.0, 2.0 / 5.0, 1.0 / 4.0, 2.0 / 5.0, 1.0 / 4.0, 3.0 / 4.0, 3.0 / 5.0];
        for (index, expected) in expected.iter().enumerate() {
            assert!((predicted[index] - expected).abs() < 1e-15, "{index}: {} and {expected}", predicted[index]);
        }
        // Without the fold of rounds 0 and 4, level 0 has rounds 1 and 2, level 1 has rounds 3 and 5.
        let model = fitter.fit(Some(0)).unwrap();
        assert!((log.predictions(model.as_ref())[0] - 0.0).abs() < 1e-15);
        assert!((log.predictions(model.as_ref())[6] - (1.0 + 1.5) / 4.0).abs() < 1e-15);
    }

    #[test]
    fn a_prior_by_a_key_of_its_own_is_told_apart_round_by_round() {
        let mut log = Log::drawn(6, 2, |_, _, _, _| 0.0);
        log.actions = vec![0, 0, 1, 0, 1, 1];
        log.levels = vec![0, 0, 0, 1, 1, 1];
        log.rewards = vec![1.0, 0.0, 0.0, 1.0, 1.0, 0.0];
        // Cells by action alone: 2 of 3 and 1 of 3; means of the places: 1/3 and 2/3.
        let mut fitter = build(&values(&["item"], Some("place"), 3.0), &log.shape).unwrap();
        log.show(|rounds| fitter.take(rounds, None));
        let predicted = log.predictions(fitter.fit(None).unwrap().as_ref());
        let expected = [3.0 / 6.0, 2.0 / 6.0, 3.0 / 6.0, 2.0 / 6.0, 3.0 / 6.0, 2.0 / 6.0, 4.0 / 6.0, 3.0 / 6.0];
        for (index, expected) in expected.iter().enumerate() {
            assert!((predicted[index] - expected).abs() < 1e-15, "{index}: {} and {expected}", predicted[index]);
        }
    }

    #[test]
    fn equal_weights_change_nothing_and_none_counts_by_its_size() {
        let log = Log::drawn(500, 3, |action, level, _, u| f64::from(u < 0.1 * f64::from(1 + action + level)));
        let fitted = |weight: Option<f64>| {
            let mut fitter = build(&values(&["item", "place"], None, 10.0), &log.shape).unwrap();
            let weights = weight.map(|weight| vec![weight; 500]);
            log.show(|rounds| fitter.take(rounds, weights.as_deref()));
            log.predictions(fitter.fit(None).unwrap().as_ref())
        };
        let plain = fitted(None);
        for (a, b) in plain.iter().zip(fitted(Some(7.25))) {
            assert!((a - b).abs() < 1e-12);
        }
    }

    #[test]
    fn unknown_keys_and_too_many_cells_are_refused_with_a_way_out() {
        let mut log = Log::drawn(4, 2, |_, _, _, _| 0.0);
        let refusal = build(&values(&["itm"], None, 1.0), &log.shape).unwrap_err();
        assert!(refusal.message.contains("\"itm\"") && refusal.help.contains("place"), "{refusal}");
        assert!(build(&values(&["age"], None, 1.0), &log.shape).unwrap_err().message.contains("too many"));
        log.shape.columns[0].levels = 600_000;
        assert!(build(&values(&["item", "place"], None, 1.0), &log.shape).unwrap_err().message.contains("1200000"));
    }
}
