//! Bootstrapped Thompson sampling: networks that saw different resamples of the same decisions, of which one is drawn and obeyed.
//!
//! Osband & Van Roy 2015, *Bootstrapped Thompson sampling and deep exploration*, algorithm 3; the ensemble of networks with first
//! weights of their own is that of Osband et al. 2016 and of Riquelme, Tucker & Snoek 2018 (*Deep Bayesian bandits showdown*,
//! section 3): K networks, each decision counting for each of them a random number of times, and the greedy action of a
//! network that is drawn evenly.
//!
//! Differences from the papers:
//! 1. The law is the share of networks that have an action first, exactly; an action is drawn from it, which is the same as to
//!    draw a network and obey it. A network is drawn for every consumer and tick, and none is kept for an episode.
//! 2. `floor` mixes in the uniform law over allowed actions, so that none that is allowed has probability 0.
//! 3. How often a decision counts is drawn by address from its number: Poisson with mean 1 (Oza & Russell 2001), twice or not
//!    at all (`bernoulli`, Osband et al. 2016, with one half), or once for all (`none`). No artificial data of a prior:
//!    first weights are the only one.
//! 4. Networks are trained together, in bursts, on the same drawn decisions, each weighed for itself, and gradients are
//!    clipped by their norm over all networks.

use super::bandit_learner::{
    BATCH, Bandit, BanditLearner, DECISIONS_BEFORE, DECISIONS_PER_TRAINING, HIDDEN, LEARNING_RATE, MEMORY,
    NETWORK_SEED, UPDATES_PER_TRAINING, reward_loss,
};
use super::checkpoint::Checkpoint;
use super::inference::Reading;
use super::law::Votes;
use super::network::Architecture;
use super::objective::{Fitted, Fitting, Frames, Objective};
use super::settings;
use crate::agent::AgentBuild;
use crate::agent::lin_thompson::FLOOR;
use crate::protocol::{Agent, Diverged, Metrics, Spec};
use crate::random::{Purpose, Seed};
use crate::registry::{Entry, Parameter, Refusal, Tuning, Values};
use candle_core::Tensor;
use serde::{Deserialize, Serialize};
use std::io;

/// Prefixes of the networks; as many as there may be.
const PREFIXES: [&str; 32] = [
    "member_0.",
    "member_1.",
    "member_2.",
    "member_3.",
    "member_4.",
    "member_5.",
    "member_6.",
    "member_7.",
    "member_8.",
    "member_9.",
    "member_10.",
    "member_11.",
    "member_12.",
    "member_13.",
    "member_14.",
    "member_15.",
    "member_16.",
    "member_17.",
    "member_18.",
    "member_19.",
    "member_20.",
    "member_21.",
    "member_22.",
    "member_23.",
    "member_24.",
    "member_25.",
    "member_26.",
    "member_27.",
    "member_28.",
    "member_29.",
    "member_30.",
    "member_31.",
];

/// `kind = "bootstrapped_thompson"`.
pub const ENTRY: Entry<AgentBuild> = Entry {
    name: Bootstrapped::NAME,
    summary: "networks of the reward on resampled decisions, of which one is drawn and obeyed",
    source: "Osband & Van Roy 2015, Bootstrapped Thompson sampling and deep exploration",
    parameters: PARAMETERS,
    build: AgentBuild { create, load: BanditLearner::<Bootstrapped>::load },
};

const PARAMETERS: &[Parameter] = &[
    HIDDEN,
    settings::ACTIVATION,
    settings::ACTIONS,
    settings::ENCODER,
    settings::ENCODER_WIDTH,
    Parameter::integer("members", 10, 1, PREFIXES.len() as i64, "networks").tuned(Tuning::Integers(&[5, 10, 20])),
    Parameter::choice(
        "bootstrap",
        "poisson",
        &["poisson", "bernoulli", "none"],
        "how often a decision counts for a network: by Poisson with mean 1, twice or not at all, or once",
    ),
    FLOOR,
    LEARNING_RATE,
    settings::LEARNING_RATE_END,
    settings::GRADIENT_NORM_MAX,
    BATCH,
    DECISIONS_PER_TRAINING,
    DECISIONS_BEFORE,
    UPDATES_PER_TRAINING,
    MEMORY,
    settings::NORMALISE,
    settings::REWARD_SCALE,
    NETWORK_SEED,
];

