//! The best use of a shared budget: dynamic programming at the price on message cost at which the budget is spent.
//!
//! For any price mu >= 0 no policy within the budget B earns more than `g(mu) = mu B + sum_i V_i(mu)`, with V_i(mu) the
//! best value of consumer i when each unit of cost is charged mu on top (Lagrangian relaxation; Boutilier & Lu 2016 for
//! budgets over many small decision processes). The least g over mu is the dual bound. It is solved for single people, since
//! the best value of a mean person is below the mean of the best values, and stated with the standard error of sampling
//! them; it holds in the reduced market, up to the error of its grid.
//!
//! The policy looks up types of people. Its price is repaired by trial: at the dual price of the types a market of its own
//! may spend less than the budget, because the rules of the market (rationing, coupons in hand, caps) keep many from being
//! sent to whom the types would choose; so prices up to twice the dual one are tried in the market itself, and the one that
//! is expected to earn most there without overspending is taken.

mod trial;

use super::deferred::Deferred;
use super::reduced_dynamic_programming::{Grid, LooksAhead, PARAMETERS, Priced};
use super::{OracleBuild, require_campaign, require_closed_form};
use crate::environment::campaign::Campaign;
use crate::environment::campaign::reduced::Sample;
use crate::matrix::Matrix;
use crate::protocol::{Decision, Look, Observation, Policy, Views, World};
use crate::random::Seed;
use crate::registry::{Entry, Parameter, Refusal};
use crate::statistics::mean_and_variance;

/// The least dual bound, and the policy at its price.
pub const ENTRY: Entry<OracleBuild> = Entry {
    name: "budget_dual",
    summary: "spends a shared budget at the dual price of its reduced market; states the dual bound of that market",
    source: "Boutilier & Lu (2016); Lagrangian relaxation",
    parameters: &[
        PARAMETERS[0],
        PARAMETERS[1],
        PARAMETERS[2],
        Parameter::integer("bound_people", 256, 16, 2_048, "single people on whom the bound is solved"),
    ],
    build: |values, inside| {
        let campaign = require_campaign(values, "budget_dual", inside)?;
        require_closed_form(values, "budget_dual", campaign)?;
        let Some(budget) = campaign.budget() else {
            return Err(Refusal::new(
                values,
                "kind",
                "`budget_dual` needs a market with a budget",
                "add [budget] total = …, or use `reduced_dynamic_programming`",
            ));
        };
        let per_consumer = budget.amount() / f64::from(campaign.spec().consumers);
        let (grid, campaign) = (Grid::of_file(values, campaign)?, campaign.clone());
        let people = values.integer("bound_people") as usize;
        let solve = move || Box::new(BudgetDual::new(&grid, &campaign, per_consumer, people)) as Box<dyn Policy>;
        Ok(Box::new(Deferred::new(Some(Look::State), solve)))
    },
};

/// Steps of the search for the price; each cuts the interval to .62.
const STEPS: usize = 16;
/// Price beyond which nobody would send anything.
const PRICE_MAX: f64 = 200.0;

#[derive(Debug)]
struct BudgetDual {
    policy: LooksAhead,
    /// Of the types, before and after its repair.
    dual_price: f64,
    price: f64,
    bound: Bound,
}

/// The dual bound of single people.
#[derive(Clone, Copy, Debug)]
struct Bound {
    /// Over what the same people are worth without messages; their worth itself varies too much to be compared.
    gain: f64,
    /// Of the gain, by sampling people.
    gain_standard_error: f64,
}

impl Bound {
    fn new(grid: &Grid, campaign: &Campaign, budget_per_consumer: f64, count: usize) -> Self {
        let people = Priced::new(campaign, grid, Sample::People { count });
        let (price, value) = least_bound(budget_per_consumer, |price| people.value(price).value);
        let solution = people.value(price);
        let (_, variance) = mean_and_variance(&solution.gained);
        Self {
            gain: value - solution.value_of_none,
            gain_standard_error: (variance / solution.gained.len().max(1) as f64).sqrt(),
        }
    }
}

