//! What Mercato promises, one module per promise.

mod cdnow;
mod exact_24;
mod tidy;
