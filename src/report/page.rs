//! `report.html`: the answer for someone who writes letters, not programs. One file, nothing loaded from elsewhere.

use super::Run;
use super::table::{lead, outside_range, percent, short};
use crate::episode::CONTACT_BINS;
use crate::evaluation::{Metric, PolicySummary, Unit};
use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = "
body{font:16px/1.5 system-ui,sans-serif;color:#222;max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.7rem;line-height:1.2}h2{font-size:1.2rem;margin-top:2.2rem}
table{border-collapse:collapse;width:100%;font-size:.92rem}
th,td{padding:.3rem .5rem;text-align:right;border-bottom:1px solid #ddd}
th:first-child,td:first-child{text-align:left}th{font-weight:600;border-bottom:2px solid #888}
.bar{display:inline-block;height:.7em;background:#0072b2;vertical-align:baseline}
.wide{overflow-x:auto}figure{margin:1rem 0}svg{max-width:100%;height:auto}
.broken{color:#b00020;font-weight:600}.decides{font-weight:600}small,.quiet{color:#666}
";

/// A whole page around its body; nothing is loaded from elsewhere.
pub(super) fn framed(title: &str, body: &Markup) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width,initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { (body) }
        }
    }
    .into_string()
}

/// A figure as it may stand inside a page: without the XML declaration, if it has one.
pub(super) fn drawn(figure: &str) -> PreEscaped<&str> {
    PreEscaped(figure.find("<svg").map_or("", |start| &figure[start..]))
}

/// The page.
#[must_use]
pub(crate) fn page(run: &Run<'_>, figure: &str) -> String {
    let summary = run.summary;
    let ranked: Vec<(&PolicySummary, &[Unit])> = summary
        .ranking()
        .into_iter()
        .map(|index| (&summary.policies[index], run.results.contestants[index].as_slice()))
        .collect();
    let body = html! {
        h1 { (run.experiment.question) }
        p.quiet {
            (summary.consumers) " simulated consumers, " (days(run)) " days, "
            (summary.replications) @if summary.replications == 1 { " market" } @else { " markets" }
            ". Every policy met the same people with the same luck."
        }
        h2 { "The answer" }
        ul { @for (policy, _) in &ranked { li { (sentence(policy)) } } }
        @if let Some(lead) = lead(summary) { p { strong { (lead) } } }
        (guardrails(&ranked))
        @for sentence in outside_range(summary) {
            p.quiet {
                (sentence) ": it may have learned wrongly. Set " code { "reward_low" } " and " code { "reward_high" }
                " of this policy so that they hold what a decision can earn."
            }
        }
        figure { (drawn(figure)) }
        h2 { "What each policy earned and what it cost, per consumer" }
        div.wide { (figures(&ranked)) }
        @if let Some(table) = credits(&ranked) {
            h2 { "Who gets the credit, and what was caused" }
            p.quiet { "Orders per consumer. Rules of the trade credit messages with orders that would have come anyway." }
            div.wide { (table) }
        }
        h2 { "Who was contacted how often" }
        p.quiet { "Share of consumers by number of messages over the whole time." }
        div.wide { (contacts(&ranked)) }
        h2 { "What was sent most" }
        (sent(run, &ranked))
        h2 { "How to read this" }
        (reading())
        h2 { "How it was made" }
        (making(run))
    };
    framed(&summary.scenario, &body)
}

fn days(run: &Run<'_>) -> String {
    let spec = run.comparison.world.spec();
    let days = f64::from(spec.horizon) * spec.tick_days;
    ((days * 100.0).round() / 100.0).to_string()
}

/// One plain sentence: what the policy brought, how surely, with how many messages.
fn sentence(policy: &PolicySummary) -> Markup {
    let headline = policy.headline();
    let messages = policy.metrics.get("messages_per_consumer").map_or(0.0, |metric| metric.mean);
    html! {
        strong { (policy.name) } " "
        @if messages == 0.0 && headline.mean == 0.0 { "wrote to nobody, and so changed nothing" }
        @else {
            @match headline.differs_from_zero() {
                Some(true) if headline.mean > 0.0 => { "earned " (short(headline.mean)) " more per consumer than writing to nobody" }
                Some(true) => { "lost " (short(-headline.mean)) " per consumer against writing to nobody" }
                Some(false) => { "cannot be told from writing to nobody" }
                None => { "made a difference of " (short(headline.mean)) " per consumer against writing to nobody" }
            }
            @if let (Some(low), Some(high)) = (headline.low, headline.high) {
                " (95 % sure: between " (short(low)) " and " (short(high)) ")"
            }
            @if messages > 0.0 { ", with " (short(messages)) " messages each" }
        }
        @if let Some(rate) = policy.metrics.get("opt_out_rate") {
            "; " (short(rate.mean * 1e3)) " of 1,000 messages made someone opt out"
        }
        "."
    }
}

fn guardrails(ranked: &[(&PolicySummary, &[Unit])]) -> Markup {
    html! {
        @for (policy, _) in ranked {
            @for guardrail in policy.guardrails.iter().filter(|guardrail| !guardrail.held) {
                p.broken {
                    "Promise broken by " (policy.name) ": " (guardrail.name) " is "
                    @if let Some(value) = guardrail.value { (short(value)) } @else { "not known in this market" }
                    ", the limit is " (short(guardrail.limit)) "."
                }
            }
        }
    }
}

const COLUMNS: [(&str, &str, bool); 14] = [
    ("incremental_profit_per_consumer", "incremental profit", false),
    ("profit_per_consumer", "profit", false),
    ("terminal_value_per_consumer", "future value", false),
    ("share_of_oracle", "share of best possible", true),
    ("orders_per_consumer", "orders", false),
    ("visits_per_consumer", "visits", false),
    ("messages_per_consumer", "messages", false),
    ("cost_per_consumer", "cost of messages", false),
    ("open_rate", "opened", true),
    ("click_rate", "clicked", true),
    ("conversion_rate", "bought", true),
    ("opt_out_rate", "opted out", true),
    ("complaint_rate", "complained", true),
    ("discount_per_order", "discount per order", false),
];

fn figures(ranked: &[(&PolicySummary, &[Unit])]) -> Markup {
    let known = |name: &str| ranked.iter().any(|(policy, _)| policy.metrics.get(name).is_some());
    let columns: Vec<_> = COLUMNS.iter().filter(|(name, ..)| known(name)).collect();
    let cell = |metric: Option<&Metric>, is_share: bool| match metric {
        None => "–".to_owned(),
        Some(metric) if is_share => percent(metric.mean),
        Some(metric) => short(metric.mean),
    };
    html! {
        table {
            thead { tr { th { "policy" } @for (_, title, _) in &columns { th { (title) } } } }
            tbody {
                @for (policy, _) in ranked {
                    tr {
                        td { (policy.name) }
                        @for (name, _, is_share) in &columns { td { (cell(policy.metrics.get(name), *is_share)) } }
                    }
                }
            }
        }
    }
}

/// Orders credited to messages beside those that they caused; absent where nothing is credited.
fn credits(ranked: &[(&PolicySummary, &[Unit])]) -> Option<Markup> {
    let mean = |policy: &PolicySummary, name: &str| policy.metrics.get(name).map(|metric| metric.mean);
    let rows: Vec<(&str, [f64; 3])> = ranked
        .iter()
        .filter_map(|(policy, _)| {
            let figures = [
                mean(policy, "last_click_orders_per_consumer")?,
                mean(policy, "touched_orders_per_consumer")?,
                mean(policy, "incremental_orders_per_consumer")?,
            ];
            // Messages of the lived history are credited with something, too.
            let sends = mean(policy, "messages_per_consumer").is_some_and(|messages| messages > 0.0);
            sends.then_some((policy.name.as_str(), figures))
        })
        .collect();
    let times = |credited: f64, caused: f64| {
        if caused > 0.0 { format!("{} times", short(credited / caused)) } else { "none was caused".to_owned() }
    };
    (!rows.is_empty()).then(|| {
        html! {
            table {
                thead { tr {
                    th { "policy" } th { "after a click" } th { "after a message" } th { "caused" }
                    th { "clicks / caused" } th { "messages / caused" }
                } }
                tbody {
                    @for (name, [clicked, touched, caused]) in &rows {
                        tr {
                            td { (name) } td { (short(*clicked)) } td { (short(*touched)) } td { (short(*caused)) }
                            td { (times(*clicked, *caused)) } td { (times(*touched, *caused)) }
                        }
                    }
                }
            }
        }
    })
}

fn contacts(ranked: &[(&PolicySummary, &[Unit])]) -> Markup {
    html! {
        table {
            thead { tr { th { "policy" } @for bin in CONTACT_BINS { th { (bin) } } } }
            tbody {
                @for (policy, _) in ranked {
                    tr {
                        td { (policy.name) }
                        @for share in policy.contacts.0 {
                            td { span.bar style=(format!("width:{:.1}em", 4.0 * share)) {} " " (format!("{:.1}%", 100.0 * share)) }
                        }
                    }
                }
            }
        }
    }
}

/// The three commonest messages of each policy.
fn sent(run: &Run<'_>, ranked: &[(&PolicySummary, &[Unit])]) -> Markup {
    let actions = &run.comparison.world.spec().actions.actions;
    let favourites = |units: &[Unit]| {
        let count = |action: usize| units.iter().map(|unit| unit.record.action_counts[action]).sum::<u64>();
        let mut counts: Vec<(u64, usize)> = (1..actions.len()).map(|action| (count(action), action)).collect();
        let all = counts.iter().map(|(count, _)| count).sum::<u64>().max(1);
        counts.retain(|(count, _)| *count > 0);
        counts.sort_by_key(|&(count, action)| (std::cmp::Reverse(count), action));
        counts.truncate(3);
        let told = counts
            .iter()
            .map(|&(count, action)| format!("{} ({:.0}%)", actions[action].name, 100.0 * count as f64 / all as f64));
        told.collect::<Vec<_>>().join(", ")
    };
    html! {
        ul {
            @for (policy, units) in ranked {
                @let favourites = favourites(units);
                li { (policy.name) ": " @if favourites.is_empty() { "nothing" } @else { (favourites) } }
            }
        }
    }
}

fn reading() -> Markup {
    html! {
        ul {
            li { strong { "Incremental profit" } " is what the policy earned beyond what the same people would have brought "
                "had nobody written to them: the same market was run once more without any message. It includes what the "
                "people are still worth after the last day, so burning the list in the last week does not pay. Later money "
                "counts a little less (discounted)." }
            li { strong { "95 %" } " intervals say how far chance could have moved a figure. If an interval contains 0, "
                "the difference may be luck." }
            li { strong { "Opened, clicked, bought, opted out, complained" } " are shares of delivered messages." }
            li { strong { "The figure" } " shows money so far within the time itself, without the future value, as lines; where a "
                "line is steep, the policy is earning. The dots right of them add the future value, and rank the policies." }
            li { "The consumers are simulated. What holds here is a reason to test, not a promise." }
        }
    }
}

fn making(run: &Run<'_>) -> Markup {
    let training = &run.experiment.training;
    html! {
        p {
            "Scenario " code { (run.experiment.name) } ", seed " (run.experiment.seed.value())
            ", Mercato " (run.summary.mercato) ". Policies that learn were trained on "
            (training.episodes as usize * training.seeds.len()) " other markets per replication, then judged without learning on. "
            "Everything else is in " code { "manifest.json" } ", " code { "summary.json" } " and " code { "series.csv" } "."
        }
        p { small { "scenario " (run.experiment.hash) br; "results " (run.summary.result_hash) } }
    }
}
