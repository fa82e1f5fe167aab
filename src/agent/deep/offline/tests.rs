use super::super::trials::{made_of, seen, train};
use super::super::{bc, cql, fitted_q, iql};
use super::*;
use crate::agent::AgentBuild;
use crate::registry::{Entry, Value, Values};

const ENTRIES: [&Entry<AgentBuild>; 4] = [&bc::ENTRY, &cql::ENTRY, &fitted_q::ENTRY, &iql::ENTRY];

fn quick(entry: &Entry<AgentBuild>) -> Values {
    Values::defaults(entry.parameters)
        .with("hidden", Value::Integers(vec![8]))
        .with("updates", Value::Integer(30))
        .with("normalise", Value::Boolean(true))
        .with("memory", Value::Integer(1_000))
}

fn bytes(agent: &dyn Agent) -> Vec<u8> {
    let mut bytes = Vec::new();
    agent.save(&mut bytes).unwrap();
    bytes
}

#[test]
fn an_agent_that_is_saved_at_any_time_goes_on_with_the_same_bits() {
    for entry in ENTRIES {
        let run = |pause: bool| {
            let mut agent = made_of(entry, &quick(entry));
            train(&mut agent, 0..3, 3, |market, agent| {
                if pause && market == 2 {
                    *agent = (entry.build.load)(&mut bytes(agent.as_ref()).as_slice()).unwrap();
                }
            });
            agent.conclude(Seed::new(5)).unwrap();
            let once = bytes(agent.as_ref());
            let again = (entry.build.load)(&mut once.as_slice()).unwrap();
            assert!(bytes(again.as_ref()) == once, "{}", entry.name);
            let law = |policy: &dyn Policy| {
                let mut law = Matrix::default();
                policy.probabilities(&seen(&[0, 1], 3), Seed::new(1), &mut law);
                law
            };
            assert_eq!(law(again.as_ref()), law(agent.snapshot().as_ref()));
            assert_eq!(law(again.as_ref()).get(0, 2), 0.0, "what is not allowed has no chance");
            once
        };
        assert!(run(false) == run(true), "{}", entry.name);
        let other = if entry.name == "bc" { &cql::ENTRY } else { &bc::ENTRY };
        assert!((other.build.load)(&mut run(false).as_slice()).is_err());
    }
}

#[test]
fn it_gathers_by_the_law_of_its_keys_and_memory_stays_bounded() {
    for (share, expected) in [(None, [0.5, 0.5, 0.0]), (Some(0.2), [0.8, 0.2, 0.0])] {
        let values = quick(&cql::ENTRY);
        let values = share.map_or(values.clone(), |share| values.with("contact_share", Value::Number(share)));
        let mut agent = made_of(&cql::ENTRY, &values);
        let mut law = Matrix::default();
        agent.probabilities(&seen(&[0], 0), Seed::new(1), &mut law);
        for (found, expected) in law.row(0).iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6);
        }
        // 24 consumers over 21 frames in 10 markets are 5,040; of 1,000 the ring would forget.
        train(&mut agent, 0..10, 10, |_, _| {});
        let metrics = agent.conclude(Seed::new(1)).unwrap();
        let frames = metrics.iter().find(|(name, _)| *name == "frames").unwrap().1;
        assert!(frames > 200.0 && frames <= 1_000.0, "{frames}");
    }
}

#[test]
fn what_cannot_be_learned_from_is_named_and_so_is_divergence() {
    for entry in ENTRIES {
        let mut agent = made_of(entry, &quick(entry));
        train(&mut agent, 0..2, 2, |_, _| {});
        let before = bytes(agent.as_ref());
        let mut observation = seen(&[0, 1], 0);
        observation.features.set(1, 0, f32::NAN);
        let batch = Transitions {
            observation: &observation,
            actions: &[0, 0],
            propensities: &[1.0, 1.0],
            rewards: &[0.0, 0.0],
            terminated: &[],
        };
        assert!(agent.learn(&batch, Seed::new(1)).unwrap_err().to_string().contains("a feature"));
        let ending = Ending {
            observation: &seen(&[0], 20),
            beyond: Some(crate::protocol::Beyond { values: &[f32::INFINITY], discount: 0.9 }),
        };
        assert!(agent.end_episode(&ending, Seed::new(1)).unwrap_err().to_string().contains("a value beyond"));
        assert!(bytes(agent.as_ref()) == before);
    }
    let wild = quick(&fitted_q::ENTRY).with("reward_scale", Value::Number(1e30));
    let mut agent = made_of(&fitted_q::ENTRY, &wild);
    train(&mut agent, 0..2, 2, |_, _| {});
    let message = agent.conclude(Seed::new(1)).unwrap_err().to_string();
    assert!(message.starts_with("fitted_q: the "), "{message}");
}
