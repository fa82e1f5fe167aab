//! What an agent tells of its learning, over the ticks of the markets it learns on.

use crate::protocol::Metrics;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Points of a series at most: neighbours are joined before there are more.
const POINTS_MAX: usize = 2_048;

/// Means of each metric over the shards of a tick; where there are many ticks, over some ticks, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LearningSeries {
    /// Ticks of each market and its end.
    steps_per_market: u32,
    /// Steps that a point covers: a power of 2.
    stride: u32,
    means: BTreeMap<String, Vec<Mean>>,
}

/// Sum and number of values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Mean(f64, f64);

/// One point of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LearningPoint {
    /// Market on which it was learned, from 0 in the order of training.
    pub market: u32,
    /// First tick that it covers; the horizon at the end of a market.
    pub tick: u32,
    /// The mean.
    pub mean: f64,
}

impl LearningSeries {
    /// Empty, for markets of so many ticks.
    #[must_use]
    pub fn new(ticks: u32) -> Self {
        Self { steps_per_market: ticks + 1, stride: 1, means: BTreeMap::new() }
    }

    /// Takes in what was told at a tick; values that are not finite are left out.
    pub fn note(&mut self, market: u32, tick: u32, metrics: &Metrics) {
        let step = market as usize * self.steps_per_market as usize + tick as usize;
        while step / self.stride as usize >= POINTS_MAX {
            self.join();
        }
        let point = step / self.stride as usize;
        for &(name, value) in metrics.iter().filter(|(_, value)| value.is_finite()) {
            // The name is copied when it is first heard only.
            if !self.means.contains_key(name) {
                self.means.insert(name.to_owned(), Vec::new());
            }
            if let Some(means) = self.means.get_mut(name) {
                if means.len() <= point {
                    means.resize(point + 1, Mean::default());
                }
                means[point].0 += value;
                means[point].1 += 1.0;
            }
        }
    }

    /// Joins neighbours.
    fn join(&mut self) {
        self.stride *= 2;
        for means in self.means.values_mut() {
            let joined =
                means.chunks(2).map(|pair| pair.iter().fold(Mean(0.0, 0.0), |a, b| Mean(a.0 + b.0, a.1 + b.1)));
            *means = joined.collect();
        }
    }

    /// Names of the metrics, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.means.keys().map(String::as_str)
    }

    /// The points of a metric, in the order of training.
    pub fn points(&self, name: &str) -> impl Iterator<Item = LearningPoint> + '_ {
        let per_market = self.steps_per_market.max(1);
        let stride = self.stride;
        self.means.get(name).into_iter().flatten().enumerate().filter(|(_, mean)| mean.1 > 0.0).map(
            move |(at, mean)| {
                let step = at as u32 * stride;
                LearningPoint { market: step / per_market, tick: step % per_market, mean: mean.0 / mean.1 }
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_the_mean_over_the_shards_of_a_tick() {
        let mut series = LearningSeries::new(3);
        series.note(0, 2, &vec![("loss", 1.0), ("entropy", f64::NAN)]);
        series.note(0, 2, &vec![("loss", 3.0)]);
        series.note(1, 0, &vec![("loss", 5.0), ("entropy", 0.5)]);
        let points: Vec<LearningPoint> = series.points("loss").collect();
        let point = |market, tick, mean| LearningPoint { market, tick, mean };
        assert_eq!(points, [point(0, 2, 2.0), point(1, 0, 5.0)]);
        assert_eq!(series.points("entropy").collect::<Vec<_>>(), [point(1, 0, 0.5)]);
        assert_eq!(series.names().collect::<Vec<_>>(), ["entropy", "loss"]);
    }

    #[test]
    fn a_long_training_keeps_its_mean_in_bounded_room() {
        let mut series = LearningSeries::new(9);
        let steps = 10 * POINTS_MAX as u32 + 7;
        for step in 0..steps {
            series.note(step / 10, step % 10, &vec![("loss", f64::from(step))]);
        }
        let points: Vec<LearningPoint> = series.points("loss").collect();
        assert!(points.len() <= POINTS_MAX && points.len() > POINTS_MAX / 2, "{}", points.len());
        assert_eq!(series.stride, 16);
        // The steps of the second point are 16 to 31, in markets of 10 steps.
        assert_eq!(points[1], LearningPoint { market: 1, tick: 6, mean: 23.5 });
        let read: LearningSeries = serde_json::from_str(&serde_json::to_string(&series).unwrap()).unwrap();
        assert_eq!(read, series);
    }
}
