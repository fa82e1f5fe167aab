//! Environments behind one trait: the market, a one-shot response by a logit table, a finite process by tables.

pub mod campaign;
pub mod finite;
pub mod logit;
