"""EQ-CB: online contextual bandits, speed and regret, against one pre-drawn environment.

24 actions, 16 or 32 features, 10,000 rounds:

    context  x ~ N(0, 1)^d              theta_a ~ 1.5 * N(0, 1)^d / sqrt(d)
    reward   ~ Bernoulli(sigmoid(x . theta_a - 1))

Contexts, success probabilities and the uniform that decides each reward are drawn once per problem
seed and written to a file (`write-problem`), so that every learner in every language faces the same
coin: the reward of action a in round t is 1 exactly when uniform[t] < probability[t, a].

`run` times one learner on one such file. Modes:

    round       choose, see the reward, update; one round at a time.
    batchN      choose for N rounds with a frozen model, then update with all N. No learner has a model
                for the first N rounds, so there all of them take action t mod 24.

Ridge penalty 1, alpha 0.5 for LinUCB and LinTS, epsilon 0.1. Regret is pseudo-regret (best minus chosen
success probability), reported also as a share of the regret of the uniform policy.

A problem file `eq-cb-d16-seed7.bin` holds little-endian 32-bit floats without a header: contexts
[rounds, d], probabilities [rounds, 24], uniforms [rounds], each row after row. The .json file beside it
gives names, shapes and byte offsets.
"""

import argparse
import dataclasses
import functools
import importlib.util
import json
import pathlib
import re
import sys
import types

import numpy as np

from report_line import Stopwatch, print_line, versions_of

ACTIONS = 24
ROUNDS = 10_000
CHECKPOINTS = (1_000, 10_000)

RIDGE = 1.0
ALPHA = 0.5
EPSILON = 0.1
# The learners' own randomness; the environment's comes from the problem file.
LEARNER_SEED = 1

FLOAT = np.dtype("<f4")


# ---- the environment ------------------------------------------------------------------------------


@dataclasses.dataclass
class Problem:
    contexts: np.ndarray
    probabilities: np.ndarray
    uniforms: np.ndarray
    seed: int

    def first(self, rounds):
        """The same problem cut to its first rounds."""
        return Problem(self.contexts[:rounds], self.probabilities[:rounds], self.uniforms[:rounds], self.seed)

    def regret_of(self, actions):
        """Cumulative pseudo-regret of a sequence of actions."""
        chosen = self.probabilities[np.arange(len(actions)), actions]
        return np.cumsum(self.probabilities.max(axis=1) - chosen, dtype=np.float64)

    def regret_of_uniform_policy(self):
        return np.cumsum(self.probabilities.max(axis=1) - self.probabilities.mean(axis=1), dtype=np.float64)


def draw_problem(dimension, seed):
    generator = np.random.default_rng(seed)
    thetas = 1.5 * generator.standard_normal((ACTIONS, dimension)) / np.sqrt(dimension)
    contexts = generator.standard_normal((ROUNDS, dimension)).astype(FLOAT)
    probabilities = (1 / (1 + np.exp(1 - contexts @ thetas.T))).astype(FLOAT)
    uniforms = generator.random(ROUNDS).astype(FLOAT)
    return Problem(contexts, probabilities, uniforms, seed)


def problem_path(folder, dimension, seed):
    return folder / f"eq-cb-d{dimension}-seed{seed}.bin"


def write_problem(folder, dimension, seed):
    """Writes one problem's .bin file and the .json file that describes it."""
    problem = draw_problem(dimension, seed)
    arrays = {name: getattr(problem, name) for name in ("contexts", "probabilities", "uniforms")}
    description = {"element": "float32", "byte_order": "little", "problem_seed": seed, "arrays": []}
    folder.mkdir(parents=True, exist_ok=True)
    path = problem_path(folder, dimension, seed)
    with path.open("wb") as file:
        for name, array in arrays.items():
            description["arrays"].append(
                {"name": name, "shape": list(array.shape), "offset_bytes": file.tell()}
            )
            file.write(array.astype(FLOAT).tobytes())
    uniform_regret = problem.regret_of_uniform_policy()
    description["uniform_policy_regret"] = {str(n): float(uniform_regret[n - 1]) for n in CHECKPOINTS}
    path.with_suffix(".json").write_text(json.dumps(description, indent=2) + "\n")


