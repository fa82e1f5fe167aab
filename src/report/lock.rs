//! One run at a time works in a folder.
//!
//! The operating system holds the lock and lets go of it when the process ends, however it ends: a lock that a killed
//! run left behind hinders nobody, and no number of a process needs to be guessed at. The file tells people who it is.

use super::RunError;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The file inside `DIR.partial`.
pub(super) const LOCK_FILE: &str = "lock";

/// Held as long as it lives.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the folder, or says who has it.
    pub(super) fn take(folder: &Path) -> Result<Self, RunError> {
        let path = folder.join(LOCK_FILE);
        let mut file = open(&path, true).map_err(RunError::file(&path))?;
        hold(&file, folder)
            .map_err(|error| error.unwrap_or_else(|source| RunError::File { path: path.clone(), source }))?;
        // Whoever had it may have put the folder in place just now: then this file is no longer in it.
        if !path.exists() {
            return Err(RunError::Busy { path: folder.to_owned(), process: None });
        }
        file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(RunError::file(&path))?;
        Ok(Self { _file: file })
    }

    /// Refuses where a run has the folder; writes nothing.
    pub(super) fn refuse_if_taken(folder: &Path) -> Result<(), RunError> {
        let Ok(file) = open(&folder.join(LOCK_FILE), false) else { return Ok(()) };
        match hold(&file, folder) {
            Err(Ok(busy)) => Err(busy),
            Ok(()) | Err(Err(_)) => Ok(()),
        }
    }
}

fn open(path: &Path, create: bool) -> io::Result<File> {
    File::options().read(true).write(true).create(create).truncate(false).open(path)
}

/// `Err(Ok)`: someone else has it; `Err(Err)`: it cannot be told. Where a file system knows no locks, nobody is refused.
fn hold(file: &File, folder: &Path) -> Result<(), Result<RunError, io::Error>> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => {
            let process = fs::read_to_string(folder.join(LOCK_FILE)).ok().and_then(|text| text.trim().parse().ok());
            Err(Ok(RunError::Busy { path: PathBuf::from(folder), process }))
        }
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(()),
        Err(TryLockError::Error(error)) => Err(Err(error)),
    }
}