impl BudgetDual {
    fn new(grid: &Grid, campaign: &Campaign, budget_per_consumer: f64, bound_people: usize) -> Self {
        let types = Priced::new(campaign, grid, grid.types());
        let (dual_price, _) = least_bound(budget_per_consumer, |price| types.value(price).value);
        let bound = Bound::new(grid, campaign, budget_per_consumer, bound_people);
        let price = trial::best_price(dual_price, |price| {
            trial::live(campaign, &LooksAhead::new(grid, campaign, price), budget_per_consumer)
        });
        Self { policy: LooksAhead::new(grid, campaign, price), dual_price, price, bound }
    }
}

/// The price at which `price * budget + value(price)` is least, and that bound: a golden-section search on the scale
/// ln(1 + price), along which the bound has one valley. A budget that does not bind has the price 0.
fn least_bound(budget: f64, value: impl Fn(f64) -> f64) -> (f64, f64) {
    let bound = |scaled: f64| {
        let price = libm::expm1(scaled);
        price * budget + value(price)
    };
    let ratio = 0.5 * (5.0_f64.sqrt() - 1.0);
    let (mut low, mut high) = (0.0, libm::log1p(PRICE_MAX));
    let (mut left, mut right) = (high - ratio * (high - low), low + ratio * (high - low));
    let (mut at_left, mut at_right) = (bound(left), bound(right));
    for _ in 0..STEPS {
        if at_left <= at_right {
            (high, right, at_right) = (right, left, at_left);
            left = high - ratio * (high - low);
            at_left = bound(left);
        } else {
            (low, left, at_left) = (left, right, at_right);
            right = low + ratio * (high - low);
            at_right = bound(right);
        }
    }
    let middle = 0.5 * (low + high);
    let (at_middle, free) = (bound(middle), bound(0.0));
    if free <= at_middle { (0.0, free) } else { (libm::expm1(middle), at_middle) }
}

impl Policy for BudgetDual {
    fn views(&self) -> Views {
        self.policy.views()
    }

    fn looks_inside(&self) -> Option<Look<'_>> {
        self.policy.looks_inside()
    }

    fn facts(&self) -> Vec<(&'static str, f64)> {
        let mut facts = self.policy.facts();
        facts.push(("price", self.price));
        facts.push(("dual_price", self.dual_price));
        facts.push(("dual_bound_gain", self.bound.gain));
        facts.push(("dual_bound_gain_standard_error", self.bound.gain_standard_error));
        facts
    }

    fn probabilities(&self, observation: &Observation, seed: Seed, probabilities: &mut Matrix) {
        self.policy.probabilities(observation, seed, probabilities);
    }

    fn decide(&self, observation: &Observation, seed: Seed, decision: &mut Decision) {
        self.policy.decide(observation, seed, decision);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cost and value of each choice of three items; one choice each.
    const ITEMS: [&[(f64, f64)]; 3] = [
        &[(0.0, 0.0), (1.0, 5.0), (2.0, 6.0)],
        &[(0.0, 0.0), (1.0, 4.0), (2.0, 7.0)],
        &[(0.0, 0.0), (1.0, 2.0), (2.0, 3.0)],
    ];

    fn value(price: f64) -> f64 {
        let best =
            |item: &&[(f64, f64)]| item.iter().map(|(cost, value)| value - price * cost).fold(f64::MIN, f64::max);
        ITEMS.iter().map(best).sum()
    }

    #[test]
    fn the_bound_of_a_small_knapsack_is_tight() {
        // With 3 to spend, 1 on the first and 2 on the second earn 12; g(2) = g(3) = 12.
        let (price, bound) = least_bound(3.0, value);
        assert!((bound - 12.0).abs() < 1e-9 && (2.0..=3.0).contains(&price), "{price} {bound}");
        let feasible = (0..27).map(|choice| [choice % 3, choice / 3 % 3, choice / 9]).filter_map(|choice| {
            let chosen = ITEMS.iter().zip(choice).map(|(item, index)| item[index]);
            let (cost, value) = chosen.fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
            (cost <= 3.0).then_some(value)
        });
        assert_eq!(feasible.fold(f64::MIN, f64::max), 12.0);
    }

    #[test]
    fn a_budget_that_does_not_bind_is_free() {
        let (price, bound) = least_bound(6.0, value);
        assert_eq!((price, bound), (0.0, 16.0));
    }
}
