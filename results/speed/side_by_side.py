"""Runs all contenders side by side and writes the comparison tables.

Contenders take turns (A B C, A B C, ...), every run in a fresh process pinned to the same cores with as
many threads as cores (EQ-RL: one and one). Each prints JSON lines; a line is one sample. EQ-CB rounds walk
through the problem seeds in turn and EQ-RL rounds through the seeds of trainings, so six rounds give every
seed twice.

A run during which other processes kept more than 0.4 cores busy is repeated, at most --retries times;
after that its last samples are kept and counted in the column `noisy_samples`.

The project's own entry joins with --mercato COMMAND, which is run as

    COMMAND eq-sim --weights-dir DIR
    COMMAND eq-cb --problem FILE --d D --mode round|batchN
    COMMAND eq-rl --task ppo-cartpole|dqn-cartpole|dqn-update --seed N

and prints the lines that eq_sim.py, eq_cb.py and eq_rl.py print (one line a learner and pass).

Written to the output folder: samples.jsonl (every sample), table.csv, table.md and manifest.json (machine,
settings, versions).
"""

import argparse
import collections
import csv
import dataclasses
import json
import os
import pathlib
import platform
import resource
import shlex
import statistics
import subprocess
import sys
import time

import eq_cb
import eq_rl
import eq_sim

HERE = pathlib.Path(__file__).resolve().parent
DIMENSIONS = (16, 32)
PROBLEM_SEEDS = (7, 8, 9)
TRAINING_SEEDS = (1, 2, 3)
OTHER_CORES_BUSY_LIMIT = 0.4
RUN_TIMEOUT_SECONDS = 600

RATE_FIELD = {
    "eq-sim": "user_steps_per_second",
    "eq-cb": "rounds_per_second",
    "eq-rl": "steps_per_second",
}
WORK_FIELDS = {"eq-sim": ("users", "steps"), "eq-cb": ("rounds",), "eq-rl": ("steps",)}
REFERENCE = {"eq-sim": "numpy", "eq-cb": "numpy-linucb"}
UNITS = {"EQ-SIM": "user-steps", "EQ-CB": "decisions with update", "EQ-RL": "environment steps with learning"}
UPDATE_UNIT = "updates"

MEAN_REWARD_ERRORS_ALLOWED = 3
MEAN_PROPENSITY_TOLERANCE = 0.01
REGRET_RATIO_TOLERANCE = 0.10
# CartPole-v1 counts as solved from here; 500 is the most.
MEAN_RETURN_SOLVED = 475


@dataclasses.dataclass(frozen=True)
class Entry:
    """One command that takes part in every round of a contest."""

    name: str
    command: tuple


# ---- running --------------------------------------------------------------------------------------


def busy_core_seconds():
    """Core-seconds that all processes together have used since boot, lost (stolen) time included."""
    with open("/proc/stat") as file:
        user, nice, system, _idle, _iowait, *interrupts_and_steal = map(int, file.readline().split()[1:9])
    ticks = user + nice + system + sum(interrupts_and_steal)
    return ticks / os.sysconf("SC_CLK_TCK")


def child_cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def pinned_environment(cores):
    """The environment with every thread pool as large as the set of cores."""
    threads = str(len(cores))
    pools = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")
    multi_thread = "false" if len(cores) == 1 else "true"
    xla = f"--xla_cpu_multi_thread_eigen={multi_thread} intra_op_parallelism_threads={threads}"
    return {**os.environ, **dict.fromkeys(pools, threads), "XLA_FLAGS": xla}


def run_once(entry, cores):
    """Runs one entry; returns its samples and the other cores' load meanwhile."""
    command = ["taskset", "-c", ",".join(cores), *entry.command]
    busy_before, own_before, start = busy_core_seconds(), child_cpu_seconds(), time.monotonic()
    finished = subprocess.run(
        command,
        env=pinned_environment(cores),
        stdout=subprocess.PIPE,
        text=True,
        timeout=RUN_TIMEOUT_SECONDS,
        check=True,
    )
    elapsed = time.monotonic() - start
    own = child_cpu_seconds() - own_before
    others_busy = (busy_core_seconds() - busy_before - own) / elapsed
    samples = [json.loads(line) for line in finished.stdout.splitlines() if line.startswith("{")]
    for sample in samples:
        sample["process_seconds"] = elapsed
        sample["other_cores_busy"] = round(max(others_busy, 0.0), 3)
        sample["load_average"] = os.getloadavg()[0]
    return samples, others_busy


