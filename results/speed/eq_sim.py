"""EQ-SIM: throughput of a vectorised user simulator, in numpy and in JAX.

100,000 users take 10 steps each; every user has 16 features drawn from N(0, 1) and every step offers
24 actions. All arithmetic is in 32-bit floats. One user-step is

    a. 24 response logits   x.W - 1.5 - fatigue * cost_k - 0.1 * recency,
    b. 24 behaviour logits  x.B, turned into probabilities by a soft-max with max subtraction,
    c. one action drawn from those probabilities, and its propensity,
    d. one Bernoulli reward with probability sigmoid(response logit of the drawn action),
    e. fatigue = 0.8 * fatigue + cost_action;  recency = 0 on reward, else recency + 1,
    f. one log row: action u8, reward u8, propensity f32.

Both start at fatigue = 0 and recency = 0, and

    cost_k = 0.05 + 0.01 * k    for k = 0 .. 23.

Both products are computed anew at every step although the features do not change: a policy sees the
context through its interface at each decision, so nothing may be carried over from the step before.

The timed region draws the features, runs all steps and keeps the log. W and B are read from
`eq-sim-response.csv` (W) and `eq-sim-policy.csv` (B) beforehand, so that every contender answers the
same question; without --weights-dir they are drawn as N(0, 1) / 4 inside the timed region.
"""

import argparse
import pathlib

import numpy as np

from report_line import Stopwatch, print_line, versions_of

FEATURES = 16
ACTIONS = 24
ACTION_COSTS = (0.05 + 0.01 * np.arange(ACTIONS)).astype(np.float32)
BASE_LOGIT = np.float32(-1.5)
RECENCY_WEIGHT = np.float32(0.1)
FATIGUE_DECAY = np.float32(0.8)

RESPONSE_FILE = "eq-sim-response.csv"
POLICY_FILE = "eq-sim-policy.csv"

# Both libraries are fastest when they walk through the users in blocks whose work arrays fit the core's
# cache; these sizes won a sweep from 500 users to all of them. The `-one-block` contenders take all the
# users at once, as a first version would.
NUMPY_BLOCK = 4_000
JAX_BLOCK = 2_000


def write_weights(folder, seed):
    """Writes W and B: one row per feature, one column per action."""
    generator = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    header = ",".join(f"action_{k}" for k in range(ACTIONS))
    for name in (RESPONSE_FILE, POLICY_FILE):
        weights = generator.standard_normal((FEATURES, ACTIONS), dtype=np.float32) / 4
        # Nine significant digits carry a 32-bit float through text unchanged.
        np.savetxt(folder / name, weights, delimiter=",", header=header, comments="", fmt="%.9g")


def read_weights(folder):
    """Reads W and B as arrays of shape (features, actions)."""
    matrices = []
    for name in (RESPONSE_FILE, POLICY_FILE):
        weights = np.loadtxt(folder / name, delimiter=",", skiprows=1, dtype=np.float32)
        if weights.shape != (FEATURES, ACTIONS):
            raise SystemExit(f"{name}: expected {FEATURES} x {ACTIONS} weights, found {weights.shape}")
        matrices.append(weights)
    return matrices


def block_size(users, largest):
    """The largest size up to `largest` (no limit where None) that divides the users evenly."""
    start = users if largest is None else min(largest, users)
    return next(size for size in range(start, 0, -1) if users % size == 0)


