//! Results appear whole or not at all: the work is done in `DIR.partial` and renamed when complete.

use super::lock::{LOCK_FILE, Lock};
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
/// The results of an evaluation; the folder that has it is one.
pub(super) const EVALUATION_FILE: &str = "evaluation.json";
/// The results of an analysis of outcomes, of a simulated test, of a lab; a folder that has one of them is that of an
/// experiment.
pub(super) const EXPERIMENT_FILES: [&str; 3] = ["findings.json", "experiment.json", "lab.json"];
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
        // A file, or a folder that cannot be looked into.
        Err(_) => folder.exists(),
    }
}

/// Whether the folder holds results of a run, so that it may be replaced by others.
#[must_use]
pub fn is_results(folder: &Path) -> bool {
    Of::Run.is_in(folder)
}

/// Whose results a folder takes: it may only be replaced where it holds the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    Run,
    Evaluation,
    Experiment,
}

impl Of {
    fn is_in(self, folder: &Path) -> bool {
        let names: &[&str] = match self {
            Self::Run => &["manifest.json", "summary.json"],
            Self::Evaluation => &[EVALUATION_FILE],
            Self::Experiment => &EXPERIMENT_FILES,
        };
        names.iter().any(|name| folder.join(name).is_file())
    }

    fn refusal(self, folder: &Path) -> RunError {
        match self {
            Self::Run => RunError::NotResults(folder.to_owned()),
            Self::Evaluation => RunError::NotEvaluation(folder.to_owned()),
            Self::Experiment => RunError::NotExperiment(folder.to_owned()),
        }
    }
}

/// Reads how an interrupted run was begun.
///
/// # Errors
/// Where the folder is not one of an interrupted run.
pub fn read_resume(partial: &Path) -> io::Result<Resume> {
    Ok(serde_json::from_slice(&fs::read(partial.join(RESUME_FILE))?)?)
}

/// Commands whose work can go on, by the file that makes `DIR.partial` such work.
const RESUMABLE: [(&str, &str); 2] = [(RESUME_FILE, "run"), (TUNING_FILE, "tune")];

/// What a resumed search for parameters needs to know, inside `DIR.partial`.
pub(super) const TUNING_FILE: &str = "tune.json";

/// What is done in a folder.
pub(super) struct Work<'a> {
    /// Where the results go.
    pub out: &'a Path,
    /// Whether what is there may be replaced.
    pub force: bool,
    /// Whether to go on from what `DIR.partial` holds.
    pub resume: bool,
    /// Name and content of the file that makes it resumable; `None` where the work is begun anew after an interruption.
    pub begun: Option<(&'static str, Vec<u8>)>,
    /// Whether the work that was begun so is the same.
    pub is_same: &'a dyn Fn(&[u8]) -> bool,
}

/// The folder where the work is done.
pub(super) struct Partial {
    path: PathBuf,
    target: PathBuf,
    of: Of,
    force: bool,
    lock: Lock,
}

impl Partial {
    /// Opens the folder of a run.
    pub(super) fn of_run(
        experiment: &Experiment,
        policies: &[&Contestant],
        options: &Options,
    ) -> Result<Self, RunError> {
        let asked = Resume {
            scenario_hash: experiment.hash.clone(),
            seed: experiment.seed.value(),
            replications: experiment.replications,
            policies: policies.iter().map(|policy| policy.name.clone()).collect(),
            log: options.log,
            log_probabilities: options.log_probabilities,
            force: options.force,
        };
        let text = serde_json::to_vec_pretty(&asked).map_err(|error| RunError::file(&options.out)(error.into()))?;
        // Whether a folder is replaced changes no result.
        let is_same = |bytes: &[u8]| {
            serde_json::from_slice::<Resume>(bytes).is_ok_and(|begun| Resume { force: options.force, ..begun } == asked)
        };
        let begun = Some((RESUME_FILE, text));
        let (out, force, resume) = (&options.out, options.force, options.resume);
        Self::open(experiment, Work { out, force, resume, begun, is_same: &is_same })
    }

    /// Opens the folder, empty or with what an interruption left. Nothing is written where the input is refused.
    pub(super) fn open(experiment: &Experiment, work: Work<'_>) -> Result<Self, RunError> {
        let target = work.out.to_owned();
        let path = ready(&target, Of::Run, work.force)?;
        if let (true, Some((name, _))) = (work.resume, &work.begun) {
            let file = path.join(name);
            let bytes = fs::read(&file).map_err(RunError::file(&file))?;
            if !(work.is_same)(&bytes) {
                return Err(RunError::OtherRun(path));
            }
            return Ok(Self { lock: Lock::take(&path)?, path, target, of: Of::Run, force: work.force });
        }
        let folder = Self::empty(path, target, Of::Run, work.force)?;
        save_copy(experiment, &folder.path).map_err(RunError::file(&folder.path))?;
        // Last: a folder with this file can be resumed.
        if let Some((name, text)) = &work.begun {
            folder.write(name, text)?;
        }
        Ok(folder)
    }

    /// Makes the folder, or empties the one that is there.
    fn empty(path: PathBuf, target: PathBuf, of: Of, force: bool) -> Result<Self, RunError> {
        refuse_partial(&path, of, force)?;
        make_folder(&path)?;
        let folder = Self { lock: Lock::take(&path)?, path, target, of, force };
        discard_contents(&folder.path).map_err(RunError::file(&folder.path))?;
        Ok(folder)
    }

