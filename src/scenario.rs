//! From a scenario file to a checked experiment; the only place that names every registry.
//!
//! A file is read in one pass that never stops at a fault: every key of every section is checked against the parameters
//! that the registries declare, every named file is read, and only then are the market and the policies built. What the
//! builders refuse joins the rest.

mod contestant;
mod copy;
mod customers;
mod embedded;
pub(crate) mod error;
pub(crate) mod file;
pub mod listing;
mod market;
mod memory;
mod numeric;
mod registries;
pub(crate) mod rows;
#[cfg(test)]
pub(crate) mod satisfies;
mod saved;
pub mod schema;
pub(crate) mod section;
pub(crate) mod suggestion;
pub(crate) mod table;
mod trial;
mod tunable;

pub use copy::{load_copy, save_copy};
pub use embedded::{EMBEDDED, Embedded, embedded};
pub use error::{Code, ScenarioError, ScenarioErrors};
pub use file::NamedFile;
pub use memory::refuse_log;
pub use saved::made_for_path;
pub use section::is_name;
#[cfg(feature = "cli")]
pub(crate) use trial::schema::simulated;
pub use trial::{Arm, Decides, Lineup, Trial, TrialOverrides, is_trial, load_trial, parse_trial};
pub use tunable::{LearnerAsked, Tunable, written};

use crate::episode::Training;
use crate::evaluation::{Contender, Contestant, Guardrail};
use crate::protocol::World;
use crate::random::Seed;
use crate::registry::{Refusal, Value, Values};
use file::{Files, Source};
use registries::{REGISTRIES, Registries};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::Path;
use suggestion::way_out;
use table::{Reader, Section};
use toml::de::DeTable;

/// All that a scenario file asks for, checked and built.
pub struct Experiment {
    /// Name in the file.
    pub name: String,
    /// The question it asks, in a sentence.
    pub question: String,
    /// The file as it was read.
    pub text: String,
    /// Where the file was read from, for messages.
    pub file_name: String,
    /// Every file it names: the path as it writes it, and the bytes.
    pub files: Vec<NamedFile>,
    /// What the command line changed.
    pub overrides: Overrides,
    /// SHA-256 over the text and the content of every file that it names, in hexadecimal.
    pub hash: String,
    /// Seed of the run.
    pub seed: Seed,
    /// Number of replications.
    pub replications: u32,
    /// The market.
    pub world: Box<dyn World>,
    /// Who competes, in file order.
    pub contestants: Vec<Contestant>,
    /// Those of them that learn, as the file has them.
    pub learners: Vec<LearnerAsked>,
    /// What every agent gets before it is judged.
    pub training: Training,
    /// What must hold for exit code 0.
    pub guardrails: Vec<Guardrail>,
}

/// What the command line changes about a scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overrides {
    /// Instead of `seed`.
    pub seed: Option<u64>,
    /// Instead of `replications`; 1 or more.
    pub replications: Option<u32>,
    /// Only the policies of these names; all where empty.
    pub policies: Vec<String>,
}

/// Reads a scenario file, or an embedded scenario where the path is the bare name of one and no such file exists.
///
/// # Errors
/// All that is wrong with it.
pub fn load(path: &Path, overrides: &Overrides) -> Result<Experiment, ScenarioErrors> {
    let file_name = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => parse(&text, path.parent().unwrap_or(Path::new("")), &file_name, overrides),
        Err(error) => {
            if let Some(scenario) = embedded(&file_name) {
                return scenario.experiment(overrides);
            }
            let names: Vec<&str> = EMBEDDED.iter().map(|scenario| scenario.name).collect();
            let message = match error.kind() {
                std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
                std::io::ErrorKind::InvalidData => "the file is not UTF-8 text".to_owned(),
                _ => format!("the file cannot be read: {error}"),
            };
            let help =
                format!("give the path of a scenario file, or an embedded one: {}", way_out("", &names, "scenarios"));
            let fault = ScenarioError { message, place: None, help: Some(help), code: Code::UnreadableFile };
            Err(ScenarioErrors::new(&file_name, "", vec![fault]))
        }
    }
}

