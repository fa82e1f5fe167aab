//! An agent whose parameters can be searched for: where it starts, what is drawn, how a trial is made and written down.

use super::Experiment;
use super::contestant::{Fresh, fresh};
use super::error::{Code, ScenarioError};
use super::suggestion::way_out;
use crate::agent::{AGENTS, AgentBuild};
use crate::protocol::Spec;
use crate::random::{Purpose, Seed};
use crate::registry::{Entry, Parameter, Refusal, Tuning, Value, Values, find};
use std::fmt::Write;

/// A `[[policy]]` of a scenario that learns.
#[derive(Clone, Debug)]
pub struct LearnerAsked {
    /// Name in the file.
    pub name: String,
    /// The registry's name of its kind.
    pub kind: String,
    /// Its parameters.
    pub values: Values,
}

/// An agent with parameters to be tuned.
pub struct Tunable {
    /// What it is.
    pub entry: &'static Entry<AgentBuild>,
    /// The policy of the file that it starts from; `None` where it starts from the agent's defaults.
    pub policy: Option<String>,
    /// Where the search starts, and what it leaves as it is.
    pub start: Values,
    /// What is drawn.
    pub drawn: Vec<(&'static Parameter, Tuning)>,
}

impl Tunable {
    /// The agent of this kind, if it has something to tune.
    ///
    /// # Errors
    /// Where there is no such agent, or it has nothing to tune.
    pub fn entry(kind: &str) -> Result<&'static Entry<AgentBuild>, ScenarioError> {
        let Some(entry) = find(AGENTS, kind) else {
            let known: Vec<&str> = AGENTS.iter().map(|entry| entry.name).collect();
            let message = format!("there is no agent {kind:?}");
            return Err(refused(Code::UnknownName, &message, way_out(kind, &known, "agents")));
        };
        if !is_tuned(entry) {
            let names: Vec<&str> = AGENTS.iter().filter(|entry| is_tuned(entry)).map(|entry| entry.name).collect();
            let message = format!("{kind:?} has no parameter to tune");
            return Err(refused(Code::Refused, &message, format!("these have: {}", names.join(", "))));
        }
        Ok(entry)
    }

    /// The same as the first policy of that kind in the file has it, else with its defaults.
    ///
    /// # Errors
    /// The same, and where it needs what only a file can give.
    pub fn find(experiment: &Experiment, kind: &str) -> Result<Self, ScenarioError> {
        let entry = Self::entry(kind)?;
        let drawn = entry.parameters.iter().filter_map(|one| Some((one, one.tuning?))).collect();
        let asked = experiment.learners.iter().find(|learner| learner.kind == kind);
        let start = asked.map_or_else(|| Values::defaults(entry.parameters), |learner| learner.values.clone());
        if let Some(missing) = entry.parameters.iter().find(|one| one.required && start.get(one.name).is_none()) {
            let message = format!("{kind:?} needs `{}`, and the scenario has no policy of this kind", missing.name);
            let help = format!("add a [[policy]] of kind = {kind:?} to it: the search starts from its values");
            return Err(refused(Code::MissingKey, &message, help));
        }
        Ok(Self { entry, policy: asked.map(|learner| learner.name.clone()), start, drawn })
    }

    /// The values of a trial: those of the start for trial 0; else each drawn parameter at an address of its own, (seed,
    /// trial, parameter name), so that declaring another moves none.
    #[must_use]
    pub fn values(&self, seed: Seed, trial: u32) -> Values {
        let mut values = self.start.clone();
        if trial > 0 {
            for (parameter, tuning) in &self.drawn {
                values.set(parameter.name, tuning.at(point(seed, trial, parameter.name)), None);
            }
        }
        values
    }

    /// An agent of these values that can be made again and again.
    ///
    /// # Errors
    /// Where the agent refuses them.
    pub fn fresh(&self, values: &Values, spec: &Spec) -> Result<Fresh, Refusal> {
        fresh(self.entry.build.create, values.clone(), spec.clone())
    }

    /// A ready `[[policy]]`: every value that is not the agent's default. `text` is that of the scenario, from which values
    /// that the search left alone are copied where they are no plain numbers or words.
    #[must_use]
    pub fn section(&self, name: &str, values: &Values, text: &str) -> String {
        let mut section = format!("[[policy]]\nname = {name:?}\nkind = {:?}\n", self.entry.name);
        let defaults = Values::defaults(self.entry.parameters);
        for parameter in self.entry.parameters {
            let Some(value) = values.get(parameter.name).filter(|value| defaults.get(parameter.name) != Some(value))
            else {
                continue;
            };
            let written = written(value).or_else(|| {
                let place = values.place(parameter.name).filter(|_| values.is_given(parameter.name))?;
                text.get(place).map(str::to_owned)
            });
            if let Some(written) = written {
                // Writing to a string cannot fail.
                let _ = writeln!(section, "{} = {written}", parameter.name);
            }
        }
        section
    }
}

fn is_tuned(entry: &Entry<AgentBuild>) -> bool {
    entry.parameters.iter().any(|parameter| parameter.tuning.is_some())
}

fn refused(code: Code, message: &str, help: String) -> ScenarioError {
    ScenarioError { message: format!("--agent: {message}"), place: None, help: Some(help), code }
}