def run_quietly(entry, cores, retries):
    """Runs one entry until the machine was quiet meanwhile or the retries are used up.

    A contender that fails is reported and left out rather than ending everyone else's contest.
    """
    samples = []
    for _attempt in range(retries + 1):
        try:
            samples, others_busy = run_once(entry, cores)
        except (OSError, subprocess.SubprocessError, json.JSONDecodeError) as error:
            print(f"{entry.name}: {error}", file=sys.stderr)
            return []
        quiet = others_busy <= OTHER_CORES_BUSY_LIMIT
        if quiet:
            break
    for sample in samples:
        sample["noisy"] = not quiet
    return samples


def run_contest(entries_of_round, options, record):
    """Interleaves the entries for all rounds; `entries_of_round(number)` lists one round's entries."""
    for number in range(options.repeats):
        for entry in entries_of_round(number):
            for sample in run_quietly(entry, options.cores, options.retries):
                sample["repeat"] = number + 1
                record(sample)


# ---- the contests ---------------------------------------------------------------------------------


def python_entry(script, contender, *arguments):
    return Entry(contender, (sys.executable, str(HERE / script), "run", contender, *map(str, arguments)))


def mercato_entry(options, *arguments):
    """The project's entry as a list, empty where no command was given."""
    if options.mercato is None:
        return []
    return [Entry("mercato", (*shlex.split(options.mercato), *map(str, arguments)))]


def is_wanted(contender, options):
    return options.contenders is None or contender in options.contenders


def sim_entries(options):
    arguments = ("--weights-dir", options.inputs)
    peers = [
        python_entry("eq_sim.py", contender, *arguments)
        for contender in eq_sim.CONTENDERS
        if is_wanted(contender, options)
    ]
    return [*mercato_entry(options, "eq-sim", *arguments), *peers]


def cb_entries(options, dimension, seed, mode):
    path = eq_cb.problem_path(options.inputs, dimension, seed)
    arguments = ("--problem", path, "--d", dimension, "--mode", mode)
    peers = [
        python_entry("eq_cb.py", contender, *arguments)
        for contender in eq_cb.contenders_of(mode)
        if is_wanted(contender, options)
    ]
    return [*mercato_entry(options, "eq-cb", *arguments), *peers]


def rl_entries(options, task, seed):
    arguments = ("--task", task, "--seed", seed)
    peers = [
        python_entry("eq_rl.py", contender, *arguments)
        for contender in eq_rl.CONTENDERS[task]
        if is_wanted(contender, options)
    ]
    return [*mercato_entry(options, "eq-rl", *arguments), *peers]


def write_inputs(folder):
    """Writes the shared weights and problems where they are missing."""
    if not all((folder / name).exists() for name in (eq_sim.RESPONSE_FILE, eq_sim.POLICY_FILE)):
        eq_sim.write_weights(folder, seed=1)
    for dimension in DIMENSIONS:
        for seed in PROBLEM_SEEDS:
            if not eq_cb.problem_path(folder, dimension, seed).exists():
                eq_cb.write_problem(folder, dimension, seed)


def run_all(options, record):
    if "eq-sim" in options.benchmarks:
        run_contest(lambda _number: sim_entries(options), options, record)
    if "eq-cb" in options.benchmarks:
        for mode in options.modes:
            for dimension in DIMENSIONS:

                def entries_of_round(number, mode=mode, dimension=dimension):
                    seed = PROBLEM_SEEDS[number % len(PROBLEM_SEEDS)]
                    return cb_entries(options, dimension, seed, mode)

                run_contest(entries_of_round, options, record)
    if "eq-rl" in options.benchmarks:
        # One thread by definition, so one core whatever the others have.
        one_core = argparse.Namespace(**{**vars(options), "cores": options.cores[:1]})
        for task in options.tasks:

            def trainings_of_round(number, task=task):
                return rl_entries(options, task, TRAINING_SEEDS[number % len(TRAINING_SEEDS)])

            run_contest(trainings_of_round, one_core, record)


