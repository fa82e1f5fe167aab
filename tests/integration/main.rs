//! What Mercato promises, one module per promise.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that cannot go on says so")]

mod hillstrom;
mod logit_market;
mod tidy;
