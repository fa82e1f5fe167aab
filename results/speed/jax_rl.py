"""Deep reinforcement learning compiled as a whole: PPO and DQN in jax.numpy alone.

In the form of PureJaxRL: carts, network, losses and Adam are one program, and a whole training is one call
of it. No library's code. Each `compiled_*` function returns a program that takes a seed and is compiled
ahead of time.

Written for speed on one core: random numbers are drawn before the loop that uses them; the critic and the
probabilities, which do not change within a rollout, are evaluated once for all its steps; all weights are
one vector, so that Adam is a handful of operations; small loops are unrolled.
"""

import functools

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

DISCOUNT = 0.99
LEARNING_RATE = 2.5e-4

EPISODE_STEPS_MAX = 500
POSITION_LIMIT = 2.4
ANGLE_LIMIT = 12 * 2 * jnp.pi / 360
CART_FEATURES = 4
CART_ACTIONS = 2


# ---- CartPole-v1 ----------------------------------------------------------------------------------


def new_carts(key, shape):
    return jax.random.uniform(key, (*shape, CART_FEATURES), minval=-0.05, maxval=0.05)


def push(carts, actions):
    """One step of Euler's rule for carts in rows of (position, speed, angle, angular speed)."""
    gravity, pole_mass, total_mass, half_length, force, seconds = 9.8, 0.1, 1.1, 0.5, 10.0, 0.02
    position, speed, angle, turn = carts.T
    sine, cosine = jnp.sin(angle), jnp.cos(angle)
    shared = (
        jnp.where(actions == 1, force, -force) + pole_mass * half_length * turn**2 * sine
    ) / total_mass
    turn_change = (gravity * sine - cosine * shared) / (
        half_length * (4 / 3 - pole_mass * cosine**2 / total_mass)
    )
    speed_change = shared - pole_mass * half_length * turn_change * cosine / total_mass
    moved = (
        position + seconds * speed,
        speed + seconds * speed_change,
        angle + seconds * turn,
        turn + seconds * turn_change,
    )
    return jnp.stack(moved, axis=1)


def play_step(carts, ages, actions, fresh):
    """Pushes, and replaces carts whose episode is over.

    Returns what follows in the same episode, the carts to go on with, their ages, the ages at which episodes
    ended (0 where none did) and whether poles fell.
    """
    following, ages = push(carts, actions), ages + 1
    fell = (jnp.abs(following[:, 0]) > POSITION_LIMIT) | (jnp.abs(following[:, 2]) > ANGLE_LIMIT)
    over = fell | (ages >= EPISODE_STEPS_MAX)
    onward = jnp.where(over[:, None], fresh, following)
    return following, onward, jnp.where(over, 0, ages), jnp.where(over, ages, 0), fell


def returns_of(ended_ages):
    """Returns of the finished episodes in order: every step brings 1, so they are lengths."""
    flat = ended_ages.reshape(-1)
    return flat[flat > 0].tolist()


# ---- networks and their optimiser -----------------------------------------------------------------


def new_layers(key, sizes, scales):
    """Orthogonal weights with the given scales, biases zero."""
    keys = jax.random.split(key, len(scales))
    return [
        (jax.nn.initializers.orthogonal(scale)(one, shape), jnp.zeros(shape[1]))
        for one, scale, shape in zip(keys, scales, zip(sizes, sizes[1:]))
    ]


def new_uniform_layers(key, sizes):
    """Weights and biases uniform within 1 / sqrt(inputs), as a linear layer of PyTorch has them."""
    keys = jax.random.split(key, 2 * len(sizes) - 2).reshape(-1, 2)
    layers = []
    for (weight_key, bias_key), shape in zip(keys, zip(sizes, sizes[1:])):
        bound = shape[0] ** -0.5
        weights = jax.random.uniform(weight_key, shape, minval=-bound, maxval=bound)
        layers.append((weights, jax.random.uniform(bias_key, shape[1:], minval=-bound, maxval=bound)))
    return layers


def forward(layers, inputs, activation):
    for weights, bias in layers[:-1]:
        inputs = activation(inputs @ weights + bias)
    weights, bias = layers[-1]
    return inputs @ weights + bias


def new_optimiser(weights):
    """Adam's two moments and its number of steps."""
    return jnp.zeros_like(weights), jnp.zeros_like(weights), jnp.zeros((), jnp.int32)


