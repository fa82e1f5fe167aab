//! The search itself: trains, judges, ranks, lets the best go on.

use super::halving::{Level, Plan, Step};
use crate::episode::{Record, Recorder, Training, TrainingError, judge, train};
use crate::evaluation::comparison::{SIDE_BY_SIDE_CONSUMERS, market_seed, policy_seed};
use crate::protocol::{Agent, MaskedAction, World};
use crate::random::Seed;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::io;

/// Part of the seed of a run under which parameters are searched, and of each training seed: no market of the search is
/// one on which the found values are trained or judged in the end.
const SEARCH_PART: u32 = 31;

/// How an agent of a trial starts; where its values are refused, why.
pub type Fresh = Result<Box<dyn Fn() -> Box<dyn Agent> + Send + Sync>, String>;

/// What is searched.
#[derive(Clone, Copy)]
pub struct Search<'a> {
    /// The market.
    pub world: &'a dyn World,
    /// The training of the scenario, in full.
    pub training: &'a Training,
    /// Seed of the run; the markets of the search derive from it apart from those of the run.
    pub seed: Seed,
    /// The trials by number.
    pub trials: &'a [Fresh],
    /// Who is tried on how much.
    pub plan: &'a Plan,
}

/// One training and its judgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Piece {
    /// Number of the trial.
    pub trial: u32,
    /// Training episodes.
    pub episodes: u32,
    /// Number of the market, from 0.
    pub replication: u32,
}

/// What came of a piece.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Discounted profit and terminal value per consumer: what a run ranks by, but for the twin, who is the same for all.
    Worth(f64),
    /// Learning broke down: why.
    Failed(String),
}

/// Where pieces are kept, so that a search can go on after an interruption.
pub trait Ledger: Sync {
    /// What came of a piece, if it was kept whole.
    fn restore(&self, piece: Piece) -> Option<Outcome>;
    /// Keeps a finished piece.
    ///
    /// # Errors
    /// Where writing fails.
    fn keep(&self, piece: Piece, outcome: &Outcome) -> io::Result<()>;
}

/// A trial at a step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Standing {
    /// Number of the trial.
    pub trial: u32,
    /// Mean worth over the replications of the step; absent where the trial failed.
    pub worth: Option<f64>,
    /// By replication.
    #[serde(skip)]
    pub by_replication: Vec<f64>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// One step as it went.
#[derive(Clone, Debug, PartialEq)]
pub struct StepFound {
    /// Number of the bracket, from 0.
    pub bracket: u32,
    /// What each trial got.
    pub level: Level,
    /// The trials, best first.
    pub standings: Vec<Standing>,
    /// How many of them went on; of the last step, none.
    pub kept: u32,
}

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// In the order of the plan.
    pub steps: Vec<StepFound>,
    /// The trials that got the full budget, best first.
    pub finalists: Vec<Standing>,
}

/// Why a search stopped.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// An agent chose what the mask forbids.
    #[error("trial {trial}: {source}")]
    Masked {
        /// Which.
        trial: u32,
        /// What.
        source: MaskedAction,
    },
    /// A piece could not be written.
    #[error("trial {trial}: cannot write: {source}")]
    Keeping {
        /// Which.
        trial: u32,
        /// Why.
        source: io::Error,
    },
    /// No trial is left.
    #[error("none of {trials} trials could be trained; the first: {first}")]
    AllFailed {
        /// How many there were.
        trials: usize,
        /// Why the first of them failed.
        first: String,
    },
}

