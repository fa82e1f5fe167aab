//! What Mercato promises, one module per promise.

mod bandits;
mod tidy;
