//! Fitted Q evaluation with a network.
//!
//! `mean over trajectories of sum_a pi(a | s_0) q(s_0, a)`, as `fqe`, where q is linear in features that a network learns
//! from the log, with weights of their own for every action. The network regresses
//! `(1 - g) r + g sum_a pi(a | s') q'(s', a)` on (s, a) for several discounts g at once, up to that of the question, by
//! draws of rows and a frozen copy q' (fitted iterations); its last hidden layer is then what `fqe` takes for features.
//!
//! It needs no propensities. It is consistent where the state tells all that matters for what follows, the log tried what
//! the target does, and the network comes close to q; it fails where `fqe` does, but for q that bends.
//!
//! Differences from Le, Voloshin and Yue 2019: (1) after the iterations the last layer is solved and not iterated, so that
//! finite horizons, their levels and the last rows of trajectories are those of `fqe`, exactly; (2) several discounts teach
//! one representation, as values over few steps to go and over many lie in the span of discounted ones (Fedus et al. 2019);
//! (3) intervals hold the representation: influences and resamples are those of the last layer; (4) a discount of 1 is
//! learned as that of an effective horizon as long as the longest trajectory.

use super::linear::Linear;
use super::trajectories::{Horizon, LawShape, StateShape};
use super::{Linearised, Prepared, SequenceEstimator, SequenceFailure, Trajectories};
use crate::random::{Purpose, Seed};
use crate::registry::{Kind, Parameter, Range, Values};
use std::fmt;

/// The name in files.
pub const NAME: &str = "fqe_neural";
/// One line.
pub const SUMMARY: &str = "as `fqe`, linear in features that a network learns from the log: for values that bend";
/// Where it comes from.
pub const SOURCE: &str = "Le, Voloshin and Yue 2019; solved last layer and intervals as `fqe`";
/// Keys.
pub const PARAMETERS: &[Parameter] = &[
    Parameter::of(
        "hidden",
        Kind::Integers { default: Some(&[64, 32]), minimum: 1, maximum: 1_024 },
        "widths of the hidden layers; the last is at most 1024 / actions - 1, so that the last solve stays small",
    ),
    Parameter::number(
        "learning_rate",
        3e-3,
        Range::POSITIVE,
        "step of the optimiser at the beginning; falls to a tenth",
    ),
    Parameter::integer("batch", 256, 1, 65_536, "rows of an update"),
    Parameter::integer("updates", 3_000, 1, 100_000_000, "updates of the network"),
    Parameter::integer(
        "updates_per_target",
        100,
        1,
        1_000_000,
        "updates of one iteration, after which the target is new",
    ),
    Parameter::integer("discounts", 4, 1, 16, "discounts that are learned at once, from a step to the horizon"),
    super::values::RIDGE,
    Parameter::integer("network_seed", 1, 0, i64::MAX, "seed of initial weights and drawn rows"),
];

/// Most numbers that the network may read of a row.
const MOST_INPUTS: usize = 8_192;
/// Unknowns that the last solve may have.
const MOST_UNKNOWNS: usize = 1_024;
/// Rows that are represented at once.
const CHUNK: usize = 2_048;

/// What a network is to be like.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkShape {
    /// Numbers that it reads of a row.
    pub inputs: usize,
    /// Widths of its hidden layers, at least one.
    pub widths: Vec<usize>,
    /// Actions of the head.
    pub actions: usize,
    /// Outputs for each action.
    pub outputs: usize,
}

/// Rows of one update, each row-major.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NetworkRows {
    /// `rows × inputs`.
    pub inputs: Vec<f32>,
    /// One per row.
    pub actions: Vec<u16>,
    /// `rows × outputs`.
    pub targets: Vec<f32>,
    /// `rows × outputs`: 0 where there is no target.
    pub weights: Vec<f32>,
}

