//! The files that a scenario names: read once, remembered for the hash and for the copy in a run folder.

use super::suggestion::nearest;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

/// A file that a scenario names: the path as the scenario writes it, and its bytes.
pub type NamedFile = (String, Arc<[u8]>);

/// Where named files come from.
#[derive(Debug)]
pub(crate) enum Source {
    /// Paths are relative to this folder.
    Folder(PathBuf),
    /// Files kept with the scenario, under the paths that it names.
    Copy(BTreeMap<String, Arc<[u8]>>),
}

/// The named files read so far.
#[derive(Debug)]
pub(crate) struct Files {
    source: Source,
    read: Vec<NamedFile>,
}

impl Files {
    pub(crate) fn new(source: Source) -> Self {
        Self { source, read: Vec::new() }
    }

    /// The content of a file, or why there is none and the way out.
    pub(crate) fn read(&mut self, path: &str) -> Result<Arc<[u8]>, (String, String)> {
        if let Some((_, bytes)) = self.read.iter().find(|(known, _)| known == path) {
            return Ok(Arc::clone(bytes));
        }
        let bytes = match &self.source {
            Source::Copy(files) => files
                .get(path)
                .cloned()
                .ok_or_else(|| (format!("{path:?} is not among the files kept with the scenario"), String::new()))?,
            Source::Folder(folder) => {
                let full = folder.join(path);
                fs::read(&full).map(Arc::from).map_err(|error| describe(path, &full, &error))?
            }
        };
        self.read.push((path.to_owned(), Arc::clone(&bytes)));
        Ok(bytes)
    }

    /// Why a file is not there, and the way out.
    #[cfg(feature = "cli")]
    pub(crate) fn missing(&self, path: &str) -> (String, String) {
        let full = match &self.source {
            Source::Folder(folder) => folder.join(path),
            Source::Copy(_) => PathBuf::from(path),
        };
        describe(path, &full, &io::Error::from(io::ErrorKind::NotFound))
    }

    /// All that was read, in the order of the paths.
    pub(crate) fn into_read(mut self) -> Vec<NamedFile> {
        self.read.sort();
        self.read
    }
}

fn describe(path: &str, full: &Path, error: &io::Error) -> (String, String) {
    if error.kind() != io::ErrorKind::NotFound {
        return (format!("{path:?} cannot be read: {error}"), "give the path of a readable file".to_owned());
    }
    let folder = full.parent().unwrap_or(Path::new("."));
    let shown = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let names: Vec<String> = fs::read_dir(shown)
        .map(|entries| entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
        .unwrap_or_default();
    let wanted = full.file_name().unwrap_or_default().to_string_lossy();
    let help = match nearest(&wanted, names.iter().map(String::as_str)) {
        Some(name) => format!("did you mean {name:?}? Paths are relative to the file that names them"),
        None => format!("paths are relative to the file that names them; looked in {}", shown.display()),
    };
    (format!("there is no file {path:?}"), help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_names_its_neighbour() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("customers.csv"), "id\n1\n").unwrap();
        let mut files = Files::new(Source::Folder(folder.path().to_owned()));
        let (message, help) = files.read("custmers.csv").unwrap_err();
        assert_eq!(message, "there is no file \"custmers.csv\"");
        assert!(help.contains("did you mean \"customers.csv\"?"), "{help}");
        assert!(files.read("customers.csv").is_ok());
        assert_eq!(files.into_read().len(), 1);
    }

    #[test]
    fn a_copy_holds_only_its_own_files() {
        let kept = BTreeMap::from([("a.csv".to_owned(), Arc::from(&b"x"[..]))]);
        let mut files = Files::new(Source::Copy(kept));
        assert_eq!(&*files.read("a.csv").unwrap(), b"x");
        assert!(files.read("b.csv").is_err());
    }
}
