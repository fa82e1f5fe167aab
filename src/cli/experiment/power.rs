//! `mercato experiment power`: sample sizes, least differences, power.

use crate::cli::arguments::PowerArguments;
use crate::cli::{WRONG_INPUT, fail, print};
use crate::evaluation::experiment::power::{self, Design, Impossible, Outcome, Size};
use serde_json::{Map, Value, json};
use std::process::ExitCode;

/// What was asked of a design.
enum Answer {
    Units(Size),
    Difference(f64),
    Power(f64),
}

/// Answers on standard output.
#[must_use]
pub(super) fn execute(arguments: &PowerArguments) -> ExitCode {
    let design = Design {
        alpha: arguments.alpha,
        power: arguments.power,
        arms: arguments.arms,
        share: arguments.share,
        is_corrected: !arguments.uncorrected,
        covariate_correlation: arguments.covariate_correlation,
        cluster_size: arguments.cluster_size,
        intra_class_correlation: arguments.intra_class_correlation,
    };
    let (outcome, difference) = match (arguments.baseline_rate, arguments.sd) {
        (Some(baseline), _) => (Outcome::Rate { baseline }, arguments.treated_rate.map(|rate| rate - baseline)),
        (None, deviation) => (Outcome::Mean { deviation: deviation.unwrap_or(f64::NAN) }, arguments.difference),
    };
    let answer = match (difference, arguments.per_arm) {
        (Some(difference), None) => power::units(outcome, difference, &design).map(Answer::Units),
        (Some(difference), Some(units)) => power::power(outcome, difference, units, &design).map(Answer::Power),
        (None, Some(units)) => power::detectable(outcome, units, &design).map(Answer::Difference),
        (None, None) => {
            let message = "give --treated-rate or --difference for the number of units, --per-arm for what so many \
                           units can show, or both for the power";
            return fail(WRONG_INPUT, message);
        }
    };
    match answer {
        Ok(answer) if arguments.json => print(&format!("{:#}\n", document(arguments, outcome, difference, &answer))),
        Ok(answer) => print(&told(arguments, outcome, difference, &design, &answer)),
        Err(impossible @ Impossible::TooFewUnits { .. }) => {
            fail(WRONG_INPUT, &format!("{impossible}; take more units"))
        }
        Err(impossible) => fail(WRONG_INPUT, &impossible.to_string()),
    }
}

fn document(arguments: &PowerArguments, outcome: Outcome, difference: Option<f64>, answer: &Answer) -> Value {
    let mut document = Map::new();
    match outcome {
        Outcome::Rate { baseline } => document.insert("baseline_rate".to_owned(), json!(baseline)),
        Outcome::Mean { deviation } => document.insert("standard_deviation".to_owned(), json!(deviation)),
    };
    let mut add = |key: &str, value: Value| document.insert(key.to_owned(), value);
    let found = if let Answer::Difference(found) = answer { Some(*found) } else { difference };
    add("difference", json!(found));
    if let (Outcome::Rate { baseline }, Some(difference)) = (outcome, found) {
        // As it was given: a sum of differences need not be the same number.
        add("treated_rate", json!(arguments.treated_rate.unwrap_or(baseline + difference)));
    }
    add("power", if let Answer::Power(power) = answer { json!(power) } else { json!(arguments.power) });
    add("alpha", json!(arguments.alpha));
    add("arms", json!(arguments.arms));
    add("corrected", json!(!arguments.uncorrected));
    match answer {
        Answer::Units(size) => {
            add("size", json!(size));
        }
        Answer::Difference(_) | Answer::Power(_) => {
            add("units_per_treated_arm", json!(arguments.per_arm));
        }
    }
    Value::Object(document)
}

fn told(
    arguments: &PowerArguments,
    outcome: Outcome,
    difference: Option<f64>,
    design: &Design,
    answer: &Answer,
) -> String {
    let question = |difference: f64| match outcome {
        Outcome::Rate { baseline } => {
            format!("a rate of {} against {baseline}", arguments.treated_rate.unwrap_or(baseline + difference))
        }
        Outcome::Mean { deviation } => format!("a difference of {difference} at a standard deviation of {deviation}"),
    };
    let mut text = match answer {
        Answer::Units(size) => {
            let asked = question(difference.unwrap_or(f64::NAN));
            let mut text = format!("{asked}, found with probability {} at alpha {}:\n", design.power, design.alpha);
            if size.control_units == size.treated_units {
                text += &format!("  {} units an arm, {} in all\n", size.control_units, size.total_units);
            } else {
                let Size { control_units, treated_units, total_units, .. } = size;
                text += &format!(
                    "  {control_units} units in the control, {treated_units} in each treated arm, {total_units} in all\n"
                );
            }
            if let Some([control, treated]) = size.clusters {
                text += &format!("  that is {control} clusters in the control, {treated} in each treated arm\n");
            }
            text
        }
        Answer::Difference(found) => {
            let units = arguments.per_arm.unwrap_or(f64::NAN);
            let rate = match outcome {
                Outcome::Rate { baseline } => format!(" (a rate of {:.6} against {baseline})", baseline + found),
                Outcome::Mean { .. } => String::new(),
            };
            format!(
                "{units} units in each treated arm find a difference of {found:.6}{rate} with probability {} at alpha {}\n",
                design.power, design.alpha
            )
        }
        Answer::Power(power) => {
            let (units, asked) = (arguments.per_arm.unwrap_or(f64::NAN), question(difference.unwrap_or(f64::NAN)));
            format!(
                "{units} units in each treated arm find {asked} with probability {power:.4} at alpha {}\n",
                design.alpha
            )
        }
    };
    if design.arms > 2 && design.is_corrected {
        text += &format!("  each of the {} comparisons is tested at {}\n", design.arms - 1, level(design));
    }
    if design.factor() != 1.0 {
        text += &format!(
            "  units are multiplied by {:.4} for covariate and clusters: (1 - {}^2) (1 + ({} - 1) {})\n",
            design.factor(),
            design.covariate_correlation,
            design.cluster_size,
            design.intra_class_correlation
        );
    }
    text
}

fn level(design: &Design) -> f64 {
    design.alpha / f64::from(design.arms - 1)
}
