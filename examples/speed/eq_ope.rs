//! EQ-OPE: estimates and bootstrap intervals from arrays in memory, which every contender reads from one folder.
//!
//! The folder has `reward`, `propensity` and `action` (a number each round), `target` and `model` (a row of actions each
//! round), as little-endian f64 in files `NAME.f64`. Reading them is not timed.

use crate::stopwatch::Stopwatch;
use mercato::evaluation::appraisal::{Appraiser, Asked, Settings};
use mercato::evaluation::estimator::ESTIMATORS;
use mercato::evaluation::{Evidence, IntervalKind, Saved};
use mercato::random::Seed;
use mercato::registry::{Value, Values, find};
use serde_json::{Map, json};
use std::fs;
use std::path::{Path, PathBuf};

/// Kinds, with the parameter that the definition fixes.
const KINDS: [(&str, Option<(&str, f64)>); 7] = [
    ("ips", None),
    ("snips", None),
    ("dm", None),
    ("dr", None),
    ("sndr", None),
    ("switch_dr", Some(("tau", 10.0))),
    ("dros", Some(("lambda", 10.0))),
];

/// The arrays of one log.
struct Arrays {
    action_count: usize,
    actions: Vec<u32>,
    rewards: Vec<f64>,
    propensities: Vec<f64>,
    target: Vec<f64>,
    model: Vec<f64>,
    units: Vec<u64>,
}

impl Arrays {
    fn read(folder: &Path) -> Result<Self, String> {
        let [rewards, propensities, actions, target, model] =
            ["reward", "propensity", "action", "target", "model"].map(|name| numbers(&folder.join(name)));
        let (rewards, propensities, target, model) = (rewards?, propensities?, target?, model?);
        let actions: Vec<u32> = actions?.into_iter().map(|action| action as u32).collect();
        let rounds = rewards.len();
        let action_count = target.len() / rounds.max(1);
        let fits = propensities.len() == rounds
            && actions.len() == rounds
            && target.len() == rounds * action_count
            && model.len() == target.len()
            && actions.iter().all(|action| (*action as usize) < action_count);
        if !fits || rounds == 0 {
            return Err(format!("{}: the arrays do not fit each other", folder.display()));
        }
        Ok(Self { action_count, actions, rewards, propensities, target, model, units: (0..rounds as u64).collect() })
    }

    fn evidence(&self) -> Evidence<'_> {
        Evidence {
            action_count: self.action_count,
            actions: &self.actions,
            rewards: &self.rewards,
            propensities: &self.propensities,
            target: &self.target,
            logging: None,
            models: [Some(&self.model), None, None],
            saved: Saved::default(),
            factors: &[],
            mixture: None,
        }
    }
}

fn numbers(path: &Path) -> Result<Vec<f64>, String> {
    let path = path.with_extension("f64");
    let bytes = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let (words, rest) = bytes.as_chunks::<8>();
    if !rest.is_empty() {
        return Err(format!("{}: not a whole number of f64", path.display()));
    }
    Ok(words.iter().map(|word| f64::from_le_bytes(*word)).collect())
}

fn asked() -> Result<Vec<Asked>, String> {
    let one = |(kind, parameter): &(&str, Option<(&'static str, f64)>)| {
        let entry = find(ESTIMATORS, kind).ok_or_else(|| format!("there is no estimator {kind}"))?;
        let mut values = Values::defaults(entry.parameters);
        if let Some((name, value)) = parameter {
            values.set(name, Value::Number(*value), None);
        }
        let family = (entry.build)(&values).map_err(|refusal| refusal.message)?;
        Ok(Asked { name: (*kind).to_owned(), kind: entry.name, family })
    };
    KINDS.iter().map(one).collect()
}

/// `eq-ope --folder DIR [--resamples N]`, once without a bootstrap for N = 0.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let (mut folder, mut resamples) = (None, 0_u32);
    for pair in arguments.chunks(2) {
        match pair {
            [key, value] if key == "--folder" => folder = Some(PathBuf::from(value)),
            [key, value] if key == "--resamples" => {
                resamples = value.parse().map_err(|_| format!("--resamples: {value:?} is not a whole number"))?;
            }
            other => return Err(format!("eq-ope takes --folder DIR and --resamples N, not {other:?}")),
        }
    }
    let folder = folder.ok_or("eq-ope needs --folder DIR")?;
    let arrays = Arrays::read(&folder)?;
    let interval = if resamples == 0 { IntervalKind::Normal } else { IntervalKind::Percentile };
    let settings = Settings { interval, resamples, seed: Seed::new(1), ..Settings::default() };
    let names: Vec<String> = (0..arrays.action_count).map(|action| action.to_string()).collect();
    let watch = Stopwatch::start();
    let mut appraiser = Appraiser::new("target", asked()?, &settings, &names);
    appraiser.take(&arrays.evidence(), &arrays.units).map_err(|missing| missing.to_string())?;
    let appraisal = appraiser.finish();
    let seconds = watch.seconds().wall;
    let estimates: Map<String, serde_json::Value> = appraisal
        .estimates
        .iter()
        .map(|one| {
            let value = &one.value;
            (one.estimator.clone(), json!({ "value": value.value, "low": value.low, "high": value.high }))
        })
        .collect();
    let line = json!({
        "contender": "mercato", "seconds": seconds, "resamples": resamples, "estimates": estimates,
        "peak_megabytes": peak_megabytes(),
    });
    println!("{line}");
    Ok(())
}

/// Peak memory of this process, where the system tells.
fn peak_megabytes() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<f64>().ok().map(|kilobytes| kilobytes / 1024.0)
}
