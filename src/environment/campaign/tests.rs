//! Promises of the market as an environment.

mod story;

use super::*;
use crate::protocol::{Decision, Kpi, Observation, Outcome, Tally, Views};
use crate::registry::{Value, Values, find};
use crate::response::MODULES;

mod expected_profit;
mod observed_value;
mod records;

const FEATURES: Views = Views::FEATURES;

fn sections(consumers: i64, ticks: i64) -> Sections {
    let mut sections = Sections::preset(&["email", "push", "sms", "onsite"]);
    sections.market = sections
        .market
        .with("consumers", Value::Integer(consumers))
        .with("ticks", Value::Integer(ticks))
        .with("history_days", Value::Number(28.0));
    let offer = |name: &str, discount| {
        Values::defaults(crate::market::catalogue::OFFER)
            .with("name", Value::Text(name.into()))
            .with("discount", Value::Number(discount))
    };
    sections.offers = vec![offer("full", 0.0), offer("fifth", 0.2)];
    sections
}

fn open(sections: &Sections, seed: u64) -> Box<dyn Environment> {
    Campaign::new(sections).unwrap().open(Seed::new(seed))
}

/// Some consumers by themselves, at tick 0.
fn shard(campaign: &Campaign, seed: Seed, consumers: std::ops::Range<u32>) -> CampaignShard {
    let model = &campaign.model;
    let ticks = -(model.history.ticks as i32)..model.spec.horizon as i32;
    let series = Arc::new(Series::draw(&model.modules, seed, ticks));
    let mut shard = CampaignShard::open(model, seed, consumers, None, &series);
    shard.live_history();
    shard
}

/// Sends every consumer a different allowed action in every tick.
fn scatter(observation: &Observation, decision: &mut Decision) {
    decision.reset(observation.rows());
    for (row, &consumer) in observation.consumer_ids.iter().enumerate() {
        let wanted = (consumer as usize * 7 + observation.tick as usize * 3) % observation.allowed.actions();
        if observation.allowed.allows(row, wanted) {
            decision.actions[row] = wanted as u16;
        }
    }
}

/// Plays the scattered policy; returns every outcome and the last observation.
fn play(environment: &mut dyn Environment, ticks: u32) -> (Vec<Outcome>, Vec<Observation>) {
    let mut outcomes = Vec::new();
    let mut last = Vec::new();
    for _ in 0..ticks {
        last.clear();
        for shard in environment.shards_mut() {
            let mut observation = Observation::default();
            let mut decision = Decision::default();
            let mut outcome = Outcome::default();
            shard.observe(FEATURES, &mut observation);
            scatter(&observation, &mut decision);
            shard.step(&decision, &mut outcome).unwrap();
            outcomes.push(outcome);
            last.push(observation);
        }
        environment.end_tick();
    }
    (outcomes, last)
}

fn total(outcomes: &[Outcome]) -> Tally {
    let mut total = Tally::default();
    for outcome in outcomes {
        total += &outcome.tally;
    }
    total
}

#[test]
fn a_fork_lives_the_same_future() {
    let mut market = open(&sections(1_500, 10), 3);
    play(market.as_mut(), 4);
    let mut fork = market.fork();
    assert_eq!(play(market.as_mut(), 5), play(fork.as_mut(), 5));
}

#[test]
fn money_adds_up() {
    let (outcomes, _) = play(open(&sections(3_000, 20), 5).as_mut(), 20);
    let tally = total(&outcomes);
    let profits: i64 = outcomes.iter().flat_map(|outcome| &outcome.profits).map(|profit| profit.micros()).sum();
    assert_eq!(tally.get(Kpi::Profit), profits);
    // Margin on the full price, less the discount, less the messages; each order rounds twice.
    let margin = 0.45 * (tally.value(Kpi::Revenue) + tally.value(Kpi::Discount)) - tally.value(Kpi::Discount);
    assert!((margin - tally.value(Kpi::Cost) - tally.value(Kpi::Profit)).abs() < 1e-2);
    assert!(tally.get(Kpi::Clicks) > 100 && tally.get(Kpi::Orders) > 100 && tally.get(Kpi::Conversions) > 0);
    assert!(
        tally.get(Kpi::Delivered) <= tally.get(Kpi::Messages) && tally.get(Kpi::Opens) <= tally.get(Kpi::Delivered)
    );
}

/// Parameters that make a module act often enough to be seen in a small market, where its defaults rarely do.
const LOUD: &[(&str, &str, f64)] =
    &[("multichannel", "strength", 40.0), ("wake", "probability", 1.0), ("price_reference", "gain_weight", 20.0)];