def read_problem(path):
    description = json.loads(path.with_suffix(".json").read_text())
    arrays = {
        entry["name"]: np.fromfile(
            path, FLOAT, count=int(np.prod(entry["shape"])), offset=entry["offset_bytes"]
        ).reshape(entry["shape"])
        for entry in description["arrays"]
    }
    return Problem(**arrays, seed=description["problem_seed"])


# ---- learners that take one round at a time: choose(t, context), then learn(t, context, action, reward)


class NumpyRidge:
    """One ridge regression an action, its inverse kept by Sherman-Morrison rank-one updates."""

    package = "numpy"

    def __init__(self, problem):
        dimension = problem.contexts.shape[1]
        self._random = np.random.default_rng(LEARNER_SEED)
        self._inverses = np.repeat(np.eye(dimension)[None] / RIDGE, ACTIONS, axis=0)
        # All inverses as one tall matrix: one product serves every action.
        self._stacked = self._inverses.reshape(ACTIONS * dimension, dimension)
        self._thetas = np.zeros((ACTIONS, dimension))
        self._directions = np.zeros((ACTIONS, dimension))
        self._rank_one = np.empty((dimension, dimension))

    def means_and_variances(self, context):
        """Predicted rewards and x' A^-1 x of every action; keeps A^-1 x for the update."""
        np.dot(self._stacked, context, out=self._directions.reshape(-1))
        return self._thetas @ context, self._directions @ context

    def learn(self, _round, context, action, reward):
        direction = self._directions[action]
        scaled = direction / (1 + direction @ context)
        self._thetas[action] += scaled * (reward - self._thetas[action] @ context)
        np.multiply(direction[:, None], scaled, out=self._rank_one)
        self._inverses[action] -= self._rank_one


class NumpyLinUcb(NumpyRidge):
    def choose(self, _round, context):
        means, variances = self.means_and_variances(context)
        return int((means + ALPHA * np.sqrt(variances)).argmax())


class NumpyLinTs(NumpyRidge):
    """Draws each action's score rather than its whole theta: both have the same distribution, since
    theta is drawn afresh every round and only its product with the context is used."""

    def choose(self, _round, context):
        means, variances = self.means_and_variances(context)
        noise = self._random.standard_normal(ACTIONS)
        return int((means + ALPHA * np.sqrt(variances) * noise).argmax())


class NumpyEpsilonGreedy(NumpyRidge):
    def choose(self, _round, context):
        if self._random.random() < EPSILON:
            action = int(self._random.integers(ACTIONS))
        else:
            action = int((self._thetas @ context).argmax())
        # The greedy rule needs no variances, so only the chosen action's direction is computed.
        np.dot(self._inverses[action], context, out=self._directions[action])
        return action


def draw_from(probabilities, uniform):
    """An action from a probability list that may not sum to exactly one."""
    cumulative = np.cumsum(probabilities)
    drawn = int(np.searchsorted(cumulative, uniform * cumulative[-1], side="right"))
    return min(drawn, ACTIONS - 1)


class VowpalSquareCb:
    """SquareCB over a fixed set of actions, the features shared by all of them.

    The feature text is made beforehand, so only parsing and learning are timed. The greediness scale and
    the cost 1 - reward had the lowest regret of the settings tried.
    """

    package = "vowpalwabbit"
    arguments = f"--cb_explore {ACTIONS} --squarecb"
    text_prefix = "|x "

    def __init__(self, problem):
        from vowpalwabbit import pyvw

        self._pyvw = pyvw
        common = f"--gamma_scale 100 --quiet --random_seed {LEARNER_SEED}"
        self._workspace = pyvw.Workspace(f"{self.arguments} {common}")
        self._uniforms = np.random.default_rng(LEARNER_SEED).random(len(problem.contexts))
        # Features need names: bare numbers would be taken for slots of the weight table and collide.
        self._texts = [
            self.text_prefix + " ".join(f"f{i}:{value:.7g}" for i, value in enumerate(context))
            for context in problem.contexts
        ]

    def choose(self, round_number, _context):
        self._example = self._workspace.parse(
            self._texts[round_number], labelType=self._pyvw.LabelType.CONTEXTUAL_BANDIT
        )
        probabilities = self._workspace.predict(self._example)
        action = draw_from(probabilities, self._uniforms[round_number])
        self._probability = probabilities[action]
        return action

    def learn(self, _round, _context, action, reward):
        # Labelling the parsed example saves a second parse of the same features.
        self._example.unsetup_example()
        self._example.set_label_string(f"{action + 1}:{1 - reward}:{self._probability:.7g}")
        self._example.setup_example()
        self._workspace.learn(self._example)
        self._workspace.finish_example(self._example)


