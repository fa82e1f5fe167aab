//! The checked tables of a finite process.

use crate::protocol::{Kpi, Tally};
use crate::registry::{NumericTable, Refusal, Values};
use crate::units::Money;
use std::ops::Range;

/// Most states: a policy's chain is solved as a dense system.
pub(super) const MOST_STATES: usize = 1_000;
/// Most actions.
pub(super) const MOST_ACTIONS: usize = 4_096;

/// How far the probabilities of a state and action may sum from 1 (they are then divided by their sum).
const SUM_TOLERANCE: f64 = 1e-6;
const REQUIRED: [&str; 5] = ["state", "action", "next_state", "probability", "reward"];

/// One way that a tick can end.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Transition {
    /// Probability.
    pub probability: f64,
    /// Probability of this or an earlier one of the same state and action; 1 for the last.
    pub bound: f64,
    /// Where it leads.
    pub next: u16,
    /// What it earns, in currency.
    pub reward: f64,
    /// The same in micro-units.
    pub profit: Money,
    /// What it counts, profit and message included.
    pub tally: Tally,
}

/// States, actions and what follows from them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Process {
    states: usize,
    actions: usize,
    transitions: Vec<Transition>,
    /// Of each `state * actions + action`; empty where not allowed.
    ranges: Vec<Range<usize>>,
    expected_rewards: Vec<f64>,
    terminal: Vec<bool>,
    counted: Vec<Kpi>,
}

impl Process {
    /// Reads `transitions`; `states` and `actions` are checked already.
    pub fn new(market: &Values) -> Result<Self, Vec<Refusal>> {
        let (states, actions) = (market.texts("states"), market.texts("actions"));
        let empty = NumericTable::default();
        let table = market.csv("transitions").unwrap_or(&empty);
        let refuse = |message: String, help: &str| Refusal::new(market, "transitions", message, help);
        let columns = Columns::find(table).map_err(|(message, help)| vec![refuse(message, &help)])?;
        let mut faults = Vec::new();
        let mut cells: Vec<Vec<Transition>> = vec![Vec::new(); states.len() * actions.len()];
        for (index, row) in table.rows.iter().enumerate() {
            match columns.read(row, states.len(), actions.len()) {
                Ok((cell, transition)) => cells[cell].push(transition),
                Err((message, help)) => faults.push(refuse(format!("row {}: {message}", index + 1), &help)),
            }
        }
        for (cell, transitions) in cells.iter_mut().enumerate() {
            let (state, action) = (&states[cell / actions.len()], &actions[cell % actions.len()]);
            if transitions.is_empty() && cell % actions.len() == 0 {
                faults.push(refuse(
                    format!("state {state:?} has no rows for action {action:?}"),
                    "the first action, no contact, is allowed in every state",
                ));
            } else if !transitions.is_empty()
                && let Err(sum) = order(transitions)
            {
                faults.push(refuse(
                    format!("the probabilities of state {state:?} and action {action:?} sum to {sum}, not to 1"),
                    "complete or correct their rows",
                ));
            }
        }
        if faults.is_empty() {
            Ok(Self::assemble(states.len(), actions.len(), cells, columns.counted()))
        } else {
            Err(faults)
        }
    }

    fn assemble(states: usize, actions: usize, cells: Vec<Vec<Transition>>, mut counted: Vec<Kpi>) -> Self {
        let mut transitions = Vec::new();
        let mut ranges = Vec::with_capacity(cells.len());
        for cell in cells {
            let first = transitions.len();
            transitions.extend(cell);
            ranges.push(first..transitions.len());
        }
        let expected = |range: &Range<usize>| {
            transitions[range.clone()].iter().map(|one: &Transition| one.probability * one.reward).sum()
        };
        let expected_rewards = ranges.iter().map(expected).collect();
        let terminal = (0..states)
            .map(|state| {
                let own = ranges[state * actions].start..ranges[(state + 1) * actions - 1].end;
                transitions[own].iter().all(|one| usize::from(one.next) == state && one.reward == 0.0)
            })
            .collect();
        counted.extend([Kpi::Messages, Kpi::Profit]);
        Self { states, actions, transitions, ranges, expected_rewards, terminal, counted }
    }

    /// Number of states.
    pub fn states(&self) -> usize {
        self.states
    }

    /// Number of actions.
    pub fn actions(&self) -> usize {
        self.actions
    }

    /// Whether the action is allowed in the state.
    #[inline]
    pub fn allows(&self, state: usize, action: usize) -> bool {
        action < self.actions && !self.ranges[state * self.actions + action].is_empty()
    }

    /// What may follow, in the order in which a uniform chooses.
    #[inline]
    pub fn transitions(&self, state: usize, action: usize) -> &[Transition] {
        &self.transitions[self.ranges[state * self.actions + action].clone()]
    }

