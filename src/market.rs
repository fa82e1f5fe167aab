//! The people, their purchases, and what can be sent to them.

pub mod btyd;
pub mod catalogue;
pub mod channel;
pub mod customers;
pub mod graph;
pub mod people;
pub mod population;
