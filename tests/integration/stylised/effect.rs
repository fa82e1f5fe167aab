//! Whom messages move, and how logs mislead: facts 15, 16 and 18.

use super::lived::{RETAIL, correlation, live_in, market, mean, uniform, with_modules};
use super::{Size, fact, within};
use mercato::environment::campaign::{Campaign, Sections};
use mercato::market::population::Population;
use mercato::protocol::{Decision, Observation, Outcome, Views, World};
use mercato::random::Seed;
use rayon::prelude::*;

/// What one e-mail on day 0 changes in expectation, per consumer.
struct Effects {
    /// Expected orders of 14 days without the message.
    baseline: Vec<f64>,
    /// By how much the message raises them.
    uplift: Vec<f64>,
    /// By how much the message raises profit and future value.
    value: Vec<f64>,
}

/// The mean over many kinds of luck; both arms meet the same ones.
fn effects(sections: &Sections, seed: u64, action: u16, replicates: u64) -> Effects {
    let campaign = Campaign::new(sections).unwrap();
    let people = campaign.spec().consumers as usize;
    let arm = |replicate: u64, action: u16| {
        let mut market = campaign.open_with_luck(Seed::new(seed), Seed::new(10_000 + replicate));
        let (mut observation, mut decision, mut outcome): (Observation, Decision, Outcome) = Default::default();
        let (mut orders, mut values) = (vec![0.0; people], vec![0.0; people]);
        for tick in 0..campaign.spec().horizon {
            for shard in market.shards_mut() {
                shard.observe(Views::default(), &mut observation);
                decision.reset(observation.rows());
                for row in 0..observation.rows() {
                    if tick == 0 && observation.allowed.allows(row, usize::from(action)) {
                        decision.actions[row] = action;
                    }
                }
                shard.step(&decision, &mut outcome).unwrap();
                let cost = campaign.spec().actions.actions[usize::from(action)].cost.amount();
                for (row, &consumer) in observation.consumer_ids.iter().enumerate() {
                    let profit = outcome.profits[row].amount();
                    let paid = if decision.actions[row] > 0 { cost } else { 0.0 };
                    orders[consumer as usize] += f64::from(u8::from((profit + paid).abs() > 1e-9));
                    values[consumer as usize] += profit;
                }
            }
            market.end_tick();
        }
        let mut all = Vec::new();
        for shard in market.shards_mut() {
            let mut terminal = Vec::new();
            shard.terminal_values(&mut terminal);
            all.append(&mut terminal);
        }
        values.iter_mut().zip(all).for_each(|(value, terminal)| *value += terminal);
        (orders, values)
    };
    let pairs: Vec<_> = (0..replicates).into_par_iter().map(|one| (arm(one, 0), arm(one, action))).collect();
    let average = |pick: &dyn Fn(usize, usize) -> f64| {
        (0..people).map(|who| (0..pairs.len()).map(|one| pick(one, who)).sum::<f64>() / pairs.len() as f64).collect()
    };
    Effects {
        baseline: average(&|one, who| pairs[one].0.0[who]),
        uplift: average(&|one, who| pairs[one].1.0[who] - pairs[one].0.0[who]),
        value: average(&|one, who| pairs[one].1.1[who] - pairs[one].0.1[who]),
    }
}

fn people_and_replicates(size: Size) -> (i64, u64) {
    if size.divisor < 10 { (4_000, 400) } else { (1_000, 150) }
}

/// Fact 15: few are moved much; being moved is not buying; whom messages put off are worth less by them.
fn effects_differ(size: Size) {
    let (people, replicates) = people_and_replicates(size);
    let mut sections = market(people, 14, &["email"], &[0.0, 0.2]);
    with_modules(&mut sections, RETAIL);
    let [ratio, correlated] = size.means(|seed| {
        let effects = effects(&sections, seed, 1, replicates);
        let mut sorted = effects.uplift.clone();
        sorted.sort_by(|a, b| b.total_cmp(a));
        let top = mean(&sorted[..sorted.len() / 10]);
        [top / mean(&effects.uplift), correlation(&effects.uplift, &effects.baseline)]
    });
    within("15, top decile over the mean uplift", ratio, 3.0..=60.0);
    within("15, correlation of uplift and baseline", correlated, -0.7..=0.7);
    with_modules(&mut sections, &[RETAIL, &["wake"]].concat());
    let [put_off, drawn] = size.means(|seed| {
        let effects = effects(&sections, seed, 1, replicates);
        let population = Population::new(&sections.market).unwrap();
        let signs: Vec<bool> = (0..people as u32)
            .map(|consumer| population.draw(Seed::new(seed), consumer, 1).persuadability < 0.0)
            .collect();
        [true, false].map(|negative| {
            let of: Vec<f64> = effects
                .value
                .iter()
                .zip(&signs)
                .filter(|(_, sign)| **sign == negative)
                .map(|(value, _)| *value)
                .collect();
            mean(&of)
        })
    });
    within("15, value of a message to whom messages put off", put_off, -10.0..=-1e-6);
    within("15, value of a message to all others", drawn, 1e-6..=10.0);
}
fact!(effects_differ, stylised_15_effects_differ, stylised_15_effects_differ_at_full_size);

