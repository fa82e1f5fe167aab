use super::*;
use crate::agent::linear::testing::{Play, spec};
use crate::protocol::{Action, ActionSpace, Factor, Feature};
use crate::random::{Purpose, Seed};
use crate::registry::Value;
use crate::units::Money;

/// A share of members of 0.4 among 500 rows; every row has a need in (0, 1), which both groups have alike.
const ROWS: u32 = 500;
const MEMBERS: u32 = 200;

/// What a market pays for an action: from membership and need.
type Pay = fn(bool, f32, u16) -> f32;

/// A message costs 0.1 and earns the need, of which members pay only 0.3.
fn pay_for_contact(is_member: bool, need: f32, action: u16) -> f32 {
    f32::from(u8::from(action != 0)) * (if is_member { 0.3 } else { 1.0 } * need - 0.1)
}

/// Full price, a tenth and a fifth off: others' returns grow with the depth, the more so the greater their need.
fn pay_for_discount(is_member: bool, need: f32, action: u16) -> f32 {
    let depth = [0.0, 0.0, 0.1, 0.2][usize::from(action)];
    if action == 0 { 0.0 } else { 0.2 + depth * if is_member { need - 0.6 } else { need - 0.2 } }
}

/// Needs (twice, once for each group), and whether a member; or, where `tells` is less than 1, what a proxy of that
/// accuracy says.
fn market(actions: usize, tells: f32) -> (Spec, Play, Vec<(bool, f32)>) {
    let mut spec = Spec { horizon: 400, ..spec(3, actions) };
    spec.features = ["member_need", "other_need"].iter().map(|name| Feature::raw(*name, "need")).collect();
    spec.features.push(Feature::raw("group", "1 or -1"));
    let mut people = Vec::new();
    let mut rows = Vec::new();
    for row in 0..ROWS {
        let [need, proxy, ..] = Seed::new(5).uniforms(Purpose::Problem, row, 0, 0);
        let is_member = row < MEMBERS;
        let told = if is_member == (proxy < tells) { 1.0 } else { -1.0 };
        let own = if is_member { [need, 0.0] } else { [0.0, need] };
        people.push((is_member, need));
        rows.push([own[0], own[1], told]);
    }
    let rows: Vec<&[f32]> = rows.iter().map(<[f32; 3]>::as_slice).collect();
    (spec, Play::new(&rows, actions), people)
}

fn offers() -> ActionSpace {
    let names = ["full", "ten", "fifth"];
    let mut actions = vec![Action { name: "none".into(), levels: None, cost: Money::ZERO }];
    let offer = |(level, name): (usize, &&str)| Action {
        name: (*name).to_owned(),
        levels: Some(vec![level as u16]),
        cost: Money::ZERO,
    };
    actions.extend(names.iter().enumerate().map(offer));
    ActionSpace { factors: vec![Factor { name: "offer", levels: names.map(str::to_owned).to_vec() }], actions }
}

fn settings(on: &str) -> Values {
    let depths = vec![("ten".to_owned(), 0.1), ("fifth".to_owned(), 0.2)];
    Values::defaults(ENTRY.parameters)
        .with("feature", Value::Text("group".into()))
        .with("on", Value::Text(on.into()))
        .with("depths", Value::Coefficients(depths))
        .with("alpha", Value::Number(0.05))
}

/// What a policy does when it is frozen.
#[derive(Debug)]
struct Outcome {
    profit: f64,
    /// Messages of members less those of others.
    contact_gap: f64,
    /// Depth of the messages of members less that of others.
    depth_gap: f64,
    messages: f64,
}

