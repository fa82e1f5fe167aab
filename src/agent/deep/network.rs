//! Networks by description: features (and an encoding of the last events) → dense layers → a head that gives so many
//! outputs for each action.
//!
//! An [`Architecture`] is what is saved and compared; [`Network`] is its form in candle, that learns;
//! [`super::inference::Forward`] its plain form, that decides. Both take their numbers by the same names.
//!
//! * One output for each action: action values, or logits. Several: quantiles (Dabney et al. 2018). One action: the value of a
//!   state.
//! * `dueling` (Wang et al. 2016, equation 9): a stream for the state and one for the advantages, each with a hidden layer as
//!   wide as the last of the trunk, `q = v + a - mean a` over all actions, allowed or not.
//! * Actions by their parts: with hundreds of actions (channel × hour × offer × creative), the weights of an action are the
//!   sum of vectors of its levels, so that actions share what they know; each has a bias of its own.

use super::encoder::{Encoder, EncoderShape, Tokens};
use super::operation::{Activation, linear};
use super::parameters::{Initial, Parameters};
use crate::protocol::{ActionSpace, Spec};
use candle_core::{Device, Result, Tensor};
use serde::{Deserialize, Serialize};

/// Up to so many actions, `actions = "auto"` gives each its own weights.
const FLAT_ACTIONS: usize = 32;

/// What the head has a vector for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actions {
    count: usize,
    /// Where actions are the sums of parts: how many parts there are, and those of each action.
    parts: Option<(usize, Vec<Vec<u16>>)>,
}

impl Actions {
    /// Each action by itself.
    #[must_use]
    pub fn flat(count: usize) -> Self {
        Self { count, parts: None }
    }

    /// Each action as the sum of the levels of its factors; no contact is a part by itself.
    #[must_use]
    pub fn factored(space: &ActionSpace) -> Self {
        let mut first = Vec::new();
        let mut parts = 1;
        for factor in &space.factors {
            first.push(parts);
            parts += factor.levels.len();
        }
        let of_action = |action: &crate::protocol::Action| match &action.levels {
            None => vec![0],
            Some(levels) => levels.iter().zip(&first).map(|(level, first)| level + *first as u16).collect(),
        };
        Self { count: space.len(), parts: Some((parts, space.actions.iter().map(of_action).collect())) }
    }

    /// By the choice of a file: `flat`, `factored`, or `auto`, which is by parts where actions have several factors and
    /// there are more than 32 of them.
    #[must_use]
    pub fn choose(choice: &str, spec: &Spec) -> Self {
        let many = spec.actions.factors.len() > 1 && spec.actions.len() > FLAT_ACTIONS;
        match choice {
            "factored" => Self::factored(&spec.actions),
            "auto" if many => Self::factored(&spec.actions),
            _ => Self::flat(spec.actions.len()),
        }
    }

    /// Number of actions.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }
}

/// How weights begin.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// As PyTorch's `Linear`.
    Kaiming,
    /// Orthogonal, with gain √2 in hidden layers and this one in the head, biases 0: as PPO is usually run.
    Orthogonal {
        /// Of the head.
        head_gain: f64,
    },
}

/// The description of a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Architecture {
    /// Features of an observation.
    pub features: usize,
    /// How the last events are read, if at all.
    pub encoder: Option<EncoderShape>,
    /// Widths of the dense layers.
    pub widths: Vec<usize>,
    /// After each of them.
    pub activation: Activation,
    /// What the head has vectors for.
    pub actions: Actions,
    /// Outputs for each action.
    pub outputs: usize,
    /// A stream for the state and one for the advantages.
    pub dueling: bool,
    /// How weights begin.
    pub scheme: Scheme,
}

impl Architecture {
    /// Inputs of the first dense layer.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.features + self.encoder.as_ref().map_or(0, |encoder| encoder.width)
    }

    /// Widths of the dense layers before the head, and of the layer of each stream of a dueling head.
    pub(super) fn trunk(&self) -> (&[usize], Option<usize>) {
        match self.widths.split_last() {
            Some((last, trunk)) if self.dueling => (trunk, Some(*last)),
            _ => (&self.widths, None),
        }
    }

    /// The same with one number for the state.
    #[must_use]
    pub fn critic(&self) -> Self {
        let scheme = match self.scheme {
            Scheme::Orthogonal { .. } => Scheme::Orthogonal { head_gain: 1.0 },
            Scheme::Kaiming => Scheme::Kaiming,
        };
        Self { actions: Actions::flat(1), outputs: 1, dueling: false, scheme, ..self.clone() }
    }
}

