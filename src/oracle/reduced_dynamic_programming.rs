//! The policy that looks ahead: exact expected profit of this tick, and what later ticks gain by dynamic programming on
//! the market with few states.

use super::deferred::Deferred;
use super::solution::{Problem, Solution, checkpoints};
use super::{OracleBuild, greatest, require_campaign, require_closed_form};
use crate::environment::campaign::Campaign;
use crate::environment::campaign::reduced::{Reduced, Sample, TRAITS};
use crate::matrix::Matrix;
use crate::protocol::{Decision, Look, Observation, Policy, Views, World};
use crate::random::Seed;
use crate::registry::{Entry, Kind, Parameter, Refusal, Values};

/// States of the grid where the file names none: those that carry a message's effect on.
const STATES: &[&str] = &["fatigue", "activation", "goodwill", "satisfaction"];

pub(super) const PARAMETERS: &[Parameter] = &[
    Parameter::integer("knots", 5, 2, 33, "knots on each axis of the grid"),
    Parameter::integer("levels", 3, 1, 8, "levels of order rate, persuadability and price elasticity"),
    Parameter::of(
        "states",
        Kind::Texts { default: Some(STATES) },
        "what carries the past on in the grid; states of modules that are off are left out",
    ),
];

/// What the grid, the types (each a mean person) and all that they leave out cost is not known in general; the error of the
/// grid alone is stated by doubling its knots, as a share of what messages gain.
pub const ENTRY: Entry<OracleBuild> = Entry {
    name: "reduced_dynamic_programming",
    summary: "looks ahead by dynamic programming on a grid of the latent state, for types of consumers",
    source: "Bellman (1957); Montoya, Netzer & Jedidi (2010) for the use in marketing",
    parameters: PARAMETERS,
    build: |values, inside| {
        let campaign = require_campaign(values, "reduced_dynamic_programming", inside)?;
        require_closed_form(values, "reduced_dynamic_programming", campaign)?;
        let (grid, campaign) = (Grid::of_file(values, campaign)?, campaign.clone());
        Ok(Box::new(Deferred::new(Some(Look::State), move || Box::new(LooksAhead::new(&grid, &campaign, 0.0)))))
    },
};

/// Largest grid, counting all corners of a doubled one.
const STATES_MAX: usize = 20_000;
/// Most memory of what later ticks gain, by type, action, point and ticks to go.
const KEPT_BYTES_MAX: usize = 4_000_000_000;

/// Share of the whole value below which a gain is nothing that an error could be a share of.
const GAIN_MIN: f64 = 1e-6;

/// Acts on a solution.
#[derive(Debug)]
pub(super) struct LooksAhead {
    solution: Solution,
    horizon: u32,
    price: f32,
    costs: Vec<f32>,
    /// Absent where messages gain nothing to compare with.
    discretisation_gap: Option<f64>,
}

impl LooksAhead {
    /// Solves the market at a price on message cost, and once more on a grid of twice the knots.
    pub fn new(grid: &Grid, campaign: &Campaign, price: f64) -> Self {
        let solve = |knots| Priced::new(campaign, &Grid { knots, ..grid.clone() }, grid.types()).solve(price);
        let (solution, finer) = (solve(grid.knots), solve(grid.doubled()));
        // Of what messages gain at all.
        let gained = finer.value - finer.value_of_none;
        let is_something = gained > GAIN_MIN * finer.value.abs().max(1.0);
        let spec = campaign.spec();
        Self {
            discretisation_gap: is_something.then(|| ((solution.value - finer.value) / gained).abs()),
            // The finer of the two is the one to act on.
            solution: finer,
            horizon: spec.horizon,
            price: price as f32,
            costs: spec.actions.actions.iter().map(|action| action.cost.amount() as f32).collect(),
        }
    }

    /// Scores of every action of every row.
    fn scores(&self, observation: &Observation) -> Matrix {
        let latent = &observation.latent;
        let mut scores = Matrix::default();
        scores.reset(observation.rows(), self.costs.len());
        let to_go = self.horizon.saturating_sub(observation.tick + 1);
        let mut gains = Vec::new();
        for row in 0..observation.rows() {
            self.solution.gains(&latent.values, row, to_go, &mut gains);
            for (action, (gain, cost)) in gains.iter().zip(&self.costs).enumerate() {
                scores.set(row, action, latent.expected.get(row, action) + gain - self.price * cost);
            }
        }
        scores
    }
}

