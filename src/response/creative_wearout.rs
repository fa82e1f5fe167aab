//! Creative wear-out: the same creative again works less, and recovers while it rests.
//!
//! W counts how often a consumer opened a creative, fading with a half-life of two weeks; the logit of opening loses
//! `open_weight * ln(1 + W)`, that of clicking `click_weight * ln(1 + W)` (docs/market.md 6.13). At the defaults, the
//! clicks for each open of the fourth of four daily sends are about .62 of the first, and after four weeks of rest above
//! .8 of it. Source: Yancey & Settles (2020), where a notification that was shown recovers with time.
//!
//! Differences from the source: (1) exposures add up before the logarithm, in place of a penalty by the time since the
//! last one; (2) what counts is opening, since a subject line alone shows little; (3) the strengths are assumptions.

use super::{Contacts, MessagePredictors, ModuleBuild, ResponseModule, Responses, View};
use crate::math::{exp, ln};
use crate::registry::{Entry, Parameter, Range, Value};

/// Registration.
pub(super) const ENTRY: Entry<ModuleBuild> = Entry {
    name: "creative_wearout",
    summary: "a creative that was opened before is opened and clicked less, until it has rested",
    source: "Yancey & Settles (2020); docs/market.md 6.13",
    parameters: &[
        Parameter::number("half_life_days", 14.0, Range::POSITIVE, "time in which an exposure is half forgotten"),
        Parameter::number(
            "open_weight",
            0.35,
            Range::closed(0.0, 10.0),
            "off the logit of opening, per logarithm of 1 + exposures",
        ),
        Parameter::number(
            "click_weight",
            0.35,
            Range::closed(0.0, 10.0),
            "off the logit of clicking, per logarithm of 1 + exposures",
        ),
    ],
    build: ModuleBuild {
        create: |values, surroundings| {
            let rate = std::f64::consts::LN_2 * surroundings.tick_days / values.number("half_life_days");
            Ok(Box::new(CreativeWearout {
                // A faster decay than e^-80 in a tick is the same: all is forgotten.
                rate_per_tick: rate.min(80.0) as f32,
                open: values.number("open_weight") as f32,
                click: values.number("click_weight") as f32,
                creatives: surroundings.catalogue.creatives.len(),
            }))
        },
        neutral: || vec![("open_weight", Value::Number(0.0)), ("click_weight", Value::Number(0.0))],
    },
};

/// Columns of each creative: exposures as they were, and the tick of the last one.
const COLUMNS: usize = 2;

#[derive(Debug)]
struct CreativeWearout {
    rate_per_tick: f32,
    open: f32,
    click: f32,
    creatives: usize,
}

impl CreativeWearout {
    /// What is left of the exposures of a consumer to a creative.
    fn exposures(&self, columns: &[Vec<f32>], creative: usize, row: usize, tick: i32) -> f32 {
        let [exposures, last_tick] = [0, 1].map(|column| columns[creative * COLUMNS + column][row]);
        exposures * exp(-self.rate_per_tick * (tick as f32 - last_tick))
    }
}

impl ResponseModule for CreativeWearout {
    fn columns(&self) -> usize {
        COLUMNS * self.creatives
    }

    fn contribute_to_messages(&self, view: &View<'_>, contacts: &Contacts, predictors: &mut MessagePredictors) {
        for (index, (&row, message)) in contacts.rows.iter().zip(&contacts.messages).enumerate() {
            let exposures = self.exposures(view.columns, usize::from(message.creative), row as usize, view.tick);
            let worn = ln(1.0 + exposures);
            predictors.open[index] -= self.open * worn;
            predictors.click[index] -= self.click * worn;
        }
    }

    fn advance(&self, view: &View<'_>, contacts: &Contacts, responses: &Responses, next: &mut [Vec<f32>]) {
        for (index, (&row, message)) in contacts.rows.iter().zip(&contacts.messages).enumerate() {
            if responses.opened[index] {
                let (row, creative) = (row as usize, usize::from(message.creative));
                let exposures = self.exposures(next, creative, row, view.tick);
                next[creative * COLUMNS][row] = exposures + 1.0;
                next[creative * COLUMNS + 1][row] = view.tick as f32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;
    use crate::market::people::People;

    /// Clicks for each open relative to a fresh creative, after opens on these days, for the creative sent and another.
    fn click_ratios(opens: &[i32], day: i32) -> [f32; 2] {
        let catalogue = testing::catalogue(&[("email", "email")], &[testing::creative("a"), testing::creative("b")]);
        let values = crate::registry::Values::defaults(ENTRY.parameters);
        let module = testing::build(&ENTRY, &values, &catalogue).unwrap();
        let people = People { order_rate: vec![0.1], ..People::default() };
        let mut columns = vec![vec![0.0]; module.columns()];
        for &tick in opens {
            let view = View { tick, ..View::bare(&people, &[]) };
            module.advance(&view, &testing::sent(&catalogue, 0, 0, &[0]), &testing::opened(1, false), &mut columns);
        }
        let view = View { tick: day, ..View::bare(&people, &columns) };
        [0, 1].map(|creative| {
            let mut predictors = MessagePredictors::default();
            predictors.reset(1);
            module.contribute_to_messages(&view, &testing::sent(&catalogue, 0, creative, &[0]), &mut predictors);
            assert_eq!(predictors.open, predictors.click);
            // Where clicks are rare, their chance goes with e^logit.
            exp(predictors.click[0])
        })
    }

    #[test]
    fn the_fourth_send_has_six_tenths_of_the_clicks_and_rest_brings_them_back() {
        // Three opens within a tick's reach: W = 3 with no time between: (1 + 3)^-.35 = .6156.
        assert!((click_ratios(&[5, 5, 5], 5)[0] - 0.6156).abs() < 1e-4);
        // Daily from day -1 on: W = 2^(-1/14) + 2^(-2/14) + 2^(-3/14) = .95170 + .90572 + .86196 = 2.71938; 3.71938^-.35.
        let fourth = click_ratios(&[-1, 0, 1], 2)[0];
        assert!((fourth - 0.6314).abs() < 1e-4, "{fourth}");
        let rested = click_ratios(&[-1, 0, 1], 2 + 28)[0];
        // Four weeks leave a quarter: (1 + 2.71938 / 4)^-.35 = .8340.
        assert!((rested - 0.8340).abs() < 1e-4, "{rested}");
        // The other creative is fresh.
        assert_eq!(click_ratios(&[-1, 0, 1], 2)[1], 1.0);
        assert_eq!(click_ratios(&[], 9), [1.0, 1.0]);
    }
}
