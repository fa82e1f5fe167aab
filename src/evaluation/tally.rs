//! Sums of an estimator's terms by independent unit: all that values and intervals are made of.
//!
//! Units are kept apart up to [`EXACT_UNITS`]. Beyond that they are pooled into [`POOLED_GROUPS`] groups by a hash of the
//! unit: a unit falls whole into one group, so that groups are as independent as units, intervals stay valid, and memory
//! does not grow with the log. Sums of a unit are made in the order of the rounds by one thread, so that neither threads
//! nor the sizes of batches can change a bit.

mod ledger;

use super::estimator::{Estimator, Terms};
use super::evidence::{Evidence, Fit, MissingEvidence, Saved, expectation};
use ledger::Ledger;
use multiversion::multiversion;
use rayon::prelude::*;

/// Units are told apart up to this many.
pub const EXACT_UNITS: usize = 1 << 17;
/// Groups into which more units are pooled.
pub const POOLED_GROUPS: usize = 1 << 16;
/// Rounds that are worked on at once: their tables stay in cache while every estimator reads them.
const CHUNK_ROUNDS: usize = 1_024;

/// Columns of the ledger that are no estimator's.
const OWN: usize = 3;
/// Estimators that one task asks, at least.
const ESTIMATORS_AT_ONCE: usize = 8;
static ONCE: [f64; CHUNK_ROUNDS] = [1.0; CHUNK_ROUNDS];

/// Sums by unit, of every round and every estimator.
#[derive(Debug, Default)]
pub(super) struct Tally {
    slots: Slots,
    /// Rounds, rewards and weights, then each part of the terms of each estimator.
    ledger: Ledger,
    /// Its columns of the parts of each estimator; `None` of those that were empty so far.
    columns: Vec<[Option<usize>; 3]>,
    /// Of each unit, when the tally is closed: rounds.
    pub rounds: Vec<f64>,
    /// Sum of rewards.
    pub reward: Vec<f64>,
    /// Whether weights are taken against the mixture of all logging policies, where the evidence has it.
    pub by_mixture: bool,
    /// Sum of weights.
    pub weight: Vec<f64>,
    /// Sums of each estimator, in their order.
    pub sums: Vec<Sums>,
    terms: Vec<Terms>,
    slot_of_round: Vec<u32>,
    weights: Vec<f64>,
    mixed_weights: Vec<f64>,
    direct: [Vec<f64>; 3],
    logged: [Vec<f64>; 3],
}

/// By unit, the sums of the terms of one estimator; a part that it does not use stays empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sums {
    pub plain: Vec<f64>,
    pub numerator: Vec<f64>,
    pub denominator: Vec<f64>,
}

impl Tally {
    pub(super) fn new(estimators: usize) -> Self {
        Self {
            ledger: Ledger::new(OWN),
            columns: vec![[None; 3]; estimators],
            sums: vec![Sums::default(); estimators],
            terms: vec![Terms::default(); estimators],
            ..Self::default()
        }
    }

    /// Number of units, or of groups where units are pooled.
    pub(super) fn units(&self) -> usize {
        self.rounds.len()
    }

    /// Whether units are pooled.
    pub(super) fn is_pooled(&self) -> bool {
        self.slots.pooled
    }

    /// Adds a batch.
    pub(super) fn take(
        &mut self,
        evidence: &Evidence<'_>,
        units: &[u64],
        estimators: &[&dyn Estimator],
    ) -> Result<(), MissingEvidence> {
        for estimator in estimators {
            evidence.covers(estimator.needs())?;
        }
        let mut start = 0;
        while start < evidence.rounds() {
            let wanted = CHUNK_ROUNDS.min(evidence.rounds() - start);
            let done = self.slots.assign(&units[start..start + wanted], &mut self.slot_of_round);
            self.add(&evidence.part(start..start + done), estimators)?;
            if done < wanted {
                self.pool();
            }
            start += done;
        }
        Ok(())
    }

    /// Makes the sums, without groups into which nobody fell. No batch may follow.
    pub(super) fn close(&mut self) {
        let ledger = std::mem::take(&mut self.ledger);
        let met: Vec<bool> = ledger.column(0).map(|rounds| rounds > 0.0).collect();
        let column = |column: usize| -> Vec<f64> {
            ledger.column(column).zip(&met).filter(|(_, met)| **met).map(|(sum, _)| sum).collect()
        };
        self.rounds = column(0);
        self.reward = column(1);
        self.weight = column(2);
        for (sums, columns) in self.sums.iter_mut().zip(&self.columns) {
            let [plain, numerator, denominator] = columns.map(|own| own.map(column).unwrap_or_default());
            *sums = Sums { plain, numerator, denominator };
        }
    }

