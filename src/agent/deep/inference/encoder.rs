//! The encoders of events in plain Rust, row by row.

use super::super::encoder::{EncoderKind, EncoderShape, gates_of, moments};
use super::super::operation::{Activation, soften};
use super::layer::Layer;
use crate::agent::linear::room::Room;
use crate::math;
use crate::protocol::{Event, Events};

const LENGTH_MAX: usize = Events::REMEMBERED_MAX;
/// Numbers of all events of a row up to which nothing is allocated.
const ROOM: usize = LENGTH_MAX * 96;

/// A frozen encoder.
#[derive(Clone, Debug)]
pub(super) struct PlainEncoder {
    shape: EncoderShape,
    token: Layer,
    body: Body,
}

#[derive(Clone, Debug)]
enum Body {
    Gru { input: Layer, state: Layer },
    Transformer { blocks: Vec<Block>, last: Norm },
}

#[derive(Clone, Debug)]
struct Norm {
    gain: Vec<f32>,
    bias: Vec<f32>,
}

impl Norm {
    fn apply(&self, row: &[f32], to: &mut [f32]) {
        let (mean, inverse) = moments(row);
        for ((to, value), (gain, bias)) in to.iter_mut().zip(row).zip(self.gain.iter().zip(&self.bias)) {
            *to = (value - mean) * inverse * gain + bias;
        }
    }
}

#[derive(Clone, Debug)]
struct Block {
    first: Norm,
    attention: Layer,
    mix: Layer,
    second: Norm,
    wide: Layer,
    narrow: Layer,
}

impl PlainEncoder {
    /// From the parameters that `get` finds by name.
    pub fn new<'a>(shape: &EncoderShape, get: &impl Fn(&str) -> &'a [f32]) -> Self {
        let layer = |name: &str, activation: Activation| {
            let (weight, bias) = (get(&format!("{name}.weight")).to_vec(), get(&format!("{name}.bias")).to_vec());
            Layer::new(weight.len() / bias.len().max(1), weight, bias, activation)
        };
        let norm = |name: &str| Norm {
            gain: get(&format!("{name}.gain")).to_vec(),
            bias: get(&format!("{name}.bias")).to_vec(),
        };
        let body = match shape.kind {
            EncoderKind::Gru => {
                Body::Gru { input: layer("input", Activation::None), state: layer("state", Activation::None) }
            }
            EncoderKind::Transformer => {
                let block = |index: usize| Block {
                    first: norm(&format!("{index}.first")),
                    attention: layer(&format!("{index}.attention"), Activation::None),
                    mix: layer(&format!("{index}.mix"), Activation::None),
                    second: norm(&format!("{index}.second")),
                    wide: layer(&format!("{index}.wide"), Activation::Relu),
                    narrow: layer(&format!("{index}.narrow"), Activation::None),
                };
                Body::Transformer { blocks: (0..shape.layers).map(block).collect(), last: norm("last") }
            }
        };
        Self { shape: shape.clone(), token: layer("token", Activation::Tanh), body }
    }

    /// Numbers that come out.
    pub fn width(&self) -> usize {
        self.shape.width
    }

    /// The events of a row, newest first, as a vector.
    pub fn encode(&self, events: &[Event], code: &mut [f32]) {
        let events = &events[..events.len().min(LENGTH_MAX)];
        let width = self.shape.width;
        code.fill(0.0);
        let mut token = Room::<f32, 64>::new(0.0, self.shape.inputs());
        let mut write = |event: &Event, to: &mut [f32]| {
            token.fill(0.0);
            self.shape.write(event, &mut token);
            self.token.apply_to_row(&token, to);
        };
        match &self.body {
            Body::Gru { input, state } => {
                let mut room = Room::<f32, ROOM>::new(0.0, 7 * width);
                let (token, rest) = room.split_at_mut(width);
                let (gates, memory) = rest.split_at_mut(3 * width);
                for event in events.iter().rev() {
                    write(event, token);
                    input.apply_to_row(token, gates);
                    state.apply_to_row(code, &mut memory[..3 * width]);
                    for (place, value) in code.iter_mut().enumerate() {
                        let (_, z, n) = gates_of(gates, memory, place, width);
                        *value = (1.0 - z) * n + z * *value;
                    }
                }
            }
            Body::Transformer { blocks, last } => {
                let mut room = Room::<f32, ROOM>::new(0.0, LENGTH_MAX * width);
                let x = &mut room[..events.len() * width];
                for (event, x) in events.iter().zip(x.chunks_exact_mut(width)) {
                    write(event, x);
                }
                blocks.iter().for_each(|block| self.pass(block, x));
                let mut normal = Room::<f32, 256>::new(0.0, width);
                for x in x.chunks_exact(width) {
                    last.apply(x, &mut normal);
                    let share = 1.0 / events.len() as f32;
                    code.iter_mut().zip(normal.iter()).for_each(|(sum, value)| *sum += share * value);
                }
            }
        }
    }

    /// One layer of attention over the events of a row, in place.
    fn pass(&self, block: &Block, x: &mut [f32]) {
        let (width, length) = (self.shape.width, x.len() / self.shape.width);
        let mut room = Room::<f32, { 3 * ROOM }>::new(0.0, LENGTH_MAX * 3 * width);
        let mut scratch = Room::<f32, 1024>::new(0.0, 4 * width);
        let (one, two) = scratch.split_at_mut(2 * width);
        let all = &mut room[..length * 3 * width];
        for (x, all) in x.chunks_exact(width).zip(all.chunks_exact_mut(3 * width)) {
            block.first.apply(x, &mut one[..width]);
            block.attention.apply_to_row(&one[..width], all);
        }
        for (place, x) in x.chunks_exact_mut(width).enumerate() {
            self.look(all, place, &mut one[..width]);
            block.mix.apply_to_row(&one[..width], &mut two[..width]);
            x.iter_mut().zip(&*two).for_each(|(x, mixed)| *x += mixed);
            block.second.apply(x, &mut two[..width]);
            block.wide.apply_to_row(&two[..width], one);
            block.narrow.apply_to_row(one, &mut two[..width]);
            x.iter_mut().zip(&*two).for_each(|(x, narrow)| *x += narrow);
        }
    }

    /// What the event at this place sees of all.
    fn look(&self, all: &[f32], place: usize, seen: &mut [f32]) {
        let width = self.shape.width;
        let each = width / self.shape.heads;
        let scale = 1.0 / (each as f32).sqrt();
        seen.fill(0.0);
        for head in 0..self.shape.heads {
            let part = |index: usize| index * width + head * each..index * width + (head + 1) * each;
            let query = &all[place * 3 * width..][part(0)];
            let mut shares = [0.0; LENGTH_MAX];
            let shares = &mut shares[..all.len() / (3 * width)];
            for (share, other) in shares.iter_mut().zip(all.chunks_exact(3 * width)) {
                *share = scale * query.iter().zip(&other[part(1)]).map(|(q, k)| q * k).sum::<f32>();
            }
            soften(shares, |_| true);
            for (share, other) in shares.iter().zip(all.chunks_exact(3 * width)) {
                let share = math::exp(*share);
                seen[head * each..(head + 1) * each].iter_mut().zip(&other[part(2)]).for_each(|(s, v)| *s += share * v);
            }
        }
    }
}
