//! Logs whose rows have a time: the rows of a unit are one sequence, judged as a whole.
//!
//! Sequences are held in memory until the log has been read. Where they would take more than [`BYTES`] for a target, whole
//! units are sampled by a hash, so that about as many rows are kept as fit; the results say so.

use super::batch::Batch;
use super::file::{Evaluation, SequenceAsked};
use super::log::{Log, short, spread};
use crate::evaluation::IntervalKind;
use crate::evaluation::sequence::{
    Horizon, LawShape, Rows, SEQUENCE_ESTIMATORS, SequenceDiagnostics, SequenceEstimate, SequenceInterval, Shape,
    StateShape, Trajectories, TrajectoryBuilder, default_estimators, diagnose, diagnose_unweighted, estimate,
    unsupported_warning,
};
use crate::registry::{Values, find};
use crate::scenario::error::{Code, ScenarioError};
use crate::scenario::rows::RowPlace;
use serde::Serialize;

/// Bytes that the sequences of one target may take.
const BYTES: usize = 256 << 20;
/// Part of them that a sample is made for: the lengths of its units vary.
const FILLED: f64 = 0.9;
/// Keeps the sample apart from other uses of the hash of a unit.
const SAMPLE: u64 = 0x05a3_91e5;
/// Combinations of levels that are states of their own.
const STATES: usize = 4_096;
/// Actions up to which the target's whole law is kept.
const LAW: usize = 64;

/// What a target earns over a sequence.
#[derive(Clone, Debug, Serialize)]
pub struct SequenceAppraisal {
    /// The target.
    pub name: String,
    /// By estimator: the expected discounted return of a unit.
    pub estimates: Vec<NamedEstimate>,
    /// What the weights allow.
    pub diagnostics: SequenceDiagnostics,
}

/// One estimator.
#[derive(Clone, Debug, Serialize)]
pub struct NamedEstimate {
    /// Name that was asked for.
    pub estimator: String,
    /// Registry name of its kind.
    pub kind: &'static str,
    /// Its value.
    #[serde(flatten)]
    pub estimate: SequenceEstimate,
}

/// Gathers the sequences of one target.
#[derive(Debug)]
pub(super) struct Sequences {
    builder: TrajectoryBuilder,
    shape: Shape,
    /// Context columns that make a state, with their levels; or those that are features, with mean and deviation.
    levels: Vec<(usize, usize)>,
    features: Vec<(usize, f64, f64)>,
    sample: Option<Sample>,
    places: Places,
    fault: Option<String>,
}

/// Where gathered rows stand in the files of the log.
#[derive(Debug, Default)]
struct Places {
    /// Names of the files.
    files: Vec<String>,
    batches: Vec<Placed>,
    /// Of each row in a sample, its round in its batch (`FILLED` leaves room); empty where all are kept.
    rounds: Vec<u16>,
    gathered: usize,
}

/// A batch of which rows were gathered.
#[derive(Debug)]
struct Placed {
    /// Rows gathered before.
    before: usize,
    file: usize,
    /// Of its first round; without the line where rows are not a line each.
    first: RowPlace,
}

impl Places {
    /// Takes some rounds of a batch, or all.
    fn take(&mut self, batch: &Batch, kept: Option<&[usize]>) {
        let count = kept.map_or(batch.count(), <[usize]>::len);
        if count == 0 {
            return;
        }
        let mut first = batch.place(0);
        let follows = |round: usize| batch.place(round).line == first.line.map(|line| line + round as u64);
        let is_line_each = (0..batch.count()).all(follows);
        first.line = first.line.filter(|_| is_line_each);
        self.batches.push(Placed { before: self.gathered, file: batch.file, first });
        // A batch has `log::ROWS` rounds at most.
        self.rounds.extend(kept.unwrap_or_default().iter().map(|round| *round as u16));
        self.gathered += count;
    }

    /// Of a gathered row, from 0.
    fn of(&self, row: usize) -> String {
        let later = self.batches.partition_point(|batch| batch.before <= row);
        let Some(batch) = self.batches[..later].last() else { return format!("row {} of the log", row + 1) };
        let round = self.rounds.get(row).map_or(row - batch.before, |round| usize::from(*round));
        let Placed { file, first, .. } = batch;
        let place = RowPlace { row: first.row + round, line: first.line.map(|line| line + round as u64) };
        format!("{place} of {}", self.files[*file])
    }
}