/// A module that does nothing by its defaults gets something to do.
fn lively(name: &str, values: Values) -> Values {
    let recession = Values::default()
        .with("day", Value::Number(-5.0))
        .with("variable", Value::Text("order_rate".into()))
        .with("factor", Value::Number(0.5))
        .with("ramp_days", Value::Number(0.0));
    let mut values = if name == "shocks" { values.with("list", Value::Tables(vec![recession])) } else { values };
    for (_, key, value) in LOUD.iter().filter(|(module, ..)| *module == name) {
        values.set(key, Value::Number(*value), None);
    }
    values
}

/// All modules with their defaults, but for one: left out, or with its neutral parameters.
fn all_but(name: &str, neutral: bool) -> Vec<(&'static str, Values)> {
    let mut listed = Vec::new();
    for entry in MODULES {
        let mut values = lively(entry.name, Values::defaults(entry.parameters));
        if entry.name == name {
            if !neutral {
                continue;
            }
            for (key, value) in (entry.build.neutral)() {
                values.set(key, value, None);
            }
        }
        listed.push((entry.name, values));
    }
    listed
}

/// What can be observed under these names, in their order.
fn named(campaign: &Campaign, names: &[String], last: &[Observation]) -> Vec<Vec<f32>> {
    let features = &campaign.spec().features;
    let label = |feature: &crate::protocol::Feature| format!("{:?} {}", feature.group, feature.name);
    let columns = names.iter().map(|name| features.iter().position(|feature| label(feature) == *name).unwrap());
    let cells = |column: usize| {
        last.iter().flat_map(move |seen| (0..seen.rows()).map(move |row| seen.features.get(row, column))).collect()
    };
    columns.map(cells).collect()
}

#[test]
fn a_module_switched_off_equals_its_neutral_parameters() {
    let lived = |modules: Vec<(&'static str, Values)>| {
        let mut sections = sections(1_100, 12);
        sections.modules = Some(modules);
        let campaign = Campaign::new(&sections).unwrap();
        let (outcomes, last) = play(campaign.open(Seed::new(9)).as_mut(), 12);
        (campaign, outcomes, last)
    };
    let (on, outcomes_on, last_on) = lived(all_but("", false));
    for entry in MODULES {
        let (off, outcomes_off, last_off) = lived(all_but(entry.name, false));
        let (neutral, outcomes_neutral, last_neutral) = lived(all_but(entry.name, true));
        assert_eq!(outcomes_off, outcomes_neutral, "{}", entry.name);
        // A module that is on may show columns of its own; all others are the same.
        let names: Vec<String> =
            off.spec().features.iter().map(|feature| format!("{:?} {}", feature.group, feature.name)).collect();
        assert_eq!(named(&off, &names, &last_off), named(&neutral, &names, &last_neutral), "{}", entry.name);
        let moves = outcomes_off != outcomes_on || named(&off, &names, &last_off) != named(&on, &names, &last_on);
        let shows = on.spec().features.len() > off.spec().features.len();
        assert!(moves || shows, "{} does nothing", entry.name);
    }
}

#[test]
fn a_consumer_alone_equals_the_consumer_in_the_crowd() {
    let campaign = Campaign::new(&sections(1_300, 15)).unwrap();
    let (crowd, _) = play(campaign.open(Seed::new(4)).as_mut(), 15);
    for consumer in [0_u32, 700, 1_023, 1_100] {
        let range = consumer..consumer + 1;
        let mut alone = shard(&campaign, Seed::new(4), range);
        for tick in 0..15 {
            let mut observation = Observation::default();
            let mut decision = Decision::default();
            let mut outcome = Outcome::default();
            alone.observe(FEATURES, &mut observation);
            scatter(&observation, &mut decision);
            alone.step(&decision, &mut outcome).unwrap();
            let shard = consumer as usize / SHARD_CONSUMERS as usize;
            let together = &crowd[tick * 2 + shard];
            assert_eq!(outcome.profits[0], together.profits[consumer as usize % SHARD_CONSUMERS as usize]);
        }
    }
}

#[test]
fn masked_actions_are_refused_and_change_nothing() {
    let mut market = open(&sections(500, 10), 6);
    let mut observation = Observation::default();
    let mut shards = market.shards_mut();
    shards[0].observe(FEATURES, &mut observation);
    let (row, action) = (0..500)
        .find_map(|row| {
            (1..observation.allowed.actions()).find(|&a| !observation.allowed.allows(row, a)).map(|a| (row, a))
        })
        .unwrap();
    let mut decision = Decision::default();
    decision.reset(500);
    decision.actions[row] = action as u16;
    let mut outcome = Outcome::default();
    let fault = shards[0].step(&decision, &mut outcome).unwrap_err();
    assert_eq!((fault.consumer, fault.action), (row as u32, action as u16));
    let mut again = Observation::default();
    shards[0].observe(FEATURES, &mut again);
    assert_eq!(again, observation);
    // An action beyond the space is no panic either.
    decision.actions[row] = u16::MAX;
    assert!(shards[0].step(&decision, &mut outcome).is_err());
}

