//! The keys, and what is made of them.

use super::demand::Demand;
use super::limits::{Budget, Limits, OpenDemand, OptOuts, Parity};
use super::multiplier::Multiplier;
use super::{Lagrangian, NAME, State, load};
use crate::agent::budget_paced::Share;
use crate::agent::parity_constrained::groups::{Groups, Keys};
use crate::agent::{AGENTS, AgentBuild, naming};
use crate::protocol::{Action, Agent, Feature, Spec};
use crate::registry::{Entry, Kind, Parameter, Range, Refusal, Tuning, Values, find};
use crate::units::Money;

/// `kind = "lagrangian"`.
pub const ENTRY: Entry<AgentBuild> = Entry {
    name: NAME,
    summary: "any other agent within a budget, a rate of opt-outs or parity between groups, held by learned prices",
    source: "Altman 1999; Stooke, Achiam & Abbeel 2020; Jasin & Kumar 2012 for the pace",
    parameters: &[
        Parameter::of("agent", Kind::Agent, "the agent that is held within the limits").required(),
        Parameter::optional_number(
            "budget",
            Range::POSITIVE,
            "most that may be spent over the horizon, by all consumers together (currency)",
        ),
        Parameter::of(
            "coupon_costs",
            Kind::Coefficients,
            "what an offer is expected to give away in each message, beside sending, by its name (currency); 0 where absent",
        ),
        Parameter::optional_number(
            "opt_outs_per_message",
            Range { low: 0.0, high: 1.0, low_open: true, high_open: false },
            "most withdrawals of consent per message",
        ),
        Parameter::optional_text(
            "parity_feature",
            "observed feature that tells members (raw value above 0) from others, who shall be treated alike",
        ),
        Parameter::choice("parity_on", "contact", &["contact", "discount"], "what both groups shall get alike"),
        Parameter::of(
            "depths",
            Kind::Coefficients,
            "share of the price that each offer takes off, by its name; 0 where absent; for parity_on = \"discount\"",
        ),
        Parameter::number(
            "parity_tolerance",
            0.0,
            Range::NON_NEGATIVE,
            "gap that is let be, either way (messages; share of price)",
        ),
        Parameter::number(
            "budget_price",
            1.0,
            Range::NON_NEGATIVE,
            "price of a unit of currency before the first tick (reward)",
        ),
        Parameter::number(
            "opt_out_price",
            1.0,
            Range::NON_NEGATIVE,
            "price of an opt-out before the first tick (reward)",
        ),
        Parameter::number(
            "budget_price_rate",
            0.1,
            Range::NON_NEGATIVE,
            "change of its price after a tick in which the law would spend twice its plan",
        )
        .tuned(Tuning::LogUniform { low: 0.01, high: 1.0 }),
        Parameter::number(
            "opt_out_price_rate",
            0.1,
            Range::NON_NEGATIVE,
            "change of its price after a tick with twice the opt-outs",
        )
        .tuned(Tuning::LogUniform { low: 0.01, high: 10.0 }),
        Parameter::number(
            "parity_price_rate",
            1.0,
            Range::NON_NEGATIVE,
            "change of its price after a tick with a gap of 1",
        )
        .tuned(Tuning::LogUniform { low: 0.05, high: 20.0 }),
        Parameter::number(
            "damping",
            1.0,
            Range::NON_NEGATIVE,
            "how many times as much a tick's excess adds to a price for that tick only; 0 is plain dual ascent",
        ),
    ],
    build: AgentBuild { create, load },
};

fn create(values: &Values, spec: &Spec) -> Result<Box<dyn Agent>, Refusal> {
    let refused = |key: &str, message: &str, help: &str| Refusal::new(values, key, message, help);
    let Some((kind, inner)) = values.agent("agent") else {
        return Err(refused(
            "agent",
            "no agent is named",
            "add agent = { kind = \"dqn\" }, with any keys of that kind",
        ));
    };
    if kind == NAME {
        return Err(refused("agent", "limits around limits", "write all limits into one `lagrangian`"));
    }
    let Some(entry) = find(AGENTS, kind) else {
        return Err(refused("agent", "there is no such agent", "`mercato list agents` shows all"));
    };
    let mut limits = Limits {
        budget: budget(values, spec)?,
        opt_outs: opt_outs(values),
        parity: parity(values, spec)?,
        spreads: true,
    };
    if limits.count() == 0 {
        return Err(refused(
            "agent",
            "no limit is given",
            "give at least one of budget, opt_outs_per_message and parity_feature",
        ));
    }
    let inner = (entry.build.create)(inner, &priced(spec, &limits))?;
    limits.spreads = inner.views().features;
    if let Some(budget) = limits.budget.as_mut().filter(|_| !limits.spreads) {
        // One price for everybody is either too low or stops everything.
        budget.multiplier.hold();
    }
    let state = State { kind: kind.to_owned(), horizon: spec.horizon.max(1), limits, in_force: [0.0; 3], open: None };
    Ok(Box::new(Lagrangian { state, inner, opt_outs: Vec::new() }))
}

