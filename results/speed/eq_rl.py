"""EQ-RL: deep reinforcement learning on one thread, steps per second with learning included.

Tasks:

    ppo-cartpole   PPO on CartPole-v1 as in CleanRL's ppo.py and PureJaxRL: 4 carts x 128 steps, 4 epochs
                   of 4 mini-batches, actor and critic of two layers of 64 with tanh each, Adam with
                   learning rate 2.5e-4 that falls to 0, discount 0.99, lambda 0.95, clip 0.2 (values
                   too), entropy 0.01, value 0.5, gradient norm 0.5. Unit: environment steps.
    dqn-cartpole   DQN on CartPole-v1 as in CleanRL's dqn.py: layers of 120 and 84 with ReLU, Adam with
                   learning rate 2.5e-4, discount 0.99, memory of 10,000, every 10 steps one batch of
                   128, target copied every 500, epsilon from 1 to 0.05 over the first half, learning
                   after the first 50th of the steps (10,000 of 500,000). Unit: environment steps.
    dqn-update     The update alone: draw 256 of 100,000 stored transitions (32 features, 24 actions),
                   targets from a target network, forward, Huber loss, backward, gradient norm 10, Adam;
                   layers 32-128-128-24 with ReLU. Unit: updates.

A whole training has 500,000 steps. What is measured is a rate, so slow contenders get fewer (CONTENDERS
has each one's, --steps another number). What the definition gives as a share of a training remains that
share: a short DQN run explores and learns in the same proportions as a whole one.

`run` times one contender at one task. Its line has the mean return of the last 20 episodes where the
training was a whole one, else null.
"""

import argparse
import contextlib
import dataclasses
import importlib.util
import io
import pathlib
import runpy
import statistics
import sys
import types

import numpy as np

from report_line import Stopwatch, print_line, versions_of

WHOLE_TRAINING_STEPS = 500_000
# PPO plays whole rollouts of 4 x 128 steps: what is left over at the end of a training is not played.
STEPS_AT_ONCE = {"ppo": 512, "dqn": 1, "dqn-update": 1}
LAST_EPISODES = 20
DISCOUNT = 0.99
LEARNING_RATE = 2.5e-4

# A warm-up first: imports, allocators and what libraries set up at their first update are not their speed.
WARM_UP_STEPS = 1_024
WARM_UP_UPDATES = 50

UPDATE_FEATURES, UPDATE_ACTIONS, UPDATE_HIDDEN = 32, 24, (128, 128)
UPDATE_MEMORY, UPDATE_BATCH = 100_000, 256


@dataclasses.dataclass
class Training:
    """One timed training: how many steps it had, how long they took, what the episodes brought."""

    steps: int
    watch: Stopwatch
    returns: list

    def mean_return(self, asked_steps):
        if asked_steps < WHOLE_TRAINING_STEPS or not self.returns:
            return None
        return statistics.fmean(self.returns[-LAST_EPISODES:])


def steps_before_learning(steps):
    return steps // 50


# ---- Stable-Baselines3 ----------------------------------------------------------------------------


def one_thread():
    import torch

    torch.set_num_threads(1)


def new_sb3_ppo(_steps, seed):
    from stable_baselines3 import PPO
    from stable_baselines3.common.env_util import make_vec_env

    # Two networks of 64-64 with tanh, discount, lambda, clip, value weight and gradient norm are defaults.
    return PPO(
        "MlpPolicy",
        make_vec_env("CartPole-v1", n_envs=4, seed=seed),
        learning_rate=lambda remaining: LEARNING_RATE * remaining,
        n_steps=128,
        batch_size=128,
        n_epochs=4,
        clip_range_vf=0.2,
        ent_coef=0.01,
        seed=seed,
        device="cpu",
    )


def new_sb3_dqn(steps, seed):
    from stable_baselines3 import DQN
    from stable_baselines3.common.env_util import make_vec_env

    return DQN(
        "MlpPolicy",
        make_vec_env("CartPole-v1", n_envs=1, seed=seed),
        learning_rate=LEARNING_RATE,
        buffer_size=10_000,
        learning_starts=steps_before_learning(steps),
        batch_size=128,
        gamma=DISCOUNT,
        train_freq=10,
        target_update_interval=500,
        exploration_fraction=0.5,
        exploration_final_eps=0.05,
        policy_kwargs={"net_arch": [120, 84]},
        seed=seed,
        device="cpu",
    )


