//! Promises about what the records show: who is in them, what they get wrong, who gets the credit, what is paid back.

use super::*;
use crate::protocol::{EventKind, Events};

const BOTH: Views = Views { features: true, events: true };

/// The core with one more module, some of whose parameters are set.
fn with_module(mut market: Sections, name: &'static str, set: &[(&'static str, f64)]) -> Sections {
    let mut modules: Vec<(&'static str, Values)> = crate::response::CORE
        .iter()
        .map(|core| (*core, Values::defaults(find(MODULES, core).unwrap().parameters)))
        .collect();
    let mut values = Values::defaults(find(MODULES, name).unwrap().parameters);
    for (key, value) in set {
        values.set(key, Value::Number(*value), None);
    }
    modules.push((name, values));
    market.modules = Some(modules);
    market
}

fn row_of(observation: &Observation, row: usize) -> Vec<f32> {
    (0..observation.features.columns()).map(|column| observation.features.get(row, column)).collect()
}

#[test]
fn those_who_have_not_come_yet_are_nobody() {
    let arriving = with_module(sections(1_000, 30), "arrivals", &[("start_share", 0.3), ("arrival_days", 12.0)]);
    let campaign = Campaign::new(&arriving).unwrap();
    let seed = Seed::new(5);
    let module = campaign.model.modules.iter().find(|module| module.brings_arrivals()).unwrap();
    let comes: Vec<Option<i32>> = (0..1_000).map(|consumer| module.arrival_tick(seed, consumer)).collect();
    let index = campaign.spec().features.iter().position(|feature| feature.name == "orders_ever").unwrap();
    let mut shard = shard(&campaign, seed, 0..1_000);
    let (mut observation, mut decision, mut outcome): (Observation, Decision, Outcome) = Default::default();
    let mut values = Vec::new();
    let mut profits_of_absent = 0;
    for tick in 0..15 {
        shard.observe(FEATURES, &mut observation);
        shard.terminal_values(&mut values);
        let is_absent = |row: usize| comes[row].is_some_and(|comes| comes >= tick);
        let absent: Vec<usize> = (0..1_000).filter(|row| is_absent(*row)).collect();
        assert!(tick > 12 || tick > 8 || absent.len() > 50);
        for &row in &absent {
            assert_eq!(observation.allowed.count(row), 1);
            assert_eq!(values[row], 0.0);
            // They all look the same.
            assert_eq!(row_of(&observation, row), row_of(&observation, absent[0]));
        }
        for row in (0..1_000).filter(|row| !is_absent(*row)) {
            assert!(campaign.spec().features[index].to_raw(observation.features.get(row, index)) > 0.99);
        }
        scatter(&observation, &mut decision);
        shard.step(&decision, &mut outcome).unwrap();
        for row in 0..1_000 {
            if comes[row].is_some_and(|comes| comes > tick) {
                profits_of_absent += outcome.profits[row].micros().abs();
            }
        }
    }
    assert_eq!(profits_of_absent, 0);
    assert_eq!(shard.present(), 1_000);
}

#[test]
fn an_arrival_depends_on_nobody_else() {
    let arriving = with_module(sections(1_100, 30), "arrivals", &[("start_share", 0.3), ("arrival_days", 12.0)]);
    let campaign = Campaign::new(&arriving).unwrap();
    let (crowd, last) = play(campaign.open(Seed::new(4)).as_mut(), 15);
    for consumer in [0_u32, 3, 700, 1_050] {
        let mut alone = shard(&campaign, Seed::new(4), consumer..consumer + 1);
        let (mut observation, mut decision, mut outcome): (Observation, Decision, Outcome) = Default::default();
        let (place, row) = (consumer as usize / SHARD_CONSUMERS as usize, consumer as usize % SHARD_CONSUMERS as usize);
        for tick in 0..15 {
            alone.observe(FEATURES, &mut observation);
            scatter(&observation, &mut decision);
            alone.step(&decision, &mut outcome).unwrap();
            assert_eq!(outcome.profits[0], crowd[tick * 2 + place].profits[row]);
        }
        assert_eq!(row_of(&observation, 0), row_of(&last[place], row));
    }
}

#[test]
fn the_order_rate_is_that_of_those_who_are_there() {
    let target = Value::Number(3.0);
    let mut arriving = with_module(sections(4_096, 91), "arrivals", &[("start_share", 0.2), ("arrival_days", 60.0)]);
    arriving.market = arriving.market.with("orders_per_year", target);
    let campaign = Campaign::new(&arriving).unwrap();
    let mut market = campaign.open_consumers(Seed::new(0), 0..4_096);
    let (mut decision, mut outcome) = (Decision::default(), Outcome::default());
    let (mut orders, mut present) = (0, 0);
    for _ in 0..91 {
        for shard in market.shards_mut() {
            decision.reset(shard.consumers().len());
            shard.step(&decision, &mut outcome).unwrap();
            orders += outcome.tally.get(Kpi::Orders);
        }
        present += market.shards.iter().map(CampaignShard::present).sum::<usize>();
    }
    let yearly = orders as f64 / present as f64 * 365.25;
    assert!((yearly / 3.0 - 1.0).abs() < 0.01, "{yearly}");
}

#[test]
fn noise_changes_what_is_recorded_and_nothing_that_happens() {
    let noisy = with_module(sections(1_100, 20), "measurement_noise", &[("lost_order_rate", 0.5)]);
    let (happened, seen) = play(open(&noisy, 7).as_mut(), 20);
    let (truth, known) = play(open(&sections(1_100, 20), 7).as_mut(), 20);
    for (noisy, clear) in happened.iter().zip(&truth) {
        assert_eq!(noisy.profits, clear.profits);
        assert!(Kpi::HAPPENED.iter().all(|kpi| noisy.tally.get(*kpi) == clear.tally.get(*kpi)));
    }
    assert_ne!(seen, known);
    let (noisy, clear) = (total(&happened), total(&truth));
    assert!(2 * noisy.get(Kpi::TouchedOrders) < 3 * clear.get(Kpi::TouchedOrders) / 2, "half of the orders are lost");
    // Orders that come late or never are missing from the features, duplicates of the rest are not.
    let index =
        Campaign::new(&noisy_free()).unwrap().spec().features.iter().position(|f| f.name == "orders_ever").unwrap();
    let sum = |seen: &[Observation]| -> f32 {
        seen.iter().flat_map(|seen| (0..seen.rows()).map(move |row| seen.features.get(row, index))).sum()
    };
    assert!(sum(&seen) < sum(&known));
}

fn noisy_free() -> Sections {
    sections(10, 1)
}

#[test]
fn credit_is_never_more_than_the_orders_and_needs_a_message() {
    let run = |days: f64, history_days: f64, contact: bool| {
        let mut market = sections(2_500, 25);
        market.market = market
            .market
            .with("attribution_days", Value::Number(days))
            .with("history_days", Value::Number(history_days));
        let mut market = open(&market, 3);
        if contact {
            return total(&play(market.as_mut(), 25).0);
        }
        let (mut decision, mut outcome, mut sum) = (Decision::default(), Outcome::default(), Tally::default());
        for _ in 0..25 {
            for shard in market.shards_mut() {
                decision.reset(shard.consumers().len());
                shard.step(&decision, &mut outcome).unwrap();
                sum += &outcome.tally;
            }
        }
        sum
    };
    let week = run(7.0, 28.0, true);
    let same_day = run(0.0, 28.0, true);
    let of = |tally: &Tally| [Kpi::LastClickOrders, Kpi::TouchedOrders, Kpi::Orders].map(|kpi| tally.get(kpi));
    let [clicked, touched, orders] = of(&week);
    assert!(0 < clicked && clicked < touched && touched <= orders, "{:?}", of(&week));
    let [clicked_today, touched_today, orders_too] = of(&same_day);
    assert!(orders_too == orders && clicked_today < clicked && touched_today < touched);
    // Nearly everybody hears something within a week, so nearly all orders are credited, whatever caused them.
    assert!(touched as f64 > 0.8 * orders as f64, "{touched} of {orders}");
    assert_eq!(of(&run(7.0, 0.0, false))[..2], [0, 0]);
}

#[test]
fn events_are_those_of_the_features_newest_first() {
    let mut remembering = sections(1_100, 20);
    remembering.market = remembering.market.with("events_remembered", Value::Integer(32));
    let mut market = open(&remembering, 8);
    let (outcomes, _) = play(market.as_mut(), 12);
    // Remembering changes nothing.
    assert_eq!(outcomes, play(open(&sections(1_100, 20), 8).as_mut(), 12).0);
    let features = market.spec().features.clone();
    let find = |name: &str| features.iter().position(|feature| feature.name == name).unwrap();
    let since = ["email", "push", "sms", "onsite"].map(|channel| find(&format!("{channel}_days_since_sent")));
    let (visit, basket) = (find("days_since_visit"), find("days_since_order"));
    let mut seen = Observation::default();
    let mut kinds = [0; EventKind::ALL.len()];
    for shard in market.shards_mut() {
        shard.observe(BOTH, &mut seen);
        let events = seen.events.as_ref().unwrap();
        assert_eq!((events.rows(), events.remembered()), (seen.rows(), 32));
        for row in 0..seen.rows() {
            let raw = |index: usize| features[index].to_raw(seen.features.get(row, index)) as f32;
            let listed = events.row(row);
            assert!(listed.windows(2).all(|pair| pair[0].age_days <= pair[1].age_days));
            let youngest = |of: &dyn Fn(&crate::protocol::Event) -> bool| {
                listed.iter().find(|event| of(event)).map(|event| event.age_days)
            };
            for (channel, index) in since.iter().enumerate() {
                let wanted = |event: &crate::protocol::Event| {
                    event.kind == EventKind::Sent && event.channel == Some(channel as u8)
                };
                if let Some(age) = youngest(&wanted) {
                    assert!((age - raw(*index)).abs() < 0.01, "{age} {}", raw(*index));
                }
            }
            for (kind, index) in [(EventKind::Visit, visit), (EventKind::Order, basket)] {
                if let Some(age) = youngest(&|event| event.kind == kind) {
                    assert!((age - raw(index)).abs() < 0.01);
                }
            }
            for event in listed {
                kinds[event.kind as usize] += 1;
                assert!(event.kind != EventKind::Order || (event.value > 0.0 && event.channel.is_none()));
                assert!(event.kind != EventKind::Sent || [0.0, 0.2].contains(&event.value));
            }
        }
        shard.observe(FEATURES, &mut seen);
        assert_eq!(seen.events, None);
    }
    assert!(kinds.iter().all(|count| *count > 0), "{kinds:?}");
    // A market that remembers none tells none.
    let mut forgetful = open(&sections(200, 20), 8);
    play(forgetful.as_mut(), 3);
    forgetful.shards_mut()[0].observe(BOTH, &mut seen);
    let mut nothing = Events::default();
    nothing.reset(200, 0);
    assert_eq!(seen.events, Some(nothing));
}

#[test]
fn pages_of_a_visit_are_told_by_its_event_where_no_feature_tells_them() {
    let told = |observed: bool| {
        let mut hidden = with_module(sections(400, 20), "intent_stage", &[]);
        hidden.market = hidden.market.with("events_remembered", Value::Integer(32));
        let modules = hidden.modules.iter_mut().flatten();
        modules.last().unwrap().1.set("observed", Value::Boolean(observed), None);
        let mut market = open(&hidden, 8);
        play(market.as_mut(), 12);
        let mut seen = Observation::default();
        market.shards_mut()[0].observe(BOTH, &mut seen);
        let is_column = market.spec().features.iter().any(|feature| feature.name == "pages_7_days");
        (is_column, seen.events.unwrap())
    };
    let ((is_column, with), (is_hidden_column, without)) = (told(true), told(false));
    assert!(is_column && !is_hidden_column && with == without);
    let visits = |row| without.row(row).iter().filter(|event| event.kind == EventKind::Visit).map(|event| event.value);
    let pages: Vec<f32> = (0..400).flat_map(visits).collect();
    // Geometric from 1 on: a whole number each, one page and many pages both common.
    assert!(pages.iter().all(|pages| *pages >= 1.0 && pages.fract() == 0.0));
    let share = |of: &dyn Fn(f32) -> bool| pages.iter().filter(|pages| of(**pages)).count() as f64 / pages.len() as f64;
    assert!(share(&|pages| pages == 1.0) > 0.2 && share(&|pages| pages > 5.0) > 0.02, "{}", pages.len());
}

#[test]
fn machines_open_in_the_events_too() {
    let noise = [("machine_open_rate", 1.0), ("lost_order_rate", 1.0)];
    let mut noisy = with_module(sections(800, 20), "measurement_noise", &noise);
    noisy.market = noisy.market.with("events_remembered", Value::Integer(32));
    let mut market = open(&noisy, 8);
    let ios = market.spec().features.iter().position(|feature| feature.name == "device_ios").unwrap();
    play(market.as_mut(), 12);
    let mut seen = Observation::default();
    market.shards_mut()[0].observe(BOTH, &mut seen);
    let (mut sent, mut opened) = ([0; 2], [0; 2]);
    for row in 0..seen.rows() {
        let is_ios = usize::from(seen.features.get(row, ios) > 0.0);
        for event in seen.events.as_ref().unwrap().row(row).iter().filter(|event| event.channel == Some(0)) {
            sent[is_ios] += u32::from(event.kind == EventKind::Sent);
            opened[is_ios] += u32::from(event.kind == EventKind::Open);
        }
        assert!(seen.events.as_ref().unwrap().row(row).iter().all(|event| event.kind != EventKind::Order));
    }
    // All but the 1 % that bounce, against the open rate of people.
    assert!(
        opened[1] as f64 > 0.95 * sent[1] as f64 && (opened[0] as f64) < 0.5 * sent[0] as f64,
        "{sent:?} {opened:?}"
    );
}

#[test]
fn members_are_counted_apart() {
    let grouped = |reach: f64| {
        let set = [("group_share", 0.3), ("reach_factor", reach)];
        let campaign = Campaign::new(&with_module(sections(3_000, 20), "fairness_groups", &set)).unwrap();
        assert!(campaign.spec().kpis.contains(&Kpi::GroupMessages));
        total(&play(campaign.open(Seed::new(2)).as_mut(), 20).0)
    };
    let rates = |tally: &Tally| {
        let members = tally.value(Kpi::GroupConsumers);
        let (messages, to_members) = (tally.value(Kpi::Messages), tally.value(Kpi::GroupMessages));
        (to_members / members, (messages - to_members) / (60_000.0 - members))
    };
    let (fair, unfair) = (grouped(1.0), grouped(0.5));
    assert!((fair.value(Kpi::GroupConsumers) / 60_000.0 - 0.3).abs() < 4.0 * (0.21_f64 / 3_000.0).sqrt());
    let ((members, others), (fewer, same)) = (rates(&fair), rates(&unfair));
    // The others do not notice; half the reach halves what members are sent, on-site offers aside.
    assert!((members / others - 1.0).abs() < 0.1 && same == others, "{members} {others} {same}");
    assert!((0.4..0.7).contains(&(fewer / members)), "{fewer} {members}");
    for tally in [fair, unfair] {
        assert!(tally.get(Kpi::GroupOptOuts) > 0 && tally.get(Kpi::GroupOptOuts) < tally.get(Kpi::OptOuts));
        // Every second action has a discount of a fifth.
        let depth = tally.value(Kpi::GroupOfferedDiscountMillionths) / tally.value(Kpi::GroupMessages) / 1e6;
        assert!((0.05..0.15).contains(&depth), "{depth}");
    }
    let plain = Campaign::new(&sections(100, 20)).unwrap();
    assert!(plain.spec().kpis.iter().all(|kpi| !kpi.is_by_group()));
}

/// Extra orders of the first nine days after a coupon to all, and those missing over days 9 to 60.
fn bump_and_dip(modules: &[&'static str]) -> (f64, f64) {
    let mut market = Sections::preset(&["email"]);
    market.market = market
        .market
        .with("consumers", Value::Integer(16_384))
        .with("ticks", Value::Integer(61))
        .with("history_days", Value::Number(60.0))
        .with("history_message_every_days", Value::Integer(0));
    market.channels[0].2 = market.channels[0]
        .2
        .clone()
        .with("open_rate", Value::Number(1.0))
        .with("click_rate", Value::Number(0.0))
        .with("opt_out_rate", Value::Number(0.0));
    market.offers = sections(1, 1).offers;
    let mut listed: Vec<(&'static str, Values)> =
        modules.iter().map(|name| (*name, Values::defaults(find(MODULES, name).unwrap().parameters))).collect();
    listed[0].1.set("redemption_rate", Value::Number(1.0), None);
    market.modules = Some(listed);
    let mut treated = open(&market, 13);
    let mut twin = treated.fork();
    let orders = |market: &mut dyn Environment, contacted: bool, tick: u32| {
        let (mut observation, mut decision, mut outcome): (Observation, Decision, Outcome) = Default::default();
        let mut sum = 0;
        for shard in market.shards_mut() {
            shard.observe(Views::default(), &mut observation);
            decision.reset(observation.rows());
            for row in
                (0..observation.rows()).filter(|row| contacted && tick == 0 && observation.allowed.allows(*row, 2))
            {
                // The first hour, a fifth off.
                decision.actions[row] = 2;
            }
            shard.step(&decision, &mut outcome).unwrap();
            sum += outcome.tally.get(Kpi::Orders);
        }
        sum as f64
    };
    let (mut bump, mut dip) = (0.0, 0.0);
    for tick in 0..61 {
        let extra = orders(treated.as_mut(), true, tick) - orders(twin.as_mut(), false, tick);
        if tick < 9 { bump += extra } else { dip -= extra }
    }
    (bump, dip)
}

#[test]
fn part_of_a_promotion_is_paid_back() {
    let (bump, dip) = bump_and_dip(&["price_response", "inventory"]);
    let (bump_alone, dip_alone) = bump_and_dip(&["price_response"]);
    let (paid_back, alone) = (dip / bump, dip_alone / bump_alone);
    // A few hundred extra orders: the standard error of the share is about 0.03.
    assert!(bump > 150.0 && (0.1..0.5).contains(&paid_back), "{bump} {paid_back}");
    assert!(paid_back > alone + 0.06, "{paid_back} {alone}");
}