    fn add(&mut self, evidence: &Evidence<'_>, estimators: &[&dyn Estimator]) -> Result<(), MissingEvidence> {
        let Self { slots, ledger, columns, terms, slot_of_round, weights, direct, logged, by_mixture, mixed_weights, .. } = self;
        for fit in Fit::ALL {
            let needed = estimators.iter().any(|estimator| estimator.needs().models[fit as usize]);
            if let (true, Some(table)) = (needed, evidence.models[fit as usize]) {
                let (direct, logged) = (&mut direct[fit as usize], &mut logged[fit as usize]);
                direct.clear();
                direct.resize(evidence.rounds(), 0.0);
                expectations(table, evidence.target, evidence.action_count, direct);
                logged.clear();
                let rows = table.chunks_exact(evidence.action_count).zip(evidence.actions);
                logged.extend(rows.map(|(row, action)| row[*action as usize]));
            }
        }
        weights.clear();
        weights.extend((0..evidence.rounds()).map(|round| evidence.weight(round)));
        let weights = weights.as_slice();
        let saved = Saved {
            weights: Some(weights),
            direct: direct.each_ref().map(|values| (!values.is_empty()).then_some(values.as_slice())),
            logged: logged.each_ref().map(|values| (!values.is_empty()).then_some(values.as_slice())),
        };
        let evidence = Evidence { saved, ..*evidence };
        // What is said of weights is said of those that the judging estimate takes.
        let judging: &[f64] = match evidence.mixture {
            Some(_) if *by_mixture => {
                let mixed = evidence.by_mixture();
                mixed_weights.clear();
                mixed_weights.extend((0..mixed.rounds()).map(|round| mixed.weight(round)));
                mixed_weights
            }
            _ => weights,
        };
        terms.par_iter_mut().zip(estimators).with_min_len(ESTIMATORS_AT_ONCE).try_for_each(|(terms, estimator)| {
            terms.clear();
            estimator.terms(&evidence, terms)
        })?;
        let mut entries: Vec<&[f64]> = vec![&ONCE[..evidence.rounds()], evidence.rewards, judging];
        for (columns, terms) in columns.iter_mut().zip(&*terms) {
            for (column, part) in columns.iter_mut().zip([&terms.plain, &terms.numerator, &terms.denominator]) {
                if !part.is_empty() {
                    let column = *column.get_or_insert_with(|| ledger.open());
                    entries.resize(entries.len().max(column + 1), &[]);
                    entries[column] = part;
                }
            }
        }
        ledger.book(&entries, slot_of_round, slots.count());
        Ok(())
    }

