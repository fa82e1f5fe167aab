use super::*;
use crate::agent::AGENTS;
use crate::protocol::{ActionBits, ActionSpace, Decision, Feature, Spec};
use crate::random::Purpose;
use crate::registry::{Refusal, Value, Values};
use crate::units::Money;

const CONSUMERS: u32 = 4_000;
const TICKS: u32 = 8;
/// What may be spent on a consumer in a tick, in the mean.
const PLANNED: f64 = 0.5;

/// A multiple-choice knapsack in every tick: a consumer has two numbers in (0, 1); a small gift costs 1 and is worth 4 x, a
/// large one costs 2 and is worth 4 x + 3 y. Where gifts cost people's consent, x tells who withdraws it.
#[derive(Clone, Copy)]
struct Market {
    seed: Seed,
    /// Chance that a small and a large gift lose a consumer.
    opt_outs: [f32; 2],
}

impl Market {
    fn numbered(number: u32) -> Self {
        Self { seed: Seed::new(31).derive(0, number), opt_outs: [0.0; 2] }
    }

    fn traits(self, tick: u32, consumer: u32) -> [f32; 2] {
        let [x, y, ..] = self.seed.uniforms(Purpose::Problem, consumer, tick, 0);
        [x, y]
    }

    fn observe(self, tick: u32, left_share: f64) -> Observation {
        let mut features = Matrix::new(CONSUMERS as usize, 4);
        for row in 0..CONSUMERS as usize {
            let [x, y] = self.traits(tick, row as u32);
            let group = f32::from(u8::from(row % 2 == 0));
            [x, y, group, left_share as f32]
                .into_iter()
                .enumerate()
                .for_each(|(at, value)| features.set(row, at, value));
        }
        let allowed = ActionBits::all(CONSUMERS as usize, 3);
        Observation { tick, consumer_ids: (0..CONSUMERS).collect(), features, allowed, ..Observation::default() }
    }

    fn value(self, tick: u32, consumer: u32, action: u16) -> f64 {
        let [x, y] = self.traits(tick, consumer).map(f64::from);
        [0.0, 4.0 * x, 4.0 * x + 3.0 * y][usize::from(action)]
    }

    fn leaves(self, tick: u32, consumer: u32, action: u16) -> bool {
        let chance = if action == 0 { 0.0 } else { self.opt_outs[usize::from(action) - 1] };
        self.seed.uniforms(Purpose::OptOut, consumer, tick, 0)[0] < chance
    }
}

fn spec() -> Spec {
    let mut actions = ActionSpace::flat("gift", "none", &["small", "large"]);
    actions.actions.iter_mut().zip([0.0, 1.0, 2.0]).for_each(|(action, cost)| action.cost = Money::from_amount(cost));
    Spec {
        consumers: CONSUMERS,
        horizon: TICKS,
        tick_days: 1.0,
        discount: 1.0,
        features: ["x", "y", "group", "budget_left_share"].map(|name| Feature::raw(name, "share")).to_vec(),
        actions,
        kpis: Vec::new(),
    }
}

fn inner(kind: &'static str, keys: &[(&'static str, Value)]) -> Value {
    let entry = find(AGENTS, kind).unwrap();
    let defaults = Values::defaults(entry.parameters);
    let values = keys.iter().fold(defaults, |values, (name, value)| values.with(name, value.clone()));
    Value::Agent { kind, values }
}

fn settings(inner: Value) -> Values {
    Values::defaults(ENTRY.parameters).with("agent", inner)
}

fn within_budget(inner: Value) -> Values {
    let budget = PLANNED * f64::from(CONSUMERS) * f64::from(TICKS);
    settings(inner).with("budget", Value::Number(budget)).with("budget_price_rate", Value::Number(0.3))
}

/// What a policy did in a market, per consumer.
#[derive(Clone, Copy, Debug, Default)]
struct Lived {
    value: f64,
    spent: f64,
    messages: f64,
    opt_outs: f64,
    /// Messages to members, who are half of all, and to others.
    of_group: [f64; 2],
}

