//! How often do intervals of off-policy estimates hold the truth, from frequent to rare rewards, and does the verdict say so?
//!
//! `ope_coverage --out DIR [--logs 1000] [--bootstrap-logs 200] [--sequences 1000]` writes `table.csv`, `table.md` and
//! `figure.svg`. Logs of 5,000 rounds come from a market of two contexts and three actions whose truth is known
//! ([`market`]); the reward model is what a user would fit, a shrunk table of context and action, so that `dm` and `dr` see no
//! truth. Bootstraps are made on the first logs only, for time. Confidence sequences are looked at after every round from
//! the 500th on, 10,000 times.

mod figure;
mod market;

use market::{Log, Market, ROUNDS};
use mercato::evaluation::appraisal::{Appraisal, Appraiser, Asked, Decision, Settings};
use mercato::evaluation::estimator::ESTIMATORS;
use mercato::evaluation::experiment::{half_width, mixing_ratio_tightest_at};
use mercato::evaluation::{Evidence, IntervalKind};
use mercato::random::Seed;
use mercato::registry::{Values, find};
use mercato::statistics::mean_and_variance;
use rayon::prelude::*;
use std::fmt::Write;
use std::path::Path;

/// Mean rewards of a round under the logging policy.
const RATES: [f64; 8] = [0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001];
/// The estimators.
const KINDS: [&str; 8] = ["ips", "snips", "dm", "dr", "cross_fitted_dr", "sndr", "switch_dr", "dros"];
/// Of these, the ones in the figure.
const DRAWN: [&str; 3] = ["ips", "snips", "dr"];
const DECISIONS: [Decision; 4] = [Decision::Ship, Decision::Hold, Decision::Explore, Decision::Unreliable];
/// Rounds before the first look at a confidence sequence, and looks.
const FIRST_LOOK: usize = 500;
const LOOKS: usize = 10_000;
/// Effective events below which every verdict is "unreliable".
const EFFECTIVE_EVENTS: f64 = 30.0;

/// How one estimator did at one rate with one interval.
struct Row {
    rate: f64,
    estimator: &'static str,
    interval: &'static str,
    logs: usize,
    /// Mean error over the truth, with its standard error.
    bias: f64,
    bias_standard_error: f64,
    /// Share of intervals that hold the truth, with its standard error.
    coverage: f64,
    coverage_standard_error: f64,
    /// Mean width over the truth.
    width: f64,
    /// The same share among the logs whose verdict is not "unreliable", and how many these are.
    trusted: Option<f64>,
    trusted_logs: usize,
}

/// What is known of all logs of a rate.
struct Scene {
    rate: f64,
    effective_sample_size: f64,
    events: f64,
    effective_events: f64,
    /// Share of the verdicts by [`DECISIONS`].
    decisions: [f64; 4],
    /// Share of confidence sequences of `ips` and `dr` that miss the truth at some look.
    ever_missed: [f64; 2],
    /// The same, looks left out at which the log has fewer effective events than a verdict takes.
    ever_missed_with_events: [f64; 2],
}

fn asked() -> Vec<Asked> {
    let build = |kind: &&'static str| {
        let entry = find(ESTIMATORS, kind).expect("it is registered");
        let family = (entry.build)(&Values::defaults(entry.parameters)).expect("defaults are legal");
        Asked { name: (*kind).to_owned(), kind: entry.name, family }
    };
    KINDS.iter().map(build).collect()
}

fn judge(log: &Log, interval: IntervalKind) -> Appraisal {
    let models = log.models();
    let evidence = Evidence {
        action_count: market::ACTIONS,
        actions: &log.actions,
        rewards: &log.rewards,
        propensities: &log.propensities,
        target: &log.target,
        logging: Some(&log.logging),
        models: [Some(&models[0]), Some(&models[1]), None],
        direct: [None; 3],
        factors: &[],
        mixture: None,
    };
    let names: Vec<String> = (0..market::ACTIONS).map(|action| format!("action_{action}")).collect();
    let settings = Settings { interval, ..Settings::default() };
    let mut appraiser = Appraiser::new("target", asked(), &settings, &names);
    let units: Vec<u64> = (0..log.actions.len() as u64).collect();
    appraiser.take(&evidence, &units).expect("the reward models are there");
    appraiser.finish()
}

fn is_trusted(appraisal: &Appraisal) -> bool {
    appraisal.verdict.decision != Decision::Unreliable
}

