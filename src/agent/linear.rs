//! The linear models that the contextual bandits share: what a row and an action are worth, and how surely.
//!
//! Three forms, chosen by the parameter `model`. All score an action by adding parts, each a Bayesian linear model:
//!
//! * `disjoint`: one ridge model per action on `x` (Li, Chu, Langford & Schapire, *A contextual-bandit approach to
//!   personalized news article recommendation*, WWW 2010, algorithm 1, LinUCB with disjoint linear models);
//! * `shared`: one ridge model of all actions on `[x, send, send * x, one-hots of the action's levels]`
//!   (Chu, Li, Reyzin & Schapire, *Contextual bandits with linear payoff functions*, AISTATS 2011);
//! * `factored`: `score(a) = base . x + sum over factors of weights(level) . x`; the base and each level of each factor
//!   have a ridge model of their own (a generalised additive model with a Gaussian mean-field posterior);
//! * `auto`: disjoint for at most 32 actions, else factored.
//!
//! `x` is the observed features behind a constant 1 (`intercept = true`).
//!
//! Differences from the sources:
//! 1. `shared` has `send` and `send * x` beside the levels in place of free action features, so that what contact does may
//!    depend on the consumer while channels, hours, offers and creatives shift it by a constant each.
//! 2. `factored` learns a row in one sweep over the parts of its action, each taking what the others leave unexplained;
//!    parts are not iterated to convergence. The posterior has no covariance between parts, so that two levels that are
//!    always sent together look surer than they are.
//! 3. Nothing is forgotten, unless an agent says so ([`Model::forget`]); a market that drifts is followed ever more slowly.
//!
//! A feature or a reward that is not finite, or beyond 1e12 in size, is refused before anything is learned: within these
//! bounds no later quantity can overflow, because ridge weights are at most `|rewards| / (2 sqrt(ridge))` long.
//!
//! Up to 512 actions and 64 parts, deciding and learning allocate nothing.

mod bank;
pub mod blind;
mod joint;
mod law;
mod learner;
pub mod normal;
mod parts;
mod ridge;
pub mod room;
mod sampling;
#[cfg(test)]
pub mod testing;
#[cfg(test)]
mod tests;

pub use law::{Law, Row, argmax, mix_uniform};
pub use learner::Learner;
pub use ridge::Link;
pub use sampling::Address;

use crate::matrix::Matrix;
use crate::protocol::{Spec, Transitions};
use crate::random::LANES;
use crate::registry::{Parameter, Range, Refusal, Tuning, Values};
use bank::{Bank, GROUP};
use joint::Joint;
use parts::Parts;
use ridge::{Ridge, Workspace};
use room::Room;
use serde::{Deserialize, Serialize};

/// The form of the model.
pub const MODEL: Parameter = Parameter::choice(
    "model",
    "auto",
    &["auto", "disjoint", "shared", "factored"],
    "how actions share what is learned; auto: disjoint for at most 32 actions, else factored",
)
.tuned(Tuning::Choice(&["auto", "shared", "factored"]));

/// The form of the model, or none: what each action earned on average.
pub const MODEL_OR_MEAN: Parameter = Parameter::choice(
    "model",
    "auto",
    &["auto", "disjoint", "shared", "factored", "mean"],
    "how actions share what is learned; mean: no features, sum of rewards / (times taken + ridge)",
)
.tuned(Tuning::Choice(&["auto", "shared", "factored", "mean"]));

/// The prior precision of every weight.
pub const RIDGE: Parameter =
    Parameter::number("ridge", 1.0, Range::closed(1e-6, 1e9), "prior precision of every weight; Li et al. 2010 take 1")
        .tuned(Tuning::LogUniform { low: 0.01, high: 1000.0 });

/// Whether a constant stands before the features.
pub const INTERCEPT: Parameter =
    Parameter::boolean("intercept", true, "whether a constant 1 is put before the observed features");

/// Most actions for which `auto` gives each a model of its own.
const DISJOINT_ACTIONS_MAX: usize = 32;
/// Most `f64` values of all factors together: 1 GiB.
const VALUES_MAX: usize = 1 << 27;
/// Largest size of a feature or reward that is learned from.
const SIZE_MAX: f32 = 1e12;

