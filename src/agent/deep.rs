//! Agents on neural networks, and what they are built from. Candle is named here and nowhere else.
//!
//! An agent is a file: its paper, its differences, its keys (`settings` has those that are shared), its loss. The rest is
//! here, one idea a file:
//!
//! | for | take |
//! |---|---|
//! | a network | [`network::Architecture`] describes it; [`network::Network`] learns, [`inference::Forward`] decides |
//! | its numbers | [`parameters::Parameters`], drawn by address; a target network is a frozen store that [`parameters::Parameters::approach`]es |
//! | sequences | [`encoder`], by `architecture.encoder` |
//! | a loss | [`operation`]: soft-max and entropy over allowed actions, chosen values, Huber and quantile losses |
//! | a step | [`optimizer::Adam`], [`schedule::Schedule`]; [`pace::Pace`] says when |
//! | experience | [`replay::Replay`] to learn from again and again, [`rollout::Rollout`] to learn from once; both on [`frames::Frames`] |
//! | features of other scales | [`normaliser::Normaliser`] |
//! | a law | [`law::EpsilonGreedy`], [`law::Votes`], [`law::Categorical`] |
//! | save and go on | [`checkpoint::Checkpoint`]; every part keeps itself in one |
//! | a regression on rows and actions, with a frozen copy | [`regression::ActionRegression`] |
//! | several networks and one loss, fitted from replay | [`objective::Fitting`]: an agent is then an [`objective::Objective`] |
//! | rewards by networks, and a law on them, whole | [`bandit_learner::BanditLearner`]: an agent is then a [`bandit_learner::Bandit`] |
//! | values from replay, whole | [`value_learner::ValueLearner`]: an agent is then a [`value_learner::ValueLoss`] |
//! | a law by its gradient, whole | [`policy_learner::PolicyLearner`]: an agent is then a [`policy_learner::PolicyLoss`] |
//!
//! **How learning reaches an agent.** `learn` gives the rows of a shard at a tick, seen *before* the decision; the
//! transition of a tick is complete when the same consumer is seen at the next one, or when `end_episode` shows what lies
//! after the last. [`frames`] links them. Termination has nothing beyond; a time limit does.
//!
//! **The same bits.** All draws are addressed; sums are made in stated orders; a product of matrices stays in the thread that
//! asks for it. The products are those of the `gemm` crate, which fuses multiplications and additions where the
//! processor can: training has the same bits on any number of threads and after any interruption, on the same instruction
//! set. The plain form, which decides, has the same bits on all of them for the same weights.

pub mod a2c;
pub mod bandit_learner;
pub mod bc;
pub mod bootstrapped_thompson;
pub mod checkpoint;
pub mod cql;
pub mod discrete_sac;
pub mod dqn;
pub mod encoder;
pub mod fitted_q;
pub mod frames;
pub mod inference;
pub mod iql;
pub mod law;
pub mod network;
pub mod neural_linear;
pub mod neural_ucb;
pub mod normaliser;
pub mod objective;
pub mod offline;
pub mod operation;
pub mod optimizer;
pub mod pace;
pub mod parameters;
pub mod policy_learner;
pub mod ppo;
pub mod qr_dqn;
pub mod regression;
pub mod reinforce;
pub mod replay;
pub mod rollout;
pub mod schedule;
mod settings;
#[cfg(test)]
mod trials;
pub mod value_learner;
