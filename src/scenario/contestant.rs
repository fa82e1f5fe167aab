//! `[[policy]]`: who competes.

use super::error::Code;
use super::market::{Built, KIND_OF_NAMED, NAME, name_and_kind, unknown_kind};
use super::refuse;
use super::registries::Registries;
use super::section::tables;
use super::table::{Reader, Section};
use super::tunable::LearnerAsked;
use crate::agent::{AgentBuild, AgentCreate, PolicyBuild};
use crate::evaluation::{Contender, Contestant, Unmasked};
use crate::oracle::OracleBuild;
use crate::protocol::{Agent, Spec};
use crate::registry::{Entry, Parameter, Refusal, Value, Values, find};

/// Kinds that send whatever happens.
const MUST_SEND: &[&str] = &["always", "rule"];

/// Kinds that learn how often a reward is a success.
const COUNTERS: &[&str] = &["logistic_thompson"];

/// What every `[[policy]]` may say besides the keys of its kind.
pub(super) const IGNORES_MASK: Parameter = Parameter::boolean(
    "ignores_mask",
    false,
    "breaks the rules, and is counted; only where `mask = \"audit\"` in [constraints]",
);

/// What makes a contestant.
#[derive(Clone, Copy, Debug)]
enum Maker {
    Policy(&'static Entry<PolicyBuild>),
    Agent(&'static Entry<AgentBuild>),
    Oracle(&'static Entry<OracleBuild>),
}

impl Maker {
    fn find(registries: &Registries, kind: &str) -> Option<Self> {
        find(registries.policies, kind)
            .map(Self::Policy)
            .or_else(|| find(registries.agents, kind).map(Self::Agent))
            .or_else(|| find(registries.oracles, kind).map(Self::Oracle))
    }

    fn parameters(self) -> &'static [Parameter] {
        match self {
            Self::Policy(entry) => entry.parameters,
            Self::Agent(entry) => entry.parameters,
            Self::Oracle(entry) => entry.parameters,
        }
    }

    fn make(self, values: &Values, ignores_mask: bool, built: &Built) -> Result<Contender, Refusal> {
        let contender = self.make_masked(values, built)?;
        Ok(match contender {
            Contender::Fixed(policy) if ignores_mask => Contender::Fixed(Box::new(Unmasked(policy))),
            Contender::Learner(fresh) if ignores_mask => {
                Contender::Learner(Box::new(move || Box::new(Unmasked(fresh()))))
            }
            masked => masked,
        })
    }

    fn make_masked(self, values: &Values, built: &Built) -> Result<Contender, Refusal> {
        match self {
            Self::Policy(entry) => (entry.build)(values, built.spec()).map(Contender::Fixed),
            Self::Oracle(entry) => (entry.build)(values, built.inside()).map(Contender::Fixed),
            Self::Agent(entry) => {
                fresh(entry.build.create, values.clone(), built.spec().clone()).map(Contender::Learner)
            }
        }
    }
}

/// Makes an agent that has learned nothing.
pub(super) type Fresh = Box<dyn Fn() -> Box<dyn Agent> + Send + Sync>;

/// An agent that can be made again and again. Making one is a function of its arguments alone, so what was made once
/// can be made again.
pub(super) fn fresh(create: AgentCreate, values: Values, spec: Spec) -> Result<Fresh, Refusal> {
    create(&values, &spec)?;
    Ok(Box::new(move || match create(&values, &spec) {
        Ok(agent) => agent,
        Err(refusal) => unreachable!("made before from the same values: {refusal}"),
    }))
}

/// A contestant whose keys are known; its values are there where all are legal.
#[derive(Debug)]
pub(super) struct Candidate {
    name: String,
    kind: String,
    path: String,
    parts: Option<(Maker, Values)>,
    /// With its place in the file.
    ignores_mask: Option<std::ops::Range<usize>>,
}

/// All kinds that `[[policy]]` can name.
pub(super) fn kinds(registries: &Registries) -> Vec<&'static str> {
    let policies = registries.policies.iter().map(|entry| entry.name);
    let agents = registries.agents.iter().map(|entry| entry.name);
    policies.chain(agents).chain(registries.oracles.iter().map(|entry| entry.name)).collect()
}

/// Reads every `[[policy]]`.
pub(super) fn read(reader: &mut Reader<'_>, root: &Section<'_>, registries: &Registries) -> Vec<Candidate> {
    let before = reader.faults.len();
    let sections = tables(reader, root, "policy");
    if sections.is_empty() && reader.faults.len() == before {
        let help = "add [[policy]] with a name and a kind; `mercato list` shows all kinds";
        reader.fault(Code::MissingKey, None, "policy: there is none to compare", help);
    }
    let mut seen = Vec::new();
    let mut candidates = Vec::new();
    for section in sections {
        let Some((name, kind)) = name_and_kind(reader, &section, &mut seen) else { continue };
        let maker = Maker::find(registries, &kind);
        if maker.is_none() {
            let known = kinds(registries);
            let more = "`mercato list` describes all";
            unknown_kind(reader, &section, "policy or agent", &kind, &known, more);
        }
        let parts = maker.and_then(|maker| {
            let others = [NAME.name, KIND_OF_NAMED.name, IGNORES_MASK.name];
            let values = reader.values(&section, maker.parameters(), &others)?;
            Some((maker, values))
        });
        let ignores_mask = match reader.one(&section, &IGNORES_MASK) {
            Some(Value::Boolean(true)) => section.get(IGNORES_MASK.name).map(toml::Spanned::span),
            _ => None,
        };
        candidates.push(Candidate { name, kind, path: section.path, parts, ignores_mask });
    }
    candidates
}

/// Names of the candidates that send whatever happens.
pub(super) fn senders(candidates: &[Candidate]) -> Vec<&str> {
    of_kinds(candidates, MUST_SEND)
}

/// Names of the candidates that learn how often a reward is a success.
pub(super) fn counters(candidates: &[Candidate]) -> Vec<&str> {
    of_kinds(candidates, COUNTERS)
}

fn of_kinds<'a>(candidates: &'a [Candidate], kinds: &[&str]) -> Vec<&'a str> {
    let of_kind = |candidate: &&Candidate| kinds.contains(&candidate.kind.as_str());
    candidates.iter().filter(of_kind).map(|candidate| candidate.name.as_str()).collect()
}

