//! Spending at an even pace: the best upper bound of a linear reward less a price on what the action costs.
//!
//! A budget shared by all consumers is a constraint; its Lagrangian dual puts a price μ on every unit of currency spent,
//! and each row takes `argmax over allowed a of bound_a(x) - μ cost_a`. The price is learned by what is spent, tick by tick:
//! `μ <- max(0, μ + price_rate (spent / planned - 1))`. Balseiro & Gur 2019, *Learning in repeated auctions with budgets:
//! regret minimization and equilibrium*, section 3 (adaptive pacing); Agrawal & Devanur 2014, *Bandits with concave rewards
//! and convex knapsacks*, section 4 (dual prices over optimistic estimates of a bandit).
//!
//! What is planned for a tick: `budget` / horizon, in currency; or, where `budget` is absent and the market shows
//! `budget_left_share` and `time_left_share`, what is left of the budget divided by the ticks that are left. With neither
//! the price stays what it is.
//!
//! A frozen policy goes on with the price that it has learned. Where both shares are shown, the price of a row is
//! `μ (time_left_share / budget_left_share) ^ pacing`, the ratio held within 1/4 and 4: whoever has money left over
//! spends faster.
//!
//! Differences from the sources:
//! 1. Overspending is relative to the plan and counts at most 1, so that `price_rate` does not depend on the currency and
//!    the size of the market, and one dear tick does not raise the price for a hundred cheap ones.
//! 2. Costs are the declared costs of sending. What a coupon costs stands in the reward, which is profit.
//! 3. Bounds are those of [`super::lin_ucb`]; `alpha = 0` makes it greedy. The market's own mask, not the price, guards
//!    the budget in the end.
//! 4. A tick's spending is known when its rewards have matured, and moves the price when the first of the next tick have.

use super::lin_ucb::{ALPHA, EPSILON};
use super::linear::{INTERCEPT, Law, Learner, MODEL, Model, RIDGE, Row, mix_uniform};
use super::{AgentBuild, linear};
use crate::protocol::{Agent, Metrics, Observation, Spec, Transitions};
use crate::registry::{Entry, Parameter, Range, Refusal, Tuning, Values};
use crate::units::Money;
use serde::{Deserialize, Serialize};

/// `kind = "budget_paced"`.
pub const ENTRY: Entry<AgentBuild> = Entry {
    name: BudgetPaced::NAME,
    summary: "upper confidence bound of a linear reward less a learned price on costs, so that a budget lasts",
    source: "Balseiro & Gur 2019; Agrawal & Devanur 2014",
    parameters: &[
        Parameter::optional_number(
            "budget",
            Range::POSITIVE,
            "what may be spent on sending over the horizon, by all consumers together (currency); absent: as the \
             features budget_left_share and time_left_share tell",
        ),
        Parameter::number("price", 0.0, Range::NON_NEGATIVE, "price of a unit of cost before the first tick (reward)"),
        Parameter::number(
            "price_rate",
            0.1,
            Range::POSITIVE,
            "change of the price after a tick that spends twice its plan",
        )
        .tuned(Tuning::LogUniform { low: 0.01, high: 1.0 }),
        Parameter::number(
            "pacing",
            1.0,
            Range::NON_NEGATIVE,
            "power of time left / budget left by which the price is scaled",
        )
        .tuned(Tuning::Uniform { low: 0.0, high: 2.0 }),
        ALPHA,
        MODEL,
        RIDGE,
        INTERCEPT,
        EPSILON,
    ],
    build: AgentBuild { create, load: linear::Learner::<BudgetPaced>::load },
};

/// Beyond this no action with a cost is ever taken.
const PRICE_MAX: f64 = 1e12;

/// A share that the market shows, standardised.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Share {
    column: usize,
    mean: f32,
    scale: f32,
}

impl Share {
    /// The feature of this name, where the market shows it.
    pub(super) fn find(name: &str, spec: &Spec) -> Option<Self> {
        let column = spec.features.iter().position(|feature| feature.name == name && !feature.log)?;
        let feature = &spec.features[column];
        Some(Self { column, mean: feature.mean, scale: feature.scale })
    }

    /// What a row is shown, raw.
    #[inline]
    pub(super) fn of(&self, observation: &Observation, row: usize) -> f32 {
        observation.features.get(row, self.column) * self.scale + self.mean
    }
}

/// What is left, as the market shows it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Left {
    budget: Share,
    time: Share,
}

/// A tick that is still being learned from.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct OpenTick {
    tick: u32,
    spent_micros: i64,
    /// Shares of the budget and of the time that were left when it began.
    left: Option<(f64, f64)>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct BudgetPaced {
    alpha: f32,
    epsilon: f32,
    /// Currency per action.
    costs: Vec<f32>,
    /// The same in micro-units, so that what is spent does not depend on the order of rows.
    costs_micros: Vec<i64>,
    horizon: u32,
    /// Currency per tick, where the file gives a budget.
    planned: Option<f64>,
    left: Option<Left>,
    pacing: f32,
    price: f64,
    price_rate: f64,
    open: Option<OpenTick>,
}

