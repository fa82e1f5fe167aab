"""Time and memory of `mercato evaluate` on a long Parquet log, and how far its estimates are from the truth.

Usage: measure.py --out DIR [--rows N] [--customers N] [--folder DIR]   (needs target/release/{mercato,examples/ope_stream})
Writes table.csv and table.md. The logs lie in a temporary folder (below --folder) and are deleted.
"""

import argparse
import csv
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
GENERATOR = ROOT / "target/release/examples/ope_stream"
PROGRAM = ROOT / "target/release/mercato"
# Name, what the generator is asked for.
CASES = [
    ("customers at random", ["--order", "random"]),
    ("sorted by customer", ["--order", "customer"]),
    ("sorted, as sequences", ["--order", "customer", "--time", "true"]),
]


def evaluate(folder):
    """One run of the program: wall and processor seconds, peak memory in MB, what it says."""
    started = time.monotonic()
    with open(folder / "said.json", "wb") as said:
        arguments = [str(PROGRAM), "evaluate", str(folder / "evaluation.toml"), "--json", "--out", str(folder / "out")]
        child = subprocess.Popen(arguments, stdout=said, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
    wall = time.monotonic() - started
    if os.waitstatus_to_exitcode(status) != 0:
        sys.exit(f"{folder}: the evaluation failed")
    said = json.loads((folder / "said.json").read_text(encoding="utf-8"))
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, said


def measure(case, flags, arguments, folder):
    """Rows of the table for one log."""
    asked = ["--out", str(folder), "--rows", str(arguments.rows), "--customers", str(arguments.customers)]
    subprocess.run([str(GENERATOR), *asked, *flags], check=True)
    size = (folder / "log.parquet").stat().st_size / 1e6
    wall, processor, peak, said = evaluate(folder)
    with open(folder / "truth.csv", newline="", encoding="utf-8") as file:
        truths = {row["target"]: float(row["truth"]) for row in csv.DictReader(file)}
    for target in said["targets"]:
        found = next(estimate for estimate in target["estimates"] if estimate["estimator"] == "cross_fitted_dr")
        yield {
            "log": case,
            "rows": said["rows"],
            "customers": arguments.customers,
            "file_mb": round(size),
            "wall_seconds": round(wall, 1),
            "processor_seconds": round(processor, 1),
            "peak_mb": round(peak),
            "units": said["units"],
            "units_are_pooled": said["units_are_pooled"],
            "target": target["name"],
            "cross_fitted_dr": found["value"],
            "low": found["low"],
            "high": found["high"],
            "truth": truths[target["name"]],
        }


def render(rows):
    lines = [
        "| log | rows | file, MB | wall, s | processor, s | peak memory, MB | target | cross-fitted DR | 95 % interval | truth |",
        "|---|---:|---:|---:|---:|---:|---|---:|---|---:|",
    ]
    for row in rows:
        told = [row["log"], f"{row['rows']:,}", row["file_mb"], row["wall_seconds"], row["processor_seconds"]]
        told += [row["peak_mb"], row["target"], f"{row['cross_fitted_dr']:.6f}"]
        told += [f"{row['low']:.6f} to {row['high']:.6f}", f"{row['truth']:.6f}"]
        lines.append("| " + " | ".join(str(cell) for cell in told) + " |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", required=True, type=pathlib.Path)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--folder")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for case, flags in CASES:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
            rows += measure(case, flags, arguments, pathlib.Path(name))
    with open(arguments.out / "table.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    text = render(rows)
    (arguments.out / "table.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
