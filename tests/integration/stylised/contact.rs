//! What more contact does, and when: facts 5 to 10.

use super::lived::{Lived, creatives, live, market, tune, uniform, weekly, with_modules};
use super::{Size, fact, within};
use mercato::environment::campaign::Sections;
use mercato::protocol::{Kpi, Observation};
use mercato::registry::{Value, Values};
use mercato::response::MODULES;

/// Messages a week.
const FREQUENCIES: [f64; 8] = [0.0, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 7.0];

fn by_frequency(size: Size, figure: impl Fn(&Lived) -> f64) -> [f64; 8] {
    let mut sections = market(size.consumers(60_000), 365, &["email"], &[0.0]);
    creatives(&mut sections, &["a"]);
    with_modules(&mut sections, &["goodwill", "awareness", "satisfaction_loyalty"]);
    size.means(|seed| FREQUENCIES.map(|per_week| figure(&live(&sections, seed, &weekly(1, per_week)))))
}

/// Fact 5: a year's profit has its maximum between never and daily.
fn profit_is_an_inverted_u(size: Size) {
    let profits = by_frequency(size, Lived::profit);
    println!("fact 5: profit by frequency {profits:.3?}");
    let best = (0..8).fold(0, |best, index| if profits[index] > profits[best] { index } else { best });
    within("5, messages a week at the maximum", FREQUENCIES[best], 0.25..=5.0);
    let gain = profits[best] - profits[0];
    assert!(gain > 0.0);
    within("5, daily mail, share of the profit at the maximum", profits[7] / profits[best], 0.0..=0.95);
}
fact!(profit_is_an_inverted_u, stylised_05_profit_is_an_inverted_u, stylised_05_profit_is_an_inverted_u_at_full_size);

/// Facts 6 and 7: per message, more mail means more opt-outs, fewer opens, fewer clicks.
fn engagement_falls_and_opt_outs_rise(size: Size) {
    let rate = |kpi: Kpi| {
        let rates = by_frequency(size, |lived| lived.all(kpi) / lived.all(Kpi::Delivered).max(1.0));
        println!("facts 6, 7: {} per delivered message {rates:.5?}", kpi.name());
        rates
    };
    let opt_outs = rate(Kpi::OptOuts);
    within("6, opt-outs per message, daily over weekly", opt_outs[7] / opt_outs[3], 2.5..=20.0);
    // Rare events: neighbours may swap within noise, the ends may not.
    assert!(opt_outs[3] < opt_outs[5] && opt_outs[5] < opt_outs[7], "{opt_outs:?}");
    let (opens, clicks) = (rate(Kpi::Opens), rate(Kpi::Clicks));
    within("7, opens per message, daily over weekly", opens[7] / opens[3], 0.5..=0.85);
    for rates in [opens, clicks] {
        assert!([3, 4, 5, 6].iter().all(|&index| rates[index] > rates[index + 1]), "{rates:?}");
    }
}
fact!(
    engagement_falls_and_opt_outs_rise,
    stylised_06_07_engagement_falls_and_opt_outs_rise,
    stylised_06_07_engagement_falls_and_opt_outs_rise_at_full_size
);

/// Fact 8: the same creative wears out from send to send, and recovers with rest.
fn creatives_wear_out(size: Size) {
    let mut sections = market(size.consumers(400_000), 45, &["email"], &[0.0]);
    creatives(&mut sections, &["a"]);
    with_modules(&mut sections, &["creative_wearout"]);
    // Fatigue is held fixed: at none.
    for key in ["open_weight", "click_weight", "opt_out_weight"] {
        tune(&mut sections, "fatigue", key, 0.0);
    }
    let days = [0, 1, 2, 3, 31];
    let rate = |day: u32, seed: u64| {
        let treatment = move |_: u32, tick: u32, _: &Observation, _: usize| u16::from(days.contains(&tick));
        let lived = live(&sections, seed, &treatment);
        lived.series[day as usize].value(Kpi::Clicks) / lived.series[day as usize].value(Kpi::Delivered)
    };
    let [first, fourth, rested] = size.means(|seed| [0, 3, 31].map(|day| rate(day, seed)));
    within("8, clicks of the fourth send over the first", fourth / first, 0.5..=0.8);
    within("8, clicks after 28 days of rest over the first", rested / first, 0.8..=1.05);
}
fact!(creatives_wear_out, stylised_08_creatives_wear_out, stylised_08_creatives_wear_out_at_full_size);

/// A market of one channel and all hours; action = hour + 1.
fn all_hours(consumers: i64, days: i64, channel: &'static str) -> Sections {
    let mut sections = market(consumers, days, &[channel], &[0.0]);
    sections.slots = sections.slots.clone().with("hours", Value::Integers((0..24).collect()));
    with_modules(&mut sections, &[]);
    for key in ["open_weight", "click_weight", "opt_out_weight"] {
        tune(&mut sections, "fatigue", key, 0.0);
    }
    sections
}

/// Open rate by hour when hours are random.
fn opens_by_hour(sections: &Sections, seed: u64) -> Vec<f64> {
    let days = sections.market.integer("ticks") as u32;
    let mut rates = Vec::new();
    // Everybody at one hour a day, the hours in turn: each hour gets the same days of the week.
    let lived: Vec<Lived> = (0..24u16)
        .map(|hour| {
            live(sections, seed, &move |_: u32, tick: u32, _: &Observation, _: usize| {
                if tick.is_multiple_of(2) && tick < days { hour + 1 } else { 0 }
            })
        })
        .collect();
    for one in &lived {
        rates.push(one.all(Kpi::Opens) / one.all(Kpi::Delivered));
    }
    rates
}