    /// Expected immediate reward; 0 where the action is not allowed.
    #[inline]
    pub fn expected_reward(&self, state: usize, action: usize) -> f64 {
        self.expected_rewards[state * self.actions + action]
    }

    /// Whether nothing happens any more, whatever is done: the end of a consumer's process.
    #[inline]
    pub fn is_terminal(&self, state: usize) -> bool {
        self.terminal[state]
    }

    /// Whether the table counts this key figure.
    pub fn counts(&self, kpi: Kpi) -> bool {
        self.counted.contains(&kpi)
    }

    /// The greatest absolute reward.
    pub fn greatest_reward(&self) -> f64 {
        self.transitions.iter().map(|one| one.reward.abs()).fold(0.0, f64::max)
    }
}

/// Sorts the outcomes of one state and action as documented, and sets probabilities and bounds; the sum where it is not 1.
fn order(transitions: &mut [Transition]) -> Result<(), f64> {
    let sum: f64 = transitions.iter().map(|one| one.probability).sum();
    if (sum - 1.0).abs() > SUM_TOLERANCE {
        return Err(sum);
    }
    transitions.sort_by(|one, other| other.reward.total_cmp(&one.reward).then(one.next.cmp(&other.next)));
    let mut bound = 0.0;
    for one in transitions.iter_mut() {
        one.probability /= sum;
        bound += one.probability;
        one.bound = bound;
    }
    // A uniform beyond the rounded sum belongs to the last outcome that can happen.
    let last = transitions.iter().rposition(|one| one.probability > 0.0).unwrap_or(0);
    for one in &mut transitions[last..] {
        one.bound = 1.0;
    }
    Ok(())
}

/// Where the table holds what.
struct Columns {
    required: [usize; 5],
    extra: Vec<(usize, Kpi)>,
}

/// What is wrong, and the way out.
type Fault = (String, String);

impl Columns {
    fn find(table: &NumericTable) -> Result<Self, Fault> {
        let mut required = [0; 5];
        for (place, name) in required.iter_mut().zip(REQUIRED) {
            *place = table.header.iter().position(|column| column == name).ok_or_else(|| {
                let found = table.header.join(", ");
                (format!("the table has no column `{name}`"), format!("it has {found}"))
            })?;
        }
        let mut extra = Vec::new();
        for (place, name) in table.header.iter().enumerate() {
            if required.contains(&place) {
                continue;
            }
            // Profit is the reward, messages follow from the action, violations from the mask.
            let own = [Kpi::Profit, Kpi::Messages, Kpi::Violations];
            let kpi = Kpi::ALL.into_iter().find(|kpi| kpi.name() == name && !own.contains(kpi));
            let kpi = kpi.ok_or_else(|| {
                (
                    format!("the table has a column `{name}` that means nothing here"),
                    format!("use {} and names of key figures such as orders, opt_outs, cost", REQUIRED.join(", ")),
                )
            })?;
            extra.push((place, kpi));
        }
        Ok(Self { required, extra })
    }

    fn counted(&self) -> Vec<Kpi> {
        self.extra.iter().map(|(_, kpi)| *kpi).collect()
    }

    /// The cell `state * actions + action` of a row, and its outcome.
    fn read(&self, row: &[f64], states: usize, actions: usize) -> Result<(usize, Transition), Fault> {
        let number = |place: usize| row.get(place).copied().unwrap_or(f64::NAN);
        let [state, action, next, probability, reward] = self.required.map(number);
        let index = |value: f64, count: usize, name: &str| {
            if value >= 0.0 && value < count as f64 && value == value.floor() {
                Ok(value as usize)
            } else {
                Err((format!("{name} is {value}"), format!("indices go from 0 to {}", count - 1)))
            }
        };
        let (state, action) = (index(state, states, "state")?, index(action, actions, "action")?);
        let next = index(next, states, "next_state")?;
        if !(0.0..=1.0).contains(&probability) {
            return Err((format!("probability is {probability}"), "it is a number from 0 to 1".into()));
        }
        if !reward.is_finite() || reward.abs() > 1e9 {
            return Err((format!("reward is {reward}"), "it is a number from -1e9 to 1e9".into()));
        }
        let profit = Money::from_amount(reward);
        let mut tally = Tally::default();
        tally.add_money(Kpi::Profit, profit);
        tally.add(Kpi::Messages, i64::from(action > 0));
        for &(place, kpi) in &self.extra {
            let value = number(place);
            if !value.is_finite() || value.abs() > 1e9 || (!kpi.is_money() && value != value.floor()) {
                return Err((format!("{} is {value}", kpi.name()), "counts are whole numbers, money is finite".into()));
            }
            if kpi.is_money() {
                tally.add_money(kpi, Money::from_amount(value));
            } else {
                tally.add(kpi, value as i64);
            }
        }
        Ok((state * actions + action, Transition { probability, bound: 0.0, next: next as u16, reward, profit, tally }))
    }
}
