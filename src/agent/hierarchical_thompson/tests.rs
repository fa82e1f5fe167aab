use super::super::arms::tests::experience_at;
use super::super::index_bandit::tests::{flat, free};
use super::super::sampling::Normals;
use super::super::thompson;
use super::*;
use crate::protocol::{Decision, Feature};
use crate::random::{Purpose, Stream};
use crate::registry::Value;

const SEED: Seed = Seed::new(31);

fn agent(values: Values, spec: &Spec) -> HierarchicalThompson {
    HierarchicalThompson::new(&values, spec).unwrap()
}

fn law(policy: &dyn Policy, rows: u32, actions: usize, tick: u32) -> Vec<Vec<f32>> {
    let mut law = Matrix::default();
    policy.probabilities(&free(rows, actions, tick), SEED, &mut law);
    (0..rows as usize).map(|row| law.row(row)).collect()
}

#[test]
fn a_person_is_the_dense_gaussian_posterior() {
    // Variances: noise 2, u 0.5, v 0.3. Arm 1 was answered 4 times with mean 3, arm 2 once with 0; 1 and 2 are expected.
    let mut agent = agent(Values::defaults(ENTRY.parameters), &flat(3));
    for before in 0..4 {
        assert_eq!(agent.persons.add(7, 0, 1, 3.0), f64::from(before));
    }
    agent.persons.add(7, 0, 2, 0.0);
    let upper = Variances { noise: 2.0, person: 0.8 };
    let expected = vec![0.0, 1.0, 2.0, 5.0];
    let estimates = Estimates { upper, level: 0.5, special: 0.3, expected: expected.clone() };
    let mut terms = [Term::default(); 4];
    let level = agent.person(7, &expected, &estimates, &mut terms);
    // Covariance of the two means, inverted by hand: [0.5 + 0.3 + 2 / 4, 0.5; 0.5, 0.5 + 0.3 + 2].
    let (a, b, d) = (1.3, 0.5, 2.8);
    let determinant = a * d - b * b;
    let (x, y) = (3.0 - 1.0, 0.0 - 2.0);
    let solved = [(d * x - b * y) / determinant, (a * y - b * x) / determinant];
    let close = |value: f64, expected: f64| assert!((value - expected).abs() < 1e-6, "{value} {expected}");
    close(f64::from(level.mean), 0.5 * (solved[0] + solved[1]));
    close(f64::from(level.deviation).powi(2), 0.5 - 0.25 * (d - 2.0 * b + a) / determinant);
    for (arm, solved) in [(1, solved[0]), (2, solved[1])] {
        let term = terms[arm];
        let own = f64::from(term.own_mean) - f64::from(level.mean);
        close(f64::from(term.own_weight) * (own - expected[arm]), 0.3 * solved);
    }
    // An arm that was never answered has the prior.
    close(f64::from(terms[3].deviation).powi(2), 0.3);
    assert_eq!(terms[3].own_weight, 0.0);
}

#[test]
fn variance_components_are_found() {
    // 2,000 consumers, three arms in turn, twelve ticks; deviations: level 0.5, special 0.4, noise 1.
    let mut agent = agent(Values::defaults(ENTRY.parameters), &flat(2));
    let normal = |entity: u32, tick: u32| Normals::default().sample(&mut stream(entity, tick));
    for tick in 0..12 {
        let actions: Vec<u16> = (0..2_000).map(|consumer| ((consumer + tick) % 3) as u16).collect();
        let reward = |(consumer, &arm): (u32, &u16)| {
            let special = 0.4 * normal(consumer, 1_000 + u32::from(arm));
            (f64::from(arm) + 0.5 * normal(consumer, 999) + special + normal(consumer, tick)) as f32
        };
        let rewards: Vec<f32> = (0..).zip(&actions).map(reward).collect();
        experience_at(&free(2_000, 3, tick), &actions, &rewards, |batch| agent.learn(batch, SEED)).unwrap();
    }
    let Estimates { upper, level, special, expected } = agent.estimates();
    // Relative standard errors: noise sqrt(2 / 18,000); u about sqrt(2 / 2,000) * 1.8; v about the same of the sum.
    assert!((upper.noise - 1.0).abs() < 0.045, "{upper:?}");
    assert!((level - 0.25).abs() < 0.06 && (special - 0.16).abs() < 0.06, "{level} {special}");
    for (arm, value) in expected.iter().enumerate() {
        assert!((value - arm as f64).abs() < 0.08, "{expected:?}");
    }
}

fn stream(entity: u32, tick: u32) -> Stream {
    SEED.stream(Purpose::Problem, entity, tick)
}

