//! Agents as CleanRL sets them up on CartPole: `ppo.py` and `dqn.py`.

use mercato::agent::AGENTS;
use mercato::protocol::{Agent, Spec};
use mercato::registry::{Value, Values, find};

/// An agent and how many carts it learns on.
pub struct SetUp {
    pub name: &'static str,
    pub carts: u32,
    keys: &'static [(&'static str, Value)],
    hidden: [i64; 2],
}

pub const SET_UPS: [SetUp; 2] = [
    SetUp {
        name: "ppo",
        carts: 4,
        // The other keys have CleanRL's figures by default.
        keys: &[("value_clip", Value::Number(0.2))],
        hidden: [64, 64],
    },
    SetUp {
        name: "dqn",
        carts: 1,
        // A squared loss, no clipping, no second opinion on the best action.
        keys: &[
            ("double", Value::Boolean(false)),
            ("huber_width", Value::Number(1e6)),
            ("gradient_norm_max", Value::Number(1e6)),
            ("memory", Value::Integer(10_000)),
            ("decisions_before", Value::Integer(10_000)),
            ("epsilon_until", Value::Number(0.5)),
        ],
        hidden: [120, 84],
    },
];

impl SetUp {
    /// The agent that knows nothing yet.
    ///
    /// # Errors
    /// Where it is not registered, or refuses its keys.
    pub fn learner(&self, spec: &Spec, seed: u64) -> Result<Box<dyn Agent>, String> {
        let entry = find(AGENTS, self.name).ok_or("the agent is not registered")?;
        let network_seed = i64::try_from(seed).map_err(|_| format!("seed {seed} is too great"))?;
        let mut values = Values::defaults(entry.parameters)
            .with("hidden", Value::Integers(self.hidden.to_vec()))
            .with("network_seed", Value::Integer(network_seed));
        for (key, value) in self.keys {
            values = values.with(key, value.clone());
        }
        (entry.build.create)(&values, spec).map_err(|refusal| refusal.message)
    }
}
