//! Eight rounds in two contexts with three actions, on which every estimate can be checked by hand.

use super::{ESTIMATORS, Estimator, Family, Terms};
use crate::evaluation::evidence::{Evidence, Saved};
use crate::random::{Purpose, Seed};
use crate::registry::{Value, Values, find};
use proptest::prelude::{Strategy, prop};

/// The log, the laws and the reward model.
#[derive(Debug)]
pub(in crate::evaluation) struct EightRounds {
    pub actions: Vec<u32>,
    pub rewards: Vec<f64>,
    pub propensities: Vec<f64>,
    pub target: Vec<f64>,
    pub logging: Vec<f64>,
    pub model: Vec<f64>,
    pub factors: Vec<Vec<u16>>,
    pub mixture: Vec<f64>,
}

impl EightRounds {
    pub(in crate::evaluation) fn new() -> Self {
        let contexts = [0, 0, 0, 0, 1, 1, 1, 1];
        let actions = [0_u32, 1, 2, 1, 1, 2, 0, 2];
        let logging = [[0.5, 0.25, 0.25], [0.25, 0.5, 0.25]];
        let target = [[0.2, 0.6, 0.2], [0.1, 0.1, 0.8]];
        let model = [[0.1, 0.4, 0.2], [0.5, 0.1, 0.5]];
        let spread = |table: [[f64; 3]; 2]| contexts.iter().flat_map(|context| table[*context]).collect::<Vec<f64>>();
        let propensities: Vec<f64> =
            contexts.iter().zip(actions).map(|(context, action)| logging[*context][action as usize]).collect();
        Self {
            actions: actions.to_vec(),
            rewards: vec![0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0],
            target: spread(target),
            logging: spread(logging),
            model: spread(model),
            factors: vec![vec![0], vec![1], vec![1]],
            // A second, uniform policy logged as many rounds.
            mixture: propensities.iter().map(|propensity| (propensity + 1.0 / 3.0) / 2.0).collect(),
            propensities,
        }
    }

    /// As estimators see it.
    pub(in crate::evaluation) fn evidence(&self) -> Evidence<'_> {
        Evidence {
            action_count: 3,
            actions: &self.actions,
            rewards: &self.rewards,
            propensities: &self.propensities,
            target: &self.target,
            logging: Some(&self.logging),
            models: [Some(&self.model); 3],
            saved: Saved::default(),
            factors: &self.factors,
            mixture: Some(&self.mixture),
        }
    }

    /// The estimate.
    pub(in crate::evaluation) fn value(&self, estimator: &dyn Estimator) -> f64 {
        Self::value_of(&self.evidence(), estimator)
    }

    /// The estimate from changed evidence.
    pub(super) fn value_of(evidence: &Evidence<'_>, estimator: &dyn Estimator) -> f64 {
        let mut terms = Terms::default();
        estimator.terms(evidence, &mut terms).unwrap();
        let mean =
            if terms.plain.is_empty() { 0.0 } else { terms.plain.iter().sum::<f64>() / terms.plain.len() as f64 };
        let weight: f64 = terms.denominator.iter().sum();
        mean + if terms.denominator.is_empty() { 0.0 } else { terms.numerator.iter().sum::<f64>() / weight }
    }

    /// Mean of the weights.
    pub(super) fn mean_weight(&self) -> f64 {
        let evidence = self.evidence();
        (0..evidence.rounds()).map(|round| evidence.weight(round)).sum::<f64>() / evidence.rounds() as f64
    }

    /// Any log of three actions with positive laws.
    pub(super) fn any() -> impl Strategy<Value = Self> {
        let round = (
            0..3_u32,
            -2.0..3.0_f64,
            prop::array::uniform3(0.05..1.0_f64),
            prop::array::uniform3(0.05..1.0_f64),
            prop::array::uniform3(-1.0..2.0_f64),
        );
        prop::collection::vec(round, 1..40).prop_map(|rounds| {
            let mut log = Self { actions: Vec::new(), rewards: Vec::new(), ..Self::new() };
            for table in [&mut log.propensities, &mut log.target, &mut log.logging, &mut log.model] {
                table.clear();
            }
            for (action, reward, logging, target, model) in rounds {
                log.actions.push(action);
                log.rewards.push(reward);
                let law = |raw: [f64; 3]| raw.map(|value| value / raw.iter().sum::<f64>());
                log.propensities.push(law(logging)[action as usize]);
                log.logging.extend(law(logging));
                log.target.extend(law(target));
                log.model.extend(model);
            }
            log.mixture = log.propensities.clone();
            log
        })
    }
}

