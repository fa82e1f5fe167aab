//! Columns of a log as they stand in the file, some thousand rows at a time.

mod texts;

use std::borrow::Cow;
use std::fmt::Write;
pub(super) use texts::Texts;

/// A batch of rows.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    /// The wanted columns, in the order in which they were wanted.
    pub(super) columns: Vec<Cells>,
    /// Number of each row in its file, from 1.
    pub(super) rows: Vec<usize>,
    /// Line of each row in a text file; empty otherwise.
    pub(super) lines: Vec<u64>,
    /// Rows that cannot be read at all: number, line, why.
    pub(super) broken: Vec<(usize, Option<u64>, String)>,
}

impl Chunk {
    /// No rows, the same columns.
    pub(super) fn clear(&mut self) {
        self.columns.iter_mut().for_each(Cells::clear);
        self.rows.clear();
        self.lines.clear();
        self.broken.clear();
    }

    /// Appends the rows of another with the same columns.
    pub(super) fn append(&mut self, other: &Self) {
        self.columns.resize_with(other.columns.len(), Cells::default);
        self.columns.iter_mut().zip(&other.columns).for_each(|(cells, more)| cells.append(more));
        self.rows.extend_from_slice(&other.rows);
        self.lines.extend_from_slice(&other.lines);
    }
}

/// The values of one column.
#[derive(Debug)]
pub(super) enum Cells {
    /// Numbers; NaN where there is none.
    Numbers(Vec<f64>),
    /// Texts or bytes.
    Texts(Texts),
    /// Lists of numbers, one after the other, with their ends.
    Lists { numbers: Vec<f64>, ends: Vec<usize> },
}

impl Default for Cells {
    fn default() -> Self {
        Self::texts()
    }
}

impl Cells {
    pub(super) fn texts() -> Self {
        Self::Texts(Texts::default())
    }

    pub(super) fn clear(&mut self) {
        match self {
            Self::Numbers(numbers) => numbers.clear(),
            Self::Texts(texts) => texts.clear(),
            Self::Lists { numbers, ends } => {
                numbers.clear();
                ends.clear();
            }
        }
    }

    /// Its memory as an empty column of numbers.
    pub(super) fn take_numbers(&mut self) -> Vec<f64> {
        self.clear();
        if let Self::Numbers(numbers) = self { std::mem::take(numbers) } else { Vec::new() }
    }

    /// Its memory as an empty column of texts.
    pub(super) fn take_texts(&mut self) -> Texts {
        self.clear();
        if let Self::Texts(texts) = self { std::mem::take(texts) } else { Texts::default() }
    }

    /// Its memory as an empty column of lists: numbers and ends.
    pub(super) fn take_lists(&mut self) -> (Vec<f64>, Vec<usize>) {
        self.clear();
        if let Self::Lists { numbers, ends } = self {
            (std::mem::take(numbers), std::mem::take(ends))
        } else {
            (Vec::new(), Vec::new())
        }
    }

    /// Appends the values of another column; an empty one becomes of its kind first.
    fn append(&mut self, other: &Self) {
        if std::mem::discriminant(self) != std::mem::discriminant(other) {
            *self = match other {
                Self::Numbers(_) => Self::Numbers(Vec::new()),
                Self::Texts(_) => Self::texts(),
                Self::Lists { .. } => Self::Lists { numbers: Vec::new(), ends: Vec::new() },
            };
        }
        match (self, other) {
            (Self::Numbers(numbers), Self::Numbers(more)) => numbers.extend_from_slice(more),
            (Self::Texts(texts), Self::Texts(more)) => {
                (0..more.of_row().len()).for_each(|row| texts.push(more.bytes(row)));
            }
            (Self::Lists { numbers, ends }, Self::Lists { numbers: more, ends: more_ends }) => {
                let length = numbers.len();
                ends.extend(more_ends.iter().map(|end| length + end));
                numbers.extend_from_slice(more);
            }
            _ => {}
        }
    }

    pub(super) fn push_text(&mut self, text: &[u8]) {
        if let Self::Texts(texts) = self {
            texts.push(text);
        }
    }

    /// The bytes of a text; empty for other columns.
    pub(super) fn bytes(&self, row: usize) -> &[u8] {
        match self {
            Self::Texts(texts) => texts.bytes(row),
            _ => &[],
        }
    }