def sb3_trainer(new_model):
    """Trainings of a Stable-Baselines3 model; making the model is not timed."""

    def prepare(steps):
        one_thread()

        def train(seed, steps=steps):
            model = new_model(steps, seed)
            with Stopwatch() as watch:
                model.learn(steps)
            return Training(model.num_timesteps, watch, [episode["r"] for episode in model.ep_info_buffer])

        train(seed=0, steps=WARM_UP_STEPS)
        return train

    return prepare


def new_sb3_updater(seed):
    """A DQN whose memory is full of transitions that mean nothing, beside an environment never played."""
    import gymnasium
    from stable_baselines3 import DQN
    from stable_baselines3.common.logger import Logger

    class Unplayed(gymnasium.Env):
        observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (UPDATE_FEATURES,), np.float32)
        action_space = gymnasium.spaces.Discrete(UPDATE_ACTIONS)

    model = DQN(
        "MlpPolicy",
        Unplayed(),
        learning_rate=LEARNING_RATE,
        buffer_size=UPDATE_MEMORY,
        gamma=DISCOUNT,
        policy_kwargs={"net_arch": list(UPDATE_HIDDEN)},
        seed=seed,
        device="cpu",
    )
    model.set_logger(Logger(folder=None, output_formats=[]))
    generator = np.random.default_rng(seed)
    memory = model.replay_buffer
    memory.observations[:] = generator.standard_normal(memory.observations.shape)
    memory.next_observations[:] = generator.standard_normal(memory.next_observations.shape)
    memory.actions[:] = generator.integers(UPDATE_ACTIONS, size=memory.actions.shape)
    memory.rewards[:] = generator.random(memory.rewards.shape)
    memory.dones[:] = generator.random(memory.dones.shape) < 0.05
    memory.full = True
    return model


def sb3_updater(updates):
    one_thread()

    def train(seed):
        model = new_sb3_updater(seed)
        model.train(gradient_steps=WARM_UP_UPDATES, batch_size=UPDATE_BATCH)
        with Stopwatch() as watch:
            model.train(gradient_steps=updates, batch_size=UPDATE_BATCH)
        return Training(updates, watch, [])

    return train


# ---- CleanRL --------------------------------------------------------------------------------------


class TimingWriter:
    """Stands in for TensorBoard's writer: times a script from its first words to its close, writes nothing.

    Both scripts describe their settings once imports and arguments are done, and close when training is over.
    """

    latest = None

    def __init__(self, *_folder):
        self.watch = Stopwatch()
        self.returns = []
        TimingWriter.latest = self

    def add_text(self, *_text):
        self.watch.__enter__()

    def add_scalar(self, name, value, _step):
        if name == "charts/episodic_return":
            self.returns.append(float(np.squeeze(value)))

    def close(self):
        self.watch.__exit__()


def add_stand_ins():
    """What the scripts import but do not need for learning: TensorBoard's writer, and pygame for pictures."""
    stand_ins = {
        "torch.utils.tensorboard": {"SummaryWriter": TimingWriter},
        "pygame": {"gfxdraw": None},
    }
    for name, contents in stand_ins.items():
        module = types.ModuleType(name)
        vars(module).update(contents)
        sys.modules[name] = module


def cleanrl_trainer(script, further_arguments=lambda _steps: []):
    """Trainings by one of CleanRL's own scripts, run as it is."""

    def prepare(steps):
        one_thread()
        folder = importlib.util.find_spec("cleanrl").submodule_search_locations[0]
        path = str(pathlib.Path(folder) / script)
        add_stand_ins()

        def train(seed, steps=steps):
            arguments = ["--seed", seed, "--total-timesteps", steps, "--cuda", "False"]
            sys.argv = [path, *map(str, arguments + further_arguments(steps))]
            # Old libraries' warnings and the scripts' reports of progress go nowhere.
            silence = io.StringIO()
            with contextlib.redirect_stdout(silence), contextlib.redirect_stderr(silence):
                runpy.run_path(path, run_name="__main__")
            writer = TimingWriter.latest
            return Training(steps, writer.watch, writer.returns)

        train(seed=0, steps=WARM_UP_STEPS)
        return train

    return prepare


