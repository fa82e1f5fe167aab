//! Whether the machine can hold a market, asked before it is opened: running out of memory ends a program without a word.

use crate::protocol::World;
use crate::registry::{Refusal, Values};

/// What decides how much a run must hold at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Need {
    consumers: u64,
    /// Consumers that are open at once while policies are judged.
    part_consumers: u64,
    bytes_per_consumer: u64,
    /// Markets that are open as a whole while an agent learns: none where none does, 2 with the twin.
    training_copies: u64,
}

/// A run opens a market, or a part of it, and forks it for each policy it judges.
const COPIES: u64 = 2;

impl Need {
    pub(super) fn new(world: &dyn World, training_copies: u64) -> Self {
        Self {
            consumers: u64::from(world.spec().consumers),
            part_consumers: u64::from(world.part_consumers().min(world.spec().consumers)),
            bytes_per_consumer: world.bytes_per_consumer() as u64,
            training_copies,
        }
    }

    /// Bytes that are held at once, and why.
    fn bytes(self) -> (u64, &'static str) {
        let judged = COPIES * self.part_consumers;
        let trained = self.training_copies * self.consumers;
        if trained > judged {
            let why = if self.training_copies > 1 {
                "agents learn on a whole market and its twin"
            } else {
                "agents learn on a whole market"
            };
            (trained * self.bytes_per_consumer, why)
        } else if self.part_consumers < self.consumers {
            (judged * self.bytes_per_consumer, "a part of the market and its copy")
        } else {
            (judged * self.bytes_per_consumer, "the market and its copy")
        }
    }

    /// The number of consumers that fits, where not all do.
    fn fitting(self, available_bytes: u64) -> u64 {
        let open = available_bytes / self.bytes_per_consumer.max(1);
        if open < COPIES * self.part_consumers { open / COPIES } else { open / self.training_copies.max(1) }
    }
}

/// What is wrong with logging a market, where memory cannot hold the twin that lives beside it: the whole of a coupled
/// market, and next to nothing of any other.
#[must_use]
pub fn refuse_log(world: &dyn World) -> Option<String> {
    let bytes = u64::from(world.spec().consumers) * world.bytes_per_consumer() as u64;
    available_bytes().filter(|_| world.is_coupled()).and_then(|available| refuse_twin(bytes, available))
}

fn refuse_twin(market_bytes: u64, available_bytes: u64) -> Option<String> {
    let needed = (COPIES + 1) * market_bytes;
    (needed > available_bytes).then(|| {
        format!(
            "--log needs about {:.1} GiB of memory, and {:.1} GiB are available: consumers touch each other here, so that a \
             twin of the whole market lives beside it; lower `consumers`, or run without --log",
            gib(needed),
            gib(available_bytes)
        )
    })
}

fn gib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 30)
}

/// Memory that can be had without swapping, in bytes, where the system tells.
pub(super) fn available_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1_024)
}

/// Refuses `consumers` where they do not fit.
pub(super) fn refusal(market: &Values, need: Need, available_bytes: u64) -> Option<Refusal> {
    let (needed, why) = need.bytes();
    if needed <= available_bytes {
        return None;
    }
    let message = format!(
        "{} consumers need about {:.1} GiB of memory ({} bytes each; {why}), and {:.1} GiB are available",
        need.consumers,
        gib(needed),
        need.bytes_per_consumer,
        gib(available_bytes)
    );
    let fitting = need.fitting(available_bytes);
    let help = format!("lower `consumers` to {fitting} or less, or use a larger machine");
    Some(Refusal::new(market, "consumers", message, help))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn need(consumers: u64, part_consumers: u64, training_copies: u64) -> Need {
        Need { consumers, part_consumers, bytes_per_consumer: 500, training_copies }
    }

    /// The refusal's message and help, and that the number it gives fits while one more does not.
    fn refused(need: Need, available_bytes: u64) -> (String, String) {
        let market = Values::default();
        let fitting = need.fitting(available_bytes);
        let of = |consumers| Need { consumers, part_consumers: need.part_consumers.min(consumers), ..need };
        assert_eq!(refusal(&market, of(fitting), available_bytes), None);
        assert!(refusal(&market, of(fitting + 1), available_bytes).is_some());
        let refusal = refusal(&market, need, available_bytes).unwrap();
        assert_eq!(refusal.key, "consumers");
        assert!(refusal.help.contains(&format!("to {fitting} or less")), "{refusal:?}");
        (refusal.message, refusal.help)
    }

    #[test]
    fn consumers_that_do_not_fit_are_refused_with_the_number_that_does() {
        for copies in [0, 1, 2] {
            assert_eq!(refusal(&Values::default(), need(1_000, 1_000, copies), 1_000_000), None);
            let (message, help) = refused(need(1_001, 1_001, copies), 1_000_000);
            let start = "1001 consumers need about 0.0 GiB of memory (500 bytes each; the market and its copy)";
            assert!(message.starts_with(start), "{message}");
            assert!(help.contains("to 1000 or less"), "{help}");
        }
    }

    #[test]
    fn a_market_in_parts_needs_a_part_and_its_copy_or_the_whole_where_agents_learn() {
        let market = Values::default();
        assert_eq!(refusal(&market, need(1_000_000, 1_000, 0), 1_000_000), None);
        let (message, _) = refused(need(1_000_000, 1_000, 0), 999_999);
        assert!(message.contains("a part of the market and its copy"), "{message}");
        assert_eq!(refusal(&market, need(2_000, 1_000, 1), 1_000_000), None);
        let (message, help) = refused(need(1_000_000, 1_000, 1), 1_500_000);
        assert!(message.contains("0.5 GiB of memory (500 bytes each; agents learn on a whole market)"), "{message}");
        assert!(help.contains("to 3000 or less"), "{help}");
        let (message, help) = refused(need(1_000_000, 1_000, 2), 1_500_000);
        assert!(
            message.contains("0.9 GiB of memory (500 bytes each; agents learn on a whole market and its twin)"),
            "{message}"
        );
        assert!(help.contains("to 1500 or less"), "{help}");
    }

    #[test]
    fn a_log_needs_room_for_the_twin() {
        assert_eq!(refuse_twin(1 << 30, 3 << 30), None);
        let message = refuse_twin(1 << 30, (3 << 30) - 1).unwrap();
        assert!(message.starts_with("--log needs about 3.0 GiB of memory, and 3.0 GiB are available"), "{message}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_system_tells_its_memory() {
        assert!(available_bytes().is_some_and(|bytes| bytes > 1 << 20));
    }
}