def adam_step(weights, optimiser, gradient, learning_rate, epsilon, norm_max=None):
    """Adam on one vector, with the gradient's norm bounded where a bound is given."""
    mean, square, steps = optimiser
    if norm_max is not None:
        gradient *= jnp.minimum(1, norm_max / (jnp.sqrt(gradient @ gradient) + 1e-6))
    steps += 1
    mean = 0.9 * mean + 0.1 * gradient
    square = 0.999 * square + 0.001 * gradient**2
    size = learning_rate / (1 - 0.9**steps)
    weights -= size * mean / (jnp.sqrt(square / (1 - 0.999**steps)) + epsilon)
    return weights, (mean, square, steps)


# ---- PPO ------------------------------------------------------------------------------------------

PPO_CARTS, PPO_STEPS, PPO_EPOCHS, PPO_MINIBATCHES = 4, 128, 4, 4
PPO_BATCH = PPO_CARTS * PPO_STEPS
TRACE, CLIP, ENTROPY_WEIGHT, VALUE_WEIGHT, NORM_MAX = 0.95, 0.2, 0.01, 0.5, 0.5


def advantages_of(values, last_values, over):
    """Generalised advantage estimates, [steps, carts]; an episode's end, also by time, is worth nothing."""

    def back(carry, step):
        following_value, following = carry
        value, ended = step
        onward = DISCOUNT * (1 - ended)
        estimate = 1 + onward * following_value - value + onward * TRACE * following
        return (value, estimate), estimate

    start = (last_values, jnp.zeros_like(last_values))
    return jax.lax.scan(back, start, (values, over), reverse=True, unroll=16)[1]


def log_probabilities_of(actor, carts, actions):
    """Of the actions taken, and of all."""
    every = jax.nn.log_softmax(forward(actor, carts, jnp.tanh))
    return jnp.where(actions == 1, every[:, 1], every[:, 0]), every


def ppo_loss(weights, unflatten, batch):
    carts, actions, old_log, advantages, targets, old_values = batch
    actor, critic = unflatten(weights)
    new_log, every = log_probabilities_of(actor, carts, actions)
    values = forward(critic, carts, jnp.tanh)[:, 0]
    ratio = jnp.exp(new_log - old_log)
    advantages = (advantages - advantages.mean()) / (advantages.std(ddof=1) + 1e-8)
    gain = jnp.minimum(advantages * ratio, advantages * jnp.clip(ratio, 1 - CLIP, 1 + CLIP)).mean()
    clipped = old_values + jnp.clip(values - old_values, -CLIP, CLIP)
    miss = 0.5 * jnp.maximum((values - targets) ** 2, (clipped - targets) ** 2).mean()
    entropy = -(jnp.exp(every) * every).sum(axis=1).mean()
    return VALUE_WEIGHT * miss - gain - ENTROPY_WEIGHT * entropy


def ppo_rollout(actor, carts, ages, key):
    """Plays PPO_STEPS steps; returns the carts and ages after them, and what was seen in each."""
    noise_key, fresh_key = jax.random.split(key)
    noise = jax.random.gumbel(noise_key, (PPO_STEPS, PPO_CARTS, CART_ACTIONS))
    fresh = new_carts(fresh_key, (PPO_STEPS, PPO_CARTS))

    def step(state, drawn):
        carts, ages = state
        step_noise, step_fresh = drawn
        actions = (forward(actor, carts, jnp.tanh) + step_noise).argmax(axis=1)
        _following, onward, ages, ended, _fell = play_step(carts, ages, actions, step_fresh)
        return (onward, ages), (carts, actions, ended)

    return jax.lax.scan(step, (carts, ages), (noise, fresh), unroll=4)


