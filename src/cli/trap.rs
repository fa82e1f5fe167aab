//! `mercato trap`: a mistake of marketing, its naive answer, the true one and the figure.

use super::arguments::{TrapArguments, TrapName};
use super::{FAILED, WRONG_INPUT, fail, print};
use crate::report::trap;
use crate::trap::{Extent, Trap};
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

/// Springs the trap, writes its figure and table, prints both answers.
pub(super) fn execute(arguments: &TrapArguments) -> ExitCode {
    let (which, name) = match arguments.which {
        TrapName::Discount => (Trap::Discount, "discount"),
        TrapName::Frequency => (Trap::Frequency, "frequency"),
        TrapName::Confounding => (Trap::Confounding, "confounding"),
    };
    let out =
        arguments.out.clone().unwrap_or_else(|| PathBuf::from(format!("results/runs/trap-{name}-{}", arguments.seed)));
    let is_taken = fs::read_dir(&out).is_ok_and(|mut entries| entries.next().is_some());
    if is_taken && !arguments.force {
        return fail(WRONG_INPUT, &format!("{} is not empty; give --force to write over its files", out.display()));
    }
    if out.exists() && !out.is_dir() {
        return fail(WRONG_INPUT, &format!("{} is a file; --out takes a folder", out.display()));
    }
    let extent = Extent { seed: arguments.seed, consumers: arguments.consumers, markets: arguments.markets };
    let finding = match which.spring(extent) {
        Ok(finding) => finding,
        Err(refusals) => {
            let told: Vec<String> = refusals.iter().map(|refusal| refusal.to_string()).collect();
            return fail(FAILED, &told.join("; "));
        }
    };
    let figure = match trap::figure(&finding) {
        Ok(figure) => figure,
        Err(error) => return fail(FAILED, &format!("the figure cannot be drawn: {error}")),
    };
    let json = match serde_json::to_string_pretty(&finding) {
        Ok(json) => json + "\n",
        Err(error) => return fail(FAILED, &format!("the finding cannot be written: {error}")),
    };
    let files = [("figure.svg", figure), ("table.csv", trap::csv(&finding)), ("finding.json", json.clone())];
    let written = fs::create_dir_all(&out)
        .and_then(|()| files.iter().try_for_each(|(file, content)| fs::write(out.join(file), content)));
    if let Err(error) = written {
        return fail(FAILED, &format!("{} cannot be written: {error}", out.display()));
    }
    if arguments.json {
        return print(&json);
    }
    let figure = out.join("figure.svg");
    print(&format!("{}\nfigure {}\n", trap::text(&finding), figure.display()))
}
