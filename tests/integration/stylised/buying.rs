//! How often people order, and what the past says about the future: facts 1 to 4 and 17.

use super::lived::{Lived, live, live_in, market, nobody, rank_correlation, set, with_modules};
use super::{Size, fact, within};
use mercato::environment::campaign::{Campaign, Sections};
use mercato::market::btyd::{BgNbd, History};
use mercato::protocol::{Observation, Views, World};
use mercato::registry::Value;
use mercato::statistics::chi_square_p_value;
use statrs::distribution::{ContinuousCDF, Gamma};

/// Nobody is contacted, nothing but the purchase clock moves.
fn clock_only(consumers: i64, ticks: i64) -> Sections {
    let mut sections = market(consumers, ticks, &["email"], &[0.0]);
    with_modules(&mut sections, &[]);
    sections
}

/// Fact 1: without dropout, orders in a window follow the NBD (cut into days).
fn counts_are_nbd(size: Size) {
    let (shape, scale_days, days) = (0.55, 10.6 * 7.0, 182);
    let mut sections = clock_only(size.consumers(200_000), days);
    set(&mut sections, "clock", Value::Text("nbd".into()));
    // Expected counts: a binomial over days for each of many equally likely rates.
    let law = Gamma::new(shape, scale_days).unwrap();
    let grid = 4_000;
    let cells = 12;
    let mut expected = vec![0.0; cells];
    let (mut first, mut second) = (0.0, 0.0);
    for index in 0..grid {
        let rate = law.inverse_cdf((f64::from(index) + 0.5) / f64::from(grid));
        let chance = -(-rate).exp_m1();
        let mut term = (1.0 - chance).powi(days as i32);
        let mut rest = 1.0;
        for (count, cell) in expected.iter_mut().enumerate() {
            let probability = if count + 1 == cells { rest } else { term };
            *cell += probability / f64::from(grid);
            rest -= term;
            term *= (days as f64 - count as f64) / (count as f64 + 1.0) * chance / (1.0 - chance);
        }
        let mean = days as f64 * chance;
        first += mean / f64::from(grid);
        second += (mean * (1.0 - chance) + mean * mean) / f64::from(grid);
    }
    let (mut least, mut ratios) = (f64::INFINITY, 0.0);
    for seed in size.seeds {
        let counts: Vec<f64> = live(&sections, seed, &nobody).orders_within(0..days as u16);
        let mut seen = vec![0.0; cells];
        for count in &counts {
            seen[(*count as usize).min(cells - 1)] += 1.0;
        }
        let people = counts.len() as f64;
        let statistic: f64 = seen.iter().zip(&expected).map(|(o, e)| (o - people * e).powi(2) / (people * e)).sum();
        least = least.min(chi_square_p_value(statistic, (cells - 1) as f64));
        let mean = counts.iter().sum::<f64>() / people;
        let variance = counts.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / people;
        ratios += variance / mean / 3.0;
    }
    within("1, least p of the counts", least, 0.001..=1.0);
    let stated = (second - first * first) / first;
    within("1, variance over mean, against the model", ratios / stated, 0.96..=1.04);
    within("1, variance over mean, against 1 + T / alpha", ratios / (1.0 + days as f64 / scale_days), 0.93..=1.04);
}
fact!(counts_are_nbd, stylised_01_counts_are_nbd, stylised_01_counts_are_nbd_at_full_size);

/// Share of orders by the fifth of the customers with the most orders.
fn share_of_top_fifth(mut counts: Vec<f64>) -> f64 {
    counts.sort_by(|a, b| b.total_cmp(a));
    let top = counts.len().div_ceil(5);
    counts[..top].iter().sum::<f64>() / counts.iter().sum::<f64>()
}

/// Fact 2: orders are concentrated, less so among those who buy at all, more so in longer windows.
fn orders_are_concentrated(size: Size) {
    let sections = clock_only(size.consumers(100_000), 365);
    let [buyers, all, buyers_of_a_quarter] = size.means(|seed| {
        let lived = live(&sections, seed, &nobody);
        let of = |days: u16| lived.orders_within(0..days);
        let buying = |counts: Vec<f64>| counts.into_iter().filter(|count| *count > 0.0).collect();
        [share_of_top_fifth(buying(of(365))), share_of_top_fifth(of(365)), share_of_top_fifth(buying(of(90)))]
    });
    within("2, top fifth of buyers", buyers, 0.40..=0.65);
    within("2, top fifth of all", all, 0.55..=0.85);
    within("2, growth from a quarter to a year", buyers - buyers_of_a_quarter, 0.01..=1.0);
}
fact!(orders_are_concentrated, stylised_02_orders_are_concentrated, stylised_02_orders_are_concentrated_at_full_size);

