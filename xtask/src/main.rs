//! The chores of the project: `cargo xtask ci | results | docs | speed`.

mod ci;
mod docs;
mod process;
mod results;

use process::Failure;
use std::process::ExitCode;

const USAGE: &str = "\
Usage: cargo xtask COMMAND

  ci [--full]       all checks that a change must pass, in order, up to the first failure;
                    --full adds the slow tests, in the release profile
  results [NAME]…   rebuilds results/NAME/ (all of them without a name) by its command.txt
  docs [--check]    writes the tables of docs/registry.md and README.md from what the program lists;
                    --check only compares, and validates the scenario that README.md shows
  speed             rebuilds results/speed/, which needs the Python environment of the peers";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("\nxtask: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(arguments: &[&str]) -> Result<(), Failure> {
    match arguments {
        ["ci"] => ci::run(ci::Extent::Quick),
        ["ci", "--full"] => ci::run(ci::Extent::Full),
        ["results"] => results::rebuild_all(),
        ["results", names @ ..] if names.iter().all(|name| !name.starts_with('-')) => {
            names.iter().try_for_each(|name| results::rebuild(name))
        }
        ["docs"] => docs::write(),
        ["docs", "--check"] => docs::check(),
        ["speed"] => results::rebuild_speed(),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        _ => Err(Failure::Usage(USAGE)),
    }
}
