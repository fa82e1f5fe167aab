//! A Parquet log of any length whose truth is known, written in bounded memory: what `mercato evaluate` is timed on.
//!
//! `ope_stream --out DIR [--rows 10000000] [--customers 10000000] [--order random|customer] [--seed 1] [--time true]`
//! writes `log.parquet`, `target.csv`, `evaluation.toml` and `truth.csv`. A row draws its segment and recency evenly; the
//! logging policy has a law over 24 messages by segment; a message is answered (reward 1) at a rate by segment, recency and
//! message, times a factor of the customer between 0.5 and 1.5, which ties the rows of a customer together and leaves the
//! means as they are. Customers are drawn row by row (`random`), or come one after the other with rows alike (`customer`);
//! with `--time true` the latter number their rows, so that the log is one of sequences. A part of every draw's address is
//! the number of its row: rows are the same whatever the number of threads.
#![allow(clippy::print_stderr, reason = "a program for the command line")]

use mercato::random::{Purpose, Seed};
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type};
use parquet::errors::Result as ParquetResult;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use rayon::prelude::*;
use std::fmt::Write;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

const SEGMENTS: [&str; 8] = ["new", "weekly", "monthly", "lapsed", "bargain", "gift", "trade", "staff"];
const RECENCIES: usize = 6;
const CHANNELS: [&str; 4] = ["email", "push", "sms", "post"];
const HOURS: usize = 6;
const ACTIONS: usize = CHANNELS.len() * HOURS;
/// Rows of a row group: as many are in memory at a time.
const GROUP_ROWS: u64 = 1 << 20;

/// What is asked.
struct Plan {
    out: PathBuf,
    rows: u64,
    customers: u64,
    is_by_customer: bool,
    has_time: bool,
    seed: Seed,
}

/// One decision.
struct Row {
    customer: i64,
    time: i32,
    segment: usize,
    recency: usize,
    action: usize,
    propensity: f64,
    reward: f64,
}

fn message(action: usize) -> String {
    format!("{}/{}h", CHANNELS[action / HOURS], 8 + 2 * (action % HOURS))
}

/// The logging policy: uneven, and nothing below 0.01.
fn logging(segment: usize) -> [f64; ACTIONS] {
    let law = std::array::from_fn(|action| 1.0 + ((5 * segment + 7 * action) % ACTIONS) as f64 / 4.0);
    normalised(law)
}

/// The target: half of the logging law's mass, the rest where the mean rate is high.
fn target(segment: usize) -> [f64; ACTIONS] {
    let rates: [f64; ACTIONS] =
        std::array::from_fn(|action| (0..RECENCIES).map(|recency| rate(segment, recency, action)).sum());
    let lean = normalised(rates.map(|rate| rate * rate * rate * rate));
    let logging = logging(segment);
    std::array::from_fn(|action| 0.5 * logging[action] + 0.5 * lean[action])
}

fn normalised(law: [f64; ACTIONS]) -> [f64; ACTIONS] {
    let total: f64 = law.iter().sum();
    law.map(|share| share / total)
}

/// How often a message is answered, from 0.02 to 0.14.
fn rate(segment: usize, recency: usize, action: usize) -> f64 {
    let [channel, hour] = [action / HOURS, action % HOURS];
    let taste = ((3 * segment + 5 * channel) % 7) as f64 / 6.0;
    let moment = ((segment + 2 * hour) % HOURS) as f64 / (HOURS - 1) as f64;
    0.02 + 0.06 * taste + 0.04 * moment + 0.02 * (1.0 - recency as f64 / (RECENCIES - 1) as f64)
}

/// The mean reward of a policy, by its law in each segment.
fn truth(law: impl Fn(usize) -> [f64; ACTIONS]) -> f64 {
    let mut sum = 0.0;
    for segment in 0..SEGMENTS.len() {
        let law = law(segment);
        for recency in 0..RECENCIES {
            sum += (0..ACTIONS).map(|action| law[action] * rate(segment, recency, action)).sum::<f64>();
        }
    }
    sum / (SEGMENTS.len() * RECENCIES) as f64
}

impl Plan {
    fn read(arguments: &[String]) -> Result<Self, String> {
        let option = |flag: &str| {
            let place = arguments.iter().position(|argument| argument == flag);
            place.and_then(|place| arguments.get(place + 1)).map(String::as_str)
        };
        let number = |flag: &str, default: u64| match option(flag) {
            None => Ok(default),
            Some(text) => text.parse::<u64>().map_err(|_| format!("{flag} is {text:?}, and no whole number")),
        };
        let plan = Self {
            out: option("--out").ok_or("--out is missing: the folder to write to")?.into(),
            rows: number("--rows", 10_000_000)?,
            customers: number("--customers", 10_000_000)?,
            is_by_customer: option("--order").unwrap_or("random") == "customer",
            has_time: option("--time").unwrap_or("false") == "true",
            seed: Seed::new(number("--seed", 1)?),
        };
        if plan.rows == 0 || plan.customers == 0 || plan.rows > u64::from(u32::MAX) {
            return Err("--rows and --customers begin at 1, and rows end at 4294967295".to_owned());
        }
        if plan.has_time && !plan.is_by_customer {
            return Err("--time true needs --order customer".to_owned());
        }
        Ok(plan)
    }

    /// Rows of a customer where they come one after the other.
    fn rows_of_customer(&self) -> u64 {
        self.rows.div_ceil(self.customers)
    }

