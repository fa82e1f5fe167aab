//! What the tick lived last earns from each consumer in expectation, given all but the draws that decide about orders.
//!
//! Known are the hazard of an order of one's own accord, who clicked and with which chance a click becomes an order at once,
//! and whose pending order fell due. What is left to chance is averaged over: whether there is an order, and its basket. The
//! sum over the ticks of a run has the same expectation as the profit that is booked, and varies far less.
//!
//! Who did order buys the quantity that they bought, whatever other discount they might have had.

use super::super::forces::{Here, Moment};
use super::super::purchase::LOG_HAZARD_MAX;
use super::CampaignShard;
use crate::math::exp;
use crate::units::Money;

impl CampaignShard {
    pub(super) fn write_expected_profits(&self, profits: &mut Vec<Money>) {
        let scratch = &self.scratch;
        // The calendar has turned since.
        let tick = self.tick - 1;
        let here = Here { seed: self.seed, first: self.first, tick, weekend: self.model.clock.is_weekend(tick) };
        let (alive, visiting, prices) = (&scratch.alive, &scratch.visiting, &scratch.prices);
        let moment = Moment { here, people: &self.people, alive, visiting, prices };
        profits.clear();
        profits.resize(self.people.len(), Money::ZERO);
        for (&row, message) in scratch.contacts.rows.iter().zip(&scratch.contacts.messages) {
            profits[row as usize] += -message.cost;
        }
        let mut orders = scratch.orders.iter().peekable();
        let mut sessions = scratch.aftermath.session_chances.iter().peekable();
        let mut fallen_due = scratch.aftermath.fallen_due.iter().peekable();
        for (row, profit) in profits.iter_mut().enumerate() {
            let bought = orders.next_if(|order| order.row as usize == row).map(|order| order.quantity);
            let session = sessions.next_if(|session| session.row as usize == row);
            let was_due = fallen_due.next_if(|due| **due as usize == row).is_some();
            if alive[row] <= 0.0 {
                continue;
            }
            let sale = |discount: f32| {
                let quantity =
                    bought.unwrap_or_else(|| self.forces.quantity(&self.model.modules, &moment, row, discount));
                let basket = self.model.population.mean_basket(self.people.spend_rate[row]);
                f64::from(basket * quantity) * (self.model.margin - f64::from(discount))
            };
            let otherwise = if was_due || self.state.pending_tick[row] <= tick {
                sale(self.state.pending_discount[row])
            } else {
                let hazard = self.rates.order[row] * exp(scratch.log_hazard[row].min(LOG_HAZARD_MAX));
                f64::from(1.0 - exp(-hazard)) * sale(1.0 - prices[row])
            };
            let expected = session.map_or(otherwise, |session| {
                let chance = f64::from(session.chance);
                chance * sale(session.discount) + (1.0 - chance) * otherwise
            });
            *profit += Money::from_amount(expected);
        }
    }
}
