//! Relevance: creatives appeal to tastes, and who likes one clicks it and stays.
//!
//! Creative k has a direction psi_k in the space of tastes, from its table in the scenario or drawn; with the taste w of a
//! consumer, `relevance = <w, psi_k> / |psi_k|`, standard normal over consumers. The logit of clicking gains
//! `click_sd * relevance`, that of withdrawing consent loses `opt_out_weight * relevance`, that of opening gains
//! `subject_weight * subject_strength_k` (docs/market.md 6.12). A rotation turns all psi by so many degrees over so many
//! days, in the planes of coordinates 1, 2 and 3, 4: fashion changes, and what was learnt about creatives grows stale.
//!
//! What the sender sees: `interest_1` to `interest_4`, running means over the clicks of a consumer of the direction of the
//! creative that was clicked, with weight 0.2 on the newest click. All figures are assumptions; no source.
//!
//! Limits: (1) no product categories and no pages, so that interests follow from clicks alone; (2) clicks of machines leave
//! no interest; (3) intercepts do not allow for relevance: where clicks are rare, their mean chance is
//! `exp(click_sd^2 / 2)` times the rate of the channel, 1.13 at the default; (4) four zeros as a taste appeal to nobody in
//! particular: relevance 0.

use super::{Contacts, MessagePredictors, ModuleBuild, ResponseModule, Responses, Surroundings, View};
use crate::market::population::TASTES;
use crate::math::normal_quantile;
use crate::protocol::Feature;
use crate::random::{Purpose, Seed};
use crate::registry::{Entry, Kind, Parameter, Refusal, Value, Values};
use std::ops::Range;

/// Weight of the newest click in an interest.
const INTEREST_WEIGHT: f32 = 0.2;

const INTERESTS: [usize; TASTES] = [0, 1, 2, 3];

/// Keys of a rotation.
const ROTATION: &[Parameter] = &[
    Parameter::optional_number("day", crate::registry::Range::closed(-1e5, 1e5), "day on which it begins").required(),
    Parameter::optional_number("degrees", crate::registry::Range::closed(-3600.0, 3600.0), "angle in the end")
        .required(),
    Parameter::number("days", 30.0, crate::registry::Range::closed(0.0, 1e5), "time over which tastes turn"),
];

const WEIGHT: crate::registry::Range = crate::registry::Range::closed(0.0, 10.0);

/// Registration.
pub(super) const ENTRY: Entry<ModuleBuild> = Entry {
    name: "creative_relevance",
    summary: "creatives appeal to tastes: the right one is clicked more and drives fewer away; tastes may turn",
    source: "assumed; docs/market.md 6.12",
    parameters: &[
        Parameter::number(
            "click_sd",
            0.5,
            WEIGHT,
            "spread over consumers of what relevance adds to the logit of clicking",
        ),
        Parameter::number("opt_out_weight", 0.2, WEIGHT, "off the logit of withdrawing consent, per unit of relevance"),
        Parameter::number("subject_weight", 1.0, WEIGHT, "how much of `subject_strength` of a creative counts"),
        Parameter::of("rotations", Kind::Tables { parameters: ROTATION }, "when and how far tastes turn"),
    ],
    build: ModuleBuild {
        create,
        neutral: || {
            ["click_sd", "opt_out_weight", "subject_weight"].into_iter().map(|key| (key, Value::Number(0.0))).collect()
        },
    },
};

fn create(values: &Values, surroundings: &Surroundings<'_>) -> Result<Box<dyn ResponseModule>, Refusal> {
    let number = |key| values.number(key) as f32;
    let rotation = |table: &Values| Rotation {
        day: table.number("day"),
        radians: table.number("degrees").to_radians(),
        days: table.number("days"),
    };
    Ok(Box::new(CreativeRelevance {
        click: number("click_sd"),
        opt_out: number("opt_out_weight"),
        subject: number("subject_weight"),
        rotations: values.tables("rotations").iter().map(rotation).collect(),
        tick_days: surroundings.tick_days,
        tastes: surroundings.catalogue.creative_tastes.clone(),
        subject_strengths: surroundings.catalogue.subject_strengths.clone(),
    }))
}

#[derive(Clone, Copy, Debug)]
struct Rotation {
    day: f64,
    radians: f64,
    days: f64,
}

#[derive(Debug)]
struct CreativeRelevance {
    click: f32,
    opt_out: f32,
    subject: f32,
    rotations: Vec<Rotation>,
    tick_days: f64,
    tastes: Vec<Option<[f32; TASTES]>>,
    subject_strengths: Vec<f32>,
}

