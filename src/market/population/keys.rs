//! The keys of `[market]` that say who the consumers are, and their checks.

use super::MAX_CHANNELS;
use super::correlation::Factor;
use crate::registry::{Kind, Parameter, Range, Refusal, Values};

/// Age bands, in years.
pub const AGE_BANDS: &[&str] = &["18_24", "25_34", "35_44", "45_54", "55_64", "65_plus"];
/// Sexes.
pub const SEXES: &[&str] = &["female", "male", "other"];
/// Regions.
pub const REGIONS: &[&str] = &["north", "east", "south", "west"];
/// Income bands.
pub const INCOME_BANDS: &[&str] = &["low", "middle", "high"];
/// Devices.
pub const DEVICES: &[&str] = &["ios", "android"];

/// Keys of `[market]` that say who the consumers are.
pub const PARAMETERS: &[Parameter] = &[
    Parameter::number("purchase_rate_shape", 0.55, SHAPE, "r: shape of the gamma law of order rates (NBD)"),
    Parameter::number("purchase_rate_scale_weeks", 10.6, Range::POSITIVE, "alpha: rate of that law; mean r / alpha"),
    Parameter::choice(
        "clock",
        "bg_nbd",
        &["bg_nbd", "pareto_nbd", "nbd"],
        "how people stop buying: after an order (Fader, Hardie & Lee 2005), at any time (Schmittlein, Morrison & Colombo \
         1987), never (Ehrenberg 1959)",
    ),
    Parameter::number("dropout_a", 1.0, SHAPE, "a of Beta(a, b), dropout probability per order; clock bg_nbd"),
    Parameter::number("dropout_b", 9.0, SHAPE, "b of Beta(a, b), dropout probability per order; clock bg_nbd"),
    Parameter::number("dropout_shape", 0.606, SHAPE, "s: shape of the gamma law of dropout hazards; clock pareto_nbd"),
    Parameter::number("dropout_scale_weeks", 11.67, Range::POSITIVE, "beta: rate of that law; clock pareto_nbd"),
    Parameter::number("spend_shape", 6.25, SHAPE, "p: shape of the gamma law of a person's baskets"),
    Parameter::number(
        "spend_rate_shape",
        3.74,
        Range { low: 1.0, high: 100.0, low_open: true, high_open: false },
        "q: shape of the gamma law of the basket rates (Fader, Hardie & Lee 2005b); above 1 for a finite mean",
    ),
    Parameter::number(
        "spend_rate_scale",
        26.3,
        Range::POSITIVE,
        "gamma: rate of that law, in currency; mean basket p gamma / (q - 1)",
    ),
    Parameter::number(
        "elasticity_median",
        2.0,
        Range::POSITIVE,
        "median price elasticity (Tellis 1988; Bijmolt et al. 2005)",
    ),
    Parameter::number("elasticity_log_sd", 0.45, Range::closed(0.0, 3.0), "spread of its logarithm"),
    Parameter::number("deal_proneness_a", 2.0, SHAPE, "a of Beta(a, b) (Lichtenstein, Netemeyer & Burton 1990)"),
    Parameter::number("deal_proneness_b", 3.0, SHAPE, "b of Beta(a, b)"),
    Parameter::number("persuadability_mean", 1.0, Range::ANY, "mean log-hazard per unit of activation (Ascarza 2018)"),
    Parameter::number("persuadability_sd", 1.0, Range::NON_NEGATIVE, "its spread; some people are below 0"),
    Parameter::number(
        "irritability_log_sd",
        0.5,
        Range::closed(0.0, 3.0),
        "spread of the logarithm of irritability, whose mean is 1 (Godfrey, Seiders & Voss 2011)",
    ),
    Parameter::number(
        "channel_affinity_sd",
        1.0,
        Range::NON_NEGATIVE,
        "spread of the affinity for a channel, log-odds",
    ),
    Parameter::number(
        "channel_affinity_correlation",
        0.3,
        CORRELATION,
        "correlation between a person's affinities for two channels",
    ),
    Parameter::number(
        "affinity_rate_correlation",
        0.1,
        CORRELATION,
        "correlation of affinity and order rate: active in e-mail is not active in buying (Zhang, Kumar & Cosguner 2017)",
    ),
    Parameter::of(
        "correlations",
        Kind::Coefficients,
        "further correlations of normal scores, such as \"order_rate:price_elasticity\" = -0.2; names are order_rate, \
         dropout, spend, price_elasticity, deal_proneness, persuadability, irritability, chronotype, channel_affinity",
    ),
    Parameter::number(
        "chronotype_mean_hours",
        4.25,
        Range::half_open(0.0, 24.0),
        "mean local hour of mid-sleep from age 25 (MCTQ, Roenneberg et al. 2007)",
    ),
    Parameter::number("chronotype_sd_hours", 1.25, Range::closed(0.0, 6.0), "its spread"),
    Parameter::number("chronotype_young_delay_hours", 0.68, Range::closed(0.0, 6.0), "how much later below age 25"),
    shares("age_shares", &[0.12, 0.18, 0.18, 0.17, 0.16, 0.19], "shares of 18-24, 25-34, 35-44, 45-54, 55-64, 65+"),
    shares("sex_shares", &[0.51, 0.48, 0.01], "shares of female, male, other"),
    shares("region_shares", &[0.30, 0.25, 0.25, 0.20], "shares of north, east, south, west"),
    shares("income_shares", &[0.30, 0.45, 0.25], "shares of low, middle, high income"),
    Parameter::number("ios_share", 0.45, Range::PROBABILITY, "share with an iOS device; the others have Android"),
    Parameter::number("weekend_worker_share", 0.2, Range::PROBABILITY, "share who work on weekends"),
    Parameter::number("minor_share", 0.0, Range::PROBABILITY, "share of minors, who must never be contacted"),
];

