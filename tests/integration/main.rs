//! What Mercato promises, one module per promise.

mod tidy;
