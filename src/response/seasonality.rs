//! Seasonality: the year, the week, holidays and a trend move everybody's orders.
//!
//! The log-hazard of an order gains `sum over k of amplitude_k * cos(2 pi k day / 365.25 + phase_k)` +
//! `weekday_offsets[weekday]` + the weight of each holiday on its days + `trend_per_year * day / 365.25`
//! (docs/market.md 6.16). One series for the market, with no randomness. Harmonic seasons are as in Harvey (1989).
//!
//! Assumptions: everybody has the same season; day 0 is a Monday. Where a tick is longer than a day, weekdays and holidays
//! are means over its days.
//!
//! Differences from the source: (1) nothing drifts: the season is the same every year; (2) visits and messages have no
//! season of their own.

use super::{ModuleBuild, ResponseModule, View};
use crate::protocol::Feature;
use crate::random::Seed;
use crate::registry::{Entry, Kind, Parameter, Range, Refusal, Value, Values};
use std::f64::consts::TAU;
use std::ops::Range as Span;

const DAYS_PER_YEAR: f64 = 365.25;

const HOLIDAY: &[Parameter] = &[
    Parameter::optional_integer("day", -36_500, 36_500, "first day of the holiday; day 0 is a Monday").required(),
    Parameter::optional_number("weight", Range::ANY, "onto the log-hazard of an order on its days").required(),
    Parameter::integer("days", 1, 1, 366, "how many days it lasts"),
];

/// Registration.
pub(super) const ENTRY: Entry<ModuleBuild> = Entry {
    name: "seasonality",
    summary: "the year, the week, holidays and a trend move everybody's orders",
    source: "Harvey (1989) for harmonic seasons; strengths are assumptions; docs/market.md 6.16",
    parameters: &[
        Parameter::of(
            "yearly_amplitudes",
            Kind::Numbers { default: Some(&[0.15]), range: Range::ANY },
            "log-hazard of each yearly harmonic: once a year, twice a year, …",
        ),
        Parameter::of(
            "yearly_phases_radians",
            Kind::Numbers { default: Some(&[0.0]), range: Range::ANY },
            "phase of each harmonic; 0, also where one is missing, has its peak on day 0",
        ),
        Parameter::of(
            "weekday_offsets",
            Kind::Numbers { default: Some(&[-0.02, -0.02, -0.01, 0.0, 0.01, 0.02, 0.02]), range: Range::ANY },
            "log-hazard of each weekday from Monday on",
        ),
        Parameter::of("holidays", Kind::Tables { parameters: HOLIDAY }, "days with a weight of their own"),
        Parameter::number("trend_per_year", 0.0, Range::ANY, "log-hazard gained a year from day 0 on"),
    ],
    build: ModuleBuild {
        create: |values, surroundings| Ok(Box::new(Seasonality::new(values, surroundings.tick_days)?)),
        neutral: || {
            vec![
                ("yearly_amplitudes", Value::Numbers(vec![0.0])),
                ("weekday_offsets", Value::Numbers(vec![0.0; 7])),
                ("holidays", Value::Tables(Vec::new())),
                ("trend_per_year", Value::Number(0.0)),
            ]
        },
    },
};

#[derive(Debug)]
struct Holiday {
    day: i64,
    days: i64,
    weight: f64,
}

#[derive(Debug)]
struct Seasonality {
    tick_days: f64,
    /// Amplitude and phase of each harmonic.
    harmonics: Vec<(f64, f64)>,
    weekdays: [f64; 7],
    holidays: Vec<Holiday>,
    trend_per_year: f64,
}

impl Seasonality {
    fn new(values: &Values, tick_days: f64) -> Result<Self, Refusal> {
        let amplitudes = values.numbers("yearly_amplitudes");
        let phases = values.numbers("yearly_phases_radians");
        if phases.len() > amplitudes.len().max(1) {
            return Err(Refusal::new(
                values,
                "yearly_phases_radians",
                format!("`yearly_phases_radians` has {} numbers for {} harmonics", phases.len(), amplitudes.len()),
                "give one phase for each of `yearly_amplitudes`",
            ));
        }
        let offsets = values.numbers("weekday_offsets");
        let Ok(weekdays) = <[f64; 7]>::try_from(offsets) else {
            return Err(Refusal::new(
                values,
                "weekday_offsets",
                format!("`weekday_offsets` has {} numbers", offsets.len()),
                "give one for each day of the week, from Monday on",
            ));
        };
        let phases = phases.iter().copied().chain(std::iter::repeat(0.0));
        let holidays = values.tables("holidays").iter().map(|holiday| Holiday {
            day: holiday.integer("day"),
            days: holiday.integer("days"),
            weight: holiday.number("weight"),
        });
        Ok(Self {
            tick_days,
            harmonics: amplitudes.iter().copied().zip(phases).collect(),
            weekdays,
            holidays: holidays.collect(),
            trend_per_year: values.number("trend_per_year"),
        })
    }

    /// What moves with the year, at a time in days.
    fn yearly(&self, day: f64) -> f64 {
        let mut sum = self.trend_per_year * day / DAYS_PER_YEAR;
        for (index, (amplitude, phase)) in self.harmonics.iter().enumerate() {
            sum += amplitude * libm::cos(TAU * (index + 1) as f64 * day / DAYS_PER_YEAR + phase);
        }
        sum
    }

