//! The last things that the records show about each consumer, one by one: for policies that read sequences.

/// What an event is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum EventKind {
    /// A message went out.
    #[default]
    Sent,
    /// An open was recorded.
    Open,
    /// A click was recorded.
    Click,
    /// A visit to the site.
    Visit,
    /// An order was recorded.
    Order,
    /// Consent to a channel was withdrawn.
    OptOut,
}

impl EventKind {
    /// All, in order.
    pub const ALL: [Self; 6] = [Self::Sent, Self::Open, Self::Click, Self::Visit, Self::Order, Self::OptOut];
}

/// One event.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Event {
    /// What it is.
    pub kind: EventKind,
    /// Days since it happened, 0 or more.
    pub age_days: f32,
    /// Index of the channel; `None` for visits and orders.
    pub channel: Option<u8>,
    /// Discount of a message (share of the list price), amount of an order (currency), pages of a visit where the market
    /// tells them, else 0.
    pub value: f32,
}

/// The last events of each consumer, newest record first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Events {
    remembered: usize,
    lengths: Vec<u8>,
    events: Vec<Event>,
}

impl Events {
    /// Most events of a consumer that a market remembers.
    pub const REMEMBERED_MAX: usize = 32;

    /// No event of any of these rows, with room for `remembered` of each; keeps its allocation.
    pub fn reset(&mut self, rows: usize, remembered: usize) {
        self.remembered = remembered.min(Self::REMEMBERED_MAX);
        self.lengths.clear();
        self.lengths.resize(rows, 0);
        self.events.clear();
        self.events.resize(rows * self.remembered, Event::default());
    }

    /// The events of these rows, in this order.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        let mut selected = Self::default();
        selected.reset(rows.len(), self.remembered);
        for (to, &from) in rows.iter().enumerate() {
            self.row(from).iter().for_each(|event| selected.push(to, *event));
        }
        selected
    }

    /// Number of consumers.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.lengths.len()
    }

    /// How many events of each consumer are remembered; 0 in a market that remembers none.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.remembered
    }

    /// The events of a consumer, newest first.
    #[inline]
    #[must_use]
    pub fn row(&self, row: usize) -> &[Event] {
        let first = row * self.remembered;
        &self.events[first..first + usize::from(self.lengths[row])]
    }

    /// Adds an event that is older than all of the row so far; nothing where there is no room.
    pub fn push(&mut self, row: usize, event: Event) {
        let length = usize::from(self.lengths[row]);
        if length < self.remembered {
            self.events[row * self.remembered + length] = event;
            self.lengths[row] += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_has_its_own_events_and_no_more_than_fit() {
        let mut events = Events::default();
        events.reset(2, 2);
        for age_days in [1.0, 2.0, 3.0] {
            events.push(1, Event { age_days, ..Event::default() });
        }
        assert!(events.row(0).is_empty());
        assert_eq!(events.row(1).iter().map(|event| event.age_days).collect::<Vec<_>>(), [1.0, 2.0]);
        let turned = events.select(&[1, 0, 1]);
        assert_eq!((turned.row(0), turned.row(1), turned.row(2)), (events.row(1), events.row(0), events.row(1)));
        events.reset(3, 0);
        events.push(2, Event::default());
        assert!(events.rows() == 3 && events.row(2).is_empty());
    }
}
