//! What discounts do now and later: facts 11 to 14.

use super::lived::{Lived, RETAIL, live, market, nobody, tune, with_modules};
use super::{Size, fact, within};
use mercato::environment::campaign::Sections;
use mercato::protocol::{Kpi, Observation};

const DEPTHS: [f64; 5] = [0.0, 0.1, 0.2, 0.3, 0.4];

fn shop(consumers: i64, days: i64, depths: &[f64]) -> Sections {
    let mut sections = market(consumers, days, &["email"], depths);
    with_modules(&mut sections, RETAIL);
    sections
}

/// One e-mail on day 0, with the offer of this index.
fn once(offer: usize) -> impl Fn(u32, u32, &Observation, usize) -> u16 {
    move |_, tick, _, _| if tick == 0 { offer as u16 + 1 } else { 0 }
}

fn orders(lived: &Lived, days: std::ops::Range<usize>) -> f64 {
    lived.total(Kpi::Orders, days)
}

/// Fact 11: deeper discounts sell more within a fortnight.
fn discounts_sell(size: Size) {
    let sections = shop(size.consumers(400_000), 14, &DEPTHS);
    let lifts = size.means(|seed| {
        let none = orders(&live(&sections, seed, &nobody), 0..14);
        [0, 1, 2, 3, 4].map(|offer| orders(&live(&sections, seed, &once(offer)), 0..14) / none - 1.0)
    });
    println!("fact 11: lift of 14 days by depth {lifts:.4?}");
    assert!(lifts.windows(2).all(|pair| pair[0] < pair[1]), "{lifts:?}");
    within("11, lift of a fifth off", lifts[2], 0.08..=0.40);
}
fact!(discounts_sell, stylised_11_discounts_sell, stylised_11_discounts_sell_at_full_size);

/// Fact 12: what a fortnight says is the best depth is too deep for a third of a year.
fn the_best_depth_is_smaller_in_the_long_run(size: Size) {
    let depths: [f64; 9] = [0.0, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3];
    let sections = shop(size.consumers(400_000), 120, &depths);
    let mut totals = [[0.0; 9]; 2];
    for seed in size.seeds {
        for (index, _) in depths.iter().enumerate() {
            let lived = live(&sections, seed, &once(index));
            totals[0][index] += lived.total(Kpi::Profit, 0..14);
            totals[1][index] += lived.total(Kpi::Profit, 0..120);
        }
    }
    let best = totals
        .map(|profits| depths[(0..9).fold(0, |best, index| if profits[index] > profits[best] { index } else { best })]);
    println!("fact 12: profit of 14 days {:.0?}, of 120 days {:.0?}, best depths {best:?}", totals[0], totals[1]);
    within("12, best depth of 14 days", best[0], 0.001..=0.3);
    within("12, best depth of 120 days below it", best[0] - best[1], 0.001..=0.3);
}
fact!(
    the_best_depth_is_smaller_in_the_long_run,
    stylised_12_the_best_depth_is_smaller_in_the_long_run,
    stylised_12_the_best_depth_is_smaller_in_the_long_run_at_full_size
);

/// Fact 13: after a promotion comes a dip that pays part of it back; it is deeper after a deeper discount, and nothing stays.
fn promotions_borrow_from_the_future(size: Size) {
    let sections = shop(size.consumers(600_000), 150, &DEPTHS);
    let [growth, deep, late] = size.means(|seed| {
        // The twin gets the same e-mail without an offer: what is compared is the promotion.
        let none = live(&sections, seed, &once(0));
        let difference = |offer: usize, days: std::ops::Range<usize>| {
            orders(&live(&sections, seed, &once(offer)), days.clone()) - orders(&none, days)
        };
        let payback = |offer: usize| -difference(offer, 9..60) / difference(offer, 0..9);
        println!(
            "fact 13: differences in days 0-8, 9-59, 60-89: {:?}, without any e-mail {:?}",
            [1, 2, 3].map(|offer| [0..9, 9..60, 60..90].map(|days| difference(offer, days))),
            {
                let silent = live(&sections, seed, &nobody);
                [0..9, 9..60, 60..90]
                    .map(|days: std::ops::Range<usize>| orders(&silent, days.clone()) - orders(&none, days))
            }
        );
        let dip = |offer: usize| -difference(offer, 9..60);
        [dip(2) / dip(1), payback(2), difference(2, 90..150) / orders(&none, 90..150)]
    });
    within("13, share paid back of a fifth off", deep, 0.1..=0.5);
    within("13, the dip after a fifth off over that after a tenth", growth, 1.2..=5.0);
    within("13, relative difference after day 90", late, -0.01..=0.01);
}
fact!(
    promotions_borrow_from_the_future,
    stylised_13_promotions_borrow_from_the_future,
    stylised_13_promotions_borrow_from_the_future_at_full_size
);

/// Fact 14: an e-mail without a discount does a good part of what one with a coupon does.
fn coupons_work_as_advertising(size: Size) {
    let sections = shop(size.consumers(400_000), 14, &DEPTHS);
    let ratio = size.mean(|seed| {
        let none = orders(&live(&sections, seed, &nobody), 0..14);
        let [plain, coupon] = [0, 1].map(|offer| orders(&live(&sections, seed, &once(offer)), 0..14) - none);
        // With common luck the difference is of those whom the message moved: its noise is its root.
        assert!(plain > 3.0 * plain.abs().sqrt(), "{plain}");
        plain / coupon
    });
    within("14, lift without a coupon over the lift with 10 % off", ratio, 0.2..=0.9);
    let mut without = shop(1_000, 14, &DEPTHS);
    tune(&mut without, "inventory", "weight", 0.0);
    assert!(mercato::environment::campaign::Campaign::new(&without).is_ok());
}
fact!(
    coupons_work_as_advertising,
    stylised_14_coupons_work_as_advertising,
    stylised_14_coupons_work_as_advertising_at_full_size
);