/// Fact 3: a fit of BG/NBD to simulated customers recovers the parameters that made them.
fn bg_nbd_is_recovered(size: Size) {
    // Sixty samples of the real one's size at full size; six of them are fitted.
    let (people, samples, fits) = (2_357, size.consumers(180) as usize, 6);
    let (mut repeats, mut zero, mut z_worst) = (0.0, 0.0, 0.0_f64);
    let fold = samples.div_ceil(size.seeds.len());
    for seed in size.seeds {
        let customers = simulated(people * fold, seed);
        let all = (customers.len() * size.seeds.len()) as f64;
        repeats += customers.iter().map(|one| f64::from(one.repeats)).sum::<f64>() / all;
        zero += customers.iter().filter(|one| one.repeats == 0).count() as f64 / all;
        for sample in customers.chunks_exact(people).take(fits / size.seeds.len()) {
            z_worst = z_worst.max(recovery(sample));
        }
    }
    // One order a day at most loses .8 % of the orders of continuous time.
    within("3, mean repeats over 1.195", repeats / 1.195, 0.98..=1.02);
    within("3, share without a repeat", zero, 0.5743 - 0.005..=0.5743 + 0.005);
    within("3, greatest |z| of r and a / (a + b)", z_worst, 0.0..=3.0);
}
fact!(bg_nbd_is_recovered, stylised_03_bg_nbd_is_recovered, stylised_03_bg_nbd_is_recovered_at_full_size);

/// The law that Fader, Hardie and Lee (2005) fitted to CDNOW, in weeks.
const CDNOW: BgNbd = BgNbd { shape: 0.242_59, scale: 4.413_53, a: 0.792_89, b: 2.425_75 };

/// Customers of the CDNOW law, all acquired on day 0, over 39 weeks; time in weeks.
fn simulated(people: usize, seed: u64) -> Vec<History> {
    let mut sections = clock_only(people as i64, 273);
    for (key, value) in [
        ("purchase_rate_shape", CDNOW.shape),
        ("purchase_rate_scale_weeks", CDNOW.scale),
        ("dropout_a", CDNOW.a),
        ("dropout_b", CDNOW.b),
        ("history_days", 0.0),
        ("tenure_days_max", 0.0),
    ] {
        set(&mut sections, key, Value::Number(value));
    }
    let lived = live(&sections, seed, &nobody);
    lived
        .orders
        .iter()
        .map(|orders| History {
            repeats: orders.len() as u32,
            recency: orders.last().map_or(0.0, |day| (f64::from(*day) + 1.0) / 7.0),
            age: 39.0,
        })
        .collect()
}

/// The greater |z| of r and a / (a + b): roots of twice what the likelihood loses where one of them is held at the truth.
fn recovery(customers: &[History]) -> f64 {
    let free = most_likely(customers, &[0, 1, 2, 3]);
    let held = [&[1, 2, 3], &[0, 1, 3]].map(|axes| most_likely(customers, axes));
    held.into_iter().map(|held| (2.0 * (free - held)).max(0.0).sqrt()).fold(0.0, f64::max)
}