/// Scores of 512 actions before scratch leaves the stack.
pub type ActionRoom = Room<[f32; LANES], 32>;
/// Scores of 64 parts for a group of rows before scratch leaves the stack.
type PartRoom = Room<[f32; LANES], 16>;
/// A group of rows of 64 features, or one of 256, before scratch leaves the stack.
type FeatureRoom = Room<f32, 256>;

/// Scores of all actions, learned from rewards.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(into = "Record", try_from = "Record")]
pub struct Model {
    /// Observed features that are read.
    features: usize,
    /// Columns of them that are left out, as if they were 0.
    unread: Vec<usize>,
    intercept: bool,
    parts: Parts,
    form: Form,
    workspace: Workspace,
}

#[derive(Clone, Debug)]
enum Form {
    /// A ridge model for each part.
    Bank(Bank),
    /// One ridge model for all parts.
    Joint(Joint),
}

/// What is written of a model.
#[derive(Serialize, Deserialize)]
struct Record {
    features: usize,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    unread: Vec<usize>,
    intercept: bool,
    parts: Parts,
    joint: bool,
    models: Vec<Ridge>,
}

impl From<Model> for Record {
    fn from(model: Model) -> Self {
        let Model { features, unread, intercept, parts, form, .. } = model;
        let (joint, models) = match form {
            Form::Bank(bank) => (false, bank.models().to_vec()),
            Form::Joint(joint) => (true, vec![joint.model().clone()]),
        };
        Self { features, unread, intercept, parts, joint, models }
    }
}

impl TryFrom<Record> for Model {
    type Error = String;

    fn try_from(record: Record) -> Result<Self, String> {
        let Record { features, unread, intercept, parts, joint, models } = record;
        if let Some(column) = unread.iter().find(|column| **column >= features) {
            return Err(format!("column {column} is not among the {features} features"));
        }
        let width = features + usize::from(intercept);
        let (count, dimension) = if joint { (1, 2 * width + parts.count().max(2) - 2) } else { (parts.count(), width) };
        if models.len() != count || models.iter().any(|model| model.dimension() != dimension) {
            return Err(format!("{} models do not fit: {count} of {dimension} weights are needed", models.len()));
        }
        if joint && !(0..parts.actions()).all(|action| parts.is_contact_or_empty(action)) {
            return Err("an action of a shared model does not begin with the part for contact".into());
        }
        let form = match (joint, <[Ridge; 1]>::try_from(models)) {
            (true, Ok([model])) if parts.count() >= 2 => Form::Joint(Joint::from_model(model, width, &parts)),
            (true, _) => return Err("a shared model needs a part for contact".into()),
            (false, models) => Form::Bank(Bank::from_models(models.map_or_else(|models| models, Vec::from))),
        };
        Ok(Self { features, unread, intercept, parts, form, workspace: Workspace::default() })
    }
}

/// Scratch of one call, for a model.
#[derive(Debug)]
pub struct Scratch {
    /// Rows that are read and scored together: 1, or [`GROUP`] where the call has that many.
    group: usize,
    /// The features of a group, row after row, each with its intercept.
    x: FeatureRoom,
    /// Which row of the group is open.
    open: usize,
    /// Whether `means` and `variances` of the parts are those of the group.
    is_scored: bool,
    means: PartRoom,
    variances: PartRoom,
}

impl Model {
    /// The model that `model`, `ridge`, `intercept` and, where an agent has it, `blind_to` ask for; it has learned nothing.
    ///
    /// # Errors
    /// Where its factors would take more than 1 GiB, or a feature to be blind to is not there.
    pub fn create(values: &Values, spec: &Spec) -> Result<Self, Refusal> {
        let actions = spec.actions.len();
        let form = match values.text("model") {
            "auto" if actions <= DISJOINT_ACTIONS_MAX => "disjoint",
            "auto" => "factored",
            form => form,
        };
        let (features, intercept) =
            if form == "mean" { (0, true) } else { (spec.features.len(), values.boolean("intercept")) };
        let parts = match form {
            "factored" => Parts::of_levels(&spec.actions, 0),
            "shared" => Parts::of_levels(&spec.actions, 1),
            _ => Parts::one_each(actions),
        };
        let (width, ridge) = (features + usize::from(intercept), values.number("ridge"));
        let (count, dimension) =
            if form == "shared" { (1, 2 * width + parts.count() - 2) } else { (parts.count(), width) };
        if count.saturating_mul(dimension).saturating_mul(dimension) > VALUES_MAX {
            return Err(Refusal::new(
                values,
                "model",
                format!(
                    "the {form} model of {features} features and {actions} actions needs {count} matrices of {dimension} x {dimension}, more than 1 GiB"
                ),
                "choose model = \"factored\", or fewer features or actions",
            ));
        }
        let form = if form == "shared" {
            Form::Joint(Joint::new(width, &parts, ridge))
        } else {
            Form::Bank(Bank::new(parts.count(), width, ridge))
        };
        let unread = if features > 0 { blind::unread_columns(values, spec)? } else { Vec::new() };
        Ok(Self { features, unread, intercept, parts, form, workspace: Workspace::default() })
    }