/// Fact 9: push messages are opened in the morning and in the evening, and hardly at night.
fn days_have_two_peaks(size: Size) {
    let sections = all_hours(size.consumers(100_000), 6, "push");
    let mut mean = [0.0; 24];
    for seed in size.seeds {
        for (mean, rate) in mean.iter_mut().zip(opens_by_hour(&sections, seed)) {
            *mean += rate / 3.0;
        }
    }
    let smooth = |hour: usize| (mean[(hour + 23) % 24] + 2.0 * mean[hour] + mean[(hour + 1) % 24]) / 4.0;
    let peaks: Vec<usize> = (0..24)
        .filter(|&hour| smooth(hour) > smooth((hour + 23) % 24) && smooth(hour) >= smooth((hour + 1) % 24))
        .collect();
    println!("fact 9: opens by hour {mean:.4?}, peaks {peaks:?}");
    assert_eq!(peaks.len(), 2, "{peaks:?}");
    within("9, morning peak", peaks[0] as f64, 7.0..=11.0);
    within("9, evening peak", peaks[1] as f64, 18.0..=22.0);
    let whole = mean.iter().sum::<f64>() / 24.0;
    within("9, night over the mean", mean[1..5].iter().sum::<f64>() / 4.0 / whole, 0.0..=0.35);
}
fact!(days_have_two_peaks, stylised_09_days_have_two_peaks, stylised_09_days_have_two_peaks_at_full_size);

/// Fact 10: the hour matters most for push and least for e-mail, and one's own hour adds to the best common one.
fn timing_matters_by_channel(size: Size) {
    let channels = ["push", "sms", "email"];
    let mut best = Vec::new();
    let mut personal = Vec::new();
    for channel in channels {
        let mut sections = all_hours(size.consumers(60_000), 6, channel);
        // Openings near certainty would be capped: what is compared is the hour.
        for (_, _, values) in &mut sections.channels {
            values.set("open_rate", Value::Number(0.05), None);
        }
        let [gain, own] = size.means(|seed| {
            let rates = opens_by_hour(&sections, seed);
            let common = (0..24).fold(0, |best, hour| if rates[hour] > rates[best] { hour } else { best });
            let hours = own_hours(&sections, seed);
            let own = live(&sections, seed, &move |consumer: u32, tick: u32, _: &Observation, _: usize| {
                if tick.is_multiple_of(2) { hours[consumer as usize] + 1 } else { 0 }
            });
            let own = own.all(Kpi::Opens) / own.all(Kpi::Delivered);
            [rates[common] / (rates.iter().sum::<f64>() / 24.0), own / rates[common]]
        });
        best.push(gain);
        personal.push(own - 1.0);
    }
    println!("fact 10: best hour over the mean {best:.3?}, own hour over the best {personal:.3?} ({channels:?})");
    assert!(best[0] > best[1] && best[1] > best[2], "{best:?}");
    within("10, e-mail, best hour over the mean", best[2], 1.0..=1.35);
    within("10, push, own hour over the best common one", personal[0], 0.10..=1.0);
    within("10, e-mail, own hour over the best common one", personal[2], -0.01..=0.08);
}
fact!(
    timing_matters_by_channel,
    stylised_10_timing_matters_by_channel,
    stylised_10_timing_matters_by_channel_at_full_size
);

/// The hour at which each consumer opens most, from the law that docs/market.md 6.2 states: activity has two bumps around
/// the chronotype and sleep between, and a message stays in sight for the read window of its channel. Weekends are left
/// out.
fn own_hours(sections: &Sections, seed: u64) -> Vec<u16> {
    let population = mercato::market::population::Population::new(&sections.market).unwrap();
    let consumers = sections.market.integer("consumers") as u32;
    let window = sections.channels[0].2.number("read_window_hours");
    let activity = |hour: f64, mid_sleep: f64| {
        let bump = |height: f64, width: f64, peak: f64| {
            height * (width * ((std::f64::consts::TAU * (hour - peak) / 24.0).cos() - 1.0)).exp()
        };
        (0.25 + bump(1.0, 6.0, mid_sleep + 5.5) + bump(1.35, 8.0, mid_sleep + 15.5))
            * (1.0 - bump(0.96, 4.0, mid_sleep))
    };
    let best = |mid_sleep: f64| {
        let active: Vec<f64> = (0..24).map(|hour| activity(f64::from(hour) + 0.5, mid_sleep)).collect();
        let seen =
            |hour: usize| (0..24).map(|lag| (-(lag as f64) / window).exp() * active[(hour + lag) % 24]).sum::<f64>();
        (0..24).fold(0, |best, hour| if seen(hour) > seen(best) { hour } else { best }) as u16
    };
    (0..consumers)
        .map(|consumer| {
            let person = population.draw(mercato::random::Seed::new(seed), consumer, 1);
            best(f64::from(person.chronotype_hours))
        })
        .collect()
}

/// Every module that these facts name exists, so that none is silently left out.
#[test]
fn stylised_modules_exist() {
    for name in super::lived::RETAIL {
        assert!(MODULES.iter().any(|entry| entry.name == *name), "{name}");
    }
    assert!(Values::defaults(MODULES[0].parameters).get("weight").is_some());
    assert!((0.0..1.0).contains(&uniform(1, 1, 1, 1)));
}
