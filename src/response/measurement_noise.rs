//! Measurement noise: what the sender's records say is not what happened.
//!
//! Mail programs on iOS load a delivered message whether or not anybody reads it: an open is recorded with probability
//! `machine_open_rate`. Security scanners follow links: a delivered message is recorded as opened and clicked with
//! probability `bot_click_rate`. An order is never linked to its consumer with probability `lost_order_rate`, comes late
//! by a geometric number of ticks (mean `late_order_days`) with probability `late_order_rate`, and is recorded twice with
//! probability `duplicate_order_rate` (docs/market.md 6.25). Nothing that consumers do changes, only what is recorded of
//! it; key figures count what happened.
//!
//! Source: Mercato, after Apple's Mail Privacy Protection (2021) and the practice of first-party records.
//!
//! Assumptions: all rates; devices are fixed, and every iOS user reads mail in a program that loads it. Differences:
//! (1) machine opens come in the tick of the message; (2) bots click once and leave no visit; (3) only orders get lost,
//! not clicks.

use super::{Contacts, ModuleBuild, Order, OrderReport, Reports, ResponseModule, Responses, View};
use crate::market::channel::Channel;
use crate::random::Purpose;
use crate::registry::{Entry, Kind, Parameter, Range, Refusal, Value, Values};
use crate::response::Surroundings;

/// Block of the uniforms of a message, and of those of an order.
const MESSAGE_BLOCK: u32 = 0;
const ORDER_BLOCK: u32 = 1;
/// Index of iOS among the devices.
const IOS: u8 = 0;

/// Registration.
pub(super) const ENTRY: Entry<ModuleBuild> = Entry {
    name: "measurement_noise",
    summary: "machine opens, bot clicks, and orders that are lost, late or recorded twice",
    source: "Mercato, after Apple's Mail Privacy Protection (2021); docs/market.md 6.25",
    parameters: &[
        Parameter::of(
            "machine_open_channel",
            Kind::Text { default: None },
            "name of the channel whose messages machines open; the first of kind `email` where absent",
        ),
        Parameter::number(
            "machine_open_rate",
            0.9,
            Range::PROBABILITY,
            "probability that a message delivered to an iOS user is recorded as opened regardless",
        ),
        Parameter::number(
            "bot_click_rate",
            0.002,
            Range::PROBABILITY,
            "probability that a delivered message is recorded as opened and clicked regardless",
        ),
        Parameter::number("lost_order_rate", 0.05, Range::PROBABILITY, "share of orders never linked to the consumer"),
        Parameter::number("late_order_rate", 0.1, Range::PROBABILITY, "share of orders that are recorded late"),
        Parameter::number("late_order_days", 2.0, Range::POSITIVE, "mean delay of a late order; at least one tick"),
        Parameter::number("duplicate_order_rate", 0.005, Range::PROBABILITY, "share of orders recorded twice"),
    ],
    build: ModuleBuild {
        create: |values, surroundings| Ok(Box::new(create(values, surroundings)?)),
        neutral: || {
            ["machine_open_rate", "bot_click_rate", "lost_order_rate", "late_order_rate", "duplicate_order_rate"]
                .into_iter()
                .map(|key| (key, Value::Number(0.0)))
                .collect()
        },
    },
};

fn create(values: &Values, surroundings: &Surroundings<'_>) -> Result<MeasurementNoise, Refusal> {
    let channels = &surroundings.catalogue.channels;
    let wanted = values.optional_text("machine_open_channel");
    let is_it = |channel: &Channel| wanted.map_or(channel.kind == "email", |name| channel.name == name);
    let channel = channels.iter().position(is_it);
    if let (None, Some(name)) = (channel, wanted) {
        let known: Vec<&str> = channels.iter().map(|channel| channel.name.as_str()).collect();
        return Err(Refusal::new(
            values,
            "machine_open_channel",
            format!("there is no channel `{name}`"),
            format!("the channels are: {}", known.join(", ")),
        ));
    }
    let rate = |key| values.number(key) as f32;
    // Geometric from 1 on with mean 1 / p.
    let another_tick = 1.0 - (surroundings.tick_days / values.number("late_order_days")).min(1.0);
    Ok(MeasurementNoise {
        machine_channel: channel.map(|index| index as u8),
        machine_open: rate("machine_open_rate"),
        bot_click: rate("bot_click_rate"),
        lost: rate("lost_order_rate"),
        late: rate("late_order_rate"),
        inverse_log_another: if another_tick > 0.0 { (1.0 / libm::log(another_tick)) as f32 } else { 0.0 },
        duplicate: rate("duplicate_order_rate"),
    })
}

#[derive(Debug)]
struct MeasurementNoise {
    machine_channel: Option<u8>,
    machine_open: f32,
    bot_click: f32,
    lost: f32,
    late: f32,
    /// 1 / ln(1 - p) of the geometric delay; 0 where it is always one tick.
    inverse_log_another: f32,
    duplicate: f32,
}

impl MeasurementNoise {
    fn delay_ticks(&self, uniform: f32) -> u16 {
        let further = crate::math::ln(uniform) * self.inverse_log_another;
        // The cast saturates.
        (further as u16).saturating_add(1)
    }
}