    /// What weekdays and holidays add in the mean over the days of a tick, and the share of its days that are holidays.
    fn calendar(&self, tick: i32) -> (f64, f64) {
        let first = (f64::from(tick) * self.tick_days).floor() as i64;
        let days = (self.tick_days.round() as i64).max(1);
        let (mut sum, mut holidays) = (0.0, 0.0);
        for day in first..first + days {
            sum += self.weekdays[day.rem_euclid(7) as usize];
            let mut is_holiday = false;
            for holiday in &self.holidays {
                if (holiday.day..holiday.day + holiday.days).contains(&day) {
                    sum += holiday.weight;
                    is_holiday = true;
                }
            }
            holidays += if is_holiday { 1.0 } else { 0.0 };
        }
        (sum / days as f64, holidays / days as f64)
    }
}

impl ResponseModule for Seasonality {
    fn series(&self, _seed: Seed, ticks: Span<i32>) -> Vec<Vec<f32>> {
        let season = |tick: i32| (self.yearly(f64::from(tick) * self.tick_days) + self.calendar(tick).0) as f32;
        vec![ticks.clone().map(season).collect(), ticks.map(|tick| self.calendar(tick).1 as f32).collect()]
    }

    fn contribute_to_orders(&self, view: &View<'_>, log_hazard: &mut [f32]) {
        let season = view.series.first().copied().unwrap_or(0.0);
        for sum in log_hazard {
            *sum += season;
        }
    }

    fn features(&self) -> Vec<Feature> {
        if self.holidays.is_empty() { Vec::new() } else { vec![Feature::raw("holiday", "indicator")] }
    }

    fn observe(&self, view: &View<'_>, _feature: usize, _first_row: usize, cells: &mut [f32]) {
        cells.fill(view.series.get(1).copied().unwrap_or(0.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::people::People;

    fn season(values: Values, tick_days: f64) -> Seasonality {
        Seasonality::new(&values, tick_days).unwrap()
    }

    fn flat() -> Values {
        let mut values = Values::defaults(ENTRY.parameters);
        for (key, value) in (ENTRY.build.neutral)() {
            values.set(key, value, None);
        }
        values
    }

    #[test]
    fn a_holiday_a_weekday_and_a_trend_add_up() {
        let holiday = Values::defaults(HOLIDAY).with("day", Value::Integer(4)).with("weight", Value::Number(0.7));
        let module = season(
            flat()
                .with("holidays", Value::Tables(vec![holiday.with("days", Value::Integer(2))]))
                .with("weekday_offsets", Value::Numbers(vec![0.0, 0.0, 0.0, 0.0, 0.1, 0.2, 0.0]))
                .with("trend_per_year", Value::Number(365.25)),
            1.0,
        );
        let series = module.series(Seed::new(1), -1..7);
        let expected = [-1.0, 0.0, 1.0, 2.0, 3.0, 4.0 + 0.1 + 0.7, 5.0 + 0.2 + 0.7, 6.0];
        for (seen, expected) in series[0].iter().zip(expected) {
            assert!((seen - expected).abs() < 1e-5, "{seen} against {expected}");
        }
        assert_eq!(series[1], [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0]);
        let week = season(flat().with("weekday_offsets", Value::Numbers(vec![0.7, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])), 7.0);
        assert!((week.series(Seed::new(1), 0..1)[0][0] - 0.1).abs() < 1e-6);
        let people = People { order_rate: vec![0.1; 2], ..People::default() };
        let mut log_hazard = [0.5, 0.0];
        let view = View { series: &[0.25, 1.0], ..View::bare(&people, &[]) };
        module.contribute_to_orders(&view, &mut log_hazard);
        assert_eq!(log_hazard, [0.75, 0.25]);
    }

    #[test]
    fn fourier_sums_give_back_amplitudes_and_phases() {
        let module = season(
            flat()
                .with("yearly_amplitudes", Value::Numbers(vec![0.3, 0.1]))
                .with("yearly_phases_radians", Value::Numbers(vec![0.5, -1.0])),
            1.0,
        );
        // Four years are a whole number of days.
        let days = 1_461;
        let series = &module.series(Seed::new(1), 0..days)[0];
        for (index, (amplitude, phase)) in [(0.3, 0.5), (0.1, -1.0), (0.0, 0.0)].into_iter().enumerate() {
            let (mut cosine, mut sine) = (0.0, 0.0);
            for (day, value) in series.iter().enumerate() {
                let angle = TAU * (index + 1) as f64 * day as f64 / DAYS_PER_YEAR;
                cosine += 2.0 / f64::from(days) * f64::from(*value) * libm::cos(angle);
                sine -= 2.0 / f64::from(days) * f64::from(*value) * libm::sin(angle);
            }
            assert!((libm::hypot(cosine, sine) - amplitude).abs() < 1e-5, "{cosine} {sine}");
            assert!(amplitude == 0.0 || (libm::atan2(sine, cosine) - phase).abs() < 1e-4, "{cosine} {sine}");
        }
    }

    #[test]
    fn a_week_has_seven_days() {
        let refusal = Seasonality::new(&flat().with("weekday_offsets", Value::Numbers(vec![0.0; 6])), 1.0).unwrap_err();
        assert_eq!(refusal.key, "weekday_offsets");
        let phases = Value::Numbers(vec![0.0; 2]);
        assert!(Seasonality::new(&flat().with("yearly_phases_radians", phases), 1.0).is_err());
    }
}