/// Units whose sequences are kept, where not all fit.
#[derive(Clone, Copy, Debug)]
struct Sample {
    share: f64,
    /// Greatest hash that is kept.
    last: u64,
    /// Rows of the log.
    rows: u64,
    bytes_per_row: usize,
}

impl Sample {
    fn new(shape: &Shape, rows: u64) -> Option<Self> {
        // Vectors double when they grow.
        let bytes_per_row = 2 * shape.bytes_per_row();
        let share = FILLED * (BYTES / bytes_per_row) as f64 / rows as f64;
        (share < FILLED).then_some(Self { share, last: (share * u64::MAX as f64) as u64, rows, bytes_per_row })
    }

    fn holds(&self, unit: u64) -> bool {
        spread(unit ^ SAMPLE) <= self.last
    }

    fn warning(&self, units: usize) -> String {
        format!(
            "sequences are those of {units} units, {:.2} % of all by a hash of the unit: {} rows would take {} MB for a \
             target, and {} MB are granted",
            100.0 * self.share,
            self.rows,
            (self.rows as f64 * self.bytes_per_row as f64 / f64::from(1 << 20)).ceil(),
            BYTES >> 20
        )
    }
}

impl Sequences {
    /// Where the file names the time and the unit of a row.
    pub(super) fn new(evaluation: &Evaluation, log: &Log) -> Option<Self> {
        if !evaluation.log.is_given("time") || log.layout.unit.is_none() {
            return None;
        }
        let columns = &log.shape.columns;
        let features: Vec<(usize, f64, f64)> = columns
            .iter()
            .enumerate()
            .filter_map(|(column, about)| about.number.map(|(mean, deviation)| (column, mean, deviation)))
            .collect();
        let states = columns.iter().fold(1_usize, |states, column| states.saturating_mul(column.levels));
        let is_discrete = (1..=STATES).contains(&states) && !columns.is_empty();
        let state = match (is_discrete, features.len()) {
            (true, _) => StateShape::Discrete(states),
            (false, 0) => StateShape::Hidden,
            (false, count) => StateShape::Features(count),
        };
        let law = if log.shape.action_count <= LAW { LawShape::Every } else { LawShape::Logged };
        let discount = evaluation.log.number("discount");
        let horizon = if evaluation.log.text("horizon") == "endless" { Horizon::Endless } else { Horizon::Logged };
        let shape = Shape { action_count: log.shape.action_count, law, state, discount, horizon };
        Some(Self {
            builder: TrajectoryBuilder::new(shape, BYTES).ok()?,
            shape,
            levels: columns.iter().enumerate().map(|(column, about)| (column, about.levels)).collect(),
            features,
            sample: Sample::new(&shape, log.shape.rounds),
            places: Places { files: log.paths.iter().map(|path| short(path)).collect(), ..Places::default() },
            fault: None,
        })
    }

    /// Takes a batch; after a fault nothing more.
    pub(super) fn take(&mut self, batch: &Batch, law: &[f64], propensities: &[f64]) {
        if self.fault.is_some() {
            return;
        }
        if let Some(sample) = self.sample {
            let kept: Vec<usize> = (0..batch.count()).filter(|round| sample.holds(batch.units[*round])).collect();
            self.places.take(batch, Some(&kept));
            let actions = self.shape.action_count;
            let laws: Vec<f64> = kept.iter().flat_map(|round| &law[round * actions..][..actions]).copied().collect();
            let propensities: Vec<f64> = kept.iter().map(|round| propensities[*round]).collect();
            self.push(&batch.pick(&kept), &laws, &propensities);
        } else {
            self.places.take(batch, None);
            self.push(batch, law, propensities);
        }
    }

