//! A market of two contexts and three actions whose truth is known, and logs of it.

use mercato::evaluation::model::{Column, ColumnShape, REWARD_MODELS, RewardModel, Rounds, Shape};
use mercato::random::{Purpose, Seed};
use mercato::registry::{Value, Values, find};

/// Number of actions.
pub const ACTIONS: usize = 3;
/// Rounds of a log.
pub const ROUNDS: usize = 5_000;
/// Folds on which the reward model is cross-fitted.
const FOLDS: u8 = 2;
/// Logging policy and target, by context.
const LOGGING: [[f64; ACTIONS]; 2] = [[0.5, 0.25, 0.25], [0.25, 0.5, 0.25]];
const TARGET: [[f64; ACTIONS]; 2] = [[0.2, 0.6, 0.2], [0.1, 0.1, 0.8]];
/// Probabilities of a reward before they are brought to a rate; the logging policy earns 0.2375 a round, the target 0.385.
const REWARDS: [[f64; ACTIONS]; 2] = [[0.1, 0.3, 0.2], [0.4, 0.1, 0.6]];
const LOGGED: f64 = 0.2375;

/// Probabilities of a reward of 1, by context and action; contexts are equally likely.
pub struct Market {
    rewards: [[f64; ACTIONS]; 2],
}

/// Rounds of the logging policy.
pub struct Log {
    pub contexts: Vec<u32>,
    pub actions: Vec<u32>,
    pub rewards: Vec<f64>,
    pub propensities: Vec<f64>,
    /// Rounds × actions.
    pub target: Vec<f64>,
    /// Rounds × actions.
    pub logging: Vec<f64>,
}

impl Market {
    /// The one in which the logging policy earns so much a round.
    pub fn of_rate(rate: f64) -> Self {
        Self { rewards: REWARDS.map(|row| row.map(|reward| reward * rate / LOGGED)) }
    }

    /// What the target earns, a round.
    pub fn value(&self) -> f64 {
        let cells = self.rewards.as_flattened().iter().zip(TARGET.as_flattened());
        cells.map(|(reward, target)| reward * target).sum::<f64>() / 2.0
    }

    /// Rounds of it.
    pub fn log(&self, seed: Seed, rounds: usize) -> Log {
        let mut log = Log {
            contexts: Vec::with_capacity(rounds),
            actions: Vec::with_capacity(rounds),
            rewards: Vec::with_capacity(rounds),
            propensities: Vec::with_capacity(rounds),
            target: Vec::with_capacity(rounds * ACTIONS),
            logging: Vec::with_capacity(rounds * ACTIONS),
        };
        for round in 0..rounds as u32 {
            let uniforms = seed.uniforms(Purpose::Problem, round, 0, 0).map(f64::from);
            let context = usize::from(uniforms[0] < 0.5);
            let law = LOGGING[context];
            let action = usize::from(uniforms[1] >= law[0]) + usize::from(uniforms[1] >= law[0] + law[1]);
            log.contexts.push(context as u32);
            log.actions.push(action as u32);
            log.rewards.push(f64::from(u8::from(uniforms[2] < self.rewards[context][action])));
            log.propensities.push(law[action]);
            log.target.extend(TARGET[context]);
            log.logging.extend(law);
        }
        log
    }
}

impl Log {
    fn rounds<'a>(&'a self, columns: &'a [Column<'a>], folds: &'a [u8]) -> Rounds<'a> {
        Rounds { first: 0, actions: &self.actions, rewards: &self.rewards, columns, folds }
    }

    /// A shrunk table of context and action, fitted on all rounds or on those of all folds but one.
    fn fitted(&self, without: Option<u8>) -> Box<dyn RewardModel> {
        let shape = Shape {
            action_count: ACTIONS,
            action_name: "action".to_owned(),
            factors: Vec::new(),
            columns: vec![ColumnShape { name: "context".to_owned(), levels: 2, number: None }],
            rounds: self.actions.len() as u64,
            folds: FOLDS,
            is_binary: true,
            lowest: 0.0,
            highest: 1.0,
        };
        let entry = find(REWARD_MODELS, "table").expect("it is registered");
        let keys = Value::Texts(vec!["context".to_owned(), "action".to_owned()]);
        let values = Values::defaults(entry.parameters).with("keys", keys);
        let mut fitter = (entry.build)(&values, &shape).expect("the table is small");
        let (columns, folds) = ([Column { levels: &self.contexts, numbers: &[] }], self.folds());
        fitter.take(&self.rounds(&columns, &folds), None);
        fitter.fit(without).expect("there are rounds")
    }

    /// Rounds come in no order, so that every second one is as good as a draw.
    fn folds(&self) -> Vec<u8> {
        (0..self.actions.len()).map(|round| (round % usize::from(FOLDS)) as u8).collect()
    }

    fn predicted(&self, model: &dyn RewardModel) -> Vec<f64> {
        let columns = [Column { levels: &self.contexts, numbers: &[] }];
        let mut predicted = vec![0.0; self.actions.len() * ACTIONS];
        model.predict(&self.rounds(&columns, &self.folds()), &mut predicted);
        predicted
    }

    /// Predictions of every action: by the model of all rounds, and each round by the model without its fold.
    pub fn models(&self) -> [Vec<f64>; 2] {
        let by_fold: Vec<Vec<f64>> = (0..FOLDS).map(|fold| self.predicted(self.fitted(Some(fold)).as_ref())).collect();
        let cells = |round: usize| {
            let own = &by_fold[round % usize::from(FOLDS)];
            own[round * ACTIONS..(round + 1) * ACTIONS].iter().copied()
        };
        [self.predicted(self.fitted(None).as_ref()), (0..self.actions.len()).flat_map(cells).collect()]
    }

    /// Predictions for the rounds of another log.
    pub fn models_for(&self, other: &Self) -> Vec<f64> {
        other.predicted(self.fitted(None).as_ref())
    }

    /// The terms whose mean is the estimate, of `ips` and of `dr` with these predictions.
    pub fn terms(&self, predicted: &[f64]) -> [Vec<f64>; 2] {
        let weight =
            |round: usize| self.target[round * ACTIONS + self.actions[round] as usize] / self.propensities[round];
        let robust = |round: usize| {
            let cells = round * ACTIONS..(round + 1) * ACTIONS;
            let expected: f64 =
                predicted[cells.clone()].iter().zip(&self.target[cells]).map(|(reward, target)| reward * target).sum();
            let left = self.rewards[round] - predicted[round * ACTIONS + self.actions[round] as usize];
            expected + weight(round) * left
        };
        let rounds = 0..self.actions.len();
        [rounds.clone().map(|round| weight(round) * self.rewards[round]).collect(), rounds.map(robust).collect()]
    }
}
