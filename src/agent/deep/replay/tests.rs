use super::super::normaliser::Scaling;
use super::*;
use crate::matrix::Matrix;
use crate::protocol::{ActionBits, Beyond, Observation};

const DISCOUNT: f64 = 0.5;

fn shape() -> FrameShape {
    FrameShape { actions: 70, events: 0, indicators: vec![false, true, true] }
}

fn replay(capacity: usize, steps: usize, alpha: Option<f64>) -> Replay {
    Replay::new(shape(), ReplaySettings { capacity, steps, discount: DISCOUNT, alpha })
}

fn seen(tick: u32, consumers: &[u32]) -> Observation {
    let mut features = Matrix::new(consumers.len(), 3);
    let mut allowed = ActionBits::all(consumers.len(), 70);
    for (row, consumer) in consumers.iter().enumerate() {
        features.set_row(row, &[(consumer * 100 + tick) as f32 + 0.25, (consumer % 2) as f32, (tick % 2) as f32]);
        allowed.forbid(row, 65 + tick as usize % 4);
    }
    Observation { tick, consumer_ids: consumers.to_vec(), features, allowed, ..Observation::default() }
}

/// Consumer c earns 10 c + tick and does action tick + 1.
fn live(replay: &mut Replay, tick: u32, consumers: &[u32], ended: &[bool]) {
    let observation = seen(tick, consumers);
    let rewards: Vec<f32> = consumers.iter().map(|consumer| (10 * consumer + tick) as f32).collect();
    let actions = vec![tick as u16 + 1; consumers.len()];
    let batch = Transitions {
        observation: &observation,
        actions: &actions,
        propensities: &vec![0.5; consumers.len()],
        rewards: &rewards,
        terminated: ended,
    };
    replay.push(&batch, |_| true);
}

fn stop(replay: &mut Replay, tick: u32, consumers: &[u32], values: Option<&[f32]>) {
    let beyond = values.map(|values| Beyond { values, discount: replay.settings.discount });
    replay.close(&Ending { observation: &seen(tick, consumers), beyond }, |_| true);
}

/// Consumer and tick.
type Name = (u32, u32);

/// (return, discount, end) of all frames that are ready.
fn all(replay: &Replay) -> Vec<(Name, (f32, f32, Name))> {
    let frames = replay.frames();
    let name = |slot: u32| (frames.consumers[slot as usize], frames.ticks[slot as usize]);
    let mut sample = Sample::default();
    (0..frames.len()).filter(|slot| replay.ready[*slot]).for_each(|slot| replay.append(slot, &mut sample));
    let rows = 0..sample.slots.len();
    rows.map(|row| (name(sample.slots[row]), (sample.returns[row], sample.discounts[row], name(sample.ends[row]))))
        .collect()
}

#[test]
fn values_that_were_reckoned_with_another_discount_are_not_taken() {
    let (seen, values) = (seen(0, &[1]), [8.0]);
    let ending = Ending { observation: &seen, beyond: Some(Beyond { values: &values, discount: 0.999 }) };
    assert_eq!(ending.values(0.99), None);
    assert_eq!(ending.values(0.999), Some(&values[..]));
    assert_eq!(Ending { beyond: None, ..ending }.values(0.999), None);
}

#[test]
fn returns_of_one_step_end_where_the_episode_does_and_go_on_beyond_the_time_limit() {
    let mut replay = replay(100, 1, None);
    live(&mut replay, 0, &[1, 2], &[]);
    assert_eq!(replay.ready(), 0, "what follows is not known yet");
    // Shards interleave.
    live(&mut replay, 0, &[7], &[]);
    live(&mut replay, 1, &[1, 2], &[true, false]);
    assert_eq!(
        all(&replay),
        [((1, 0), (10.0, 0.5, (1, 1))), ((2, 0), (20.0, 0.5, (2, 1))), ((1, 1), (11.0, 0.0, (1, 1))),]
    );
    stop(&mut replay, 2, &[2], None);
    assert_eq!(all(&replay)[3], ((2, 1), (21.0, 0.5, (2, 2))));
    stop(&mut replay, 1, &[7], Some(&[4.0]));
    assert_eq!(all(&replay)[2], ((7, 0), (70.0 + 0.5 * 4.0, 0.0, (7, 0))), "records tell what lies beyond");
    // Another market begins: nothing is linked across.
    live(&mut replay, 0, &[1, 2, 7], &[]);
    assert_eq!(replay.ready(), 5);
}