/// A network of action values with a frozen copy; another layer brings it.
pub trait ValueNetwork {
    /// The frozen copy's outputs for rows of inputs: `rows × actions × outputs`.
    fn frozen(&self, inputs: Vec<f32>) -> Vec<f32>;
    /// One step of this size down `mean of weight · (q(s, a) - target)² / 2`; the loss. Nothing changes where it is not finite.
    fn step(&mut self, rows: &NetworkRows, size: f64) -> f64;
    /// The frozen copy becomes the network.
    fn freeze(&mut self);
    /// The last hidden layer for rows of inputs: `rows × width`.
    fn represent(&self, inputs: Vec<f32>) -> Vec<f32>;
}

/// Makes a network with weights from this seed.
pub type NetworkBuild = fn(&NetworkShape, Seed) -> Box<dyn ValueNetwork>;

/// The estimator, with networks of this make.
#[must_use]
pub fn neural_values(values: &Values, build: NetworkBuild) -> Box<dyn SequenceEstimator> {
    Box::new(NeuralValues {
        build: Build(build),
        widths: values.integers("hidden").iter().map(|width| *width as usize).collect(),
        learning_rate: values.number("learning_rate"),
        batch: values.integer("batch") as usize,
        updates: values.integer("updates") as u64,
        updates_per_target: values.integer("updates_per_target") as u64,
        discounts: values.integer("discounts") as usize,
        ridge: values.number("ridge"),
        seed: Seed::new(values.integer("network_seed") as u64),
    })
}

#[derive(Clone, Copy)]
struct Build(NetworkBuild);

impl fmt::Debug for Build {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("network")
    }
}

#[derive(Debug)]
struct NeuralValues {
    build: Build,
    widths: Vec<usize>,
    learning_rate: f64,
    batch: usize,
    updates: u64,
    updates_per_target: u64,
    discounts: usize,
    ridge: f64,
    seed: Seed,
}

impl SequenceEstimator for NeuralValues {
    fn weighs(&self) -> bool {
        false
    }

    fn prepare<'a>(&self, log: &'a Trajectories) -> Result<Box<dyn Prepared + 'a>, SequenceFailure> {
        let shape = self.network_shape(log)?;
        let width = shape.widths[shape.widths.len() - 1];
        let mut network = (self.build.0)(&shape, self.seed);
        self.learn(network.as_mut(), log)?;
        let mut represented = log.clone();
        represented.shape.state = StateShape::Features(width);
        represented.states = Vec::new();
        represented.features = Vec::with_capacity(log.rows() * width);
        for first in (0..log.rows()).step_by(CHUNK) {
            let mut inputs = Vec::new();
            (first..(first + CHUNK).min(log.rows())).for_each(|row| append_inputs(log, row, &mut inputs));
            represented.features.extend(network.represent(inputs));
        }
        if represented.features.iter().any(|feature| !feature.is_finite()) {
            return Err(SequenceFailure::Diverged { quantity: "last hidden layer" });
        }
        Ok(Box::new(Represented { log: represented, ridge: self.ridge }))
    }
}

impl NeuralValues {
    fn network_shape(&self, log: &Trajectories) -> Result<NetworkShape, SequenceFailure> {
        if log.shape.horizon == Horizon::Endless && log.shape.discount >= 1.0 {
            return Err(SequenceFailure::AverageReward);
        }
        let inputs = match log.shape.state {
            StateShape::Hidden => return Err(SequenceFailure::NeedsState),
            StateShape::Discrete(count) | StateShape::Features(count) => count,
        };
        if log.shape.law != LawShape::Every {
            return Err(SequenceFailure::NeedsLaw);
        }
        if inputs > MOST_INPUTS {
            return Err(SequenceFailure::TooLarge { unknowns: inputs, limit: MOST_INPUTS });
        }
        let actions = log.shape.action_count;
        let most = (MOST_UNKNOWNS / actions.max(1)).saturating_sub(1);
        if most == 0 {
            return Err(SequenceFailure::TooLarge { unknowns: 2 * actions, limit: MOST_UNKNOWNS });
        }
        let mut widths = self.widths.clone();
        match widths.last_mut() {
            Some(last) => *last = (*last).min(most),
            None => widths.push(most.min(32)),
        }
        Ok(NetworkShape { inputs, widths, actions, outputs: self.discounts })
    }

