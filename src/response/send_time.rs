//! Send time: people open when they are awake and idle, by a personal clock.
//!
//! Local activity has two wrapped bumps around the chronotype (mid-sleep), times an awake mask; a message stays in sight
//! for a channel's read window, so the factor on opening is the activity averaged over the following hours with
//! exponential weights, divided by its mean over the day (docs/market.md 6.2). Everything is one table look-up at run time:
//! 24 chronotype bins × weekday or weekend × 24 hours for each channel. Chronotypes: Munich ChronoType Questionnaire,
//! Roenneberg et al.

use super::{Contacts, MessagePredictors, ModuleBuild, ResponseModule, View};
use crate::registry::{Entry, Parameter, Range, Value, Values};
use std::f64::consts::TAU;

const BINS: usize = 24;
const HOURS: usize = 24;
/// Chronotypes are binned over this range of hours; those outside take the nearest bin.
const CHRONOTYPE_LOW: f32 = 0.5;
const CHRONOTYPE_HIGH: f32 = 8.5;

/// Registration.
pub(super) const ENTRY: Entry<ModuleBuild> = Entry {
    name: "send_time",
    summary: "opening depends on the hour and the personal clock, most for channels that are read at once",
    source: "Munich ChronoType Questionnaire: Roenneberg et al. (2007); docs/market.md 6.2",
    parameters: &[
        Parameter::number("strength", 1.0, Range::PROBABILITY, "1: the full curve, 0: every hour is alike"),
        Parameter::number(
            "weekend_shift_hours",
            1.0,
            Range::closed(-6.0, 6.0),
            "how much later people live at weekends",
        ),
        Parameter::number("lunch_weight", 0.0, Range::NON_NEGATIVE, "height of a weekend bump at 13 h"),
    ],
    build: ModuleBuild {
        create: |values, surroundings| {
            let windows = surroundings.catalogue.channels.iter().map(|channel| f64::from(channel.read_window_hours));
            Ok(Box::new(SendTime { factors: windows.map(|window| table(window, values)).collect() }))
        },
        neutral: || vec![("strength", Value::Number(0.0))],
    },
};

type Table = Vec<[[f32; HOURS]; 2]>;

#[derive(Debug)]
struct SendTime {
    /// `[channel][chronotype bin][weekend][hour]`.
    factors: Vec<Table>,
}

/// Activity at an hour of the consumer's clock for a mid-sleep hour.
fn activity(hour: f64, mid_sleep: f64, lunch_weight: f64) -> f64 {
    let bump =
        |height: f64, width: f64, peak: f64| height * libm::exp(width * (libm::cos(TAU * (hour - peak) / 24.0) - 1.0));
    let awake = 1.0 - bump(0.96, 4.0, mid_sleep);
    let lunch = bump(lunch_weight, 8.0, 13.0);
    (0.25 + bump(1.00, 6.0, mid_sleep + 5.5) + bump(1.35, 8.0, mid_sleep + 15.5) + lunch) * awake
}

/// The factor for each hour: activity over the read window, relative to the day's mean.
fn factors(mid_sleep: f64, read_window_hours: f64, lunch_weight: f64) -> [f64; HOURS] {
    // The middle of the hour stands for the hour.
    let active: [f64; HOURS] = std::array::from_fn(|hour| activity(hour as f64 + 0.5, mid_sleep, lunch_weight));
    let mean = active.iter().sum::<f64>() / HOURS as f64;
    let weights: [f64; HOURS] = std::array::from_fn(|lag| libm::exp(-(lag as f64) / read_window_hours));
    let total = weights.iter().sum::<f64>();
    std::array::from_fn(|hour| {
        let seen: f64 = (0..HOURS).map(|lag| weights[lag] * active[(hour + lag) % HOURS]).sum();
        seen / (total * mean)
    })
}

