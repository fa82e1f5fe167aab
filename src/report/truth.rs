//! The simulator's truth beside a decision log: row i of the one is row i of the other.
//!
//! It lies in a folder of its own, so that whoever reads all logs of a run (`log/*.parquet`) never reads the truth.

use super::decisions::{DecisionLog, GROUP_ROWS, LogHeader, column, metadata, number, text, write, write_levels};
use crate::episode::{DecisionSink, Matured};
use crate::evaluation::Log;
use crate::protocol::Spec;
use parquet::basic::{Compression, ConvertedType, Encoding, Repetition, Type as PhysicalType, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, FloatType};
use parquet::errors::Result as ParquetResult;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnPath, Type, TypePtr};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Expected rewards that are held before a row group is written: with many actions, groups have fewer rows.
const GROUP_VALUES: usize = 1 << 22;

/// A truth file that is being written; it appears under its name when it is complete.
///
/// `expected_rewards` is the expected profit of the tick for every action, masked or not, where it is closed form, else
/// null; `eventual_reward` the profit of the tick and of the order that this decision set pending, whenever that falls
/// due; `twin_reward` the profit of the same tick where nobody is contacted, with the same luck; `effect` the reward less
/// that of the twin; `effect_so_far` the sum of the effects since tick 0.
pub struct TruthLog {
    writer: SerializedFileWriter<File>,
    path: PathBuf,
    draft: PathBuf,
    columns: Columns,
    policy: String,
    replication: u32,
    failure: Option<io::Error>,
}

#[derive(Default)]
struct Columns {
    rows: usize,
    decision_ids: Vec<ByteArray>,
    expected: Vec<f32>,
    /// Per expected reward, or per row without: whether it is there, and whether it goes on with the list before it.
    expected_there: Vec<i16>,
    expected_goes_on: Vec<i16>,
    eventual: Vec<f32>,
    twin: Vec<f32>,
    effects: Vec<f32>,
    effects_so_far: Vec<f32>,
}

impl TruthLog {
    /// Opens a truth file.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn create(path: &Path, spec: &Spec, header: &LogHeader<'_>) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let draft = path.with_extension("parquet.draft");
        let writer = SerializedFileWriter::new(File::create(&draft)?, schema()?, Arc::new(properties(spec, header)))?;
        Ok(Self {
            writer,
            path: path.to_owned(),
            draft,
            columns: Columns::default(),
            policy: header.policy.to_owned(),
            replication: header.replication,
            failure: None,
        })
    }

    fn flush(&mut self) -> ParquetResult<()> {
        let columns = &mut self.columns;
        if columns.rows == 0 {
            return Ok(());
        }
        let mut group = self.writer.next_row_group()?;
        write::<ByteArrayType>(&mut group, &columns.decision_ids)?;
        let levels = (Some(columns.expected_there.as_slice()), Some(columns.expected_goes_on.as_slice()));
        write_levels::<FloatType>(&mut group, &columns.expected, levels.0, levels.1)?;
        for values in [&columns.eventual, &columns.twin, &columns.effects, &columns.effects_so_far] {
            write::<FloatType>(&mut group, values)?;
        }
        group.close()?;
        columns.clear();
        Ok(())
    }
}

impl Columns {
    fn push(&mut self, id: String, step: &Matured, row: usize) {
        let truth = &step.truth;
        self.decision_ids.push(id.into_bytes().into());
        let actions = if truth.expected_rewards.rows() > row { truth.expected_rewards.columns() } else { 0 };
        for action in 0..actions {
            self.expected.push(truth.expected_rewards.get(row, action));
            self.expected_there.push(2);
            self.expected_goes_on.push(i16::from(action > 0));
        }
        if actions == 0 {
            self.expected_there.push(0);
            self.expected_goes_on.push(0);
        }
        self.eventual.push(truth.eventual_profits[row].amount() as f32);
        self.twin.push(truth.twin_profits[row].amount() as f32);
        self.effects.push((step.profits[row] - truth.twin_profits[row]).amount() as f32);
        self.effects_so_far.push(truth.effects_so_far[row].amount() as f32);
        self.rows += 1;
    }

    fn is_full(&self) -> bool {
        self.rows >= GROUP_ROWS || self.expected.len() >= GROUP_VALUES
    }

    fn clear(&mut self) {
        self.rows = 0;
        self.decision_ids.clear();
        self.expected_there.clear();
        self.expected_goes_on.clear();
        for values in [&mut self.expected, &mut self.eventual, &mut self.twin, &mut self.effects] {
            values.clear();
        }
        self.effects_so_far.clear();
    }
}

impl DecisionSink for TruthLog {
    fn wants_truth(&self) -> bool {
        true
    }

    fn take(&mut self, step: &Matured, _closed: bool) {
        let tick = step.observation.tick;
        for row in (0..step.actions.len()).filter(|&row| !step.ended[row]) {
            let consumer = step.observation.consumer_ids[row];
            let id = format!("{}-{}-{consumer}-{tick}", self.policy, self.replication);
            self.columns.push(id, step, row);
            if self.columns.is_full() {
                if self.failure.is_none() {
                    // The first failure is told at the end.
                    self.failure = self.flush().err().map(io::Error::from);
                }
                self.columns.clear();
            }
        }
    }
}

