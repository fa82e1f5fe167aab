//! A scenario kept in a folder with every file it names, so that a run can go on when the originals have changed.

use super::error::{Code, ScenarioError, ScenarioErrors};
use super::file::Source;
use super::registries::REGISTRIES;
use super::{Experiment, Overrides, read};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::{fs, io};

const TEXT: &str = "scenario.toml";
const INDEX: &str = "scenario.json";
const FILES: &str = "scenario-files";

/// What the copy needs beside the text.
#[derive(Debug, Serialize, Deserialize)]
struct Index {
    file_name: String,
    overrides: Overrides,
    /// Paths as the scenario writes them; file `i` of the folder is the content of path `i`.
    files: Vec<String>,
}

/// Writes a scenario, its overrides and the files it names into a folder that exists.
///
/// # Errors
/// Where a file cannot be written.
pub fn save_copy(experiment: &Experiment, folder: &Path) -> io::Result<()> {
    let index = Index {
        file_name: experiment.file_name.clone(),
        overrides: experiment.overrides.clone(),
        files: experiment.files.iter().map(|(path, _)| path.clone()).collect(),
    };
    fs::write(folder.join(TEXT), &experiment.text)?;
    if !index.files.is_empty() {
        fs::create_dir_all(folder.join(FILES))?;
    }
    for (position, (_, bytes)) in experiment.files.iter().enumerate() {
        fs::write(folder.join(FILES).join(position.to_string()), bytes)?;
    }
    fs::write(folder.join(INDEX), serde_json::to_vec_pretty(&index)?)
}

/// Reads what [`save_copy`] wrote; the overrides are those of then.
///
/// # Errors
/// Where the folder holds no whole copy, or all that is wrong with the scenario.
pub fn load_copy(folder: &Path) -> Result<Experiment, ScenarioErrors> {
    let (text, index, files) = read_copy(folder).map_err(|error| {
        let fault = ScenarioError {
            message: format!("holds no run that can be resumed: {error}"),
            place: None,
            help: Some("give the .partial folder that an interrupted run left, or start the run again".to_owned()),
            code: Code::UnreadableFile,
        };
        ScenarioErrors::new(&folder.display().to_string(), "", vec![fault])
    })?;
    read(&text, Source::Copy(files), &index.file_name, &index.overrides, &REGISTRIES)
}

type Copied = (String, Index, BTreeMap<String, Arc<[u8]>>);

fn read_copy(folder: &Path) -> io::Result<Copied> {
    let text = fs::read_to_string(folder.join(TEXT))?;
    let index: Index = serde_json::from_slice(&fs::read(folder.join(INDEX))?)?;
    let mut files = BTreeMap::new();
    for (position, path) in index.files.iter().enumerate() {
        let bytes = fs::read(folder.join(FILES).join(position.to_string()))?;
        files.insert(path.clone(), Arc::from(bytes));
    }
    Ok((text, index, files))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{EMBEDDED, tests::Nowhere};

    #[test]
    fn a_copy_gives_the_same_scenario_back() {
        let folder = tempfile::tempdir().unwrap();
        let overrides = Overrides { seed: Some(9), replications: Some(2), policies: Vec::new() };
        let experiment = Nowhere::experiment("name = \"x\"\n", &[("a/b.csv", b"1"), ("c.csv", b"")], &overrides);
        save_copy(&experiment, folder.path()).unwrap();
        let (text, index, files) = read_copy(folder.path()).unwrap();
        assert_eq!((text, index.overrides), (experiment.text, overrides));
        assert_eq!(files.into_iter().collect::<Vec<_>>(), experiment.files);
    }

    #[test]
    fn embedded_scenarios_survive_the_copy() {
        for scenario in EMBEDDED {
            let folder = tempfile::tempdir().unwrap();
            let experiment = scenario.experiment(&Overrides::default()).unwrap_or_else(|errors| panic!("{errors}"));
            save_copy(&experiment, folder.path()).unwrap();
            let again = load_copy(folder.path()).unwrap_or_else(|errors| panic!("{errors}"));
            assert_eq!(again.hash, experiment.hash);
        }
    }

    #[test]
    fn a_folder_without_a_copy_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let Err(errors) = load_copy(folder.path()) else { panic!("loaded from nothing") };
        assert!(errors.to_string().contains("holds no run that can be resumed"), "{errors}");
    }
}
