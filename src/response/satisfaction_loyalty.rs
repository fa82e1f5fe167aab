//! Satisfaction and loyalty: orders that beat expectations please, a burden of messages displeases, the pleased stay.
//!
//! ```text
//! S <- S * rho - burden_weight * max(0, iota * F - burden_tolerance), if a message was delivered
//! after an order of quality q ~ N(quality_mean, quality_sd):
//!      S += surprise_weight * (q - E),   E += adaptation_share * (q - E),   L += loyalty_share * (max(S, 0) - L)
//! ```
//!
//! S stays in [-1, 1], half-life 138 days; F is the signal of fatigue. The log-hazard of an order gains `order_weight * S`,
//! the logit of opening `open_weight * S`; those of withdrawing consent and of complaining lose `opt_out_weight * S` and
//! `complaint_weight * S`; the logarithm of the dropout probability loses `loyalty_weight * L` (docs/market.md 6.9).
//! Source: Oliver (1980), satisfaction by expectation and its disconfirmation.
//!
//! Without messages, and where quality is what was expected, S has mean 0: the module then leaves the mean market nearly
//! as it is. All strengths are assumptions.
//!
//! Differences from the source: (1) one number in place of attitude scales; (2) expectation moves by smoothing; (3) messages
//! beyond a tolerance burden; (4) the dropout of an order is decided with the loyalty before it.

use super::{Contacts, MessagePredictors, ModuleBuild, Order, ResponseModule, Responses, Signal, Surroundings, View};
use crate::market::people::People;
use crate::math::{decay, normal_quantile};
use crate::random::{Purpose, Seed};
use crate::registry::{Entry, Parameter, Range, Refusal, Value, Values};

const WEIGHT: Range = Range::closed(0.0, 10.0);
/// Draws of the quality of orders; the other blocks of the purpose are those of `reviews`.
const QUALITY_BLOCK: u32 = 1;

/// Columns.
const SATISFACTION: usize = 0;
const LOYALTY: usize = 1;
const EXPECTATION: usize = 2;

/// Registration.
pub(super) const ENTRY: Entry<ModuleBuild> = Entry {
    name: "satisfaction_loyalty",
    summary: "orders please or disappoint, too many messages displease; the satisfied respond and the loyal stay",
    source: "Oliver (1980); docs/market.md 6.9",
    parameters: &[
        Parameter::number("half_life_days", 138.0, Range::POSITIVE, "time in which satisfaction halves"),
        Parameter::number("quality_mean", 0.0, Range::closed(-1.0, 1.0), "mean quality of an order"),
        Parameter::number("quality_sd", 0.5, Range::closed(0.0, 2.0), "spread of the quality of orders"),
        Parameter::number("expectation_start", 0.0, Range::closed(-1.0, 1.0), "quality expected at the start"),
        Parameter::number("adaptation_share", 0.2, Range::PROBABILITY, "how far an order moves what is expected"),
        Parameter::number("surprise_weight", 0.3, WEIGHT, "satisfaction per unit of quality above what was expected"),
        Parameter::number("burden_weight", 0.004, WEIGHT, "satisfaction lost per unit of fatigue above the tolerance"),
        Parameter::number("burden_tolerance", 4.0, Range::closed(0.0, 1e6), "fatigue x irritability that is borne"),
        Parameter::number("order_weight", 0.3, WEIGHT, "log-hazard of an order per unit of satisfaction"),
        Parameter::number("open_weight", 0.3, WEIGHT, "logit of opening per unit of satisfaction"),
        Parameter::number("opt_out_weight", 0.8, WEIGHT, "off the logit of withdrawing consent"),
        Parameter::number("complaint_weight", 0.8, WEIGHT, "off the logit of complaining"),
        Parameter::number("loyalty_share", 0.3, Range::PROBABILITY, "how far an order moves loyalty to satisfaction"),
        Parameter::number("loyalty_weight", 1.0, WEIGHT, "off the logarithm of the dropout probability"),
    ],
    build: ModuleBuild {
        create,
        // Nobody is ever pleased or displeased, so that the signals are those of the module left out, too.
        neutral: || vec![("surprise_weight", Value::Number(0.0)), ("burden_weight", Value::Number(0.0))],
    },
};