    /// Number of actions.
    pub fn actions(&self) -> usize {
        self.parts.actions()
    }

    /// Number of features that rows have.
    #[cfg(feature = "deep")]
    pub fn features(&self) -> usize {
        self.features
    }

    /// Whether it reads the features of consumers.
    pub fn reads_features(&self) -> bool {
        self.features > 0
    }

    /// Scratch for a call of `rows` rows.
    pub fn scratch(&self, rows: usize) -> Scratch {
        let group = if rows >= GROUP && matches!(self.form, Form::Bank(_)) { GROUP } else { 1 };
        let blocks = group * self.parts.count().div_ceil(LANES);
        Scratch {
            group,
            x: Room::new(0.0, group * self.width()),
            open: 0,
            is_scored: false,
            means: Room::new([0.0; LANES], blocks),
            variances: Room::new([0.0; LANES], blocks),
        }
    }

    /// Room for a score per action.
    pub fn action_room(&self) -> ActionRoom {
        Room::new([0.0; LANES], self.actions().div_ceil(LANES))
    }

    fn width(&self) -> usize {
        self.features + usize::from(self.intercept)
    }

    /// Reads the features of a row, the intercept before them.
    fn read(&self, features: &Matrix, row: usize, x: &mut [f32]) {
        if self.intercept {
            x[0] = 1.0;
        }
        if self.features > 0 {
            let x = &mut x[usize::from(self.intercept)..];
            features.copy_row(row, x);
            self.unread.iter().for_each(|column| x[*column] = 0.0);
        }
    }

    /// Reads a row into the scratch, for what is asked next. Rows are opened in order, from 0.
    #[inline]
    pub fn open_row(&self, features: &Matrix, row: usize, rows: usize, scratch: &mut Scratch) {
        let width = self.width();
        scratch.open = row % scratch.group;
        if scratch.open == 0 {
            scratch.is_scored = false;
            for (index, x) in scratch.x.chunks_exact_mut(width.max(1)).enumerate() {
                // Beyond the last row it stands again, so that a group is always whole.
                self.read(features, (row + index).min(rows - 1), x);
            }
        }
    }