/// Reads the text of a scenario; the paths in it are relative to `base_folder`.
///
/// # Errors
/// All that is wrong with it.
pub fn parse(
    text: &str,
    base_folder: &Path,
    file_name: &str,
    overrides: &Overrides,
) -> Result<Experiment, ScenarioErrors> {
    read(text, Source::Folder(base_folder.to_owned()), file_name, overrides, &REGISTRIES)
}

fn read(
    text: &str,
    source: Source,
    file_name: &str,
    overrides: &Overrides,
    registries: &Registries,
) -> Result<Experiment, ScenarioErrors> {
    let (document, syntax) = DeTable::parse_recoverable(text);
    let mut reader = Reader { text, files: Files::new(source), faults: Vec::new() };
    let mut is_broken = false;
    for error in syntax.iter().take(SYNTAX_FAULTS) {
        is_broken |= !note_syntax(&mut reader, error);
    }
    let root = Section { path: String::new(), place: 0..text.len(), table: document.get_ref() };
    let parts = if is_broken { None } else { check(&mut reader, &root, overrides, registries) };
    match parts {
        Some(parts) if reader.faults.is_empty() => {
            let files = reader.files.into_read();
            Ok(parts.finish(text, file_name, files, overrides))
        }
        _ => Err(ScenarioErrors::new(file_name, text, reader.faults)),
    }
}

/// Faults of the TOML that are shown: what follows the first few is mostly their echo.
pub(crate) const SYNTAX_FAULTS: usize = 10;

/// Notes a fault of the TOML itself; says whether the rest can still be checked.
pub(crate) fn note_syntax(reader: &mut Reader<'_>, error: &toml::de::Error) -> bool {
    let is_duplicate = error.message() == "duplicate key";
    let word = error.span().and_then(|span| reader.text.get(span)).unwrap_or("").trim().to_owned();
    if is_duplicate {
        let message = format!("{word:?} stands there twice");
        reader.fault(Code::BadName, error.span(), message, "keep one; several of a kind are written [[like this]]");
    } else {
        let help = "the file must be TOML: https://toml.io";
        reader.fault(Code::Syntax, error.span(), format!("not TOML: {}", error.message()), help);
    }
    is_duplicate
}

/// What a file without faults comes to.
struct Parts {
    name: String,
    question: String,
    seed: u64,
    replications: u32,
    world: Box<dyn World>,
    contestants: Vec<Contestant>,
    learners: Vec<LearnerAsked>,
    training: Training,
    guardrails: Vec<Guardrail>,
}

/// All sections, each checked for itself; the parts whose values are all legal.
struct Checked {
    header: Option<Values>,
    plan: Option<market::Plan>,
    reward: Option<section::RewardRequest>,
    training: Option<Training>,
    candidates: Vec<contestant::Candidate>,
    guardrails: Vec<section::PlacedGuardrail>,
}

/// Checks every section, then what sections say about each other.
fn check_sections(
    reader: &mut Reader<'_>,
    root: &Section<'_>,
    overrides: &Overrides,
    registries: &Registries,
) -> Checked {
    let header = reader.values(root, section::EXPERIMENT, section::SECTIONS);
    if let Some(Value::Text(name)) = header.as_ref().and_then(|header| header.get("name")) {
        section::check_name(reader, root, name, &mut Vec::new());
    }
    let checked = Checked {
        header,
        plan: market::read(reader, root, registries),
        reward: section::reward(reader, root),
        training: section::training(reader, root),
        candidates: contestant::read(reader, root, registries),
        guardrails: section::guardrails(reader, root),
    };
    if let Some(plan) = &checked.plan {
        market::check_budget(reader, plan.budget(), &contestant::senders(&checked.candidates));
    }
    check_chosen(reader, &contestant::names(&checked.candidates), overrides);
    checked
}

