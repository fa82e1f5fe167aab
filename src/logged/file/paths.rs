//! Files that an evaluation file names.

use super::NamedTable;
use crate::registry::Values;
use crate::scenario::error::Code;
use crate::scenario::table::Reader;
use std::ops::Range as Place;
use std::path::{Path, PathBuf};

/// The files of a path, those of a pattern in the order of their names.
pub(super) fn log_paths(reader: &mut Reader<'_>, log: &Values, folder: &Path) -> Vec<PathBuf> {
    let Some(path) = log.optional_text("path") else { return Vec::new() };
    let full = folder.join(path);
    let place = log.place("path");
    let pattern = full.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if !pattern.contains(['*', '?']) {
        if !full.is_file() {
            let (message, help) = reader.files.missing(path);
            reader.fault(Code::UnreadableFile, place, format!("log.path: {message}"), help);
        }
        return vec![full];
    }
    let parent = full.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let entries = std::fs::read_dir(parent).map(|entries| entries.flatten().map(|entry| entry.file_name()).collect());
    let mut names: Vec<String> = entries
        .unwrap_or_else(|_| Vec::new())
        .iter()
        .map(|name: &std::ffi::OsString| name.to_string_lossy().into_owned())
        .filter(|name| matches(pattern.as_bytes(), name.as_bytes()))
        .collect();
    names.sort();
    if names.is_empty() {
        let help = format!("looked in {}; paths are relative to the evaluation file", parent.display());
        reader.fault(Code::UnreadableFile, place, format!("log.path: no file is named like {path:?}"), help);
    }
    names.into_iter().map(|name| parent.join(name)).collect()
}

/// Whether a name is of a pattern: `*` is any letters, `?` is any one.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.first(), name.first()) {
        (None, None) => true,
        (Some(b'*'), _) => matches(&pattern[1..], name) || (!name.is_empty() && matches(pattern, &name[1..])),
        (Some(b'?'), Some(_)) => matches(&pattern[1..], &name[1..]),
        (Some(letter), Some(other)) => letter == other && matches(&pattern[1..], &name[1..]),
        _ => false,
    }
}

/// Reads a table; it is part of what the file asks for.
pub(super) fn named_table(
    reader: &mut Reader<'_>,
    key: &str,
    path: &str,
    place: Option<Place<usize>>,
) -> Option<NamedTable> {
    match reader.files.read(path) {
        Ok(bytes) => Some(NamedTable { path: path.to_owned(), place, bytes }),
        Err((message, help)) => {
            reader.fault(Code::UnreadableFile, place, format!("{key}: {message}"), help);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_names() {
        for (pattern, name, expected) in [
            ("*.parquet", "a.parquet", true),
            ("log-?.csv", "log-1.csv", true),
            ("log-?.csv", "log-12.csv", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }
}