impl CreativeRelevance {
    /// The direction of a creative before any rotation: length 1, or 0 where the file gives zeros.
    fn direction(&self, seed: Seed, creative: usize) -> [f64; TASTES] {
        let drawn = || seed.uniforms(Purpose::Creative, creative as u32, 0, 0).map(normal_quantile);
        let taste = self.tastes[creative].unwrap_or_else(drawn).map(f64::from);
        let length = taste.iter().map(|part| part * part).sum::<f64>().sqrt();
        if length > 0.0 { taste.map(|part| part / length) } else { [0.0; TASTES] }
    }

    /// By how much tastes have turned at a tick, in radians.
    fn angle(&self, tick: i32) -> f64 {
        let day = f64::from(tick) * self.tick_days;
        let share = |rotation: &Rotation| {
            let passed = day - rotation.day;
            if rotation.days > 0.0 { (passed / rotation.days).clamp(0.0, 1.0) } else { f64::from(passed >= 0.0) }
        };
        self.rotations.iter().map(|rotation| rotation.radians * share(rotation)).sum()
    }
}

/// The direction of a creative at this tick.
fn direction_of(series: &[f32], creative: u16) -> [f32; TASTES] {
    let first = usize::from(creative) * TASTES;
    std::array::from_fn(|dimension| series[first + dimension])
}

impl ResponseModule for CreativeRelevance {
    fn columns(&self) -> usize {
        TASTES
    }

    fn observable_columns(&self) -> &[usize] {
        &INTERESTS
    }

    /// Four series for each creative: its direction.
    fn series(&self, seed: Seed, ticks: Range<i32>) -> Vec<Vec<f32>> {
        let turns: Vec<(f64, f64)> =
            ticks.map(|tick| self.angle(tick)).map(|angle| (libm::cos(angle), libm::sin(angle))).collect();
        let mut series = Vec::with_capacity(self.tastes.len() * TASTES);
        for creative in 0..self.tastes.len() {
            let [a, b, c, d] = self.direction(seed, creative);
            series.push(turns.iter().map(|(cos, sin)| (a * cos - b * sin) as f32).collect());
            series.push(turns.iter().map(|(cos, sin)| (a * sin + b * cos) as f32).collect());
            series.push(turns.iter().map(|(cos, sin)| (c * cos - d * sin) as f32).collect());
            series.push(turns.iter().map(|(cos, sin)| (c * sin + d * cos) as f32).collect());
        }
        series
    }

    fn contribute_to_messages(&self, view: &View<'_>, contacts: &Contacts, predictors: &mut MessagePredictors) {
        let [first, second, third, fourth] = &view.people.taste;
        for (index, (&row, message)) in contacts.rows.iter().zip(&contacts.messages).enumerate() {
            let (row, direction) = (row as usize, direction_of(view.series, message.creative));
            let relevance = first[row] * direction[0]
                + second[row] * direction[1]
                + third[row] * direction[2]
                + fourth[row] * direction[3];
            predictors.click[index] += self.click * relevance;
            predictors.opt_out[index] -= self.opt_out * relevance;
            predictors.open[index] += self.subject * self.subject_strengths[usize::from(message.creative)];
        }
    }

    fn advance(&self, view: &View<'_>, contacts: &Contacts, responses: &Responses, next: &mut [Vec<f32>]) {
        for (index, (&row, message)) in contacts.rows.iter().zip(&contacts.messages).enumerate() {
            if responses.clicked[index] {
                for (interest, part) in next.iter_mut().zip(direction_of(view.series, message.creative)) {
                    interest[row as usize] += INTEREST_WEIGHT * (part - interest[row as usize]);
                }
            }
        }
    }

    fn features(&self) -> Vec<Feature> {
        let feature = |dimension: usize| Feature::raw(format!("interest_{}", dimension + 1), "-1 to 1");
        INTERESTS.into_iter().map(|dimension| feature(dimension).standardised(0.0, 0.2)).collect()
    }

