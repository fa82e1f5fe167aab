//! What is told about a consumer is what was.

use super::*;
use std::collections::BTreeMap;

/// Plays the scattered policy, and shows every shard before and after each tick.
fn watch(
    environment: &mut dyn Environment,
    ticks: u32,
    mut before: impl FnMut(&dyn Shard, &Observation),
    mut after: impl FnMut(&dyn Shard, &Decision, &Outcome, u32),
) {
    for tick in 0..ticks {
        for shard in environment.shards_mut() {
            let (mut observation, mut decision, mut outcome) = Default::default();
            shard.observe(Views::default(), &mut observation);
            before(shard, &observation);
            scatter(&observation, &mut decision);
            shard.step(&decision, &mut outcome).unwrap();
            after(shard, &decision, &outcome, tick);
        }
        environment.end_tick();
    }
}

/// Every rule binds somebody in these.
fn strict(tick: &str) -> Sections {
    let mut strict = sections(700, 20);
    let cap = |channel: &str, messages, days| {
        Values::default()
            .with("channel", Value::Text(channel.into()))
            .with("messages", Value::Integer(messages))
            .with("days", Value::Integer(days))
    };
    let quiet = Values::default().with("from", Value::Integer(19)).with("to", Value::Integer(9));
    strict.market = strict.market.with("tick", Value::Text(tick.into())).with("history_days", Value::Number(7.0));
    strict.constraints = strict
        .constraints
        .with("caps", Value::Tables(vec![cap("any", 3, 7), cap("push", 1, 14)]))
        .with("minimum_gap_days", Value::Integer(2))
        .with("quiet_hours", Value::Table(quiet));
    strict.budget = Some(Values::default().with("total", Value::Number(6.0)).with("rationed", Value::Boolean(true)));
    strict
}

#[test]
fn the_rules_that_are_told_forbid_exactly_what_the_mask_forbids() {
    for (tick, ticks) in [("day", 20), ("hour", 60)] {
        let campaign = Campaign::new(&strict(tick)).unwrap();
        let mut rules: BTreeMap<String, u32> = BTreeMap::new();
        let look = |shard: &dyn Shard, observation: &Observation| {
            for row in 0..observation.rows() {
                let mut forbidden = vec![false; observation.allowed.actions()];
                for reason in shard.story().unwrap().forbidden(row) {
                    reason.actions.iter().for_each(|&action| forbidden[usize::from(action)] = true);
                    *rules.entry(reason.rule).or_default() += 1;
                }
                for (action, forbidden) in forbidden.iter().enumerate() {
                    assert_eq!(*forbidden, !observation.allowed.allows(row, action), "row {row}, action {action}");
                }
            }
        };
        watch(campaign.open(Seed::new(5)).as_mut(), ticks, look, |_, _, _, _| {});
        let words = ["no consent to push", "no address for sms", "quiet hours", "a message in the last 2 days"];
        let more = ["cap of 1 on push in 14 days", "an opened coupon is still valid", "the rest of the budget"];
        for word in words.iter().chain(&more) {
            assert!(rules.keys().any(|rule| rule.starts_with(word)), "{word} is not among {rules:?}");
        }
    }
}

#[test]
fn the_events_that_are_told_add_up_to_the_key_figures() {
    let mut noisy = sections(2_000, 25);
    for (_, _, channel) in &mut noisy.channels {
        *channel = std::mem::take(channel)
            .with("complaint_rate", Value::Number(0.02))
            .with("hard_bounce_rate", Value::Number(0.05));
    }
    let mut told = Tally::default();
    let mut counted = Tally::default();
    let mut left = 0;
    let count = |shard: &dyn Shard, _: &Decision, outcome: &Outcome, _: u32| {
        counted += &outcome.tally;
        for event in (0..outcome.profits.len()).flat_map(|row| shard.story().unwrap().events(row)) {
            let kpi = match event.kind {
                "delivered" => Kpi::Delivered,
                "bounced" => Kpi::Bounces,
                "opened" => Kpi::Opens,
                "clicked" => Kpi::Clicks,
                "visited" => Kpi::Visits,
                "ordered" => Kpi::Orders,
                "opted_out" => Kpi::OptOuts,
                "complained" => Kpi::Complaints,
                other => {
                    left += u32::from(other == "left");
                    continue;
                }
            };
            told.add(kpi, 1);
        }
    };
    watch(Campaign::new(&noisy).unwrap().open(Seed::new(9)).as_mut(), 25, |_, _| {}, count);
    let kpis = [Kpi::Delivered, Kpi::Bounces, Kpi::Opens, Kpi::Clicks, Kpi::Visits, Kpi::Orders, Kpi::Complaints];
    for kpi in kpis.into_iter().chain([Kpi::OptOuts]) {
        assert_eq!(told.get(kpi), counted.get(kpi), "{kpi:?}");
        assert!(counted.get(kpi) > 0, "{kpi:?} never happened");
    }
    assert!(left > 0, "nobody left");
}

#[test]
fn an_order_that_was_set_pending_earns_what_was_foretold_when_it_falls_due() {
    let campaign = Campaign::new(&sections(6_000, 40)).unwrap();
    let messages = campaign.model.catalogue.messages.clone();
    // Per consumer, the tick and profit that were foretold last.
    let mut foretold: BTreeMap<u32, (u32, i64)> = BTreeMap::new();
    let (mut set, mut booked) = (0, 0);
    let mut delayed = Vec::new();
    let look = |shard: &dyn Shard, decision: &Decision, outcome: &Outcome, tick: u32| {
        let first = shard.consumers().start;
        for row in 0..outcome.profits.len() {
            let events = shard.story().unwrap().events(row);
            if events.iter().any(|event| event.told.contains("pending order fell due"))
                && let Some((due, profit)) = foretold.remove(&(first + row as u32))
                && due == tick
            {
                let sent = usize::from(decision.actions[row]).checked_sub(1).map(|index| messages[index].cost.micros());
                assert_eq!(outcome.profits[row].micros() + sent.unwrap_or(0), profit);
                booked += 1;
            }
        }
        shard.delayed_profits(&mut delayed);
        for &(row, profit) in &delayed {
            let told = shard.story().unwrap().events(row as usize);
            let pending = told.iter().find(|event| event.kind == "order_pending").unwrap();
            let due = pending.told.split(' ').nth(4).unwrap().parse().unwrap();
            assert!(due > tick && profit.micros() > 0);
            foretold.insert(first + row, (due, profit.micros()));
            set += 1;
        }
    };
    watch(campaign.open(Seed::new(3)).as_mut(), 40, |_, _| {}, look);
    assert!(set > booked && booked > 20, "{set} set, {booked} booked");
}