impl Search<'_> {
    /// Carries the plan out on the threads of the current pool; what the ledger holds is not done again.
    ///
    /// # Errors
    /// Where an agent breaks the mask, a piece cannot be kept, or every trial fails.
    pub fn run(&self, ledger: &dyn Ledger) -> Result<Found, SearchError> {
        let (mut steps, mut finalists) = (Vec::new(), Vec::new());
        for (number, bracket) in (0..).zip(&self.plan.brackets) {
            let mut alive: Vec<u32> = bracket.trials.clone().collect();
            for (index, step) in bracket.steps.iter().enumerate() {
                let standings = self.step(&alive, *step, ledger)?;
                let next = bracket.steps.get(index + 1).map_or(0, |next| next.trials as usize);
                alive = standings.iter().filter(|one| one.worth.is_some()).take(next).map(|one| one.trial).collect();
                if index + 1 == bracket.steps.len() {
                    finalists.extend(standings.iter().filter(|one| one.worth.is_some()).cloned());
                }
                steps.push(StepFound { bracket: number, level: step.level, standings, kept: alive.len() as u32 });
            }
        }
        sort(&mut finalists);
        if finalists.is_empty() {
            let first = steps.iter().flat_map(|step| &step.standings).find_map(|one| one.failure.clone());
            return Err(SearchError::AllFailed { trials: self.trials.len(), first: first.unwrap_or_default() });
        }
        Ok(Found { steps, finalists })
    }

    /// All trials of a step, best first.
    fn step(&self, alive: &[u32], step: Step, ledger: &dyn Ledger) -> Result<Vec<Standing>, SearchError> {
        let Level { episodes, replications } = step.level;
        let pieces: Vec<Piece> = alive
            .iter()
            .flat_map(|&trial| (0..replications).map(move |replication| Piece { trial, episodes, replication }))
            .collect();
        let outcomes: Vec<Outcome> = if self.world.spec().consumers <= SIDE_BY_SIDE_CONSUMERS {
            let all: Vec<Result<Outcome, SearchError>> =
                pieces.par_iter().map(|piece| self.piece(*piece, ledger)).collect();
            all.into_iter().collect::<Result<_, _>>()?
        } else {
            pieces.iter().map(|piece| self.piece(*piece, ledger)).collect::<Result<_, _>>()?
        };
        let mut standings: Vec<Standing> = alive
            .iter()
            .zip(outcomes.chunks(replications as usize))
            .map(|(&trial, outcomes)| standing(trial, outcomes))
            .collect();
        sort(&mut standings);
        Ok(standings)
    }

    fn piece(&self, piece: Piece, ledger: &dyn Ledger) -> Result<Outcome, SearchError> {
        if let Some(outcome) = ledger.restore(piece) {
            return Ok(outcome);
        }
        let outcome = self.live(piece)?;
        ledger.keep(piece, &outcome).map_err(|source| SearchError::Keeping { trial: piece.trial, source })?;
        Ok(outcome)
    }

    /// Trains afresh and judges.
    fn live(&self, piece: Piece) -> Result<Outcome, SearchError> {
        let masked = |source| SearchError::Masked { trial: piece.trial, source };
        let mut agent = match &self.trials[piece.trial as usize] {
            Ok(fresh) => fresh(),
            Err(refused) => return Ok(Outcome::Failed(refused.clone())),
        };
        let apart = |seed: &u64| Seed::new(*seed).derive(SEARCH_PART, 0).value();
        let seeds = self.training.seeds.iter().map(apart).collect();
        let training = Training { episodes: piece.episodes, seeds, ..self.training.clone() };
        match train(self.world, agent.as_mut(), &training, piece.replication) {
            Ok(_) => {}
            Err(TrainingError::Diverged(why)) => return Ok(Outcome::Failed(why.to_string())),
            Err(TrainingError::Masked(source)) => return Err(masked(source)),
        }
        let policy = agent.snapshot();
        let seed = self.seed.derive(SEARCH_PART, 0);
        let mut record = Record::new(self.world.spec(), false);
        for part in 0..self.world.parts() {
            let mut market = self.world.open_part(market_seed(seed, piece.replication), part);
            let draws = policy_seed(seed, piece.replication);
            record.append(judge(market.as_mut(), policy.as_ref(), draws, Recorder::default()).map_err(masked)?);
        }
        let worth = record.discounted_profit() + record.discounted_terminal_value();
        Ok(Outcome::Worth(worth / record.consumers.max(1) as f64))
    }
}

fn standing(trial: u32, outcomes: &[Outcome]) -> Standing {
    let mut by_replication = Vec::with_capacity(outcomes.len());
    for outcome in outcomes {
        match outcome {
            Outcome::Worth(worth) => by_replication.push(*worth),
            Outcome::Failed(why) => {
                return Standing { trial, worth: None, by_replication: Vec::new(), failure: Some(why.clone()) };
            }
        }
    }
    let worth = by_replication.iter().sum::<f64>() / by_replication.len().max(1) as f64;
    Standing { trial, worth: Some(worth), by_replication, failure: None }
}

/// Best first, failures last, ties to the lowest trial.
fn sort(standings: &mut [Standing]) {
    let worth = |one: &Standing| one.worth.unwrap_or(f64::NEG_INFINITY);
    standings.sort_by(|a, b| worth(b).total_cmp(&worth(a)).then(a.trial.cmp(&b.trial)));
}
