//! Rewards that take time: steps of a shard wait until their window closes.

use super::Exchange;
use crate::protocol::{Observation, Transitions};
use crate::units::Money;
use std::mem::swap;

/// Steps of one shard whose windows are open: a ring whose slots keep their allocations.
#[derive(Debug)]
pub(super) struct Window {
    ring: Vec<Matured>,
    /// Slot of the oldest open step.
    oldest: usize,
    open: usize,
    /// Rows whose episode ended before the current tick.
    ended: Vec<bool>,
}

/// One tick of one shard with what it earned.
#[derive(Clone, Debug, Default)]
pub struct Matured {
    /// What was seen.
    pub observation: Observation,
    /// What was chosen, per row.
    pub actions: Vec<u16>,
    /// With which probability.
    pub propensities: Vec<f32>,
    /// Profit of the tick itself, per row.
    pub profits: Vec<Money>,
    /// Profit of the window so far, per row.
    pub window_profits: Vec<Money>,
    /// Rows whose episode had ended before this tick: nothing was decided for them.
    pub ended: Vec<bool>,
    /// Rows whose episode ended observably in this tick.
    pub terminated: Vec<bool>,
    /// The probabilities of all actions, where the recorder asked for them.
    pub probabilities: crate::matrix::Matrix,
    /// What only the simulator knows, where the recorder asked for it.
    pub truth: super::TickTruth,
    rewards: Vec<f32>,
    rows: Observation,
    row_actions: Vec<u16>,
    row_propensities: Vec<f32>,
    row_terminated: Vec<bool>,
}

impl Window {
    pub(super) fn new(ticks: u32) -> Self {
        Self { ring: vec![Matured::default(); ticks as usize], oldest: 0, open: 0, ended: Vec::new() }
    }

    /// Takes in a tick; its profit counts for every open window. The buffers change places with those of the oldest
    /// free slot, so that nothing is copied: what the exchange holds afterwards is old and to be overwritten.
    pub(super) fn push(&mut self, exchange: &mut Exchange, with_probabilities: bool) {
        let length = self.ring.len();
        debug_assert!(self.open < length, "a matured step is taken before the next tick");
        self.ended.resize(exchange.observation.rows(), false);
        let newest = (self.oldest + self.open) % length;
        self.ring[newest].open(exchange, &self.ended, with_probabilities);
        self.open += 1;
        let profits = std::mem::take(&mut self.ring[newest].profits);
        for offset in 0..self.open {
            let step = &mut self.ring[(self.oldest + offset) % length];
            for (total, &profit) in step.window_profits.iter_mut().zip(&profits) {
                *total += profit;
            }
        }
        self.ring[newest].profits = profits;
        for (ended, &terminated) in self.ended.iter_mut().zip(&self.ring[newest].terminated) {
            *ended |= terminated;
        }
    }

    /// Rows whose episode has ended.
    pub(super) fn ended(&self) -> &[bool] {
        &self.ended
    }

    /// Profits of the tick that was taken in last, per row.
    pub(super) fn newest_profits(&self) -> &[Money] {
        &self.ring[self.newest()].profits
    }

    fn newest(&self) -> usize {
        (self.oldest + self.open.saturating_sub(1)) % self.ring.len()
    }

    /// Gives the truth of the tick that was taken in last; what comes back is old and to be overwritten.
    pub(super) fn tell(&mut self, truth: &mut super::TickTruth) {
        let newest = self.newest();
        swap(&mut self.ring[newest].truth, truth);
    }

    /// The step whose window has just closed, if any.
    pub(super) fn matured(&mut self) -> Option<&mut Matured> {
        (self.open == self.ring.len()).then(|| self.take())
    }

    /// The next step that the horizon cut off, if any.
    pub(super) fn cut_off(&mut self) -> Option<&mut Matured> {
        (self.open > 0).then(|| self.take())
    }

    fn take(&mut self) -> &mut Matured {
        let slot = self.oldest;
        self.oldest = (self.oldest + 1) % self.ring.len();
        self.open -= 1;
        &mut self.ring[slot]
    }
}

