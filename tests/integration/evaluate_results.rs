//! The folder of an evaluation appears whole or not at all, and replaces nothing but an evaluation.

use crate::evaluate::{FILE, LOG, TARGET, folder, mercato};
use std::fs;
use std::path::Path;

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn earlier_results_stay_whole_until_the_new_ones_are_complete() {
    let held = folder(FILE, LOG, TARGET);
    let path = |name: &str| held.path().join(name);
    let evaluate =
        |more: &[&str]| mercato(held.path(), &[&["evaluate", "e.toml", "--quiet", "--out", "out"], more].concat());
    assert_eq!(evaluate(&[]).0, 0);
    let written = names(&path("out"));
    fs::write(path("out/old"), "precious").unwrap();
    let (code, _, error) = evaluate(&[]);
    assert!(code == 2 && error.contains("--force"), "{error}");
    // A log that is refused and a place where nothing can be made leave them alone.
    fs::write(path("log.csv"), LOG.replace("0.5", "7")).unwrap();
    assert_eq!(evaluate(&["--force"]).0, 2);
    fs::write(path("log.csv"), LOG).unwrap();
    fs::write(path("out.partial"), "a file").unwrap();
    let (code, _, error) = evaluate(&["--force"]);
    assert!(code == 2 && error.contains("out.partial` is a file"), "{error}");
    assert_eq!(fs::read_to_string(path("out/old")).unwrap(), "precious");
    fs::remove_file(path("out.partial")).unwrap();
    // What an evaluation left that was killed while it wrote is of no more use; it stands beside the results, which are
    // whole, and is cleared away.
    fs::create_dir(path("out.partial")).unwrap();
    fs::write(path("out.partial/lock"), "1\n").unwrap();
    fs::write(path("out.partial/table.csv"), "half").unwrap();
    assert_eq!(evaluate(&["--force"]).0, 0);
    assert_eq!(names(&path("out")), written);
    assert_eq!(names(held.path()), ["e.toml", "log.csv", "out", "target.csv"]);
    // One that was killed between the two renames of a replacement is put back.
    fs::rename(path("out"), path("out.replaced")).unwrap();
    let (code, _, error) = evaluate(&[]);
    assert!(code == 2 && error.contains("exists and is not empty"), "{error}");
    assert_eq!(names(&path("out")), written);
}

#[test]
fn only_an_evaluation_is_replaced_and_never_what_it_reads() {
    let held = folder(FILE, LOG, TARGET);
    let path = |name: &str| held.path().join(name);
    fs::create_dir(path("run")).unwrap();
    fs::write(path("run/summary.json"), "{}").unwrap();
    let (code, _, error) = mercato(held.path(), &["evaluate", "e.toml", "--force", "--out", "run"]);
    assert!(code == 2 && error.contains("`run` is not a folder of an evaluation"), "{error}");
    assert_eq!(names(&path("run")), ["summary.json"]);
    fs::create_dir(path("mine")).unwrap();
    fs::write(path("mine/evaluation.json"), "{}").unwrap();
    fs::write(path("mine/log.csv"), LOG).unwrap();
    fs::write(path("e.toml"), FILE.replace("log.csv", "mine/log.csv")).unwrap();
    let (code, _, error) = mercato(held.path(), &["evaluate", "e.toml", "--force", "--out", "mine"]);
    assert!(code == 2 && error.contains("`mine` holds") && error.contains("which the evaluation reads"), "{error}");
    assert_eq!(names(&path("mine")), ["evaluation.json", "log.csv"]);
}
