//! Whether the machine can hold a market, asked before it is opened: running out of memory ends a program without a word.

use crate::registry::{Refusal, Values};

/// A run opens a market and forks it for each policy it judges.
const COPIES: u64 = 2;

/// Memory that can be had without swapping, in bytes, where the system tells.
pub(super) fn available_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1_024)
}

/// Refuses `consumers` where they do not fit.
pub(super) fn refusal(
    market: &Values,
    consumers: u32,
    bytes_per_consumer: usize,
    available_bytes: u64,
) -> Option<Refusal> {
    let each = COPIES * bytes_per_consumer as u64;
    let needed = each * u64::from(consumers);
    if needed <= available_bytes {
        return None;
    }
    let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
    let message = format!(
        "{consumers} consumers need about {:.1} GiB of memory ({each} bytes each, the market and its copy), and {:.1} GiB \
         are available",
        gib(needed),
        gib(available_bytes)
    );
    let help = format!("lower `consumers` to {} or less, or use a larger machine", available_bytes / each.max(1));
    Some(Refusal::new(market, "consumers", message, help))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consumers_that_do_not_fit_are_refused_with_the_number_that_does() {
        let market = Values::default();
        assert_eq!(refusal(&market, 1_000, 500, 1_000_000), None);
        let refusal = refusal(&market, 1_001, 500, 1_000_000).unwrap();
        assert_eq!(refusal.key, "consumers");
        assert!(
            refusal.message.contains("1001 consumers need about 0.0 GiB of memory (1000 bytes each"),
            "{refusal:?}"
        );
        assert!(refusal.help.contains("to 1000 or less"), "{refusal:?}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_system_tells_its_memory() {
        assert!(available_bytes().is_some_and(|bytes| bytes > 1 << 20));
    }
}