/// The registered estimator with its defaults; the first of a family.
pub(in crate::evaluation) fn build(kind: &str) -> Box<dyn Estimator> {
    family(kind, |values| values).members.swap_remove(0).estimator
}

/// The registered estimator with one parameter given.
pub(in crate::evaluation) fn build_with(kind: &str, parameter: &'static str, value: Value) -> Box<dyn Estimator> {
    family(kind, |values| values.with(parameter, value)).members.swap_remove(0).estimator
}

/// The registered family.
pub(in crate::evaluation) fn family(kind: &str, change: impl FnOnce(Values) -> Values) -> Family {
    let entry = find(ESTIMATORS, kind).unwrap();
    (entry.build)(&change(Values::defaults(entry.parameters))).unwrap()
}

/// A market of two contexts and three actions whose truth is known.
pub(in crate::evaluation) struct Market {
    /// Probability of a reward of 1, by context and action.
    pub rewards: [[f64; 3]; 2],
    /// The logging policy.
    pub logging: [[f64; 3]; 2],
    /// The target.
    pub target: [[f64; 3]; 2],
}

impl Market {
    /// The one that the eight rounds come from.
    pub(in crate::evaluation) const TWO_CONTEXTS: Self = Self {
        rewards: [[0.1, 0.3, 0.2], [0.4, 0.1, 0.6]],
        logging: [[0.5, 0.25, 0.25], [0.25, 0.5, 0.25]],
        target: [[0.2, 0.6, 0.2], [0.1, 0.1, 0.8]],
    };

    /// What the target earns, a round.
    pub(in crate::evaluation) fn value(&self) -> f64 {
        let cells = self.rewards.as_flattened().iter().zip(self.target.as_flattened());
        cells.map(|(reward, target)| reward * target).sum::<f64>() / 2.0
    }

    /// Rounds of it, with the true rewards as the model.
    pub(in crate::evaluation) fn log(&self, rounds: u32, seed: u64) -> EightRounds {
        let mut log = EightRounds { actions: Vec::new(), rewards: Vec::new(), ..EightRounds::new() };
        for table in [&mut log.propensities, &mut log.target, &mut log.logging, &mut log.model] {
            table.clear();
        }
        for round in 0..rounds {
            let uniforms = Seed::new(seed).uniforms(Purpose::Problem, round, 0, 0).map(f64::from);
            let context = usize::from(uniforms[0] < 0.5);
            let law = self.logging[context];
            let action = usize::from(uniforms[1] >= law[0]) + usize::from(uniforms[1] >= law[0] + law[1]);
            log.actions.push(action as u32);
            log.rewards.push(f64::from(u8::from(uniforms[2] < self.rewards[context][action])));
            log.propensities.push(law[action]);
            log.logging.extend(law);
            log.target.extend(self.target[context]);
            log.model.extend(self.rewards[context]);
        }
        log.mixture = log.propensities.clone();
        log
    }
}

#[test]
fn the_market_is_worth_what_the_literature_says() {
    assert!((Market::TWO_CONTEXTS.value() - 0.385).abs() < 1e-12);
    let logged = Market { target: Market::TWO_CONTEXTS.logging, ..Market::TWO_CONTEXTS };
    assert!((logged.value() - 0.2375).abs() < 1e-12);
}