def ppo_update(state, learning_rate, unflatten):
    """One rollout and the epochs of learning from it."""
    weights, optimiser, carts, ages, key = state
    key, rollout_key, shuffle_key = jax.random.split(key, 3)
    actor, critic = unflatten(weights)
    (carts, ages), (seen, actions, ended) = ppo_rollout(actor, carts, ages, rollout_key)

    everything = jnp.concatenate([seen.reshape(-1, CART_FEATURES), carts])
    values = forward(critic, everything, jnp.tanh).reshape(PPO_STEPS + 1, PPO_CARTS)
    advantages = advantages_of(values[:-1], values[-1], (ended > 0).astype(jnp.float32))
    old_log, _every = log_probabilities_of(actor, everything[:PPO_BATCH], actions.reshape(-1))
    old_values = values[:-1].reshape(-1)
    advantages = advantages.reshape(-1)
    targets = advantages + old_values
    batch = (everything[:PPO_BATCH], actions.reshape(-1), old_log, advantages, targets, old_values)

    shuffle_keys = jax.random.split(shuffle_key, PPO_EPOCHS)
    orders = jax.vmap(lambda one: jax.random.permutation(one, PPO_BATCH))(shuffle_keys)

    def learn(state, rows):
        weights, optimiser = state
        minibatch = jax.tree.map(lambda column: column[rows], batch)
        gradient = jax.grad(ppo_loss)(weights, unflatten, minibatch)
        return adam_step(weights, optimiser, gradient, learning_rate, 1e-5, NORM_MAX), None

    minibatches = orders.reshape(PPO_EPOCHS * PPO_MINIBATCHES, -1)
    (weights, optimiser), _ = jax.lax.scan(learn, (weights, optimiser), minibatches)
    return (weights, optimiser, carts, ages, key), ended


def compiled_ppo(steps):
    """A whole training as one program: seed to the lengths of finished episodes (0 where none finished)."""
    updates = steps // PPO_BATCH

    def train(seed):
        key, actor_key, critic_key, cart_key = jax.random.split(jax.random.key(seed), 4)
        wide, narrow = 2**0.5, 0.01
        actor = new_layers(actor_key, (CART_FEATURES, 64, 64, CART_ACTIONS), (wide, wide, narrow))
        critic = new_layers(critic_key, (CART_FEATURES, 64, 64, 1), (wide, wide, 1.0))
        weights, unflatten = ravel_pytree((actor, critic))
        carts, ages = new_carts(cart_key, (PPO_CARTS,)), jnp.zeros(PPO_CARTS, jnp.int32)
        rates = LEARNING_RATE * (1 - jnp.arange(updates) / updates)
        update = functools.partial(ppo_update, unflatten=unflatten)
        return jax.lax.scan(update, (weights, new_optimiser(weights), carts, ages, key), rates)[1]

    return jax.jit(train).lower(0).compile()


# ---- DQN ------------------------------------------------------------------------------------------

DQN_HIDDEN, DQN_MEMORY, DQN_BATCH, DQN_TRAIN_EVERY, DQN_TARGET_EVERY = (120, 84), 10_000, 128, 10, 500
EPSILON_LEAST, EXPLORING_SHARE = 0.05, 0.5

UPDATE_FEATURES, UPDATE_ACTIONS, UPDATE_HIDDEN = 32, 24, (128, 128)
UPDATE_MEMORY, UPDATE_BATCH, UPDATE_NORM_MAX = 100_000, 256, 10.0


def squared(misses):
    return misses**2


def huber(misses):
    size = jnp.abs(misses)
    return jnp.where(size < 1, 0.5 * misses**2, size - 0.5)


def dqn_gradient(weights, target, unflatten, rows, cost):
    """Gradient of the mean cost over rows of (state, following state, action, reward, end)."""
    features = (rows.shape[1] - 3) // 2
    states, following = rows[:, :features], rows[:, features : 2 * features]
    actions, rewards, ends = rows[:, -3].astype(jnp.int32), rows[:, -2], rows[:, -1]
    best = forward(unflatten(target), following, jax.nn.relu).max(axis=1)
    wanted = rewards + DISCOUNT * (1 - ends) * best

    def loss(weights):
        values = forward(unflatten(weights), states, jax.nn.relu)
        chosen = jnp.take_along_axis(values, actions[:, None], axis=1)[:, 0]
        return cost(wanted - chosen).mean()

    return jax.grad(loss)(weights)


def dqn_play(weights, unflatten, carts, ages, epsilons, key):
    """Plays DQN_TRAIN_EVERY steps; returns the carts and ages after them, rows for the memory, ended ages."""
    coin_key, action_key, fresh_key = jax.random.split(key, 3)
    explores = jax.random.uniform(coin_key, (DQN_TRAIN_EVERY, 1)) < epsilons[:, None]
    random_actions = jax.random.randint(action_key, (DQN_TRAIN_EVERY, 1), 0, CART_ACTIONS)
    fresh = new_carts(fresh_key, (DQN_TRAIN_EVERY, 1))
    layers = unflatten(weights)

    def step(state, drawn):
        carts, ages = state
        explore, random_action, step_fresh = drawn
        actions = jnp.where(explore, random_action, forward(layers, carts, jax.nn.relu).argmax(axis=1))
        following, onward, ages, ended, fell = play_step(carts, ages, actions, step_fresh)
        facts = jnp.stack([actions, jnp.ones_like(actions), fell], axis=1).astype(jnp.float32)
        return (onward, ages), (jnp.concatenate([carts, following, facts], axis=1), ended)

    (carts, ages), (rows, ended) = jax.lax.scan(step, (carts, ages), (explores, random_actions, fresh))
    return carts, ages, rows[:, 0], ended