class NumpySimulator:
    """Arrays are laid out (action, user), so that every reduction over actions runs along users."""

    version = versions_of("numpy")
    compile_seconds = 0.0

    def __init__(self, users, steps, weights, largest_block):
        self._users, self._steps, self._weights = users, steps, weights
        self._block = block_size(users, largest_block)

    def run(self, seed):
        """Returns the log as (actions, rewards, propensities), each of shape (steps, users)."""
        # SFC64 is numpy's fastest generator.
        generator = np.random.Generator(np.random.SFC64(seed))
        if self._weights is None:
            drawn = generator.standard_normal((2, ACTIONS, FEATURES), dtype=np.float32) / 4
            response_rows, policy_rows = drawn
        else:
            response_rows, policy_rows = (np.ascontiguousarray(w.T) for w in self._weights)

        shape = (self._steps, self._users)
        actions = np.empty(shape, np.uint8)
        rewards = np.empty(shape, np.uint8)
        propensities = np.empty(shape, np.float32)

        block = self._block
        response, behaviour, scratch = (np.empty((ACTIONS, block), np.float32) for _ in range(3))
        not_reached = np.empty((ACTIONS, block), bool)
        # Offsets into a flattened (action, user) array: a flat take is twice as fast as a 2-d index.
        user_offsets = np.arange(block)

        for start in range(0, self._users, block):
            columns = slice(start, start + block)
            features = generator.standard_normal((FEATURES, block), dtype=np.float32)
            fatigue = np.zeros(block, np.float32)
            recency = np.zeros(block, np.float32)
            for step in range(self._steps):
                action_uniform, reward_uniform = generator.random((2, block), dtype=np.float32)

                np.matmul(response_rows, features, out=response)
                np.multiply(ACTION_COSTS[:, None], fatigue, out=scratch)
                response -= scratch
                response += BASE_LOGIT - RECENCY_WEIGHT * recency

                np.matmul(policy_rows, features, out=behaviour)
                behaviour -= behaviour.max(axis=0)
                np.exp(behaviour, out=behaviour)

                # Row by row, because numpy's cumsum along this axis is six times slower.
                cumulative = scratch
                cumulative[0] = behaviour[0]
                for k in range(1, ACTIONS):
                    np.add(cumulative[k - 1], behaviour[k], out=cumulative[k])
                total = cumulative[-1]
                np.less_equal(cumulative, action_uniform * total, out=not_reached)
                action = np.add.reduce(not_reached.view(np.uint8), axis=0, dtype=np.uint8)
                # Rounding may leave the uniform at the total itself.
                np.minimum(action, ACTIONS - 1, out=action)

                drawn_cells = action * np.intp(block) + user_offsets
                logit = response.ravel().take(drawn_cells)
                rewarded = reward_uniform * (1 + np.exp(-logit)) < 1

                actions[step, columns] = action
                rewards[step, columns] = rewarded
                np.divide(behaviour.ravel().take(drawn_cells), total, out=propensities[step, columns])

                fatigue *= FATIGUE_DECAY
                fatigue += ACTION_COSTS[action]
                recency += 1
                recency[rewarded] = 0
        return actions, rewards, propensities