    /// Whether nothing stands there.
    pub(super) fn is_missing(&self, row: usize) -> bool {
        match self {
            Self::Numbers(numbers) => numbers[row].is_nan(),
            Self::Texts(texts) => String::from_utf8_lossy(texts.bytes(row)).trim().is_empty(),
            Self::Lists { .. } => false,
        }
    }

    /// A number, or what stands there instead.
    pub(super) fn number(&self, row: usize) -> Result<f64, Cow<'_, str>> {
        match self {
            Self::Numbers(numbers) if numbers[row].is_nan() => Err(Cow::Borrowed("")),
            Self::Numbers(numbers) => Ok(numbers[row]),
            Self::Texts(_) => {
                let text = String::from_utf8_lossy(self.bytes(row));
                match text.parse::<f64>() {
                    Ok(number) => Ok(number),
                    Err(_) if text.eq_ignore_ascii_case("true") => Ok(1.0),
                    Err(_) if text.eq_ignore_ascii_case("false") => Ok(0.0),
                    Err(_) => Err(text),
                }
            }
            Self::Lists { .. } => Err(Cow::Borrowed("a list")),
        }
    }

    /// A value as a name: a text as it stands, without blanks around it; a number of a Parquet column in decimals, without a
    /// point where it is whole.
    pub(super) fn text<'a>(&'a self, row: usize, scratch: &'a mut String) -> &'a str {
        scratch.clear();
        match self {
            Self::Numbers(numbers) => {
                named_number(numbers[row], scratch);
            }
            Self::Texts(_) => {
                let text = String::from_utf8_lossy(self.bytes(row));
                scratch.push_str(text.trim());
            }
            Self::Lists { .. } => scratch.push_str("a list"),
        }
        scratch
    }

    /// A list of numbers: of a list column, or a text such as `[0.1, 0.9]` or `0.1 0.9`.
    pub(super) fn list(&self, row: usize, numbers: &mut Vec<f64>) -> Result<(), Cow<'_, str>> {
        numbers.clear();
        match self {
            Self::Lists { numbers: all, ends } => {
                numbers.extend_from_slice(&all[if row == 0 { 0 } else { ends[row - 1] }..ends[row]]);
                Ok(())
            }
            Self::Texts(_) => {
                let text = String::from_utf8_lossy(self.bytes(row));
                let inner = text.trim().trim_start_matches('[').trim_end_matches(']');
                let parts = inner.split([',', ';', ' ']).filter(|part| !part.is_empty());
                for part in parts {
                    match part.parse() {
                        Ok(number) => numbers.push(number),
                        Err(_) => return Err(Cow::Owned(text.into_owned())),
                    }
                }
                Ok(())
            }
            Self::Numbers(_) => Err(Cow::Borrowed("a number")),
        }
    }
}

/// A number as a name: nothing where there is none.
pub(super) fn named_number(number: f64, scratch: &mut String) -> &str {
    scratch.clear();
    if !number.is_nan() {
        // Writing to a string cannot fail.
        let _ = write!(scratch, "{number}");
    }
    scratch
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_a_name_as_it_stands() {
        let mut cells = Cells::texts();
        ["007", " 7", "7.0", "1.10"].iter().for_each(|text| cells.push_text(text.as_bytes()));
        let mut scratch = String::new();
        let names: Vec<String> = (0..4).map(|row| cells.text(row, &mut scratch).to_owned()).collect();
        assert_eq!(names, ["007", "7", "7.0", "1.10"]);
        let numbers = Cells::Numbers(vec![3.0, f64::NAN]);
        assert_eq!(numbers.text(0, &mut scratch), "3");
        assert_eq!(numbers.text(1, &mut scratch), "");
    }

    #[test]
    fn lists_are_read_from_texts() {
        let mut cells = Cells::texts();
        cells.push_text(b"[0.25, 0.75]");
        cells.push_text(b"1;0");
        cells.push_text(b"0.5 x");
        let mut list = Vec::new();
        cells.list(0, &mut list).unwrap();
        assert_eq!(list, [0.25, 0.75]);
        cells.list(1, &mut list).unwrap();
        assert_eq!(list, [1.0, 0.0]);
        assert!(cells.list(2, &mut list).is_err());
    }
}