    fn push(&mut self, batch: &Batch, law: &[f64], propensities: &[f64]) {
        let rounds = 0..batch.count();
        let is_step = |time: &f64| *time >= 0.0 && time.fract() == 0.0 && *time < 4e9;
        if let Some(round) = batch.times.iter().position(|time| !is_step(time)) {
            let (file, place) = (&self.places.files[batch.file], batch.place(round));
            self.fault = Some(format!("{file}, {place}: the time is no whole number of steps, from 0"));
            return;
        }
        let ticks: Vec<u32> = batch.times.iter().map(|time| *time as u32).collect();
        let actions = self.shape.action_count;
        let target: Vec<f64> = match self.shape.law {
            // Single precision and rounded files sum to nearly 1; sequences multiply such rounding up.
            LawShape::Every => law
                .chunks(actions)
                .flat_map(|row| {
                    let sum: f64 = row.iter().sum();
                    row.iter().map(move |probability| probability / sum)
                })
                .collect(),
            LawShape::Logged => {
                rounds.clone().map(|round| law[round * actions + batch.actions[round] as usize]).collect()
            }
        };
        let states: Vec<u32> = match self.shape.state {
            StateShape::Discrete(_) => {
                let state = |round: usize| {
                    self.levels
                        .iter()
                        .fold(0, |state, (column, levels)| state * *levels as u32 + batch.levels[*column][round])
                };
                rounds.clone().map(state).collect()
            }
            _ => Vec::new(),
        };
        let features: Vec<f32> = match self.shape.state {
            StateShape::Features(_) => {
                let feature = |round: usize| {
                    self.features.iter().map(move |(column, mean, deviation)| {
                        let centred = batch.numbers[*column][round] - mean;
                        (if *deviation > 0.0 { centred / deviation } else { 0.0 }) as f32
                    })
                };
                rounds.flat_map(feature).collect()
            }
            _ => Vec::new(),
        };
        let rows = Rows {
            units: &batch.units,
            ticks: &ticks,
            actions: &batch.actions,
            rewards: &batch.rewards,
            propensities,
            target: &target,
            states: &states,
            features: &features,
            terminated: &batch.terminated,
        };
        let places = &self.places;
        self.fault = self.builder.push(&rows).err().map(|fault| fault.told(&|row: usize| places.of(row)));
    }

    /// Judges the target by the estimators that fit the log. `borrowed` is the share of what the target does that the policy
    /// of the row could not do, and another that logged could: weights by each row's own policy leave that out, step after
    /// step, so that only estimators without weights are taken then.
    pub(super) fn finish(
        self,
        name: &str,
        evaluation: &Evaluation,
        coupled: &[String],
        borrowed: f64,
    ) -> Result<SequenceAppraisal, ScenarioError> {
        let wrong = |message: String| ScenarioError {
            message: format!("log.time: the rows are no sequences that can be judged: {message}"),
            place: evaluation.log.place("time"),
            help: Some("time counts steps of a unit without a gap; leave it out to judge single decisions".to_owned()),
            code: Code::BadTable,
        };
        if let Some(fault) = self.fault {
            return Err(wrong(fault));
        }
        let places = &self.places;
        let log = self.builder.finish().map_err(|fault| wrong(fault.told(&|row: usize| places.of(row))))?;
        let mut diagnostics = if borrowed > 0.0 { diagnose_unweighted(&log, coupled) } else { diagnose(&log, coupled) };
        diagnostics.warnings.extend(self.sample.map(|sample| sample.warning(log.len())));
        let interval = match evaluation.interval {
            IntervalKind::Percentile | IntervalKind::Bca | IntervalKind::Poisson => {
                SequenceInterval::Bootstrap { resamples: evaluation.resamples }
            }
            _ => SequenceInterval::Student,
        };
        let (mut estimates, mut left_out) = (Vec::new(), Vec::new());
        for asked in asked(evaluation, &log) {
            let estimator = asked.estimator().map_err(|refusal| wrong(refusal.message))?;
            if borrowed > 0.0 && estimator.weighs() {
                if !evaluation.sequence_estimators.is_empty() {
                    return Err(uncovered(&asked, name, borrowed));
                }
                left_out.push(asked.name);
                continue;
            }
            match estimate(estimator.as_ref(), &log, interval, evaluation.confidence, evaluation.seed) {
                Ok(found) => {
                    diagnostics.warnings.extend(unsupported_warning(&asked.name, found.unsupported_target_mass));
                    // One ratio per state: for programs that ask the library.
                    let estimate = SequenceEstimate { ratios: Vec::new(), ..found };
                    estimates.push(NamedEstimate { estimator: asked.name, kind: asked.entry.name, estimate });
                }
                Err(failure) if failure.is_of_question() && !evaluation.sequence_estimators.is_empty() => {
                    return Err(ScenarioError {
                        message: format!("estimator {:?} cannot judge target {name:?}: {failure}", asked.name),
                        place: asked.values.place(""),
                        help: Some("change log.context, log.horizon or log.discount, or leave it out".to_owned()),
                        code: Code::Refused,
                    });
                }
                Err(failure) => diagnostics.warnings.push(format!("{}: {failure}", asked.name)),
            }
        }
        if !left_out.is_empty() {
            diagnostics.warnings.push(format!(
                "left out: {}. They weigh by the policy that logged the row, and {:.2} % of what the target does was \
                 impossible for it, and possible for another",
                left_out.join(", "),
                100.0 * borrowed
            ));
        }
        Ok(SequenceAppraisal { name: name.to_owned(), estimates, diagnostics })
    }
}

