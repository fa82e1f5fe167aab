//! A saved agent as a policy: judged frozen, on whatever market has the same features and actions.
//!
//! A run and a training on a log write `NAME.json`, all that the agent has learned, and beside it `NAME.made-for.json`,
//! which says what agent it is and what it was made for.

use super::{AGENTS, PolicyBuild};
use crate::protocol::{MadeFor, Policy, Spec};
use crate::registry::{Entry, Kind, Parameter, Refusal, SavedAgent, Values, find};
use serde::{Deserialize, Serialize};

const PATH: &str = "path";

/// `kind = "saved"`.
pub const ENTRY: Entry<PolicyBuild> = Entry {
    name: "saved",
    summary: "what an agent of an earlier run or training has learned, frozen",
    source: "Mercato: a policy that was learned from a log is judged where the truth is known",
    parameters: &[Parameter::of(
        PATH,
        Kind::Saved,
        "policies/NAME.json of a folder of results; NAME.made-for.json must stand beside it",
    )
    .required()],
    build,
};

/// What stands beside a saved agent.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Description {
    kind: String,
    #[serde(flatten)]
    made_for: MadeFor,
}

fn build(values: &Values, spec: &Spec) -> Result<Box<dyn Policy>, Refusal> {
    let refused = |message: String, help: &str| Refusal::new(values, PATH, message, help);
    let Some(SavedAgent { path, agent, description }) = values.saved(PATH) else {
        return Err(refused("`path` is missing".to_owned(), "give the path of a saved agent"));
    };
    let again = "save it again: run the scenario, or train on the log, with this version";
    let described: Description = serde_json::from_slice(description)
        .map_err(|error| refused(format!("what stands beside {path:?} does not describe an agent: {error}"), again))?;
    let differences = described.made_for.differences(spec);
    if !differences.is_empty() {
        let message = format!("{path:?} was made for another market: {}", differences.join("; "));
        return Err(refused(message, "take one that was saved in a market of the same features and actions"));
    }
    let Some(entry) = find(AGENTS, &described.kind) else {
        return Err(refused(format!("{path:?} is of a kind {:?} that there is not", described.kind), again));
    };
    let agent = (entry.build.load)(&mut &agent[..])
        .map_err(|error| refused(format!("{path:?} is no saved {}: {error}", entry.name), again))?;
    Ok(agent.snapshot())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::linear::testing::{Play, spec};
    use crate::registry::Value;
    use std::sync::Arc;

    fn saved(kind: &str, made_for: &Spec, agent: &[u8]) -> Values {
        let description = Description { kind: kind.into(), made_for: MadeFor::of(made_for) };
        let description = Arc::from(serde_json::to_vec(&description).unwrap());
        let saved = SavedAgent { path: "policies/a.json".into(), agent: Arc::from(agent), description };
        Values::defaults(ENTRY.parameters).with(PATH, Value::Saved(saved))
    }

    #[test]
    fn a_saved_agent_decides_as_it_did() {
        let spec = spec(2, 3);
        let entry = find(AGENTS, "boltzmann").unwrap();
        let mut agent = (entry.build.create)(&Values::defaults(entry.parameters), &spec).unwrap();
        let rows: [&[f32]; 3] = [&[1.0, 0.0], &[0.0, 1.0], &[1.0, 1.0]];
        Play::new(&rows, 3).teach_agent(agent.as_mut(), &[0, 1, 2], &[0.5, -0.25, 1.0]);
        let mut bytes = Vec::new();
        agent.save(&mut bytes).unwrap();
        let policy = build(&saved("boltzmann", &spec, &bytes), &spec).unwrap();
        let law = Play::new(&rows, 3).probabilities(policy.as_ref());
        assert_eq!(law, Play::new(&rows, 3).probabilities(agent.as_ref()));
        assert_ne!(law.row(0), law.row(1));
    }

    #[test]
    fn what_does_not_suit_is_refused_with_its_reason() {
        let market = spec(2, 3);
        for (values, words) in [
            (saved("boltzmann", &spec(3, 3), b"{}"), "was made for another market: features that the scenario lacks"),
            (saved("boltzmann", &spec(2, 4), b"{}"), "actions that the scenario lacks"),
            (saved("boltzman", &market, b"{}"), "is of a kind \"boltzman\" that there is not"),
            (saved("boltzmann", &market, b"{}"), "is no saved boltzmann"),
            (Values::default(), "is missing"),
        ] {
            let refusal = build(&values, &market).unwrap_err();
            assert!(refusal.message.contains(words), "{refusal:?}");
        }
    }
}