# ---- the tables -----------------------------------------------------------------------------------


def contest_of(sample):
    """What is compared with what: the benchmark with its size and mode."""
    if sample["benchmark"] == "eq-sim":
        return "EQ-SIM"
    if sample["benchmark"] == "eq-rl":
        return f"EQ-RL {sample['task']}"
    return f"EQ-CB d={sample['dimension']} {sample['mode']}"


def work_of(sample):
    """User-steps, rounds, environment steps or updates in one sample."""
    work = 1
    for field in WORK_FIELDS[sample["benchmark"]]:
        work *= sample[field]
    return work


def mean_by_seed(samples, field):
    """Mean of a field for each problem seed, where reported."""
    values = collections.defaultdict(list)
    for sample in samples:
        if field in sample:
            values[sample["problem_seed"]].append(sample[field])
    return {seed: statistics.mean(found) for seed, found in sorted(values.items())}


def sim_agreement(samples, reference):
    """The numbers that must agree with the reference, and whether they do.

    The standard error is that of one sample: contenders may repeat one seed, so averaging over samples
    cannot be relied on to shrink it.
    """
    figures = {
        field: statistics.mean(sample[field] for sample in samples)
        for field in ("mean_reward", "reward_standard_error", "mean_propensity")
    }
    if reference:
        expected = sim_agreement(reference, None)
        error = (figures["reward_standard_error"] ** 2 + expected["reward_standard_error"] ** 2) ** 0.5
        reward_gap = abs(figures["mean_reward"] - expected["mean_reward"])
        propensity_gap = abs(figures["mean_propensity"] / expected["mean_propensity"] - 1)
        agrees = (
            reward_gap <= MEAN_REWARD_ERRORS_ALLOWED * error and propensity_gap <= MEAN_PROPENSITY_TOLERANCE
        )
        figures["agrees"] = "yes" if agrees else "NO"
    return figures


def cb_agreement(samples, reference):
    """Regret as a share of the uniform policy's, per seed; LinUCB's mean must match the reference's.

    The mean over seeds is compared, because one seed's regret hangs on how early near-ties are broken.
    """
    figures = {}
    for checkpoint in eq_cb.CHECKPOINTS:
        field = f"regret_ratio_{checkpoint}"
        ratios = mean_by_seed(samples, field)
        figures[field] = statistics.mean(ratios.values()) if ratios else None
        regrets = mean_by_seed(samples, f"regret_{checkpoint}")
        for seed in PROBLEM_SEEDS:
            figures[f"{field}_seed_{seed}"] = ratios.get(seed)
            figures[f"regret_{checkpoint}_seed_{seed}"] = regrets.get(seed)
    if reference and samples[0]["algorithm"] == "linucb":
        field = f"regret_ratio_{eq_cb.CHECKPOINTS[-1]}"
        found, expected = mean_by_seed(samples, field), mean_by_seed(reference, field)
        shared = found.keys() & expected.keys()
        if shared:
            gap = sum(found[seed] for seed in shared) / sum(expected[seed] for seed in shared) - 1
            figures["agrees"] = "yes" if abs(gap) <= REGRET_RATIO_TOLERANCE else "NO"
    return figures


def rl_agreement(samples, _reference):
    """What whole trainings came to: the median over seeds must solve the task.

    The median, because DQN has dips, and one seed may end in one.
    """
    figures = {"steps": round(statistics.median(sample["steps"] for sample in samples))}
    if samples[0]["task"] == "dqn-update":
        figures["milliseconds_per_update"] = 1_000 / statistics.median(
            sample["steps_per_second"] for sample in samples
        )
        return figures
    returns = [sample["mean_return_last_20"] for sample in samples]
    figures["mean_return_last_20"] = None
    if None not in returns:
        figures["mean_return_last_20"] = statistics.median(returns)
        figures["agrees"] = "yes" if figures["mean_return_last_20"] >= MEAN_RETURN_SOLVED else "NO"
    return figures