/// Beyond these ends the quantile tables leave their stated accuracy.
const SHAPE: Range = Range::closed(0.05, 100.0);
const CORRELATION: Range = Range { low: -1.0, high: 1.0, low_open: true, high_open: true };

const fn shares(name: &'static str, default: &'static [f64], summary: &'static str) -> Parameter {
    Parameter::of(name, Kind::Numbers { default: Some(default), range: Range::PROBABILITY }, summary)
}

/// Traits under one copula, in the order of their scores; never reordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Correlated {
    OrderRate,
    Dropout,
    Spend,
    PriceElasticity,
    DealProneness,
    Persuadability,
    Irritability,
    Chronotype,
}

/// Number of correlated traits besides the channel affinities.
pub(super) const CORRELATED_TRAITS: usize = 8;
/// Number of correlated scores.
pub(super) const CORRELATED: usize = CORRELATED_TRAITS + MAX_CHANNELS;

const TRAIT_NAMES: [&str; CORRELATED_TRAITS] = [
    "order_rate",
    "dropout",
    "spend",
    "price_elasticity",
    "deal_proneness",
    "persuadability",
    "irritability",
    "chronotype",
];
const CHANNEL_AFFINITY: &str = "channel_affinity";

/// Upper ends of all levels but the last, as cumulative shares.
pub(super) fn share_bounds(market: &Values, key: &str, levels: &[&str]) -> Result<Vec<f32>, Refusal> {
    let shares = market.numbers(key);
    if shares.len() != levels.len() {
        return Err(Refusal::new(
            market,
            key,
            format!("`{key}` has {} shares, but there are {} levels", shares.len(), levels.len()),
            format!("give one share for each of {}", levels.join(", ")),
        ));
    }
    let sum: f64 = shares.iter().sum();
    if (sum - 1.0).abs() > 1e-6 {
        return Err(Refusal::new(
            market,
            key,
            format!("`{key}` sums to {sum}, not to 1"),
            format!("divide each share by {sum}"),
        ));
    }
    let mut cumulative = 0.0;
    Ok(shares[..shares.len() - 1]
        .iter()
        .map(|share| {
            cumulative += share;
            cumulative as f32
        })
        .collect())
}

/// The copula's factor from the two named correlations and the free ones.
pub(super) fn correlations(market: &Values) -> Result<Factor<CORRELATED>, Vec<Refusal>> {
    let mut matrix = [[0.0; CORRELATED]; CORRELATED];
    for (index, row) in matrix.iter_mut().enumerate() {
        row[index] = 1.0;
    }
    for first in CORRELATED_TRAITS..CORRELATED {
        for second in first + 1..CORRELATED {
            set(&mut matrix, first, second, market.number("channel_affinity_correlation"));
        }
        set(&mut matrix, Correlated::OrderRate as usize, first, market.number("affinity_rate_correlation"));
    }
    let mut faults = Vec::new();
    for (pair, value) in market.coefficients("correlations") {
        if let Err((message, help)) = correlate(&mut matrix, pair, *value) {
            faults.push(Refusal::new(market, "correlations", message, help));
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    Factor::new(&matrix).map_err(|fault| {
        let name = TRAIT_NAMES.get(fault.row).copied().unwrap_or(CHANNEL_AFFINITY);
        let key = if market.coefficients("correlations").is_empty() {
            "channel_affinity_correlation"
        } else {
            "correlations"
        };
        vec![Refusal::new(
            market,
            key,
            format!("no people can have these correlations: `{name}` contradicts the traits before it (checked for {MAX_CHANNELS} channels)"),
            "bring the correlations nearer to 0",
        )]
    })
}

fn set(matrix: &mut [[f64; CORRELATED]; CORRELATED], first: usize, second: usize, value: f64) {
    matrix[first][second] = value;
    matrix[second][first] = value;
}

/// Enters one pair such as `order_rate:spend`; a message and the way out where it is wrong.
fn correlate(matrix: &mut [[f64; CORRELATED]; CORRELATED], pair: &str, value: f64) -> Result<(), (String, String)> {
    let known = || format!("the traits are {} and {CHANNEL_AFFINITY}", TRAIT_NAMES.join(", "));
    let Some((first, second)) = pair.split_once(':') else {
        return Err((format!("`{pair}` does not name two traits"), "write \"first:second\" = 0.1".into()));
    };
    let place = |name: &str| match TRAIT_NAMES.iter().position(|known| *known == name) {
        Some(index) => Ok(index..index + 1),
        None if name == CHANNEL_AFFINITY => Ok(CORRELATED_TRAITS..CORRELATED),
        None => Err((format!("there is no trait `{name}`"), known())),
    };
    let (first, second) = (place(first.trim())?, place(second.trim())?);
    if first == second {
        return Err((
            format!("`{pair}` correlates a trait with itself"),
            "name two different traits; for two channels use channel_affinity_correlation".into(),
        ));
    }
    if !CORRELATION.contains(value) {
        return Err((format!("`{pair}` is {value}"), "a correlation is above -1 and below 1".into()));
    }
    for row in first {
        for column in second.clone() {
            set(matrix, row, column, value);
        }
    }
    Ok(())
}