fn create(values: &Values, spec: &Spec) -> Result<Box<dyn Agent>, Refusal> {
    Ok(Box::new(Learner::new(BudgetPaced::new(values, spec), Model::create(values, spec)?)))
}

impl BudgetPaced {
    fn new(values: &Values, spec: &Spec) -> Self {
        let budget = Share::find("budget_left_share", spec);
        let left = budget.zip(Share::find("time_left_share", spec)).map(|(budget, time)| Left { budget, time });
        Self {
            alpha: values.number("alpha") as f32,
            epsilon: values.number("epsilon") as f32,
            costs: spec.actions.actions.iter().map(|action| action.cost.amount() as f32).collect(),
            costs_micros: spec.actions.actions.iter().map(|action| action.cost.micros()).collect(),
            horizon: spec.horizon.max(1),
            planned: values.optional_number("budget").map(|budget| budget / f64::from(spec.horizon.max(1))),
            left,
            pacing: values.number("pacing") as f32,
            price: values.number("price").min(PRICE_MAX),
            price_rate: values.number("price_rate"),
            open: None,
        }
    }

    /// Moves the price by what a finished tick spent of its plan; `now` is what is left at the next tick.
    fn close(&mut self, done: OpenTick, next_tick: u32, now: Option<(f64, f64)>) {
        let spent_of_plan = match (self.planned, done.left, now) {
            (Some(planned), ..) => Some(Money::from_micros(done.spent_micros).amount() / planned),
            // A market that starts again has another budget.
            (None, Some((budget, time)), Some((budget_now, _))) if next_tick > done.tick => {
                let elapsed = f64::from(next_tick - done.tick);
                let planned = budget * elapsed / (time * f64::from(self.horizon)).max(elapsed);
                (planned > 0.0).then(|| (budget - budget_now) / planned)
            }
            _ => None,
        };
        if let Some(ratio) = spent_of_plan {
            let overspent = (ratio - 1.0).clamp(-1.0, 1.0);
            self.price = (self.price + self.price_rate * overspent).clamp(0.0, PRICE_MAX);
        }
    }

    /// The price that a row sees.
    fn price_of(&self, observation: &Observation, row: usize) -> f32 {
        let price = self.price as f32;
        let Some(left) = self.left.filter(|_| self.pacing > 0.0 && observation.features.columns() > 0) else {
            return price;
        };
        let (budget, time) = (left.budget.of(observation, row), left.time.of(observation, row));
        let ratio = if budget > 0.0 { (time / budget).clamp(0.25, 4.0) } else { 4.0 };
        let factor =
            if self.pacing == 1.0 { ratio } else { libm::pow(f64::from(ratio), f64::from(self.pacing)) as f32 };
        (price * factor).min(PRICE_MAX as f32)
    }

    fn score(&self, row: &mut Row<'_>) {
        row.score_by_upper_bound(self.alpha);
        let price = self.price_of(row.observation, row.index);
        row.charge(self.costs.iter().map(|cost| price * cost));
    }
}

impl Law for BudgetPaced {
    const NAME: &'static str = "budget_paced";

    fn fill(&self, row: &mut Row<'_>, probabilities: &mut [f32]) {
        self.score(row);
        probabilities[row.best()] = 1.0;
        mix_uniform(row, self.epsilon, probabilities);
    }

    fn certain(&self, row: &mut Row<'_>) -> Option<usize> {
        (self.epsilon == 0.0).then(|| {
            self.score(row);
            row.best()
        })
    }

