//! What oracles see: the state, and with hindsight the future.

use super::reduced::TRAITS;
use super::shard::CampaignShard;
use crate::protocol::{Decision, Latent, Outcome, Shard};

impl CampaignShard {
    /// Per row: whether a customer who may be written to, averaged over channels; whether a customer.
    pub(super) fn reach_at_start(&self) -> Vec<[f64; 2]> {
        let channels = self.model.catalogue.channels.len().max(1) as f64;
        (0..self.people.len())
            .map(|row| {
                let alive = f64::from(self.state.alive[row]);
                let may = !self.people.suppressed[row] && !self.people.minor[row];
                let open = (self.state.consent[row] & self.state.address[row]).count_ones();
                [if may { alive * f64::from(open) / channels } else { 0.0 }, alive]
            })
            .collect()
    }

    /// Expected rewards and latent values, named by [`super::Campaign::latent_names`].
    pub(super) fn reveal_state(&self, latent: &mut Latent) {
        self.expect(true, &mut latent.expected);
        let modules = &self.model.modules;
        let states = modules.iter().map(|module| module.state().len()).sum::<usize>();
        latent.values.reset(self.people.len(), TRAITS.len() + states);
        let traits = [&self.people.order_rate, &self.people.persuadability, &self.people.price_elasticity];
        let of_modules = modules.iter().enumerate().flat_map(|(index, module)| {
            module.state().iter().map(move |(column, _)| self.forces.column(index, *column))
        });
        for (column, values) in traits.into_iter().map(Vec::as_slice).chain(of_modules).enumerate() {
            for (row, value) in values.iter().enumerate() {
                latent.values.set(row, column, *value);
            }
        }
    }

    /// Which rule will have earned most from each consumer by the horizon: every rule is lived with the luck to come.
    /// Ties go to the first.
    pub(super) fn best_rules_in_hindsight(&self, rules: &[(u16, u32)]) -> Vec<u16> {
        let mut best = vec![(0, f64::NEG_INFINITY); self.people.len()];
        for (index, &(action, period)) in rules.iter().enumerate() {
            for (best, value) in best.iter_mut().zip(self.clone().live_rule(action, period)) {
                if value > best.1 {
                    *best = (index as u16, value);
                }
            }
        }
        best.into_iter().map(|(rule, _)| rule).collect()
    }

    /// Discounted profit and terminal value of every row under a calendar rule, from this tick to the horizon.
    fn live_rule(mut self, action: u16, period: u32) -> Vec<f64> {
        let (mut decision, mut outcome) = (Decision::default(), Outcome::default());
        let mut values = vec![0.0; self.people.len()];
        let mut weight = 1.0;
        while self.tick < self.model.spec.horizon as i32 {
            self.refresh_mask();
            decision.reset(values.len());
            if period > 0 && (self.tick as u32).is_multiple_of(period) {
                for (row, chosen) in decision.actions.iter_mut().enumerate() {
                    if self.scratch.mask.allows(row, usize::from(action)) {
                        *chosen = action;
                    }
                }
            }
            self.live(&decision, &mut outcome);
            for (value, profit) in values.iter_mut().zip(&outcome.profits) {
                *value += weight * profit.amount();
            }
            weight *= self.model.spec.discount;
        }
        let mut terminal = Vec::new();
        self.terminal_values(&mut terminal);
        for (value, terminal) in values.iter_mut().zip(terminal) {
            *value += weight * terminal;
        }
        values
    }
}
