//! The last events of a consumer as a vector of fixed width.
//!
//! An event becomes a token: a vector for its kind, one for its channel (or for having none), and two directions for
//! `ln(1 + age in days)` and `ln(1 + value)`, summed (so that it is one dense layer over indicators and two numbers). Then
//!
//! * [`EncoderKind::Gru`] (Cho et al. 2014, with the gates as PyTorch has them) reads from the oldest to the newest and
//!   gives its last state;
//! * [`EncoderKind::Transformer`] (Vaswani et al. 2017, normalised before each part as Xiong et al. 2020) lets all events look
//!   at each other and gives the mean over them. Ages tell the order; there are no positions.
//!
//! Who has no event is encoded as 0. Events beyond a consumer's number are masked and change nothing.

mod cell;
mod norm;

use super::operation::{Activation, Mask, linear, log_softmax};
use super::parameters::{Initial, Parameters};
use crate::protocol::{Event, EventKind, Spec};
use candle_core::{D, DType, Device, Result, Tensor};
pub(super) use cell::gates_of;
use cell::gru_cell;
use norm::layer_norm;
pub(super) use norm::moments;
use serde::{Deserialize, Serialize};

/// How events are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EncoderKind {
    /// One after the other.
    Gru,
    /// All at once.
    Transformer,
}

/// The description of an encoder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EncoderShape {
    /// How events are read.
    pub kind: EncoderKind,
    /// Channels of the market.
    pub channels: usize,
    /// Numbers that come out; of tokens and states as well.
    pub width: usize,
    /// Heads of attention; they divide the width.
    pub heads: usize,
    /// Layers of attention.
    pub layers: usize,
}

impl EncoderShape {
    /// For the channels of a market.
    #[must_use]
    pub fn new(kind: EncoderKind, width: usize, spec: &Spec) -> Self {
        let factor = spec.actions.factor("channel").map(|factor| &spec.actions.factors[factor]);
        let channels = factor.map_or(0, |factor| factor.levels.len());
        Self { kind, channels, width, heads: if width.is_multiple_of(4) { 4 } else { 1 }, layers: 1 }
    }

    /// Numbers of an event: indicators of kind and channel, age, value.
    #[must_use]
    pub fn inputs(&self) -> usize {
        EventKind::ALL.len() + self.channels + 1 + 2
    }

    /// Writes the numbers of an event; all come in as 0.
    pub fn write(&self, event: &Event, token: &mut [f32]) {
        token[event.kind as usize] = 1.0;
        let channel = event.channel.map_or(self.channels, |channel| usize::from(channel).min(self.channels));
        token[EventKind::ALL.len() + channel] = 1.0;
        token[self.inputs() - 2] = crate::math::ln(1.0 + event.age_days.max(0.0));
        token[self.inputs() - 1] = crate::math::ln(1.0 + event.value.max(0.0));
    }
}

/// Tokens of a batch.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// Most events of a row; at least 1.
    length: usize,
    /// Events of each row.
    lengths: Vec<usize>,
    /// `rows × length × inputs`, newest first, 0 beyond the events of a row.
    values: Vec<f32>,
    inputs: usize,
}

impl Tokens {
    /// Of these rows, newest first.
    #[must_use]
    pub fn new<'a>(shape: &EncoderShape, rows: impl Iterator<Item = &'a [Event]> + Clone) -> Self {
        let lengths: Vec<usize> = rows.clone().map(<[Event]>::len).collect();
        let (length, inputs) = (lengths.iter().copied().max().unwrap_or(0).max(1), shape.inputs());
        let mut values = vec![0.0; lengths.len() * length * inputs];
        for (tokens, events) in values.chunks_exact_mut(length * inputs).zip(rows) {
            for (token, event) in tokens.chunks_exact_mut(inputs).zip(events) {
                shape.write(event, token);
            }
        }
        Self { length, lengths, values, inputs }
    }

    fn rows(&self) -> usize {
        self.lengths.len()
    }

    /// The events at this place (0 is the newest) of all rows.
    fn at(&self, place: usize) -> Result<Tensor> {
        let rows = self.values.chunks_exact(self.length * self.inputs);
        let values = rows.flat_map(|row| row[place * self.inputs..][..self.inputs].iter().copied()).collect();
        Tensor::from_vec(values, (self.rows(), self.inputs), &Device::Cpu)
    }
}

/// A dense layer without activation.
#[derive(Clone, Debug)]
struct Dense {
    weight: Tensor,
    bias: Tensor,
}

impl Dense {
    fn new(parameters: &Parameters, name: &str, inputs: usize, outputs: usize) -> Result<Self> {
        let weight = parameters.get(&format!("{name}.weight"), &[outputs, inputs], Initial::kaiming(inputs))?;
        let bias = parameters.get(&format!("{name}.bias"), &[outputs], Initial::kaiming(inputs))?;
        Ok(Self { weight, bias })
    }

    fn forward(&self, x: &Tensor, activation: Activation) -> Result<Tensor> {
        linear(x, &self.weight, &self.bias, activation)
    }
}

/// A scale and a shift.
#[derive(Clone, Debug)]
struct Norm {
    gain: Tensor,
    bias: Tensor,
}

impl Norm {
    fn new(parameters: &Parameters, name: &str, width: usize) -> Result<Self> {
        let gain = parameters.get(&format!("{name}.gain"), &[width], Initial::Constant(1.0))?;
        Ok(Self { gain, bias: parameters.get(&format!("{name}.bias"), &[width], Initial::Constant(0.0))? })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        layer_norm(x, &self.gain, &self.bias)
    }
}