AGREEMENT = {"eq-sim": sim_agreement, "eq-cb": cb_agreement, "eq-rl": rl_agreement}


def add_mercato_ratios(rows):
    """How many times as fast as each peer the project's fastest entry in the same EQ-RL contest is."""
    for row in rows:
        if row["benchmark"].startswith("EQ-RL") and not is_mercato(row):
            own = [
                other["median_per_second"]
                for other in rows
                if other["benchmark"] == row["benchmark"] and is_mercato(other)
            ]
            row["mercato_ratio"] = max(own) / row["median_per_second"] if own else None


def is_mercato(row):
    return row["contender"].split("-")[0] == "mercato"


def summarise(samples):
    """One table row for each contest and contender, in the order in which they first ran."""
    groups = collections.defaultdict(list)
    for sample in samples:
        groups[contest_of(sample), sample["contender"]].append(sample)

    rows = []
    for (contest, contender), group in groups.items():
        benchmark = group[0]["benchmark"]
        rates = [sample[RATE_FIELD[benchmark]] for sample in group]
        reference = groups.get((contest, REFERENCE.get(benchmark)))

        def median(field, group=group):
            return statistics.median(sample[field] for sample in group)

        rows.append(
            {
                "benchmark": contest,
                "contender": contender,
                "samples": len(group),
                "noisy_samples": sum(sample["noisy"] for sample in group),
                "median_per_second": statistics.median(rates),
                "min_per_second": min(rates),
                "max_per_second": max(rates),
                "median_per_core_second": statistics.median(
                    work_of(sample) / sample["cpu_seconds"] for sample in group
                ),
                "wall_seconds_median": median("wall_seconds"),
                "cpu_seconds_median": median("cpu_seconds"),
                "compile_seconds_median": median("compile_seconds"),
                "process_seconds_median": median("process_seconds"),
                "load_average_median": median("load_average"),
                "version": group[0]["version"],
                **AGREEMENT[benchmark](group, reference),
            }
        )
    add_mercato_ratios(rows)
    return rows


def write_csv(rows, path):
    columns = list(dict.fromkeys(column for row in rows for column in row))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()})


def short_rate(rate):
    """1234567 as 1.23 M."""
    for unit, size in ((" M", 1e6), (" k", 1e3)):
        if rate >= size:
            return f"{rate / size:.3g}{unit}"
    return f"{rate:.3g}"


def answer_text(row):
    """The agreement figures in a cell."""
    if "mean_reward" in row:
        text = (
            f"reward {row['mean_reward']:.4f} ± {row['reward_standard_error']:.4f}, "
            f"propensity {row['mean_propensity']:.4f}"
        )
    elif "milliseconds_per_update" in row:
        text = f"{row['milliseconds_per_update']:.3g} ms an update"
    elif "mean_return_last_20" in row:
        found = row["mean_return_last_20"]
        text = "training cut short" if found is None else f"mean return {found:.1f}"
    else:
        early, late = (row[f"regret_ratio_{checkpoint}"] for checkpoint in eq_cb.CHECKPOINTS)
        text = "regret ratio " + " → ".join(
            "–" if ratio is None else f"{ratio:.3f}" for ratio in (early, late)
        )
    return f"{text} ({'agrees' if row['agrees'] == 'yes' else 'DISAGREES'})" if "agrees" in row else text


def machine_text():
    """Processor, its number of cores and the Python version."""
    with open("/proc/cpuinfo") as file:
        models = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    processor = models[0] if models else platform.machine()
    return f"{processor}, {os.cpu_count()} cores, Python {platform.python_version()}"


def unit_of(contest):
    return UPDATE_UNIT if contest.endswith("dqn-update") else UNITS[contest.split()[0]]


def header_lines(contest):
    """EQ-RL has two more columns: contenders play different numbers of steps, and what counts is a ratio."""
    titles = ["contender", "median", "min – max", "per core-second", "CPU s", "compile s", "noisy", "answer"]
    if contest.startswith("EQ-RL"):
        titles[3:3] = ["mercato ÷ this", "steps"]
    return [f"| {' | '.join(titles)} |", "|---|" + "---:|" * (len(titles) - 2) + "---|"]