#[test]
fn the_audit_executes_and_counts_violations() {
    let mut audited = sections(400, 5);
    audited.constraints = audited.constraints.with("mask", Value::Text("audit".into()));
    let mut market = open(&audited, 6);
    let mut shards = market.shards_mut();
    let mut observation = Observation::default();
    shards[0].observe(FEATURES, &mut observation);
    // The rules are shown, and whoever breaks them is counted.
    let forbidden = (0..400).filter(|&row| !observation.allowed.allows(row, 1)).count() as i64;
    let mut decision = Decision::default();
    decision.reset(400);
    decision.actions.fill(1);
    let mut outcome = Outcome::default();
    shards[0].step(&decision, &mut outcome).unwrap();
    // 85 % of the consumers own an e-mail address; those without, and those at a gap, are violations.
    let violations = outcome.tally.get(Kpi::Violations);
    assert_eq!(violations, forbidden);
    assert!((30..120).contains(&violations), "{violations}");
}

#[test]
fn caps_gaps_quiet_hours_and_coupons_bind() {
    let mut bound = sections(2_000, 40);
    let cap = |channel: &str, messages, days| {
        Values::default()
            .with("channel", Value::Text(channel.into()))
            .with("messages", Value::Integer(messages))
            .with("days", Value::Integer(days))
    };
    let quiet = Values::default()
        .with("from", Value::Integer(19))
        .with("to", Value::Integer(9))
        .with("channels", Value::Texts(vec!["sms".into()]));
    bound.constraints = bound
        .constraints
        .with("caps", Value::Tables(vec![cap("any", 3, 7), cap("push", 1, 14)]))
        .with("minimum_gap_days", Value::Integer(2))
        .with("quiet_hours", Value::Table(quiet));
    let campaign = Campaign::new(&bound).unwrap();
    let messages = campaign.model.catalogue.messages.clone();
    let mut market = campaign.open(Seed::new(2));
    let mut sent: Vec<Vec<(u32, u8)>> = vec![Vec::new(); 2_000];
    for tick in 0..40 {
        for shard in market.shards_mut() {
            let (mut observation, mut decision, mut outcome) = Default::default();
            shard.observe(FEATURES, &mut observation);
            scatter(&observation, &mut decision);
            for (row, &action) in decision.actions.iter().enumerate().filter(|(_, action)| **action > 0) {
                let message = messages[usize::from(action) - 1];
                assert!(message.channel != 2 || (9..19).contains(&message.hour), "quiet hours");
                sent[observation.consumer_ids[row] as usize].push((tick, message.channel));
            }
            shard.step(&decision, &mut outcome).unwrap();
        }
    }
    assert!(sent.iter().map(Vec::len).sum::<usize>() > 5_000);
    for history in &sent {
        for (index, &(tick, channel)) in history.iter().enumerate() {
            let within = |days: u32| history[..index].iter().filter(move |(earlier, _)| earlier + days > tick);
            assert!(within(2).count() == 0 && within(7).count() < 3);
            assert!(channel != 1 || within(14).filter(|(_, other)| *other == 1).count() == 0);
        }
    }
}

#[test]
fn a_budget_is_never_overspent_and_is_shared_across_shards() {
    let mut scarce = sections(2_500, 30);
    scarce.budget = Some(Values::default().with("total", Value::Number(5.0)).with("rationed", Value::Boolean(true)));
    let mut market = open(&scarce, 8);
    assert!(market.is_coupled());
    let (outcomes, last) = play(market.as_mut(), 30);
    let spent = total(&outcomes).value(Kpi::Cost);
    assert!(spent <= 5.0 && spent > 4.5, "{spent}");
    // On-site offers cost nothing and stay allowed when the money has gone.
    assert!(last.iter().any(|observation| (0..observation.rows()).any(|row| observation.allowed.count(row) > 1)));
}

#[test]
fn no_latent_value_is_observed() {
    for modules in [None, Some(all_but("", false))] {
        let campaign = Campaign::new(&Sections { modules, ..sections(1_000, 3) }).unwrap();
        let mut shard = shard(&campaign, Seed::new(1), 0..1_000);
        let mut before = Observation::default();
        shard.observe(FEATURES, &mut before);
        // Everything latent is turned around among the consumers; everything observable stays.
        shard.reverse_latents();
        let mut after = Observation::default();
        shard.observe(FEATURES, &mut after);
        assert_eq!(before.features, after.features);
        assert_eq!(before.allowed, after.allowed);
        // The test can fail: an observable change is seen.
        let mut decision = Decision::default();
        decision.reset(1_000);
        shard.step(&decision, &mut Outcome::default()).unwrap();
        shard.observe(FEATURES, &mut after);
        assert_ne!(before.features, after.features);
    }
}

