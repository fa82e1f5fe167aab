//! What Mercato promises, one module per promise.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that cannot go on says so")]

mod bandits;
mod broken_parquet;
mod cdnow;
mod command_line;
mod conformance;
#[cfg(feature = "deep")]
mod deep;
#[cfg(feature = "deep")]
mod deep_threads;
#[cfg(feature = "deep")]
mod divergence;
mod effects;
mod evaluate;
mod evaluate_input;
mod evaluate_loggers;
mod evaluate_obd;
mod evaluate_results;
mod evaluate_sequences;
mod every_scenario;
mod exact_24;
mod experiment;
mod experiment_lab;
mod explain;
mod golden;
mod hillstrom;
mod judging_sequences;
mod logit_market;
mod parts;
mod resume;
mod stylised;
mod tidy;
mod train;
mod tune;