fn create(values: &Values, surroundings: &Surroundings<'_>) -> Result<Box<dyn ResponseModule>, Refusal> {
    let number = |key| values.number(key) as f32;
    Ok(Box::new(SatisfactionLoyalty {
        kept: decay(values.number("half_life_days"), surroundings.tick_days),
        quality_mean: number("quality_mean"),
        quality_sd: number("quality_sd"),
        expectation_start: number("expectation_start"),
        adaptation: number("adaptation_share"),
        surprise: number("surprise_weight"),
        burden: number("burden_weight"),
        tolerance: number("burden_tolerance"),
        order: number("order_weight"),
        open: number("open_weight"),
        opt_out: number("opt_out_weight"),
        complaint: number("complaint_weight"),
        loyalty_share: number("loyalty_share"),
        loyalty: number("loyalty_weight"),
    }))
}

#[derive(Debug)]
struct SatisfactionLoyalty {
    kept: f32,
    quality_mean: f32,
    quality_sd: f32,
    expectation_start: f32,
    adaptation: f32,
    surprise: f32,
    burden: f32,
    tolerance: f32,
    order: f32,
    open: f32,
    opt_out: f32,
    complaint: f32,
    loyalty_share: f32,
    loyalty: f32,
}

impl ResponseModule for SatisfactionLoyalty {
    fn state(&self) -> &'static [(usize, &'static str)] {
        &[(SATISFACTION, "satisfaction"), (LOYALTY, "loyalty")]
    }

    fn columns(&self) -> usize {
        3
    }

    fn start(&self, _seed: Seed, _first: u32, _people: &People, columns: &mut [Vec<f32>]) {
        columns[EXPECTATION].fill(self.expectation_start);
    }

    fn signals(&self) -> &[(Signal, usize)] {
        &[(Signal::Satisfaction, SATISFACTION), (Signal::Loyalty, LOYALTY)]
    }

    fn contribute_to_messages(&self, view: &View<'_>, contacts: &Contacts, predictors: &mut MessagePredictors) {
        for (index, &row) in contacts.rows.iter().enumerate() {
            let satisfaction = view.columns[SATISFACTION][row as usize];
            predictors.open[index] += self.open * satisfaction;
            predictors.opt_out[index] -= self.opt_out * satisfaction;
            predictors.complain[index] -= self.complaint * satisfaction;
        }
    }

    fn advance(&self, view: &View<'_>, contacts: &Contacts, responses: &Responses, next: &mut [Vec<f32>]) {
        let satisfaction = &mut next[SATISFACTION];
        for value in satisfaction.iter_mut() {
            *value *= self.kept;
        }
        for (&row, delivered) in contacts.rows.iter().zip(&responses.delivered) {
            if *delivered {
                let row = row as usize;
                let fatigue = view.people.irritability[row] * view.signals.value(Signal::Fatigue, row);
                let burden = self.burden * (fatigue - self.tolerance).max(0.0);
                satisfaction[row] = (satisfaction[row] - burden).max(-1.0);
            }
        }
    }

    fn contribute_to_orders(&self, view: &View<'_>, log_hazard: &mut [f32]) {
        for (sum, satisfaction) in log_hazard.iter_mut().zip(&view.columns[SATISFACTION]) {
            *sum += self.order * satisfaction;
        }
    }

    fn contribute_to_dropout(&self, view: &View<'_>, log_hazard: &mut [f32]) {
        for (sum, loyalty) in log_hazard.iter_mut().zip(&view.columns[LOYALTY]) {
            *sum -= self.loyalty * loyalty;
        }
    }

    fn moves_dropout(&self) -> bool {
        self.loyalty > 0.0
    }

    fn after_orders(&self, view: &View<'_>, orders: &[Order], next: &mut [Vec<f32>]) {
        let [satisfaction, loyalty, expectation] = next else { return };
        for order in orders {
            let (row, consumer) = (order.row as usize, view.first + order.row);
            let uniform = view.seed.uniforms(Purpose::Review, consumer, view.tick as u32, QUALITY_BLOCK)[0];
            let quality = self.quality_mean + self.quality_sd * normal_quantile(uniform);
            let surprise = quality - expectation[row];
            expectation[row] += self.adaptation * surprise;
            satisfaction[row] = (satisfaction[row] + self.surprise * surprise).clamp(-1.0, 1.0);
            loyalty[row] += self.loyalty_share * (satisfaction[row].max(0.0) - loyalty[row]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Signals, testing};
    use super::*;

    fn people(count: usize) -> People {
        People { order_rate: vec![0.1; count], irritability: vec![2.0; count], ..People::default() }
    }

    fn with(changes: &[(&'static str, f64)]) -> Box<dyn ResponseModule> {
        let mut values = Values::defaults(ENTRY.parameters);
        for (key, value) in changes {
            values.set(key, Value::Number(*value), None);
        }
        testing::build(&ENTRY, &values, &testing::catalogue(&[("email", "email")], &[])).unwrap()
    }

    #[test]
    fn disconfirmation_is_that_of_the_equations() {
        // Quality is always 1, expected is 0: S = .3, E = .2, L = .3 * .3; then S = .3 + .3 * .8, E = .36.
        let module = with(&[("quality_mean", 1.0), ("quality_sd", 0.0)]);
        let people = people(2);
        let mut columns = vec![vec![0.0; 2]; 3];
        module.start(Seed::new(1), 0, &people, &mut columns);
        let view = View::bare(&people, &[]);
        let order = Order { row: 1, ..Order::default() };
        module.after_orders(&view, &[order], &mut columns);
        assert_eq!([columns[0][0], columns[1][0], columns[2][0]], [0.0; 3]);
        for (column, expected) in columns.iter().zip([0.3, 0.09, 0.2]) {
            assert!((column[1] - expected).abs() < 1e-6, "{columns:?}");
        }
        module.after_orders(&view, &[order], &mut columns);
        for (column, expected) in columns.iter().zip([0.54, 0.09 + 0.3 * 0.45, 0.36]) {
            assert!((column[1] - expected).abs() < 1e-6, "{columns:?}");
        }
        let view = View::bare(&people, &columns);
        let mut dropout = [0.0; 2];
        module.contribute_to_dropout(&view, &mut dropout);
        assert!(module.moves_dropout() && (dropout[1] + 0.225).abs() < 1e-6);
        let mut log_hazard = [0.0; 2];
        module.contribute_to_orders(&view, &mut log_hazard);
        assert!(log_hazard[0] == 0.0 && (log_hazard[1] - 0.3 * 0.54).abs() < 1e-6);
    }

    #[test]
    fn messages_burden_only_beyond_the_tolerance_and_only_where_delivered() {
        let module = with(&[]);
        let catalogue = testing::catalogue(&[("email", "email")], &[]);
        let people = people(4);
        let fatigue = [2.0, 7.0, 7.0, 1e9];
        let view = View { signals: Signals::only(Signal::Fatigue, &fatigue), ..View::bare(&people, &[]) };
        let mut columns = vec![vec![0.0; 4]; 3];
        let mut responses = testing::opened(4, false);
        responses.delivered[2] = false;
        module.advance(&view, &testing::sent(&catalogue, 0, 0, &[0, 1, 2, 3]), &responses, &mut columns);
        // iota F = 4 is borne; 14 costs .004 * 10; S ends at -1.
        assert_eq!((columns[0][0], columns[0][2], columns[0][3]), (0.0, 0.0, -1.0));
        assert!((columns[0][1] + 0.04).abs() < 1e-6);
        for _ in 0..138 {
            module.advance(&view, &Contacts::default(), &Responses::default(), &mut columns);
        }
        assert!((columns[0][3] + 0.5).abs() < 1e-4, "{}", columns[0][3]);
        let mut predictors = MessagePredictors::default();
        predictors.reset(1);
        let view = View::bare(&people, &columns);
        module.contribute_to_messages(&view, &testing::sent(&catalogue, 0, 0, &[3]), &mut predictors);
        assert!((predictors.open[0] + 0.15).abs() < 1e-4 && (predictors.opt_out[0] - 0.4).abs() < 1e-4);
        assert_eq!(predictors.complain, predictors.opt_out);
    }

    #[test]
    fn nobody_written_to_is_neutral_on_average() {
        // 50 consumers order on 400 days. Surprises sum to little more than one draw of quality each, so that the standard
        // error of the mean is below .01.
        let module = with(&[]);
        let people = people(50);
        let orders: Vec<Order> = (0..50).map(|row| Order { row, ..Order::default() }).collect();
        let mut columns = vec![vec![0.0; 50]; 3];
        let (mut sum, mut seen) = (0.0, 0.0);
        for tick in 0..400 {
            let view = View { tick, ..View::bare(&people, &[]) };
            module.advance(&view, &Contacts::default(), &Responses::default(), &mut columns);
            module.after_orders(&view, &orders, &mut columns);
            assert!(columns[0].iter().all(|value| (-1.0..=1.0).contains(value)));
            assert!(columns[1].iter().all(|value| (0.0..=1.0).contains(value)));
            sum += columns[0].iter().sum::<f32>();
            seen += 50.0;
        }
        assert!((sum / seen).abs() < 0.05, "{}", sum / seen);
    }
}