/// The greatest log likelihood over some of: ln r, ln alpha, logit of a / (a + b), ln (a + b); the others at the truth.
fn most_likely(customers: &[History], axes: &[usize]) -> f64 {
    let at = |shift: &[f64; 4]| {
        let odds = CDNOW.a / CDNOW.b * shift[2].exp();
        let both = (CDNOW.a + CDNOW.b) * shift[3].exp();
        let model = BgNbd {
            shape: CDNOW.shape * shift[0].exp(),
            scale: CDNOW.scale * shift[1].exp(),
            a: both * odds / (1.0 + odds),
            b: both / (1.0 + odds),
        };
        customers.iter().map(|one| model.log_likelihood(one)).sum::<f64>()
    };
    let mut point = [0.0; 4];
    let mut best = at(&point);
    let mut step = 0.2;
    // Pattern search on a smooth hill, along each axis and along the ridge on which r and alpha trade off.
    let mut directions: Vec<[f64; 4]> =
        axes.iter().map(|axis| std::array::from_fn(|at| if at == *axis { 1.0 } else { 0.0 })).collect();
    if axes.contains(&0) {
        directions.push([1.0, 1.0, 0.0, 0.0]);
    }
    while step > 2e-3 {
        let before = best;
        for direction in &directions {
            for length in [-step, step] {
                let next = std::array::from_fn(|axis| point[axis] + length * direction[axis]);
                let value = at(&next);
                if value > best {
                    (point, best) = (next, value);
                }
            }
        }
        if best <= before {
            step *= 0.5;
        }
    }
    best
}

/// Fact 4: the longer ago the last order, the less likely the next.
fn recency_lowers_orders(size: Size) {
    let sections = {
        let mut sections = clock_only(size.consumers(200_000), 30);
        set(&mut sections, "tenure_days_max", Value::Number(900.0));
        sections
    };
    let campaign = Campaign::new(&sections).unwrap();
    let feature = campaign.spec().features.iter().position(|one| one.name == "days_since_order").unwrap();
    let raw = campaign.spec().features[feature].clone();
    let correlation = size.mean(|seed| {
        let recency = std::sync::Mutex::new(vec![0.0; campaign.spec().consumers as usize]);
        let look = |consumer: u32, tick: u32, seen: &Observation, row: usize| {
            if tick == 0 {
                recency.lock().unwrap()[consumer as usize] = raw.to_raw(seen.features.get(row, feature));
            }
            0
        };
        let lived: Lived = live_in(&campaign, seed, &look, Views { features: true, ..Views::default() });
        let recency = recency.into_inner().unwrap();
        let mut months = [(0.0, 0.0); 12];
        for (consumer, days) in recency.iter().enumerate() {
            if let Some((orders, people)) = months.get_mut((days / 30.0) as usize) {
                *people += 1.0;
                *orders += if lived.orders[consumer].is_empty() { 0.0 } else { 1.0 };
            }
        }
        let rates: Vec<f64> = months.iter().map(|(orders, people)| orders / people).collect();
        let index: Vec<f64> = (0..12).map(f64::from).collect();
        rank_correlation(&index, &rates)
    });
    within("4, Spearman of months since the last order", correlation, -1.0..=-0.9);
}
fact!(recency_lowers_orders, stylised_04_recency_lowers_orders, stylised_04_recency_lowers_orders_at_full_size);

/// Fact 17: the best of one period fall back in the next, as far as the model says.
fn the_best_fall_back(size: Size) {
    let mut sections = clock_only(size.consumers(100_000), 364);
    set(&mut sections, "history_days", Value::Number(0.0));
    set(&mut sections, "tenure_days_max", Value::Number(0.0));
    let law = BgNbd { shape: 0.55, scale: 10.6 * 7.0, a: 1.0, b: 9.0 };
    let [ratio, fall] = size.means(|seed| {
        let lived = live(&sections, seed, &nobody);
        let (before, after) = (lived.orders_within(0..182), lived.orders_within(182..364));
        let mut order: Vec<usize> = (0..before.len()).collect();
        order.sort_by(|a, b| before[*b].total_cmp(&before[*a]));
        order.truncate(before.len() / 10);
        let (mut seen, mut earlier, mut expected) = (0.0, 0.0, 0.0);
        for &consumer in &order {
            let recency =
                lived.orders[consumer].iter().rfind(|day| **day < 182).map_or(0.0, |day| f64::from(*day) + 1.0);
            let history = History { repeats: before[consumer] as u32, recency, age: 182.0 };
            seen += after[consumer];
            earlier += before[consumer];
            expected += law.conditional_expectation(&history, 182.0);
        }
        [seen / expected, seen / earlier]
    });
    within("17, second period over the conditional expectation", ratio, 0.95..=1.05);
    within("17, second period over the first", fall, 0.0..=0.6);
}
fact!(the_best_fall_back, stylised_17_the_best_fall_back, stylised_17_the_best_fall_back_at_full_size);
