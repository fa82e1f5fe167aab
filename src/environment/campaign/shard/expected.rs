//! What the tick lived last earns from each consumer in expectation, given all but the draws that decide about orders.
//!
//! Known are the hazard of an order of one's own accord, who clicked and with which chance a click becomes an order at once,
//! and whose pending order fell due. What is left to chance is averaged over: whether there is an order, and its basket. The
//! sum over the ticks of a run has the same expectation as the profit that is booked, and varies far less.

use super::super::forces::Here;
use super::super::purchase::LOG_HAZARD_MAX;
use super::CampaignShard;
use crate::math::exp;
use crate::units::Money;

impl CampaignShard {
    /// False before the first tick.
    pub(super) fn write_expected_profits(&self, profits: &mut Vec<Money>) -> bool {
        let scratch = &self.scratch;
        if scratch.alive.len() != self.people.len() {
            return false;
        }
        // The calendar has turned since.
        let tick = self.tick - 1;
        let mut moment = self.moment_of(&scratch.visiting, &scratch.prices);
        moment.here = Here { tick, weekend: self.model.clock.is_weekend(tick), ..moment.here };
        moment.alive = &scratch.alive;
        profits.clear();
        profits.resize(self.people.len(), Money::ZERO);
        for (&row, message) in scratch.contacts.rows.iter().zip(&scratch.contacts.messages) {
            profits[row as usize] += -message.cost;
        }
        let mut sessions = scratch.aftermath.session_chances.iter().peekable();
        let mut fallen_due = scratch.aftermath.fallen_due.iter().peekable();
        for (row, profit) in profits.iter_mut().enumerate() {
            let session = sessions.next_if(|session| session.row as usize == row);
            let was_due = fallen_due.next_if(|due| **due as usize == row).is_some();
            if scratch.alive[row] <= 0.0 {
                continue;
            }
            let earned = |discount: f32| {
                let quantity = self.forces.quantity(&self.model.modules, &moment, row, discount);
                let basket = self.model.population.mean_basket(self.people.spend_rate[row]);
                f64::from(basket * quantity) * (self.model.margin - f64::from(discount))
            };
            // An order in the session leaves a pending one that is due where it is.
            let otherwise = if was_due || self.state.pending_tick[row] <= tick {
                earned(self.state.pending_discount[row])
            } else {
                let hazard = self.rates.order[row] * exp(scratch.log_hazard[row].min(LOG_HAZARD_MAX));
                f64::from(1.0 - exp(-hazard)) * earned(1.0 - scratch.prices[row])
            };
            let expected = session.map_or(otherwise, |session| {
                let chance = f64::from(session.chance);
                chance * earned(session.discount) + (1.0 - chance) * otherwise
            });
            *profit += Money::from_amount(expected);
        }
        true
    }
}