def compiled_dqn(steps, steps_before):
    """A whole training as one program: seed to the lengths of finished episodes (0 where none finished)."""

    def train(seed):
        key, layers_key, cart_key = jax.random.split(jax.random.key(seed), 3)
        layers = new_uniform_layers(layers_key, (CART_FEATURES, *DQN_HIDDEN, CART_ACTIONS))
        weights, unflatten = ravel_pytree(layers)

        def chunk(state, first_step):
            weights, target, optimiser, memory, carts, ages, key = state
            key, play_key, sample_key = jax.random.split(key, 3)
            numbers = first_step + jnp.arange(DQN_TRAIN_EVERY)
            falling = 1 - (1 - EPSILON_LEAST) * numbers / (EXPLORING_SHARE * steps)
            epsilons = jnp.maximum(EPSILON_LEAST, falling)
            carts, ages, rows, ended = dqn_play(weights, unflatten, carts, ages, epsilons, play_key)
            memory = jax.lax.dynamic_update_slice(memory, rows, (first_step % DQN_MEMORY, 0))
            played = first_step + DQN_TRAIN_EVERY
            picks = jax.random.randint(sample_key, (DQN_BATCH,), 0, jnp.minimum(played, DQN_MEMORY))

            def learn():
                gradient = dqn_gradient(weights, target, unflatten, memory[picks], squared)
                return adam_step(weights, optimiser, gradient, LEARNING_RATE, 1e-8)

            learning = played > steps_before
            learned, optimiser = jax.lax.cond(learning, learn, lambda: (weights, optimiser))
            copies = learning & (played % DQN_TARGET_EVERY == 0)
            target = jnp.where(copies, learned, target)
            return (learned, target, optimiser, memory, carts, ages, key), ended

        memory = jnp.zeros((DQN_MEMORY, 2 * CART_FEATURES + 3))
        carts, ages = new_carts(cart_key, (1,)), jnp.zeros(1, jnp.int32)
        state = (weights, weights, new_optimiser(weights), memory, carts, ages, key)
        return jax.lax.scan(chunk, state, jnp.arange(0, steps, DQN_TRAIN_EVERY))[1]

    return jax.jit(train).lower(0).compile()


def random_memory(seed):
    """A full memory of transitions that mean nothing."""
    state_key, action_key, fact_key = jax.random.split(jax.random.key(seed), 3)
    states = jax.random.normal(state_key, (UPDATE_MEMORY, 2 * UPDATE_FEATURES))
    actions = jax.random.randint(action_key, (UPDATE_MEMORY, 1), 0, UPDATE_ACTIONS).astype(jnp.float32)
    reward, end = jax.random.uniform(fact_key, (2, UPDATE_MEMORY, 1))
    return jnp.concatenate([states, actions, reward, (end < 0.05).astype(jnp.float32)], axis=1)


def compiled_dqn_updates(updates, memory):
    """Updates alone, from a full memory: seed and memory to the learned weights."""

    def train(seed, memory):
        layers_key, sample_key = jax.random.split(jax.random.key(seed))
        layers = new_uniform_layers(layers_key, (UPDATE_FEATURES, *UPDATE_HIDDEN, UPDATE_ACTIONS))
        target, unflatten = ravel_pytree(layers)

        def update(state, key):
            weights, optimiser = state
            picks = jax.random.randint(key, (UPDATE_BATCH,), 0, UPDATE_MEMORY)
            gradient = dqn_gradient(weights, target, unflatten, memory[picks], huber)
            return adam_step(weights, optimiser, gradient, LEARNING_RATE, 1e-8, UPDATE_NORM_MAX), None

        start = (target, new_optimiser(target))
        return jax.lax.scan(update, start, jax.random.split(sample_key, updates))[0][0]

    return jax.jit(train).lower(0, memory).compile()