/// What a file asks of the reduced market, checked.
#[derive(Clone, Debug)]
pub(super) struct Grid {
    axes: Vec<String>,
    knots: usize,
    levels: usize,
}

impl Grid {
    /// Checks that the market has the states that the file names, and that they can be solved.
    pub fn of_file(values: &Values, campaign: &Campaign) -> Result<Self, Refusal> {
        let [knots, levels] = ["knots", "levels"].map(|key| values.integer(key) as usize);
        let grid = Self { axes: axes(values, campaign)?, knots, levels };
        let finest = grid.doubled().checked_pow(grid.axes.len() as u32).unwrap_or(usize::MAX);
        if finest > STATES_MAX {
            return Err(Refusal::new(
                values,
                "knots",
                format!("{} states with {} knots each, doubled, make {finest} points", grid.axes.len(), grid.doubled()),
                format!("at most {STATES_MAX} are solved: take fewer knots, or name fewer `states`"),
            ));
        }
        let actions = campaign.spec().actions.len();
        let kept = finest * levels.pow(3) * actions * checkpoints(campaign.spec().horizon).len() * size_of::<f32>();
        if kept > KEPT_BYTES_MAX {
            return Err(Refusal::new(
                values,
                "levels",
                format!(
                    "{finest} points for {} types and {actions} actions take {:.1} GB",
                    levels.pow(3),
                    kept as f64 / 1e9
                ),
                format!("at most {:.0} GB are kept: take fewer knots or levels", KEPT_BYTES_MAX as f64 / 1e9),
            ));
        }
        Ok(grid)
    }

    /// Types of people, as the file asks.
    pub fn types(&self) -> Sample {
        Sample::Types { levels: self.levels }
    }

    fn doubled(&self) -> usize {
        2 * self.knots - 1
    }
}

/// The named states that this market has.
fn axes(values: &Values, campaign: &Campaign) -> Result<Vec<String>, Refusal> {
    let known = campaign.latent_names();
    let is_default = !values.is_given("states");
    let mut axes: Vec<String> = Vec::new();
    for name in values.texts("states") {
        if axes.contains(name) {
            let message = format!("`{name}` stands there twice");
            return Err(Refusal::new(values, "states", message, "an axis of the grid is named once"));
        }
        if known[TRAITS.len()..].contains(&name.as_str()) {
            axes.push(name.clone());
        } else if !is_default {
            return Err(Refusal::new(
                values,
                "states",
                format!("no module that is on carries a state `{name}`"),
                format!("this market has {}", known[TRAITS.len()..].join(", ")),
            ));
        }
    }
    Ok(axes)
}

/// The reduced market, to be solved at any price on message cost.
pub(super) struct Priced<'a> {
    campaign: &'a Campaign,
    reduced: Reduced,
}

impl<'a> Priced<'a> {
    /// Reduces the market.
    pub fn new(campaign: &'a Campaign, grid: &Grid, sample: Sample) -> Self {
        let axes: Vec<&str> = grid.axes.iter().map(String::as_str).collect();
        Self { campaign, reduced: campaign.reduce(&axes, grid.knots, sample) }
    }

    /// The best policy at a price.
    pub fn solve(&self, price: f64) -> Solution {
        Solution::new(self.problem(price))
    }

    /// What the best policy at a price is worth.
    pub fn value(&self, price: f64) -> Solution {
        Solution::values_only(self.problem(price))
    }

    fn problem(&self, price: f64) -> Problem<'_> {
        let spec = self.campaign.spec();
        Problem {
            reduced: &self.reduced,
            actions: &spec.actions,
            horizon: spec.horizon,
            discount: spec.discount,
            price,
        }
    }
}

impl Policy for LooksAhead {
    fn views(&self) -> Views {
        Views::default()
    }

    fn looks_inside(&self) -> Option<Look<'_>> {
        Some(Look::State)
    }

    fn facts(&self) -> Vec<(&'static str, f64)> {
        let mut facts =
            vec![("model_value", self.solution.value), ("model_value_of_none", self.solution.value_of_none)];
        facts.extend(self.discretisation_gap.map(|gap| ("discretisation_gap", gap)));
        facts
    }

    fn probabilities(&self, observation: &Observation, _seed: Seed, probabilities: &mut Matrix) {
        let scores = self.scores(observation);
        greatest::write(observation, probabilities, |row, action| scores.get(row, action));
    }

    fn decide(&self, observation: &Observation, _seed: Seed, decision: &mut Decision) {
        let scores = self.scores(observation);
        greatest::decide(observation, decision, |row, action| scores.get(row, action));
    }
}