fn budget(values: &Values, spec: &Spec) -> Result<Option<Budget>, Refusal> {
    let Some(budget) = values.optional_number("budget") else { return Ok(None) };
    let (horizon, consumers) = (spec.horizon.max(1), spec.consumers.max(1));
    let costs = costs(values, spec)?;
    if costs.iter().all(|cost| *cost == 0.0) {
        let help = "leave `budget` out, or give `coupon_costs`";
        return Err(Refusal::new(values, "budget", "no action costs anything here", help));
    }
    // An agent that knows nothing is taken to choose evenly.
    let unheld = costs.iter().sum::<f64>() / costs.len() as f64;
    Ok(Some(Budget {
        per_consumer: budget / f64::from(consumers),
        costs_micros: costs.iter().map(|cost| Money::from_amount(*cost).micros()).collect(),
        unheld,
        unheld_in_force: unheld,
        costs,
        consumers,
        horizon,
        multiplier: multiplier(values, values.number("budget_price"), "budget_price_rate"),
        demand: Demand::new(horizon),
        demand_in_force: Demand::new(horizon),
        left: Share::find("budget_left_share", spec),
        spent_micros: 0,
        open: OpenDemand::default(),
    }))
}

fn multiplier(values: &Values, price: f64, rate: &str) -> Multiplier {
    Multiplier::new(price, values.number(rate), values.number("damping"))
}

/// What each action costs, in currency.
fn costs(values: &Values, spec: &Spec) -> Result<Vec<f64>, Refusal> {
    const KEY: &str = "coupon_costs";
    let given = values.coefficients(KEY);
    let factor = spec.actions.factor("offer");
    let levels: &[String] = factor.map_or(&[], |factor| &spec.actions.factors[factor].levels);
    for (name, cost) in given {
        if !levels.contains(name) {
            let way_out = naming::way_out(name, levels.iter().map(String::as_str));
            return Err(Refusal::new(values, KEY, format!("there is no offer `{name}`"), way_out));
        }
        if *cost < 0.0 {
            let message = format!("`{name}` costs {cost}, which is no expense");
            return Err(Refusal::new(values, KEY, message, "give 0 or more"));
        }
    }
    let of_offer = |name: &String| given.iter().find(|(other, _)| other == name).map_or(0.0, |(_, cost)| *cost);
    let of_action = |action: &Action| {
        let coupon =
            action.levels.as_ref().zip(factor).map_or(0.0, |(own, factor)| of_offer(&levels[usize::from(own[factor])]));
        action.cost.amount() + coupon
    };
    Ok(spec.actions.actions.iter().map(of_action).collect())
}

fn opt_outs(values: &Values) -> Option<OptOuts> {
    let multiplier = || multiplier(values, values.number("opt_out_price"), "opt_out_price_rate");
    values.optional_number("opt_outs_per_message").map(|per_message| OptOuts {
        per_message,
        multiplier: multiplier(),
        messages: 0,
        opt_outs: 0,
        rate: 0.0,
    })
}

fn parity(values: &Values, spec: &Spec) -> Result<Option<Parity>, Refusal> {
    if values.optional_text("parity_feature").is_none() {
        return Ok(None);
    }
    let groups = Groups::new(values, Keys { feature: "parity_feature", on: "parity_on", depths: "depths" }, spec)?;
    let multiplier = multiplier(values, 0.0, "parity_price_rate");
    Ok(Some(Parity { groups, tolerance: values.number("parity_tolerance"), multipliers: [multiplier; 2] }))
}

/// What the inner agent sees: the market, and a price for each limit.
fn priced(spec: &Spec, limits: &Limits) -> Spec {
    let mut spec = spec.clone();
    let mut show = |is_set: bool, name: &str, unit: &'static str| {
        spec.features.extend(is_set.then(|| Feature::raw(name, unit)));
    };
    show(limits.budget.is_some(), "price_of_budget", "reward per currency");
    show(limits.opt_outs.is_some(), "price_of_opt_outs", "reward per opt-out");
    show(limits.parity.is_some(), "price_of_parity", "reward per message, or per share of price");
    spec
}