/// Lives a market; `learn` hears of each tick.
fn live(
    market: Market,
    policy: &mut dyn FnMut(&Observation, &mut Decision),
    mut learn: impl FnMut(&Observation, &Decision, &[f32], &[u32]),
) -> Lived {
    let (mut lived, mut decision) = (Lived::default(), Decision::default());
    let consumers = f64::from(CONSUMERS);
    for tick in 0..TICKS {
        let left = 1.0 - lived.spent / (PLANNED * f64::from(TICKS));
        let observation = market.observe(tick, left);
        policy(&observation, &mut decision);
        let mut opt_outs = Vec::new();
        let mut rewards = Vec::new();
        for (consumer, &action) in decision.actions.iter().enumerate() {
            let value = market.value(tick, consumer as u32, action);
            rewards.push(value as f32);
            lived.value += value / consumers;
            lived.spent += f64::from(action) / consumers;
            lived.messages += f64::from(u8::from(action != 0)) / consumers;
            lived.of_group[consumer % 2] += f64::from(u8::from(action != 0)) / consumers;
            if market.leaves(tick, consumer as u32, action) {
                opt_outs.push(consumer as u32);
            }
        }
        lived.opt_outs += opt_outs.len() as f64 / consumers;
        learn(&observation, &decision, &rewards, &opt_outs);
    }
    lived
}

/// Trains on so many markets and judges on another.
fn trained(values: &Values, markets: u32, opt_outs: [f32; 2]) -> (Box<dyn Agent>, Lived) {
    let mut agent = (ENTRY.build.create)(values, &spec()).unwrap();
    agent.begin_training(&TrainingPlan { markets, ticks: TICKS, consumers: CONSUMERS });
    for number in 0..markets {
        let market = Market { opt_outs, ..Market::numbered(number) };
        let mut decision = Decision::default();
        let mut spent = 0.0;
        for tick in 0..TICKS {
            let left = 1.0 - spent / (PLANNED * f64::from(TICKS) * f64::from(CONSUMERS));
            let observation = market.observe(tick, left);
            agent.decide(&observation, market.seed, &mut decision);
            spent += decision.actions.iter().map(|action| f64::from(*action)).sum::<f64>();
            let of = |(consumer, action): (usize, &u16)| market.value(tick, consumer as u32, *action) as f32;
            let rewards: Vec<f32> = decision.actions.iter().enumerate().map(of).collect();
            let left: Vec<u32> = (0..CONSUMERS)
                .filter(|consumer| market.leaves(tick, *consumer, decision.actions[*consumer as usize]))
                .collect();
            agent.hear_opt_outs(&left);
            let batch = Transitions {
                observation: &observation,
                actions: &decision.actions,
                propensities: &decision.propensities,
                rewards: &rewards,
                terminated: &[],
            };
            agent.learn(&batch, market.seed.derive(1, tick)).unwrap();
        }
        let observation = market.observe(TICKS, 0.0);
        agent.end_episode(&Ending { observation: &observation, beyond: None }, market.seed.derive(2, 0)).unwrap();
    }
    agent.conclude(Seed::new(1)).unwrap();
    let policy = agent.snapshot();
    let market = Market { opt_outs, ..Market::numbered(1_000) };
    let lived = live(market, &mut |seen, decision| policy.decide(seen, market.seed, decision), |_, _, _, _| {});
    (agent, lived)
}

/// The least `μ B + sum of max (v - μ c)` over prices: no choice within the budget is worth more.
fn dual_bound(market: Market) -> f64 {
    let bound = |price: f64| {
        let of = |tick: u32, consumer: u32| {
            (0..3_u16).map(|a| market.value(tick, consumer, a) - price * f64::from(a)).fold(f64::MIN, f64::max)
        };
        let sum: f64 = (0..TICKS).map(|tick| (0..CONSUMERS).map(|consumer| of(tick, consumer)).sum::<f64>()).sum();
        price * PLANNED * f64::from(TICKS) + sum / f64::from(CONSUMERS)
    };
    (0..200).map(|step| bound(f64::from(step) * 0.02)).fold(f64::INFINITY, f64::min)
}

fn assert_solves_the_knapsack(label: &str, values: &Values, markets: u32, share: f64) {
    let (_, lived) = trained(values, markets, [0.0; 2]);
    let (bound, budget) = (dual_bound(Market::numbered(1_000)), PLANNED * f64::from(TICKS));
    let told = format!("{label}: earns {:.4} of the bound, spends {:.4}", lived.value / bound, lived.spent / budget);
    assert!((lived.spent / budget - 1.0).abs() <= 0.01, "{told}");
    assert!(lived.value >= share * bound, "{told}");
}

