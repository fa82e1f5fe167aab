//! Every agent on networks learns to the same bytes on any number of threads.

use mercato::agent::AGENTS;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// Kinds and the keys that make them small; whoever is missing here is noticed below.
const KINDS: &[(&str, &str)] = &[
    ("dqn", "decisions_before = 2_000\nprioritised = true\nsteps = 3\ndueling = true"),
    ("qr_dqn", "decisions_before = 2_000"),
    ("reinforce", ""),
    ("a2c", "rollout_ticks = 4"),
    ("ppo", "rollout_ticks = 4\nencoder = \"gru\"\nencoder_width = 8"),
    ("discrete_sac", "decisions_before = 2_000"),
    ("neural_linear", ""),
    ("bootstrapped_thompson", ""),
    ("neural_ucb", ""),
    ("bc", "updates = 20"),
    ("cql", "updates = 20"),
    ("iql", "updates = 20"),
    ("fitted_q", "updates = 20"),
];

fn scenario() -> String {
    // Two shards and a bit.
    let mut text = String::from(
        "name = \"threads\"\nquestion = \"Do threads matter?\"\nseed = 5\nreplications = 1\n\n[market]\nkind = \"market\"\n\
         preset = \"retail\"\nconsumers = 2_100\nticks = 8\nhistory_days = 8\nevents_remembered = 4\n\n[[channel]]\n\
         name = \"email\"\n\n[[channel]]\nname = \"push\"\n\n[budget]\ntotal = 6\nrationed = false\n\n[reward]\n\
         kind = \"tick\"\nless_twin = true\nexpected_orders = true\n\n[training]\nepisodes = 1\nseeds = [5]\n",
    );
    for (kind, keys) in KINDS {
        let _ = write!(text, "\n[[policy]]\nname = \"{kind}\"\nkind = \"{kind}\"\nhidden = [16]\n{keys}\n");
    }
    text + "\n[[policy]]\nname = \"lagrangian\"\nkind = \"lagrangian\"\nbudget = 6\n\
            agent = { kind = \"ppo\", hidden = [16], rollout_ticks = 4 }\n"
}

/// The learned agents by the names of their files.
fn agents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.unwrap().path();
        (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap())
    };
    std::fs::read_dir(folder.join("policies")).unwrap().map(read).collect()
}

#[test]
fn every_agent_on_networks_learns_to_the_same_bytes_on_any_number_of_threads() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("threads.toml");
    std::fs::write(&file, scenario()).unwrap();
    let lived = |threads: &str| {
        let out = folder.path().join(threads);
        let mut command = Command::new(env!("CARGO_BIN_EXE_mercato"));
        command.arg("run").arg(&file).arg("--out").arg(&out).args(["--threads", threads, "--json"]);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let learning = std::fs::read(out.join("learning.csv")).unwrap();
        (String::from_utf8(output.stdout).unwrap(), learning, agents(&out))
    };
    let (one, two) = (lived("1"), lived("2"));
    assert_eq!(one.0, two.0);
    assert!(one.1 == two.1, "learning.csv differs");
    let differing: Vec<&String> =
        one.2.iter().filter(|(name, bytes)| two.2[*name] != **bytes).map(|(name, _)| name).collect();
    assert!(differing.is_empty() && one.2.keys().eq(two.2.keys()), "{differing:?}");
    for kind in KINDS.iter().map(|(kind, _)| *kind).chain(["lagrangian"]) {
        let files: Vec<&String> = one.2.keys().filter(|file| file.starts_with(&format!("{kind}."))).collect();
        assert_eq!(files.len(), 2, "the agent and what it suits: {kind}, {files:?}");
    }
}

#[test]
fn no_agent_with_hidden_layers_is_left_out() {
    let has_layers = |kind: &str| {
        let entry = AGENTS.iter().find(|entry| entry.name == kind);
        entry.is_some_and(|entry| entry.parameters.iter().any(|parameter| parameter.name == "hidden"))
    };
    let missing: Vec<&str> = AGENTS
        .iter()
        .map(|entry| entry.name)
        .filter(|name| has_layers(name) && !KINDS.iter().any(|(kind, _)| kind == name))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