/// Checks everything, then builds what can be built; a result counts only if no fault was noted.
fn check(reader: &mut Reader<'_>, root: &Section<'_>, overrides: &Overrides, registries: &Registries) -> Option<Parts> {
    let checked = check_sections(reader, root, overrides, registries);
    let plan = checked.plan?;
    let built = plan.build(reader)?;
    let chosen = |name: &String| overrides.policies.is_empty() || overrides.policies.contains(name);
    if let Some(reward) = &checked.reward {
        reward.check_counters(reader, &contestant::counters(&checked.candidates));
    }
    let (mut contestants, mut learners) = contestant::build(reader, checked.candidates, &built);
    contestants.retain(|contestant| chosen(&contestant.name));
    learners.retain(|learner| chosen(&learner.name));
    let trains = contestants.iter().any(|contestant| matches!(contestant.contender, Contender::Learner(_)));
    let is_finite = matches!(plan, market::Plan::Finite(_));
    let less_twin = checked.reward.as_ref().is_some_and(|reward| reward.resolve_twin(reader, is_finite));
    let is_campaign = matches!(plan, market::Plan::Campaign(_));
    let expected_orders = checked.reward.as_ref().is_some_and(|reward| reward.resolve_orders(reader, is_campaign));
    plan.check_memory(reader, &built, u64::from(trains) * (1 + u64::from(less_twin)));
    let reward = checked.reward.and_then(|reward| reward.resolve(reader, built.spec()));
    let guardrails = section::resolve_guardrails(reader, built.spec(), checked.guardrails);
    let (header, training) =
        (checked.header?, Training { reward: reward?, less_twin, expected_orders, ..checked.training? });
    Some(Parts {
        name: header.text("name").to_owned(),
        question: header.text("question").to_owned(),
        seed: overrides.seed.unwrap_or(header.integer("seed").unsigned_abs()),
        replications: overrides.replications.unwrap_or(u32::try_from(header.integer("replications")).unwrap_or(1)),
        world: built.into_world(),
        contestants,
        learners,
        training,
        guardrails,
    })
}

/// Notes policies that the command line asks for and the file does not have.
fn check_chosen(reader: &mut Reader<'_>, names: &[&str], overrides: &Overrides) {
    for wanted in overrides.policies.iter().filter(|wanted| !names.contains(&wanted.as_str())) {
        let message = format!("--policy: the file has no policy {wanted:?}");
        reader.fault(Code::UnknownName, None, message, way_out(wanted, names, "its policies"));
    }
    if overrides.replications == Some(0) {
        reader.fault(Code::OutOfRange, None, "--replications: 0 is not a whole number of 1 or more", "");
    }
}

/// Notes what a builder refused. The message names the key once, with the section in front.
pub(crate) fn refuse(reader: &mut Reader<'_>, path: &str, refusal: Refusal) {
    let key = match (path, refusal.key.as_str()) {
        ("", key) => key.to_owned(),
        (path, "") => path.to_owned(),
        (path, key) => format!("{path}.{key}"),
    };
    let starts = !key.is_empty() && refusal.message.starts_with(&key);
    let message = if key.is_empty() || starts { refusal.message } else { format!("{key}: {}", refusal.message) };
    reader.fault(Code::Refused, refusal.place, message, refusal.help);
}

impl Parts {
    fn finish(self, text: &str, file_name: &str, files: Vec<NamedFile>, overrides: &Overrides) -> Experiment {
        Experiment {
            name: self.name,
            question: self.question,
            text: text.to_owned(),
            file_name: file_name.to_owned(),
            hash: hash(text, &files),
            files,
            overrides: overrides.clone(),
            seed: Seed::new(self.seed),
            replications: self.replications,
            world: self.world,
            contestants: self.contestants,
            learners: self.learners,
            training: self.training,
            guardrails: self.guardrails,
        }
    }
}

/// The text of a scenario under another name, all else as it is.
#[must_use]
pub fn renamed(text: &str, name: &str) -> String {
    let (document, _) = DeTable::parse_recoverable(text);
    match document.get_ref().get("name") {
        Some(old) => format!("{}{name:?}{}", &text[..old.span().start], &text[old.span().end..]),
        None => format!("name = {name:?}\n{text}"),
    }
}

/// SHA-256 over the text and every named file; each part is preceded by its length, so that no two differ alike.
pub(crate) fn hash(text: &str, files: &[NamedFile]) -> String {
    let mut digest = Sha256::new();
    let mut add = |part: &[u8]| {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    };
    add(text.as_bytes());
    for (path, bytes) in files {
        add(path.as_bytes());
        add(bytes);
    }
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