/// What a network is given: rows of features, and the tokens of their events.
#[derive(Clone, Debug)]
pub struct Input {
    /// `rows × features`, normalised.
    pub features: Tensor,
    /// The last events; read only by networks with an encoder.
    pub tokens: Option<Tokens>,
}

impl Input {
    /// From dense rows.
    ///
    /// # Errors
    /// Where the length is no multiple of the number of features.
    pub fn new(features: usize, rows: usize, values: Vec<f32>) -> Result<Self> {
        Ok(Self { features: Tensor::from_vec(values, (rows, features), &Device::Cpu)?, tokens: None })
    }
}

/// A dense layer.
#[derive(Clone, Debug)]
struct Dense {
    weight: Tensor,
    bias: Tensor,
    activation: Activation,
}

impl Dense {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        linear(x, &self.weight, &self.bias, self.activation)
    }
}

/// The last layer: for each action its weights, or the parts that they are the sum of.
#[derive(Clone, Debug)]
struct HeadLayer {
    weight: Tensor,
    bias: Tensor,
    /// `actions × parts`, ones where an action has a part.
    incidence: Option<Tensor>,
}

impl HeadLayer {
    fn new(architecture: &Architecture, inputs: usize, parameters: &Parameters, name: &str) -> Result<Self> {
        let Architecture { actions, outputs, scheme, .. } = architecture;
        let rows = actions.count * outputs;
        let bias = match scheme {
            Scheme::Kaiming if actions.parts.is_none() => Initial::kaiming(inputs),
            _ => Initial::Constant(0.0),
        };
        let Some((parts, of_action)) = &actions.parts else {
            let initial = match *scheme {
                Scheme::Kaiming => Initial::kaiming(inputs),
                Scheme::Orthogonal { head_gain } => Initial::Orthogonal { gain: head_gain },
            };
            let weight = parameters.get(&format!("{name}.weight"), &[rows, inputs], initial)?;
            return Ok(Self { weight, bias: parameters.get(&format!("{name}.bias"), &[rows], bias)?, incidence: None });
        };
        // The sum of the parts of an action has the variance that its own weights would have.
        let most = of_action.iter().map(Vec::len).max().unwrap_or(1).max(1) as f64;
        let deviation = match *scheme {
            Scheme::Kaiming => (1.0 / (3.0 * inputs as f64 * most)).sqrt(),
            Scheme::Orthogonal { head_gain } => head_gain / (inputs as f64 * most).sqrt(),
        };
        let shape = [*parts, outputs * inputs];
        let weight = parameters.get(&format!("{name}.parts"), &shape, Initial::Normal { deviation })?;
        let mut incidence = vec![0f32; actions.count * parts];
        for (action, of_action) in of_action.iter().enumerate() {
            of_action.iter().for_each(|part| incidence[action * parts + usize::from(*part)] = 1.0);
        }
        let incidence = Some(Tensor::from_vec(incidence, (actions.count, *parts), &Device::Cpu)?);
        Ok(Self { weight, bias: parameters.get(&format!("{name}.bias"), &[rows], bias)?, incidence })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let weight = match &self.incidence {
            None => self.weight.clone(),
            Some(incidence) => incidence.matmul(&self.weight)?.reshape((self.bias.elem_count(), x.dim(1)?))?,
        };
        linear(x, &weight, &self.bias, Activation::None)
    }
}

#[derive(Clone, Debug)]
enum Head {
    Plain(HeadLayer),
    Dueling { value_hidden: Dense, value: Dense, advantage_hidden: Dense, advantage: HeadLayer },
}

/// A network that learns.
#[derive(Clone, Debug)]
pub struct Network {
    architecture: Architecture,
    encoder: Option<Encoder>,
    trunk: Vec<Dense>,
    head: Head,
}

