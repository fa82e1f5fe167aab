//! Who gets the credit for an order, by the rules of the trade; what messages truly brought is another matter.
//!
//! Both rules look back `attribution_days` from the tick of the order, at what the records show. *Last click*: the channel
//! of the last recorded click gets the order. *Linear*: all messages sent share it equally. Either way the shares of all
//! channels add up to one order, or to none; only that sum is counted. Credit goes to orders as recorded: an order that is
//! never linked to its consumer gets none, one that is recorded twice gets two. What the messages caused is the difference
//! from the twin whom nobody contacts (docs/market.md 6.27).

use super::clock::Clock;
use super::state::State;

/// The credit of one order, over all channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credit {
    /// A click gets it.
    pub last_click: bool,
    /// Messages share it.
    pub touched: bool,
}

/// Who gets the credit for an order of this row in this tick.
#[must_use]
pub fn credit(state: &State, clock: &Clock, row: usize, tick: i32, days: f32) -> Credit {
    // A tick that never was lies further back than any window.
    let recent = |then: i32| clock.days_between(then, tick) <= days;
    Credit {
        last_click: state.engagement.iter().any(|engagement| recent(engagement.click_tick[row])),
        touched: state.engagement.iter().any(|engagement| recent(engagement.sent_tick[row])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_back_counts_and_a_day_more_does_not() {
        let clock = Clock::new("day");
        let mut state = State::new(2, 2);
        let of = |state: &State, tick| credit(state, &clock, 1, tick, 7.0);
        assert_eq!(of(&state, 10), Credit { last_click: false, touched: false });
        state.record_sent(1, 0, 10, 0);
        assert_eq!(of(&state, 10), Credit { last_click: false, touched: true });
        state.record_sent(1, 1, 12, 0);
        state.record_click(1, 0, 10);
        assert_eq!(of(&state, 17), Credit { last_click: true, touched: true });
        assert_eq!(of(&state, 18), Credit { last_click: false, touched: true });
        assert_eq!(of(&state, 20), Credit { last_click: false, touched: false });
        assert_eq!(credit(&state, &clock, 0, 12, 7.0), Credit { last_click: false, touched: false });
    }
}
