//! The layers hold: a module uses only the layers below it.

use std::fs;
use std::path::{Path, PathBuf};

/// Each module with the crate modules it may use (besides itself).
const LAYERS: &[(&str, &[&str])] = &[
    ("math", &[]),
    ("random", &[]),
    ("units", &[]),
    ("matrix", &["random"]),
    ("statistics", &["math"]),
    ("registry", &[]),
    ("protocol", &["math", "matrix", "random", "units"]),
    ("agent", &["math", "matrix", "random", "units", "statistics", "registry", "protocol"]),
    ("market", &["math", "matrix", "random", "units", "statistics", "registry", "protocol"]),
    ("response", &["math", "matrix", "random", "units", "statistics", "registry", "protocol", "market"]),
    ("environment", &["math", "matrix", "random", "units", "statistics", "registry", "protocol", "market", "response"]),
    (
        "oracle",
        &[
            "math",
            "matrix",
            "random",
            "units",
            "statistics",
            "registry",
            "protocol",
            "market",
            "response",
            "environment",
        ],
    ),
    ("episode", &["math", "matrix", "random", "units", "statistics", "registry", "protocol"]),
    ("evaluation", &["math", "matrix", "random", "units", "statistics", "registry", "protocol", "episode"]),
    ("scenario", BELOW_SCENARIO),
    (
        "logged",
        &["agent", "episode", "evaluation", "matrix", "protocol", "random", "registry", "scenario", "statistics"],
    ),
    ("outcomes", &["random", "statistics", "registry", "evaluation", "scenario"]),
    (
        "report",
        &[
            "outcomes",
            "math",
            "matrix",
            "random",
            "units",
            "statistics",
            "registry",
            "protocol",
            "oracle",
            "episode",
            "evaluation",
            "scenario",
            "logged",
            "trap",
        ],
    ),
    (
        "trap",
        &[
            "math",
            "matrix",
            "random",
            "units",
            "statistics",
            "registry",
            "protocol",
            "market",
            "response",
            "environment",
            "episode",
        ],
    ),
    (
        "cli",
        &[
            "outcomes",
            "trap",
            "agent",
            "environment",
            "episode",
            "evaluation",
            "logged",
            "random",
            "registry",
            "report",
            "response",
            "scenario",
        ],
    ),
    ("lib", &[]),
    ("main", &[]),
];

/// The scenario names every registry, and nothing above it.
const BELOW_SCENARIO: &[&str] = &[
    "math",
    "matrix",
    "random",
    "units",
    "statistics",
    "registry",
    "protocol",
    "agent",
    "market",
    "response",
    "environment",
    "oracle",
    "episode",
    "evaluation",
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Path below `src` and text of every source file.
fn texts() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let text = |file: &PathBuf| {
        let relative = file.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
        (relative, fs::read_to_string(file).unwrap())
    };
    files.iter().map(text).collect()
}

/// The crate's first-level modules that the code before the tests of a file names.
fn used(text: &str) -> Vec<String> {
    let code: String = text
        .split("#[cfg(test)]")
        .next()
        .unwrap_or("")
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n");
    assert!(!code.contains("crate::{"), "name the module in every `use`, so that this test can read it");
    code.split("crate::")
        .skip(1)
        .map(|rest| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect())
        .filter(|name: &String| !name.is_empty())
        .collect()
}

#[test]
fn modules_use_only_the_layers_below() {
    let mut breaches = Vec::new();
    for (relative, text) in texts() {
        let module = relative.split(['/', '.']).next().unwrap().to_owned();
        let Some((_, below)) = LAYERS.iter().find(|(name, _)| *name == module) else {
            breaches.push(format!("{relative} stands in no layer"));
            continue;
        };
        for name in used(&text) {
            if name != module && !below.contains(&name.as_str()) {
                breaches.push(format!("{relative} uses {name}"));
            }
        }
    }
    assert!(breaches.is_empty(), "layers are broken:\n{}", breaches.join("\n"));
}

#[test]
fn heavy_crates_stay_in_their_layer() {
    let mut breaches = Vec::new();
    for (relative, text) in texts() {
        let confined = [
            ("clap", &["cli", "main"][..]),
            ("miette", &["cli", "main"]),
            ("indicatif", &["cli", "main"]),
            ("parquet", &["report", "logged", "scenario", "cli"]),
            ("plotters", &["report"]),
            ("maud", &["report"]),
            ("candle_core", &["agent/deep"]),
            ("candle_nn", &["agent/deep"]),
            ("gemm", &["agent/deep"]),
            ("toml", &["logged", "scenario", "outcomes", "cli"]),
            ("std::fs", &["logged", "scenario", "outcomes", "report", "export", "cli", "main"]),
        ];
        for (name, homes) in confined {
            let uses = text.lines().any(|line| {
                let line = line.trim_start();
                !line.starts_with("//")
                    && (line.contains(&format!("{name}::")) || line.contains(&format!("use {name};")))
            });
            if uses && !homes.iter().any(|home| relative.starts_with(home)) {
                breaches.push(format!("{relative} uses {name}"));
            }
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

#[test]
fn agents_never_look_inside() {
    let agents: Vec<(String, String)> =
        texts().into_iter().filter(|(relative, _)| relative.starts_with("agent")).collect();
    assert!(agents.len() > 20);
    for (relative, text) in agents {
        assert!(!text.contains("looks_inside") && !text.contains(".latent"), "{relative} looks inside");
    }
}