fn trained(
    spec: &Spec,
    play: &mut Play,
    people: &[(bool, f32)],
    values: &Values,
    pay: Pay,
) -> (Learner<ParityConstrained>, Outcome) {
    let law = ParityConstrained::new(values, spec).unwrap();
    let mut agent = Learner::new(law, Model::create(values, spec).unwrap());
    let rewards = |actions: &[u16]| -> Vec<f32> {
        actions.iter().zip(people).map(|(action, (member, need))| pay(*member, *need, *action)).collect()
    };
    for tick in 0..300 {
        play.observation.tick = tick;
        let (actions, _) = play.decide(&agent);
        play.teach_agent(&mut agent, &actions, &rewards(&actions));
    }
    let (actions, _) = play.decide(&agent);
    let depths = [0.0, 0.0, 0.1, 0.2];
    let of = |wanted: bool| {
        let taken: Vec<usize> = actions
            .iter()
            .zip(people)
            .filter(|(_, (member, _))| *member == wanted)
            .map(|(action, _)| usize::from(*action))
            .collect();
        let messages = taken.iter().filter(|action| **action != 0).count() as f64;
        (messages / taken.len() as f64, taken.iter().map(|action| depths[*action]).sum::<f64>() / messages.max(1.0))
    };
    let ((messages, depth), (other_messages, other_depth)) = (of(true), of(false));
    let outcome = Outcome {
        profit: rewards(&actions).iter().map(|reward| f64::from(*reward)).sum(),
        contact_gap: messages - other_messages,
        depth_gap: depth - other_depth,
        messages: messages * f64::from(MEMBERS) + other_messages * f64::from(ROWS - MEMBERS),
    };
    (agent, outcome)
}

fn price(agent: &Learner<ParityConstrained>) -> f64 {
    let mut saved = Vec::new();
    agent.save(&mut saved).unwrap();
    let text: serde_json::Value = serde_json::from_slice(&saved).unwrap();
    text["law"]["price"].as_f64().unwrap()
}

#[test]
fn contact_parity_costs_little_and_its_price_has_the_right_sign() {
    // Needs are even on (0, 1). Free: others above 0.1, members above 1/3, 90 % less 67 %: a gap of -0.23. At parity, the
    // share t left out solves 0.4 (0.3 t - 0.1) + 0.6 (t - 0.1) = 0, t = 0.139: those who lose lie near their thresholds.
    let (spec, mut play, people) = market(2, 1.0);
    let free =
        trained(&spec, &mut play, &people, &settings("contact").with("nu_rate", Value::Number(0.0)), pay_for_contact);
    let held = trained(&spec, &mut play, &people, &settings("contact"), pay_for_contact);
    assert!((free.1.contact_gap + 0.23).abs() < 0.06, "{:?}", free.1);
    assert!(held.1.contact_gap.abs() < 0.3 * free.1.contact_gap.abs(), "{:?} {:?}", held.1, free.1);
    assert!(held.1.profit > 0.95 * free.1.profit, "{:?} {:?}", held.1, free.1);
    // Members get too little: d is made cheap for them.
    assert!(price(&held.0) < 0.0 && price(&free.0) == 0.0, "{}", price(&held.0));
}

#[test]
fn the_price_of_contact_is_the_dual_solution() {
    // At parity the last member written to loses 0.1 - 0.3 t = 0.0583 and gets 0.6 |nu|; the last other loses nothing of
    // t - 0.1 = 0.0389 and pays 0.4 |nu|: |nu| = 0.0972 on both sides.
    let (spec, mut play, people) = market(2, 1.0);
    let (agent, _) = trained(&spec, &mut play, &people, &settings("contact"), pay_for_contact);
    assert!((price(&agent) + 0.0972).abs() < 0.03, "{}", price(&agent));
}

#[test]
fn discount_parity_moves_depth_and_not_messages() {
    // Free: members above 0.6 get a fifth off, others above 0.2, all a message: gap -0.2 * 0.4 = -0.08.
    let (mut spec, mut play, people) = market(4, 1.0);
    spec.actions = offers();
    // Wide bounds: the first offer is good enough to be never left else.
    let settings = settings("discount").with("alpha", Value::Number(0.5));
    let free =
        trained(&spec, &mut play, &people, &settings.clone().with("nu_rate", Value::Number(0.0)), pay_for_discount);
    let held = trained(&spec, &mut play, &people, &settings, pay_for_discount);
    assert!((free.1.depth_gap + 0.08).abs() < 0.02, "{:?}", free.1);
    assert!(held.1.depth_gap.abs() < 0.3 * free.1.depth_gap.abs(), "{:?} {:?}", held.1, free.1);
    assert!(held.1.profit > 0.95 * free.1.profit, "{:?} {:?}", held.1, free.1);
    assert_eq!((free.1.messages, held.1.messages), (f64::from(ROWS), f64::from(ROWS)));
    assert!(price(&held.0) < 0.0);
}

