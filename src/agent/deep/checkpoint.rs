//! Named arrays and notes in one file, the same bytes for the same content: what a learner needs to go on.
//!
//! The layout is that of safetensors (a little-endian length, a JSON head, the arrays one after the other), so that other
//! tools can read the arrays. Names are sorted, as are the notes (`__metadata__`), of which `format` is the version.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;

/// Version of the layout, under the note `format`.
const FORMAT: &str = "mercato deep 2";
/// A head longer than this is no head.
const HEAD_BYTES_MAX: u64 = 1 << 28;

/// What a learner keeps, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checkpoint {
    notes: BTreeMap<String, String>,
    arrays: BTreeMap<String, Stored>,
}

#[derive(Clone, Debug, PartialEq)]
struct Stored {
    kind: &'static str,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Place {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: Range2,
}

/// Byte offsets `[from, to]` behind the head.
#[derive(Serialize, Deserialize)]
struct Range2(usize, usize);

#[derive(Serialize, Deserialize)]
struct Head {
    #[serde(rename = "__metadata__")]
    notes: BTreeMap<String, String>,
    #[serde(flatten)]
    places: BTreeMap<String, Place>,
}

/// A number that is stored in little-endian bytes.
pub trait Element: Copy {
    /// Its name in the layout.
    const KIND: &'static str;
    /// Bytes of one.
    const BYTES: usize;
    /// Appends its bytes.
    fn write(self, to: &mut Vec<u8>);
    /// From exactly [`Self::BYTES`] bytes.
    fn read(bytes: &[u8]) -> Self;
}

macro_rules! element {
    ($kind:ty, $name:literal) => {
        impl Element for $kind {
            const KIND: &'static str = $name;
            const BYTES: usize = size_of::<$kind>();
            fn write(self, to: &mut Vec<u8>) {
                to.extend_from_slice(&self.to_le_bytes());
            }
            fn read(bytes: &[u8]) -> Self {
                let mut own = [0; size_of::<$kind>()];
                own.copy_from_slice(bytes);
                Self::from_le_bytes(own)
            }
        }
    };
}

element!(f32, "F32");
element!(f64, "F64");
element!(u8, "U8");
element!(u16, "U16");
element!(u32, "U32");
element!(u64, "U64");

const KINDS: [(&str, usize); 6] = [("F32", 4), ("F64", 8), ("U8", 1), ("U16", 2), ("U32", 4), ("U64", 8)];

/// What is wrong with a file that is no checkpoint, or one of something else.
pub fn invalid(message: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message.into())
}

impl Checkpoint {
    /// Notes something small.
    ///
    /// # Errors
    /// Where it cannot be written as JSON.
    pub fn note(&mut self, name: &str, value: &impl Serialize) -> io::Result<()> {
        self.notes.insert(name.to_owned(), serde_json::to_string(value)?);
        Ok(())
    }

    /// What was noted.
    ///
    /// # Errors
    /// Where it is absent or of another form.
    pub fn noted<T: DeserializeOwned>(&self, name: &str) -> io::Result<T> {
        let text = self.notes.get(name).ok_or_else(|| invalid(format!("the checkpoint has no note `{name}`")))?;
        serde_json::from_str(text).map_err(|error| invalid(format!("the note `{name}` cannot be read: {error}")))
    }

    /// Keeps an array. Its shape multiplies to its length.
    pub fn put<T: Element>(&mut self, name: impl Into<String>, shape: &[usize], values: &[T]) {
        debug_assert_eq!(shape.iter().product::<usize>(), values.len());
        let mut bytes = Vec::with_capacity(values.len() * T::BYTES);
        values.iter().for_each(|value| value.write(&mut bytes));
        self.arrays.insert(name.into(), Stored { kind: T::KIND, shape: shape.to_vec(), bytes });
    }

    /// An array of this length.
    ///
    /// # Errors
    /// Where it is absent, of another kind or of another length.
    pub fn take<T: Element>(&self, name: &str, length: usize) -> io::Result<Vec<T>> {
        let values = self.take_any(name)?;
        if values.len() != length {
            return Err(invalid(format!("the array `{name}` has {} values where {length} are expected", values.len())));
        }
        Ok(values)
    }

    /// An array of any length.
    ///
    /// # Errors
    /// Where it is absent or of another kind.
    pub fn take_any<T: Element>(&self, name: &str) -> io::Result<Vec<T>> {
        let stored = self.arrays.get(name).ok_or_else(|| invalid(format!("the checkpoint has no array `{name}`")))?;
        if stored.kind != T::KIND {
            return Err(invalid(format!("the array `{name}` is {} where {} is expected", stored.kind, T::KIND)));
        }
        Ok(stored.bytes.chunks_exact(T::BYTES).map(T::read).collect())
    }

