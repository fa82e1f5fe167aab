//! Numbers that linear models and trees read: the context, standardised or one-hot, and the action with its factors.

use super::{Rounds, Shape};

/// One-hot columns of more levels than this are left out, and said so.
const LEVELS: usize = 64;

/// Where each feature stands.
///
/// The context comes first: 1, then each column of the log, as `(number - mean) / deviation` or as one-hot levels (the
/// first level is the zero of the others). Features of the action follow: one-hot actions, then one-hot levels of each
/// factor, where actions have more than one.
#[derive(Clone, Debug)]
pub(super) struct Design {
    sources: Vec<Source>,
    /// Features of the context, the constant included.
    pub(super) context: usize,
    /// Features of the action: where the one-hot of the action and of each factor starts, counted after the context.
    action_features: Vec<Vec<usize>>,
    /// All features.
    pub(super) size: usize,
    /// Columns of the log that are left out.
    pub(super) left_out: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
enum Source {
    Number { column: usize, at: usize, mean: f64, inverse: f64 },
    Levels { column: usize, first: usize },
}

impl Design {
    pub(super) fn new(shape: &Shape) -> Self {
        let (mut sources, mut context, mut left_out) = (Vec::new(), 1, Vec::new());
        for (column, about) in shape.columns.iter().enumerate() {
            match about.number {
                Some((mean, deviation)) => {
                    let inverse = if deviation > 0.0 { 1.0 / deviation } else { 0.0 };
                    sources.push(Source::Number { column, at: context, mean, inverse });
                    context += 1;
                }
                None if (1..=LEVELS).contains(&about.levels) => {
                    sources.push(Source::Levels { column, first: context });
                    context += about.levels - 1;
                }
                None => left_out.push(about.name.clone()),
            }
        }
        let mut size = context + shape.action_count;
        let mut action_features: Vec<Vec<usize>> =
            (0..shape.action_count).map(|action| vec![context + action]).collect();
        let factors = shape.factors.iter().map(Vec::len).max().unwrap_or(0);
        if factors > 1 {
            for factor in 0..factors {
                let level = |action: &Vec<u16>| action.get(factor).map(|level| usize::from(*level));
                let levels = shape.factors.iter().filter_map(level).max().map_or(0, |level| level + 1);
                for (features, action) in action_features.iter_mut().zip(&shape.factors) {
                    features.extend(level(action).map(|level| size + level));
                }
                size += levels;
            }
        }
        Self { sources, context, action_features, size, left_out }
    }

    /// The features of a round's context, dense.
    pub(super) fn context_of(&self, rounds: &Rounds<'_>, round: usize, features: &mut [f64]) {
        features.fill(0.0);
        features[0] = 1.0;
        for source in &self.sources {
            match *source {
                Source::Number { column, at, mean, inverse } => {
                    features[at] = (rounds.columns[column].numbers[round] - mean) * inverse;
                }
                Source::Levels { column, first } => {
                    let level = rounds.columns[column].levels[round] as usize;
                    if level > 0 {
                        features[first + level - 1] = 1.0;
                    }
                }
            }
        }
    }

    /// Which features are 1 because of the action.
    pub(super) fn of_action(&self, action: u32) -> &[usize] {
        &self.action_features[action as usize]
    }

    /// What is left out, in words.
    pub(super) fn note(&self) -> Option<String> {
        (!self.left_out.is_empty())
            .then(|| format!("columns of more than {LEVELS} levels are left out: {}", self.left_out.join(", ")))
    }
}