def row_line(row):
    cells = [
        f"{row['contender']} ({row['version']})",
        short_rate(row["median_per_second"]),
        f"{short_rate(row['min_per_second'])} – {short_rate(row['max_per_second'])}",
        short_rate(row["median_per_core_second"]),
        f"{row['cpu_seconds_median']:.3g}",
        f"{row['compile_seconds_median']:.2g}",
        f"{row['noisy_samples']}/{row['samples']}",
        answer_text(row),
    ]
    if row["benchmark"].startswith("EQ-RL"):
        ratio = row.get("mercato_ratio")
        cells[3:3] = ["–" if ratio is None else f"{ratio:.3g}", f"{row['steps']:,}"]
    return f"| {' | '.join(cells)} |"


def markdown(rows, options):
    lines = [
        f"Machine: {machine_text()}; pinned to core {','.join(options.cores)}, "
        f"{len(options.cores)} thread(s); {options.repeats} interleaved rounds.",
        "",
    ]
    for contest in dict.fromkeys(row["benchmark"] for row in rows):
        contestants = [row for row in rows if row["benchmark"] == contest]
        lines += [f"**{contest}** ({unit_of(contest)} per second)", "", *header_lines(contest)]
        for row in sorted(contestants, key=lambda row: -row["median_per_second"]):
            lines.append(row_line(row))
        lines.append("")
    return "\n".join(lines)


def write_manifest(rows, options, path):
    """What the tables depend on besides the code."""
    manifest = {
        "machine": machine_text(),
        "cores": options.cores,
        "rounds": options.repeats,
        "retries": options.retries,
        "benchmarks": options.benchmarks,
        "modes": options.modes,
        "problem_seeds": list(PROBLEM_SEEDS),
        "tasks": options.tasks,
        "training_seeds": list(TRAINING_SEEDS),
        "other_cores_busy_limit": OTHER_CORES_BUSY_LIMIT,
        "versions": {row["contender"]: row["version"] for row in rows},
    }
    path.write_text(json.dumps(manifest, indent=2) + "\n")


# ---- the command ----------------------------------------------------------------------------------


def parse_options():
    def listed(text):
        return text.split(",")

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mercato", metavar="COMMAND", help="the project's own entry (may hold arguments)")
    parser.add_argument("--repeats", type=int, default=6, help="interleaved rounds")
    parser.add_argument("--retries", type=int, default=2, help="repeats of a run that was disturbed")
    parser.add_argument("--cores", type=listed, default=["1"], help="cores to pin to, for example 0,1")
    parser.add_argument("--benchmarks", type=listed, default=["eq-sim", "eq-cb", "eq-rl"])
    parser.add_argument("--modes", type=listed, default=["round", "batch1000"], help="EQ-CB modes")
    parser.add_argument("--tasks", type=listed, default=list(eq_rl.TASKS), help="EQ-RL tasks")
    parser.add_argument("--contenders", type=listed, help="only these Python contenders")
    parser.add_argument("--inputs", type=pathlib.Path, default=HERE / "inputs", help="shared input files")
    parser.add_argument("--output", type=pathlib.Path, default=HERE, help="folder for the tables")
    return parser.parse_args()


def main():
    options = parse_options()
    write_inputs(options.inputs)
    options.output.mkdir(parents=True, exist_ok=True)

    samples = []
    with (options.output / "samples.jsonl").open("w") as log:

        def record(sample):
            samples.append(sample)
            print(json.dumps(sample), file=log, flush=True)
            rate = short_rate(sample[RATE_FIELD[sample["benchmark"]]])
            print(f"{contest_of(sample)}: {sample['contender']} {rate}/s", file=sys.stderr)

        run_all(options, record)

    rows = summarise(samples)
    write_csv(rows, options.output / "table.csv")
    text = markdown(rows, options)
    (options.output / "table.md").write_text(text)
    write_manifest(rows, options, options.output / "manifest.json")
    print(text)


if __name__ == "__main__":
    main()