    /// Discounts whose effective horizons go from a step to that of the question, by equal ratios.
    fn ladder(&self, log: &Trajectories) -> Vec<f64> {
        let beyond = 1.0 - 1.0 / (log.longest.max(1) as f64);
        let most = if log.shape.discount < 1.0 { log.shape.discount } else { beyond };
        let last = (self.discounts - 1).max(1) as f64;
        let exponent = |rung: usize| if self.discounts == 1 { 1.0 } else { rung as f64 / last };
        (0..self.discounts).map(|rung| 1.0 - libm::pow(1.0 - most, exponent(rung))).collect()
    }

    fn learn(&self, network: &mut dyn ValueNetwork, log: &Trajectories) -> Result<(), SequenceFailure> {
        let ladder = self.ladder(log);
        let followed = Followed::of(log);
        let (_, variance) = crate::statistics::mean_and_variance(&log.rewards);
        // A reward that never varies is learned at its own size.
        let unit = if variance > 0.0 { variance.sqrt() } else { log.rewards[0].abs().max(1.0) };
        for update in 0..self.updates {
            if update.is_multiple_of(self.updates_per_target) {
                network.freeze();
            }
            let rows = self.draw(network, log, &followed, &ladder, unit, update);
            let left = 1.0 - 0.9 * update as f64 / self.updates as f64;
            if !network.step(&rows, self.learning_rate * left).is_finite() {
                return Err(SequenceFailure::Diverged { quantity: "loss" });
            }
        }
        Ok(())
    }

    /// Rows of an update with their targets, in deviations of the reward and shares of the effective horizon.
    fn draw(
        &self,
        network: &dyn ValueNetwork,
        log: &Trajectories,
        followed: &Followed,
        ladder: &[f64],
        unit: f64,
        update: u64,
    ) -> NetworkRows {
        let mut stream = self.seed.derive((update >> 32) as u32, update as u32).stream(Purpose::Replay, 0, 0);
        let (actions, outputs) = (log.shape.action_count, ladder.len());
        let mut rows = NetworkRows::default();
        let (mut drawn, mut next) = (Vec::with_capacity(self.batch), Vec::new());
        for _ in 0..self.batch {
            let word = u64::from(stream.word()) << 32 | u64::from(stream.word());
            let row = ((u128::from(word) * log.rows() as u128) >> 64) as usize;
            drawn.push(row);
            rows.actions.push(log.actions[row] as u16);
            append_inputs(log, row, &mut rows.inputs);
            // What follows is looked at only where something does; any row stands in elsewhere.
            append_inputs(log, if followed.is(row) { row + 1 } else { row }, &mut next);
        }
        let later = network.frozen(next);
        for (row, later) in drawn.into_iter().zip(later.chunks_exact(actions * outputs)) {
            let (goes_on, reward) = (followed.is(row), log.rewards[row] / unit);
            for (output, discount) in ladder.iter().enumerate() {
                let mut target = (1.0 - discount) * reward;
                if goes_on {
                    let law = log.law_of(row + 1).iter().enumerate();
                    let value = law.map(|(action, p)| p * f64::from(later[action * outputs + output])).sum::<f64>();
                    target += discount * value;
                }
                rows.targets.push(target as f32);
                rows.weights.push(f32::from(u8::from(goes_on || followed.ends(row) || *discount == 0.0)));
            }
        }
        rows
    }
}

/// How rows go on, by row.
struct Followed(Vec<Next>);

#[derive(Clone, Copy, PartialEq)]
enum Next {
    Row,
    Nothing,
    Unknown,
}

impl Followed {
    fn of(log: &Trajectories) -> Self {
        let mut followed = vec![Next::Row; log.rows()];
        for trajectory in 0..log.len() {
            let last = if log.terminated[trajectory] { Next::Nothing } else { Next::Unknown };
            followed[log.rows_of(trajectory).end - 1] = last;
        }
        Self(followed)
    }

    fn is(&self, row: usize) -> bool {
        self.0[row] == Next::Row
    }

    fn ends(&self, row: usize) -> bool {
        self.0[row] == Next::Nothing
    }
}

