//! The decision log as Parquet: one row per decision, in the order of [`DecisionSink`]. Memory is bounded by a row group.

use crate::episode::{DecisionSink, Matured, Reward};
use crate::evaluation::Log;
use crate::protocol::Spec;
use crate::random::Seed;
use parquet::basic::{Compression, ConvertedType, Encoding, Repetition, Type as PhysicalType, ZstdLevel};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, FloatType, Int32Type};
use parquet::errors::Result as ParquetResult;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{ColumnPath, Type, TypePtr};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Rows that are held before a row group is written.
pub(super) const GROUP_ROWS: usize = 65_536;

/// What the log says about itself.
pub struct LogHeader<'a> {
    /// Name of the scenario.
    pub scenario: &'a str,
    /// SHA-256 of the scenario.
    pub scenario_hash: &'a str,
    /// Seed of the run.
    pub seed: Seed,
    /// What an agent would learn from.
    pub reward: Reward,
    /// Whose decisions.
    pub policy: &'a str,
    /// Of which replication.
    pub replication: u32,
    /// Whether the probabilities of all actions are kept.
    pub with_probabilities: bool,
    /// What couples the consumers: [`World::couplings`](crate::protocol::World::couplings).
    pub coupled: Vec<&'static str>,
}

/// A log that is being written; it appears under its name when it is complete.
///
/// `reward` is the profit of the tick; `reward_window` that of the window, null where the horizon cut it off (the column
/// exists where the scenario rewards windows). `observed_at` is the tick at whose end the last of them was known.
/// `truncated` marks decisions of the last tick. Consumers whose episode has ended have no further rows.
pub struct DecisionLog {
    writer: SerializedFileWriter<File>,
    path: PathBuf,
    draft: PathBuf,
    columns: Columns,
    policy: String,
    replication: u32,
    horizon: u32,
    window: Option<u32>,
    with_probabilities: bool,
    failure: Option<io::Error>,
    names: Option<Arc<[String]>>,
}

#[derive(Default)]
struct Columns {
    rows: usize,
    decision_ids: Vec<ByteArray>,
    consumer_ids: Vec<ByteArray>,
    ticks: Vec<i32>,
    actions: Vec<i32>,
    propensities: Vec<f32>,
    features: Vec<Vec<f32>>,
    allowed: Vec<ByteArray>,
    probabilities: Vec<f32>,
    rewards: Vec<f32>,
    window_rewards: Vec<f32>,
    window_closed: Vec<i16>,
    observed_at: Vec<i32>,
    terminated: Vec<bool>,
    truncated: Vec<bool>,
    policies: Vec<ByteArray>,
}

