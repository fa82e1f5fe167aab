//! Whom to contact by a score: the part that [`super::response_greedy`] and [`super::uplift_greedy`] share.
//!
//! A row's best contact is sent where its score is above `threshold` and, with `share`, among the highest: at or above the
//! cut-off that this share of recent consumers reach. The cut-off comes from the scores of the last 4,096 rows learned from
//! that allowed a contact, under the model as it was when they were learned from; rows at the cut-off itself are contacted,
//! so that ties may exceed the share. Until a row was learned from there is no cut-off.

use super::linear::{Model, Row, argmax, mix_uniform};
use crate::protocol::Transitions;
use crate::random::LANES;
use crate::registry::{Parameter, Range, Tuning, Values};
use serde::{Deserialize, Serialize};

/// What a score must exceed.
pub(super) const THRESHOLD: Parameter = Parameter::number(
    "threshold",
    0.0,
    Range::ANY,
    "contact where the score is above this (currency; costs of sending are in the reward already)",
);

/// How many are contacted.
pub(super) const SHARE: Parameter = Parameter::optional_number(
    "share",
    Range { low: 0.0, high: 1.0, low_open: true, high_open: false },
    "contact only those of the highest scores: this share of the consumers that may be contacted; all if absent",
)
.tuned(Tuning::Uniform { low: 0.05, high: 1.0 });

/// The randomised share that the regressions learn from.
pub(super) const EPSILON: Parameter =
    Parameter::number("epsilon", 0.1, Range::PROBABILITY, "share of decisions drawn uniformly from allowed actions")
        .tuned(Tuning::LogUniform { low: 0.01, high: 0.3 });

/// Scores that the cut-off is taken from.
const RECENT_MAX: usize = 4_096;

/// What a contact is scored by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Score {
    /// Expected reward after the contact.
    Response,
    /// That, less the expected reward without contact.
    Uplift,
}

/// The rule, and the cut-off that it has learned.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Targeting {
    score: Score,
    epsilon: f32,
    threshold: f32,
    share: Option<f64>,
    recent: Vec<f32>,
    /// Place of the oldest of the recent scores, once there are [`RECENT_MAX`].
    oldest: usize,
    cut_off: Option<f32>,
}

impl Targeting {
    /// From `threshold`, `share` and `epsilon`.
    pub(super) fn new(score: Score, values: &Values) -> Self {
        Self {
            score,
            epsilon: values.number("epsilon") as f32,
            threshold: values.number("threshold") as f32,
            share: values.optional_number("share"),
            recent: Vec::new(),
            oldest: 0,
            cut_off: None,
        }
    }

    /// The best contact and its score, from the expected rewards of all actions; action 0 where none is allowed.
    fn best_contact(&self, means: &mut [[f32; LANES]], allowed: &[u64]) -> (usize, f32) {
        let silent = std::mem::replace(&mut means[0][0], f32::NEG_INFINITY);
        let best = argmax(means, allowed);
        let mean = means[best / LANES][best % LANES];
        (best, if self.score == Score::Uplift { mean - silent } else { mean })
    }

    fn action(&self, row: &mut Row<'_>) -> usize {
        row.score_by_mean();
        let (best, score) = self.best_contact(row.scores, row.observation.allowed.row(row.index));
        let is_among_highest = self.cut_off.is_none_or(|cut_off| score >= cut_off);
        if best != 0 && score > self.threshold && is_among_highest { best } else { 0 }
    }

    /// Writes the law of a row.
    pub(super) fn fill(&self, row: &mut Row<'_>, probabilities: &mut [f32]) {
        probabilities[self.action(row)] = 1.0;
        mix_uniform(row, self.epsilon, probabilities);
    }

    /// The action of a row, where nothing is left to chance.
    pub(super) fn certain(&self, row: &mut Row<'_>) -> Option<usize> {
        (self.epsilon == 0.0).then(|| self.action(row))
    }

    /// Learns the cut-off.
    pub(super) fn review(&mut self, model: &Model, batch: &Transitions<'_>) {
        let (Some(share), observation) = (self.share, batch.observation) else { return };
        let rows = observation.rows();
        let (mut scratch, mut means) = (model.scratch(rows), model.action_room());
        for row in 0..rows {
            model.open_row(&observation.features, row, rows, &mut scratch);
            model.means(&mut scratch, &mut means);
            let (best, score) = self.best_contact(&mut means, observation.allowed.row(row));
            if best == 0 || !score.is_finite() {
                continue;
            }
            if self.recent.len() < RECENT_MAX {
                self.recent.push(score);
            } else {
                self.recent[self.oldest] = score;
                self.oldest = (self.oldest + 1) % RECENT_MAX;
            }
        }
        let mut sorted = self.recent.clone();
        let reaching = (share * sorted.len() as f64).ceil() as usize;
        if reaching > 0 {
            let (_, cut_off, _) = sorted.select_nth_unstable_by(reaching - 1, |one, other| other.total_cmp(one));
            self.cut_off = Some(*cut_off);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use crate::agent::AgentBuild;
    use crate::agent::linear::testing::{Play, spec};
    use crate::random::{Purpose, Seed};
    use crate::registry::{Entry, Value, Values};

    /// Chance to order without and with contact, which costs 0.05: a sure thing, a persuadable one, a lost cause.
    const CHANCES: [[f32; 2]; 3] = [[0.8, 0.8], [0.1, 0.5], [0.05, 0.05]];

    /// Whom an agent contacts after 6,000 rows of these consumers: whether it does, by kind.
    pub(in crate::agent) fn contacted(entry: &Entry<AgentBuild>, share: Option<f64>) -> [bool; 3] {
        let kinds: [&[f32]; 3] = [&[1.0, 0.0, 0.0], &[0.0, 1.0, 0.0], &[0.0, 0.0, 1.0]];
        let values = Values::defaults(entry.parameters)
            .with("epsilon", Value::Number(0.2))
            .with("intercept", Value::Boolean(false));
        let values = share.into_iter().fold(values, |values, share| values.with("share", Value::Number(share)));
        let mut agent = (entry.build.create)(&values, &spec(3, 2)).unwrap();
        let rows: Vec<&[f32]> = (0..60).map(|row| kinds[row % 3]).collect();
        let mut play = Play::new(&rows, 2);
        for tick in 0..100 {
            play.observation.tick = tick;
            let (actions, _) = play.decide(agent.as_ref());
            let reward = |(row, &action): (usize, &u16)| {
                let u = Seed::new(3).uniforms(Purpose::Problem, row as u32, tick, 0)[0];
                f32::from(u8::from(u < CHANCES[row % 3][usize::from(action)])) - 0.05 * f32::from(action)
            };
            let rewards: Vec<f32> = actions.iter().enumerate().map(reward).collect();
            play.teach_agent(agent.as_mut(), &actions, &rewards);
        }
        let law = Play::new(&kinds, 2).probabilities(agent.as_ref());
        [0, 1, 2].map(|kind| law.get(kind, 1) > 0.5)
    }
}