#[test]
fn raising_a_discount_never_removes_an_order_by_the_same_luck() {
    let run = |discount: f64| {
        let mut market = sections(4_000, 1);
        market.offers[1] = market.offers[1].clone().with("discount", Value::Number(discount));
        let mut market = open(&market, 12);
        let mut ordering = Vec::new();
        for shard in market.shards_mut() {
            let (mut observation, mut decision, mut outcome): (Observation, Decision, Outcome) = Default::default();
            shard.observe(FEATURES, &mut observation);
            decision.reset(observation.rows());
            for row in 0..observation.rows() {
                // The first hour, second offer.
                decision.actions[row] = if observation.allowed.allows(row, 2) { 2 } else { 0 };
            }
            shard.step(&decision, &mut outcome).unwrap();
            ordering.push(outcome.tally.get(Kpi::Conversions));
        }
        ordering
    };
    let (small, large) = (run(0.05), run(0.5));
    assert!(small.iter().zip(&large).all(|(small, large)| small <= large), "{small:?} {large:?}");
    assert!(small.iter().sum::<i64>() < large.iter().sum::<i64>());
}

#[test]
fn real_customers_keep_what_their_file_says() {
    let mut real = sections(1, 5);
    real.customers = Some(crate::market::customers::CustomerTable {
        rows: 3,
        source: "customers.csv".into(),
        numbers: [
            ("recency_days".to_owned(), vec![3.0, 200.0, 40.0]),
            ("orders".to_owned(), vec![4.0, 1.0, 2.0]),
            ("spend".to_owned(), vec![400.0, 30.0, 90.0]),
            ("email_reachable".to_owned(), vec![1.0, 0.0, 1.0]),
        ]
        .into(),
        texts: [("id".to_owned(), vec!["a".into(), "b".into(), "c".into()])].into(),
    });
    let campaign = Campaign::new(&real).unwrap();
    assert_eq!(campaign.spec().consumers, 3);
    let mut market = campaign.open(Seed::new(1));
    let mut observation = Observation::default();
    market.shards_mut()[0].observe(FEATURES, &mut observation);
    let feature = |name: &str, row| {
        let index = campaign.spec().features.iter().position(|feature| feature.name == name).unwrap();
        campaign.spec().features[index].to_raw(observation.features.get(row, index))
    };
    for (row, (recency, orders, spend, reachable)) in
        [(3.0, 4.0, 400.0, 1.0), (200.0, 1.0, 30.0, 0.0), (40.0, 2.0, 90.0, 1.0)].into_iter().enumerate()
    {
        assert!((feature("days_since_order", row) - recency).abs() < 1.1, "{}", feature("days_since_order", row));
        assert!((feature("orders_ever", row) - orders).abs() < 1e-3);
        assert!((feature("basket_mean", row) - spend / orders).abs() < 0.01);
        assert!((feature("email_reachable", row) - reachable).abs() < 1e-6);
    }
    real.customers.as_mut().unwrap().numbers.insert("orders".into(), vec![4.0, 0.5, 2.0]);
    let faults = Campaign::new(&real).unwrap_err();
    assert!(faults[0].message.contains("row 2 of customers.csv: orders is 0.5"), "{faults:?}");
}

#[test]
fn keys_that_real_customers_make_idle_are_refused_where_the_file_gives_them() {
    let mut real = alike(3, 2.0, 60.0);
    assert!(Campaign::new(&real).is_ok());
    real.market.set("consumers", Value::Integer(77), Some(10..12));
    real.market.set("history_days", Value::Number(90.0), Some(20..22));
    real.market.set("tenure_days_max", Value::Number(400.0), Some(30..33));
    let faults = Campaign::new(&real).unwrap_err();
    let told: Vec<_> = faults.iter().map(|fault| (fault.key.as_str(), fault.place.clone())).collect();
    assert_eq!(told, [("consumers", Some(10..12)), ("history_days", Some(20..22))]);
    assert!(faults[0].message.contains("customers.csv has 3 customers"), "{faults:?}");
    // What agrees with the file may stand there.
    real.market.set("consumers", Value::Integer(3), Some(10..12));
    real.market.set("history_days", Value::Number(0.0), Some(20..22));
    assert!(Campaign::new(&real).is_ok());
}

#[test]
fn clock_offsets_are_one_for_each_region_or_none() {
    let with = |offsets: &[i64]| {
        let mut market = sections(10, 1);
        market.market = market.market.with("clock_offsets_hours", Value::Integers(offsets.to_vec()));
        Campaign::new(&market)
    };
    assert!(with(&[]).is_ok() && with(&[0, 1, -1, 2]).is_ok());
    let faults = with(&[3]).unwrap_err();
    assert!(faults[0].message.contains("has 1 numbers for 4 regions"), "{faults:?}");
}

