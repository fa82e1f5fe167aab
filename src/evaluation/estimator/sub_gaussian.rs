//! Weights bent so that the error of the estimate has light tails; for `sub_gaussian_ips` and `sub_gaussian_dr`.

use crate::registry::{Parameter, Range};

/// From the least biased up: the largest weight, `1 / lambda`, falls from 10,000 to 3.
pub(super) const CANDIDATES: &[f64] = &[1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3];

pub(super) const LAMBDA: Parameter = Parameter::optional_number(
    "lambda",
    Range::closed(0.0, 1.0),
    "0 leaves weights as they are, 1 makes all of them 1; chosen from the data where it is not given",
);

/// `w / (1 - lambda + lambda w)`, the harmonic mean of `w` and 1: at most `1 / lambda`, smooth, and nearly `w` for
/// ordinary weights (Metelli, Russo and Restelli 2021, equation 7 with s = -1).
pub(super) fn bent(weight: f64, lambda: f64) -> f64 {
    if weight == 0.0 { 0.0 } else { weight / (1.0 - lambda + lambda * weight) }
}