fn create(values: &Values, spec: &Spec) -> Result<Box<dyn Agent>, Refusal> {
    Ok(Box::new(learner(values, spec)?))
}

fn learner(values: &Values, spec: &Spec) -> Result<BanditLearner<Bootstrapped>, Refusal> {
    let bandit = Bootstrapped {
        members: values.integer("members") as usize,
        resampling: match values.text("bootstrap") {
            "bernoulli" => Resampling::Bernoulli,
            "none" => Resampling::None,
            _ => Resampling::Poisson,
        },
        floor: values.number(FLOOR.name) as f32,
        seed: Seed::new(values.integer(NETWORK_SEED.name) as u64),
    };
    BanditLearner::new(bandit, values, spec, |fitting| Ok(votes(fitting)))
}

/// How often a decision counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Resampling {
    Poisson,
    Bernoulli,
    None,
}

/// Chances that a Poisson number with mean 1 is at most 0, 1, …, 8; beyond lies one in nine hundred thousand.
const POISSON: [f32; 9] = [
    0.367_879_44,
    0.735_758_9,
    0.919_698_6,
    0.981_011_8,
    0.996_340_2,
    0.999_405_8,
    0.999_916_8,
    0.999_989_8,
    0.999_998_9,
];

impl Resampling {
    /// From a uniform number.
    fn count(self, uniform: f32) -> f32 {
        match self {
            Self::Poisson => POISSON.iter().filter(|most| uniform >= **most).count() as f32,
            Self::Bernoulli => 2.0 * f32::from(u8::from(uniform < 0.5)),
            Self::None => 1.0,
        }
    }
}

/// The ensemble.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Bootstrapped {
    members: usize,
    resampling: Resampling,
    floor: f32,
    seed: Seed,
}

impl Bootstrapped {
    /// How often the decision of this number counts for a network.
    fn weight(&self, member: usize, number: u64) -> f32 {
        let round = (number >> 32) as u32;
        let [uniform, ..] = self.seed.uniforms(Purpose::Bootstrap, number as u32, member as u32, round);
        self.resampling.count(uniform)
    }
}

impl Objective for Bootstrapped {
    const NAME: &'static str = "bootstrapped_thompson";
    const HAS_TARGETS: bool = false;

    fn networks(&self, architecture: &Architecture) -> Vec<(&'static str, Architecture)> {
        PREFIXES.iter().take(self.members.max(1)).map(|prefix| (*prefix, architecture.clone())).collect()
    }

    fn loss(&self, batch: &Frames, fitted: Fitted<'_>) -> candle_core::Result<(Tensor, Metrics)> {
        reward_loss(batch, fitted.online, |member, number| self.weight(member, number))
    }
}

/// The law of the networks as they are.
fn votes(fitting: &Fitting<Bootstrapped>) -> Votes {
    let bandit = fitting.objective();
    let members = bandit.members.clamp(1, PREFIXES.len());
    let members = (0..members).map(|member| fitting.plain(member, Reading::Mean).into()).collect();
    Votes { members, floor: bandit.floor, views: fitting.views() }
}

impl Bandit for Bootstrapped {
    type Law = Votes;

    fn rebuilt(fitting: &Fitting<Self>, _law: Votes) -> Result<Votes, Diverged> {
        Ok(votes(fitting))
    }

    fn restored(fitting: &Fitting<Self>, _from: &Checkpoint) -> io::Result<Votes> {
        Ok(votes(fitting))
    }
}

#[cfg(test)]
mod tests;
