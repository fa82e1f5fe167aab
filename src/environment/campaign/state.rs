//! What changes about the consumers of a shard, as columns.

use super::clock::Clock;
use super::events::EventMemory;
use crate::protocol::EventKind;

/// Orders that are remembered one by one; longer memories are totals.
pub const ORDERS_REMEMBERED: usize = 8;
/// A tick that never was.
pub const NEVER: i32 = i32::MIN / 2;
/// Arrival of those who are here.
pub const ARRIVED: i32 = i32::MIN;
/// A tick that never comes.
pub const NOT_PENDING: i32 = i32::MAX;
/// Weight of the newest message in the running engagement of a channel.
const ENGAGEMENT_STEP: f32 = 0.2;

/// Engagement with one channel.
#[derive(Clone, Debug, Default)]
pub struct Engagement {
    /// Tick of the last message.
    pub sent_tick: Vec<i32>,
    /// Tick of the last open.
    pub open_tick: Vec<i32>,
    /// Tick of the last click.
    pub click_tick: Vec<i32>,
    /// Running open rate over messages.
    pub open_share: Vec<f32>,
    /// Running click rate over messages.
    pub click_share: Vec<f32>,
    /// Days with a message: bit 0 is today.
    pub sent_days: Vec<u32>,
}

/// The last orders of one consumer, newest first at `newest`.
#[derive(Clone, Copy, Debug)]
pub struct OrderMemory {
    ticks: [i32; ORDERS_REMEMBERED],
    amounts: [f32; ORDERS_REMEMBERED],
    newest: u8,
    /// All orders so far.
    pub orders: u32,
    /// All money spent so far.
    pub spend: f32,
    /// Orders with a discount so far.
    pub discounted: u32,
}

impl Default for OrderMemory {
    fn default() -> Self {
        Self {
            ticks: [NEVER; ORDERS_REMEMBERED],
            amounts: [0.0; ORDERS_REMEMBERED],
            newest: 0,
            orders: 0,
            spend: 0.0,
            discounted: 0,
        }
    }
}

impl OrderMemory {
    /// Remembers an order.
    pub fn push(&mut self, tick: i32, amount: f32, discounted: bool) {
        self.newest = (self.newest + 1) % ORDERS_REMEMBERED as u8;
        self.ticks[usize::from(self.newest)] = tick;
        self.amounts[usize::from(self.newest)] = amount;
        self.orders += 1;
        self.spend += amount;
        self.discounted += u32::from(discounted);
    }

    /// Tick of the last order, or [`NEVER`].
    #[must_use]
    pub fn last_tick(&self) -> i32 {
        self.ticks[usize::from(self.newest)]
    }

    /// Number and amount of the remembered orders since a tick (that tick included).
    #[must_use]
    pub fn since(&self, tick: i32) -> (f32, f32) {
        let mut count = 0.0;
        let mut amount = 0.0;
        for (&at, &spent) in self.ticks.iter().zip(&self.amounts) {
            if at >= tick && at > NEVER {
                count += 1.0;
                amount += spent;
            }
        }
        (count, amount)
    }
}

/// The state of a shard.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// 1 while a customer, 0 after dropout (latent).
    pub alive: Vec<f32>,
    /// Tick at which the consumer comes; [`ARRIVED`] for those who are here (observable: nobody else is in the records).
    pub arrival_tick: Vec<i32>,
    /// Consent to each channel, as bits.
    pub consent: Vec<u8>,
    /// Valid address for each channel, as bits.
    pub address: Vec<u8>,
    /// Engagement with each channel.
    pub engagement: Vec<Engagement>,
    /// Orders.
    pub orders: Vec<OrderMemory>,
    /// Tick of the last visit.
    pub visit_tick: Vec<i32>,
    /// Days with a visit: bit 0 is today.
    pub visit_days: Vec<u32>,
    /// Discount of the last opened coupon.
    pub coupon_discount: Vec<f32>,
    /// First tick at which that coupon is no longer valid.
    pub coupon_end_tick: Vec<i32>,
    /// Whether the consumer will remember it (latent).
    pub coupon_remembered: Vec<bool>,
    /// Tick at which an order is due after a click (latent).
    pub pending_tick: Vec<i32>,
    /// Discount of that order.
    pub pending_discount: Vec<f32>,
    /// Creative of the last message, counted from 1; 0 for none.
    pub creative: Vec<u16>,
    /// How often it came in a row.
    pub creative_repeats: Vec<u16>,
    /// Orders that the records do not show yet.
    pub late_orders: Vec<LateOrder>,
    /// The last events in the records, where they are remembered.
    pub events: EventMemory,
}

/// An order on its way to the records.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LateOrder {
    /// Tick in which it is recorded.
    pub due_tick: i32,
    /// Row of the consumer.
    pub row: u32,
    /// Tick in which it was placed.
    pub tick: i32,
    /// Paid, in currency.
    pub amount: f32,
    /// With a discount.
    pub discounted: bool,
}

/// What a state takes for each consumer.
#[must_use]
pub fn bytes_per_consumer(channels: usize) -> usize {
    // Six columns of four bytes for each channel; nine such columns, two of u16 and three of one byte besides.
    size_of::<OrderMemory>() + 24 * channels + 9 * 4 + 2 * 2 + 3
}