/// Mean chance of success in the last 20 of 60 ticks, for 200 consumers each of whom has an arm of its own of three.
fn chance(agent: &mut dyn Agent) -> f64 {
    let (mut decision, mut sum) = (Decision::default(), 0.0);
    for tick in 0..60 {
        let observation = free(200, 4, tick);
        agent.decide(&observation, SEED, &mut decision);
        let own = |row: usize| stream(row as u32, 5_000).word() % 3 + 1;
        let of_row = |(row, action): (usize, &u16)| match u32::from(*action) {
            0 => 0.1,
            arm if arm == own(row) => 0.7,
            _ => 0.2,
        };
        let chances: Vec<f32> = decision.actions.iter().enumerate().map(of_row).collect();
        let hit = |(row, chance): (usize, &f32)| SEED.uniforms(Purpose::Problem, row as u32, tick, 0)[0] < *chance;
        let rewards: Vec<f32> = chances.iter().enumerate().map(|pair| f32::from(u8::from(hit(pair)))).collect();
        experience_at(&observation, &decision.actions, &rewards, |batch| agent.learn(batch, SEED)).unwrap();
        if tick >= 40 {
            sum += chances.iter().map(|chance| f64::from(*chance)).sum::<f64>();
        }
    }
    sum / (20.0 * 200.0)
}

#[test]
fn every_consumer_gets_an_arm_of_its_own() {
    let mut own = agent(Values::defaults(ENTRY.parameters), &flat(3));
    let mut parent = (thompson::ENTRY.build.create)(&Values::defaults(thompson::ENTRY.parameters), &flat(3)).unwrap();
    // One arm for all succeeds with about 0.37, everybody's own with 0.7.
    let (own, parent) = (chance(&mut own), chance(parent.as_mut()));
    assert!(own > 0.55 && own > parent + 0.15, "{own} against {parent}");
}

#[test]
fn strangers_get_the_law_of_their_segment_and_a_new_market_is_full_of_them() {
    let values = Values::defaults(ENTRY.parameters).with("reward_ticks", Value::Integer(3));
    let mut agent = agent(values, &flat(3));
    chance(&mut agent);
    for tick in [0, 30, 59, 61] {
        let law = law(&agent, 50, 4, tick);
        assert!(law.iter().all(|row| *row == law[0]), "tick {tick} is no later tick of the market");
    }
    let home = law(&agent, 50, 4, 62);
    assert!(home.iter().any(|row| row[1] > 0.8) && home.iter().any(|row| row[2] > 0.8));
    // With all of the variance between consumers a stranger's law is nearly even.
    agent.stranger_share = 1.0;
    assert!(law(&agent, 50, 4, 0).iter().all(|row| row[1..].iter().all(|p| *p < 0.8)));
    let before = agent.estimates().clone();
    experience_at(&free(1, 4, 0), &[1], &[0.0], |batch| agent.learn(batch, SEED)).unwrap();
    assert_eq!(agent.persons.answers(1), None, "the people of the last market are forgotten");
    let after = agent.estimates();
    assert!((after.special / before.special - 1.0).abs() < 0.01, "what they have taught is not");
}

#[test]
fn segments_learn_from_each_other_and_keep_what_is_their_own() {
    let spec = Spec { features: vec![Feature::raw("open_share", "share")], ..flat(2) };
    let conditions = Value::Texts(vec!["open_share > 0.5".into()]);
    let mut agent = agent(Values::defaults(ENTRY.parameters).with("segments", conditions), &spec);
    assert!(agent.views().features);
    let mut observation = free(600, 3, 0);
    let rows: Vec<[f32; 1]> = (0..600).map(|row| [f32::from(u8::from(row % 2 == 1))]).collect();
    observation.features = Matrix::from_rows(&rows.iter().map(<[f32; 1]>::as_slice).collect::<Vec<_>>());
    // Who opens gets most from arm 2, the others from arm 1.
    let actions: Vec<u16> = (0..600).map(|row| (row / 2 % 3) as u16).collect();
    let reward = |(row, &arm): (usize, &u16)| {
        let good = arm != 0 && (usize::from(arm) == 1 + row % 2);
        f32::from(u8::from(SEED.uniforms(Purpose::Problem, row as u32, 1, 0)[0] < if good { 0.6 } else { 0.2 }))
    };
    let rewards: Vec<f32> = actions.iter().enumerate().map(reward).collect();
    experience_at(&observation, &actions, &rewards, |batch| agent.learn(batch, SEED)).unwrap();
    let mut law = Matrix::default();
    observation.tick = 0;
    agent.probabilities(&observation, SEED, &mut law);
    assert!(law.get(0, 1) > 0.9 && law.get(1, 2) > 0.9, "{:?} {:?}", law.row(0), law.row(1));
    let seven = Value::Texts(vec!["open_share > 0.5".into(); 7]);
    let refused = HierarchicalThompson::new(&Values::defaults(ENTRY.parameters).with("segments", seven), &spec);
    assert_eq!(refused.unwrap_err().key, "segments");
}