class VowpalSquareCbAdf(VowpalSquareCb):
    """SquareCB in the action-dependent form: every action is an example of its own,
    crossed with the shared features. Slower, with less regret."""

    arguments = "--cb_explore_adf --squarecb --quadratic xa"
    text_prefix = "shared |x "

    _action_lines = [f"|a a{k}" for k in range(ACTIONS)]

    def choose(self, round_number, _context):
        self._examples = self._workspace.parse([self._texts[round_number], *self._action_lines])
        probabilities = self._workspace.predict(self._examples)
        action = draw_from(probabilities, self._uniforms[round_number])
        self._probability = probabilities[action]
        return action

    def learn(self, _round, _context, action, reward):
        chosen = self._examples[1 + action]
        chosen.unsetup_example()
        chosen.set_label_string(f"0:{1 - reward}:{self._probability:.7g}")
        chosen.setup_example()
        self._workspace.learn(self._examples)
        self._workspace.finish_example(self._examples)


@functools.cache
def import_obp_linear():
    """Imports OBP's linear policies alone.

    OBP's package files import every module, and so torch, which the linear policies never use. Empty
    packages stand in for those files, and an empty torch for the one import in its utilities.
    """
    # Already loaded libraries do not look at the stand-in and mistake it for the real torch.
    import pandas  # noqa: F401
    import sklearn.utils  # noqa: F401

    root = pathlib.Path(importlib.util.find_spec("obp").submodule_search_locations[0])
    for name, folder in (("obp", root), ("obp.policy", root / "policy")):
        package = types.ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package
    torch = types.ModuleType("torch")
    torch.tensor = None  # named in an annotation
    sys.modules["torch"] = torch
    try:
        from obp.policy import linear
    finally:
        del sys.modules["torch"]
    return linear


class ObpLinUcb:
    """Open Bandit Pipeline's LinUCB, whose `epsilon` is the width of the bound."""

    package = "obp"

    def __init__(self, problem):
        self._policy = import_obp_linear().LinUCB(
            dim=problem.contexts.shape[1], n_actions=ACTIONS, epsilon=ALPHA, random_state=LEARNER_SEED
        )

    def choose(self, _round, context):
        return int(self._policy.select_action(context[None])[0])

    def learn(self, _round, context, action, reward):
        self._policy.update_params(action, reward, context[None])


def new_mabwiser(policy_name):
    from mabwiser.mab import MAB, LearningPolicy

    policy = getattr(LearningPolicy, policy_name)(alpha=ALPHA, l2_lambda=RIDGE)
    return MAB(list(range(ACTIONS)), policy, seed=LEARNER_SEED)


class MabwiserLinUcb:
    package = "mabwiser"

    def __init__(self, _problem):
        self._bandit = new_mabwiser("LinUCB")
        # The library predicts only once fitted. LinUCB's first scores are all equal, so starting with
        # the first action is what it would have done.
        self._fitted = False

    def choose(self, _round, context):
        return self._bandit.predict(context[None]) if self._fitted else 0

    def learn(self, _round, context, action, reward):
        update = self._bandit.partial_fit if self._fitted else self._bandit.fit
        update(np.array([action]), np.array([reward]), context[None])
        self._fitted = True