class JaxSimulator:
    """The whole run is one compiled program: a map over blocks of users, a scan over steps."""

    def __init__(self, users, steps, weights, largest_block):
        import jax
        import jax.numpy as jnp

        self._jax = jax
        self.version = versions_of("jax", "jaxlib")
        block = block_size(users, largest_block)
        costs = jnp.asarray(ACTION_COSTS)

        def simulate_block(key, response_rows, policy_rows):
            features_key, steps_key = jax.random.split(key)
            features = jax.random.normal(features_key, (FEATURES, block), jnp.float32)

            def step(state, step_key):
                # The barrier ties the features to this step's state, which keeps the compiler from
                # moving the two products out of the loop.
                features, fatigue, recency = jax.lax.optimization_barrier(state)
                action_uniform, reward_uniform = jax.random.uniform(step_key, (2, block))

                response = (
                    response_rows @ features
                    + BASE_LOGIT
                    - costs[:, None] * fatigue
                    - RECENCY_WEIGHT * recency
                )
                behaviour = policy_rows @ features
                behaviour = jnp.exp(behaviour - behaviour.max(axis=0))
                total = behaviour.sum(axis=0)

                # Unrolled over actions: the compiler fuses this into one loop, unlike a cumsum.
                threshold = action_uniform * total
                running = jnp.zeros(block)
                action = jnp.zeros(block, jnp.int32)
                for k in range(ACTIONS):
                    running = running + behaviour[k]
                    action = action + (running <= threshold)
                action = jnp.minimum(action, ACTIONS - 1)

                # A masked sum, because a gather is slower on a processor.
                drawn = jnp.arange(ACTIONS)[:, None] == action
                propensity = jnp.where(drawn, behaviour, 0).sum(axis=0) / total
                logit = jnp.where(drawn, response, 0).sum(axis=0)
                rewarded = reward_uniform * (1 + jnp.exp(-logit)) < 1

                fatigue = FATIGUE_DECAY * fatigue + costs[action]
                recency = jnp.where(rewarded, 0, recency + 1)
                row = action.astype(jnp.uint8), rewarded.astype(jnp.uint8), propensity
                return (features, fatigue, recency), row

            start = features, jnp.zeros(block), jnp.zeros(block)
            _, log = jax.lax.scan(step, start, jax.random.split(steps_key, steps))
            return log

        def simulate(key, *given_weights):
            weights_key, blocks_key = jax.random.split(key)
            if given_weights:
                response_rows, policy_rows = (w.T for w in given_weights)
            else:
                drawn = jax.random.normal(weights_key, (2, ACTIONS, FEATURES), jnp.float32) / 4
                response_rows, policy_rows = drawn
            block_keys = jax.random.split(blocks_key, users // block)
            return jax.lax.map(lambda key: simulate_block(key, response_rows, policy_rows), block_keys)

        self._weights = () if weights is None else tuple(jnp.asarray(w) for w in weights)
        with Stopwatch() as compilation:
            self._program = jax.jit(simulate).lower(jax.random.key(0), *self._weights).compile()
        self.compile_seconds = compilation.wall_seconds

    def run(self, seed):
        """Returns the log as (actions, rewards, propensities), each (blocks, steps, users of a block)."""
        log = self._program(self._jax.random.key(seed), *self._weights)
        return self._jax.block_until_ready(log)


CONTENDERS = {
    "numpy": (NumpySimulator, NUMPY_BLOCK),
    "numpy-one-block": (NumpySimulator, None),
    "jax": (JaxSimulator, JAX_BLOCK),
    "jax-one-block": (JaxSimulator, None),
}


def agreement_figures(log):
    """Mean reward, its standard error and mean propensity.

    The error is taken over users, since the steps of one user are not independent.
    """
    _actions, rewards, propensities = (np.asarray(column) for column in log)
    user_means = rewards.mean(axis=-2).ravel()
    return {
        "mean_reward": float(user_means.mean()),
        "reward_standard_error": float(user_means.std(ddof=1) / np.sqrt(user_means.size)),
        "mean_propensity": float(propensities.mean(dtype=np.float64)),
    }


def run_contender(options):
    """Prints one line per timed pass, after one pass that warms caches and allocators."""
    weights = read_weights(options.weights_dir) if options.weights_dir else None
    simulator_class, largest_block = CONTENDERS[options.contender]
    simulator = simulator_class(options.users, options.steps, weights, largest_block)
    simulator.run(options.seed)
    for number in range(1, options.passes + 1):
        with Stopwatch() as watch:
            log = simulator.run(options.seed + number)
        print_line(
            benchmark="eq-sim",
            contender=options.contender,
            users=options.users,
            steps=options.steps,
            seed=options.seed + number,
            user_steps_per_second=options.users * options.steps / watch.wall_seconds,
            wall_seconds=watch.wall_seconds,
            cpu_seconds=watch.cpu_seconds,
            compile_seconds=simulator.compile_seconds,
            version=simulator.version,
            **agreement_figures(log),
        )


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    tasks = parser.add_subparsers(dest="task", required=True)

    write = tasks.add_parser("write-weights", help="draw W and B and write them as CSV")
    write.add_argument("--weights-dir", type=pathlib.Path, required=True)
    write.add_argument("--seed", type=int, default=1)

    run = tasks.add_parser("run", help="time one contender")
    run.add_argument("contender", choices=CONTENDERS)
    run.add_argument(
        "--weights-dir", type=pathlib.Path, help="read W and B from here instead of drawing them"
    )
    run.add_argument("--users", type=int, default=100_000)
    run.add_argument("--steps", type=int, default=10)
    run.add_argument("--passes", type=int, default=3)
    run.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def main():
    options = parse_options()
    if options.task == "write-weights":
        write_weights(options.weights_dir, options.seed)
    else:
        run_contender(options)


if __name__ == "__main__":
    main()