/// A point of the unit interval, with 53 bits.
fn point(seed: Seed, trial: u32, parameter: &str) -> f64 {
    let [high, low, ..] = seed.words(Purpose::Tuning, trial, hashed(parameter), 0);
    let bits = (u64::from(high) << 32 | u64::from(low)) >> 11;
    (bits as f64 + 0.5) / (1_u64 << 53) as f64
}

/// FNV-1a (Fowler, Noll & Vo), 32 bits.
fn hashed(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// As TOML has it, where it is a number, a word, a truth value or a list of them.
#[must_use]
pub fn written(value: &Value) -> Option<String> {
    let list = |items: Vec<String>| format!("[{}]", items.join(", "));
    let quoted = |text: &String| serde_json::to_string(text).ok();
    match value {
        Value::Number(number) => Some(format!("{number:?}")),
        Value::Integer(number) => Some(number.to_string()),
        Value::Boolean(truth) => Some(truth.to_string()),
        Value::Text(text) => quoted(text),
        Value::Numbers(numbers) => Some(list(numbers.iter().map(|number| format!("{number:?}")).collect())),
        Value::Integers(numbers) => Some(list(numbers.iter().map(i64::to_string).collect())),
        Value::Texts(texts) => Some(list(texts.iter().map(quoted).collect::<Option<_>>()?)),
        Value::Csv(_)
        | Value::Saved(_)
        | Value::Coefficients(_)
        | Value::Agent { .. }
        | Value::Table(_)
        | Value::Tables(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Overrides, parse};
    use std::path::Path;

    const TEXT: &str = "name = \"t\"\n[market]\nconsumers = 50\nticks = 3\n[[channel]]\nname = \"email\"\n";

    fn experiment(policy: &str) -> Experiment {
        let text = format!("{TEXT}{policy}");
        parse(&text, Path::new(""), "t.toml", &Overrides::default()).unwrap_or_else(|errors| panic!("{errors}"))
    }

    #[test]
    fn draws_are_addressed_by_trial_and_parameter() {
        let experiment = experiment("[[policy]]\nname = \"a\"\nkind = \"lin_ucb\"\nepsilon = 0.25\n");
        let tunable = Tunable::find(&experiment, "lin_ucb").unwrap_or_else(|error| panic!("{error:?}"));
        assert_eq!(tunable.policy.as_deref(), Some("a"));
        let (seed, first) = (Seed::new(3), tunable.values(Seed::new(3), 0));
        assert_eq!((first.number("alpha"), first.number("epsilon")), (1.0, 0.25));
        let alphas: Vec<f64> = (1..200).map(|trial| tunable.values(seed, trial).number("alpha")).collect();
        assert!(alphas.iter().all(|alpha| (0.01..=10.0).contains(alpha)));
        // Half of the draws lie below the geometric mean of the ends, 0.316; 4 standard errors of 199 draws.
        let below = alphas.iter().filter(|alpha| **alpha < 0.1f64.sqrt()).count() as f64;
        assert!((below - 99.5).abs() < 4.0 * (199.0f64 / 4.0).sqrt(), "{below}");
        assert_eq!(tunable.values(seed, 5).number("alpha"), alphas[4]);
        assert_eq!(tunable.values(seed, 5).number("epsilon"), 0.25);
        assert_ne!(tunable.values(Seed::new(4), 5).number("alpha"), alphas[4]);
        assert_ne!(point(seed, 5, "alpha"), point(seed, 5, "ridge"));
    }

    #[test]
    fn a_section_is_read_back_to_the_same_values() {
        let before = experiment(
            "[[policy]]\nname = \"a\"\nkind = \"lin_ucb\"\nblind_to = [\"no_such_feature\"]\n"
                .replace("blind_to = [\"no_such_feature\"]\n", "")
                .as_str(),
        );
        let tunable = Tunable::find(&before, "lin_ucb").unwrap_or_else(|error| panic!("{error:?}"));
        let values = tunable.values(Seed::new(9), 4);
        let section = tunable.section("tuned", &values, &before.text);
        let after = experiment(&section);
        for (parameter, _) in &tunable.drawn {
            assert_eq!(after.learners[0].values.get(parameter.name), values.get(parameter.name), "{section}");
        }
        assert_eq!(after.learners[0].name, "tuned");
    }

    #[test]
    fn what_cannot_be_tuned_says_why() {
        let experiment = experiment("[[policy]]\nname = \"none\"\n");
        for (kind, words) in [("lin_ubc", "there is no agent \"lin_ubc\""), ("parity_constrained", "needs `feature`")] {
            let Err(error) = Tunable::find(&experiment, kind) else { panic!("{kind} can be tuned") };
            assert!(error.message.contains(words), "{error:?}");
        }
    }

    #[test]
    fn every_declared_range_suits_its_parameter() {
        let tuned = AGENTS.iter().flat_map(|entry| entry.parameters).filter_map(|one| Some((one, one.tuning?)));
        let mut count = 0;
        for (parameter, tuning) in tuned {
            assert_eq!(tuning.fault(&parameter.kind), None, "{}", parameter.name);
            count += 1;
        }
        assert!(count > 30, "{count}");
    }
}
