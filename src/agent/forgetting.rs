//! What was learned long ago counts less: by a half-life, or not at all beyond a window.
//!
//! Time is counted in ticks of the market, not in rows: a tick in which many consumers were decided for is forgotten as
//! fast as one in which there were few. A market that starts again at an earlier tick follows the one before it by one
//! tick.

use crate::registry::{Parameter, Range, Tuning, Values};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// How long it takes until an observation counts for half.
pub(super) const HALF_LIFE_TICKS: Parameter = Parameter::number(
    "half_life_ticks",
    30.0,
    Range::POSITIVE,
    "ticks after which an observation counts for half of a new one",
)
.tuned(Tuning::LogUniform { low: 5.0, high: 500.0 });

/// How long an observation counts.
pub(super) const WINDOW_TICKS: Parameter = Parameter::integer(
    "window_ticks",
    60,
    1,
    u32::MAX as i64,
    "number of latest ticks that are learned from; what is older is forgotten",
)
.tuned(Tuning::LogInteger { low: 10, high: 1_000 });

/// How many ticks have gone by, over all markets lived in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Clock {
    tick: Option<u32>,
}

impl Clock {
    /// Moves on to this tick; returns how many have gone by since the call before, 0 at the first.
    pub(super) fn advance(&mut self, tick: u32) -> u32 {
        match self.tick.replace(tick) {
            None => 0,
            Some(before) => tick.checked_sub(before).unwrap_or(1),
        }
    }
}

/// The weight of an observation of this age.
pub(super) fn weight(age_ticks: u32, half_life_ticks: f64) -> f64 {
    libm::exp2(-f64::from(age_ticks) / half_life_ticks)
}

/// Sums that can be weakened, and put together from those of single ticks.
pub(super) trait Fades: Clone {
    /// The same shape with nothing in it.
    fn cleared(&self) -> Self;
    /// Takes in what another holds.
    fn merge(&mut self, other: &Self);
    /// Lets all that it holds count for this share.
    fn scale(&mut self, share: f64);
}

/// Which of the past still counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Memory<T> {
    /// All of it, for ever.
    Everything,
    /// All of it, ever less.
    Fading { half_life_ticks: f64, clock: Clock },
    /// The latest ticks alike; of each what was learned in it, under the number of ticks that had gone by.
    Window { ticks: u64, now: u64, clock: Clock, steps: VecDeque<(u64, T)> },
}

impl<T: Fades> Memory<T> {
    /// As `half_life_ticks` or `window_ticks` say; everything where an entry declares neither.
    pub(super) fn new(values: &Values) -> Self {
        let clock = Clock::default();
        if let Some(half_life_ticks) = values.optional_number(HALF_LIFE_TICKS.name) {
            Self::Fading { half_life_ticks, clock }
        } else if let Some(ticks) = values.optional_integer(WINDOW_TICKS.name) {
            Self::Window { ticks: ticks.unsigned_abs(), now: 0, clock, steps: VecDeque::new() }
        } else {
            Self::Everything
        }
    }

    /// Moves on to a tick and takes from `known` what is forgotten by then.
    pub(super) fn pass_time(&mut self, tick: u32, known: &mut T) {
        match self {
            Self::Everything => {}
            Self::Fading { half_life_ticks, clock } => match clock.advance(tick) {
                0 => {}
                elapsed => known.scale(weight(elapsed, *half_life_ticks)),
            },
            Self::Window { ticks, now, clock, steps } => {
                *now += u64::from(clock.advance(tick));
                let before = steps.len();
                while steps.front().is_some_and(|(step, _)| step + *ticks <= *now) {
                    steps.pop_front();
                }
                if steps.len() < before {
                    *known = known.cleared();
                    steps.iter().for_each(|(_, step)| known.merge(step));
                }
                if steps.back().is_none_or(|(step, _)| step < now) {
                    steps.push_back((*now, known.cleared()));
                }
            }
        }
    }

