//! What Mercato promises, one module per promise.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod cdnow;
mod command_line;
mod conformance;
mod exact_24;
mod resume;
mod tidy;
