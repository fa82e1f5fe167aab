//! The simulated twin of a log: the same contexts, the same propensities, rewards drawn from the fitted model. There the
//! truth is known, so that estimators can be measured instead of believed.

use super::batch::Batch;
use super::file::{EstimatorAsked, Evaluation, ModelAsked};
use super::fitted::{Fitted, Fitting};
use super::judge::estimated;
use super::log::{Log, spread};
use super::loggers::Loggers;
use super::logging::Logging;
use crate::evaluation::appraisal::Settings;
use crate::evaluation::model::{Build, Shape};
use crate::evaluation::{Appraiser, Evidence, Fit, Saved};
use crate::random::{Purpose, Seed};
use crate::scenario::error::{Code, ScenarioError, ScenarioErrors};
use rayon::prelude::*;
use serde::Serialize;

/// Numbers in a table of rows and actions, at most: it bounds memory and time.
const NUMBERS: usize = 1 << 21;
/// Resamples of a bootstrap inside the twin, at most.
const RESAMPLES: u32 = 200;
/// Keeps seeds of synthetic logs apart from others.
const PART: u32 = 0x7717;

/// How every estimator does where the truth is known.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Twin {
    /// Rows of each synthetic log.
    pub rows: usize,
    /// Synthetic logs.
    pub replications: usize,
    /// How rewards were drawn.
    pub rewards: &'static str,
    /// What a reader should know.
    pub notes: Vec<String>,
    /// By target, then by estimator.
    pub results: Vec<TwinResult>,
}

/// One estimator on one target, over the synthetic logs on which it has a value; no numbers where it has none on any.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TwinResult {
    /// The target.
    pub target: String,
    /// The estimator.
    pub estimator: String,
    /// What the target earns in the twin, a row.
    pub truth: f64,
    /// Mean error.
    pub bias: f64,
    /// Standard error of the bias, over replications.
    pub bias_standard_error: f64,
    /// Root of the mean squared error.
    pub root_mean_squared_error: f64,
    /// Share of intervals that hold the truth.
    pub coverage: f64,
    /// Its binomial standard error.
    pub coverage_standard_error: f64,
    /// Mean length of an interval.
    pub interval_length: f64,
}

/// Rows of the log from which synthetic logs are drawn.
#[derive(Debug)]
pub(super) struct Sampled {
    rows: Batch,
    logging: Vec<f64>,
    /// Where several policies logged: each one's share of the rows and its law, `rows × actions`.
    loggers: Vec<(f64, Vec<f64>)>,
    /// Expected rewards, `rows × actions`.
    model: Vec<f64>,
    /// Rewards less what the cross-fitted model expected.
    residuals: Vec<f64>,
    laws: Vec<Vec<f64>>,
    law: Option<Logging>,
    scratch: Vec<f64>,
    most: usize,
    threshold: u64,
    actions: usize,
    notes: Vec<String>,
}

impl Sampled {
    pub(super) fn new(
        evaluation: &Evaluation,
        log: &Log,
        logging: &Logging,
        loggers: &Loggers,
    ) -> Result<Self, ScenarioErrors> {
        let wanted = usize::try_from(evaluation.twin.integer("rows")).unwrap_or(usize::MAX);
        let loggers: Vec<(f64, Vec<f64>)> = loggers.shares().map(|share| (share, Vec::new())).collect();
        let most = wanted.min(NUMBERS / (log.shape.action_count * loggers.len().max(1)).max(1)).max(100);
        let (rounds, kept) = (log.shape.rounds, (most as u64).min(log.shape.rounds));
        let mut notes = Vec::new();
        if kept < rounds {
            notes.push(format!("synthetic logs have about {kept} rows, the log {rounds}: there intervals are shorter, and cover no worse"));
        }
        let law = if logging.is_known() || !loggers.is_empty() {
            None
        } else {
            notes
                .push("the log has no probability of every action: actions are drawn from an estimated law".to_owned());
            Some(estimated(evaluation, log)?)
        };
        if !loggers.is_empty() {
            notes.push(
                "who logs a row of a synthetic log is drawn, by the shares of the log and whatever the context"
                    .to_owned(),
            );
        }
        if log.layout.unit.is_some() {
            notes.push(
                "rows of a synthetic log are drawn one by one: what ties the rows of a unit is not in it".to_owned(),
            );
        }
        let threshold = if kept == rounds { u64::MAX } else { (kept as f64 / rounds as f64 * u64::MAX as f64) as u64 };
        Ok(Self {
            rows: Batch::default(),
            logging: Vec::new(),
            loggers,
            model: Vec::new(),
            residuals: Vec::new(),
            laws: vec![Vec::new(); evaluation.targets.len()],
            law,
            scratch: Vec::new(),
            most,
            threshold,
            actions: log.shape.action_count,
            notes,
        })
    }