/// An estimator that the file names weighs by policies that could not do what the target does.
fn uncovered(asked: &SequenceAsked, target: &str, borrowed: f64) -> ScenarioError {
    ScenarioError {
        message: format!(
            "estimator {:?} cannot judge target {target:?}: it weighs by the policy that logged the row, and {:.2} % of what \
             the target does was impossible for it",
            asked.name,
            100.0 * borrowed
        ),
        place: asked.values.place(""),
        help: Some("take `fqe`, or another target, or leave out the rows of the policy that could not".to_owned()),
        code: Code::Refused,
    }
}

/// Those that the file names, else those that fit the log.
fn asked(evaluation: &Evaluation, log: &Trajectories) -> Vec<SequenceAsked> {
    if !evaluation.sequence_estimators.is_empty() {
        return evaluation.sequence_estimators.clone();
    }
    let entries = default_estimators(log).into_iter().filter_map(|kind| find(SEQUENCE_ESTIMATORS, kind));
    entries
        .map(|entry| SequenceAsked { name: entry.name.to_owned(), entry, values: Values::defaults(entry.parameters) })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_called_by_file_and_line() {
        let placed = |before, file, row, line| Placed { before, file, first: RowPlace { row, line } };
        let files = vec!["a.csv".to_owned(), "b.parquet".to_owned()];
        let batches = vec![placed(0, 0, 1, Some(2)), placed(3, 0, 4, None), placed(5, 1, 1, None)];
        let mut places = Places { files, batches, rounds: Vec::new(), gathered: 7 };
        let all = [0, 2, 3, 6].map(|row| places.of(row));
        assert_eq!(all, ["row 1 (line 2) of a.csv", "row 3 (line 4) of a.csv", "row 4 of a.csv", "row 2 of b.parquet"]);
        // A sample of rows.
        places.rounds = vec![1, 4, 8, 0, 7, 2, 90];
        let sampled = [1, 4, 6].map(|row| places.of(row));
        assert_eq!(sampled, ["row 5 (line 6) of a.csv", "row 11 of a.csv", "row 91 of b.parquet"]);
    }

    #[test]
    fn a_sample_is_of_whole_units_and_fills_what_is_granted() {
        let shape = Shape {
            action_count: 24,
            law: LawShape::Every,
            state: StateShape::Discrete(48),
            discount: 1.0,
            horizon: Horizon::Logged,
        };
        let granted = BYTES / (2 * shape.bytes_per_row());
        assert!(Sample::new(&shape, granted as u64).is_none());
        let sample = Sample::new(&shape, 100_000_000).unwrap();
        let kept = (0..1_000_000_u64).filter(|unit| sample.holds(spread(*unit))).count();
        // A standard deviation of 50.
        let expected = FILLED * granted as f64 / 100.0;
        assert!((kept as f64 - expected).abs() < 250.0, "{kept} and {expected}");
        assert!(sample.warning(7).contains("7 units, 0.28 % of all"), "{}", sample.warning(7));
    }
}