    /// Writes it.
    ///
    /// # Errors
    /// Where writing fails.
    pub fn write(&self, to: &mut dyn io::Write) -> io::Result<()> {
        let mut notes = self.notes.clone();
        notes.insert("format".into(), FORMAT.into());
        let (mut places, mut from) = (BTreeMap::new(), 0);
        for (name, stored) in &self.arrays {
            let place = Place {
                dtype: stored.kind.into(),
                shape: stored.shape.clone(),
                data_offsets: Range2(from, from + stored.bytes.len()),
            };
            from += stored.bytes.len();
            places.insert(name.clone(), place);
        }
        let mut head = serde_json::to_vec(&Head { notes, places })?;
        head.resize(head.len().next_multiple_of(8), b' ');
        to.write_all(&(head.len() as u64).to_le_bytes())?;
        to.write_all(&head)?;
        self.arrays.values().try_for_each(|stored| to.write_all(&stored.bytes))
    }

    /// Reads what [`Self::write`] wrote.
    ///
    /// # Errors
    /// Where reading fails, or what is read is no whole checkpoint of this version.
    pub fn read(from: &mut dyn io::Read) -> io::Result<Self> {
        let mut length = [0; 8];
        from.read_exact(&mut length)?;
        let length = u64::from_le_bytes(length);
        if length > HEAD_BYTES_MAX {
            return Err(invalid("this is no checkpoint of a deep agent"));
        }
        let mut head = Vec::new();
        io::Read::read_to_end(&mut io::Read::take(&mut *from, length), &mut head)?;
        let Head { mut notes, places } = serde_json::from_slice(&head)
            .map_err(|error| invalid(format!("this is no checkpoint of a deep agent: {error}")))?;
        match notes.remove("format") {
            Some(format) if format == FORMAT => {}
            other => {
                let found = other.as_deref().unwrap_or("none");
                return Err(invalid(format!("the checkpoint has format `{found}` where `{FORMAT}` is read")));
            }
        }
        let mut data = Vec::new();
        from.read_to_end(&mut data)?;
        let arrays = places.into_iter().map(|(name, place)| Ok((name.clone(), stored(&name, place, &data)?)));
        Ok(Self { notes, arrays: arrays.collect::<io::Result<_>>()? })
    }
}

fn stored(name: &str, place: Place, data: &[u8]) -> io::Result<Stored> {
    let &(kind, bytes) = KINDS
        .iter()
        .find(|(kind, _)| *kind == place.dtype)
        .ok_or_else(|| invalid(format!("the array `{name}` has the unknown kind `{}`", place.dtype)))?;
    let Range2(from, to) = place.data_offsets;
    let values = place.shape.iter().try_fold(bytes, |product, length| product.checked_mul(*length));
    match data.get(from..to) {
        Some(slice) if values == Some(slice.len()) => Ok(Stored { kind, shape: place.shape, bytes: slice.to_vec() }),
        _ => Err(invalid(format!("the checkpoint ends before its array `{name}`, or the array has another size"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Checkpoint {
        let mut checkpoint = Checkpoint::default();
        checkpoint.put("b", &[2, 1], &[1.5f32, f32::MIN_POSITIVE]);
        checkpoint.put("a", &[3], &[1u16, 2, u16::MAX]);
        checkpoint.note("steps", &7u64).unwrap();
        checkpoint
    }

    fn bytes(checkpoint: &Checkpoint) -> Vec<u8> {
        let mut bytes = Vec::new();
        checkpoint.write(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn what_is_written_is_read_to_the_same_bytes() {
        let read = Checkpoint::read(&mut bytes(&example()).as_slice()).unwrap();
        assert_eq!(read, example());
        assert_eq!(bytes(&read), bytes(&example()));
        assert_eq!(read.noted::<u64>("steps").unwrap(), 7);
        assert_eq!(read.take::<u16>("a", 3).unwrap(), [1, 2, u16::MAX]);
    }

    #[test]
    fn the_layout_is_that_of_safetensors() {
        let tensors = candle_core::safetensors::load_buffer(&bytes(&example()), &candle_core::Device::Cpu).unwrap();
        assert_eq!(tensors["b"].dims(), [2, 1]);
        assert_eq!(tensors["b"].flatten_all().unwrap().to_vec1::<f32>().unwrap(), [1.5, f32::MIN_POSITIVE]);
    }

    #[test]
    fn what_is_no_checkpoint_is_refused() {
        let whole = bytes(&example());
        for cut in 0..whole.len() {
            assert!(Checkpoint::read(&mut &whole[..cut]).is_err(), "cut at {cut}");
        }
        assert!(Checkpoint::read(&mut &b"{}"[..]).is_err());
        let read = Checkpoint::read(&mut whole.as_slice()).unwrap();
        assert!(read.take::<f32>("a", 3).unwrap_err().to_string().contains("U16 where F32"));
        assert!(read.take::<u16>("a", 2).unwrap_err().to_string().contains("3 values where 2"));
        assert!(read.take::<u16>("c", 2).unwrap_err().to_string().contains("no array `c`"));
    }
}
