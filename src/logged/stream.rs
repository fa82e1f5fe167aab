//! A log read forwards by one thread while another looks at what was read.
//!
//! Rows come in the order of the files, whatever the number of threads. Only a few batches are in memory: those that wait,
//! that which is being made, and that which is looked at.

use super::cells::Chunk;
use super::layout::Layout;
use super::log::Faults;
use super::source::Source;
use crate::scenario::rows::RowPlace;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread;

/// Batches that wait to be looked at, at most.
const WAITING: usize = 2;

/// What the reading thread says of a file, by its number.
enum Told<T> {
    Rows(usize, T),
    Broken(usize, RowPlace, String),
    Fault(usize, String),
}

/// Nobody listens any more.
struct Unheard;

/// Reads these columns of every file (`None` leaves one out), `most` rows at a time. `make` turns rows into what `visit`
/// gets to see, on the reading thread, or says why the file cannot be read on.
pub(super) fn read<T: Default + Send>(
    paths: &[PathBuf],
    layout: &Layout,
    columns: &[Option<&str>],
    most: usize,
    faults: &mut Faults,
    make: impl FnMut(usize, &mut Chunk, &mut T) -> Result<(), String> + Send,
    visit: &mut dyn FnMut(usize, &T, &mut Faults),
) {
    let (teller, told) = sync_channel(WAITING);
    let (giver, spare) = channel();
    thread::scope(|scope| {
        let mut reading = Reading { layout, columns, most, make, chunk: Chunk::default(), teller, spare };
        scope.spawn(move || {
            for (file, path) in paths.iter().enumerate() {
                if reading.read(file, path).is_err() {
                    break;
                }
            }
        });
        for told in told {
            match told {
                Told::Rows(file, batch) => {
                    visit(file, &batch, faults);
                    // To be filled again; at the end of the log nobody does.
                    let _ = giver.send(batch);
                }
                Told::Broken(file, place, why) => faults.of(file).add_row(place, &why),
                Told::Fault(file, why) => faults.file(file, &why),
            }
        }
    });
}

struct Reading<'a, T, M> {
    layout: &'a Layout,
    columns: &'a [Option<&'a str>],
    most: usize,
    make: M,
    chunk: Chunk,
    teller: SyncSender<Told<T>>,
    spare: Receiver<T>,
}

impl<T: Default, M: FnMut(usize, &mut Chunk, &mut T) -> Result<(), String>> Reading<'_, T, M> {
    fn read(&mut self, file: usize, path: &Path) -> Result<(), Unheard> {
        let mut source = match self.open(path) {
            Ok(source) => source,
            Err(why) => return self.tell(Told::Fault(file, why)),
        };
        loop {
            if let Err(why) = source.next(self.most, &mut self.chunk) {
                return self.tell(Told::Fault(file, why));
            }
            if self.chunk.rows.is_empty() && self.chunk.broken.is_empty() {
                return Ok(());
            }
            for (row, line, why) in std::mem::take(&mut self.chunk.broken) {
                self.tell(Told::Broken(file, RowPlace { row, line }, why))?;
            }
            let mut batch = self.spare.try_recv().unwrap_or_default();
            match (self.make)(file, &mut self.chunk, &mut batch) {
                Ok(()) => self.tell(Told::Rows(file, batch))?,
                Err(why) => return self.tell(Told::Fault(file, why)),
            }
        }
    }

    fn open(&self, path: &Path) -> Result<Source, String> {
        let mut source = Source::open(path)?;
        if !self.layout.is_alike(&source) {
            return Err("has other actions or features than the first file".to_owned());
        }
        source.want(self.columns)?;
        Ok(source)
    }

    fn tell(&self, told: Told<T>) -> Result<(), Unheard> {
        self.teller.send(told).map_err(|_| Unheard)
    }
}