    fn pool(&mut self) {
        let groups = self.slots.pool();
        self.ledger.merge(&groups, POOLED_GROUPS);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
fn expectations(values: &[f64], laws: &[f64], action_count: usize, expected: &mut [f64]) {
    let rows = values.chunks_exact(action_count).zip(laws.chunks_exact(action_count));
    for (expected, (values, law)) in expected.iter_mut().zip(rows) {
        *expected = expectation(values, law);
    }
}

/// Which slot a unit has.
#[derive(Debug, Default)]
struct Slots {
    /// Number of units met, while they are told apart.
    met: usize,
    /// Units by slot; empty while every unit is the number of its round.
    units: Vec<u64>,
    /// Slot + 1 of the unit that hashes here, or of one that had to go on from here; 0 where there is none.
    table: Vec<u32>,
    pooled: bool,
}

impl Slots {
    fn count(&self) -> usize {
        if self.pooled { POOLED_GROUPS } else { self.met }
    }

    /// Slots of the leading rounds, up to the first whose unit would be one too many: how many that are.
    fn assign(&mut self, units: &[u64], slots: &mut Vec<u32>) -> usize {
        slots.clear();
        if self.pooled {
            slots.extend(units.iter().map(|unit| group(*unit)));
            return units.len();
        }
        for unit in units {
            let slot = if self.table.is_empty() && *unit == self.met as u64 {
                (self.met < EXACT_UNITS).then(|| {
                    self.met += 1;
                    self.met as u32 - 1
                })
            } else {
                self.told_apart(*unit)
            };
            match slot {
                Some(slot) => slots.push(slot),
                None => break,
            }
        }
        slots.len()
    }

    fn told_apart(&mut self, unit: u64) -> Option<u32> {
        if self.table.is_empty() {
            self.table = vec![0; 2 * EXACT_UNITS];
            for unit in 0..self.met as u64 {
                let place = self.place(unit);
                self.units.push(unit);
                self.table[place] = self.units.len() as u32;
            }
        }
        let place = self.place(unit);
        if self.table[place] == 0 {
            if self.met == EXACT_UNITS {
                return None;
            }
            self.met += 1;
            self.units.push(unit);
            self.table[place] = self.met as u32;
        }
        Some(self.table[place] - 1)
    }

    /// Where the unit stands in the table, or would.
    fn place(&self, unit: u64) -> usize {
        let last = self.table.len() - 1;
        let mut place = (mixed(unit) >> 32) as usize & last;
        while self.table[place] != 0 && self.units[self.table[place] as usize - 1] != unit {
            place = (place + 1) & last;
        }
        place
    }

    /// From now on units are pooled; the groups of the slots so far.
    fn pool(&mut self) -> Vec<u32> {
        let groups = if self.table.is_empty() {
            (0..self.met as u64).map(group).collect()
        } else {
            self.units.iter().copied().map(group).collect()
        };
        *self = Self { pooled: true, ..Self::default() };
        groups
    }
}

fn group(unit: u64) -> u32 {
    mixed(unit) as u32 & (POOLED_GROUPS as u32 - 1)
}

/// Every bit of the unit in every bit of the hash (the finaliser of SplitMix64; Steele, Lea and Flood 2014).
fn mixed(unit: u64) -> u64 {
    let mut hash = unit.wrapping_add(0x9e37_79b9_7f4a_7c15);
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::estimator::testing::{Market, build};

    /// Of a log of `rounds` rounds with these units, in batches.
    fn tally(rounds: u32, unit: impl Fn(u64) -> u64, batch: usize) -> Tally {
        let log = Market::TWO_CONTEXTS.log(rounds, 1);
        let units: Vec<u64> = (0..u64::from(rounds)).map(unit).collect();
        let mut tally = Tally::new(2);
        for start in (0..units.len()).step_by(batch) {
            let part = start..(start + batch).min(units.len());
            let estimators = [&*build("dr"), &*build("snips")];
            tally.take(&log.evidence().part(part.clone()), &units[part], &estimators).unwrap();
        }
        tally.close();
        tally
    }

    #[test]
    fn rounds_that_are_units_equal_units_by_name() {
        let rows = tally(3_000, |round| round, 1_000);
        let named = tally(3_000, mixed, 1_000);
        assert_eq!((rows.units(), &rows.sums, &rows.weight), (3_000, &named.sums, &named.weight));
        // Rounds first, then a unit that was met.
        let mixed = tally(3_000, |round| round.min(2_000), 1_000);
        assert_eq!((mixed.units(), mixed.rounds[2_000]), (2_001, 1_000.0));
        assert_eq!(mixed.sums[0].plain[..2_000], rows.sums[0].plain[..2_000]);
    }

    #[test]
    fn units_meet_again() {
        let tally = tally(3_000, |round| round % 7 * 1_000_003, 512);
        assert_eq!(tally.rounds, [429.0, 429.0, 429.0, 429.0, 428.0, 428.0, 428.0]);
        assert_eq!((tally.sums[0].numerator.len(), tally.sums[1].plain.len()), (0, 0));
        assert!((tally.sums[1].denominator.iter().sum::<f64>() - tally.weight.iter().sum::<f64>()).abs() < 1e-9);
    }

    #[test]
    fn many_units_are_pooled_whole() {
        let count = EXACT_UNITS as u32 + 20_000;
        let few = tally(count, |round| round % EXACT_UNITS as u64, 50_000);
        let many = tally(count, |round| round, 50_000);
        assert!(!few.is_pooled() && many.is_pooled());
        assert_eq!(few.units(), EXACT_UNITS);
        // About 65,536 (1 - exp(-2.31)) groups are met: 59,000, by a standard deviation of about 100.
        assert!((many.units() as f64 - 59_000.0).abs() < 500.0, "{}", many.units());
        assert_eq!(many.rounds.iter().sum::<f64>(), f64::from(count));
        let total = |tally: &Tally| tally.sums[0].plain.iter().sum::<f64>();
        assert!((total(&many) / total(&few) - 1.0).abs() < 1e-12);
        // Neither the batches nor the way there matter: by name, the same units fall into the same groups.
        assert_eq!(tally(count, |round| round, 777).sums, many.sums);
    }
}