impl Matured {
    fn open(&mut self, exchange: &mut Exchange, ended: &[bool], with_probabilities: bool) {
        swap(&mut self.observation, &mut exchange.observation);
        swap(&mut self.actions, &mut exchange.decision.actions);
        swap(&mut self.propensities, &mut exchange.decision.propensities);
        swap(&mut self.profits, &mut exchange.outcome.profits);
        swap(&mut self.terminated, &mut exchange.outcome.terminated);
        self.ended.clear();
        self.ended.extend_from_slice(ended);
        self.window_profits.clear();
        self.window_profits.resize(self.actions.len(), Money::ZERO);
        if with_probabilities {
            swap(&mut self.probabilities, &mut exchange.decision.probabilities);
        }
    }

    /// The rows to learn from: those whose episode had not ended. `None` where there are none.
    pub(super) fn transitions(&mut self) -> Option<Transitions<'_>> {
        if self.ended.contains(&true) {
            return self.live_transitions();
        }
        self.rewards.clear();
        self.rewards.extend(self.window_profits.iter().map(|profit| profit.amount() as f32));
        Some(Transitions {
            observation: &self.observation,
            actions: &self.actions,
            propensities: &self.propensities,
            rewards: &self.rewards,
            terminated: &self.terminated,
        })
    }

    /// The same by copy, without the rows that have ended.
    fn live_transitions(&mut self) -> Option<Transitions<'_>> {
        let live: Vec<usize> = (0..self.actions.len()).filter(|&row| !self.ended[row]).collect();
        self.rows.select(&self.observation, &live);
        self.rewards.clear();
        self.rewards.extend(live.iter().map(|&row| self.window_profits[row].amount() as f32));
        self.row_actions.clear();
        self.row_actions.extend(live.iter().map(|&row| self.actions[row]));
        self.row_propensities.clear();
        self.row_propensities.extend(live.iter().map(|&row| self.propensities[row]));
        self.row_terminated.clear();
        self.row_terminated.extend(live.iter().map(|&row| self.terminated[row]));
        (!live.is_empty()).then_some(Transitions {
            observation: &self.rows,
            actions: &self.row_actions,
            propensities: &self.row_propensities,
            rewards: &self.rewards,
            terminated: &self.row_terminated,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ActionBits;

    fn exchange(tick: u32, amounts: [f64; 2], terminated: [bool; 2]) -> Exchange {
        let mut exchange = Exchange::default();
        exchange.observation.tick = tick;
        exchange.observation.consumer_ids = vec![10, 11];
        exchange.observation.allowed = ActionBits::all(2, 3);
        exchange.decision.actions = vec![tick as u16, 0];
        exchange.decision.propensities = vec![0.5, 1.0];
        exchange.outcome.profits = amounts.map(Money::from_amount).to_vec();
        exchange.outcome.terminated = terminated.to_vec();
        exchange
    }

    #[test]
    fn a_window_of_three_ticks_sums_three_ticks_and_matures_when_it_closes() {
        let mut window = Window::new(3);
        let mut matured = Vec::new();
        for (tick, amount) in [1.0, 10.0, 100.0, 1000.0, 10_000.0].into_iter().enumerate() {
            window.push(&mut exchange(tick as u32, [amount, 2.0 * amount], [false; 2]), false);
            if let Some(step) = window.matured() {
                let tick = step.observation.tick;
                matured.push((tick, step.transitions().unwrap().rewards.to_vec()));
            }
        }
        assert_eq!(matured, [(0, vec![111.0, 222.0]), (1, vec![1110.0, 2220.0]), (2, vec![11_100.0, 22_200.0])]);
        assert_eq!(window.cut_off().map(|step| step.observation.tick), Some(3));
        assert_eq!(window.cut_off().map(|step| step.observation.tick), Some(4));
        assert!(window.cut_off().is_none());
    }

    #[test]
    fn rows_that_have_ended_are_not_learned_from() {
        let mut window = Window::new(1);
        window.push(&mut exchange(0, [1.0, 2.0], [true, false]), false);
        assert_eq!(window.matured().unwrap().transitions().unwrap().rewards, [1.0, 2.0]);
        window.push(&mut exchange(1, [3.0, 4.0], [false, true]), false);
        let step = window.matured().unwrap();
        let rows = step.transitions().unwrap();
        assert_eq!(
            (rows.rewards, rows.actions, rows.observation.consumer_ids.as_slice()),
            (&[4.0][..], &[0][..], &[11][..])
        );
        window.push(&mut exchange(2, [5.0, 6.0], [false, false]), false);
        assert!(window.matured().unwrap().transitions().is_none());
    }
}