/// The features of a row, or an indicator of each state.
fn append_inputs(log: &Trajectories, row: usize, inputs: &mut Vec<f32>) {
    match log.shape.state {
        StateShape::Discrete(states) => {
            let first = inputs.len();
            inputs.resize(first + states, 0.0);
            inputs[first + log.states[row] as usize] = 1.0;
        }
        _ => inputs.extend_from_slice(log.features_of(row)),
    }
}

/// The log with what was learned as its features.
struct Represented {
    log: Trajectories,
    ridge: f64,
}

impl Prepared for Represented {
    fn value(&self, counts: &[f64]) -> f64 {
        Linear::new(&self.log, self.ridge).map_or(f64::NAN, |linear| linear.estimate(counts))
    }

    fn linearised(&self) -> Result<Linearised, SequenceFailure> {
        Linear::new(&self.log, self.ridge)?.linearised()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DISCOUNT, drawn_log, one_feature, values};
    use super::*;

    fn estimator() -> NeuralValues {
        let values = Values::defaults(PARAMETERS);
        NeuralValues {
            build: Build(|_, _| panic!("no network is asked for")),
            widths: values.integers("hidden").iter().map(|width| *width as usize).collect(),
            learning_rate: 1e-3,
            batch: 4,
            updates: 1,
            updates_per_target: 1,
            discounts: 3,
            ridge: 1e-6,
            seed: Seed::new(1),
        }
    }

    #[test]
    fn effective_horizons_go_from_a_step_to_that_of_the_question() {
        let log = drawn_log(3, 4, 1);
        let ladder = estimator().ladder(&log);
        // Of 1, the root of 10, and 10 steps.
        for (discount, horizon) in ladder.iter().zip([1.0, 10f64.sqrt(), 10.0]) {
            assert!((1.0 / (1.0 - discount) - horizon).abs() < 1e-9, "{ladder:?}");
        }
        let ladder = estimator().ladder(&log.asking(1.0, Horizon::Logged));
        assert!((ladder[2] - 0.75).abs() < 1e-12);
    }

    #[test]
    fn what_it_cannot_judge_is_refused_before_anything_is_learned() {
        let log = one_feature(&drawn_log(3, 4, 1));
        let refused = |log: &Trajectories| estimator().prepare(log).err().unwrap();
        assert_eq!(refused(&log.clone().asking(1.0, Horizon::Endless)), SequenceFailure::AverageReward);
        let mut hidden = log.clone();
        hidden.shape.state = StateShape::Hidden;
        assert_eq!(refused(&hidden), SequenceFailure::NeedsState);
        let mut logged = log.clone();
        logged.shape.law = LawShape::Logged;
        assert_eq!(refused(&logged), SequenceFailure::NeedsLaw);
        assert!((DISCOUNT - 0.9).abs() < 1e-12 && values([[0.5; 2]; 2], 0) == [0.0; 2]);
    }

    #[cfg(feature = "deep")]
    mod with_a_network {
        use super::super::super::testing::{TARGET, drawn_log, estimator, one_feature, values};
        use super::super::super::{LawShape, Rows, SequenceInterval, Shape, TrajectoryBuilder, estimate};
        use super::*;
        use crate::logged::neural;
        use crate::registry::Value;

        fn quick(updates: i64) -> Box<dyn SequenceEstimator> {
            let values = Values::defaults(PARAMETERS)
                .with("updates", Value::Integer(updates))
                .with("updates_per_target", Value::Integer(40))
                .with("hidden", Value::Integers(vec![16, 12]));
            neural_values(&values, neural::network)
        }

        fn judged(estimator: &dyn SequenceEstimator, log: &Trajectories) -> super::super::super::SequenceEstimate {
            estimate(estimator, log, SequenceInterval::Student, 0.95, Seed::new(1)).unwrap()
        }

