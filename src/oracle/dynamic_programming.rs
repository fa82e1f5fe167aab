//! The best policy of a finite process.

use super::state_actions::StateActions;
use super::{Inside, OracleBuild};
use crate::protocol::{Policy, World};
use crate::registry::{Entry, Refusal, Values};

/// Value iteration over the infinite horizon, to 1e-12; ties go to the lowest index.
pub const ENTRY: Entry<OracleBuild> = Entry {
    name: "dynamic_programming",
    summary: "the best policy of a finite process, by value iteration",
    source: "Bellman, Dynamic Programming (1957)",
    parameters: &[],
    build,
};

fn build(values: &Values, inside: Inside<'_>) -> Result<Box<dyn Policy>, Refusal> {
    match inside {
        Inside::Finite(world) => {
            Ok(Box::new(StateActions { actions: world.optimal_actions(), width: world.spec().actions.len() }))
        }
        Inside::Campaign(_) | Inside::Logit(_) => Err(Refusal::new(
            values,
            "kind",
            "`dynamic_programming` needs a market of kind \"finite\": only there are all states known",
            "use `kind = \"finite\"` in [market], or an agent that learns",
        )),
    }
}
