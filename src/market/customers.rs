//! Real customers, read from a file, instead of drawn ones.

use std::collections::BTreeMap;

/// Columns that the customer file of a market may map, besides `NAME_reachable` for each channel.
pub const COLUMNS: [&str; 5] = ["id", "recency_days", "tenure_days", "orders", "spend"];

/// Ending of the columns that say whether a customer may be written to on a channel.
const REACHABLE: &str = "_reachable";

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

/// What the values of a column of a market's customer file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// Names; never numbers.
    Text,
    /// Yes or no.
    Consent,
    /// Numbers.
    Number,
    /// No such column.
    Unknown,
}

impl ColumnKind {
    /// Of a column by its name in the market.
    #[must_use]
    pub fn of(name: &str) -> Self {
        match name {
            "id" => Self::Text,
            _ if COLUMNS.contains(&name) => Self::Number,
            _ if name.ends_with(REACHABLE) => Self::Consent,
            _ => Self::Unknown,
        }
    }
}

/// Yes or no: yes, y, true or 1, no, n, false or 0, in any case; a file may write 1 as 1.0. `None` for all else.
#[must_use]
pub fn consent(text: &str) -> Option<bool> {
    let is = |words: [&str; 3]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    match text.parse::<f64>() {
        Ok(number) => consent_of_number(number),
        Err(_) if is(["yes", "y", "true"]) => Some(true),
        Err(_) if is(["no", "n", "false"]) => Some(false),
        Err(_) => None,
    }
}

/// 1 is yes, 0 is no. `None` for all else.
#[must_use]
pub fn consent_of_number(number: f64) -> Option<bool> {
    if number == 1.0 {
        Some(true)
    } else if number == 0.0 {
        Some(false)
    } else {
        None
    }
}

/// What is asked of a consent and not met.
pub const CONSENT: &str = "must be yes, no, true, false, y, n, 1 or 0";

/// What is asked of a number of this column, where it is not met.
#[must_use]
pub fn unmet(column: &str, value: f64) -> Option<&'static str> {
    let (is_met, asked) = match column {
        "recency_days" | "tenure_days" => ((0.0..=36_500.0).contains(&value), "must be from 0 to 36,500"),
        "orders" => ((1.0..=1e5).contains(&value) && value.fract() == 0.0, "must be a whole number from 1 to 100,000"),
        "spend" => ((0.0..=1e9).contains(&value), "must be from 0 to 1,000,000,000"),
        _ => (value.is_finite(), "must be finite"),
    };
    (!is_met).then_some(asked)
}

/// What is asked of a tenure that is less than the recency of the same customer.
pub const TENURE: &str = "must not be less than recency_days: the first order cannot come after the last";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consents_are_read_in_all_their_spellings() {
        for yes in ["yes", "Y", "TRUE", "1", "1.0"] {
            assert_eq!(consent(yes), Some(true), "{yes}");
        }
        for no in ["no", "N", "False", "0", "0.0"] {
            assert_eq!(consent(no), Some(false), "{no}");
        }
        for neither in ["", "maybe", "2", "0.7", "nan", "oui"] {
            assert_eq!(consent(neither), None, "{neither}");
        }
    }

    #[test]
    fn numbers_are_checked_by_column() {
        assert_eq!(unmet("orders", 3.0), None);
        assert!(unmet("orders", 2.5).is_some() && unmet("orders", 0.0).is_some());
        assert!(unmet("spend", -1.0).is_some() && unmet("recency_days", f64::NAN).is_some());
        assert_eq!(ColumnKind::of("sms_reachable"), ColumnKind::Consent);
        assert_eq!(ColumnKind::of("colour"), ColumnKind::Unknown);
    }
}
