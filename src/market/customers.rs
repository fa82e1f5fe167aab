//! Real customers, read from a file, instead of drawn ones.

use std::collections::BTreeMap;

/// Columns of a customer file under the names that the environment knows, checked to be complete and finite.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CustomerTable {
    /// Number of customers.
    pub rows: usize,
    /// The file, for messages.
    pub source: String,
    /// Columns whose every value is a number.
    pub numbers: BTreeMap<String, Vec<f64>>,
    /// The other columns.
    pub texts: BTreeMap<String, Vec<String>>,
}