def cleanrl_dqn_arguments(steps):
    return ["--learning-starts", steps_before_learning(steps)]


# ---- JAX ------------------------------------------------------------------------------------------


def jax_trainer(compiled):
    """Trainings compiled as a whole.

    `compiled(jax_rl, steps)` gives the program and the arguments that it takes after the seed.
    """

    def prepare(steps):
        import jax_rl

        program, further = compiled(jax_rl, steps)

        def train(seed):
            with Stopwatch() as watch:
                result = program(seed, *further).block_until_ready()
            returns = jax_rl.returns_of(result) if result.dtype == np.int32 else []
            return Training(steps, watch, returns)

        return train

    return prepare


def jax_updater(jax_rl, updates):
    memory = jax_rl.random_memory(seed=1).block_until_ready()
    return jax_rl.compiled_dqn_updates(updates, memory), (memory,)


# ---- the contest ----------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Contender:
    """`prepare(steps)` warms up or compiles and returns `train(seed)`."""

    algorithm: str
    prepare: object
    steps: int
    packages: tuple
    compiles: bool = False


SB3 = ("stable-baselines3", "torch")
CLEANRL = ("cleanrl", "torch")
JAX = ("jax", "jaxlib")
CONTENDERS = {
    "ppo-cartpole": {
        "sb3-ppo": Contender("ppo", sb3_trainer(new_sb3_ppo), 40_960, SB3),
        "cleanrl-ppo": Contender("ppo", cleanrl_trainer("ppo.py"), 40_960, CLEANRL),
        "jax-ppo": Contender(
            "ppo",
            jax_trainer(lambda jax_rl, steps: (jax_rl.compiled_ppo(steps), ())),
            WHOLE_TRAINING_STEPS,
            JAX,
            compiles=True,
        ),
    },
    "dqn-cartpole": {
        "sb3-dqn": Contender("dqn", sb3_trainer(new_sb3_dqn), 30_000, SB3),
        "cleanrl-dqn": Contender("dqn", cleanrl_trainer("dqn.py", cleanrl_dqn_arguments), 30_000, CLEANRL),
        "jax-dqn": Contender(
            "dqn",
            jax_trainer(
                lambda jax_rl, steps: (jax_rl.compiled_dqn(steps, steps_before_learning(steps)), ())
            ),
            WHOLE_TRAINING_STEPS,
            JAX,
            compiles=True,
        ),
    },
    "dqn-update": {
        "sb3-dqn-update": Contender("dqn-update", sb3_updater, 2_000, SB3),
        "jax-dqn-update": Contender("dqn-update", jax_trainer(jax_updater), 2_000, JAX, compiles=True),
    },
}
TASKS = tuple(CONTENDERS)


def run_contender(options):
    contenders = CONTENDERS[options.task]
    if options.contender not in contenders:
        raise SystemExit(f"{options.task}: choose one of {', '.join(contenders)}")
    contender = contenders[options.contender]
    steps = options.steps or contender.steps
    with Stopwatch() as preparation:
        train = contender.prepare(steps)
    for number in range(options.passes):
        seed = options.seed + number
        training = train(seed)
        done = training.steps - training.steps % STEPS_AT_ONCE[contender.algorithm]
        print_line(
            benchmark="eq-rl",
            task=options.task,
            contender=options.contender,
            algorithm=contender.algorithm,
            seed=seed,
            steps=done,
            steps_per_second=done / training.watch.wall_seconds,
            wall_seconds=training.watch.wall_seconds,
            cpu_seconds=training.watch.cpu_seconds,
            compile_seconds=preparation.wall_seconds if contender.compiles else 0.0,
            mean_return_last_20=training.mean_return(steps),
            version=versions_of(*contender.packages),
        )


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="time one contender at one task")
    names = [name for contenders in CONTENDERS.values() for name in contenders]
    run.add_argument("contender", help=", ".join(names))
    run.add_argument("--task", choices=TASKS, required=True)
    run.add_argument("--seed", type=int, default=1, help="of the first pass; further ones count up from it")
    run.add_argument("--steps", type=int, help="environment steps or updates (default: the contender's)")
    run.add_argument("--passes", type=int, default=1, help="trainings to time")
    return parser.parse_args()


def main():
    run_contender(parse_options())


if __name__ == "__main__":
    main()
