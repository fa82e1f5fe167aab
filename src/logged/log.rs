//! A log that has been read once from end to end: checked, counted, its names numbered.

use super::cells::{Cells, Chunk};
use super::dictionary::Dictionary;
use super::file::Evaluation;
use super::layout::Layout;
use super::source::Source;
use crate::evaluation::model::Shape;
use crate::scenario::error::{Code, ScenarioError, ScenarioErrors};
use crate::scenario::rows::{BadRows, RowPlace};
use std::path::PathBuf;

/// Rows that are in memory at a time, at most.
pub(super) const ROWS: usize = 8_192;
/// Numbers of a table of rows and actions that are in memory at a time.
const NUMBERS: usize = 1 << 20;
/// How far probabilities may be from summing to 1, by rounding in files.
pub(super) const SUM_TOLERANCE: f64 = 1e-4;

/// What is known of a log after the first pass.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) layout: Layout,
    pub(super) paths: Vec<PathBuf>,
    pub(super) shape: Shape,
    pub(super) action_names: Vec<String>,
    pub(super) actions: Dictionary,
    /// Values of each context column; empty where there are too many.
    pub(super) levels: Vec<Dictionary>,
    /// Those who logged, as the file names them, and the rows of each; empty where the file names none.
    pub(super) loggers: Dictionary,
    pub(super) logger_rows: Vec<u64>,
    pub(super) reward_sum: f64,
    pub(super) notes: Vec<String>,
}

impl Log {
    /// Rows of a batch: fewer where there are many actions.
    pub(super) fn batch_rows(&self) -> usize {
        (NUMBERS / self.shape.action_count.max(1)).clamp(256, ROWS)
    }

    /// The code of an action, by what the log calls it or by its name.
    pub(super) fn find_action(&self, name: &str) -> Option<u32> {
        let by_name = || self.action_names.iter().position(|known| known == name).map(|action| action as u32);
        self.actions.find(name).or_else(by_name)
    }
}

/// A file by its last name.
pub(super) fn short(path: &std::path::Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

/// Bad rows by file.
#[derive(Debug)]
pub(super) struct Faults {
    names: Vec<String>,
    bad: Vec<BadRows>,
    others: Vec<String>,
}

impl Faults {
    pub(super) fn new(paths: &[PathBuf]) -> Self {
        Self {
            names: paths.iter().map(|path| short(path)).collect(),
            bad: paths.iter().map(|_| BadRows::default()).collect(),
            others: Vec::new(),
        }
    }

    pub(super) fn of(&mut self, file: usize) -> &mut BadRows {
        &mut self.bad[file]
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.others.len() + self.bad.iter().map(BadRows::count).sum::<usize>()
    }

    /// Name of a file.
    pub(super) fn name(&self, file: usize) -> &str {
        &self.names[file]
    }

    /// A fault of the log as a whole.
    pub(super) fn log(&mut self, what: String) {
        self.others.push(what);
    }

    pub(super) fn file(&mut self, file: usize, what: &str) {
        self.others.push(format!("{} {what}", self.names[file]));
    }

    /// All of it as faults of the evaluation file, at its path of the log.
    pub(super) fn into_errors(self, evaluation: &Evaluation, help: &str) -> Option<ScenarioErrors> {
        let rows = self.bad.iter().zip(&self.names).filter_map(|(bad, name)| bad.message(name));
        let place = evaluation.log.place("path");
        let faults: Vec<ScenarioError> = self
            .others
            .into_iter()
            .chain(rows)
            .map(|message| ScenarioError {
                message,
                place: place.clone(),
                help: Some(help.to_owned()),
                code: Code::BadTable,
            })
            .collect();
        (!faults.is_empty()).then(|| evaluation.wrong(faults))
    }
}

/// Reads every file of a log, batch by batch; `visit` gets the number of the file and the rows.
pub(super) fn read(
    paths: &[PathBuf],
    layout: &Layout,
    most: usize,
    faults: &mut Faults,
    visit: &mut dyn FnMut(usize, &Chunk, &mut Faults),
) {
    let mut chunk = Chunk::default();
    for (file, path) in paths.iter().enumerate() {
        let mut source = match Source::open(path) {
            Ok(source) => source,
            Err(why) => {
                faults.file(file, &why);
                continue;
            }
        };
        if !layout.is_alike(&source) {
            faults.file(file, "has other actions or features than the first file");
            continue;
        }
        if let Err(why) = source.want(&layout.columns()) {
            faults.file(file, &why);
            continue;
        }
        loop {
            if let Err(why) = source.next(most, &mut chunk) {
                faults.file(file, &why);
                break;
            }
            for (row, line, why) in &chunk.broken {
                faults.of(file).add_row(RowPlace { row: *row, line: *line }, why);
            }
            if chunk.rows.is_empty() && chunk.broken.is_empty() {
                break;
            }
            visit(file, &chunk, faults);
        }
    }
}

/// Where a row of a chunk stands.
pub(super) fn place(chunk: &Chunk, row: usize) -> RowPlace {
    RowPlace { row: chunk.rows[row], line: chunk.lines.get(row).copied() }
}

/// The way out of bad rows.
pub(super) const HELP: &str = "mend the rows, or leave them out of the log; nothing is guessed";

/// Whether a law's probability of an action is the propensity that a row names, but for rounding in files.
pub(super) fn agrees(probability: f64, propensity: f64) -> bool {
    (probability - propensity).abs() <= 1e-3 * propensity + 1e-6
}

/// Whether the mask of a row has an action: bits, lowest first, or a text of 0 and 1.
pub(super) fn allows(cells: &Cells, row: usize, action: usize, is_ours: bool) -> bool {
    let bytes = cells.bytes(row);
    let is_text = !is_ours
        && !bytes.is_empty()
        && bytes.iter().all(|byte| matches!(byte, b'0' | b'1' | b' ' | b',' | b';' | b'[' | b']'));
    if is_text {
        let mut bits = bytes.iter().filter(|byte| matches!(byte, b'0' | b'1'));
        return bits.nth(action) == Some(&b'1');
    }
    bytes.get(action / 8).is_some_and(|byte| byte >> (action % 8) & 1 == 1)
}

/// A hash of a text that is the same everywhere (FNV-1a, spread by the finaliser of SplitMix64).
pub(super) fn hash(text: &[u8]) -> u64 {
    let mut word = 0xcbf2_9ce4_8422_2325_u64;
    for byte in text {
        word = (word ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    spread(word)
}

/// Spreads numbers that are close to each other.
pub(super) fn spread(number: u64) -> u64 {
    let mut word = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}