impl State {
    /// Fresh customers: alive, nothing sent, nothing bought.
    #[must_use]
    pub fn new(rows: usize, channels: usize) -> Self {
        let engagement = Engagement {
            sent_tick: vec![NEVER; rows],
            open_tick: vec![NEVER; rows],
            click_tick: vec![NEVER; rows],
            open_share: vec![0.0; rows],
            click_share: vec![0.0; rows],
            sent_days: vec![0; rows],
        };
        Self {
            alive: vec![1.0; rows],
            arrival_tick: vec![ARRIVED; rows],
            consent: vec![0; rows],
            address: vec![0; rows],
            engagement: vec![engagement; channels],
            orders: vec![OrderMemory::default(); rows],
            visit_tick: vec![NEVER; rows],
            visit_days: vec![0; rows],
            coupon_discount: vec![0.0; rows],
            coupon_end_tick: vec![NEVER; rows],
            coupon_remembered: vec![false; rows],
            pending_tick: vec![NOT_PENDING; rows],
            pending_discount: vec![0.0; rows],
            creative: vec![0; rows],
            creative_repeats: vec![0; rows],
            late_orders: Vec::new(),
            events: EventMemory::default(),
        }
    }

    /// Whether the consumer consents to the channel and has an address there.
    #[inline]
    #[must_use]
    pub fn is_reachable(&self, row: usize, channel: usize) -> bool {
        (self.consent[row] & self.address[row]) >> channel & 1 == 1
    }

    /// Days with a message on the channel; bit 0 is today.
    #[inline]
    #[must_use]
    pub fn sent_on(&self, row: usize, channel: usize) -> u32 {
        self.engagement[channel].sent_days[row]
    }

    /// Days with a message on any channel.
    #[inline]
    #[must_use]
    pub fn sent_on_any(&self, row: usize) -> u32 {
        self.engagement.iter().fold(0, |days, engagement| days | engagement.sent_days[row])
    }

    /// Whether the consumer is in the records.
    #[inline]
    #[must_use]
    pub fn is_here(&self, row: usize) -> bool {
        self.arrival_tick[row] == ARRIVED
    }

    /// Whether an opened coupon is valid at the tick.
    #[inline]
    #[must_use]
    pub fn has_coupon(&self, row: usize, tick: i32) -> bool {
        tick < self.coupon_end_tick[row]
    }

    /// Records that a message went out.
    pub fn record_sent(&mut self, row: usize, channel: usize, tick: i32, creative: u16) {
        let engagement = &mut self.engagement[channel];
        engagement.sent_tick[row] = tick;
        engagement.sent_days[row] |= 1;
        engagement.open_share[row] -= ENGAGEMENT_STEP * engagement.open_share[row];
        engagement.click_share[row] -= ENGAGEMENT_STEP * engagement.click_share[row];
        let creative = creative + 1;
        self.creative_repeats[row] =
            if self.creative[row] == creative { self.creative_repeats[row].saturating_add(1) } else { 1 };
        self.creative[row] = creative;
    }

    /// Records an open.
    pub fn record_open(&mut self, row: usize, channel: usize, tick: i32) {
        self.engagement[channel].open_tick[row] = tick;
        self.engagement[channel].open_share[row] += ENGAGEMENT_STEP;
    }

    /// Records a click.
    pub fn record_click(&mut self, row: usize, channel: usize, tick: i32) {
        self.engagement[channel].click_tick[row] = tick;
        self.engagement[channel].click_share[row] += ENGAGEMENT_STEP;
    }

    /// Records a visit.
    pub fn record_visit(&mut self, row: usize, tick: i32) {
        self.visit_tick[row] = tick;
        self.visit_days[row] |= 1;
    }

    /// Lets the records show the orders that are due, in the order in which they were placed.
    pub fn record_due_orders(&mut self, tick: i32) {
        let (orders, events) = (&mut self.orders, &mut self.events);
        self.late_orders.retain(|late| {
            if late.due_tick <= tick {
                orders[late.row as usize].push(late.tick, late.amount, late.discounted);
                events.record(late.row as usize, EventKind::Order, late.tick, None, late.amount);
            }
            late.due_tick > tick
        });
    }

    /// Turns the calendar to the tick after this one.
    pub fn turn_page(&mut self, clock: &Clock, tick: i32) {
        let days = clock.day(tick + 1) - clock.day(tick);
        if days == 0 {
            return;
        }
        for engagement in &mut self.engagement {
            for sent in &mut engagement.sent_days {
                *sent <<= days;
            }
        }
        for visits in &mut self.visit_days {
            *visits <<= days;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_over_remembered_orders_are_exact() {
        let mut memory = OrderMemory::default();
        assert_eq!(memory.since(-365), (0.0, 0.0));
        for (tick, amount) in [(-90, 10.0), (-30, 20.0), (-1, 40.0)] {
            memory.push(tick, amount, amount > 30.0);
        }
        assert_eq!(memory.since(-30), (2.0, 60.0));
        assert_eq!((memory.last_tick(), memory.orders, memory.discounted), (-1, 3, 1));
    }

    #[test]
    fn repeats_of_a_creative_do_not_overflow() {
        let mut state = State::new(1, 1);
        for tick in 0..70_000 {
            state.record_sent(0, 0, tick, 0);
        }
        assert_eq!(state.creative_repeats[0], u16::MAX);
    }

    #[test]
    fn days_with_messages_move_back_as_days_pass() {
        let clock = Clock::new("hour");
        let mut state = State::new(1, 2);
        state.record_sent(0, 1, 5, 0);
        for tick in 5..23 {
            state.turn_page(&clock, tick);
        }
        assert_eq!(state.sent_on_any(0), 0b1);
        state.turn_page(&clock, 23);
        assert_eq!((state.sent_on(0, 1), state.sent_on(0, 0)), (0b10, 0));
    }
}
