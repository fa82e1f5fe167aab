//! How a run was made: what may differ between two runs of the same bytes.

use super::units::Files;
use super::{Progress, Run};
use serde_json::{Value, json};

/// The instruction set that the lane loops run on, as `multiversion` chooses it.
pub(super) fn instruction_set() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        let wide = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        if wide {
            return "x86_64+avx512";
        }
        if is_x86_feature_detected!("avx2") {
            return "x86_64+avx2";
        }
    }
    std::env::consts::ARCH
}

/// `manifest.json`. Rates count what this call ran: units that a resumed run restored are not in them.
pub(super) fn manifest(run: &Run<'_>, store: &Files<'_>, progress: &dyn Progress, threads: usize) -> Value {
    let seconds = progress.seconds();
    let rate = |count: u64| (count as f64 / seconds.max(1e-9)).round();
    json!({
        "mercato": env!("CARGO_PKG_VERSION"),
        "scenario": run.experiment.name,
        "scenario_hash": run.experiment.hash,
        "seed": run.experiment.seed.value(),
        "replications": run.experiment.replications,
        "result_hash": run.summary.result_hash,
        "command": run.options.command,
        "resumed": run.options.resume,
        "instruction_set": instruction_set(),
        "operating_system": std::env::consts::OS,
        "threads": threads,
        "started_at": progress.started_at(),
        "seconds": (seconds * 1e3).round() / 1e3,
        "consumer_ticks": store.consumer_ticks(),
        "consumer_ticks_per_second": rate(store.consumer_ticks()),
        "decisions": store.decisions(),
        "decisions_per_second": rate(store.decisions()),
        "reward_days": run.reward_days(),
        "reward_less_twin": run.experiment.training.less_twin,
        "reward_expected_orders": run.experiment.training.expected_orders,
        "training_episodes": run.experiment.training.episodes,
        "training_seeds": run.experiment.training.seeds,
    })
}