        /// The known values of two states, within 4 standard errors and 3 % of them; intervals as wide as those of the table.
        #[test]
        fn the_values_of_two_states_are_found_for_every_horizon() {
            let log = drawn_log(4_000, 10, 5);
            let endless = log.clone().asking(DISCOUNT, Horizon::Endless);
            for (log, known) in [(&log, values(TARGET, 10)[0]), (&endless, 7.623_225_81)] {
                let table = judged(estimator("fqe").as_ref(), log);
                for log in [log.clone(), one_feature(log)] {
                    let found = judged(quick(600).as_ref(), &log);
                    assert!((found.value - known).abs() < 4.0 * found.standard_error, "{found:?} {known}");
                    assert!((found.value / known - 1.0).abs() < 0.03, "{found:?} {known}");
                    let ratio = found.standard_error / table.standard_error;
                    assert!((0.9..1.1).contains(&ratio), "{found:?} {table:?}");
                }
            }
        }

        const PLACES: usize = 9;
        const STEPS: u32 = 6;

        /// Earns in the middle by action 1 and at both ends by action 0.
        fn earned(place: usize, action: usize) -> f64 {
            let is_middle = (3..6).contains(&place);
            f64::from(u8::from(is_middle == (action == 1)))
        }

        /// Action 1 goes right and action 0 left, on a ring.
        fn moved(place: usize, action: usize) -> usize {
            (place + if action == 1 { 1 } else { PLACES - 1 }) % PLACES
        }

        fn target(place: usize) -> [f64; 2] {
            if (3..6).contains(&place) { [0.1, 0.9] } else { [0.8, 0.2] }
        }

        fn truth() -> f64 {
            let mut later = [0.0; PLACES];
            for _ in 0..STEPS {
                later = std::array::from_fn(|place| {
                    let of = |action: usize| earned(place, action) + DISCOUNT * later[moved(place, action)];
                    (0..2).map(|action| target(place)[action] * of(action)).sum()
                });
            }
            later.iter().sum::<f64>() / PLACES as f64
        }

        /// Places by one number; the log goes left in seven of ten decisions.
        fn ring(units: u32) -> Trajectories {
            let shape = Shape {
                action_count: 2,
                law: LawShape::Every,
                state: StateShape::Features(1),
                discount: DISCOUNT,
                horizon: Horizon::Logged,
            };
            let mut builder = TrajectoryBuilder::new(shape, 1 << 30).unwrap();
            for unit in 0..units {
                let mut stream = Seed::new(3).stream(Purpose::Problem, unit, 0);
                let mut place = unit as usize % PLACES;
                for tick in 0..STEPS {
                    let action = usize::from(stream.uniform() >= 0.7);
                    builder
                        .push(&Rows {
                            units: &[u64::from(unit)],
                            ticks: &[tick],
                            actions: &[action as u32],
                            rewards: &[earned(place, action)],
                            propensities: &[[0.7, 0.3][action]],
                            target: &target(place),
                            states: &[],
                            features: &[place as f32 / 4.0 - 1.0],
                            terminated: &[false],
                        })
                        .unwrap();
                    place = moved(place, action);
                }
            }
            builder.finish().unwrap()
        }

        /// Rewards that rise and fall along a feature: no line through them is right, a network is.
        #[test]
        fn values_that_bend_are_found_where_lines_miss_them() {
            let log = ring(3_600);
            let straight = judged(estimator("fqe").as_ref(), &log);
            let bent = judged(quick(1_500).as_ref(), &log);
            let known = truth();
            assert!((straight.value - known).abs() > 0.3, "{straight:?} {known}");
            assert!((bent.value - known).abs() < 0.05, "{bent:?} {known}, by lines {}", straight.value);
        }

        #[test]
        fn the_same_seed_gives_the_same_bits_and_a_wild_rate_is_an_error() {
            let log = one_feature(&drawn_log(50, 4, 2));
            let [first, second] = [judged(quick(40).as_ref(), &log), judged(quick(40).as_ref(), &log)];
            assert_eq!(first.value.to_bits(), second.value.to_bits());
            assert_eq!(first.standard_error.to_bits(), second.standard_error.to_bits());
            let mut broken = log.clone();
            broken.features[7] = f32::NAN;
            let failure = quick(200).prepare(&broken).err().unwrap();
            assert!(failure.to_string().contains("no longer finite"), "{failure}");
        }
    }
}
