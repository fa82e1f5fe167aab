//! Who is tried on how much, and who goes on: sizes only, no market.

use std::ops::Range;

/// One of so many goes on, to so many times the budget (Li et al. 2018 take 3 or 4).
pub const ETA: u32 = 3;

/// What grows from step to step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// Markets on which a trial is trained and judged.
    Replications,
    /// Training episodes on each market.
    Episodes,
}

impl Budget {
    /// The word on the command line and in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Replications => "replications",
            Self::Episodes => "episodes",
        }
    }
}

/// How much a trial gets at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// Training episodes on each market.
    pub episodes: u32,
    /// Markets, each with a training of its own.
    pub replications: u32,
}

/// Trials that are halved together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bracket {
    /// Numbers of the trials that enter it.
    pub trials: Range<u32>,
    /// From the first to the last, which is the full budget.
    pub steps: Vec<Step>,
}

/// One step of a bracket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// What each trial gets.
    pub level: Level,
    /// How many are tried.
    pub trials: u32,
}

/// All brackets, the one that begins with the least budget first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What grows.
    pub budget: Budget,
    /// In the order in which they are carried out.
    pub brackets: Vec<Bracket>,
}

impl Plan {
    /// So many trials up to this full budget. `trials`, `full.episodes` and `full.replications` are 1 or more.
    #[must_use]
    pub fn new(budget: Budget, trials: u32, full: Level) -> Self {
        let levels = levels(budget, full);
        let mut brackets = Vec::new();
        let mut first = 0;
        for (start, entering) in entering(trials, levels.len() as u32).into_iter().enumerate() {
            let mut left = entering;
            let mut steps = Vec::new();
            for &level in &levels[start..] {
                steps.push(Step { level, trials: left });
                left = (left / ETA).max(1);
            }
            if entering > 0 {
                brackets.push(Bracket { trials: first..first + entering, steps });
            }
            first += entering;
        }
        Self { budget, brackets }
    }

    /// Trainings in all, where no trial fails: what was judged before is not judged again.
    #[must_use]
    pub fn pieces(&self) -> u64 {
        let mut pieces = 0;
        for bracket in &self.brackets {
            let mut before: Option<Level> = None;
            for step in &bracket.steps {
                let kept = before.filter(|level| level.episodes == step.level.episodes);
                let fresh = step.level.replications - kept.map_or(0, |level| level.replications);
                pieces += u64::from(step.trials) * u64::from(fresh);
                before = Some(step.level);
            }
        }
        pieces
    }
}

/// From the least to the full budget, each about [`ETA`] times the one before.
fn levels(budget: Budget, full: Level) -> Vec<Level> {
    let mut amount = match budget {
        Budget::Replications => full.replications,
        Budget::Episodes => full.episodes,
    };
    let mut levels = Vec::new();
    loop {
        levels.push(match budget {
            Budget::Replications => Level { replications: amount, ..full },
            Budget::Episodes => Level { episodes: amount, ..full },
        });
        if amount < ETA {
            break;
        }
        amount /= ETA;
    }
    levels.reverse();
    levels
}

/// How many trials enter each bracket, the one that begins with the least budget first: in the proportions of Hyperband,
/// `ceil(levels / (s + 1) eta^s)` for the bracket of s halvings, by largest remainders, ties to the earlier.
fn entering(trials: u32, levels: u32) -> Vec<u32> {
    let halvings = (0..levels).rev();
    let weights: Vec<u64> =
        halvings.map(|s| (u64::from(levels) * u64::from(ETA).pow(s)).div_ceil(u64::from(s) + 1)).collect();
    let whole: u64 = weights.iter().sum();
    let mut sizes: Vec<u64> = weights.iter().map(|weight| u64::from(trials) * weight / whole).collect();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by_key(|&bracket| std::cmp::Reverse(u64::from(trials) * weights[bracket] % whole));
    let rest = u64::from(trials) - sizes.iter().sum::<u64>();
    for bracket in order.into_iter().take(rest as usize) {
        sizes[bracket] += 1;
    }
    sizes.into_iter().map(|size| u32::try_from(size).unwrap_or(u32::MAX)).collect()
}
