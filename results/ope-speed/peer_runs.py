"""Open Bandit Pipeline's own 20 synthetic data sets, with their target policies and reward models: run by run, do our
estimates equal theirs?

Usage: peer_runs.py --out DIR   (needs results/speed/venv). Writes peer_runs.csv.
"""

import argparse
import csv
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import open_bandit_pipeline as obp
from side_by_side import ours
from sklearn.linear_model import LogisticRegression

ROUNDS, ACTIONS, FEATURES, RUNS = 10_000, 30, 5, 20


def one(run):
    """A log, the law of a logistic policy learned on another log, and a logistic reward model in three folds."""
    dataset = obp.synthetic.SyntheticBanditDataset(
        n_actions=ACTIONS,
        dim_context=FEATURES,
        beta=-3,
        reward_type="binary",
        reward_function=obp.synthetic.logistic_reward_function,
        random_state=run,
    )
    train = dataset.obtain_batch_bandit_feedback(n_rounds=ROUNDS)
    test = dataset.obtain_batch_bandit_feedback(n_rounds=ROUNDS)
    policy = LogisticRegression(max_iter=1_000, random_state=run)
    policy.fit(train["context"], train["action"], sample_weight=train["reward"] / train["pscore"])
    target = np.zeros((ROUNDS, ACTIONS))
    target[:, policy.classes_] = policy.predict_proba(test["context"])
    model = obp.regression_model.RegressionModel(
        n_actions=ACTIONS,
        base_model=LogisticRegression(max_iter=1_000, random_state=run),
    ).fit_predict(
        context=test["context"], action=test["action"], reward=test["reward"], n_folds=3, random_state=run
    )
    return {
        "action": test["action"],
        "reward": test["reward"].astype(float),
        "propensity": test["pscore"],
        "target": target,
        "model": model[:, :, 0],
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", required=True, type=pathlib.Path)
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    worst = 0.0
    with open(out / "peer_runs.csv", "w", newline="", encoding="utf-8") as file, tempfile.TemporaryDirectory() as name:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["run", "estimator", "mercato", "open_bandit_pipeline", "relative_difference"])
        for run in range(RUNS):
            log, folder = one(run), pathlib.Path(name)
            for key, values in log.items():
                values.astype("<f8").tofile(folder / f"{key}.f64")
            estimates = ours(folder, 0, 1)["estimates"]
            for kind in obp.CONTENDERS:
                mine, theirs = estimates[kind]["value"], obp.point(kind, log)
                apart = abs(mine / theirs - 1)
                worst = max(worst, apart)
                writer.writerow([run, kind, f"{mine:.12g}", f"{theirs:.12g}", f"{apart:.1e}"])
    print(f"{RUNS} runs, {len(obp.CONTENDERS)} estimators: greatest relative difference {worst:.1e}")
    if worst > 1e-9:
        sys.exit("they do not agree")


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(error.stderr.decode())