# ---- learners that take a batch of rounds: choose_batch(contexts), then learn_batch(...) -------------


class NumpyBatchLinUcb:
    package = "numpy"

    def __init__(self, problem):
        dimension = problem.contexts.shape[1]
        self._random = np.random.default_rng(LEARNER_SEED)
        self._grams = np.repeat(np.eye(dimension)[None] * RIDGE, ACTIONS, axis=0)
        self._moments = np.zeros((ACTIONS, dimension))
        self._refresh()

    def _refresh(self):
        self._inverses = np.linalg.inv(self._grams)
        self._thetas = (self._inverses @ self._moments[:, :, None])[:, :, 0]

    def _means_and_variances(self, contexts):
        directions = contexts @ self._inverses  # (actions, rounds, features)
        variances = np.einsum("krd,rd->rk", directions, contexts)
        return contexts @ self._thetas.T, variances

    def choose_batch(self, contexts):
        means, variances = self._means_and_variances(contexts)
        return (means + ALPHA * np.sqrt(variances)).argmax(axis=1)

    def learn_batch(self, contexts, actions, rewards):
        for action in np.unique(actions):
            rows = actions == action
            seen = contexts[rows]
            self._grams[action] += seen.T @ seen
            self._moments[action] += seen.T @ rewards[rows]
        self._refresh()


class NumpyBatchLinTs(NumpyBatchLinUcb):
    def choose_batch(self, contexts):
        means, variances = self._means_and_variances(contexts)
        noise = self._random.standard_normal(means.shape)
        return (means + ALPHA * np.sqrt(variances) * noise).argmax(axis=1)


class MabwiserBatchLinUcb:
    package = "mabwiser"
    policy_name = "LinUCB"

    def __init__(self, _problem):
        self._bandit = new_mabwiser(self.policy_name)
        self._fitted = False

    def choose_batch(self, contexts):
        return np.atleast_1d(self._bandit.predict(contexts))

    def learn_batch(self, contexts, actions, rewards):
        update = self._bandit.partial_fit if self._fitted else self._bandit.fit
        update(actions, rewards, contexts)
        self._fitted = True


class MabwiserBatchLinTs(MabwiserBatchLinUcb):
    policy_name = "LinTS"


# ---- the contest ----------------------------------------------------------------------------------

ROUND_CONTENDERS = {
    "numpy-linucb": ("linucb", NumpyLinUcb),
    "numpy-lints": ("lints", NumpyLinTs),
    "numpy-epsilon-greedy": ("epsilon-greedy", NumpyEpsilonGreedy),
    "vw-squarecb": ("squarecb", VowpalSquareCb),
    "vw-squarecb-adf": ("squarecb", VowpalSquareCbAdf),
    "obp-linucb": ("linucb", ObpLinUcb),
    "mabwiser-linucb": ("linucb", MabwiserLinUcb),
}
BATCH_CONTENDERS = {
    "numpy-linucb": ("linucb", NumpyBatchLinUcb),
    "numpy-lints": ("lints", NumpyBatchLinTs),
    "mabwiser-linucb": ("linucb", MabwiserBatchLinUcb),
    "mabwiser-lints": ("lints", MabwiserBatchLinTs),
}


def batch_size_of(mode):
    """None for `round`, N for `batchN`."""
    if mode == "round":
        return None
    match = re.fullmatch(r"batch([1-9]\d*)", mode)
    if match is None:
        raise SystemExit(f"unknown mode {mode!r}: round or batchN, for example batch1000")
    return int(match[1])


def default_passes(mode):
    """A batched game is over in hundredths of a second, so it is played several times."""
    return 1 if batch_size_of(mode) is None else 5


def contenders_of(mode):
    return ROUND_CONTENDERS if batch_size_of(mode) is None else BATCH_CONTENDERS


