//! Wall and processor time of a stretch of work.

use std::time::Instant;

/// Started by [`Stopwatch::start`], read by [`Stopwatch::seconds`].
pub struct Stopwatch {
    wall: Instant,
    processor: Option<u64>,
}

/// Time since the start, in seconds.
pub struct Seconds {
    /// As a clock on the wall shows.
    pub wall: f64,
    /// Spent by this thread; wall time where the system does not tell.
    pub processor: f64,
}

impl Stopwatch {
    /// Starts the clocks.
    #[allow(clippy::disallowed_methods, reason = "measuring time is what this program is for")]
    pub fn start() -> Self {
        Self { processor: processor_nanoseconds(), wall: Instant::now() }
    }

    /// Time since the start.
    pub fn seconds(&self) -> Seconds {
        let wall = self.wall.elapsed().as_secs_f64();
        let processor = self.processor.zip(processor_nanoseconds()).map(|(start, end)| (end - start) as f64 / 1e9);
        Seconds { wall, processor: processor.unwrap_or(wall) }
    }
}

/// Nanoseconds that this thread has run, on Linux.
fn processor_nanoseconds() -> Option<u64> {
    std::fs::read_to_string("/proc/thread-self/schedstat").ok()?.split(' ').next()?.parse().ok()
}
