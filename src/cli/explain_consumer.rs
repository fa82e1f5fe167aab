//! `mercato explain-consumer`: one consumer's history, replayed from the logged actions beside the untouched twin.

use super::arguments::ExplainConsumer;
use super::{FAILED, WRONG_INPUT, diagnostic, fail, print};
use crate::report::explain::{Request, explain};
use crate::report::is_results;
use crate::scenario;
use std::process::ExitCode;

/// Replays and tells; nothing is written.
#[must_use]
pub fn execute(arguments: &ExplainConsumer) -> ExitCode {
    let folder = &arguments.run;
    if !is_results(folder) || !folder.join("scenario.json").is_file() {
        let way_out = "give the folder that a finished `mercato run SCENARIO --log` wrote";
        return fail(WRONG_INPUT, &format!("`{}` is no folder of results of a run; {way_out}", folder.display()));
    }
    let experiment = match scenario::load_copy(folder) {
        Ok(experiment) => experiment,
        Err(errors) => return diagnostic::report(&errors),
    };
    let request = Request {
        folder,
        consumer: &arguments.consumer,
        policy: &arguments.policy,
        replication: arguments.replication,
    };
    let told = match explain(&experiment, &request) {
        Ok(told) => told,
        Err(error) => return fail(if error.is_input() { WRONG_INPUT } else { FAILED }, &error.to_string()),
    };
    if !arguments.json {
        return print(&told.timeline());
    }
    match serde_json::to_string_pretty(&told) {
        Ok(json) => print(&format!("{json}\n")),
        Err(error) => fail(FAILED, &format!("the history cannot be written as JSON: {error}")),
    }
}