fn rows(rate: f64, truth: f64, interval: &'static str, appraisals: &[Appraisal]) -> Vec<Row> {
    let of_estimator = |(index, estimator): (usize, &&'static str)| {
        let ranged = || appraisals.iter().map(|appraisal| appraisal.estimates[index].value);
        let errors: Vec<f64> = ranged().map(|ranged| ranged.value / truth - 1.0).collect();
        let widths: Vec<f64> = ranged().map(|ranged| (ranged.high - ranged.low) / truth).collect();
        let holds: Vec<bool> = ranged().map(|ranged| (ranged.low..=ranged.high).contains(&truth)).collect();
        let share = |chosen: &dyn Fn(usize) -> bool| {
            let all: Vec<usize> = (0..holds.len()).filter(|log| chosen(*log)).collect();
            (all.iter().filter(|log| holds[**log]).count() as f64 / all.len() as f64, all.len())
        };
        let (bias, variance) = mean_and_variance(&errors);
        let (coverage, logs) = share(&|_| true);
        let (trusted, trusted_logs) = share(&|log| is_trusted(&appraisals[log]));
        Row {
            rate,
            estimator,
            interval,
            logs,
            bias,
            bias_standard_error: (variance / logs as f64).sqrt(),
            coverage,
            coverage_standard_error: (coverage * (1.0 - coverage) / logs as f64).sqrt(),
            width: mean_and_variance(&widths).0,
            trusted: (trusted_logs > 0).then_some(trusted),
            trusted_logs,
        }
    };
    KINDS.iter().enumerate().map(of_estimator).collect()
}

/// Whether the confidence sequences of `ips` and `dr` miss the truth at any look at a log that grows round by round, and at any
/// look with [`EFFECTIVE_EVENTS`]. The reward model of `dr` was fitted on another log, since one that learns from the rounds to
/// come would make no sequence.
fn ever_missed(market: &Market, sequence: u32) -> [[bool; 2]; 2] {
    let truth = market.value();
    let seed = Seed::new(2).derive(1, sequence);
    let log = market.log(seed.derive(0, 0), FIRST_LOOK + LOOKS);
    let terms = log.terms(&market.log(seed.derive(0, 1), ROUNDS).models_for(&log));
    // Tightest where the evaluation's own sequence is.
    let ratio = mixing_ratio_tightest_at(5_000.0, 0.05);
    let mut missed = [[false; 2]; 2];
    let (mut sums, mut squares) = ([0.0; 2], [0.0; 2]);
    for round in 0..FIRST_LOOK + LOOKS {
        let count = round as f64 + 1.0;
        for (index, terms) in terms.iter().enumerate() {
            sums[index] += terms[round];
            squares[index] += terms[round] * terms[round];
        }
        if round < FIRST_LOOK {
            continue;
        }
        // Rewards are 0 or 1, so that the terms of `ips` are the weights of the events.
        let has_events = sums[0] > 0.0 && sums[0] * sums[0] >= EFFECTIVE_EVENTS * squares[0];
        for index in 0..2 {
            let mean = sums[index] / count;
            let deviation = (squares[index] / count - mean * mean).max(0.0).sqrt();
            if (mean - truth).abs() > half_width(deviation, count, ratio, 0.05) {
                missed[0][index] = true;
                missed[1][index] |= has_events;
            }
        }
    }
    missed
}

fn scene(rate: f64, market: &Market, appraisals: &[Appraisal], sequences: u32) -> Scene {
    let mean =
        |value: &dyn Fn(&Appraisal) -> f64| mean_and_variance(&appraisals.iter().map(value).collect::<Vec<_>>()).0;
    let decided = |decision: Decision| {
        let count = appraisals.iter().filter(|appraisal| appraisal.verdict.decision == decision).count();
        count as f64 / appraisals.len() as f64
    };
    let missed: Vec<[[bool; 2]; 2]> =
        (0..sequences).into_par_iter().map(|sequence| ever_missed(market, sequence)).collect();
    let share = |looks: usize| {
        [0, 1].map(|which| missed.iter().filter(|one| one[looks][which]).count() as f64 / missed.len() as f64)
    };
    Scene {
        rate,
        effective_sample_size: mean(&|appraisal| appraisal.diagnostics.effective_sample_size),
        events: mean(&|appraisal| appraisal.diagnostics.events as f64),
        effective_events: mean(&|appraisal| appraisal.diagnostics.effective_events),
        decisions: DECISIONS.map(decided),
        ever_missed: share(0),
        ever_missed_with_events: share(1),
    }
}

/// One line for each rate, estimator and interval; what is known of the rate stands on all of its lines.
fn csv(rows: &[Row], scenes: &[Scene]) -> String {
    let mut csv = "rate,estimator,interval,logs,bias,bias_standard_error,coverage,coverage_standard_error,width,\
                   trusted_logs,coverage_of_trusted,effective_sample_size,events,effective_events,ship,hold,explore,\
                   unreliable,ever_missed_ips,ever_missed_dr,ever_missed_with_events_ips,ever_missed_with_events_dr\n"
        .to_owned();
    for row in rows {
        let trusted = row.trusted.map_or(String::new(), |share| format!("{share:.4}"));
        let _ = write!(
            csv,
            "{},{},{},{},{:.6},{:.6},{:.4},{:.4},{:.6},{},{trusted}",
            row.rate,
            row.estimator,
            row.interval,
            row.logs,
            row.bias,
            row.bias_standard_error,
            row.coverage,
            row.coverage_standard_error,
            row.width,
            row.trusted_logs
        );
        for scene in scenes.iter().filter(|scene| scene.rate == row.rate) {
            let sizes = [scene.effective_sample_size, scene.events, scene.effective_events];
            sizes.iter().for_each(|size| csv += &format!(",{size:.1}"));
            let shares = scene.decisions.iter().chain(&scene.ever_missed).chain(&scene.ever_missed_with_events);
            shares.for_each(|share| csv += &format!(",{share:.4}"));
        }
        csv.push('\n');
    }
    csv
}