    fn observe(&self, view: &View<'_>, feature: usize, first_row: usize, cells: &mut [f32]) {
        cells.copy_from_slice(&view.columns[feature][first_row..first_row + cells.len()]);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;
    use crate::market::people::People;

    fn people() -> People {
        People {
            order_rate: vec![0.1; 2],
            taste: [vec![1.0, -2.0], vec![0.0, 0.5], vec![0.0, 1.0], vec![0.0, 3.0]],
            ..People::default()
        }
    }

    fn module(rotations: &[(f64, f64, f64)]) -> (Box<dyn ResponseModule>, crate::market::catalogue::Catalogue) {
        let taste = Value::Numbers(vec![3.0, 4.0, 0.0, 0.0]);
        let given = testing::creative("given").with("taste", taste).with("subject_strength", Value::Number(0.7));
        let catalogue = testing::catalogue(&[("email", "email")], &[given, testing::creative("drawn")]);
        let table = |(day, degrees, days): &(f64, f64, f64)| {
            Values::default()
                .with("day", Value::Number(*day))
                .with("degrees", Value::Number(*degrees))
                .with("days", Value::Number(*days))
        };
        let tables = Value::Tables(rotations.iter().map(table).collect());
        let values = Values::defaults(ENTRY.parameters).with("rotations", tables);
        (testing::build(&ENTRY, &values, &catalogue).unwrap(), catalogue)
    }

    #[test]
    fn relevance_is_the_cosine_with_a_taste() {
        let (module, catalogue) = module(&[]);
        let series: Vec<f32> = module.series(Seed::new(2), 0..1).iter().map(|values| values[0]).collect();
        let people = people();
        let view = View { series: &series, ..View::bare(&people, &[]) };
        let mut predictors = MessagePredictors::default();
        predictors.reset(2);
        module.contribute_to_messages(&view, &testing::sent(&catalogue, 0, 0, &[0, 1]), &mut predictors);
        // psi / |psi| = (.6, .8, 0, 0): relevance .6 and -1.2 + .4 = -.8.
        for (index, relevance) in [0.6, -0.8].into_iter().enumerate() {
            assert!((predictors.click[index] - 0.5 * relevance).abs() < 1e-6, "{predictors:?}");
            assert!((predictors.opt_out[index] + 0.2 * relevance).abs() < 1e-6, "{predictors:?}");
        }
        assert_eq!(predictors.open, [0.7; 2]);
    }

    #[test]
    fn tastes_turn_by_the_angle_over_the_days() {
        let (module, _) = module(&[(10.0, 90.0, 30.0), (20.0, 0.0, 0.0)]);
        let series = module.series(Seed::new(2), -5..60);
        let at = |tick: i32| -> [f32; 2] { [series[0][(tick + 5) as usize], series[1][(tick + 5) as usize]] };
        let near = |[a, b]: [f32; 2], [c, d]: [f32; 2]| (a - c).abs() < 1e-6 && (b - d).abs() < 1e-6;
        assert!(near(at(-5), [0.6, 0.8]) && near(at(10), [0.6, 0.8]));
        // Half way 45 degrees: (.6 - .8, .6 + .8) / sqrt 2; in the end (-.8, .6).
        assert!(near(at(25), [-0.141_421, 0.989_949]), "{:?}", at(25));
        assert!(near(at(40), [-0.8, 0.6]) && near(at(59), [-0.8, 0.6]));
        // Directions keep their length, drawn ones too; and another market draws another.
        for tick in [0, 30, 64] {
            let square = |creative: usize| (0..4).map(|part| series[creative * 4 + part][tick].powi(2)).sum::<f32>();
            assert!((square(0) - 1.0).abs() < 1e-5 && (square(1) - 1.0).abs() < 1e-5);
        }
        let other = module.series(Seed::new(3), -5..60);
        assert_eq!(series[0], other[0]);
        assert_ne!(series[4], other[4]);
        // A turn at once.
        let (module, _) = self::module(&[(3.0, 180.0, 0.0)]);
        let series = module.series(Seed::new(2), 0..5);
        assert!((series[0][2] - 0.6).abs() < 1e-6 && (series[0][3] + 0.6).abs() < 1e-6);
    }

    #[test]
    fn interests_are_running_means_over_clicked_creatives() {
        let (module, catalogue) = module(&[]);
        let series: Vec<f32> = module.series(Seed::new(2), 0..1).iter().map(|values| values[0]).collect();
        let people = people();
        let view = View { series: &series, ..View::bare(&people, &[]) };
        let mut columns = vec![vec![0.0; 2]; 4];
        let contacts = testing::sent(&catalogue, 0, 0, &[1]);
        module.advance(&view, &contacts, &testing::opened(1, false), &mut columns);
        assert_eq!(columns, vec![vec![0.0; 2]; 4]);
        for _ in 0..2 {
            module.advance(&view, &contacts, &testing::opened(1, true), &mut columns);
        }
        let view = View::bare(&people, &columns);
        let seen = [0, 1, 2, 3].map(|feature| {
            let mut cells = [0.0; 2];
            module.observe(&view, feature, 0, &mut cells);
            assert_eq!(cells[0], 0.0);
            cells[1]
        });
        // .2 + .8 * .2 = .36 of (.6, .8, 0, 0).
        assert!((seen[0] - 0.216).abs() < 1e-6 && (seen[1] - 0.288).abs() < 1e-6, "{seen:?}");
        assert_eq!(seen[2..], [0.0, 0.0]);
    }
}
