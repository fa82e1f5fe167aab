"""Open Bandit Pipeline's estimators without the parts that need torch."""

import importlib.util
import pathlib
import sys
import types

# Already loaded libraries do not look at the stand-in below and mistake it for the real torch.
import pandas  # noqa: F401
import scipy.stats  # noqa: F401
import sklearn.linear_model  # noqa: F401
import sklearn.model_selection  # noqa: F401
import sklearn.preprocessing  # noqa: F401


def _stand_in():
    """Empty packages in place of the package files, which import every module, and an empty torch."""
    root = pathlib.Path(importlib.util.find_spec("obp").submodule_search_locations[0])
    for name in ("obp", "obp.ope", "obp.dataset"):
        package = types.ModuleType(name)
        package.__path__ = [str(root.joinpath(*name.split(".")[1:]))]
        sys.modules[name] = package
    torch = types.ModuleType("torch")
    torch.tensor = torch.Tensor = None  # named in annotations
    sys.modules["torch"] = torch


_stand_in()

from obp.dataset import synthetic  # noqa: E402
from obp.ope import estimators, regression_model  # noqa: E402

__all__ = ["estimators", "regression_model", "synthetic", "CONTENDERS", "point", "interval"]

# Our name, their class and its parameter; the same numbers stand in examples/speed/eq_ope.rs.
CONTENDERS = {
    "ips": estimators.InverseProbabilityWeighting(),
    "snips": estimators.SelfNormalizedInverseProbabilityWeighting(),
    "dm": estimators.DirectMethod(),
    "dr": estimators.DoublyRobust(),
    "sndr": estimators.SelfNormalizedDoublyRobust(),
    "switch_dr": estimators.SwitchDoublyRobust(lambda_=10.0),
    "dros": estimators.DoublyRobustWithShrinkage(lambda_=10.0),
}


def _arguments(log):
    return {
        "reward": log["reward"],
        "action": log["action"],
        "pscore": log["propensity"],
        "action_dist": log["target"][:, :, None],
        "estimated_rewards_by_reg_model": log["model"][:, :, None],
    }


def point(name, log):
    """The estimate."""
    return CONTENDERS[name].estimate_policy_value(**_arguments(log))


def interval(name, log, resamples):
    """The 95 % percentile bootstrap interval."""
    found = CONTENDERS[name].estimate_interval(
        **_arguments(log), alpha=0.05, n_bootstrap_samples=resamples, random_state=1
    )
    return found["95.0% CI (lower)"], found["95.0% CI (upper)"]
