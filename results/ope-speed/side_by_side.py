"""The same estimates and bootstrap intervals by Mercato and by Open Bandit Pipeline, on the same arrays, in one run.

Usage: side_by_side.py --out DIR [--rounds N] [--resamples B] [--repetitions R]   (needs results/speed/venv)
Writes table.csv and table.md.
"""

import argparse
import csv
import json
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

import numpy as np
import open_bandit_pipeline as obp

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "target/release/examples/speed"
ACTIONS = 24
# Those that are asked for; DM has no bootstrap worth the name, SNDR is held to the points alone.
TIMED = ["ips", "snips", "dr", "switch_dr", "dros"]


def draw(rounds, seed):
    """A log of a softmax policy, a target that leans elsewhere, and a rough reward model."""
    generator = np.random.default_rng(seed)
    tastes = generator.normal(size=(rounds, ACTIONS))

    def law(scores):
        weights = np.exp(scores - scores.max(axis=1, keepdims=True))
        return weights / weights.sum(axis=1, keepdims=True)

    logging = law(0.5 * tastes)
    target = law(tastes + 0.3 * generator.normal(size=(rounds, ACTIONS)))
    chosen = (generator.random(rounds)[:, None] > logging.cumsum(axis=1)).sum(axis=1).clip(max=ACTIONS - 1)
    chance = 1 / (1 + np.exp(2.0 - 0.5 * tastes))
    rows = np.arange(rounds)
    return {
        "action": chosen,
        "reward": (generator.random(rounds) < chance[rows, chosen]).astype(float),
        "propensity": logging[rows, chosen],
        "target": target,
        "model": np.clip(chance + 0.05 * generator.normal(size=(rounds, ACTIONS)), 0.0, 1.0),
    }


def ours(folder, resamples, threads):
    """One run of the program: what it says."""
    command = [str(PROGRAM), "eq-ope", "--folder", str(folder), "--resamples", str(resamples)]
    environment = {"RAYON_NUM_THREADS": str(threads)}
    return json.loads(subprocess.run(command, check=True, capture_output=True, env=environment).stdout)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", required=True, type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=1_000_000)
    parser.add_argument("--resamples", type=int, default=1_000)
    parser.add_argument("--repetitions", type=int, default=3)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    log = draw(arguments.rounds, 1)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for key, values in log.items():
            values.astype("<f8").tofile(folder / f"{key}.f64")
        rows, agreement = compare(folder, log, arguments)
    with open(arguments.out / "table.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    text = render(rows, agreement, arguments)
    (arguments.out / "table.md").write_text(text, encoding="utf-8")
    print(text)
    if agreement["points"] > 1e-9:
        sys.exit("the estimates do not agree")


def compare(folder, log, arguments):
    """Times both in turn; the estimates must agree."""
    rows = []

    def note(contender, threads, resamples, repetition, seconds, megabytes):
        rows.append(
            {
                "contender": contender,
                "threads": threads,
                "resamples": resamples,
                "repetition": repetition,
                "seconds": round(seconds, 4),
                "peak_megabytes": round(megabytes),
            }
        )

    for repetition in range(arguments.repetitions):
        for resamples in (0, arguments.resamples):
            for threads in (2, 1):
                found = ours(folder, resamples, threads)
                note("mercato", threads, resamples, repetition, found["seconds"], found["peak_megabytes"])
        started = time.perf_counter()
        points = {name: obp.point(name, log) for name in TIMED}
        note("obp", 1, 0, repetition, time.perf_counter() - started, own_megabytes())
    # Once: it takes minutes.
    started = time.perf_counter()
    intervals = {name: obp.interval(name, log, arguments.resamples) for name in TIMED}
    note("obp", 1, arguments.resamples, 0, time.perf_counter() - started, own_megabytes())
    for name in ("dm", "sndr"):
        points[name] = obp.point(name, log)
    estimates = found["estimates"]
    apart = max(abs(estimates[name]["value"] / value - 1) for name, value in points.items())
    width = {name: high - low for name, (low, high) in intervals.items()}
    ends = max(
        max(abs(estimates[name]["low"] - low), abs(estimates[name]["high"] - high)) / width[name]
        for name, (low, high) in intervals.items()
    )
    return rows, {"points": apart, "ends": ends}


def own_megabytes():
    """Peak memory of this process, the arrays included."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def render(rows, agreement, arguments):
    """Medians, and how often faster."""

    def median(contender, threads, resamples):
        key = (contender, threads, resamples)
        chosen = [r["seconds"] for r in rows if (r["contender"], r["threads"], r["resamples"]) == key]
        return float(np.median(chosen))

    def peak(contender):
        return max(r["peak_megabytes"] for r in rows if r["contender"] == contender)

    lines = [
        "| | points, s | with the bootstrap, s | peak memory with the arrays, MB |",
        "|---|---:|---:|---:|",
    ]
    total = {}
    for contender, threads in (("mercato", 2), ("mercato", 1), ("obp", 1)):
        seconds = [median(contender, threads, resamples) for resamples in (0, arguments.resamples)]
        total[contender, threads] = seconds
        name = "Open Bandit Pipeline, numpy's threads" if contender == "obp" else f"Mercato, threads: {threads}"
        lines.append(f"| {name} | {seconds[0]:.3f} | {seconds[1]:.2f} | {peak(contender)} |")
    faster = [their / our for our, their in zip(total["mercato", 2], total["obp", 1], strict=True)]
    lines.append("")
    lines.append(
        f"{arguments.rounds:,} rounds, {ACTIONS} actions, {arguments.resamples:,} resamples: "
        f"{faster[0]:.0f} times faster without the bootstrap, {faster[1]:.0f} times with it. The seven estimates agree to "
        f"{agreement['points']:.0e}, relative; the ends of the intervals to {100 * agreement['ends']:.1f} % of their width "
        "(other draws)."
    )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
