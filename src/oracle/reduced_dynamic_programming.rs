//! The policy that looks ahead: exact expected profit of this tick, and what later ticks gain by dynamic programming on
//! the market with few states.

use super::solution::{Problem, Solution};
use super::{OracleBuild, greatest, require_campaign, require_closed_form};
use crate::environment::campaign::Campaign;
use crate::environment::campaign::reduced::{Reduced, TRAITS};
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

/// Near exact: the grid, the types and what they leave out cost a little. The error of the grid is stated by doubling it.
pub const ENTRY: Entry<OracleBuild> = Entry {
    name: "reduced_dynamic_programming",
    summary: "looks ahead by dynamic programming on a grid of the latent state, for types of consumers",
    source: "Bellman (1957); Montoya, Netzer & Jedidi (2010) for the use in marketing",
    parameters: PARAMETERS,
    build: |values, inside| {
        let campaign = require_campaign(values, "reduced_dynamic_programming", inside)?;
        require_closed_form(values, "reduced_dynamic_programming", campaign)?;
        Ok(Box::new(LooksAhead::new(values, campaign, 0.0)?))
    },
};

/// Largest grid, counting all corners of a doubled one.
const STATES_MAX: usize = 20_000;

/// Acts on a solution.
#[derive(Debug)]
pub(super) struct LooksAhead {
    solution: Solution,
    horizon: u32,
    price: f32,
    costs: Vec<f32>,
    discretisation_gap: f64,
}

impl LooksAhead {
    /// Solves the market at a price on message cost, and once more on a grid of twice the knots.
    pub fn new(values: &Values, campaign: &Campaign, price: f64) -> Result<Self, Refusal> {
        let knots = values.integer("knots") as usize;
        let axes = axes(values, campaign)?;
        let finest = (2 * knots - 1).pow(axes.len() as u32);
        if finest > STATES_MAX {
            return Err(Refusal::new(
                values,
                "knots",
                format!("{} states with {} knots each, doubled, make {finest} points", axes.len(), 2 * knots - 1),
                format!("at most {STATES_MAX} are solved: take fewer knots, or name fewer `states`"),
            ));
        }
        let solve = |knots| Priced::new(values, campaign, &axes, knots).solve(price);
        let (solution, finer) = (solve(knots), solve(2 * knots - 1));
        // Of what messages gain at all.
        let gained = (finer.value - finer.value_of_none).abs().max(1e-9);
        let spec = campaign.spec();
        Ok(Self {
            discretisation_gap: ((solution.value - finer.value) / gained).abs(),
            // The finer of the two is the one to act on.
            solution: finer,
            horizon: spec.horizon,
            price: price as f32,
            costs: spec.actions.actions.iter().map(|action| action.cost.amount() as f32).collect(),
        })
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

/// The named states that this market has.
fn axes<'a>(values: &'a Values, campaign: &Campaign) -> Result<Vec<&'a str>, Refusal> {
    let known = campaign.latent_names();
    let is_default = !values.is_given("states");
    let mut axes = Vec::new();
    for name in values.texts("states") {
        if known.contains(&name.as_str()) {
            axes.push(name.as_str());
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
    /// Reduces the market to a grid of so many knots on each axis.
    pub fn new(values: &Values, campaign: &'a Campaign, axes: &[&str], knots: usize) -> Self {
        Self { campaign, reduced: campaign.reduce(axes, knots, values.integer("levels") as usize) }
    }

    /// The same, with the axes and knots that the file asks for.
    pub fn of_file(values: &Values, campaign: &'a Campaign) -> Result<Self, Refusal> {
        let axes = axes(values, campaign)?;
        Ok(Self::new(values, campaign, &axes, values.integer("knots") as usize))
    }

    /// The best policy at a price.
    pub fn solve(&self, price: f64) -> Solution {
        let spec = self.campaign.spec();
        Solution::new(Problem {
            reduced: &self.reduced,
            actions: &spec.actions,
            horizon: spec.horizon,
            discount: spec.discount,
            price,
        })
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
        vec![
            ("model_value", self.solution.value),
            ("model_value_of_none", self.solution.value_of_none),
            ("discretisation_gap", self.discretisation_gap),
        ]
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