impl DecisionLog {
    /// Opens a log.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn create(path: &Path, spec: &Spec, header: &LogHeader<'_>) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let window = match header.reward {
            Reward::Tick => None,
            Reward::Window { ticks } => Some(ticks.max(1)),
        };
        let draft = path.with_extension("parquet.draft");
        let schema = schema(spec, window.is_some(), header.with_probabilities)?;
        let writer = SerializedFileWriter::new(File::create(&draft)?, schema, Arc::new(properties(spec, header)))?;
        let features = vec![Vec::new(); spec.features.len()];
        Ok(Self {
            writer,
            path: path.to_owned(),
            draft,
            columns: Columns { features, ..Columns::default() },
            policy: header.policy.to_owned(),
            replication: header.replication,
            horizon: spec.horizon,
            window,
            with_probabilities: header.with_probabilities,
            failure: None,
            names: None,
        })
    }

    /// Writes consumers by these names instead of their numbers.
    #[must_use]
    pub fn with_names(self, names: Option<Arc<[String]>>) -> Self {
        Self { names, ..self }
    }

    fn push(&mut self, step: &Matured, row: usize, closed: bool) {
        let columns = &mut self.columns;
        let (tick, consumer) = (step.observation.tick, step.observation.consumer_ids[row]);
        let id = format!("{}-{}-{consumer}-{tick}", self.policy, self.replication);
        columns.decision_ids.push(id.into_bytes().into());
        let name = self.names.as_ref().and_then(|names| names.get(consumer as usize));
        columns.consumer_ids.push(name.map_or_else(|| consumer.to_string(), String::clone).into_bytes().into());
        columns.ticks.push(tick as i32);
        columns.actions.push(i32::from(step.actions[row]));
        columns.propensities.push(step.propensities[row]);
        for (index, values) in columns.features.iter_mut().enumerate() {
            values.push(step.observation.features.get(row, index));
        }
        let allowed = step.observation.allowed.row(row);
        let bytes = allowed.iter().flat_map(|word| word.to_le_bytes());
        let kept = step.observation.allowed.actions().div_ceil(8);
        columns.allowed.push(bytes.take(kept).collect::<Vec<u8>>().into());
        if self.with_probabilities {
            let law = (0..step.probabilities.columns()).map(|action| step.probabilities.get(row, action));
            columns.probabilities.extend(law);
        }
        columns.rewards.push(step.profits[row].amount() as f32);
        columns.window_closed.push(i16::from(closed));
        if closed {
            columns.window_rewards.push(step.window_profits[row].amount() as f32);
        }
        let wait = if closed { self.window.unwrap_or(1) - 1 } else { 0 };
        columns.observed_at.push((tick + wait) as i32);
        columns.terminated.push(step.terminated[row]);
        columns.truncated.push(tick + 1 == self.horizon && !step.terminated[row]);
        columns.policies.push(self.policy.as_bytes().to_vec().into());
        columns.rows += 1;
    }

    fn flush(&mut self) -> ParquetResult<()> {
        let columns = &mut self.columns;
        if columns.rows == 0 {
            return Ok(());
        }
        let mut group = self.writer.next_row_group()?;
        write::<ByteArrayType>(&mut group, &columns.decision_ids)?;
        write::<ByteArrayType>(&mut group, &columns.consumer_ids)?;
        write::<Int32Type>(&mut group, &columns.ticks)?;
        write::<Int32Type>(&mut group, &columns.actions)?;
        write::<FloatType>(&mut group, &columns.propensities)?;
        for values in &columns.features {
            write::<FloatType>(&mut group, values)?;
        }
        write::<ByteArrayType>(&mut group, &columns.allowed)?;
        if self.with_probabilities {
            // A list per row: repetition 0 starts one, 1 goes on; every element is there.
            let length = columns.probabilities.len() / columns.rows;
            let starts: Vec<i16> = (0..columns.probabilities.len()).map(|i| i16::from(i % length != 0)).collect();
            let present = vec![1; columns.probabilities.len()];
            write_levels::<FloatType>(&mut group, &columns.probabilities, Some(&present), Some(&starts))?;
        }
        write::<FloatType>(&mut group, &columns.rewards)?;
        if self.window.is_some() {
            write_levels::<FloatType>(&mut group, &columns.window_rewards, Some(&columns.window_closed), None)?;
        }
        write::<Int32Type>(&mut group, &columns.observed_at)?;
        write::<BoolType>(&mut group, &columns.terminated)?;
        write::<BoolType>(&mut group, &columns.truncated)?;
        write::<ByteArrayType>(&mut group, &columns.policies)?;
        group.close()?;
        columns.clear();
        Ok(())
    }
}

impl Columns {
    fn clear(&mut self) {
        self.rows = 0;
        self.decision_ids.clear();
        self.consumer_ids.clear();
        self.ticks.clear();
        self.actions.clear();
        self.propensities.clear();
        self.features.iter_mut().for_each(Vec::clear);
        self.allowed.clear();
        self.probabilities.clear();
        self.rewards.clear();
        self.window_rewards.clear();
        self.window_closed.clear();
        self.observed_at.clear();
        self.terminated.clear();
        self.truncated.clear();
        self.policies.clear();
    }
}

impl DecisionSink for DecisionLog {
    fn wants_probabilities(&self) -> bool {
        self.with_probabilities
    }

    fn window_ticks(&self) -> u32 {
        self.window.unwrap_or(1)
    }

    fn take(&mut self, step: &Matured, closed: bool) {
        for row in (0..step.actions.len()).filter(|&row| !step.ended[row]) {
            self.push(step, row, closed);
            if self.columns.rows == GROUP_ROWS && self.failure.is_none() {
                // The first failure is told at the end.
                self.failure = self.flush().err().map(io::Error::from);
                self.columns.clear();
            }
        }
    }
}

impl Log for DecisionLog {
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

pub(super) fn write<T: DataType>(group: &mut SerializedRowGroupWriter<'_, File>, values: &[T::T]) -> ParquetResult<()> {
    write_levels::<T>(group, values, None, None)
}

pub(super) fn write_levels<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, File>,
    values: &[T::T],
    definitions: Option<&[i16]>,
    repetitions: Option<&[i16]>,
) -> ParquetResult<()> {
    if let Some(mut column) = group.next_column()? {
        column.typed::<T>().write_batch(values, definitions, repetitions)?;
        column.close()?;
    }
    Ok(())
}

