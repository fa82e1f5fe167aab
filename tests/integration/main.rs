//! What Mercato promises, one module per promise.

mod cdnow;
mod tidy;