/// Names of all candidates.
pub(super) fn names(candidates: &[Candidate]) -> Vec<&str> {
    candidates.iter().map(|candidate| candidate.name.as_str()).collect()
}

/// Makes every candidate for the market, or notes why it cannot be; beside them those that learn, as they were asked for.
pub(super) fn build(
    reader: &mut Reader<'_>,
    candidates: Vec<Candidate>,
    built: &Built,
) -> (Vec<Contestant>, Vec<LearnerAsked>) {
    let (mut contestants, mut learners) = (Vec::new(), Vec::new());
    for Candidate { name, kind, path, parts, ignores_mask } in candidates {
        let Some((maker, values)) = parts else { continue };
        if ignores_mask.is_some() && !built.inside().is_audited() {
            let help = "add `mask = \"audit\"` to [constraints], or take the key out: rules are enforced here";
            let message = format!("{path}.{}: this market lets nobody break its rules", IGNORES_MASK.name);
            reader.fault(Code::Refused, ignores_mask, message, help);
            continue;
        }
        match maker.make(&values, ignores_mask.is_some(), built) {
            Ok(contender) => {
                if matches!(contender, Contender::Learner(_)) {
                    learners.push(LearnerAsked { name: name.clone(), kind: kind.clone(), values });
                }
                contestants.push(Contestant { name, kind, contender });
            }
            Err(refusal) => refuse(reader, &path, refusal),
        }
    }
    (contestants, learners)
}
