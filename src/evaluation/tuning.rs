//! The search for good parameters of an agent: random values, halved again and again.
//!
//! Values are drawn at random (Bergstra & Bengio, *Random search for hyper-parameter optimization*, JMLR 2012). All are
//! tried on a small budget, the best third of them on three times as much, and so on (successive halving: Jamieson &
//! Talwalkar, *Non-stochastic best arm identification and hyperparameter optimization*, AISTATS 2016), in several brackets
//! that begin with more or less (Li, Jamieson, DeSalvo, Rostamizadeh & Talwalkar, *Hyperband*, JMLR 2018).
//!
//! What a budget is ([`Budget`]):
//! * replications: a trial is trained in full on markets of its own and judged on another, on one market first, on three
//!   times as many at each further step. Every training is as long as the one that is wanted in the end, so that an early
//!   score is noisy but not biased, and what was judged before counts on. The choice for agents whose training is cheap.
//! * episodes: a trial is trained for a few episodes first. A long training is what costs, and most values are hopeless
//!   soon; but values that learn fast are favoured, which the brackets that begin with more training make up for. Each
//!   step trains anew, so that schedules over the training are whole.
//!
//! Differences from the sources:
//! 1. The number of trials is given, and spread over the brackets in Hyperband's proportions; in Hyperband it follows from
//!    the budget.
//! 2. Trial 0 is no draw but the values that the search starts from.
//! 3. A trial whose values are refused or whose training diverges is out; it never stops the search.
//!
//! Everything is decided by scores alone, ties by the lowest trial; markets and draws are addressed. The same search gives
//! the same result on any number of threads and after any interruption.

mod halving;
mod search;

pub use halving::{Bracket, Budget, ETA, Level, Plan, Step};
pub use search::{Found, Fresh, Ledger, Outcome, Piece, Search, SearchError, Standing, StepFound};

#[cfg(test)]
mod tests;