/// Area between the gains of a ranking and those of random treatment.
fn qini(uplift: &[f64], score: &[f64]) -> f64 {
    let mut order: Vec<usize> = (0..uplift.len()).collect();
    order.sort_by(|a, b| score[*b].total_cmp(&score[*a]));
    let total: f64 = uplift.iter().sum();
    let (mut gained, mut area) = (0.0, 0.0);
    for (rank, index) in order.iter().enumerate() {
        gained += uplift[*index];
        area += gained - total * (rank as f64 + 1.0) / uplift.len() as f64;
    }
    area
}

/// Fact 16: ranking by who will buy is not ranking by whom the message moves.
fn response_is_not_uplift(size: Size) {
    let (people, replicates) = people_and_replicates(size);
    let mut sections = market(people, 14, &["email"], &[0.0, 0.2]);
    with_modules(&mut sections, RETAIL);
    let [plain, coupon] = size.means(|seed| {
        [1, 2].map(|action| {
            let effects = effects(&sections, seed, action, replicates);
            qini(&effects.uplift, &effects.baseline) / qini(&effects.uplift, &effects.uplift)
        })
    });
    within("16, Qini of a perfect response ranking over the oracle's, no coupon", plain, -1.0..=0.85);
    within("16, Qini of a perfect response ranking over the oracle's, a fifth off", coupon, -1.0..=0.85);
}
fact!(response_is_not_uplift, stylised_16_response_is_not_uplift, stylised_16_response_is_not_uplift_at_full_size);

/// Fact 18: where past buyers are written to more, the treated buy more without the message; propensities put it right.
fn confounded_logs_mislead(size: Size) {
    let mut sections = market(size.consumers(1_000_000), 14, &["email"], &[0.0]);
    with_modules(&mut sections, RETAIL);
    let campaign = Campaign::new(&sections).unwrap();
    let feature = campaign.spec().features.iter().position(|one| one.name == "orders_90_days").unwrap();
    let raw = campaign.spec().features[feature].clone();
    let views = Views { features: true, ..Views::default() };
    let people = campaign.spec().consumers as usize;
    let (mut naive, mut truth, mut weighted, mut variance) = (0.0, 0.0, 0.0, 0.0);
    for seed in size.seeds {
        let log = std::sync::Mutex::new(vec![(false, 0.0_f64, false); people]);
        let treatment = |consumer: u32, tick: u32, seen: &Observation, row: usize| {
            if tick > 0 {
                return 0;
            }
            let bought = raw.to_raw(seen.features.get(row, feature)) > 0.5;
            let propensity = if bought { 0.8 } else { 0.05 };
            let treated = f64::from(uniform(seed, consumer, 0, 11)) < propensity;
            let reachable = seen.allowed.allows(row, 1);
            log.lock().unwrap()[consumer as usize] = (treated, propensity, reachable);
            u16::from(treated)
        };
        let lived = live_in(&campaign, seed, &treatment, views);
        let twin = live_in(&campaign, seed, &super::lived::nobody, views);
        let everybody =
            live_in(&campaign, seed, &|_: u32, tick: u32, _: &Observation, _: usize| u16::from(tick == 0), views);
        let log = log.into_inner().unwrap();
        let outcome = |orders: &Vec<Vec<u16>>, who: usize| orders[who].len() as f64;
        let reached: Vec<usize> = (0..people).filter(|who| log[*who].2).collect();
        let of = |treated: bool| {
            mean(
                &reached
                    .iter()
                    .filter(|w| log[**w].0 == treated)
                    .map(|w| outcome(&lived.orders, *w))
                    .collect::<Vec<_>>(),
            )
        };
        naive += (of(true) - of(false)) / 3.0;
        let treated: Vec<usize> = reached.iter().copied().filter(|who| log[*who].0).collect();
        let effect = |who: &usize| outcome(&lived.orders, *who) - outcome(&twin.orders, *who);
        truth += mean(&treated.iter().map(effect).collect::<Vec<_>>()) / 3.0;
        // Effect on all, by inverse propensities, against the effect on all by common luck.
        let terms: Vec<f64> = reached
            .iter()
            .map(|&who| {
                let (treated, propensity, _) = log[who];
                let weight = if treated { 1.0 / propensity } else { -1.0 / (1.0 - propensity) };
                let by_luck = outcome(&everybody.orders, who) - outcome(&twin.orders, who);
                weight * outcome(&lived.orders, who) - by_luck
            })
            .collect();
        let centre = mean(&terms);
        weighted += centre / 3.0;
        variance += terms.iter().map(|term| (term - centre).powi(2)).sum::<f64>() / (terms.len() as f64).powi(2) / 9.0;
    }
    println!("fact 18: naive {naive:.5}, true {truth:.5}, IPS less truth {weighted:.5} +- {:.5}", variance.sqrt());
    within("18, naive effect over the true one", naive / truth, 5.0..=1e4);
    within("18, inverse propensities, standard errors from the truth", weighted / variance.sqrt(), -2.0..=2.0);
}
fact!(confounded_logs_mislead, stylised_18_confounded_logs_mislead, stylised_18_confounded_logs_mislead_at_full_size);
