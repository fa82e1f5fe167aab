//! Whatever is registered as a policy or an agent keeps the promises of the protocol.
//!
//! One suite over [`POLICIES`] and [`AGENTS`]: a new entry is tested by being there. An entry with required keys says in
//! [`values`] what they are here.

use mercato::agent::{AGENTS, POLICIES};
use mercato::matrix::Matrix;
use mercato::protocol::{
    Action, ActionBits, ActionSpace, Agent, Decision, Diverged, Ending, Factor, Feature, MadeFor, Observation, Policy,
    Spec, Transitions,
};
use mercato::random::{Purpose, Seed};
use mercato::registry::{Kind, NumericTable, Parameter, Refusal, SavedAgent, Value, Values};
use mercato::statistics::{chi_square, chi_square_p_value, normal_cdf};
use mercato::units::Money;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const SEED: Seed = Seed::new(20_240_229);

// ---------------------------------------------------------------------------------------------- synthetic markets

fn spec(features: Vec<Feature>, actions: ActionSpace) -> Spec {
    Spec { consumers: 1_000, horizon: 100, tick_days: 1.0, discount: 0.99, features, actions, kpis: Vec::new() }
}

/// One-hot states and two numbers.
fn features(states: &[&str]) -> Vec<Feature> {
    let mut features: Vec<Feature> = states.iter().map(|state| Feature::level("state", state)).collect();
    features.push(Feature::raw("days_since_order", "days").logged(3.5, 1.25));
    features.push(Feature::raw("orders_365_days", "orders").standardised(1.3, 0.7));
    features
}

/// Five actions and six features.
fn flat_market() -> Spec {
    spec(features(&["new", "active", "lapsed", "gone"]), ActionSpace::flat("arm", "none", &["a", "b", "c", "d"]))
}

/// No contact and 2 channels × 3 hours × 2 offers × 2 creatives.
fn factored_market() -> Spec {
    market_of([
        ("channel", vec!["email", "push"]),
        ("hour", vec!["8", "12", "19"]),
        ("offer", vec!["full", "ten"]),
        ("creative", vec!["a", "b"]),
    ])
}

/// No contact and 4 channels × 6 hours × 5 offers × 3 creatives: 361 actions.
fn large_market() -> Spec {
    market_of([
        ("channel", vec!["email", "push", "sms", "paid_ad"]),
        ("hour", vec!["8", "10", "12", "16", "19", "21"]),
        ("offer", vec!["full", "five", "ten", "twenty", "gift"]),
        ("creative", vec!["a", "b", "c"]),
    ])
}

