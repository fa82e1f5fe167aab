//! A Markov chain of two states in continuous time, seen once a tick.

use crate::random::{Purpose, Seed};
use std::ops::Range;

/// Mean stay in each state, in days.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct TwoStates {
    /// Mean stay in the first.
    pub first_mean_days: f64,
    /// Mean stay in the second.
    pub second_mean_days: f64,
}

impl TwoStates {
    /// Share of the time in the second state.
    pub(super) fn second_share(self) -> f64 {
        self.second_mean_days / (self.first_mean_days + self.second_mean_days)
    }

    /// 1 in the second state, 0 in the first, at each of these ticks; the first is drawn by the share of time. `entity`
    /// keeps the chains of different modules apart. A stay is exact in continuous time; one that begins and ends
    /// within a tick is not seen.
    pub(super) fn draw(self, seed: Seed, entity: u32, ticks: Range<i32>, tick_days: f64) -> Vec<f32> {
        let share = self.second_share();
        let rate = 1.0 / self.first_mean_days + 1.0 / self.second_mean_days;
        let kept = libm::exp(-rate * tick_days);
        let mut state = None;
        ticks
            .map(|tick| {
                let before = match state {
                    None => share,
                    Some(true) => 1.0,
                    Some(false) => 0.0,
                };
                let probability = share + (before - share) * kept;
                let is_second = f64::from(seed.uniforms(Purpose::Series, entity, tick as u32, 0)[0]) < probability;
                state = Some(is_second);
                f32::from(u8::from(is_second))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_stays_are_those_stated() {
        let chain = TwoStates { first_mean_days: 28.0, second_mean_days: 7.0 };
        let days = 40_000;
        let seen = chain.draw(Seed::new(4), 1, -100..days - 100, 1.0);
        let share = f64::from(seen.iter().sum::<f32>()) / f64::from(days);
        // The correlation of neighbouring days is exp(-1/28 - 1/7) = 0.836: 1.836 / 0.164 times the variance of a coin.
        let standard_error = (0.2 * 0.8 / f64::from(days) * 1.836 / 0.164).sqrt();
        assert!((share - 0.2).abs() < 4.0 * standard_error, "{share}");
        // From the second to the first within a day: 0.8 (1 - 0.836); a stay that is seen lasts 1 / 0.131 days.
        let ends = seen.windows(2).filter(|pair| pair[0] == 1.0 && pair[1] == 0.0).count();
        let stay = f64::from(seen.iter().sum::<f32>()) / ends as f64;
        let expected = 1.0 / (0.8 * (1.0 - libm::exp(-1.0 / 28.0 - 1.0 / 7.0)));
        assert!((stay / expected - 1.0).abs() < 4.0 / (ends as f64).sqrt(), "{stay} against {expected}");
    }
}