fn text(rows: &[Row], scenes: &[Scene]) -> String {
    let percent = |share: f64| format!("{:.1}", 100.0 * share);
    let mut text = "Verdicts, and confidence sequences that ever miss in 10,000 looks, in percent:\n\n\
                    | rate | events | in effect | effective sample size | ship | hold | explore | unreliable | \
                    `ips` misses | `dr` misses | `ips` with 30 events | `dr` with 30 events |\n\
                    |---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n"
        .to_owned();
    for scene in scenes {
        let shares = scene.decisions.iter().chain(&scene.ever_missed).chain(&scene.ever_missed_with_events);
        let shares = shares.map(|share| percent(*share));
        let _ = writeln!(
            text,
            "| {} | {:.0} | {:.0} | {:.0} | {} |",
            scene.rate,
            scene.events,
            scene.effective_events,
            scene.effective_sample_size,
            shares.collect::<Vec<_>>().join(" | ")
        );
    }
    for (interval, ..) in IntervalKind::NAMED {
        let of_interval: Vec<&Row> = rows.iter().filter(|row| row.interval == *interval).collect();
        let Some(first) = of_interval.first() else { continue };
        let _ = write!(text, "\nIntervals `{interval}`, {} logs a rate: coverage in percent\n\n| rate |", first.logs);
        KINDS.iter().for_each(|kind| text += &format!(" `{kind}` |"));
        text += &format!("\n|---|{}\n", "---:|".repeat(KINDS.len()));
        for rate in RATES {
            let own = of_interval.iter().filter(|row| row.rate == rate);
            let shares: Vec<String> = own.map(|row| percent(row.coverage)).collect();
            let _ = writeln!(text, "| {rate} | {} |", shares.join(" | "));
        }
    }
    text += "\nBias of the estimates, in percent of the truth, and its standard error:\n\n| rate |";
    KINDS.iter().for_each(|kind| text += &format!(" `{kind}` |"));
    text += &format!("\n|---|{}\n", "---:|".repeat(KINDS.len()));
    for rate in RATES {
        let own = rows.iter().filter(|row| row.rate == rate && row.interval == "normal");
        let told = own.map(|row| format!("{:.2} ± {:.2}", 100.0 * row.bias, 100.0 * row.bias_standard_error));
        let _ = writeln!(text, "| {rate} | {} |", told.collect::<Vec<_>>().join(" | "));
    }
    text
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let given = |key: &str| words.windows(2).find(|pair| pair[0] == key).map(|pair| pair[1].clone());
    let usage = "usage: ope_coverage --out DIR [--logs 1000] [--bootstrap-logs 200] [--sequences 1000]";
    let out = given("--out").ok_or(usage)?;
    let count = |key: &str, default: u32| given(key).map_or(Ok(default), |text| text.parse::<u32>());
    let (logs, resampled, sequences) =
        (count("--logs", 1_000)?.max(2), count("--bootstrap-logs", 200)?, count("--sequences", 1_000)?.max(1));
    let (mut rows, mut scenes) = (Vec::new(), Vec::new());
    for (index, rate) in RATES.into_iter().enumerate() {
        let market = Market::of_rate(rate);
        let seed = Seed::new(1).derive(1, index as u32);
        for (name, interval, _) in IntervalKind::NAMED {
            let is_resampled = matches!(interval, IntervalKind::Percentile | IntervalKind::Bca | IntervalKind::Poisson);
            let logs = if is_resampled { resampled.min(logs) } else { logs };
            let one = |log: u32| judge(&market.log(seed.derive(0, log), ROUNDS), *interval);
            let appraisals: Vec<Appraisal> = (0..logs).into_par_iter().map(one).collect();
            if appraisals.is_empty() {
                continue;
            }
            rows.extend(self::rows(rate, market.value(), name, &appraisals));
            if *interval == IntervalKind::Normal {
                scenes.push(scene(rate, &market, &appraisals, sequences));
            }
        }
    }
    std::fs::create_dir_all(&out)?;
    let write = |name: &str, text: String| std::fs::write(Path::new(&out).join(name), text);
    write("table.csv", csv(&rows, &scenes))?;
    write("table.md", text(&rows, &scenes))?;
    write("figure.svg", figure::draw(&rows, &scenes))?;
    Ok(())
}
