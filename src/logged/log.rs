//! A log that has been read once from end to end: checked, counted, its names numbered.

use super::cells::{Cells, Chunk};
use super::dictionary::Dictionary;
use super::file::Evaluation;
use super::layout::Layout;
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
    let mask = cells.bytes(row);
    if is_ours || !is_text_of_bits(mask) { bit(mask, action) } else { text_bits(mask).nth(action) == Some(true) }
}

/// Appends whether the mask has each of the actions.
pub(super) fn unmask(mask: &[u8], actions: usize, is_ours: bool, allowed: &mut Vec<bool>) {
    if is_ours || !is_text_of_bits(mask) {
        allowed.extend((0..actions).map(|action| bit(mask, action)));
    } else {
        allowed.extend(text_bits(mask).chain(std::iter::repeat(false)).take(actions));
    }
}

fn bit(mask: &[u8], action: usize) -> bool {
    mask.get(action / 8).is_some_and(|byte| byte >> (action % 8) & 1 == 1)
}

fn text_bits(mask: &[u8]) -> impl Iterator<Item = bool> {
    mask.iter().filter(|byte| matches!(byte, b'0' | b'1')).map(|byte| *byte == b'1')
}

fn is_text_of_bits(mask: &[u8]) -> bool {
    !mask.is_empty() && mask.iter().all(|byte| matches!(byte, b'0' | b'1' | b' ' | b',' | b';' | b'[' | b']'))
}

/// A hash of a text that is the same everywhere (FNV-1a, spread by the finaliser of SplitMix64).
pub(super) fn hash(text: &[u8]) -> u64 {
    let mut word = 0xcbf2_9ce4_8422_2325_u64;
    for byte in text {
        word = (word ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    spread(word)
}

/// The [`hash`] of a number as text. Whole ones need not be written out with the formatting of floats.
pub(super) fn hash_number(number: f64) -> u64 {
    let is_plain = number.fract() == 0.0 && number.abs() < 9e15 && (number != 0.0 || number.is_sign_positive());
    if !is_plain {
        return hash(number.to_string().as_bytes());
    }
    let mut digits = [0; 20];
    let (mut first, mut rest) = (digits.len(), number.abs() as u64);
    loop {
        first -= 1;
        digits[first] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0.0 {
        first -= 1;
        digits[first] = b'-';
    }
    hash(&digits[first..])
}

/// Spreads numbers that are close to each other.
pub(super) fn spread(number: u64) -> u64 {
    let mut word = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_hash_as_their_texts() {
        for number in [0.0, -0.0, 7.0, -7.0, 10.0, 123_456_789.0, 9e14, 9e15, 1e300, 0.5, -2.25, f64::INFINITY] {
            assert_eq!(hash_number(number), hash(number.to_string().as_bytes()), "{number}");
        }
    }

    #[test]
    fn masks_are_bits_or_texts_of_bits() {
        let cases: [(&[u8], bool, [bool; 3]); 4] = [
            (b"\x05", true, [true, false, true]),
            (b"[1, 0, 1]", false, [true, false, true]),
            (b"01", false, [false, true, false]),
            (b"1", true, [true, false, false]),
        ];
        for (mask, is_ours, expected) in cases {
            let (mut allowed, mut cells) = (Vec::new(), Cells::texts());
            cells.push_text(mask);
            unmask(mask, 3, is_ours, &mut allowed);
            assert_eq!(allowed, expected, "{mask:?}");
            assert_eq!([0, 1, 2].map(|action| allows(&cells, 0, action, is_ours)), expected);
        }
    }
}
