//! Each trap fools who falls into it, and only them.

use super::*;

const SMALL: Extent = Extent { seed: 7, consumers: 4_000, markets: 3 };

#[test]
fn a_confounded_log_exaggerates_and_propensities_put_it_right() {
    let finding = Trap::Confounding.spring(Extent { consumers: 20_000, ..SMALL }).unwrap();
    let fact = |name: &str| finding.facts.iter().find(|(fact, _)| *fact == name).unwrap().1;
    assert!(fact("naive_over_true") >= 5.0, "{:?}", finding.facts);
    assert!(fact("standard_errors_from_truth").abs() <= 2.0, "{:?}", finding.facts);
}

#[test]
fn a_short_test_wants_more_mail_than_people_bear() {
    let finding = Trap::Frequency.spring(Extent { consumers: 4_000, ..SMALL }).unwrap();
    let fact = |name: &str| finding.facts.iter().find(|(fact, _)| *fact == name).unwrap().1;
    assert!(fact("naive_per_week") > fact("true_per_week"), "{:?}", finding.facts);
    assert!(fact("true_per_week") < 5.0 && fact("true_per_week") > 0.0, "{:?}", finding.facts);
}

#[test]
fn the_same_extent_gives_the_same_finding() {
    let tiny = Extent { seed: 3, consumers: 300, markets: 2 };
    let finding = Trap::Discount.spring(tiny).unwrap();
    assert_eq!(finding, Trap::Discount.spring(tiny).unwrap());
    assert_ne!(finding.series, Trap::Discount.spring(Extent { seed: 4, ..tiny }).unwrap().series);
    assert_eq!(finding.series[0].points.len(), 9);
}
