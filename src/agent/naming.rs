//! Names in a file against names that exist: what was meant, and what there is.

/// As many names as a message can carry.
const NAMES_SHOWN_MAX: usize = 16;

/// The closest of these names, if any is close enough to be a slip of the hand.
pub(super) fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut best: Option<(f64, &str)> = None;
    for name in names {
        let likeness = strsim::jaro_winkler(wanted, name);
        if likeness > best.map_or(0.75, |(likeness, _)| likeness) {
            best = Some((likeness, name));
        }
    }
    best.map(|(_, name)| name)
}

/// "a, b, c" or, where there are too many, the first of them and their number.
pub(super) fn listed<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let count = names.len();
    let mut text = names.take(NAMES_SHOWN_MAX).collect::<Vec<_>>().join(", ");
    if count > NAMES_SHOWN_MAX {
        text.push_str(&format!(", … ({count} in all)"));
    }
    text
}

/// "did you mean `x`? There is a, b, c", the question only where a name is close.
pub(super) fn way_out<'a, I: ExactSizeIterator<Item = &'a str> + Clone>(wanted: &str, names: I) -> String {
    let question = nearest(wanted, names.clone()).map_or_else(String::new, |name| format!("did you mean `{name}`? "));
    format!("{question}there is {}", listed(names))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_a_stranger_is_not() {
        let names = ["days_since_order", "orders_365_days"];
        assert_eq!(nearest("day_since_order", names.into_iter()), Some("days_since_order"));
        assert_eq!(nearest("zzz", names.into_iter()), None);
        assert_eq!(
            way_out("order_365_days", names.into_iter()),
            concat!("did you mean `orders_365_days`? ", "there is days_since_order, orders_365_days")
        );
    }
}