#[test]
fn returns_of_three_steps_are_shorter_at_the_end() {
    let mut replay = replay(100, 3, None);
    for tick in 0..4 {
        live(&mut replay, tick, &[1], &[]);
    }
    assert_eq!(all(&replay), [((1, 0), (10.0 + 5.5 + 3.0, 0.125, (1, 3)))]);
    stop(&mut replay, 4, &[1], None);
    assert_eq!(
        all(&replay)[1..],
        [
            ((1, 1), (11.0 + 6.0 + 3.25, 0.125, (1, 4))),
            ((1, 2), (12.0 + 6.5, 0.25, (1, 4))),
            ((1, 3), (13.0, 0.5, (1, 4))),
        ]
    );
    for tick in 0..3 {
        live(&mut replay, tick, &[2], &[tick == 2]);
    }
    assert_eq!(
        all(&replay)[4..],
        [
            ((2, 0), (20.0 + 10.5 + 5.5, 0.0, (2, 0))),
            ((2, 1), (21.0 + 11.0, 0.0, (2, 1))),
            ((2, 2), (22.0, 0.0, (2, 2))),
        ]
    );
}

#[test]
fn a_missing_tick_breaks_the_chain() {
    let mut replay = replay(100, 1, None);
    live(&mut replay, 0, &[1], &[]);
    live(&mut replay, 2, &[1], &[]);
    assert_eq!(replay.ready(), 0);
}

#[test]
fn the_ring_forgets_the_oldest_and_keeps_every_bit_of_what_it_has() {
    let mut replay = replay(5, 2, Some(0.6));
    for tick in 0..9 {
        live(&mut replay, tick, &[1, 2], &[]);
        let ready = (0..replay.frames().len()).filter(|slot| replay.ready[*slot]).count();
        assert_eq!(ready, replay.ready());
        for ((consumer, tick), (sum, discount, end)) in all(&replay) {
            let first = (10 * consumer + tick) as f32;
            assert_eq!((sum, discount, end), (first + 0.5 * (first + 1.0), 0.25, (consumer, tick + 2)));
        }
    }
    let frames = replay.frames();
    for slot in 0..5 {
        let (consumer, tick) = (frames.consumers[slot], frames.ticks[slot]);
        let expected = seen(tick, &[consumer]);
        let mut row = [0.0; 3];
        frames.features(slot, &mut row);
        assert_eq!(row.to_vec(), expected.features.row(0));
        assert_eq!(frames.allowed(slot), expected.allowed.row(0));
    }
    let input = frames.input(&[3, 0], &Scaling::default(), None);
    assert_eq!(input.features.dims(), [2, 3]);
}

#[test]
fn frames_are_drawn_alike_or_by_priority() {
    let mut uniform = replay(64, 1, None);
    let mut prioritised = replay(64, 1, Some(0.5));
    for replay in [&mut uniform, &mut prioritised] {
        (0..5).for_each(|tick| live(replay, tick, &[1], &[tick == 4]));
    }
    prioritised.update(&[0, 1, 2, 3, 4], &[1.0, -4.0, 9.0, 16.0, 25.0]);
    let draws = 40_000;
    for (replay, shares) in [(&uniform, [0.2; 5]), (&prioritised, [1.0, 2.0, 3.0, 4.0, 5.0].map(|root| root / 15.0))] {
        let sample = replay.sample(draws, 1.0, Seed::new(3), 0);
        for (slot, share) in shares.into_iter().enumerate() {
            let count = sample.slots.iter().filter(|drawn| **drawn as usize == slot).count() as f64;
            let standard_error = (share * (1.0 - share) * draws as f64).sqrt();
            assert!((count - share * draws as f64).abs() < 4.0 * standard_error, "{slot}: {count}");
            let weight = sample.slots.iter().position(|drawn| *drawn as usize == slot).map(|row| sample.weights[row]);
            // (5 P)^-1 over that of the rarest.
            let least = shares.iter().copied().fold(1.0, f64::min);
            assert!((f64::from(weight.unwrap()) - least / share).abs() < 1e-5);
        }
        assert_eq!(sample, replay.sample(draws, 1.0, Seed::new(3), 0));
        assert_ne!(sample, replay.sample(draws, 1.0, Seed::new(3), 1));
    }
}

#[test]
fn saved_replay_goes_on_with_the_same_draws() {
    let run = |pause: bool| {
        let mut replay = replay(16, 2, Some(0.6));
        for tick in 0..12 {
            live(&mut replay, tick, &[1, 2, 3], &[]);
            if pause && tick == 7 {
                let mut checkpoint = Checkpoint::default();
                replay.save("replay", &mut checkpoint).unwrap();
                replay = Replay::load("replay", &checkpoint).unwrap();
            }
            let sample = replay.sample(4, 0.4, Seed::new(2), tick);
            replay.update(&sample.slots, &sample.returns);
        }
        (replay.sample(50, 0.4, Seed::new(2), 99), replay)
    };
    assert_eq!(run(true), run(false));
}
