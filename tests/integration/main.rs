//! What Mercato promises, one module per promise.

mod hillstrom;
mod logit_market;
mod tidy;