    /// Where what is learned in the current tick is kept apart, under a window.
    pub(super) fn newest(&mut self) -> Option<&mut T> {
        match self {
            Self::Window { steps, .. } => steps.back_mut().map(|(_, step)| step),
            _ => None,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::arms::tests::experience_at;
    use super::super::index_bandit::tests::free;
    use super::*;
    use crate::matrix::Matrix;
    use crate::protocol::{Agent, Decision};
    use crate::random::{Purpose, Seed};

    impl Fades for f64 {
        fn cleared(&self) -> Self {
            0.0
        }

        fn merge(&mut self, other: &Self) {
            *self += other;
        }

        fn scale(&mut self, share: f64) {
            *self *= share;
        }
    }

    fn lived(mut memory: Memory<f64>, ticks: &[u32]) -> f64 {
        let mut known = 0.0;
        for &tick in ticks {
            memory.pass_time(tick, &mut known);
            known += 1.0;
            if let Some(step) = memory.newest() {
                *step += 1.0;
            }
        }
        known
    }

    #[test]
    fn halves_and_windows_by_hand() {
        let fading = || Memory::Fading { half_life_ticks: 2.0, clock: Clock::default() };
        // Two rows of one tick, then one two ticks later, then a new market after one tick.
        assert_eq!(lived(fading(), &[5, 5, 7]), 2.0 * 0.5 + 1.0);
        assert!((lived(fading(), &[5, 7, 0]) - (0.5 * 0.5f64.sqrt() + 0.5f64.sqrt() + 1.0)).abs() < 1e-15);
        let window = |ticks| Memory::Window { ticks, now: 0, clock: Clock::default(), steps: VecDeque::new() };
        assert_eq!(lived(window(3), &[5, 5, 6, 7]), 4.0);
        assert_eq!(lived(window(3), &[5, 5, 6, 8]), 2.0);
        assert_eq!(lived(window(2), &[8, 9, 0]), 2.0);
        assert_eq!(lived(window(1), &[1, 9]), 1.0);
        assert_eq!(lived(Memory::Everything, &[1, 900]), 2.0);
    }

    /// Pseudo-regret after the change of an agent that plays tick by tick against two arms and no contact, 10 rows a tick;
    /// the means change in the middle.
    pub(in crate::agent) fn regret_after_change(agent: &mut dyn Agent, seed: Seed) -> f64 {
        const MEANS: [[f32; 3]; 2] = [[0.1, 0.7, 0.4], [0.1, 0.2, 0.6]];
        let mut decision = Decision::default();
        let mut regret = 0.0;
        for tick in 0..400_u32 {
            let means = MEANS[(tick / 200) as usize];
            let best = means.iter().copied().fold(0.0, f32::max);
            let mut observation = free(10, 3, tick);
            observation.features = Matrix::from_rows(&[&[1.0_f32][..]; 10]);
            agent.decide(&observation, seed, &mut decision);
            let reward = |row: usize| {
                let u = seed.uniforms(Purpose::Problem, row as u32, tick, 0)[0];
                f32::from(u8::from(u < means[usize::from(decision.actions[row])]))
            };
            let rewards: Vec<f32> = (0..10).map(reward).collect();
            experience_at(&observation, &decision.actions, &rewards, |batch| agent.learn(batch, seed)).unwrap();
            if tick >= 200 {
                regret += decision.actions.iter().map(|a| f64::from(best - means[usize::from(*a)])).sum::<f64>();
            }
        }
        regret
    }

    /// Mean of that regret over some seeds.
    pub(in crate::agent) fn mean_regret_after_change(create: impl Fn() -> Box<dyn Agent>) -> f64 {
        (0..8).map(|seed| regret_after_change(create().as_mut(), Seed::new(seed))).sum::<f64>() / 8.0
    }

    /// Lets two agents play against the same luck: their laws must be the same, bit for bit, all the way.
    pub(in crate::agent) fn same_play<'a>(one: &'a mut dyn Agent, other: &'a mut dyn Agent) {
        let seed = Seed::new(4);
        let mut decision = Decision::default();
        let (mut law, mut other_law) = (Matrix::default(), Matrix::default());
        for tick in 0..60 {
            let mut observation = free(7, 3, tick);
            observation.features = Matrix::from_rows(&[&[tick as f32 / 60.0][..]; 7]);
            one.probabilities(&observation, seed, &mut law);
            other.probabilities(&observation, seed, &mut other_law);
            let bits = |law: &Matrix| (0..7).flat_map(|row| law.row(row)).map(f32::to_bits).collect::<Vec<_>>();
            assert_eq!(bits(&law), bits(&other_law), "at tick {tick}");
            one.decide(&observation, seed, &mut decision);
            let rewards: Vec<f32> = (0..7)
                .map(|row| seed.uniforms(Purpose::Problem, row, tick, u32::from(decision.actions[row as usize]))[0])
                .collect();
            for agent in [&mut *one, &mut *other] {
                experience_at(&observation, &decision.actions, &rewards, |batch| agent.learn(batch, seed)).unwrap();
            }
        }
    }
}