def play_rounds(learner_class, problem):
    """Returns the actions and the stopwatch; making the learner is not timed."""
    learner = learner_class(problem)
    # 64-bit contexts and plain lists cost the learners no conversions inside the timed loop.
    contexts = problem.contexts.astype(np.float64)
    probabilities = problem.probabilities.tolist()
    uniforms = problem.uniforms.tolist()
    actions = []
    with Stopwatch() as watch:
        for round_number, context in enumerate(contexts):
            action = learner.choose(round_number, context)
            reward = 1 if uniforms[round_number] < probabilities[round_number][action] else 0
            learner.learn(round_number, context, action, reward)
            actions.append(action)
    return np.array(actions), watch


def play_batches(learner_class, problem, size):
    learner = learner_class(problem)
    contexts = problem.contexts.astype(np.float64)
    rounds = np.arange(len(contexts))
    actions = rounds % ACTIONS
    with Stopwatch() as watch:
        for start in range(0, len(contexts), size):
            batch = slice(start, start + size)
            if start > 0:
                actions[batch] = learner.choose_batch(contexts[batch])
            chosen = problem.probabilities[rounds[batch], actions[batch]]
            rewards = (problem.uniforms[batch] < chosen).astype(np.float64)
            learner.learn_batch(contexts[batch], actions[batch], rewards)
    return actions, watch


def run_contender(options):
    problem = read_problem(options.problem)
    if problem.contexts.shape[1] != options.d:
        raise SystemExit(f"{options.problem.name} has {problem.contexts.shape[1]} features, not {options.d}")
    problem = problem.first(options.rounds)
    contenders = contenders_of(options.mode)
    if options.contender not in contenders:
        raise SystemExit(f"{options.mode}: choose one of {', '.join(contenders)}")
    algorithm, learner_class = contenders[options.contender]
    size = batch_size_of(options.mode)

    def play(played_problem):
        if size is None:
            return play_rounds(learner_class, played_problem)
        return play_batches(learner_class, played_problem, size)

    # A short game first: imports, allocators and thread pools are not the learners' speed.
    play(problem.first(2 * (size or 50)))
    uniform_regret = problem.regret_of_uniform_policy()
    for _pass in range(options.passes or default_passes(options.mode)):
        actions, watch = play(problem)
        regret = problem.regret_of(actions)
        rounds = len(actions)
        reported = {}
        for checkpoint in CHECKPOINTS:
            if checkpoint <= rounds:
                found, expected = float(regret[checkpoint - 1]), float(uniform_regret[checkpoint - 1])
                reported[f"regret_{checkpoint}"] = found
                reported[f"regret_ratio_{checkpoint}"] = found / expected
        print_line(
            benchmark="eq-cb",
            contender=options.contender,
            algorithm=algorithm,
            mode=options.mode,
            dimension=options.d,
            problem_seed=problem.seed,
            rounds=rounds,
            rounds_per_second=rounds / watch.wall_seconds,
            wall_seconds=watch.wall_seconds,
            cpu_seconds=watch.cpu_seconds,
            compile_seconds=0.0,
            version=versions_of(learner_class.package),
            **reported,
        )


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    tasks = parser.add_subparsers(dest="task", required=True)

    write = tasks.add_parser("write-problem", help="draw a problem and write its .bin and .json files")
    write.add_argument("--problems-dir", type=pathlib.Path, required=True)
    write.add_argument("--d", type=int, required=True, help="number of features")
    write.add_argument("--seed", type=int, required=True)

    run = tasks.add_parser("run", help="time one learner on one problem")
    run.add_argument("contender", help=f"{', '.join({**ROUND_CONTENDERS, **BATCH_CONTENDERS})}")
    run.add_argument("--problem", type=pathlib.Path, required=True, help="a .bin file")
    run.add_argument("--d", type=int, required=True, help="number of features, checked against the file")
    run.add_argument("--mode", default="round", help="round or batchN, for example batch1000")
    run.add_argument("--rounds", type=int, default=ROUNDS, help="play only this many rounds")
    run.add_argument("--passes", type=int, help="games to play (default: 1, in batches 5)")
    return parser.parse_args()


def main():
    options = parse_options()
    if options.task == "write-problem":
        write_problem(options.problems_dir, options.d, options.seed)
    else:
        run_contender(options)


if __name__ == "__main__":
    main()