#[test]
fn money_is_bounded() {
    let mut dear = sections(10, 1);
    dear.market = dear.market.with("spend_rate_scale", Value::Number(1e300));
    let faults = Campaign::new(&dear).unwrap_err();
    assert_eq!(faults[0].key, "spend_rate_scale");
    assert!(faults[0].message.contains("the mean basket"), "{faults:?}");
    // The dearest legal market: baskets of a million, messages of a million.
    dear.market = dear.market.with("spend_rate_scale", Value::Number(4e5));
    for (_, _, values) in &mut dear.channels {
        *values = values.clone().with("cost", Value::Number(1e6));
    }
    let (outcomes, _) = play(open(&dear, 2).as_mut(), 3);
    assert!(total(&outcomes).value(Kpi::Cost) >= 1e6);
}

#[test]
fn an_audit_counts_nobody_out_twice() {
    let mut audited = sections(300, 40);
    // Nothing is lived before: everybody would be out already.
    audited.market = audited.market.with("history_days", Value::Number(0.0));
    audited.constraints = audited.constraints.with("mask", Value::Text("audit".into()));
    for (_, _, values) in &mut audited.channels {
        *values = values.clone().with("opt_out_rate", Value::Number(1.0));
    }
    let mut market = open(&audited, 6);
    let (mut decision, mut outcome) = (Decision::default(), Outcome::default());
    let (mut opt_outs, mut delivered) = (0, 0);
    for _ in 0..20 {
        for shard in market.shards_mut() {
            decision.reset(300);
            decision.actions.fill(1);
            shard.step(&decision, &mut outcome).unwrap();
            opt_outs += outcome.tally.get(Kpi::OptOuts);
            delivered += outcome.tally.get(Kpi::Delivered);
        }
    }
    // Messages still arrive without consent, but consent to e-mail is withdrawn once.
    assert!(opt_outs > 0 && opt_outs <= 300 && delivered > 4_000, "{opt_outs} {delivered}");
}

/// So many customers alike of a file without a tenure.
fn alike(rows: usize, orders: f64, recency_days: f64) -> Sections {
    let mut real = sections(1, 5);
    let column = |name: &str, value: f64| (name.to_owned(), vec![value; rows]);
    real.customers = Some(crate::market::customers::CustomerTable {
        rows,
        source: "customers.csv".into(),
        numbers: [column("recency_days", recency_days), column("orders", orders), column("spend", 60.0 * orders)]
            .into(),
        ..Default::default()
    });
    real
}

#[test]
fn more_orders_are_never_worth_less_where_the_file_gives_no_tenure() {
    let value_and_tenure = |orders: f64, recency_days: f64| {
        let rows = 4_000;
        let mut market = open(&alike(rows, orders, recency_days), 3);
        let index = market.spec().features.iter().position(|feature| feature.name == "tenure_days").unwrap();
        let feature = market.spec().features[index].clone();
        let (mut values, mut observation) = (Vec::new(), Observation::default());
        let (mut sum, mut tenure, mut alive) = (0.0, 0.0, 0.0);
        for shard in market.shards_mut() {
            shard.terminal_values(&mut values);
            shard.observe(FEATURES, &mut observation);
            sum += values.iter().sum::<f64>();
            alive += values.iter().filter(|value| **value > 0.0).count() as f64;
            for row in 0..observation.rows() {
                let days = feature.to_raw(observation.features.get(row, index));
                assert!(days > 0.99 * recency_days && days < 731.0, "{days}");
                tenure += days;
            }
        }
        let share = |total: f64| total / rows as f64;
        (share(sum), share(tenure), share(alive))
    };
    for recency_days in [10.0, 60.0, 300.0] {
        let two = value_and_tenure(2.0, recency_days);
        let ten = value_and_tenure(10.0, recency_days);
        assert!(ten.1 > two.1, "{recency_days}: {two:?} {ten:?}");
    }
    let [two, ten, twenty] = [2.0, 10.0, 20.0].map(|orders| value_and_tenure(orders, 60.0));
    // Standard errors of the mean values are below 3 % of them.
    assert!(two.0 < ten.0 && ten.0 < twenty.0, "{two:?} {ten:?} {twenty:?}");
    // Twenty orders in at most two years, the last two months ago: mostly still a customer, and not for two months only.
    assert!((0.5..0.99).contains(&twenty.2) && twenty.1 > 400.0, "{twenty:?}");
    // One order: the day of the order is the day of acquisition, and dropout follows repeat orders only.
    let one = value_and_tenure(1.0, 60.0);
    assert!((one.1 - 60.0).abs() < 0.1 && one.2 == 1.0, "{one:?}");
}

