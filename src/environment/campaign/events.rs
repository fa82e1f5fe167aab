//! The last events of each consumer, as the records show them: what policies that read sequences are told.
//!
//! A ring for each consumer, kept only where `events_remembered` of `[market]` is above 0. It starts empty where the
//! lived history begins: earlier orders are known as totals only. A late order stands where it was recorded, with the age
//! of the day on which it was placed.

use super::clock::Clock;
use crate::protocol::{Event, EventKind, Events};

/// Stands for an event without a channel.
const NO_CHANNEL: u8 = u8::MAX;

/// An event as it is kept.
#[derive(Clone, Copy, Debug, Default)]
struct Remembered {
    tick: i32,
    value: f32,
    kind: EventKind,
    channel: u8,
}

/// The rings of a shard.
#[derive(Clone, Debug, Default)]
pub struct EventMemory {
    remembered: usize,
    events: Vec<Remembered>,
    newest: Vec<u8>,
    lengths: Vec<u8>,
}

/// What the memory takes for each consumer.
#[must_use]
pub fn bytes_per_consumer(remembered: usize) -> usize {
    if remembered == 0 { 0 } else { remembered * size_of::<Remembered>() + 2 }
}

impl EventMemory {
    /// Room for so many events of each row.
    #[must_use]
    pub fn new(rows: usize, remembered: usize) -> Self {
        let rows = if remembered == 0 { 0 } else { rows };
        Self {
            remembered,
            events: vec![Remembered::default(); rows * remembered],
            newest: vec![0; rows],
            lengths: vec![0; rows],
        }
    }

    /// Remembers an event; the oldest makes room. Nothing where nothing is remembered.
    #[inline]
    pub fn record(&mut self, row: usize, kind: EventKind, tick: i32, channel: Option<u8>, value: f32) {
        if self.remembered == 0 {
            return;
        }
        let place = (usize::from(self.newest[row]) + 1) % self.remembered;
        self.newest[row] = place as u8;
        self.lengths[row] = (self.lengths[row] + 1).min(self.remembered as u8);
        self.events[row * self.remembered + place] =
            Remembered { tick, value, kind, channel: channel.unwrap_or(NO_CHANNEL) };
    }

    /// Tells the events of every row as of a tick, newest first; `told` has room for them.
    pub fn tell(&self, clock: &Clock, tick: i32, told: &mut Events) {
        for (row, (&newest, &length)) in self.newest.iter().zip(&self.lengths).enumerate() {
            for back in 0..usize::from(length) {
                let place = (usize::from(newest) + self.remembered - back) % self.remembered;
                let event = self.events[row * self.remembered + place];
                told.push(
                    row,
                    Event {
                        kind: event.kind,
                        age_days: clock.days_between(event.tick, tick),
                        channel: (event.channel != NO_CHANNEL).then_some(event.channel),
                        value: event.value,
                    },
                );
            }
        }
    }

    /// How many events of each row are remembered.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.remembered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_told_first_and_the_oldest_forgotten() {
        let mut memory = EventMemory::new(2, 3);
        for tick in 0..5 {
            memory.record(1, EventKind::Sent, tick, Some(2), tick as f32);
        }
        memory.record(0, EventKind::Order, 3, None, 40.0);
        let mut told = Events::default();
        told.reset(2, memory.remembered());
        memory.tell(&Clock::new("day"), 7, &mut told);
        let order = Event { kind: EventKind::Order, age_days: 4.0, channel: None, value: 40.0 };
        assert_eq!(told.row(0), [order]);
        let sent = |tick: f32| Event { kind: EventKind::Sent, age_days: 7.0 - tick, channel: Some(2), value: tick };
        assert_eq!(told.row(1), [sent(4.0), sent(3.0), sent(2.0)]);
    }

    #[test]
    fn a_memory_of_nothing_takes_and_tells_nothing() {
        let mut memory = EventMemory::new(2, 0);
        memory.record(1, EventKind::Visit, 0, None, 0.0);
        let mut told = Events::default();
        told.reset(2, 0);
        memory.tell(&Clock::new("day"), 1, &mut told);
        assert!(memory.events.is_empty() && told.row(1).is_empty() && bytes_per_consumer(0) == 0);
    }
}