    fn review(&mut self, _model: &Model, batch: &Transitions<'_>) -> Metrics {
        if batch.actions.is_empty() {
            return Metrics::new();
        }
        let tick = batch.observation.tick;
        let shown = self.left.filter(|_| batch.observation.features.columns() > 0);
        let left = shown.map(|left| {
            let of = |share: Share| f64::from(share.of(batch.observation, 0));
            (of(left.budget), of(left.time))
        });
        if let Some(done) = self.open.take_if(|open| open.tick != tick) {
            self.close(done, tick, left);
        }
        let spent: i64 = batch.actions.iter().map(|action| self.costs_micros[usize::from(*action)]).sum();
        self.open.get_or_insert(OpenTick { tick, spent_micros: 0, left }).spent_micros += spent;
        vec![("price", self.price)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::linear::testing::{Play, spec};
    use crate::protocol::Feature;
    use crate::registry::Value;

    /// The multiple-choice knapsack with costs 0, 1 and 2, these values, and room for 3: the best is 12.
    const VALUES: [[f32; 3]; 3] = [[0.0, 5.0, 6.0], [0.0, 4.0, 7.0], [0.0, 2.0, 3.0]];
    const ITEMS: [&[f32]; 3] = [&[1.0, 0.0, 0.0], &[0.0, 1.0, 0.0], &[0.0, 0.0, 1.0]];

    fn knapsack(horizon: u32) -> Spec {
        let mut spec = Spec { horizon, ..spec(3, 3) };
        spec.actions
            .actions
            .iter_mut()
            .zip([0.0, 1.0, 2.0])
            .for_each(|(action, cost)| action.cost = Money::from_amount(cost));
        spec
    }

    /// An agent that knows the values.
    fn agent(values: Values, spec: &Spec) -> Box<dyn Agent> {
        let values = values
            .with("alpha", Value::Number(0.0))
            .with("ridge", Value::Number(1e-6))
            .with("intercept", Value::Boolean(false));
        let mut agent = create(&values, spec).unwrap();
        let mut play = Play::new(&ITEMS, 3);
        play.observation.tick = 0;
        for action in 0..3_u16 {
            let rewards = VALUES.map(|item| item[usize::from(action)]);
            play.teach_agent(agent.as_mut(), &[action; 3], &rewards);
        }
        agent
    }

    fn earned(actions: &[u16]) -> f32 {
        actions.iter().zip(VALUES).map(|(action, item)| item[usize::from(*action)]).sum()
    }

    #[test]
    fn every_price_between_2_and_3_solves_the_knapsack() {
        // Below, too much is spent; above, too little. At 2 the third item is worth its price, less what ridge takes off.
        let cases = [(1.5, 14.0, 4), (2.0, 12.0, 3), (2.5, 12.0, 3), (2.99, 12.0, 3), (3.5, 9.0, 2)];
        for (price, value, cost) in cases {
            let values = Values::defaults(ENTRY.parameters).with("price", Value::Number(price));
            let (actions, _) = Play::new(&ITEMS, 3).decide(agent(values, &knapsack(10)).as_ref());
            assert_eq!((earned(&actions), actions.iter().sum::<u16>()), (value, cost), "{price}: {actions:?}");
        }
    }

    #[test]
    fn the_price_finds_its_way() {
        // 3 to spend in each tick; greedy without a price spends 6.
        let spec = knapsack(100);
        let values = Values::defaults(ENTRY.parameters).with("budget", Value::Number(300.0));
        let mut agent = agent(values, &spec);
        let mut play = Play::new(&ITEMS, 3);
        let mut spent = 0;
        for tick in 1..100 {
            play.observation.tick = tick;
            let (actions, _) = play.decide(agent.as_ref());
            let rewards: Vec<f32> =
                actions.iter().zip(VALUES).map(|(action, item)| item[usize::from(*action)]).collect();
            play.teach_agent(agent.as_mut(), &actions, &rewards);
            spent += actions.iter().sum::<u16>();
            if tick > 60 {
                assert_eq!(earned(&actions), 12.0, "tick {tick}: {actions:?}");
            }
        }
        assert!(spent >= 3 * 99, "{spent}");
    }

    #[test]
    fn whoever_has_money_left_over_spends_faster() {
        let mut spec = knapsack(10);
        spec.features.push(Feature::raw("time_left_share", "share").standardised(0.5, 0.29));
        spec.features.push(Feature::raw("budget_left_share", "share").standardised(0.5, 0.29));
        let values = Values::defaults(ENTRY.parameters).with("price", Value::Number(2.0));
        let law = BudgetPaced::new(&values, &spec);
        let price = |time: f32, budget: f32| {
            let observed = |share: f32| (share - 0.5) / 0.29;
            law.price_of(&Play::new(&[&[1.0, 0.0, 0.0, observed(time), observed(budget)]], 3).observation, 0)
        };
        for (time, budget, expected) in
            [(0.5, 0.5, 2.0), (0.4, 0.8, 1.0), (0.9, 0.3, 6.0), (0.9, 0.0, 8.0), (0.01, 1.0, 0.5)]
        {
            assert!((price(time, budget) - expected).abs() < 1e-4, "{time} {budget}: {}", price(time, budget));
        }
    }

    #[test]
    fn shares_that_are_shown_teach_the_price() {
        let mut spec = knapsack(10);
        spec.features.push(Feature::raw("time_left_share", "share"));
        spec.features.push(Feature::raw("budget_left_share", "share"));
        let values = Values::defaults(ENTRY.parameters).with("price", Value::Number(1.0));
        let mut law = BudgetPaced::new(&values, &spec);
        let model = Model::create(&values, &spec).unwrap();
        let mut learned = |tick: u32, budget: f32| {
            let mut play = Play::new(&[&[1.0, 0.0, 0.0, 1.0 - tick as f32 / 10.0, budget]], 3);
            play.observation.tick = tick;
            law.review(
                &model,
                &Transitions {
                    observation: &play.observation,
                    actions: &[0],
                    propensities: &[1.0],
                    rewards: &[0.0],
                    terminated: &[],
                },
            );
            law.price
        };
        assert_eq!(learned(0, 1.0), 1.0);
        // A tenth was planned, a twentieth more was spent: half over the plan.
        assert!((learned(1, 0.85) - 1.05).abs() < 1e-6);
        // Nothing is spent: the price falls by the whole rate. A new market changes nothing.
        assert!((learned(2, 0.85) - 0.95).abs() < 1e-6);
        assert!((learned(0, 1.0) - 0.95).abs() < 1e-6);
    }
}
