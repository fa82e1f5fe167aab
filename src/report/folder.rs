//! Results appear whole or not at all: the work is done in `DIR.partial` and renamed when complete.

use super::{Options, RunError};
use crate::evaluation::Contestant;
use crate::scenario::{Experiment, save_copy};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What a resumed run needs to know, inside `DIR.partial`.
pub const RESUME_FILE: &str = "run.json";
/// Units of work that are done.
pub(super) const UNITS: &str = "units";

/// How a run was begun, so that it can go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// SHA-256 of the scenario.
    pub scenario_hash: String,
    /// Seed of the run.
    pub seed: u64,
    /// Number of replications.
    pub replications: u32,
    /// The names of the policies, in order.
    pub policies: Vec<String>,
    /// Decisions are logged.
    pub log: bool,
    /// With the probabilities of all actions.
    pub log_probabilities: bool,
    /// A folder that is there is replaced.
    pub force: bool,
}

/// `DIR.partial` of `DIR`.
#[must_use]
pub fn partial_of(folder: &Path) -> PathBuf {
    with_suffix(folder, ".partial")
}

fn with_suffix(folder: &Path, suffix: &str) -> PathBuf {
    // Through the components, so that a trailing separator does not end up inside the name.
    let mut name: OsString = folder.components().collect::<PathBuf>().into_os_string();
    name.push(suffix);
    PathBuf::from(name)
}

/// Whether the folder holds something that must not be lost.
#[must_use]
pub fn is_occupied(folder: &Path) -> bool {
    match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) => error.kind() == io::ErrorKind::NotADirectory,
    }
}

/// Reads how an interrupted run was begun.
///
/// # Errors
/// Where the folder is not one of an interrupted run.
pub fn read_resume(partial: &Path) -> io::Result<Resume> {
    Ok(serde_json::from_slice(&fs::read(partial.join(RESUME_FILE))?)?)
}

/// The folder where the work is done.
pub(super) struct Partial {
    path: PathBuf,
    target: PathBuf,
    force: bool,
}

impl Partial {
    /// Opens the folder, empty or with what an interrupted run left. Nothing is written where the input is refused.
    pub(super) fn open(experiment: &Experiment, policies: &[&Contestant], options: &Options) -> Result<Self, RunError> {
        let target = options.out.clone();
        let path = partial_of(&target);
        restore_replaced(&target)?;
        if is_occupied(&target) && !options.force {
            return Err(RunError::Occupied(target));
        }
        let asked = Resume {
            scenario_hash: experiment.hash.clone(),
            seed: experiment.seed.value(),
            replications: experiment.replications,
            policies: policies.iter().map(|policy| policy.name.clone()).collect(),
            log: options.log,
            log_probabilities: options.log_probabilities,
            force: options.force,
        };
        let folder = Self { path, target, force: options.force };
        if options.resume {
            let begun = read_resume(&folder.path).map_err(RunError::file(&folder.path.join(RESUME_FILE)))?;
            if begun != asked {
                return Err(RunError::OtherRun(folder.path));
            }
            return Ok(folder);
        }
        if folder.path.exists() {
            fs::remove_dir_all(&folder.path).map_err(RunError::file(&folder.path))?;
        }
        fs::create_dir_all(&folder.path).map_err(RunError::file(&folder.path))?;
        save_copy(experiment, &folder.path).map_err(RunError::file(&folder.path))?;
        let text = serde_json::to_vec_pretty(&asked).map_err(|error| RunError::file(&folder.path)(error.into()))?;
        // Last: a folder with this file can be resumed.
        folder.write(RESUME_FILE, &text)?;
        Ok(folder)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), RunError> {
        let path = self.path.join(name);
        write_whole(&path, bytes).map_err(RunError::file(&path))
    }

    /// Renames the folder to its final name. What stood there stays whole until then; should the program die between
    /// the two renames of a replacement, the next run finds the old folder under `DIR.replaced` and puts it back.
    pub(super) fn put_in_place(self) -> Result<PathBuf, RunError> {
        let replaced = with_suffix(&self.target, ".replaced");
        let occupied = is_occupied(&self.target);
        if occupied && !self.force {
            return Err(RunError::Occupied(self.target));
        }
        if occupied {
            // What an earlier replacement left behind; the target is whole, so it is of no more use.
            if replaced.exists() {
                fs::remove_dir_all(&replaced).map_err(RunError::file(&replaced))?;
            }
            fs::rename(&self.target, &replaced).map_err(RunError::file(&replaced))?;
        }
        fs::rename(&self.path, &self.target).map_err(RunError::file(&self.target))?;
        // Only scaffolding goes from here on: the results are whole whatever happens.
        for scaffolding in [replaced, self.target.join(UNITS)] {
            if scaffolding.exists() {
                fs::remove_dir_all(&scaffolding).map_err(RunError::file(&scaffolding))?;
            }
        }
        let resume = self.target.join(RESUME_FILE);
        fs::remove_file(&resume).map_err(RunError::file(&resume))?;
        Ok(self.target)
    }
}

/// Puts back what a replacement that was cut short had moved aside.
fn restore_replaced(target: &Path) -> Result<(), RunError> {
    let replaced = with_suffix(target, ".replaced");
    if replaced.exists() && !target.exists() {
        fs::rename(&replaced, target).map_err(RunError::file(&replaced))?;
    }
    Ok(())
}

/// Writes a file so that it is there whole or not at all.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let draft = with_suffix(path, ".draft");
    let mut file = fs::File::create(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(draft, path)
}