#[test]
fn a_drawn_tenure_has_the_law_of_customers_who_look_the_same() {
    // Bayes by simulation: synthetic customers without contacts, of whom those are kept who have three orders and whose
    // last lies 40 to 80 days back, were acquired as long ago as draws for that recency say.
    let mut synthetic = sections(60_000, 5);
    synthetic.market = synthetic.market.with("history_days", Value::Number(0.0));
    let tenures = |sections: &Sections| {
        let mut market = open(sections, 11);
        let features = market.spec().features.clone();
        let index = |name: &str| features.iter().position(|feature| feature.name == name).unwrap();
        let [tenure, recency, orders] = ["tenure_days", "days_since_order", "orders_ever"].map(index);
        let mut observation = Observation::default();
        let mut kept = Vec::new();
        for shard in market.shards_mut() {
            shard.observe(FEATURES, &mut observation);
            for row in 0..observation.rows() {
                let raw = |index: usize| features[index].to_raw(observation.features.get(row, index));
                if (raw(orders) - 3.0).abs() < 0.01 && (40.0..80.0).contains(&raw(recency)) {
                    kept.push(raw(tenure));
                }
            }
        }
        let mean = kept.iter().sum::<f64>() / kept.len() as f64;
        let variance = kept.iter().map(|days| (days - mean) * (days - mean)).sum::<f64>() / kept.len() as f64;
        (mean, variance.sqrt(), (variance / kept.len() as f64).sqrt())
    };
    let seen = tenures(&synthetic);
    let drawn = tenures(&alike(8_000, 3.0, 60.0));
    // Four standard errors, and two days for the width of the window.
    assert!((seen.0 - drawn.0).abs() < 4.0 * (seen.2 + drawn.2) + 2.0, "{seen:?} {drawn:?}");
    assert!((seen.1 / drawn.1 - 1.0).abs() < 0.1, "{seen:?} {drawn:?}");
}

#[test]
fn consents_and_numbers_given_as_texts_are_understood_or_refused() {
    let mut real = sections(1, 5);
    let column = |values: [f64; 2]| values.to_vec();
    let words = |values: [&str; 2]| values.map(str::to_owned).to_vec();
    let mut table = crate::market::customers::CustomerTable {
        rows: 2,
        source: "customers.csv".into(),
        numbers: [
            ("recency_days".to_owned(), column([3.0, 200.0])),
            ("orders".to_owned(), column([4.0, 1.0])),
            ("spend".to_owned(), column([400.0, 30.0])),
        ]
        .into(),
        texts: [("email_reachable".to_owned(), words(["no", "Yes"]))].into(),
    };
    real.customers = Some(table.clone());
    let mut market = open(&real, 1);
    let mut observation = Observation::default();
    market.shards_mut()[0].observe(FEATURES, &mut observation);
    let features = &market.spec().features;
    let index = features.iter().position(|feature| feature.name == "email_reachable").unwrap();
    let reachable = |row| features[index].to_raw(observation.features.get(row, index));
    assert_eq!((reachable(0), reachable(1)), (0.0, 1.0));
    // Whoever may not be written to is not: e-mail is the channel of the first actions.
    let allowed = |row| (1..9).filter(|action| observation.allowed.allows(row, *action)).count();
    assert_eq!((allowed(0), allowed(1)), (0, 8));

    table.texts.insert("email_reachable".into(), words(["no", "perhaps"]));
    table.numbers.remove("spend");
    table.texts.insert("spend".into(), words(["1_000", "2"]));
    real.customers = Some(table);
    let faults = Campaign::new(&real).unwrap_err();
    let messages: Vec<&str> = faults.iter().map(|fault| fault.message.as_str()).collect();
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert!(messages[0].contains("row 2 of customers.csv: email_reachable is \"perhaps\"; it must be yes"));
    assert!(messages[1].contains("row 1 of customers.csv: spend is \"1_000\"; it must be a number"));
    assert!(faults.iter().all(|fault| !fault.help.is_empty()));
}

#[test]
fn rates_at_rest_are_those_of_the_channel() {
    // The first message ever to fresh consumers: e-mail at its mean hour; four standard errors.
    let mut fresh = Sections::preset(&["email"]);
    fresh.market = fresh.market.with("consumers", Value::Integer(60_000)).with("history_days", Value::Number(0.0));
    fresh.modules =
        Some(vec![("channel_affinity", Values::defaults(find(MODULES, "channel_affinity").unwrap().parameters))]);
    let mut market = open(&fresh, 21);
    let mut tally = Tally::default();
    for shard in market.shards_mut() {
        let (mut observation, mut decision, mut outcome): (Observation, Decision, Outcome) = Default::default();
        shard.observe(Views::default(), &mut observation);
        decision.reset(observation.rows());
        for row in 0..observation.rows() {
            decision.actions[row] = u16::from(observation.allowed.allows(row, 1));
        }
        shard.step(&decision, &mut outcome).unwrap();
        tally += &outcome.tally;
    }
    let check = |events: Kpi, of: Kpi, rate: f64| {
        let (events, of) = (tally.value(events), tally.value(of));
        let standard_error = (rate * (1.0 - rate) / of).sqrt();
        assert!((events / of - rate).abs() < 4.0 * standard_error, "{} against {rate}", events / of);
    };
    check(Kpi::Delivered, Kpi::Messages, 0.996 * 0.994);
    check(Kpi::Opens, Kpi::Delivered, 0.27);
    check(Kpi::Clicks, Kpi::Opens, 0.063);
    check(Kpi::OptOuts, Kpi::Delivered, 0.00117 + 0.000_068);
}