#[derive(Clone, Debug)]
struct Block {
    first: Norm,
    attention: Dense,
    mix: Dense,
    second: Norm,
    wide: Dense,
    narrow: Dense,
}

#[derive(Clone, Debug)]
enum Body {
    Gru { input: Dense, state: Dense },
    Transformer { blocks: Vec<Block>, last: Norm },
}

/// An encoder that learns.
#[derive(Clone, Debug)]
pub struct Encoder {
    shape: EncoderShape,
    token: Dense,
    body: Body,
}

impl Encoder {
    /// Takes its parameters from the store.
    ///
    /// # Errors
    /// Where the store has such names with other shapes.
    pub fn new(shape: &EncoderShape, parameters: &Parameters, name: &str) -> Result<Self> {
        let width = shape.width;
        let dense = |part: &str, inputs, outputs| Dense::new(parameters, &format!("{name}.{part}"), inputs, outputs);
        let norm = |part: &str| Norm::new(parameters, &format!("{name}.{part}"), width);
        let token = dense("token", shape.inputs(), width)?;
        let body = match shape.kind {
            EncoderKind::Gru => {
                Body::Gru { input: dense("input", width, 3 * width)?, state: dense("state", width, 3 * width)? }
            }
            EncoderKind::Transformer => {
                let block = |index: usize| -> Result<Block> {
                    Ok(Block {
                        first: norm(&format!("{index}.first"))?,
                        attention: dense(&format!("{index}.attention"), width, 3 * width)?,
                        mix: dense(&format!("{index}.mix"), width, width)?,
                        second: norm(&format!("{index}.second"))?,
                        wide: dense(&format!("{index}.wide"), width, 2 * width)?,
                        narrow: dense(&format!("{index}.narrow"), 2 * width, width)?,
                    })
                };
                let blocks = (0..shape.layers).map(block).collect::<Result<_>>()?;
                Body::Transformer { blocks, last: norm("last")? }
            }
        };
        Ok(Self { shape: shape.clone(), token, body })
    }

    /// `rows × width`.
    ///
    /// # Errors
    /// Where the tokens are of another shape.
    pub fn forward(&self, tokens: &Tokens) -> Result<Tensor> {
        match &self.body {
            Body::Gru { input, state } => self.read_on(tokens, input, state),
            Body::Transformer { blocks, last } => self.look_around(tokens, blocks, last),
        }
    }

    fn read_on(&self, tokens: &Tokens, input: &Dense, state: &Dense) -> Result<Tensor> {
        let mut hidden = Tensor::zeros((tokens.rows(), self.shape.width), DType::F32, &Device::Cpu)?;
        for place in (0..tokens.length).rev() {
            let token = self.token.forward(&tokens.at(place)?, Activation::Tanh)?;
            let gates = input.forward(&token, Activation::None)?;
            let memory = state.forward(&hidden, Activation::None)?;
            let present = tokens.lengths.iter().map(|length| place < *length).collect();
            hidden = gru_cell(&gates, &memory, &hidden, present)?;
        }
        Ok(hidden)
    }

    fn look_around(&self, tokens: &Tokens, blocks: &[Block], last: &Norm) -> Result<Tensor> {
        let (rows, length, width) = (tokens.rows(), tokens.length, self.shape.width);
        let flat = Tensor::from_vec(tokens.values.clone(), (rows * length, tokens.inputs), &Device::Cpu)?;
        let mut x = self.token.forward(&flat, Activation::Tanh)?;
        for block in blocks {
            let seen = self.attend(tokens, &block.attention.forward(&block.first.forward(&x)?, Activation::None)?)?;
            x = (x + block.mix.forward(&seen, Activation::None)?)?;
            let wide = block.wide.forward(&block.second.forward(&x)?, Activation::Relu)?;
            x = (x + block.narrow.forward(&wide, Activation::None)?)?;
        }
        let x = last.forward(&x)?.reshape((rows, length, width))?;
        let mut shares = vec![0f32; rows * length];
        for (shares, &count) in shares.chunks_exact_mut(length).zip(&tokens.lengths) {
            shares[..count].fill(1.0 / count.max(1) as f32);
        }
        Tensor::from_vec(shares, (rows, 1, length), &Device::Cpu)?.matmul(&x)?.reshape((rows, width))
    }

    /// Attention of the events of each row to each other; `all` holds queries, keys and values side by side.
    fn attend(&self, tokens: &Tokens, all: &Tensor) -> Result<Tensor> {
        let (rows, length, width, heads) = (tokens.rows(), tokens.length, self.shape.width, self.shape.heads);
        let part = |index: usize| {
            let part = all.narrow(1, index * width, width)?;
            part.reshape((rows, length, heads, width / heads))?.transpose(1, 2)?.contiguous()
        };
        let (queries, keys, values) = (part(0)?, part(1)?, part(2)?);
        let scores = (queries.matmul(&keys.transpose(D::Minus1, D::Minus2)?)? / ((width / heads) as f64).sqrt())?;
        let words = tokens.lengths.iter().flat_map(|count| std::iter::repeat_n((1_u64 << count) - 1, heads * length));
        let mask = Mask::new(length, words.collect());
        let shares = log_softmax(&scores.reshape((rows * heads * length, length))?, &mask)?.exp()?;
        let seen = shares.reshape((rows, heads, length, length))?.matmul(&values)?;
        seen.transpose(1, 2)?.reshape((rows * length, width))
    }
}