    /// Keeps some rows of a batch: with the laws of those who logged, where several did, else with the logging law.
    pub(super) fn take(
        &mut self,
        batch: &Batch,
        logging: &[f64],
        loggers: &[Vec<f64>],
        models: &[Vec<f64>; 2],
        laws: &[&[f64]],
    ) {
        let actions = self.actions;
        let room = self.most + self.most / 10 - self.rows.count().min(self.most + self.most / 10);
        let chosen =
            (0..batch.count()).filter(|round| spread(batch.first + *round as u64) <= self.threshold).take(room);
        let chosen: Vec<usize> = chosen.collect();
        let picked = batch.pick(&chosen);
        let copy = |table: &[f64], to: &mut Vec<f64>| {
            chosen.iter().for_each(|round| to.extend_from_slice(&table[round * actions..][..actions]));
        };
        self.loggers.iter_mut().zip(loggers).for_each(|((_, to), law)| copy(law, to));
        match &self.law {
            None if !self.loggers.is_empty() => {}
            None => copy(logging, &mut self.logging),
            Some(law) => {
                law.write(&picked, actions, &[], &mut self.scratch);
                self.logging.extend_from_slice(&self.scratch);
            }
        }
        copy(&models[0], &mut self.model);
        laws.iter().zip(&mut self.laws).for_each(|(law, to)| copy(law, to));
        let residual =
            |round: &usize| batch.rewards[*round] - models[1][round * actions + batch.actions[*round] as usize];
        self.residuals.extend(chosen.iter().map(residual));
        self.rows.extend(&picked);
    }

    /// Makes the model's rewards legal, and the residuals sum to 0.
    fn settle(&mut self, is_binary: bool) {
        if is_binary {
            self.model.iter_mut().for_each(|reward| *reward = reward.clamp(0.0, 1.0));
        }
        let mean = self.residuals.iter().sum::<f64>() / self.residuals.len().max(1) as f64;
        self.residuals.iter_mut().for_each(|residual| *residual -= mean);
    }

    fn truth(&self, target: usize) -> f64 {
        let total: f64 = self.laws[target].iter().zip(&self.model).map(|(share, reward)| share * reward).sum();
        total / self.rows.count() as f64
    }
}

/// Error, whether the interval holds the truth, length of the interval.
type Outcome = (f64, bool, f64);

/// Draws synthetic logs and judges every target on each.
pub(super) fn run(
    evaluation: &Evaluation,
    log: &Log,
    mut sampled: Sampled,
    model: &ModelAsked<Build>,
    estimators: &[EstimatorAsked],
    settings: &Settings,
) -> Result<Twin, ScenarioErrors> {
    sampled.settle(log.shape.is_binary);
    let rows = sampled.rows.count();
    let replications = usize::try_from(evaluation.twin.integer("replications")).unwrap_or(200);
    let settings = Settings { resamples: settings.resamples.min(RESAMPLES), notes: Vec::new(), ..settings.clone() };
    let lab = Lab { evaluation, log, sampled: &sampled, model, estimators, settings: &settings };
    let truths: Vec<f64> = (0..sampled.laws.len()).map(|target| sampled.truth(target)).collect();
    let outcomes: Result<Vec<Vec<Vec<Outcome>>>, String> =
        (0..replications).into_par_iter().map(|replication| lab.replicate(replication as u32, &truths)).collect();
    let outcomes = outcomes.map_err(|message| {
        evaluation.wrong(vec![ScenarioError {
            message: format!("twin: {message}"),
            place: None,
            help: None,
            code: Code::Refused,
        }])
    })?;
    let mut results = Vec::new();
    for (target, truth) in truths.iter().enumerate() {
        for (estimator, asked) in estimators.iter().enumerate() {
            // A log on which nothing has weight has no estimate of some.
            let own = outcomes.iter().map(|outcome| outcome[target][estimator]).filter(|outcome| !outcome.0.is_nan());
            let own: Vec<Outcome> = own.collect();
            results.push(summary(&evaluation.targets[target].name, &asked.name, *truth, &own));
        }
    }
    let rewards =
        if log.shape.is_binary { "drawn with the fitted rate" } else { "fitted reward plus a residual of the log" };
    Ok(Twin { rows, replications, rewards, notes: sampled.notes, results })
}

