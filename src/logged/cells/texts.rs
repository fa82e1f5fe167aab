//! Texts of a batch of rows, each different one kept once: what is done with a text is done once for all rows that have it.

use crate::logged::log::hash;

/// Places of the table at first; a power of two.
const PLACES: usize = 64;
/// Addresses that are remembered; a power of two.
const ADDRESSES: usize = 1 << 10;

/// A column of texts or bytes.
#[derive(Clone, Debug, Default)]
pub(in crate::logged) struct Texts {
    /// The different texts, one after the other, with their ends.
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// Which of them each row has.
    of_row: Vec<u32>,
    /// Number + 1 of the text that hashes here, or of one that had to go on from here; 0 where there is none.
    places: Vec<u32>,
    /// Where the bytes of a text lie in memory (address, length), and its number: a dictionary page gives all rows of a
    /// text the same bytes.
    addresses: Vec<(usize, usize, u32)>,
}

impl Texts {
    pub(in crate::logged) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.of_row.clear();
        self.places.fill(0);
        self.forget_addresses();
    }

    /// What lies in memory is about to change.
    fn forget_addresses(&mut self) {
        self.addresses.clear();
    }

    /// The text of one more row.
    pub(in crate::logged) fn push(&mut self, text: &[u8]) {
        let number = self.number(text);
        self.of_row.push(number);
    }

    /// The same, of bytes that stay where they are until the next [`Self::clear`].
    pub(in crate::logged) fn push_lying(&mut self, text: &[u8]) {
        let (address, length) = (text.as_ptr().addr(), text.len());
        if self.addresses.is_empty() {
            self.addresses.resize(ADDRESSES, (0, usize::MAX, 0));
        }
        let place = (address >> 3 ^ address >> 13) & (ADDRESSES - 1);
        let known = self.addresses[place];
        if (known.0, known.1) == (address, length) {
            self.of_row.push(known.2);
            return;
        }
        let number = self.number(text);
        self.addresses[place] = (address, length, number);
        self.of_row.push(number);
    }

    /// Number of different texts.
    pub(in crate::logged) fn count(&self) -> usize {
        self.ends.len()
    }

    /// One of the different texts.
    pub(in crate::logged) fn get(&self, number: usize) -> &[u8] {
        &self.bytes[if number == 0 { 0 } else { self.ends[number - 1] }..self.ends[number]]
    }

    /// Which of the different texts each row has.
    pub(in crate::logged) fn of_row(&self) -> &[u32] {
        &self.of_row
    }

    /// The text of a row.
    pub(in crate::logged) fn bytes(&self, row: usize) -> &[u8] {
        self.get(self.of_row[row] as usize)
    }

    fn number(&mut self, text: &[u8]) -> u32 {
        if 2 * self.ends.len() >= self.places.len() {
            self.grow();
        }
        let place = self.place(text);
        if self.places[place] == 0 {
            self.bytes.extend_from_slice(text);
            self.ends.push(self.bytes.len());
            self.places[place] = self.ends.len() as u32;
        }
        self.places[place] - 1
    }

    /// Where the text stands in the table, or would.
    fn place(&self, text: &[u8]) -> usize {
        let last = self.places.len() - 1;
        let mut place = hash(text) as usize & last;
        while self.places[place] != 0 && self.get(self.places[place] as usize - 1) != text {
            place = (place + 1) & last;
        }
        place
    }

    fn grow(&mut self) {
        self.places = vec![0; (2 * self.places.len()).max(PLACES)];
        for number in 0..self.ends.len() {
            let place = self.place(self.get(number));
            self.places[place] = number as u32 + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_different_text_is_kept_once_wherever_it_lies() {
        let mut texts = Texts::default();
        let lying: Vec<String> = (0..3_000).map(|row| format!("text {}", row % 200)).collect();
        for round in 0..2 {
            texts.clear();
            lying.iter().for_each(|text| texts.push(text.as_bytes()));
            lying.iter().for_each(|text| texts.push_lying(text.as_bytes()));
            lying.iter().for_each(|text| texts.push_lying(text.as_bytes()));
            assert_eq!((texts.count(), texts.of_row().len()), (200, 9_000), "{round}");
            for (row, text) in lying.iter().enumerate() {
                assert_eq!(texts.bytes(row), text.as_bytes());
                assert_eq!(texts.bytes(3_000 + row), text.as_bytes());
            }
        }
        texts.push(b"");
        assert_eq!((texts.bytes(9_000), texts.count()), (&b""[..], 201));
    }
}
