"""The small classifier of ``poolbench effects``: each alternative to pooling, trained over several seeds."""

from __future__ import annotations

import importlib.util
import math
import statistics
from collections.abc import Sequence

from poolbench.analyse.estimate.student import t_quantile
from poolbench.api.request import default_limits
from poolbench.backends.registry import create, require
from poolbench.errors import MissingFrameworkError
from poolbench.measure.machine import fingerprint
from poolbench.model.effects import Accuracy, Alternative
from poolbench.model.estimate import Estimate
from poolbench.observe.effects.process import apart
from poolbench.observe.effects.server import CLASSIFIER
from poolbench.observe.effects.torch_classifier import NO_DIGITS

SEEDS = 5
"""So many times the classifier is trained for each alternative."""


def accuracies(*, seeds: int = SEEDS, timeout_s: float | None = None) -> dict[Alternative, Accuracy]:
    """Return how the small classifier does with each alternative as its pooling, trained once for each seed.

    Raises MissingFrameworkError without PyTorch or scikit-learn, and CaptureError where its process ends.
    """
    require(create("torch"))
    if not has_digits():
        raise MissingFrameworkError(f"{NO_DIGITS} --no-classifier leaves the classifier out.")
    limits = default_limits(fingerprint().hardware, request_s=timeout_s)
    found: dict[Alternative, Accuracy] = {}
    with apart(CLASSIFIER, "The classifier", limits) as process:
        for alternative in Alternative:
            name = alternative.value
            trained = [process.ask("effects", alternative=name, seed=seed)["found"] for seed in range(seeds)]
            plain, shifted, steady = (
                mean_over_seeds([each[key] for each in trained]) for key in ("plain", "shifted", "steady")
            )
            found[alternative] = Accuracy(plain=plain, shifted=shifted, steady=steady, seeds=seeds)
    return found


def has_digits() -> bool:
    """Whether scikit-learn, which brings the digits along, is installed."""
    return importlib.util.find_spec("sklearn") is not None


def mean_over_seeds(values: Sequence[float]) -> Estimate:
    """Return the mean of shares with its 95 % interval by Student's t, within 0 and 1; 0 to 1 of a single value."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return Estimate(value=mean, low=0.0, high=1.0)
    half = t_quantile(len(values) - 1, 0.95) * statistics.stdev(values) / math.sqrt(len(values))
    return Estimate(value=mean, low=max(mean - half, 0.0), high=min(mean + half, 1.0))