fn table(read_window_hours: f64, values: &Values) -> Table {
    let strength = values.number("strength");
    let shifts = [0.0, values.number("weekend_shift_hours")];
    let lunches = [0.0, values.number("lunch_weight")];
    let width = f64::from(CHRONOTYPE_HIGH - CHRONOTYPE_LOW) / BINS as f64;
    (0..BINS)
        .map(|bin| {
            let mid_sleep = f64::from(CHRONOTYPE_LOW) + (bin as f64 + 0.5) * width;
            std::array::from_fn(|weekend| {
                factors(mid_sleep + shifts[weekend], read_window_hours, lunches[weekend])
                    .map(|factor| (1.0 + strength * (factor - 1.0)) as f32)
            })
        })
        .collect()
}

fn bin(chronotype_hours: f32) -> usize {
    let scaled = (chronotype_hours - CHRONOTYPE_LOW) * (BINS as f32 / (CHRONOTYPE_HIGH - CHRONOTYPE_LOW));
    (scaled.max(0.0) as usize).min(BINS - 1)
}

impl ResponseModule for SendTime {
    fn contribute_to_messages(&self, view: &View<'_>, contacts: &Contacts, predictors: &mut MessagePredictors) {
        for (index, &row) in contacts.rows.iter().enumerate() {
            let chronotype = view.people.chronotype_hours[row as usize];
            let channel = &self.factors[usize::from(contacts.messages[index].channel)];
            let hour = usize::from(contacts.local_hours[index]);
            predictors.open_factor[index] *=
                channel[bin(chronotype)][usize::from(view.weekend && !view.people.works_weekends[row as usize])][hour];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, Seed};
    use rand_distr::{Distribution, Normal};

    /// Mean factor over the population by hour, and the mean of everybody's best hour.
    fn population(read_window_hours: f64) -> ([f64; HOURS], f64) {
        let law = Normal::new(4.25, 1.25).unwrap();
        let people = 2_000;
        let mut mean = [0.0; HOURS];
        let mut personal = 0.0;
        for entity in 0..people {
            let mid_sleep = law.sample(&mut Seed::new(3).stream(Purpose::Traits, entity, 0));
            let own = factors(mid_sleep, read_window_hours, 0.0);
            personal += own.iter().copied().fold(0.0, f64::max) / f64::from(people);
            for (sum, factor) in mean.iter_mut().zip(own) {
                *sum += factor / f64::from(people);
            }
        }
        (mean, personal)
    }

    #[test]
    fn the_population_curve_has_the_known_peaks() {
        // docs/market.md 6.2, computed apart: 09 h 1.77x, 19 h 2.26x, trough 03 h .11x of the activity itself.
        let (curve, _) = population(1e-3);
        assert!((curve[9] - 1.77).abs() < 0.05, "{curve:?}");
        assert!((curve[19] - 2.26).abs() < 0.05, "{curve:?}");
        assert!((curve[3] - 0.11).abs() < 0.03, "{curve:?}");
    }

    #[test]
    fn timing_matters_most_for_push_and_least_for_email() {
        // docs/market.md 6.2, computed apart: best hour over the mean 2.10 push, 1.83 SMS, 1.25 e-mail; personal hour
        // over it +21, +16, +5 %.
        for (window, best, gain) in [(1.0, 2.10, 0.21), (2.0, 1.83, 0.16), (8.0, 1.25, 0.05)] {
            let (curve, personal) = population(window);
            let common = curve.iter().copied().fold(0.0, f64::max);
            assert!((common - best).abs() < 0.04, "window {window}: best common hour {common}");
            assert!((personal / common - 1.0 - gain).abs() < 0.02, "window {window}: {}", personal / common);
        }
    }

    #[test]
    fn without_strength_every_hour_is_exactly_alike() {
        let values = Values::defaults(ENTRY.parameters).with("strength", Value::Number(0.0));
        assert!(table(1.0, &values).iter().flatten().flatten().all(|&factor| factor == 1.0));
    }
}
