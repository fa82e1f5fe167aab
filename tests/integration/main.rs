//! What Mercato promises, one module per promise.

mod command_line;
mod tidy;