fn summary(target: &str, estimator: &str, truth: f64, outcomes: &[Outcome]) -> TwinResult {
    let count = outcomes.len() as f64;
    let mean = |of: &dyn Fn(&Outcome) -> f64| outcomes.iter().map(of).sum::<f64>() / count;
    let bias = mean(&|outcome| outcome.0);
    let square = mean(&|outcome| outcome.0 * outcome.0);
    let variance = (square - bias * bias).max(0.0) * count / (count - 1.0).max(1.0);
    let coverage = mean(&|outcome| f64::from(u8::from(outcome.1)));
    TwinResult {
        target: target.to_owned(),
        estimator: estimator.to_owned(),
        truth,
        bias,
        bias_standard_error: (variance / count).sqrt(),
        root_mean_squared_error: square.sqrt(),
        coverage,
        coverage_standard_error: (coverage * (1.0 - coverage) / count).sqrt(),
        interval_length: mean(&|outcome| outcome.2),
    }
}

/// What every replication needs.
struct Lab<'a> {
    evaluation: &'a Evaluation,
    log: &'a Log,
    sampled: &'a Sampled,
    model: &'a ModelAsked<Build>,
    estimators: &'a [EstimatorAsked],
    settings: &'a Settings,
}

impl Lab<'_> {
    /// One synthetic log: outcomes by target and estimator.
    fn replicate(&self, replication: u32, truths: &[f64]) -> Result<Vec<Vec<Outcome>>, String> {
        let drawn = self.draw(self.evaluation.seed.derive(PART, replication));
        let (batch, actions) = (&drawn.batch, self.sampled.actions);
        let laws: Vec<Vec<f64>> = self.sampled.laws.iter().map(|law| drawn.of(law, actions)).collect();
        let needs = self.appraiser(0)?.needs();
        let wants = |fit: Fit| needs.models[fit as usize];
        let fitted = self.fit(&drawn, &laws, &wants)?;
        let mut models = [const { Vec::new() }; 3];
        let mut outcomes = Vec::new();
        for (target, law) in laws.iter().enumerate() {
            for fit in Fit::ALL.into_iter().filter(|fit| wants(*fit) && (target == 0 || *fit == Fit::MoreRobust)) {
                fitted.predict(fit, target, batch, actions, &mut models[fit as usize]);
            }
            let evidence = Evidence {
                action_count: actions,
                actions: &batch.actions,
                rewards: &batch.rewards,
                propensities: &drawn.propensities,
                target: law,
                logging: Some(&drawn.logging),
                models: models.each_ref().map(|table: &Vec<f64>| (!table.is_empty()).then_some(table.as_slice())),
                saved: Saved::default(),
                factors: &self.log.shape.factors,
                mixture: (!drawn.mixture.is_empty()).then_some(drawn.mixture.as_slice()),
            };
            let mut appraiser = self.appraiser(target)?;
            appraiser.take(&evidence, &batch.units).map_err(|lack| lack.to_string())?;
            let truth = truths[target];
            let outcome = |estimate: &crate::evaluation::appraisal::Estimate| {
                let value = &estimate.value;
                (value.value - truth, value.low <= truth && truth <= value.high, value.high - value.low)
            };
            outcomes.push(appraiser.finish().estimates.iter().map(outcome).collect());
        }
        Ok(outcomes)
    }

    fn appraiser(&self, target: usize) -> Result<Appraiser, String> {
        let asked = self.estimators.iter().map(EstimatorAsked::asked).collect::<Result<Vec<_>, _>>();
        let asked = asked.map_err(|refusal| refusal.message)?;
        Ok(Appraiser::new(&self.evaluation.targets[target].name, asked, self.settings, &self.log.action_names))
    }

    /// The model, as it is fitted on the synthetic log.
    fn fit(&self, drawn: &Drawn, laws: &[Vec<f64>], wants: &dyn Fn(Fit) -> bool) -> Result<Fitted, String> {
        let shape = Shape { rounds: drawn.batch.count() as u64, ..self.log.shape.clone() };
        let robust = vec![wants(Fit::MoreRobust); laws.len()];
        let mut fitting = Fitting::new(self.model, &shape, &robust).map_err(|refusal| refusal.message)?;
        fitting.take(&drawn.batch);
        for (target, law) in laws.iter().enumerate().filter(|(target, _)| robust[*target]) {
            fitting.take_weighted(target, &drawn.batch, law, &drawn.propensities, self.sampled.actions);
        }
        fitting.finish(wants(Fit::CrossFitted), shape.folds).map_err(|refusal| refusal.message)
    }

    /// Rows drawn with replacement, an action from the logging law, a reward from the model.
    fn draw(&self, seed: Seed) -> Drawn {
        let Sampled { rows, logging, loggers, model, residuals, actions, .. } = self.sampled;
        let count = rows.count();
        let draws: Vec<[f64; 4]> =
            (0..count).map(|row| seed.uniforms(Purpose::Problem, row as u32, 0, 0).map(f64::from)).collect();
        let place = |uniform: f64| ((uniform * count as f64) as usize).min(count - 1);
        let origins: Vec<usize> = draws.iter().map(|draw| place(draw[0])).collect();
        let mut drawn = Drawn { batch: rows.pick(&origins), ..Drawn::default() };
        let shares: Vec<f64> = loggers.iter().map(|(share, _)| *share).collect();
        for (row, (origin, draw)) in origins.iter().zip(&draws).enumerate() {
            let table = if loggers.is_empty() {
                logging
            } else {
                let who = f64::from(seed.uniforms(Purpose::Problem, row as u32, 0, 1)[0]);
                &loggers[chosen(&shares, who)].1
            };
            let law = &table[origin * actions..][..*actions];
            let action = chosen(law, draw[1]);
            let expected = model[origin * actions + action];
            let batch = &mut drawn.batch;
            batch.actions[row] = action as u32;
            batch.rewards[row] = if self.log.shape.is_binary {
                f64::from(u8::from(draw[2] < expected))
            } else {
                expected + residuals[place(draw[3])]
            };
            batch.units[row] = row as u64;
            batch.folds[row] = (spread(row as u64) % u64::from(self.log.shape.folds)) as u8;
            drawn.propensities.push(law[action]);
            drawn.logging.extend_from_slice(law);
            if !loggers.is_empty() {
                let of = |(share, law): &(f64, Vec<f64>)| share * law[origin * actions + action];
                drawn.mixture.push(loggers.iter().map(of).sum());
            }
        }
        drawn.origins = origins;
        drawn
    }
}

/// A synthetic log.
#[derive(Default)]
struct Drawn {
    batch: Batch,
    /// The row of the sample that each row is drawn from.
    origins: Vec<usize>,
    propensities: Vec<f64>,
    /// The law that the action was drawn from, `rows × actions`.
    logging: Vec<f64>,
    /// The mixture's probability of the action, where several policies log.
    mixture: Vec<f64>,
}

impl Drawn {
    /// A table of the sample, row by row of this log.
    fn of(&self, table: &[f64], actions: usize) -> Vec<f64> {
        self.origins.iter().flat_map(|origin| &table[origin * actions..][..actions]).copied().collect()
    }
}

/// The action whose cumulative probability first exceeds the uniform; the last possible one where rounding leaves none.
fn chosen(law: &[f64], uniform: f64) -> usize {
    let mut cumulative = 0.0;
    let mut last = 0;
    for (action, probability) in law.iter().enumerate().filter(|(_, probability)| **probability > 0.0) {
        cumulative += probability;
        last = action;
        if uniform < cumulative {
            break;
        }
    }
    last
}