fn market_of(factors: [(&'static str, Vec<&str>); 4]) -> Spec {
    let mut actions = vec![Action { name: "none".into(), levels: None, cost: Money::ZERO }];
    let [_, hours, offers, creatives] = factors.each_ref().map(|(_, levels)| levels.len() as u16);
    let contacts: usize = factors.iter().map(|(_, levels)| levels.len()).product();
    for index in 0..contacts as u16 {
        let (offer, hour) = (index / creatives, index / (creatives * offers));
        let levels = [hour / hours, hour % hours, offer % offers, index % creatives];
        let names: Vec<&str> =
            factors.iter().zip(levels).map(|((_, names), level)| names[usize::from(level)]).collect();
        actions.push(Action {
            name: format!("{}/{}h/{}/{}", names[0], names[1], names[2], names[3]),
            levels: Some(levels.to_vec()),
            cost: Money::from_micros(1_000),
        });
    }
    let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
    let factors = factors.map(|(name, names)| Factor { name, levels: owned(names) }).to_vec();
    spec(features(&["new", "active", "gone"]), ActionSpace { factors, actions })
}

fn markets() -> [Spec; 2] {
    [flat_market(), factored_market()]
}

/// What these consumers show and may get: a function of the consumer alone, so that laws repeat over ticks. Each contact
/// is forbidden with probability 0.3; every eleventh consumer may not be contacted at all.
fn observe(spec: &Spec, consumers: impl Iterator<Item = u32>, tick: u32) -> Observation {
    let consumer_ids: Vec<u32> = consumers.collect();
    let states = spec.features.iter().filter(|feature| feature.group == Some("state")).count();
    let mut features = Matrix::new(consumer_ids.len(), spec.features.len());
    let mut allowed = ActionBits::all(consumer_ids.len(), spec.actions.len());
    for (row, &consumer) in consumer_ids.iter().enumerate() {
        let mut stream = SEED.stream(Purpose::Problem, consumer, 0);
        if states > 0 {
            features.set(row, (stream.word() as usize) % states, 1.0);
        }
        for (column, feature) in spec.features.iter().enumerate().skip(states) {
            features.set(row, column, feature.to_observed((stream.uniform() * 10.0).floor()));
        }
        for action in 1..spec.actions.len() {
            if stream.uniform() < 0.3 || consumer % 11 == 10 {
                allowed.forbid(row, action);
            }
        }
    }
    Observation { tick, consumer_ids, features, allowed, ..Observation::default() }
}

/// Some rows of an observation, in this order.
fn take(observation: &Observation, rows: &[usize]) -> Observation {
    let dense: Vec<Vec<f32>> = rows.iter().map(|row| observation.features.row(*row)).collect();
    let dense: Vec<&[f32]> = dense.iter().map(Vec::as_slice).collect();
    let actions = observation.allowed.actions();
    let mut allowed = ActionBits::all(rows.len(), actions);
    for (to, &from) in rows.iter().enumerate() {
        allowed.row_mut(to).copy_from_slice(observation.allowed.row(from));
    }
    Observation {
        tick: observation.tick,
        consumer_ids: rows.iter().map(|row| observation.consumer_ids[*row]).collect(),
        features: Matrix::from_rows(&dense),
        allowed,
        ..Observation::default()
    }
}

/// Only what the policy asks for: whoever reads more than that is found out.
fn shown(policy: &dyn Policy, mut observation: Observation) -> Observation {
    if !policy.views().features {
        observation.features = Matrix::default();
    }
    observation.reset_events(policy.views(), 0);
    observation
}

/// A success with a probability that depends on the action and on the first number.
fn rewards(observation: &Observation, full: &Observation, actions: &[u16]) -> Vec<f32> {
    let last = full.features.columns().saturating_sub(1);
    actions
        .iter()
        .enumerate()
        .map(|(row, &action)| {
            let consumer = observation.consumer_ids[row];
            let seen = if full.features.columns() > 0 { full.features.get(row, last) } else { 0.0 };
            let probability = 0.2 + 0.15 * f32::from(action % 4) + if seen > 0.0 { 0.2 } else { 0.0 };
            let u = SEED.uniforms(Purpose::Problem, consumer, observation.tick, 1_000)[0];
            f32::from(u8::from(u < probability))
        })
        .collect()
}

// ------------------------------------------------------------------------------------------------------- entries

/// Defaults, and the required keys of the entries that have some.
fn values(name: &str, parameters: &'static [Parameter], spec: &Spec) -> Values {
    let mut values = Values::defaults(parameters);
    if name == "table" {
        let states = spec.features.iter().filter(|feature| feature.group == Some("state")).count();
        let names = (0..states).map(|state| spec.actions.actions[(state + 1) % spec.actions.len()].name.clone());
        values.set("actions", Value::Texts(names.collect()), None);
    }
    if name == "softmax_linear" {
        let header = spec.actions.actions.iter().map(|action| action.name.clone()).collect();
        let weight = |feature: usize, action: usize| ((feature * 7 + action * 3) % 11) as f64 / 10.0 - 0.5;
        let row = |feature| (0..spec.actions.len()).map(|action| weight(feature, action)).collect();
        let rows = (0..spec.features.len()).map(row).collect();
        values.set("weights", Value::Csv(NumericTable { header, rows }), None);
    }
    if name == "parity_constrained" {
        values.set("feature", Value::Text("state_new".into()), None);
        let offers = spec.actions.factor("offer").map(|factor| &spec.actions.factors[factor].levels);
        let depths = offers.into_iter().flatten().enumerate().map(|(level, name)| (name.clone(), level as f64 / 10.0));
        values.set("depths", Value::Coefficients(depths.collect()), None);
    }
    if parameters.iter().any(|parameter| parameter.name == "decisions_before") {
        // Small and early, so that it learns within the few rows here.
        values.set("hidden", Value::Integers(vec![16]), None);
        values.set("decisions_before", Value::Integer(100), None);
        values.set("batch", Value::Integer(16), None);
        values.set("encoder_width", Value::Integer(8), None);
        values.set("memory", Value::Integer(4_000), None);
    }
    if parameters.iter().any(|parameter| parameter.name == "updates") {
        values.set("updates", Value::Integer(60), None);
    }
    if name == "reinforce" {
        values.set("batch", Value::Integer(100), None);
    }
    if name == "saved" {
        values.set("path", Value::Saved(learned(spec)), None);
    }
    if parameters.iter().any(|parameter| parameter.name == "rollout_ticks") {
        values.set("hidden", Value::Integers(vec![16]), None);
        values.set("rollout_ticks", Value::Integer(1), None);
        values.set("rollout_frames_max", Value::Integer(200), None);
        values.set("encoder_width", Value::Integer(8), None);
    }
    for parameter in parameters.iter().filter(|parameter| parameter.required) {
        assert!(values.get(parameter.name).is_some(), "{name}: say in `values` what {} is here", parameter.name);
    }
    values
}

/// A saved agent that explores, with what stands beside it.
fn learned(spec: &Spec) -> SavedAgent {
    let entry = AGENTS.iter().find(|entry| entry.name == "epsilon_greedy").unwrap();
    let agent = (entry.build.create)(&Values::defaults(entry.parameters), spec).unwrap();
    let mut bytes = Vec::new();
    agent.save(&mut bytes).unwrap();
    let MadeFor { features, actions } = MadeFor::of(spec);
    let description = serde_json::json!({ "kind": entry.name, "features": features, "actions": actions });
    SavedAgent { path: "a.json".into(), agent: bytes.into(), description: description.to_string().into_bytes().into() }
}

/// Choices of a key that are tested besides the default: every one of every key, one at a time.
fn variants(name: &str, parameters: &'static [Parameter], spec: &Spec) -> Vec<(String, Values)> {
    let mut variants = vec![(name.to_owned(), values(name, parameters, spec))];
    for parameter in parameters {
        if let Kind::Choice { default, options } = parameter.kind {
            for option in options.iter().filter(|option| Some(**option) != default) {
                let value = Value::Text((*option).to_owned());
                let label = format!("{name} with {} = {option}", parameter.name);
                variants.push((label, values(name, parameters, spec).with(parameter.name, value)));
            }
        }
    }
    variants
}

type Load = fn(&mut dyn std::io::Read) -> std::io::Result<Box<dyn Agent>>;

/// All agents in all variants, having learned nothing, each with what brings it back.
fn agents(spec: &Spec) -> Vec<(String, Box<dyn Agent>, Load)> {
    let mut agents = Vec::new();
    for entry in AGENTS {
        for (label, values) in variants(entry.name, entry.parameters, spec) {
            match (entry.build.create)(&values, spec) {
                Ok(agent) => agents.push((label, agent, entry.build.load)),
                Err(refusal) => assert_ne!(label, entry.name, "defaults are refused: {refusal:?}"),
            }
        }
    }
    agents
}

fn fixed(spec: &Spec) -> Vec<(String, Box<dyn Policy>)> {
    let mut policies = Vec::new();
    for entry in POLICIES {
        for (label, values) in variants(entry.name, entry.parameters, spec) {
            let policy: Result<_, Refusal> = (entry.build)(&values, spec);
            policies.push((label.clone(), policy.unwrap_or_else(|refusal| panic!("{label}: {refusal:?}"))));
        }
    }
    policies
}

/// All fixed policies, all agents before and after learning.
fn laws(spec: &Spec) -> Vec<(String, Box<dyn Policy>)> {
    let mut policies = fixed(spec);
    for (label, mut agent, _) in agents(spec) {
        policies.push((format!("{label}, fresh"), agent.snapshot()));
        train(agent.as_mut(), spec, 0..4).expect("rewards are finite");
        policies.push((format!("{label}, trained"), agent.snapshot()));
    }
    policies
}

/// Lets an agent learn from its own decisions on 150 consumers in each of these ticks.
fn train(agent: &mut dyn Agent, spec: &Spec, ticks: std::ops::Range<u32>) -> Result<(), Diverged> {
    let mut decision = Decision::default();
    for tick in ticks {
        let full = observe(spec, 0..150, tick);
        let observation = shown(agent, full.clone());
        agent.decide(&observation, SEED, &mut decision);
        let rewards = rewards(&observation, &full, &decision.actions);
        let batch = Transitions {
            observation: &observation,
            actions: &decision.actions,
            propensities: &decision.propensities,
            rewards: &rewards,
            terminated: &[],
        };
        let metrics = agent.learn(&batch, SEED)?;
        assert!(metrics.iter().all(|(name, value)| value.is_finite() && is_snake_case(name)), "{metrics:?}");
    }
    Ok(())
}

/// The law in a matrix that was used for something else before.
fn law(policy: &dyn Policy, observation: &Observation) -> Matrix {
    let mut law = Matrix::from_rows(&[[f32::NAN; 7].as_slice(); 40]);
    policy.probabilities(observation, SEED, &mut law);
    law
}

fn bits(matrix: &Matrix) -> Vec<u32> {
    (0..matrix.rows()).flat_map(|row| matrix.row(row)).map(f32::to_bits).collect()
}

fn is_snake_case(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && !name.ends_with('_')
        && !name.contains("__")
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

// ------------------------------------------------------------------------------------------------------ promises

#[test]
fn entries_are_well_described() {
    let policies = POLICIES.iter().map(|entry| (entry.name, entry.summary, entry.source, entry.parameters));
    let agents = AGENTS.iter().map(|entry| (entry.name, entry.summary, entry.source, entry.parameters));
    let mut names = BTreeSet::new();
    for (name, summary, source, parameters) in policies.chain(agents) {
        assert!(names.insert(name), "{name} is there twice");
        assert!(is_snake_case(name), "{name}");
        assert!(summary.len() > 10 && !summary.contains('\n') && !source.is_empty(), "{name}");
        let mut keys = BTreeSet::new();
        for parameter in parameters {
            let key = format!("{name}.{}", parameter.name);
            assert!(keys.insert(parameter.name), "{key} is there twice");
            assert!(is_snake_case(parameter.name) && !parameter.summary.is_empty(), "{key}");
            assert!(!["name", "kind"].contains(&parameter.name), "{key} is a key of every [[policy]]");
            assert!(default_is_legal(&parameter.kind), "{key}: the default is out of range");
        }
    }
}

fn default_is_legal(kind: &Kind) -> bool {
    match kind {
        Kind::Number { default, range } => default.is_none_or(|number| range.contains(number)),
        Kind::Integer { default, minimum, maximum } => {
            default.is_none_or(|number| (minimum..=maximum).contains(&&number))
        }
        Kind::Choice { default, options } => default.is_none_or(|word| options.contains(&word)),
        Kind::Numbers { default, range } => default.is_none_or(|numbers| numbers.iter().all(|n| range.contains(*n))),
        Kind::Integers { default, minimum, maximum } => {
            default.is_none_or(|numbers| numbers.iter().all(|number| (minimum..=maximum).contains(&number)))
        }
        _ => true,
    }
}

/// Says where a law is none: rows that do not sum to 1, mass on masked actions.
fn assert_is_law(label: &str, law: &Matrix, observation: &Observation) {
    assert_eq!((law.rows(), law.columns()), (observation.rows(), observation.allowed.actions()), "{label}");
    for row in 0..law.rows() {
        let probabilities = law.row(row);
        let sum: f64 = probabilities.iter().map(|p| f64::from(*p)).sum();
        assert!((sum - 1.0).abs() < 1e-5, "{label}: row {row} sums to {sum}");
        for (action, p) in probabilities.into_iter().enumerate() {
            assert!((0.0..=1.00001).contains(&p), "{label}: row {row} gives {action} probability {p}");
            assert!(p == 0.0 || observation.allowed.allows(row, action), "{label}: row {row} may not do {action}");
        }
    }
}

#[test]
fn probabilities_are_a_law_on_the_allowed_actions() {
    for spec in markets() {
        for (label, policy) in laws(&spec) {
            let observation = shown(policy.as_ref(), observe(&spec, 0..77, 7));
            assert_is_law(&label, &law(policy.as_ref(), &observation), &observation);
        }
    }
}

#[test]
fn rows_do_not_depend_on_their_batch() {
    for spec in markets() {
        for (label, policy) in laws(&spec) {
            let observation = shown(policy.as_ref(), observe(&spec, 0..41, 7));
            let whole = law(policy.as_ref(), &observation);
            let (mut decision, mut other) = (Decision::default(), Decision::default());
            policy.decide(&observation, SEED, &mut decision);
            let reversed: Vec<usize> = (0..41).rev().collect();
            for rows in [&[0][..], &[17], &[40], &[3, 30], &reversed] {
                let part = take(&observation, rows);
                let of_part = law(policy.as_ref(), &part);
                policy.decide(&part, SEED, &mut other);
                for (index, &row) in rows.iter().enumerate() {
                    let same = of_part.row(index).iter().zip(whole.row(row)).all(|(p, q)| p.to_bits() == q.to_bits());
                    assert!(same, "{label}: row {row} has another law in another batch");
                    assert_eq!(other.actions[index], decision.actions[row], "{label}: row {row} draws another action");
                }
            }
        }
    }
}

/// Draws against the law that is logged with them.
///
/// Rows of the same law are one multinomial sample if there are at least 50 of them: their Pearson statistics add up. The
/// rest is compared action by action with the sum of its probabilities, in units of the exact standard deviation.
#[derive(Default)]
struct Calibration {
    counts: BTreeMap<Vec<u32>, Vec<f64>>,
}

impl Calibration {
    fn add(&mut self, law: Vec<f32>, action: u16) {
        let width = law.len();
        let key = law.into_iter().map(f32::to_bits).collect();
        self.counts.entry(key).or_insert_with(|| vec![0.0; width])[usize::from(action)] += 1.0;
    }

    /// The smaller of the p-values of both parts, corrected for looking at both.
    fn p_value(&self, actions: usize) -> f64 {
        let (mut statistic, mut degrees) = (0.0, 0.0);
        let mut rest = vec![(0.0, 0.0, 0.0); actions];
        for (law, counts) in &self.counts {
            let law: Vec<f64> = law.iter().map(|bits| f64::from(f32::from_bits(*bits))).collect();
            let draws: f64 = counts.iter().sum();
            let expected: Vec<f64> = law.iter().map(|p| p * draws).collect();
            let large = expected.iter().filter(|count| **count >= 5.0).count();
            let small: f64 = expected.iter().filter(|count| **count < 5.0).sum();
            let cells = large + usize::from(small > 0.0);
            if draws >= 50.0 {
                let (of_law, freedom) = chi_square(counts, &expected, 5.0);
                // One cell holds everything: only the impossible could show.
                if cells > 1 || of_law.is_infinite() {
                    statistic += of_law;
                    degrees += freedom;
                }
            } else {
                for (action, (observed, sum, variance)) in rest.iter_mut().enumerate() {
                    *observed += counts[action];
                    *sum += expected[action];
                    *variance += law[action] * (1.0 - law[action]) * draws;
                }
            }
        }
        let of_groups = if degrees > 0.0 { chi_square_p_value(statistic, degrees) } else { 1.0 };
        let scores = rest.iter().filter(|(_, _, variance)| *variance > 5.0);
        let tails =
            scores.map(|(observed, sum, variance)| 2.0 * normal_cdf(-((observed - sum) / variance.sqrt()).abs()));
        let of_rest = tails.fold(1.0, f64::min) * actions as f64;
        (2.0 * of_groups.min(of_rest)).min(1.0)
    }
}

/// Draws on some consumers over some ticks, each with its logged propensity checked against the law.
fn calibration(label: &str, policy: &dyn Policy, spec: &Spec, consumers: u32, ticks: u32) -> Calibration {
    let mut calibration = Calibration::default();
    let mut observation = shown(policy, observe(spec, 0..consumers, 0));
    let (mut decision, mut law) = (Decision::default(), Matrix::default());
    for tick in 0..ticks {
        observation.tick = tick;
        policy.decide(&observation, SEED, &mut decision);
        policy.probabilities(&observation, SEED, &mut law);
        for (row, (&action, &propensity)) in decision.actions.iter().zip(&decision.propensities).enumerate() {
            let probability = law.get(row, usize::from(action));
            assert_eq!(propensity.to_bits(), probability.to_bits(), "{label}: logs {propensity} for {probability}");
            assert!(propensity > 0.0, "{label}: chose the impossible");
            calibration.add(law.row(row), action);
        }
    }
    calibration
}

#[test]
fn drawn_actions_follow_their_logged_probabilities() {
    let spec = flat_market();
    for (label, policy) in laws(&spec) {
        let p_value = calibration(&label, policy.as_ref(), &spec, 1_000, 100).p_value(spec.actions.len());
        assert!(p_value > 1e-4, "{label}: p = {p_value}");
    }
}

#[test]
fn drawn_actions_follow_their_logged_probabilities_where_actions_have_factors() {
    let spec = factored_market();
    for (label, policy) in laws(&spec) {
        let p_value = calibration(&label, policy.as_ref(), &spec, 180, 60).p_value(spec.actions.len());
        assert!(p_value > 1e-4, "{label}: p = {p_value}");
    }
}

/// Every kind of action is learned from at 361 actions, in the model that each agent takes by default.
#[test]
fn large_action_spaces_keep_the_promises() {
    // As many consumers as are shown, so that those who learn from whole ticks have them.
    let spec = Spec { consumers: 150, ..large_market() };
    assert_eq!(spec.actions.len(), 361);
    let names: BTreeSet<&str> = spec.actions.actions.iter().map(|action| action.name.as_str()).collect();
    assert_eq!(names.len(), 361);
    for entry in AGENTS {
        let mut agent = (entry.build.create)(&values(entry.name, entry.parameters, &spec), &spec)
            .unwrap_or_else(|refusal| panic!("{}: {refusal:?}", entry.name));
        let observation = shown(agent.as_ref(), observe(&spec, 0..23, 7));
        let fresh = bits(&law(agent.as_ref(), &observation));
        train(agent.as_mut(), &spec, 0..2).unwrap();
        // Some learn only from whole episodes, some only at the end of all.
        let last = shown(agent.as_ref(), observe(&spec, 0..150, 2));
        agent.end_episode(&Ending { observation: &last, beyond: None }, SEED).unwrap();
        agent.conclude(SEED).unwrap();
        let learned = law(agent.as_ref(), &observation);
        assert_is_law(entry.name, &learned, &observation);
        assert_ne!(bits(&learned), fresh, "{}: has learned nothing", entry.name);
        let mut decision = Decision::default();
        agent.decide(&observation, SEED, &mut decision);
        for (row, (&action, &propensity)) in decision.actions.iter().zip(&decision.propensities).enumerate() {
            assert!(observation.allowed.allows(row, usize::from(action)), "{}: row {row} did {action}", entry.name);
            let probability = learned.get(row, usize::from(action));
            assert!(propensity > 0.0 && propensity.to_bits() == probability.to_bits(), "{}: row {row}", entry.name);
        }
    }
}

#[test]
fn a_wrong_propensity_is_found_out() {
    let mut calibration = Calibration::default();
    for consumer in 0..20_000 {
        let u = SEED.uniforms(Purpose::Policy, consumer, 0, 0)[0];
        calibration.add(vec![0.5, 0.5], u16::from(u < 0.52));
    }
    assert!(calibration.p_value(2) < 1e-4);
    let mut calibration = Calibration::default();
    for consumer in 0..20_000 {
        let u = SEED.uniforms(Purpose::Policy, consumer, 0, 0)[0];
        let p = 0.4 + consumer as f32 * 1e-5;
        calibration.add(vec![1.0 - p, p], u16::from(u < p + 0.02));
    }
    assert!(calibration.p_value(2) < 1e-4);
}

/// Agents whose exploration belongs to training: their frozen law is the best action.
const EXPLORE_IN_TRAINING: &[&str] = &["dqn", "qr_dqn", "q_learning"];

#[test]
fn a_snapshot_is_the_agent_and_stays_so() {
    for spec in markets() {
        for (label, mut agent, _) in agents(&spec) {
            train(agent.as_mut(), &spec, 0..3).unwrap();
            let observation = shown(agent.as_ref(), observe(&spec, 0..60, 9));
            let snapshot = agent.snapshot();
            assert_eq!(snapshot.views(), agent.views(), "{label}");
            let (of_agent, of_snapshot) = (law(agent.as_ref(), &observation), law(snapshot.as_ref(), &observation));
            let before = bits(&of_snapshot);
            let explores = EXPLORE_IN_TRAINING.iter().any(|name| label.starts_with(name));
            if explores || label.ends_with("judged = greedy") {
                for row in 0..60 {
                    let best = (0..spec.actions.len()).find(|action| of_snapshot.get(row, *action) == 1.0).unwrap();
                    let rest = of_agent.row(row).into_iter().fold(0.0, f32::max);
                    assert_eq!(of_agent.get(row, best), rest, "{label}: row {row}");
                }
            } else {
                assert_eq!(bits(&of_agent), before, "{label}");
                let (mut of_agent, mut of_snapshot) = (Decision::default(), Decision::default());
                agent.decide(&observation, SEED, &mut of_agent);
                snapshot.decide(&observation, SEED, &mut of_snapshot);
                assert_eq!(of_agent, of_snapshot, "{label}");
            }
            train(agent.as_mut(), &spec, 3..6).unwrap();
            assert_eq!(bits(&law(snapshot.as_ref(), &observation)), before, "{label}: the snapshot has learned");
        }
    }
}

fn saved(agent: &dyn Agent) -> Vec<u8> {
    let mut bytes = Vec::new();
    agent.save(&mut bytes).expect("memory can be written");
    bytes
}

#[test]
fn a_saved_agent_goes_on_as_if_nothing_had_happened() {
    for spec in markets() {
        for (label, mut agent, load) in agents(&spec) {
            for ticks in [0..0, 0..3] {
                train(agent.as_mut(), &spec, ticks).unwrap();
                let bytes = saved(agent.as_ref());
                let mut loaded = load(&mut bytes.as_slice()).unwrap_or_else(|error| panic!("{label}: {error}"));
                assert_eq!(saved(loaded.as_ref()), bytes, "{label}: saved again, it differs");
                let observation = shown(agent.as_ref(), observe(&spec, 0..60, 9));
                let same = bits(&law(loaded.as_ref(), &observation)) == bits(&law(agent.as_ref(), &observation));
                assert!(same, "{label}: another law after loading");
                train(agent.as_mut(), &spec, 3..5).unwrap();
                train(loaded.as_mut(), &spec, 3..5).unwrap();
                let same = bits(&law(loaded.as_ref(), &observation)) == bits(&law(agent.as_ref(), &observation));
                assert!(same, "{label}: learns otherwise after loading");
                assert_eq!(saved(loaded.as_ref()), saved(agent.as_ref()), "{label}: learns otherwise after loading");
                agent = load(&mut bytes.as_slice()).unwrap();
            }
            assert!(load(&mut &b"{}"[..]).is_err(), "{label}: loads from nothing");
        }
    }
}

#[test]
fn a_reward_that_is_no_number_is_refused_and_forgotten() {
    for spec in markets() {
        for (label, mut agent, _) in agents(&spec) {
            train(agent.as_mut(), &spec, 0..2).unwrap();
            let observation = shown(agent.as_ref(), observe(&spec, 0..60, 9));
            let (before, state) = (bits(&law(agent.as_ref(), &observation)), saved(agent.as_ref()));
            let mut decision = Decision::default();
            agent.decide(&observation, SEED, &mut decision);
            for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let mut rewards = vec![0.5; observation.rows()];
                rewards[41] = wrong;
                let batch = Transitions {
                    observation: &observation,
                    actions: &decision.actions,
                    propensities: &decision.propensities,
                    rewards: &rewards,
                    terminated: &[],
                };
                let diverged = agent.learn(&batch, SEED).expect_err(&label);
                assert!(diverged.to_string().contains("no longer finite"), "{label}");
                assert_eq!(bits(&law(agent.as_ref(), &observation)), before, "{label}: {wrong} has changed the law");
                assert_eq!(saved(agent.as_ref()), state, "{label}: {wrong} has changed the state");
            }
        }
    }
}

#[test]
fn who_may_not_be_contacted_is_not() {
    for spec in markets() {
        for (label, policy) in laws(&spec) {
            let mut observation = shown(policy.as_ref(), observe(&spec, 0..35, 7));
            for row in 0..35 {
                (1..spec.actions.len()).for_each(|action| observation.allowed.forbid(row, action));
            }
            let mut decision = Decision::default();
            policy.decide(&observation, SEED, &mut decision);
            assert_eq!(decision.actions, vec![0; 35], "{label}");
            assert!(decision.propensities.iter().all(|p| (*p - 1.0).abs() < 1e-6), "{label}");
            assert_is_law(&label, &law(policy.as_ref(), &observation), &observation);
        }
    }
}

#[test]
fn nobody_to_decide_for_is_no_fault() {
    for spec in markets() {
        for (label, policy) in laws(&spec) {
            let observation = shown(policy.as_ref(), observe(&spec, 0..0, 7));
            let mut decision = Decision::default();
            policy.decide(&observation, SEED, &mut decision);
            assert!(decision.actions.is_empty() && law(policy.as_ref(), &observation).rows() == 0, "{label}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any number of actions (also more than one word of bits), features and rows.
    #[test]
    fn any_shape_is_a_law(contacts in 1_usize..80, numbers in 0_usize..5, rows in 1_u32..40, first in 0_u32..10_000) {
        let names: Vec<String> = (0..contacts).map(|index| format!("arm_{index}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut columns = features(&["new", "gone"]);
        columns.extend((0..numbers).map(|index| Feature::raw(format!("number_{index}"), "units")));
        let spec = spec(columns, ActionSpace::flat("arm", "none", &names));
        for (label, policy) in laws(&spec) {
            let observation = shown(policy.as_ref(), observe(&spec, first..first + rows, 3));
            assert_is_law(&label, &law(policy.as_ref(), &observation), &observation);
            let mut decision = Decision::default();
            policy.decide(&observation, SEED, &mut decision);
            for (row, action) in decision.actions.iter().enumerate() {
                prop_assert!(observation.allowed.allows(row, usize::from(*action)), "{label}: row {row} did {action}");
            }
        }
    }
}