impl Network {
    /// Takes its parameters, by names that begin with `prefix`, from the store; draws those that are new.
    ///
    /// # Errors
    /// Where the store has such names with other shapes.
    pub fn new(architecture: &Architecture, parameters: &Parameters, prefix: &str) -> Result<Self> {
        single_thread();
        let hidden = |name: &str, inputs: usize, outputs: usize, activation: Activation| -> Result<Dense> {
            let (weight, bias) = match architecture.scheme {
                Scheme::Kaiming => (Initial::kaiming(inputs), Initial::kaiming(inputs)),
                Scheme::Orthogonal { .. } => {
                    (Initial::Orthogonal { gain: std::f64::consts::SQRT_2 }, Initial::Constant(0.0))
                }
            };
            let weight = parameters.get(&format!("{prefix}{name}.weight"), &[outputs, inputs], weight)?;
            let bias = parameters.get(&format!("{prefix}{name}.bias"), &[outputs], bias)?;
            Ok(Dense { weight, bias, activation })
        };
        let shape = architecture.encoder.as_ref();
        let encoder = shape.map(|shape| Encoder::new(shape, parameters, &format!("{prefix}encoder"))).transpose()?;
        let (widths, stream) = architecture.trunk();
        let (mut trunk, mut inputs) = (Vec::new(), architecture.inputs());
        for (index, &width) in widths.iter().enumerate() {
            trunk.push(hidden(&format!("trunk.{index}"), inputs, width, architecture.activation)?);
            inputs = width;
        }
        let head_layer = |inputs, name| HeadLayer::new(architecture, inputs, parameters, &format!("{prefix}{name}"));
        let head = match stream {
            None => Head::Plain(head_layer(inputs, "head")?),
            Some(width) => Head::Dueling {
                value_hidden: hidden("value.hidden", inputs, width, architecture.activation)?,
                value: hidden("value", width, architecture.outputs, Activation::None)?,
                advantage_hidden: hidden("advantage.hidden", inputs, width, architecture.activation)?,
                advantage: head_layer(width, "advantage")?,
            },
        };
        Ok(Self { architecture: architecture.clone(), encoder, trunk, head })
    }

    /// `rows × (actions · outputs)`: the outputs of action 0, then those of action 1, …
    ///
    /// # Errors
    /// Where the input does not fit.
    pub fn forward(&self, input: &Input) -> Result<Tensor> {
        let x = self.trunk(input)?;
        match &self.head {
            Head::Plain(layer) => layer.forward(&x),
            Head::Dueling { value_hidden, value, advantage_hidden, advantage } => {
                let (rows, outputs) = (x.dim(0)?, self.architecture.outputs);
                let value = value.forward(&value_hidden.forward(&x)?)?.reshape((rows, 1, outputs))?;
                let advantages = advantage.forward(&advantage_hidden.forward(&x)?)?;
                let advantages = advantages.reshape((rows, self.architecture.actions.count, outputs))?;
                let centred = advantages.broadcast_sub(&advantages.mean_keepdim(1)?)?;
                centred.broadcast_add(&value)?.reshape((rows, ()))
            }
        }
    }

    /// What the head is given: the last of the dense layers before it, `rows × width`.
    ///
    /// # Errors
    /// Where the input does not fit.
    pub fn trunk(&self, input: &Input) -> Result<Tensor> {
        let mut x = match (&self.encoder, &input.tokens) {
            (Some(encoder), Some(tokens)) => Tensor::cat(&[&input.features, &encoder.forward(tokens)?], 1)?,
            (Some(_), None) => candle_core::bail!("the network reads events, and is given none"),
            (None, _) => input.features.clone(),
        };
        for layer in &self.trunk {
            x = layer.forward(&x)?;
        }
        Ok(x)
    }
}

/// A law over actions and the value of a state, of separate networks.
#[derive(Clone, Debug)]
pub struct ActorCritic {
    /// Logits of the actions.
    pub actor: Network,
    /// The value of the state.
    pub critic: Network,
}

impl ActorCritic {
    /// Both, in one store, under `actor.` and `critic.`.
    ///
    /// # Errors
    /// Where the store has such names with other shapes.
    pub fn new(architecture: &Architecture, parameters: &Parameters) -> Result<Self> {
        Ok(Self {
            actor: Network::new(architecture, parameters, "actor.")?,
            critic: Network::new(&architecture.critic(), parameters, "critic.")?,
        })
    }
}

impl Architecture {
    /// The parts of each action, for the plain form.
    pub(super) fn parts(&self) -> Option<&[Vec<u16>]> {
        self.actions.parts.as_ref().map(|(_, of_action)| &of_action[..])
    }
}

/// Keeps products of matrices in the thread that asks for them: nets are small, two threads make them slower, and a thread
/// that waits for others would mix into the work of shards.
fn single_thread() {
    gemm::set_threading_threshold(usize::MAX);
}

#[cfg(test)]
mod tests;