#[test]
fn a_tolerance_is_used_and_a_proxy_leaves_something() {
    let (spec, mut play, people) = market(2, 1.0);
    let tolerant = settings("contact").with("tolerance", Value::Number(0.15));
    let (_, outcome) = trained(&spec, &mut play, &people, &tolerant, pay_for_contact);
    assert!((outcome.contact_gap + 0.15).abs() < 0.04, "{outcome:?}");
    // Needs tell the group as well, beside the proxy: part of the gap is not seen, and stays.
    let (spec, mut play, people) = market(2, 0.8);
    let (agent, outcome) = trained(&spec, &mut play, &people, &settings("contact"), pay_for_contact);
    assert!((-0.2..-0.02).contains(&outcome.contact_gap), "{outcome:?}");
    assert!(price(&agent) < 0.0);
}

#[test]
fn a_step_by_hand() {
    // 3 of 4 members and 1 of 4 others were written to; a ninth row may not be.
    let (spec, ..) = market(2, 1.0);
    let values = settings("contact").with("tolerance", Value::Number(0.1)).with("nu_rate", Value::Number(2.0));
    let mut law = ParityConstrained::new(&values, &spec).unwrap();
    let model = Model::create(&values, &spec).unwrap();
    let group = |row: usize| if row < 4 || row == 8 { 1.0 } else { -1.0 };
    let rows: Vec<[f32; 3]> = (0..9).map(|row| [0.0, 0.0, group(row)]).collect();
    let rows: Vec<&[f32]> = rows.iter().map(<[f32; 3]>::as_slice).collect();
    let mut play = Play::new(&rows, 2);
    play.observation.allowed.forbid(8, 1);
    let mut told = |law: &mut ParityConstrained, tick: u32, actions: [u16; 9]| {
        play.observation.tick = tick;
        let batch = Transitions {
            observation: &play.observation,
            actions: &actions,
            propensities: &[1.0; 9],
            rewards: &[0.0; 9],
            terminated: &[],
        };
        law.review(&model, &batch);
        (law.price, -law.groups.weight(&play.observation, 4))
    };
    let uneven = [1, 1, 1, 0, 1, 0, 0, 0, 0];
    assert_eq!(told(&mut law, 0, uneven), (0.0, 0.5));
    // A gap of 0.5 is 0.4 too much, times 2. Then nothing is known of the second tick while it lasts.
    assert_eq!(told(&mut law, 1, [0; 9]), (0.8, 0.5));
    // Parity: the price falls by the tolerance, 2 / sqrt 2 times 0.1. Beyond the tolerance on the other side, it stops at 0.
    let (price, _) = told(&mut law, 2, [0, 0, 0, 0, 1, 1, 1, 1, 0]);
    assert!((price - (0.8 - 0.1 * 2f64.sqrt())).abs() < 1e-12, "{price}");
    assert_eq!(told(&mut law, 3, [0; 9]).0, 0.0);
}

#[test]
fn what_cannot_be_held_in_balance_is_refused() {
    let (spec, ..) = market(4, 1.0);
    let refused = |values: Values, spec: &Spec| ParityConstrained::new(&values, spec).unwrap_err();
    assert_eq!(refused(settings("contact").with("feature", Value::Text("grup".into())), &spec).key, "feature");
    assert!(refused(settings("discount"), &spec).message.contains("no offers"));
    let spec = Spec { actions: offers(), ..spec };
    let depths =
        |name: &str, depth| settings("discount").with("depths", Value::Coefficients(vec![(name.into(), depth)]));
    assert_eq!(refused(depths("twenty", 0.2), &spec).message, "there is no offer `twenty`");
    assert!(refused(depths("ten", 1.5), &spec).message.contains("no share of a price"));
    assert!(refused(depths("ten", 0.0), &spec).message.contains("nothing to hold in balance"));
}
