//! Names as small numbers.

use super::cells::Cells;
use std::collections::BTreeMap;

/// Whole numbers below this are looked up in an array.
const SMALL: usize = 65_536;
const ABSENT: u32 = u32::MAX;

/// Names in the order in which they were met.
#[derive(Clone, Debug)]
pub(super) struct Dictionary {
    names: Vec<String>,
    codes: BTreeMap<String, u32>,
    /// Codes of numbers, so that they need not be written out: small whole ones by themselves, others by their bits.
    small: Vec<u32>,
    numbers: BTreeMap<u64, u32>,
    most: usize,
    scratch: String,
}

impl Dictionary {
    /// Holds at most so many names.
    pub(super) fn new(most: usize) -> Self {
        Self {
            names: Vec::new(),
            codes: BTreeMap::new(),
            small: Vec::new(),
            numbers: BTreeMap::new(),
            most,
            scratch: String::new(),
        }
    }

    /// Whether it holds nothing and never will.
    pub(super) fn is_closed(&self) -> bool {
        self.most == 0
    }

    /// All names, in the order of their codes.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// The code of a name, if it is known.
    pub(super) fn find(&self, name: &str) -> Option<u32> {
        self.codes.get(name).copied()
    }

    /// The code of a name, which may be new; `None` where there are too many.
    pub(super) fn code(&mut self, name: &str) -> Option<u32> {
        if let Some(code) = self.codes.get(name) {
            return Some(*code);
        }
        if self.names.len() >= self.most {
            return None;
        }
        let code = self.names.len() as u32;
        self.names.push(name.to_owned());
        self.codes.insert(name.to_owned(), code);
        Some(code)
    }

    /// The code of a cell, which may be new; `None` where there are too many.
    pub(super) fn code_of(&mut self, cells: &Cells, row: usize) -> Option<u32> {
        if let Cells::Numbers(numbers) = cells {
            let number = numbers[row];
            if number >= 0.0 && number < SMALL as f64 && number.fract() == 0.0 {
                let place = number as usize;
                if let Some(code) = self.small.get(place).filter(|code| **code != ABSENT) {
                    return Some(*code);
                }
                let code = self.code(&number.to_string())?;
                if self.small.len() <= place {
                    self.small.resize(place + 1, ABSENT);
                }
                self.small[place] = code;
                return Some(code);
            }
            if let Some(code) = self.numbers.get(&number.to_bits()) {
                return Some(*code);
            }
            let mut scratch = std::mem::take(&mut self.scratch);
            let code = self.code(cells.text(row, &mut scratch));
            self.scratch = scratch;
            self.numbers.insert(number.to_bits(), code?);
            return code;
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        let code = self.code(cells.text(row, &mut scratch));
        self.scratch = scratch;
        code
    }

    /// The same names in a natural order: numbers by size, else by letters.
    pub(super) fn sorted(self) -> Self {
        let numbers: Option<Vec<f64>> = self.names.iter().map(|name| name.parse().ok()).collect();
        let mut order: Vec<usize> = (0..self.names.len()).collect();
        match &numbers {
            Some(numbers) => order.sort_by(|a, b| numbers[*a].total_cmp(&numbers[*b])),
            None => order.sort_by(|a, b| self.names[*a].cmp(&self.names[*b])),
        }
        let mut sorted = Self::new(self.most);
        for old in order {
            let _ = sorted.code(&self.names[old]);
        }
        sorted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_texts_share_their_names() {
        let mut dictionary = Dictionary::new(4);
        let mut texts = Cells::texts();
        ["10", "2.0", "x"].iter().for_each(|text| texts.push_text(text.as_bytes()));
        let numbers = Cells::Numbers(vec![2.0, 10.0, -1.5, 7.0]);
        assert_eq!([0, 1].map(|row| dictionary.code_of(&texts, row)), [Some(0), Some(1)]);
        assert_eq!([0, 1, 0].map(|row| dictionary.code_of(&numbers, row)), [Some(1), Some(0), Some(1)]);
        assert_eq!(dictionary.code_of(&numbers, 2), Some(2));
        assert_eq!((dictionary.code_of(&numbers, 3), dictionary.code_of(&texts, 2)), (Some(3), None));
        let sorted = dictionary.sorted();
        assert_eq!(sorted.names(), ["-1.5", "2", "7", "10"]);
        assert_eq!(sorted.find("10"), Some(3));
    }
}
