use super::super::encoder::EncoderKind;
use super::super::inference::{Forward, Reading};
use super::super::normaliser::{Normaliser, Scaling};
use super::super::optimizer::{Adam, Settings};
use super::*;
use crate::matrix::Matrix;
use crate::protocol::{Action, ActionBits, Event, EventKind, Events, Factor, Observation};
use crate::random::{Purpose, Seed};
use crate::units::Money;

const FEATURES: usize = 5;

/// No contact and 2 channels × 3 offers.
fn space() -> ActionSpace {
    let levels = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let factors = vec![
        Factor { name: "channel", levels: levels(&["email", "push"]) },
        Factor { name: "offer", levels: levels(&["full", "five", "ten"]) },
    ];
    let mut actions = vec![Action { name: "none".into(), levels: None, cost: Money::ZERO }];
    for index in 0..6 {
        actions.push(Action { name: index.to_string(), levels: Some(vec![index / 3, index % 3]), cost: Money::ZERO });
    }
    ActionSpace { factors, actions }
}

fn base() -> Architecture {
    Architecture {
        features: FEATURES,
        encoder: None,
        widths: vec![19, 16],
        activation: Activation::Relu,
        actions: Actions::flat(7),
        outputs: 1,
        dueling: false,
        scheme: Scheme::Kaiming,
    }
}

fn reading(kind: EncoderKind) -> Option<EncoderShape> {
    Some(EncoderShape { kind, channels: 2, width: 12, heads: 4, layers: 2 })
}

/// Every head, trunk and encoder.
fn all() -> Vec<Architecture> {
    let orthogonal = Scheme::Orthogonal { head_gain: 0.5 };
    vec![
        base(),
        Architecture { activation: Activation::Tanh, scheme: orthogonal, ..base() },
        Architecture { widths: vec![], ..base() },
        Architecture { dueling: true, ..base() },
        Architecture { dueling: true, outputs: 3, actions: Actions::factored(&space()), ..base() },
        Architecture { outputs: 5, ..base() },
        Architecture { actions: Actions::factored(&space()), scheme: orthogonal, ..base() },
        Architecture { encoder: reading(EncoderKind::Gru), ..base() },
        Architecture { encoder: reading(EncoderKind::Transformer), dueling: true, ..base() },
        base().critic(),
    ]
}

fn observation(rows: usize) -> Observation {
    let mut stream = Seed::new(5).stream(Purpose::Problem, 0, 0);
    let mut events = Events::default();
    events.reset(rows, 6);
    let mut features = Matrix::new(rows, FEATURES);
    for row in 0..rows {
        (0..FEATURES).for_each(|column| features.set(row, column, 4.0 * stream.uniform() - 2.0));
        for index in 0..row % 7 {
            let word = stream.word() as usize;
            let channel = (!word.is_multiple_of(3)).then_some((word % 2) as u8);
            let kind = EventKind::ALL[word % 6];
            events.push(row, Event { kind, age_days: index as f32 * 3.5, channel, value: stream.uniform() });
        }
    }
    Observation {
        consumer_ids: (0..rows as u32).collect(),
        features,
        allowed: ActionBits::all(rows, 7),
        events: Some(events),
        ..Observation::default()
    }
}

fn input(architecture: &Architecture, observation: &Observation, scaling: &Scaling) -> Input {
    let rows = observation.rows();
    let mut values: Vec<f32> = (0..rows).flat_map(|row| observation.features.row(row)).collect();
    values.chunks_exact_mut(FEATURES).for_each(|row| scaling.apply(row));
    let events = observation.events.as_ref().unwrap();
    let tokens = architecture.encoder.as_ref().map(|shape| Tokens::new(shape, (0..rows).map(|row| events.row(row))));
    Input { tokens, ..Input::new(FEATURES, rows, values).unwrap() }
}

