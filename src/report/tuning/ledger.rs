//! Finished pieces of a search on disk, one small file each.

use crate::evaluation::tuning::{Ledger, Outcome, Piece};
use crate::report::Progress;
use crate::report::folder::{UNITS, write_whole};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Below the units of a run, beside which those of the last comparison lie.
const SEARCH: &str = "search";

#[derive(Serialize, Deserialize)]
struct Stored {
    piece: Piece,
    outcome: Outcome,
}

/// The ledger of a search.
pub(super) struct Pieces<'a> {
    folder: PathBuf,
    progress: &'a dyn Progress,
}

impl<'a> Pieces<'a> {
    pub(super) fn new(folder: &Path, progress: &'a dyn Progress) -> Self {
        Self { folder: folder.join(UNITS).join(SEARCH), progress }
    }

    /// How many are done, with the units of the last comparison.
    pub(super) fn count(&self) -> u64 {
        let is_done = |entry: &fs::DirEntry| entry.path().extension().is_some_and(|extension| extension == "json");
        let count =
            |folder: &Path| fs::read_dir(folder).map_or(0, |entries| entries.flatten().filter(is_done).count() as u64);
        count(&self.folder) + self.folder.parent().map_or(0, count)
    }

    fn path(&self, piece: Piece) -> PathBuf {
        let Piece { trial, episodes, replication } = piece;
        self.folder.join(format!("trial-{trial:05}-{episodes:06}-{replication:05}.json"))
    }
}

impl Ledger for Pieces<'_> {
    /// A torn file is as good as none: it is not JSON, or of another piece.
    fn restore(&self, piece: Piece) -> Option<Outcome> {
        let stored: Stored = serde_json::from_slice(&fs::read(self.path(piece)).ok()?).ok()?;
        (stored.piece == piece).then_some(stored.outcome)
    }

    fn keep(&self, piece: Piece, outcome: &Outcome) -> io::Result<()> {
        let stored = Stored { piece, outcome: outcome.clone() };
        write_whole(&self.path(piece), &serde_json::to_vec(&stored)?)?;
        self.progress.advance();
        Ok(())
    }
}
