//! The command `mercato`.

use std::process::ExitCode;

fn main() -> ExitCode {
    mercato::cli::main()
}