impl Log for TruthLog {
    fn finish(mut self: Box<Self>) -> io::Result<()> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        self.flush()?;
        let Self { writer, draft, path, .. } = *self;
        writer.into_inner()?.sync_all()?;
        fs::rename(draft, path)
    }
}

fn schema() -> ParquetResult<TypePtr> {
    let list =
        Type::group_type_builder("list").with_repetition(Repetition::REPEATED).with_fields(vec![number("element")?]);
    let expected = Type::group_type_builder("expected_rewards")
        .with_repetition(Repetition::OPTIONAL)
        .with_converted_type(ConvertedType::LIST)
        .with_fields(vec![Arc::new(list.build()?)])
        .build()?;
    let mut fields = vec![text("decision_id")?, Arc::new(expected)];
    for name in ["eventual_reward", "twin_reward", "effect", "effect_so_far"] {
        fields.push(column(name, PhysicalType::FLOAT, Repetition::REQUIRED, ConvertedType::NONE)?);
    }
    Ok(Arc::new(Type::group_type_builder("truth").with_fields(fields).build()?))
}

fn properties(spec: &Spec, header: &LogHeader<'_>) -> WriterProperties {
    let ids = ColumnPath::from("decision_id");
    WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_created_by(format!("mercato {}", env!("CARGO_PKG_VERSION")))
        .set_key_value_metadata(Some(metadata(spec, header)))
        .set_column_dictionary_enabled(ids.clone(), false)
        .set_column_encoding(ids, Encoding::DELTA_BYTE_ARRAY)
        .build()
}

/// A decision log with the truth beside it.
pub(super) struct WithTruth {
    pub decisions: Box<DecisionLog>,
    pub truth: Box<TruthLog>,
}

impl DecisionSink for WithTruth {
    fn wants_probabilities(&self) -> bool {
        self.decisions.wants_probabilities()
    }

    fn wants_truth(&self) -> bool {
        true
    }

    fn window_ticks(&self) -> u32 {
        self.decisions.window_ticks()
    }

    fn take(&mut self, step: &Matured, closed: bool) {
        self.decisions.take(step, closed);
        self.truth.take(step, closed);
    }
}

impl Log for WithTruth {
    fn finish(self: Box<Self>) -> io::Result<()> {
        self.decisions.finish()?;
        self.truth.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::episode::Reward;
    use crate::episode::toy::Toy;
    use crate::random::Seed;
    use crate::units::Money;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::{Field, RowAccessor};

    /// Two consumers of a tick, the second of whom has ended.
    fn step(tick: u32, expected: Option<[f32; 3]>) -> Matured {
        let mut step = Matured::default();
        step.observation.tick = tick;
        step.observation.consumer_ids = vec![8, 9];
        step.actions = vec![1, 0];
        step.ended = vec![false, true];
        step.profits = [2.0, 0.0].map(Money::from_amount).to_vec();
        step.truth.eventual_profits = [5.5, 0.0].map(Money::from_amount).to_vec();
        step.truth.twin_profits = [0.5, 0.0].map(Money::from_amount).to_vec();
        step.truth.effects_so_far = [1.5 + f64::from(tick), 0.0].map(Money::from_amount).to_vec();
        if let Some(expected) = expected {
            step.truth.expected_rewards.reset(2, 3);
            step.truth.expected_rewards.set_row(0, &expected);
        }
        step
    }

    #[test]
    fn expected_rewards_are_null_where_nobody_knows_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("truth/x-0.parquet");
        let toy = Toy::new(2, 3);
        let (scenario, scenario_hash, policy) = ("toy", "0", "x");
        let (seed, reward, replication, with_probabilities) = (Seed::new(1), Reward::Tick, 0, false);
        let header = LogHeader {
            scenario,
            scenario_hash,
            seed,
            reward,
            policy,
            replication,
            with_probabilities,
            coupled: Vec::new(),
        };
        let mut log = Box::new(TruthLog::create(&path, &toy.spec, &header).unwrap());
        for (tick, expected) in [(0, Some([0.5, 1.0, 1.5])), (1, None), (2, Some([2.0, 3.0, 4.0]))] {
            log.take(&step(tick, expected), true);
        }
        assert!(!path.exists(), "a file appears when it is whole");
        log.finish().unwrap();
        let reader = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
        let rows: Vec<_> = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
        let ids: Vec<&String> = rows.iter().map(|row| row.get_string(0).unwrap()).collect();
        assert_eq!(ids, ["x-0-8-0", "x-0-8-1", "x-0-8-2"]);
        let expected: Vec<String> =
            rows.iter().map(|row| row.get_column_iter().nth(1).unwrap().1.to_string()).collect();
        assert_eq!(expected, ["[0.5, 1.0, 1.5]", "null", "[2.0, 3.0, 4.0]"]);
        assert!(matches!(rows[1].get_column_iter().nth(1).unwrap().1, Field::Null));
        for (tick, row) in rows.iter().enumerate() {
            let money = [2, 3, 4, 5].map(|column| row.get_float(column).unwrap());
            assert_eq!(money, [5.5, 0.5, 1.5, 1.5 + tick as f32]);
        }
    }
}