#[test]
fn a_market_orders_as_often_as_it_is_said_to() {
    let mut said = sections(4_096, 91);
    said.market = said.market.with("orders_per_year", Value::Number(3.0));
    let mut market = open(&said, 0);
    let (mut decision, mut outcome) = (Decision::default(), Outcome::default());
    let mut orders = 0;
    for _ in 0..91 {
        for shard in market.shards_mut() {
            decision.reset(shard.consumers().len());
            shard.step(&decision, &mut outcome).unwrap();
            orders += outcome.tally.get(Kpi::Orders);
        }
        market.end_tick();
    }
    let yearly = orders as f64 / 4_096.0 * 365.25 / 91.0;
    assert!((yearly / 3.0 - 1.0).abs() < 0.01, "{yearly}");
    said.market = said.market.with("orders_per_year", Value::Number(1e6));
    assert_eq!(Campaign::new(&said).unwrap_err()[0].key, "orders_per_year");
}

#[test]
fn expected_rewards_are_the_mean_over_luck() {
    let mut small = sections(64, 30);
    small.market = small.market.with("history_days", Value::Number(40.0));
    let campaign = Campaign::new(&small).unwrap();
    // The same people and state, 3,000 different kinds of luck from here on.
    let base = shard(&campaign, Seed::new(4), 0..64);
    let mut expected = crate::matrix::Matrix::default();
    base.truth().unwrap().expected_rewards(&mut expected);
    let worlds = 3_000;
    for action in [0, 2, 5, 9] {
        let (mut decision, mut outcome) = (Decision::default(), Outcome::default());
        let (mut sum, mut squares) = (0.0, 0.0);
        let mut allowed = Observation::default();
        base.clone().observe(FEATURES, &mut allowed);
        let rows: Vec<usize> = (0..64).filter(|&row| allowed.allowed.allows(row, action)).collect();
        assert!(rows.len() > 5, "{action}");
        decision.reset(64);
        for &row in &rows {
            decision.actions[row] = action as u16;
        }
        for world in 0..worlds {
            let mut one = base.clone();
            one.reseed(Seed::new(1_000 + world));
            one.step(&decision, &mut outcome).unwrap();
            let total: f64 = rows.iter().map(|&row| outcome.profits[row].amount()).sum();
            sum += total;
            squares += total * total;
        }
        let mean = sum / worlds as f64;
        let error = ((squares / worlds as f64 - mean * mean) / worlds as f64).sqrt();
        let exact: f64 = rows.iter().map(|&row| f64::from(expected.get(row, action))).sum();
        assert!((mean - exact).abs() < 3.5 * error, "action {action}: {mean} +- {error}, expected {exact}");
        assert!(error < 0.2 * exact.abs().max(1.0), "{error} {exact}");
    }
}

#[test]
fn minors_are_never_contacted_and_counted_where_the_rules_are_only_audited() {
    let contact_all = |mask: &str| {
        let mut young = sections(3_000, 10);
        young.market = young.market.with("minor_share", Value::Number(0.25));
        young.constraints = young.constraints.with("mask", Value::Text(mask.into()));
        let mut market = open(&young, 5);
        let (mut minors, mut sent_to_minors, mut violations) = (0, 0, 0);
        let campaign = Campaign::new(&young).unwrap();
        let is_minor = |consumer| campaign.model.population.draw(Seed::new(5), consumer, 4).minor;
        for shard in market.shards_mut() {
            let (mut observation, mut decision, mut outcome): (Observation, Decision, Outcome) = Default::default();
            shard.observe(FEATURES, &mut observation);
            decision.reset(observation.rows());
            for row in 0..observation.rows() {
                let first = (1..observation.allowed.actions()).find(|&action| observation.allowed.allows(row, action));
                // Where rules are only audited, the first message goes to everybody.
                let action = if mask == "audit" { Some(1) } else { first };
                decision.actions[row] = action.unwrap_or(0) as u16;
                if is_minor(observation.consumer_ids[row]) {
                    minors += 1;
                    sent_to_minors += i64::from(action.is_some());
                }
            }
            shard.step(&decision, &mut outcome).unwrap();
            violations += outcome.tally.get(Kpi::Violations);
        }
        (minors, sent_to_minors, violations)
    };
    // A quarter of 3,000, four standard errors of 24.
    let (minors, sent, violations) = contact_all("enforce");
    assert!((655..845).contains(&minors), "{minors}");
    assert_eq!((sent, violations), (0, 0));
    let (minors, sent, violations) = contact_all("audit");
    assert_eq!(sent, minors);
    assert!(violations >= minors, "{violations} for {minors} minors");
}