    /// The features of the open row.
    fn x<'a>(&self, scratch: &'a Scratch) -> &'a [f32] {
        &scratch.x[scratch.open * self.width()..][..self.width()]
    }

    /// Means and variances of the parts of the open row, scored with its group.
    fn score_parts<'a>(&self, bank: &Bank, scratch: &'a mut Scratch) -> (&'a [[f32; LANES]], &'a [[f32; LANES]]) {
        let Scratch { x, means, variances, .. } = scratch;
        if !std::mem::replace(&mut scratch.is_scored, true) {
            bank.means_and_variances(x, means, variances);
        }
        let blocks = self.parts.count().div_ceil(LANES);
        let range = scratch.open * blocks..(scratch.open + 1) * blocks;
        (&means[range.clone()], &variances[range])
    }

    /// Expected rewards of all actions for the open row.
    pub fn means(&self, scratch: &mut Scratch, means: &mut [[f32; LANES]]) {
        let mut parts = PartRoom::new([0.0; LANES], self.parts.count().div_ceil(LANES));
        match &self.form {
            Form::Bank(bank) if !self.parts.has_base() => {
                bank.means(self.x(scratch), means);
                return;
            }
            Form::Bank(bank) => bank.means(self.x(scratch), &mut parts),
            Form::Joint(joint) => joint.means(self.x(scratch), &mut parts.as_flattened_mut()[..self.parts.count()]),
        }
        self.parts.sum(parts.as_flattened(), means.as_flattened_mut());
    }

    /// Expected rewards of all actions for the open row, plus `alpha` posterior standard deviations.
    pub fn upper_bounds(&self, scratch: &mut Scratch, alpha: f32, bounds: &mut [[f32; LANES]]) {
        match &self.form {
            Form::Bank(bank) => {
                let (part_means, part_variances) = self.score_parts(bank, scratch);
                if !self.parts.has_base() {
                    raise(part_means, part_variances, alpha, bounds);
                    return;
                }
                let mut variances = self.action_room();
                let mut means = self.action_room();
                self.parts.sum(part_means.as_flattened(), means.as_flattened_mut());
                self.parts.sum(part_variances.as_flattened(), variances.as_flattened_mut());
                raise(&means, &variances, alpha, bounds);
            }
            Form::Joint(joint) => {
                let mut variances = self.action_room();
                let mut means = self.action_room();
                self.means(scratch, &mut means);
                let actions = ..self.actions();
                let row = joint.row(self.x(scratch));
                joint.variances(&row, &self.parts, &mut variances.as_flattened_mut()[actions]);
                raise(&means, &variances, alpha, bounds);
            }
        }
    }

    /// Forgets all that was learned; `ridge` is the prior precision that it begins with again.
    #[cfg(feature = "deep")]
    pub fn reset(&mut self, ridge: f64) {
        self.form = match self.form {
            Form::Bank(_) => Form::Bank(Bank::new(self.parts.count(), self.width(), ridge)),
            Form::Joint(_) => Form::Joint(Joint::new(self.width(), &self.parts, ridge)),
        };
    }

    /// Lets what was learned count for this share from now on: the sums of `x x'` and of `reward x` are multiplied by it,
    /// while `ridge` stands. Decisions see it after the next [`Model::learn`].
    pub fn forget(&mut self, share: f64, ridge: f64) {
        match &mut self.form {
            Form::Bank(bank) => bank.forget(share, ridge, &mut self.workspace),
            Form::Joint(joint) => joint.forget(share, ridge, &mut self.workspace),
        }
    }

    /// Which quantity of a batch cannot be learned from, if any.
    pub fn fault(&self, batch: &Transitions<'_>) -> Option<&'static str> {
        let sound = |value: f32| value.abs() <= SIZE_MAX;
        if !batch.rewards.iter().all(|reward| sound(*reward)) {
            return Some("a reward");
        }
        let features = &batch.observation.features;
        let rows = 0..batch.rewards.len();
        let all_sound = self.features == 0
            || rows.into_iter().all(|row| {
                let lane = row % LANES;
                features.block(row / LANES).iter().all(|lanes| sound(lanes[lane]))
            });
        (!all_sound).then_some("a feature")
    }

    /// Learns matured rows that have no [`Model::fault`]; `target` is made of the reward.
    pub fn learn(&mut self, batch: &Transitions<'_>, link: Link, target: impl Fn(f32) -> f64) {
        let mut x = FeatureRoom::new(0.0, self.width());
        for (row, (&action, &reward)) in batch.actions.iter().zip(batch.rewards).enumerate() {
            self.read(&batch.observation.features, row, &mut x);
            let (action, target) = (usize::from(action), target(reward));
            match &mut self.form {
                Form::Joint(joint) => joint.update(&x, self.parts.of(action), &mut self.workspace, link, target),
                Form::Bank(bank) => {
                    self.workspace.clear(x.len());
                    for (wide, value) in self.workspace.features.as_flattened_mut().iter_mut().zip(x.iter()) {
                        *wide = f64::from(*value);
                    }
                    if self.parts.has_base() {
                        bank.update_sum(self.parts.with_base(action), &mut self.workspace, link, target);
                    } else {
                        bank.update(action, &mut self.workspace, link, 0.0, target);
                    }
                }
            }
        }
        match &mut self.form {
            Form::Bank(bank) => bank.publish(),
            Form::Joint(joint) => joint.publish(&self.parts),
        }
    }
}

/// `bounds = means + alpha * sqrt(variances)`.
#[multiversion::multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
fn raise(means: &[[f32; LANES]], variances: &[[f32; LANES]], alpha: f32, bounds: &mut [[f32; LANES]]) {
    let bounds = bounds.as_flattened_mut().iter_mut();
    for ((bound, mean), variance) in bounds.zip(means.as_flattened()).zip(variances.as_flattened()) {
        *bound = mean + alpha * variance.sqrt();
    }
}