    /// Opens the folder, empty, for work that cannot be resumed.
    pub(super) fn anew(target: &Path, of: Of, force: bool) -> Result<Self, RunError> {
        Self::empty(ready(target, of, force)?, target.to_owned(), of, force)
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
        refuse_target(&self.target, self.of, self.force)?;
        if occupied {
            // What an earlier replacement left behind; the target is whole, so it is of no more use.
            if replaced.exists() {
                fs::remove_dir_all(&replaced).map_err(RunError::file(&replaced))?;
            }
            fs::rename(&self.target, &replaced).map_err(RunError::file(&replaced))?;
        }
        // Held until the folder has its name, but where an open file would keep it from being renamed.
        let held = if cfg!(windows) { None } else { Some(self.lock) };
        fs::rename(&self.path, &self.target).map_err(RunError::file(&self.target))?;
        // Only scaffolding goes from here on: the results are whole whatever happens.
        for scaffolding in [replaced, self.target.join(UNITS)] {
            if scaffolding.exists() {
                fs::remove_dir_all(&scaffolding).map_err(RunError::file(&scaffolding))?;
            }
        }
        for scaffolding in RESUMABLE.iter().map(|(file, _)| *file).chain([LOCK_FILE]) {
            let file = self.target.join(scaffolding);
            if file.exists() {
                fs::remove_file(&file).map_err(RunError::file(&file))?;
            }
        }
        drop(held);
        Ok(self.target)
    }
}

/// Refuses a folder where results cannot or must not be put.
///
/// # Errors
/// Where it holds something, unless `force` and it holds results of the same; where it is no folder, or another is at
/// work there.
pub(super) fn refuse(target: &Path, of: Of, force: bool) -> Result<(), RunError> {
    ready(target, of, force).map(|_| ())
}

/// Writes files of results into `DIR.partial`, and puts it in place when all are there: what stood in the folder stays
/// whole until then.
///
/// # Errors
/// As [`refuse`], and where a file cannot be written.
pub(super) fn write_all(
    target: &Path,
    of: Of,
    force: bool,
    files: &[(&'static str, String)],
) -> Result<PathBuf, RunError> {
    let partial = Partial::anew(target, of, force)?;
    files.iter().try_for_each(|(name, content)| partial.write(name, content.as_bytes()))?;
    partial.put_in_place()
}

/// Where the work for a folder is done, if results can and may be put there; nothing is written but what a replacement
/// that was cut short had moved aside.
pub(super) fn ready(target: &Path, of: Of, force: bool) -> Result<PathBuf, RunError> {
    if target.file_name().is_none() {
        return Err(RunError::NoName(target.to_owned()));
    }
    let path = partial_of(target);
    Lock::refuse_if_taken(&path)?;
    restore_replaced(target, of)?;
    refuse_target(target, of, force)?;
    Ok(path)
}

/// Refuses a place where results cannot or must not be put.
fn refuse_target(target: &Path, of: Of, force: bool) -> Result<(), RunError> {
    if target.exists() && !target.is_dir() {
        return Err(RunError::NotAFolder(target.to_owned()));
    }
    let replaced = with_suffix(target, ".replaced");
    if is_occupied(&replaced) && !of.is_in(&replaced) {
        return Err(of.refusal(&replaced));
    }
    match (is_occupied(target), force) {
        (true, false) => Err(RunError::Occupied(target.to_owned())),
        (true, true) if !of.is_in(target) => Err(of.refusal(target)),
        _ => Ok(()),
    }
}

/// Refuses to begin anew over work that can go on, and over what no run has left.
fn refuse_partial(partial: &Path, of: Of, force: bool) -> Result<(), RunError> {
    if partial.exists() && !partial.is_dir() {
        return Err(RunError::NotAFolder(partial.to_owned()));
    }
    let command = RESUMABLE.iter().find(|(file, _)| partial.join(file).exists()).map(|(_, command)| *command);
    match (command, partial.join(LOCK_FILE).exists()) {
        (Some(command), _) if !force => Err(RunError::Interrupted { partial: partial.to_owned(), command }),
        (None, false) if is_occupied(partial) => Err(of.refusal(partial)),
        _ => Ok(()),
    }
}

/// Makes the folder with its parents, or leaves nothing behind.
fn make_folder(path: &Path) -> Result<(), RunError> {
    let missing: Vec<&Path> = path.ancestors().take_while(|folder| !folder.exists()).collect();
    fs::create_dir_all(path).map_err(|source| {
        for folder in missing {
            // Those that were not made are not there, and one that someone else uses by now is not empty.
            let _ = fs::remove_dir(folder);
        }
        RunError::NotWritable { path: path.to_owned(), source }
    })
}

/// Empties a folder but for its lock. What makes it resumable goes first, so that half of a run is never resumed.
fn discard_contents(folder: &Path) -> io::Result<()> {
    for (file, _) in RESUMABLE {
        let resume = folder.join(file);
        if resume.exists() {
            fs::remove_file(resume)?;
        }
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() && !path.is_symlink() {
            fs::remove_dir_all(path)?;
        } else if !path.ends_with(LOCK_FILE) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Puts back what a replacement that was cut short had moved aside.
fn restore_replaced(target: &Path, of: Of) -> Result<(), RunError> {
    let replaced = with_suffix(target, ".replaced");
    if of.is_in(&replaced) && !target.exists() {
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
