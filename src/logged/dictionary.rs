//! Names as small numbers.

use super::cells::{Cells, named_number};
use super::log::spread;
use std::collections::BTreeMap;

/// Whole numbers below this are looked up in an array.
const SMALL: usize = 65_536;
/// Numbers whose codes are at hand; a power of two.
const RECENT: usize = 4_096;
/// The code of what is not in a dictionary.
pub(super) const ABSENT: u32 = u32::MAX;

/// Names in the order in which they were met.
#[derive(Clone, Debug)]
pub(super) struct Dictionary {
    names: Vec<String>,
    codes: BTreeMap<String, u32>,
    /// Codes of numbers, so that they need not be written out: small whole ones by themselves, others by their bits.
    small: Vec<u32>,
    numbers: BTreeMap<u64, u32>,
    /// Bits and codes of some of these; empty until there is one.
    recent: Vec<(u64, u32)>,
    /// By different text of the batch at hand, its code.
    of_text: Vec<u32>,
    /// Whether names were met as numbers.
    is_of_numbers: bool,
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
            recent: Vec::new(),
            of_text: Vec::new(),
            is_of_numbers: false,
            most,
            scratch: String::new(),
        }
    }

    /// Whether it holds nothing and never will.
    pub(super) fn is_closed(&self) -> bool {
        self.most == 0
    }

    /// Takes no more names.
    pub(super) fn seal(&mut self) {
        self.most = self.names.len();
    }

    /// All names, in the order of their codes.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// The code of a name, if it is known.
    pub(super) fn find(&self, name: &str) -> Option<u32> {
        self.codes.get(name).copied()
    }

    /// What a text of another file calls here: itself, without blanks around it; where the names were met as numbers, the
    /// number that it reads as.
    pub(super) fn name_of(&self, text: &str) -> String {
        let text = text.trim();
        match text.parse::<f64>() {
            // Minus 0 is 0.
            Ok(number) if self.is_of_numbers && number.is_finite() => (number + 0.0).to_string(),
            _ => text.to_owned(),
        }
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

    /// The codes of a column, of which some may be new; [`ABSENT`] where there are too many.
    pub(super) fn codes_of(&mut self, cells: &Cells, codes: &mut Vec<u32>) {
        codes.clear();
        match cells {
            Cells::Numbers(numbers) => {
                self.is_of_numbers = true;
                codes.extend(numbers.iter().map(|number| self.code_of_number(*number)));
            }
            Cells::Texts(texts) => {
                let mut of_text = std::mem::take(&mut self.of_text);
                of_text.clear();
                of_text.extend((0..texts.count()).map(|number| {
                    let text = String::from_utf8_lossy(texts.get(number));
                    self.code(text.trim()).unwrap_or(ABSENT)
                }));
                codes.extend(texts.of_row().iter().map(|number| of_text[*number as usize]));
                self.of_text = of_text;
            }
            Cells::Lists { ends, .. } => {
                let code = self.code("a list").unwrap_or(ABSENT);
                codes.extend(ends.iter().map(|_| code));
            }
        }
    }

    #[inline]
    fn code_of_number(&mut self, number: f64) -> u32 {
        // Minus 0 is 0.
        let number = number + 0.0;
        let place = number as usize;
        let is_small = place < SMALL && place as f64 == number;
        match self.small.get(place) {
            Some(code) if is_small && *code != ABSENT => *code,
            _ => self.code_of_other_number(number, is_small),
        }
    }

    fn code_of_other_number(&mut self, number: f64, is_small: bool) -> u32 {
        let bits = number.to_bits();
        let recent = (spread(bits) as usize) & (RECENT - 1);
        if let Some((known, code)) = self.recent.get(recent)
            && *known == bits
            && *code != ABSENT
        {
            return *code;
        }
        if let Some(code) = self.numbers.get(&bits) {
            self.recent[recent] = (bits, *code);
            return *code;
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        let code = self.code(named_number(number, &mut scratch));
        self.scratch = scratch;
        let Some(code) = code else { return ABSENT };
        if is_small {
            let place = number as usize;
            if self.small.len() <= place {
                self.small.resize(place + 1, ABSENT);
            }
            self.small[place] = code;
        } else {
            self.recent.resize(RECENT, (0, ABSENT));
            self.recent[recent] = (bits, code);
            self.numbers.insert(bits, code);
        }
        code
    }

    /// The same names in a natural order: numbers by size, else by letters.
    pub(super) fn sorted(self) -> Self {
        let numbers: Option<Vec<f64>> = self.names.iter().map(|name| name.parse().ok()).collect();
        let mut order: Vec<usize> = (0..self.names.len()).collect();
        match &numbers {
            Some(numbers) => order
                .sort_by(|a, b| numbers[*a].total_cmp(&numbers[*b]).then_with(|| self.names[*a].cmp(&self.names[*b]))),
            None => order.sort_by(|a, b| self.names[*a].cmp(&self.names[*b])),
        }
        let mut sorted = Self { is_of_numbers: self.is_of_numbers, ..Self::new(self.most) };
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
    fn texts_that_read_as_one_number_are_names_of_their_own() {
        let (mut dictionary, mut codes) = (Dictionary::new(9), Vec::new());
        let mut texts = Cells::texts();
        ["7", "007", "7.0", "1.1", "1.10"].iter().for_each(|text| texts.push_text(text.as_bytes()));
        dictionary.codes_of(&texts, &mut codes);
        assert_eq!(codes, [0, 1, 2, 3, 4]);
        assert_eq!(dictionary.name_of(" 7.0"), "7.0");
        // A column of numbers has no texts: other files may write them as they like.
        let mut numbers = Dictionary::new(9);
        numbers.codes_of(&Cells::Numbers(vec![7.0, 0.5]), &mut codes);
        assert_eq!(["7.0", "0.50", "-0", "x"].map(|text| numbers.name_of(text)), ["7", "0.5", "0", "x"]);
    }

    #[test]
    fn numbers_and_texts_share_their_names() {
        let mut dictionary = Dictionary::new(4);
        let mut texts = Cells::texts();
        ["10", "2", "10"].iter().for_each(|text| texts.push_text(text.as_bytes()));
        let mut codes = Vec::new();
        let mut codes_of = |dictionary: &mut Dictionary, cells: &Cells| {
            dictionary.codes_of(cells, &mut codes);
            codes.clone()
        };
        assert_eq!(codes_of(&mut dictionary, &texts), [0, 1, 0]);
        let numbers = Cells::Numbers(vec![2.0, 10.0, -1.5, 2.0, 7.0, -1.5, 8.5, f64::NAN]);
        for _ in 0..2 {
            assert_eq!(codes_of(&mut dictionary, &numbers), [1, 0, 2, 1, 3, 2, ABSENT, ABSENT]);
        }
        texts.push_text(b"x");
        assert_eq!(codes_of(&mut dictionary, &texts), [0, 1, 0, ABSENT]);
        let mut zeros = Dictionary::new(3);
        assert_eq!(codes_of(&mut zeros, &Cells::Numbers(vec![f64::NAN, -0.0, 0.0])), [0, 1, 1]);
        assert_eq!(zeros.names(), ["", "0"]);
        let sorted = dictionary.sorted();
        assert_eq!(sorted.names(), ["-1.5", "2", "7", "10"]);
        assert_eq!(sorted.find("10"), Some(3));
    }
}