/// A column of one value per row, or per element of a list.
pub(super) fn column(
    name: &str,
    physical: PhysicalType,
    repetition: Repetition,
    converted: ConvertedType,
) -> ParquetResult<TypePtr> {
    let builder = Type::primitive_type_builder(name, physical);
    builder.with_repetition(repetition).with_converted_type(converted).build().map(Arc::new)
}

/// A column of text that is always there.
pub(super) fn text(name: &str) -> ParquetResult<TypePtr> {
    column(name, PhysicalType::BYTE_ARRAY, Repetition::REQUIRED, ConvertedType::UTF8)
}

/// A column of numbers that are always there.
pub(super) fn number(name: &str) -> ParquetResult<TypePtr> {
    column(name, PhysicalType::FLOAT, Repetition::REQUIRED, ConvertedType::NONE)
}

fn schema(spec: &Spec, with_window: bool, with_probabilities: bool) -> ParquetResult<TypePtr> {
    let required = |name: &str, physical, converted| column(name, physical, Repetition::REQUIRED, converted);
    let count = |name: &str| required(name, PhysicalType::INT32, ConvertedType::UINT_32);
    let flag = |name: &str| required(name, PhysicalType::BOOLEAN, ConvertedType::NONE);
    let mut fields =
        vec![text("decision_id")?, text("consumer_id")?, count("tick")?, count("action")?, number("propensity")?];
    for feature in &spec.features {
        fields.push(number(&feature.name)?);
    }
    fields.push(required("allowed", PhysicalType::BYTE_ARRAY, ConvertedType::NONE)?);
    if with_probabilities {
        let list = Type::group_type_builder("list")
            .with_repetition(Repetition::REPEATED)
            .with_fields(vec![number("element")?])
            .build()?;
        let probabilities = Type::group_type_builder("probabilities")
            .with_repetition(Repetition::REQUIRED)
            .with_converted_type(ConvertedType::LIST)
            .with_fields(vec![Arc::new(list)])
            .build()?;
        fields.push(Arc::new(probabilities));
    }
    fields.push(number("reward")?);
    if with_window {
        fields.push(column("reward_window", PhysicalType::FLOAT, Repetition::OPTIONAL, ConvertedType::NONE)?);
    }
    fields.extend([count("observed_at")?, flag("terminated")?, flag("truncated")?, text("policy")?]);
    Ok(Arc::new(Type::group_type_builder("decision").with_fields(fields).build()?))
}

fn properties(spec: &Spec, header: &LogHeader<'_>) -> WriterProperties {
    let mut builder = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_created_by(format!("mercato {}", env!("CARGO_PKG_VERSION")))
        .set_key_value_metadata(Some(metadata(spec, header)));
    // Identifiers rarely repeat; each shares most of its letters with the one before.
    for name in ["decision_id", "consumer_id"] {
        let column = ColumnPath::from(name);
        builder = builder
            .set_column_dictionary_enabled(column.clone(), false)
            .set_column_encoding(column, Encoding::DELTA_BYTE_ARRAY);
    }
    builder.build()
}

/// Key-value metadata; structured values are JSON.
pub(super) fn metadata(spec: &Spec, header: &LogHeader<'_>) -> Vec<KeyValue> {
    let features: Vec<serde_json::Value> = spec
        .features
        .iter()
        .map(|feature| {
            serde_json::json!({ "name": feature.name, "unit": feature.unit, "group": feature.group,
                "log": feature.log, "mean": feature.mean, "scale": feature.scale })
        })
        .collect();
    let actions: Vec<serde_json::Value> = spec
        .actions
        .actions
        .iter()
        .map(|action| {
            let mut entry = serde_json::Map::new();
            entry.insert("name".into(), action.name.clone().into());
            for (factor, &level) in spec.actions.factors.iter().zip(action.levels.iter().flatten()) {
                entry.insert(factor.name.into(), factor.levels.get(level as usize).cloned().into());
            }
            entry.into()
        })
        .collect();
    [
        ("mercato", env!("CARGO_PKG_VERSION").to_owned()),
        ("scenario", header.scenario.to_owned()),
        ("scenario_hash", header.scenario_hash.to_owned()),
        ("seed", header.seed.value().to_string()),
        ("policy", header.policy.to_owned()),
        ("replication", header.replication.to_string()),
        ("reward_ticks", header.reward.ticks().to_string()),
        ("features", serde_json::Value::from(features).to_string()),
        ("actions", serde_json::Value::from(actions).to_string()),
        ("coupled", serde_json::Value::from(header.coupled.clone()).to_string()),
    ]
    .map(|(key, value)| KeyValue::new(key.to_owned(), value))
    .to_vec()
}
