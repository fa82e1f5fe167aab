//! Saved agents: a file and what stands beside it.

use super::error::Code;
use super::table::Reader;
use crate::registry::SavedAgent;
use std::ops::Range;

/// The name of the file beside a saved agent that says what it was made for.
#[must_use]
pub fn made_for_path(path: &str) -> String {
    format!("{}.made-for.json", path.strip_suffix(".json").unwrap_or(path))
}

/// Reads both files. Faults point at the path in the scenario.
pub(super) fn read(reader: &mut Reader<'_>, path: &str, file: &str, place: Range<usize>) -> Option<SavedAgent> {
    let beside = made_for_path(file);
    let agent = reader.files.read(file);
    let description = if agent.is_ok() { reader.files.read(&beside) } else { agent.clone() };
    match (agent, description) {
        (Ok(agent), Ok(description)) => Some(SavedAgent { path: file.to_owned(), agent, description }),
        (Err((message, help)), _) | (Ok(_), Err((message, help))) => {
            reader.fault(Code::UnreadableFile, Some(place), format!("{path}: {message}"), help);
            None
        }
    }
}
