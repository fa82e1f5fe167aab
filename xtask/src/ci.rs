//! All checks that a change must pass.

use crate::docs;
use crate::process::{self, Failure};

/// How much is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// What every change must pass.
    Quick,
    /// The slow tests too, in the release profile.
    Full,
}

/// One check.
struct Check {
    title: &'static str,
    arguments: &'static [&'static str],
    variables: &'static [(&'static str, &'static str)],
    extent: Extent,
}

const fn check(title: &'static str, arguments: &'static [&'static str]) -> Check {
    Check { title, arguments, variables: &[], extent: Extent::Quick }
}

/// In order: the quick and likely failures come first, the long build of the benches last.
const CHECKS: &[Check] = &[
    check("format", &["fmt", "--all", "--check"]),
    check("lints", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
    check("lints, library alone", &["clippy", "--no-default-features", "--lib", "--", "-D", "warnings"]),
    check("tests", &["test"]),
    check("tests of the chores", &["test", "--package", "xtask"]),
    Check { extent: Extent::Full, ..check("slow tests", &["test", "--release", "--", "--ignored"]) },
    Check { variables: &[("RUSTDOCFLAGS", "-D warnings")], ..check("documentation", &["doc", "--no-deps"]) },
    check("benches build", &["bench", "--no-run"]),
];

/// Runs the checks up to the first that fails.
pub fn run(extent: Extent) -> Result<(), Failure> {
    for check in CHECKS.iter().filter(|check| check.extent == Extent::Quick || check.extent == extent) {
        heading(check.title);
        process::run("cargo", check.arguments, check.variables)?;
    }
    heading("generated documents");
    docs::check()?;
    heading("all checks passed");
    Ok(())
}

fn heading(title: &str) {
    println!("\n==== {title} ====");
}