/// z of the join count of orders on the graph: how far the mean product of neighbours' order counts is above that of
/// strangers, in standard errors under permutation (Moran's I, randomisation by the normal approximation).
fn clustering_of_orders(homophily: f64, correlation: f64, influence: f64) -> f64 {
    let consumers = 4_000;
    let values = Values::defaults(find(MODULES, "word_of_mouth").unwrap().parameters)
        .with("homophily", Value::Number(homophily))
        .with("taste_rate_correlation", Value::Number(correlation))
        .with("talk_probability", Value::Number(1.0))
        .with("half_life_days", Value::Number(3.0))
        .with("influence", Value::Number(influence));
    let mut viral = sections(i64::from(consumers), 60);
    // Much alike but for what is tested, and nobody leaves: counts are not swamped by their heaviest buyers.
    viral.market = viral
        .market
        .with("clock", Value::Text("nbd".into()))
        .with("purchase_rate_shape", Value::Number(5.5))
        .with("purchase_rate_scale_weeks", Value::Number(106.0));
    viral.modules = Some(vec![("word_of_mouth", values)]);
    let campaign = Campaign::new(&viral).unwrap();
    let seed = Seed::new(17);
    let (population, channels) = (&campaign.model.population, campaign.model.catalogue.channels.len());
    let order = crate::market::graph::wiring_order(seed, consumers, population, channels, homophily as f32);
    let graph = crate::market::graph::build(seed, &order, 8.0);
    let mut market = campaign.open(seed);
    let mut orders = vec![0.0; consumers as usize];
    let (mut decision, mut outcome) = (Decision::default(), Outcome::default());
    for _ in 0..60 {
        for shard in market.shards_mut() {
            let ids = shard.consumers();
            decision.reset(ids.len());
            shard.step(&decision, &mut outcome).unwrap();
            for (consumer, profit) in ids.zip(&outcome.profits) {
                orders[consumer as usize] += f64::from(u8::from(*profit > Money::ZERO));
            }
        }
        market.end_tick();
    }
    let mean = orders.iter().sum::<f64>() / f64::from(consumers);
    let variance = orders.iter().map(|count| (count - mean) * (count - mean)).sum::<f64>() / f64::from(consumers);
    let deviation = |consumer: u32| orders[consumer as usize] - mean;
    let pairs = (0..consumers).flat_map(|a| graph.neighbours(a).iter().map(move |b| (a, *b)));
    let products: f64 = pairs.map(|(a, b)| deviation(a) * deviation(b)).sum();
    let ends = graph.mean_degree() * f64::from(consumers);
    // Under independence each of ends / 2 products, counted twice, has variance s^4.
    products / (variance * (2.0 * ends).sqrt())
}

#[test]
fn orders_cluster_on_the_graph_by_influence_and_by_likeness_alone() {
    let none = clustering_of_orders(0.0, 0.0, 0.0);
    assert!(none.abs() < 4.0, "{none}");
    let likeness = clustering_of_orders(0.9, 0.8, 0.0);
    assert!(likeness > 5.0, "{likeness}");
    let influence = clustering_of_orders(0.0, 0.0, 2.0);
    assert!(influence > 5.0, "{influence}");
}

#[test]
fn a_careless_sender_ends_among_the_spam() {
    let opens = |complaint_rate: f64| {
        let mut market = sections(3_000, 20);
        market.market = market.market.with("history_days", Value::Number(0.0));
        for (_, _, values) in &mut market.channels {
            values.set("complaint_rate", Value::Number(complaint_rate), None);
        }
        market.modules =
            Some(vec![("deliverability", Values::defaults(find(MODULES, "deliverability").unwrap().parameters))]);
        let campaign = Campaign::new(&market).unwrap();
        let index =
            campaign.spec().features.iter().position(|feature| feature.name == "email_sender_reputation").unwrap();
        let mut market = campaign.open(Seed::new(8));
        let mut last = (0.0, 0.0);
        for _ in 0..14 {
            let mut tally = Tally::default();
            for shard in market.shards_mut() {
                let (mut observation, mut decision, mut outcome): (Observation, Decision, Outcome) = Default::default();
                shard.observe(FEATURES, &mut observation);
                last.1 = campaign.spec().features[index].to_raw(observation.features.get(0, index));
                decision.reset(observation.rows());
                for row in 0..observation.rows() {
                    decision.actions[row] = u16::from(observation.allowed.allows(row, 1));
                }
                shard.step(&decision, &mut outcome).unwrap();
                tally += &outcome.tally;
            }
            market.end_tick();
            last.0 = tally.value(Kpi::Opens) / tally.value(Kpi::Delivered);
        }
        last
    };
    let (careful, careless) = (opens(0.0), opens(0.01));
    assert!(careful.1 == 1.0 && (careful.0 - 0.27).abs() < 0.04, "{careful:?}");
    assert!(careless.1 < 0.01 && careless.0 < 0.05, "{careless:?}");
}
