//! Orders come late, and a log read early misses them: fact 19.

use super::lived::{live, market, with_modules};
use super::{Size, fact, within};
use mercato::protocol::{Kpi, Observation};
use mercato::registry::Value;

/// Fact 19: half of the orders after a click are seen within a day, three quarters within a week.
fn orders_come_late(size: Size) {
    let days = 60;
    let mut sections = market(size.consumers(200_000), days, &["email"], &[0.0]);
    with_modules(&mut sections, &[]);
    // Nothing but clicks makes orders: nobody orders of their own accord, many click and order.
    super::lived::set(&mut sections, "orders_per_year", Value::Number(0.02));
    super::lived::set(&mut sections, "clock", Value::Text("nbd".into()));
    super::lived::set(&mut sections, "conversion_frequency_weight", Value::Number(0.0));
    for (_, _, values) in &mut sections.channels {
        for (key, value) in [("open_rate", 1.0), ("click_rate", 0.5), ("conversion_rate", 0.5)] {
            values.set(key, Value::Number(value), None);
        }
    }
    let [day, week, fortnight] = size.means(|seed| {
        let once = |_: u32, tick: u32, _: &Observation, _: usize| u16::from(tick == 0);
        let lived = live(&sections, seed, &once);
        let converted = lived.all(Kpi::Conversions);
        [1, 7, 14].map(|last| lived.total(Kpi::Orders, 0..last + 1) / converted)
    });
    within("19, seen after a day", day, 0.47..=0.53);
    within("19, seen after a week", week, 0.73..=0.79);
    within("19, seen after a fortnight", fortnight, 0.84..=0.90);
    // What a log says today of the messages of its last three days.
    let naive = size.mean(|seed| {
        let daily =
            |consumer: u32, tick: u32, _: &Observation, _: usize| u16::from(tick >= 57 && consumer % 3 == tick - 57);
        let lived = live(&sections, seed, &daily);
        lived.total(Kpi::Orders, 57..60) / lived.total(Kpi::Conversions, 57..60)
    });
    within("19, share of the conversions of the last three days that is seen", naive, 0.0..=0.8);
}
fact!(orders_come_late, stylised_19_orders_come_late, stylised_19_orders_come_late_at_full_size);
