//! `report.html` of an experiment: the answer first. One file, nothing loaded from elsewhere.

use super::{number, p_value};
use crate::outcomes::{Finding, Findings, MetricFinding, Role, UpliftFinding, Verdict};
use crate::report::page::{drawn, framed};
use maud::{Markup, html};

/// The page.
#[must_use]
pub fn page(findings: &Findings, figure: &str) -> String {
    let title = if findings.question.is_empty() { &findings.name } else { &findings.question };
    let body = html! {
        h1 { (title) }
        p.quiet {
            (findings.units) " units: "
            @for (index, arm) in findings.arms.iter().enumerate() {
                @if index > 0 { ", " }
                (arm.name) " " (arm.units)
            }
            "."
        }
        h2 { "The answer" }
        @for warning in &findings.warnings { p.broken { (warning) } }
        ul {
            @for metric in &findings.metrics {
                @for finding in metric.findings.iter().filter(|finding| finding.decides) {
                    li { (sentence(metric, finding)) }
                }
            }
        }
        (split(findings))
        figure { (drawn(figure)) }
        h2 { "All comparisons" }
        div.wide { (table(findings)) }
        p.quiet {
            "Intervals hold for each comparison alone. p values of what decides are adjusted by "
            (findings.multiplicity.name()) " over the arms and metrics of one role. Lines that do not decide show "
            "how much hangs on the choice of analysis; choosing among them after the fact breaks the error rates."
        }
        @if let Some(uplift) = &findings.uplift { (whom(uplift)) }
    };
    framed(&findings.name, &body)
}

fn sentence(metric: &MetricFinding, finding: &Finding) -> Markup {
    let interval = match &finding.lack {
        Some(lack) => format!("without an interval yet: {lack}"),
        None => format!("between {} and {}", number(finding.low), number(finding.high)),
    };
    html! {
        strong { (metric.name) } " under " strong { (finding.arm) } ": "
        @match finding.verdict {
            Some(Verdict::Better) => { "better than the control" }
            Some(Verdict::Worse) => { span.broken { "worse than the control" } }
            Some(Verdict::Held) => { "the promise holds: more harm than " (number(metric.margin.unwrap_or(0.0))) " is ruled out" }
            Some(Verdict::Unproven) => { span.broken { "the promise is not shown to hold" } ": more harm than " (number(metric.margin.unwrap_or(0.0))) " is neither shown nor ruled out" }
            Some(Verdict::Broken) => { span.broken { "the promise is broken: more harm than " (number(metric.margin.unwrap_or(0.0))) } }
            _ => { "no difference is shown" }
        }
        "; effect " (number(finding.effect)) ", " (interval)
        @if let Some(relative) = finding.relative_effect { " (" (format!("{:+.1} %", 100.0 * relative)) ")" }
        "."
        @if metric.role == Role::Secondary { " A secondary metric." }
    }
}

fn split(findings: &Findings) -> Markup {
    let split = &findings.sample_ratio;
    html! {
        p class=(if split.is_alarm { "broken" } else { "quiet" }) {
            @if split.is_alarm { "Units did not fall into the arms as designed" }
            @else { "Units fell into the arms as designed" }
            " (chi-square " (format!("{:.4}", split.statistic)) ", p " (p_value(split.p_value)) ")."
        }
    }
}

fn table(findings: &Findings) -> Markup {
    html! {
        table {
            tr {
                @for name in ["metric", "arm", "analysis", "control", "treated", "effect", "low", "high", "p", "p adjusted"] {
                    th { (name) }
                }
            }
            @for metric in &findings.metrics {
                @for finding in &metric.findings {
                    tr class=(if finding.decides { "decides" } else { "" }) {
                        td { (metric.name) }
                        td { (finding.arm) }
                        td { (finding.analysis) }
                        @for value in [finding.control, finding.treated, finding.effect] { td { (number(value)) } }
                        @for end in [finding.low, finding.high] {
                            td { @if finding.lack.is_none() { (number(end)) } }
                        }
                        td { @if let Some(p) = finding.p_value { (p_value(p)) } }
                        td { @if let Some(adjusted) = finding.adjusted_p_value { (p_value(adjusted)) } }
                    }
                }
            }
        }
    }
}

fn whom(uplift: &UpliftFinding) -> Markup {
    html! {
        h2 { "Whom it helps" }
        p.quiet {
            "Segments in which the effect of " (uplift.arm) " on " (uplift.metric) " differs were sought among "
            (uplift.units[0]) " units; what stands here was measured on " (uplift.units[1]) " others."
        }
        div.wide {
            table {
                tr { th { "segment" } th { "share" } th { "effect" } th { "low" } th { "high" } th { "p adjusted" } }
                @for leaf in &uplift.leaves {
                    tr {
                        td { (leaf.segment) }
                        td { (format!("{:.1} %", 100.0 * leaf.share)) }
                        @match &leaf.effect {
                            Some(effect) => { td { (number(effect.effect)) } td { (number(effect.low)) } td { (number(effect.high)) } }
                            None => { td { "too few" } td {} td {} }
                        }
                        td { @if let Some(adjusted) = leaf.adjusted_p_value { (p_value(adjusted)) } }
                    }
                }
            }
            table {
                tr { th { "ranking by" } th { "normalised Qini" } th { "uplift at 10 %" } th { "at 30 %" } th { "at 50 %" } }
                @for found in &uplift.rankings {
                    tr {
                        td { (found.score.replace('_', " ")) }
                        td { @if let Some(qini) = found.ranking.normalised_qini { (format!("{qini:.4}")) } }
                        @for value in found.ranking.uplift_at { td { (number(value)) } }
                    }
                }
            }
        }
        p.quiet { "A normalised Qini of 1 is the best ranking of these outcomes, 0 is a random one." }
    }
}