    fn row(&self, row: u64, laws: &[[f64; ACTIONS]]) -> Row {
        let words = self.seed.words(Purpose::Problem, row as u32, 0, 0);
        let drawn = |word: u32, of: u64| (u64::from(word) * of) >> 32;
        let share = |word: u32| (f64::from(word) + 0.5) / 4_294_967_296.0;
        let customer =
            if self.is_by_customer { row / self.rows_of_customer() } else { drawn(words[0], self.customers) };
        let place = drawn(words[1], (SEGMENTS.len() * RECENCIES) as u64) as usize;
        let (segment, recency) = (place / RECENCIES, place % RECENCIES);
        let law = &laws[segment];
        let mut left = share(words[2]);
        let chosen = law.iter().position(|probability| {
            left -= probability;
            left < 0.0
        });
        let action = chosen.unwrap_or(ACTIONS - 1);
        let factor = 0.5 + share(self.seed.words(Purpose::Problem, customer as u32, 1, 0)[0]);
        let is_answered = share(words[3]) < factor * rate(segment, recency, action);
        Row {
            customer: customer as i64,
            time: (row % self.rows_of_customer()) as i32,
            segment,
            recency,
            action,
            propensity: law[action],
            reward: f64::from(u8::from(is_answered)),
        }
    }

    fn write_log(&self) -> ParquetResult<()> {
        let time = if self.has_time { "required int32 time;" } else { "" };
        let schema = format!(
            "message log {{ required int64 customer_id; {time} required binary segment (utf8); required int32 recency;
             required binary message (utf8); required double propensity; required double reward; }}"
        );
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let file = File::create(self.out.join("log.parquet"))?;
        let schema = Arc::new(parse_message_type(&schema)?);
        let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties))?;
        let laws: Vec<[f64; ACTIONS]> = (0..SEGMENTS.len()).map(logging).collect();
        let segments: Vec<ByteArray> = SEGMENTS.iter().map(|name| ByteArray::from(*name)).collect();
        let messages: Vec<ByteArray> = (0..ACTIONS).map(|action| ByteArray::from(message(action).as_str())).collect();
        for first in (0..self.rows).step_by(GROUP_ROWS as usize) {
            let last = (first + GROUP_ROWS).min(self.rows);
            let rows: Vec<Row> = (first..last).into_par_iter().map(|row| self.row(row, &laws)).collect();
            let mut group = writer.next_row_group()?;
            column::<Int64Type>(&mut group, rows.iter().map(|row| row.customer))?;
            if self.has_time {
                column::<Int32Type>(&mut group, rows.iter().map(|row| row.time))?;
            }
            column::<ByteArrayType>(&mut group, rows.iter().map(|row| segments[row.segment].clone()))?;
            column::<Int32Type>(&mut group, rows.iter().map(|row| row.recency as i32))?;
            column::<ByteArrayType>(&mut group, rows.iter().map(|row| messages[row.action].clone()))?;
            column::<DoubleType>(&mut group, rows.iter().map(|row| row.propensity))?;
            column::<DoubleType>(&mut group, rows.iter().map(|row| row.reward))?;
            group.close()?;
        }
        writer.close()?;
        Ok(())
    }

    fn write_evaluation(&self) -> std::io::Result<()> {
        let mut table = String::from("segment,message,probability\n");
        for (segment, name) in SEGMENTS.iter().enumerate() {
            for (action, probability) in target(segment).iter().enumerate() {
                // Writing to a string cannot fail.
                let _ = writeln!(table, "{name},{},{probability}", message(action));
            }
        }
        fs::write(self.out.join("target.csv"), table)?;
        let uniform = truth(|_| [1.0 / ACTIONS as f64; ACTIONS]);
        let truths = format!("target,truth\nuniform,{uniform}\nlean,{}\nlogging,{}\n", truth(target), truth(logging));
        fs::write(self.out.join("truth.csv"), truths)?;
        let time = if self.has_time { "time = \"time\"\n" } else { "" };
        let evaluation = format!(
            "[log]\npath = \"log.parquet\"\nunit = \"customer_id\"\naction = \"message\"\nreward = \"reward\"\n\
             propensity = \"propensity\"\ncontext = [\"segment\", \"recency\"]\n{time}\n[reward_model]\nkind = \"table\"\n\
             keys = [\"segment\", \"message\"]\n\n[[target]]\nname = \"uniform\"\nkind = \"uniform\"\n\n[[target]]\n\
             name = \"lean\"\nkind = \"table\"\npath = \"target.csv\"\n"
        );
        fs::write(self.out.join("evaluation.toml"), evaluation)
    }
}

fn column<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, File>,
    values: impl Iterator<Item = T::T>,
) -> ParquetResult<()> {
    let values: Vec<T::T> = values.collect();
    if let Some(mut column) = group.next_column()? {
        column.typed::<T>().write_batch(&values, None, None)?;
        column.close()?;
    }
    Ok(())
}

fn run(arguments: &[String]) -> Result<(), String> {
    let plan = Plan::read(arguments)?;
    let told = |path: &Path, error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    fs::create_dir_all(&plan.out).map_err(|error| told(&plan.out, &error))?;
    plan.write_log().map_err(|error| told(&plan.out.join("log.parquet"), &error))?;
    plan.write_evaluation().map_err(|error| told(&plan.out, &error))
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}
