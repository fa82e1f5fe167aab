//! Whom a treatment helps: segments found on one half of the units and measured on the other, and how good a ranking is.

mod curve;
mod residual;
mod ridge;
mod score;
mod segment;
mod tree;

pub use curve::{Ranked, Ranking, rank};
pub use residual::{Residuals, residuals};
pub use ridge::Ridge;
pub use score::{doubly_robust, transformed_outcome};
pub use segment::{Condition, Segment};
pub use tree::{Growth, Leaf, Tree};

use crate::random::{Purpose, Seed};

/// Which of two halves each of so many units is in, by an addressed draw.
#[must_use]
pub fn halves(count: usize, seed: Seed) -> Vec<bool> {
    (0..count).map(|unit| seed.words(Purpose::Assignment, unit as u32, 0, 0)[0] >> 31 == 1).collect()
}
