//! The calendar of a market: ticks, days, hours, weekends.

/// Day 0 is a Monday.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clock {
    /// Length of a tick in days.
    pub tick_days: f64,
    ticks_per_day: i32,
    days_per_tick: i32,
}

impl Clock {
    /// From the word in the file: `hour`, `day` or `week`.
    #[must_use]
    pub fn new(tick: &str) -> Self {
        match tick {
            "hour" => Self { tick_days: 1.0 / 24.0, ticks_per_day: 24, days_per_tick: 1 },
            "week" => Self { tick_days: 7.0, ticks_per_day: 1, days_per_tick: 7 },
            _ => Self { tick_days: 1.0, ticks_per_day: 1, days_per_tick: 1 },
        }
    }

    /// The day of a tick.
    #[must_use]
    pub fn day(&self, tick: i32) -> i32 {
        tick.div_euclid(self.ticks_per_day) * self.days_per_tick
    }

    /// Day of the week, 0 for Monday.
    #[must_use]
    pub fn weekday(&self, tick: i32) -> usize {
        self.day(tick).rem_euclid(7) as usize
    }

    /// Whether the day of a tick is a Saturday or Sunday.
    #[must_use]
    pub fn is_weekend(&self, tick: i32) -> bool {
        self.weekday(tick) >= 5
    }

    /// The hour of the sender's day, with ticks of an hour.
    #[must_use]
    pub fn hour(&self, tick: i32) -> Option<u8> {
        (self.ticks_per_day > 1).then(|| tick.rem_euclid(self.ticks_per_day) as u8)
    }

    /// A number of days in ticks, at least 1 for a positive number.
    #[must_use]
    pub fn ticks(&self, days: f64) -> u32 {
        (days / self.tick_days).ceil() as u32
    }

    /// Days between two ticks.
    #[inline]
    #[must_use]
    pub fn days_between(&self, earlier: i32, later: i32) -> f32 {
        (later - earlier) as f32 * self.tick_days as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weeks_begin_on_monday_before_and_after_day_0() {
        let day = Clock::new("day");
        assert_eq!([-2, -1, 0, 5, 6, 7].map(|tick| day.is_weekend(tick)), [true, true, false, true, true, false]);
        let hour = Clock::new("hour");
        assert_eq!((hour.day(-1), hour.hour(-1), hour.ticks(1.5)), (-1, Some(23), 36));
        assert_eq!(Clock::new("week").day(2), 14);
    }
}
