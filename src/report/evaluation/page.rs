//! `report.html` of an evaluation: the verdicts first, then why. One file, nothing loaded from elsewhere.

use super::{number, word};
use crate::evaluation::appraisal::Appraisal;
use crate::logged::{Evaluation, Judged, Twin};
use crate::report::page::{drawn, framed};
use maud::{Markup, html};

/// The page; figures are of estimates, weights and overlap.
pub(super) fn page(evaluation: &Evaluation, judged: &Judged, figures: &[&str; 3]) -> String {
    let [estimates, weights, overlap] = figures.map(|figure| drawn(figure));
    let body = html! {
        h1 { "What would other policies have earned? " (evaluation.name) }
        p {
            (judged.rows) " rows, " (judged.units) @if judged.units_are_pooled { " groups of" } " units. The policy that wrote the log earned "
            strong { (number(judged.mean_reward)) } " a row."
        }
        (verdicts(judged))
        figure { (estimates) }
        @for target in &judged.targets { (details(target)) }
        h2 { "Weights" }
        p { "A row counts as often as the target would have done what was done, over how often the log did. Where few "
            "rows carry most of the weight, estimates hang on them." }
        figure { (weights) }
        h2 { "Overlap" }
        p { "Where the target's mass stands on actions that the log seldom took, the log has little to say." }
        figure { (overlap) }
        @if let Some(model) = &judged.reward_model {
            h2 { "Reward model" }
            p { "Kind " code { (model.kind) } ", judged on rounds that it was not fitted on: it explains "
                (format!("{:.1} %", 100.0 * model.calibrated.explained)) " of the variance; expected calibration error "
                (number(model.calibrated.expected_error)) ", slope " (number(model.calibrated.slope)) " (1 is right)."
                @if let Some(note) = &model.note { " " (note) "." }
            }
        }
        @if !judged.sequences.is_empty() { (sequences(judged)) }
        @if let Some(twin) = &judged.twin { (of_twin(twin)) }
        (reading())
        p { small { "evaluation " (evaluation.hash) br; "Mercato " (env!("CARGO_PKG_VERSION")) ", seed " (evaluation.seed.value()) } }
    };
    framed(&evaluation.name, &body)
}

fn verdicts(judged: &Judged) -> Markup {
    html! {
        table {
            thead { tr { th { "target" } th { "verdict" } th { "why" } } }
            tbody {
                @for target in &judged.targets {
                    tr { td { (target.name) } td { strong { (word(target.verdict.decision)) } } td { (target.verdict.reason) } }
                }
            }
        }
    }
}

fn details(target: &Appraisal) -> Markup {
    let diagnostics = &target.diagnostics;
    html! {
        h2 { (target.name) }
        p {
            "Effective sample size " (format!("{:.0}", diagnostics.effective_sample_size)) ", mean weight "
            (number(diagnostics.weight_mean)) ", largest weight " (number(diagnostics.weight_max)) " ("
            (format!("{:.1} %", 100.0 * diagnostics.share_of_largest_weight)) " of all), mass that the log cannot speak of "
            (format!("{:.1} %", 100.0 * diagnostics.unsupported_target_mass.abs())) "."
        }
        @if !target.verdict.cells.is_empty() {
            p { "To explore:" }
            ul { @for cell in &target.verdict.cells { li { (cell.name) " (" (format!("{:.2} %", 100.0 * cell.target_mass)) " of the target)" } } }
        }
        @if !diagnostics.warnings.is_empty() { ul { @for warning in &diagnostics.warnings { li { (warning) } } } }
        div.wide { table {
            thead { tr { th { "estimator" } th { "value" } th { "standard error" } th { "low" } th { "high" } th { "less logging" } th { "low" } th { "high" } th { "chosen" } } }
            tbody {
                @for estimate in &target.estimates {
                    tr {
                        td { (estimate.estimator) }
                        td { (number(estimate.value.value)) } td { (number(estimate.value.standard_error)) }
                        td { (number(estimate.value.low)) } td { (number(estimate.value.high)) }
                        td { (number(estimate.difference.value)) }
                        td { (number(estimate.difference.low)) } td { (number(estimate.difference.high)) }
                        td { @if let Some(chosen) = &estimate.chosen { (chosen.parameter) " " (number(chosen.value)) } }
                    }
                }
            }
        } }
    }
}

fn sequences(judged: &Judged) -> Markup {
    html! {
        h2 { "Whole sequences" }
        p { "What a unit is expected to bring over all its rows, later rewards discounted, were the target to decide each time." }
        div.wide { table {
            thead { tr { th { "target" } th { "estimator" } th { "return of a unit" } th { "standard error" } th { "low" } th { "high" } } }
            tbody {
                @for target in &judged.sequences {
                    @for named in &target.estimates {
                        tr {
                            td { (target.name) } td { (named.estimator) } td { (number(named.estimate.value)) }
                            td { (number(named.estimate.standard_error)) } td { (number(named.estimate.low)) } td { (number(named.estimate.high)) }
                        }
                    }
                }
            }
        } }
        @for target in &judged.sequences {
            @if !target.diagnostics.warnings.is_empty() {
                p { (target.name) ":" }
                ul { @for warning in &target.diagnostics.warnings { li { (warning) } } }
            }
        }
    }
}

fn of_twin(twin: &Twin) -> Markup {
    html! {
        h2 { "The simulated twin" }
        p { (twin.replications) " synthetic logs of " (twin.rows) " rows with the contexts and propensities of the log, rewards "
            (twin.rewards) ". There the truth is known: a 95 % interval should hold it 95 times in 100." }
        @if !twin.notes.is_empty() { ul { @for note in &twin.notes { li { (note) } } } }
        div.wide { table {
            thead { tr { th { "target" } th { "estimator" } th { "truth" } th { "bias" } th { "root mean squared error" } th { "coverage" } th { "interval" } } }
            tbody {
                @for result in &twin.results {
                    tr {
                        td { (result.target) } td { (result.estimator) } td { (number(result.truth)) }
                        td { (number(result.bias)) " ± " (number(result.bias_standard_error)) }
                        td { (number(result.root_mean_squared_error)) }
                        td { (format!("{:.3} ± {:.3}", result.coverage, result.coverage_standard_error)) }
                        td { (number(result.interval_length)) }
                    }
                }
            }
        } }
    }
}

fn reading() -> Markup {
    html! {
        h2 { "How to read this" }
        ul {
            li { strong { "ship" } ": the target is better than the policy that wrote the log, and the log can tell. " strong { "hold" }
                ": it is not, by what matters. " strong { "explore" } ": the log says too little about what the target does. "
                strong { "unreliable" } ": the figures are not to be used." }
            li { "Estimates are what each row would have earned on average. Several estimators that agree are worth more than one." }
            li { "All of it rests on the propensities being those that decisions were drawn with." }
        }
    }
}