impl ResponseModule for MeasurementNoise {
    fn measure(&self, view: &View<'_>, contacts: &Contacts, responses: &Responses, reports: &mut Reports) {
        for (index, &row) in contacts.rows.iter().enumerate() {
            if !responses.delivered[index] {
                continue;
            }
            let consumer = view.first + row;
            let [machine, bot, ..] =
                view.seed.uniforms(Purpose::Measurement, consumer, view.tick as u32, MESSAGE_BLOCK);
            let loads = self.machine_channel == Some(contacts.messages[index].channel)
                && view.people.device[row as usize] == IOS;
            reports.opened[index] |= loads && machine < self.machine_open;
            if bot < self.bot_click {
                reports.opened[index] = true;
                reports.clicked[index] = true;
            }
        }
    }

    fn measure_orders(&self, view: &View<'_>, orders: &[Order], reports: &mut [OrderReport]) {
        for report in reports {
            let consumer = view.first + orders[report.order as usize].row;
            let [lost, late, delay, duplicate] =
                view.seed.uniforms(Purpose::Measurement, consumer, view.tick as u32, ORDER_BLOCK);
            if lost < self.lost {
                report.times = 0;
            } else if duplicate < self.duplicate {
                report.times = report.times.saturating_mul(2);
            }
            if late < self.late {
                report.delay_ticks = report.delay_ticks.saturating_add(self.delay_ticks(delay));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::catalogue::Message;
    use crate::market::people::People;
    use crate::units::Money;

    fn module() -> MeasurementNoise {
        MeasurementNoise {
            machine_channel: Some(0),
            machine_open: 0.9,
            bot_click: 0.002,
            lost: 0.05,
            late: 0.1,
            inverse_log_another: (1.0 / libm::log(0.5)) as f32,
            duplicate: 0.005,
        }
    }

    fn message(channel: u8) -> Message {
        Message { channel, hour: 10, offer: 0, creative: 0, discount: 0.0, cost: Money::ZERO }
    }

    #[test]
    fn machines_open_what_reaches_ios_by_mail() {
        // Even rows iOS, odd Android; channel 1 is no mail; row 3 of every four is not delivered.
        let rows = 40_000_usize;
        let people = People {
            order_rate: vec![0.1; rows],
            device: (0..rows).map(|row| (row % 2) as u8).collect(),
            ..People::default()
        };
        let (alive, visiting) = (vec![1.0; rows], vec![false; rows]);
        let view = View { alive: &alive, visiting: &visiting, prices: &alive, ..View::bare(&PEOPLE_NONE, &[]) };
        let view = View { people: &people, ..view };
        let mut share = [[0.0; 2]; 2];
        for channel in 0..2 {
            let contacts = Contacts {
                rows: (0..rows as u32).collect(),
                messages: vec![message(channel); rows],
                local_hours: vec![10; rows],
            };
            let mut responses = Responses::default();
            responses.reset(rows);
            for (row, delivered) in responses.delivered.iter_mut().enumerate() {
                *delivered = row % 4 < 2;
            }
            let mut reports = Reports { opened: vec![false; rows], clicked: vec![false; rows] };
            module().measure(&view, &contacts, &responses, &mut reports);
            for row in 0..rows {
                assert!(responses.delivered[row] || !reports.opened[row] && !reports.clicked[row]);
                assert!(reports.opened[row] || !reports.clicked[row]);
                share[usize::from(channel)][row % 2] += f64::from(u8::from(reports.opened[row])) / (rows / 4) as f64;
            }
        }
        // 10,000 messages in each cell: 0.9 + 0.1 * 0.002, and bots alone elsewhere; four standard errors.
        assert!((share[0][0] - 0.9002).abs() < 4.0 * 0.003, "{share:?}");
        for other in [share[0][1], share[1][0], share[1][1]] {
            assert!((other - 0.002).abs() < 4.0 * 0.000_45 && other > 0.0, "{share:?}");
        }
    }

    static PEOPLE_NONE: std::sync::LazyLock<People> = std::sync::LazyLock::new(People::default);

    #[test]
    fn orders_are_lost_late_and_doubled_as_stated() {
        let orders: Vec<Order> = (0..40_000).map(|row| Order { row, ..Order::default() }).collect();
        let mut reports: Vec<OrderReport> =
            (0..40_000).map(|order| OrderReport { order, times: 1, delay_ticks: 0 }).collect();
        module().measure_orders(&View::bare(&PEOPLE_NONE, &[]), &orders, &mut reports);
        let share = |of: &dyn Fn(&OrderReport) -> bool| {
            reports.iter().filter(|report| of(report)).count() as f64 / reports.len() as f64
        };
        let near = |seen: f64, rate: f64| (seen - rate).abs() < 4.0 * (rate * (1.0 - rate) / 40_000.0).sqrt();
        assert!(near(share(&|report| report.times == 0), 0.05));
        assert!(near(share(&|report| report.times == 2), 0.95 * 0.005));
        assert!(near(share(&|report| report.delay_ticks > 0), 0.1));
        // Half of the late come after one tick, a quarter after two.
        assert!(near(share(&|report| report.delay_ticks == 1), 0.05));
        assert!(near(share(&|report| report.delay_ticks == 2), 0.025));
        assert_eq!(MeasurementNoise { inverse_log_another: 0.0, ..module() }.delay_ticks(1e-7), 1);
    }
}