#[test]
fn a_bandit_within_a_budget_earns_the_dual_bound_of_a_knapsack() {
    let values = within_budget(inner("lin_ucb", &[("alpha", Value::Number(0.2))]));
    assert_solves_the_knapsack("lin_ucb", &values, 3, 0.98);
}

#[cfg(feature = "deep")]
#[test]
fn values_and_laws_by_networks_earn_it_too() {
    let dqn = inner(
        "dqn",
        &[
            ("hidden", Value::Integers(vec![32, 32])),
            ("discount", Value::Number(0.0)),
            ("learning_rate", Value::Number(2e-3)),
            ("decisions_per_update", Value::Integer(50)),
            ("epsilon_until", Value::Number(0.8)),
        ],
    );
    assert_solves_the_knapsack("dqn", &within_budget(dqn), 6, 0.95);
    let ppo = inner(
        "ppo",
        &[
            ("hidden", Value::Integers(vec![32, 32])),
            ("discount", Value::Number(0.0)),
            ("rollout_ticks", Value::Integer(1)),
            ("learning_rate", Value::Number(2e-3)),
        ],
    );
    assert_solves_the_knapsack("ppo", &within_budget(ppo), 16, 0.95);
}

#[test]
fn who_looks_at_nobody_is_held_by_thinning_out() {
    let (_, lived) = trained(&within_budget(inner("thompson", &[])), 3, [0.0; 2]);
    assert!((lived.spent / (PLANNED * f64::from(TICKS)) - 1.0).abs() <= 0.01, "{lived:?}");
}

#[test]
fn a_limit_on_opt_outs_is_held() {
    let agent = || inner("lin_ucb", &[("alpha", Value::Number(0.2))]);
    let chances = [0.02, 0.1];
    let free = within_budget(agent()).with("budget", Value::Number(1e9));
    let (_, free) = trained(&free, 2, chances);
    assert!(free.opt_outs / free.messages > 0.09, "{free:?}");
    let values = settings(agent())
        .with("opt_outs_per_message", Value::Number(0.05))
        .with("opt_out_price_rate", Value::Number(4.0));
    let (agent, held) = trained(&values, 8, chances);
    assert!(agent.learns_from_opt_outs() && agent.is_sequential());
    assert!((held.opt_outs / held.messages / 0.05 - 1.0).abs() < 0.15, "{held:?}");
    assert!(held.messages > 7.5, "{held:?}");
}

#[test]
fn groups_are_contacted_alike() {
    // Members' numbers are seen through their group: the agent learns that others are worth more.
    let agent = || inner("lin_ucb", &[("alpha", Value::Number(0.2))]);
    let gap = |lived: Lived| 2.0 * (lived.of_group[0] - lived.of_group[1]) / f64::from(TICKS);
    let values = within_budget(agent()).with("parity_feature", Value::Text("x".into()));
    // `x > 0` holds for everybody: nobody to compare with, and nothing is charged.
    let (agent_of_all, lived) = trained(&values, 2, [0.0; 2]);
    assert!(gap(lived).abs() < 0.05 && agent_of_all.snapshot().facts().contains(&("parity_price", 0.0)));
    let values = within_budget(agent()).with("parity_feature", Value::Text("group".into()));
    assert!(gap(trained(&values, 3, [0.0; 2]).1).abs() < 0.05);
}

fn refusal(values: &Values, spec: &Spec) -> Refusal {
    (ENTRY.build.create)(values, spec).unwrap_err()
}

#[test]
fn what_cannot_be_held_is_refused() {
    let agent = || inner("lin_ucb", &[]);
    assert!(refusal(&settings(agent()), &spec()).message.contains("no limit is given"));
    let nested = within_budget(inner(NAME, &[]));
    assert!(refusal(&nested, &spec()).message.contains("limits around limits"));
    assert!(refusal(&Values::defaults(ENTRY.parameters), &spec()).message.contains("no agent is named"));
    let parity = settings(agent()).with("parity_feature", Value::Text("grup".into()));
    assert!(refusal(&parity, &spec()).message.contains("grup"));
    let coupons = within_budget(agent()).with("coupon_costs", Value::Coefficients(vec![("ten".into(), 1.0)]));
    assert!(refusal(&coupons, &spec()).message.contains("no offer `ten`"));
    let mut free = spec();
    free.actions.actions.iter_mut().for_each(|action| action.cost = Money::ZERO);
    assert!(refusal(&within_budget(agent()), &free).message.contains("no action costs anything"));
}
