//! Numbers that change with the progress of training: exploration, learning rate, importance exponents.

use serde::{Deserialize, Serialize};

/// A number as a function of progress.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// Always the same.
    Constant(f64),
    /// From `from` in a straight line to `to` when the share `until` of training is over; `to` from there on.
    Linear {
        /// At the beginning.
        from: f64,
        /// At `until` and after.
        to: f64,
        /// Share of training in (0, 1].
        until: f64,
    },
    /// `from` times a constant ratio per step, `to` when the share `until` of training is over; both above 0.
    Exponential {
        /// At the beginning.
        from: f64,
        /// At `until` and after.
        to: f64,
        /// Share of training in (0, 1].
        until: f64,
    },
}

impl Schedule {
    /// The number when this share of training is over; progress beyond [0, 1] counts as 0 or 1.
    #[must_use]
    pub fn at(&self, progress: f64) -> f64 {
        let along = |until: f64| (progress.clamp(0.0, 1.0) / until).min(1.0);
        match *self {
            Self::Constant(value) => value,
            // Exact at both ends.
            Self::Linear { from, to, until } if along(until) < 1.0 => from + (to - from) * along(until),
            Self::Exponential { from, to, until } if along(until) < 1.0 => from * libm::pow(to / from, along(until)),
            Self::Linear { to, .. } | Self::Exponential { to, .. } => to,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_begin_and_end_where_they_say() {
        let linear = Schedule::Linear { from: 1.0, to: 0.05, until: 0.5 };
        assert_eq!([0.0, 0.25, 0.5, 0.9].map(|progress| linear.at(progress)), [1.0, 0.525, 0.05, 0.05]);
        let exponential = Schedule::Exponential { from: 1.0, to: 0.01, until: 1.0 };
        assert!((exponential.at(0.5) - 0.1).abs() < 1e-15);
        assert_eq!((exponential.at(0.0), exponential.at(7.0)), (1.0, 0.01));
        assert_eq!(Schedule::Constant(0.3).at(0.7), 0.3);
    }
}
