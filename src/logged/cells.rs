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

    /// A value as text: numbers that are whole without a point, so that `3`, `3.0` and 3 are one name.
    pub(super) fn text<'a>(&'a self, row: usize, scratch: &'a mut String) -> &'a str {
        scratch.clear();
        match self {
            Self::Numbers(numbers) => {
                named_number(numbers[row], scratch);
            }
            Self::Texts(_) => {
                let text = String::from_utf8_lossy(self.bytes(row));
                scratch.push_str(&named(&text));
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

/// A name, with whole numbers written without a point.
pub(super) fn named(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    if text.contains(['.', 'e', 'E'])
        && let Ok(number) = text.parse::<f64>()
        && number.is_finite()
    {
        return Cow::Owned(number.to_string());
    }
    Cow::Borrowed(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_have_one_name() {
        assert_eq!(["3", "3.0", " 3", "3e0"].map(|text| named(text).into_owned()), ["3", "3", "3", "3"]);
        assert_eq!(
            ["007", "email/19h/ten.a", "0.50"].map(|text| named(text).into_owned()),
            ["007", "email/19h/ten.a", "0.5"]
        );
        let numbers = Cells::Numbers(vec![3.0, f64::NAN]);
        assert_eq!(numbers.text(0, &mut String::new()), "3");
        assert_eq!(numbers.text(1, &mut String::new()), "");
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
