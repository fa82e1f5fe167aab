//! Running other programs from the root of the repository.

use std::ffi::OsString;
use std::fmt::{self, Display, Formatter};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Why a chore was not done.
#[derive(Debug)]
pub enum Failure {
    /// The command line is not understood; the text says what is.
    Usage(&'static str),
    /// A program ended with an error, which it has told itself.
    Program(String),
    /// Something on disk is not as it should be; the text says what and the way out.
    State(String),
    /// A file or program could not be read, written or started.
    Io(String, io::Error),
}

impl Failure {
    /// 2 where nothing was started, else 1.
    pub fn exit_code(&self) -> u8 {
        if matches!(self, Self::Usage(_)) { 2 } else { 1 }
    }
}

impl Display for Failure {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(usage) => formatter.write_str(usage),
            Self::Program(line) => write!(formatter, "failed: {line}"),
            Self::State(text) => formatter.write_str(text),
            Self::Io(what, error) => write!(formatter, "{what}: {error}"),
        }
    }
}

/// The root of the repository: this package lies directly beneath it.
pub fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_owned()
}

/// A command line that runs in the root; `cargo` is the one that started us.
pub fn command(program: &str, arguments: &[&str]) -> Command {
    let program = match program {
        "cargo" => std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")),
        other => OsString::from(other),
    };
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    command
}

/// The command line as a person would type it.
fn line(program: &str, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let variables = variables.iter().map(|(name, value)| format!("{name}=\"{value}\" "));
    let words = std::iter::once(program).chain(arguments.iter().copied()).collect::<Vec<_>>().join(" ");
    variables.chain(std::iter::once(words)).collect()
}

/// Says what is run, then runs it with our output as its own.
pub fn run(program: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Result<(), Failure> {
    let line = line(program, arguments, variables);
    println!("$ {line}");
    let status = command(program, arguments)
        .envs(variables.iter().copied())
        .status()
        .map_err(|error| Failure::Io(line.clone(), error))?;
    if status.success() { Ok(()) } else { Err(Failure::Program(line)) }
}

/// Runs it and returns what it printed; its errors go where ours go.
pub fn output_of(program: &str, arguments: &[&str]) -> Result<String, Failure> {
    let line = line(program, arguments, &[]);
    println!("$ {line}");
    let output = command(program, arguments)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| Failure::Io(line.clone(), error))?;
    if !output.status.success() {
        return Err(Failure::Program(line));
    }
    String::from_utf8(output.stdout).map_err(|_| Failure::State(format!("{line} printed bytes that are not UTF-8")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_holds_the_workspace() {
        assert!(root().join("Cargo.lock").is_file());
    }

    #[test]
    fn a_line_can_be_typed_again() {
        let typed = line("cargo", &["doc", "--no-deps"], &[("RUSTDOCFLAGS", "-D warnings")]);
        assert_eq!(typed, "RUSTDOCFLAGS=\"-D warnings\" cargo doc --no-deps");
    }

    #[test]
    fn a_program_that_fails_is_a_failure() {
        let failure = run("cargo", &["no-such-command-of-cargo"], &[]).unwrap_err();
        assert!(matches!(failure, Failure::Program(_)), "{failure}");
    }
}