#[test]
fn the_plain_form_equals_that_of_candle_and_rows_keep_their_bits_in_any_batch() {
    let observation = observation(37);
    let mut normaliser = Normaliser::new(FEATURES);
    normaliser.observe(&observation.features);
    let scaling = normaliser.freeze();
    for architecture in all() {
        let parameters = Parameters::new(Seed::new(3));
        let network = Network::new(&architecture, &parameters, "q.").unwrap();
        let theirs = network.forward(&input(&architecture, &observation, &scaling)).unwrap().to_vec2::<f32>().unwrap();
        let plain = Forward::new(&architecture, &parameters.weights(), "q.", scaling.clone(), Reading::All);
        let mut ours = Matrix::default();
        plain.evaluate(&observation, &mut ours);
        assert_eq!((ours.rows(), ours.columns()), (37, architecture.actions.count() * architecture.outputs));
        let mean = Forward::new(&architecture, &parameters.weights(), "q.", scaling.clone(), Reading::Mean);
        let mut means = Matrix::default();
        mean.evaluate(&observation, &mut means);
        let mut alone = vec![0.0; ours.columns()];
        for (row, theirs) in theirs.iter().enumerate() {
            for (column, theirs) in theirs.iter().enumerate() {
                let gap = (ours.get(row, column) - theirs).abs();
                assert!(gap < 1e-5, "{architecture:?}: row {row}, column {column}: {gap}");
            }
            let events = observation.events.as_ref().unwrap().row(row);
            plain.evaluate_row(&observation.features.row(row), events, &mut alone);
            let same = alone.iter().zip(ours.row(row)).all(|(a, b)| a.to_bits() == b.to_bits());
            assert!(same, "{architecture:?}: row {row} alone");
            for (action, outputs) in theirs.chunks_exact(architecture.outputs).enumerate() {
                let expected = outputs.iter().sum::<f32>() / architecture.outputs as f32;
                assert!((means.get(row, action) - expected).abs() < 1e-5);
            }
        }
    }
}

#[test]
fn training_has_the_same_bits_on_any_number_of_threads() {
    let train = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let observation = observation(300);
            let architecture = Architecture { widths: vec![128, 128], dueling: true, ..base() };
            let parameters = Parameters::new(Seed::new(3));
            let network = Network::new(&architecture, &parameters, "").unwrap();
            let mut adam = Adam::new(&parameters, Settings::default());
            let input = input(&architecture, &observation, &Scaling::default());
            for _ in 0..5 {
                let loss = network.forward(&input).unwrap().sqr().unwrap().mean_all().unwrap();
                adam.step(&parameters, &loss.backward().unwrap(), 1e-3);
            }
            parameters.weights()
        })
    };
    let one = train(1);
    assert!(one == train(2) && one == train(7));
}

#[test]
fn every_parameter_of_every_network_learns() {
    for architecture in all() {
        let observation = observation(37);
        let parameters = Parameters::new(Seed::new(3));
        let network = Network::new(&architecture, &parameters, "").unwrap();
        let input = input(&architecture, &observation, &Scaling::default());
        let loss = network.forward(&input).unwrap();
        let loss = (&loss - 0.37).unwrap().powf(4.0).unwrap().sum_all().unwrap();
        let gradients = loss.backward().unwrap();
        for variable in parameters.variables() {
            let gradient = gradients.get(&variable).expect("every parameter is used");
            let largest = gradient.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
            assert!(largest.is_finite() && largest > 0.0, "{architecture:?}");
        }
    }
}

#[test]
fn dueling_values_differ_from_the_value_of_the_state_by_nothing_on_average() {
    let architecture = Architecture { dueling: true, ..base() };
    let parameters = Parameters::new(Seed::new(3));
    let network = Network::new(&architecture, &parameters, "").unwrap();
    let input = input(&architecture, &observation(4), &Scaling::default());
    let q = network.forward(&input).unwrap();
    let Head::Dueling { value_hidden, value, .. } = &network.head else { panic!("a dueling head") };
    let hidden = network.trunk[0].forward(&input.features).unwrap();
    let state = value.forward(&value_hidden.forward(&hidden).unwrap()).unwrap();
    let gap = (q.mean_keepdim(1).unwrap() - state).unwrap().abs().unwrap().max_all().unwrap();
    assert!(gap.to_scalar::<f32>().unwrap() < 1e-6);
}

#[test]
fn actions_of_the_same_levels_share_and_events_beyond_the_length_do_not_matter() {
    let actions = Actions::factored(&space());
    assert_eq!(actions.parts.as_ref().unwrap().0, 6);
    assert_eq!(actions.parts.as_ref().unwrap().1[..4], [vec![0], vec![1, 3], vec![1, 4], vec![1, 5]]);
    // Nobody has events: the encoding is 0 whatever the encoder.
    for kind in [EncoderKind::Gru, EncoderKind::Transformer] {
        let architecture = Architecture { encoder: reading(kind), ..base() };
        let parameters = Parameters::new(Seed::new(3));
        let network = Network::new(&architecture, &parameters, "").unwrap();
        let tokens = Tokens::new(architecture.encoder.as_ref().unwrap(), [&[][..], &[]].into_iter());
        let code = network.encoder.as_ref().unwrap().forward(&tokens).unwrap();
        assert!(code.flatten_all().unwrap().to_vec1::<f32>().unwrap().iter().all(|value| *value == 0.0));
    }
}
