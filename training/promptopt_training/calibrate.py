"""Fits what turns the network's own probabilities into an honest confidence (Platt 1999, with his smoothed targets)."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from promptopt.bundle import Calibration, Manifest
from promptopt.errors import InvalidInput

FEWEST = 50
STEPS = 50
RIDGE = 1e-3
DOUBTFUL = 0.04
"The share of the rewrites, those of lowest probability, that the program is to write again."


def fit(means: Sequence[float], good: Sequence[bool]) -> Calibration:
    """The slope and intercept under which sigmoid(slope * mean + intercept) is likeliest to have given these outcomes.

    `means` are mean log probabilities of the pieces of a rewrite, `good` says whether it was a good one. Newton's method on the
    cross entropy; the targets are (hits + 1) / (hits + 2) and 1 / (misses + 2) instead of 1 and 0, so that outcomes that are all
    alike give no infinite slope. Where the surer rewrites were not the better ones (of a few bad ones that is chance) the slope is 1:
    the order of variants stays the network's own.
    """
    hits = sum(good)
    targets = np.where(np.array(good), (hits + 1) / (hits + 2), 1 / (len(good) - hits + 2))
    inputs = np.stack([np.array(means), np.ones(len(means))], axis=1)
    weights = np.zeros(2)
    for _ in range(STEPS):
        chances = 1 / (1 + np.exp(-inputs @ weights))
        slope = inputs.T @ (chances - targets) + RIDGE * weights
        bend = (inputs.T * (chances * (1 - chances))) @ inputs + RIDGE * np.eye(2)
        weights -= np.linalg.solve(bend, slope)
    if weights[0] <= 0:
        return Calibration(1.0, _intercept(np.array(means), float(targets.mean())))
    return Calibration(slope=float(weights[0]), intercept=float(weights[1]))


def _intercept(scores: NDArray[np.float64], share: float) -> float:
    """What has to be added to `scores` for the mean of their sigmoids to be `share`, between 0 and 1; by bisection."""
    middle = math.log(share / (1 - share))
    low, high = middle - float(scores.max()), middle - float(scores.min())
    for _ in range(STEPS):
        tried = (low + high) / 2
        mean = float((1 / (1 + np.exp(-scores - tried))).mean())
        low, high = (tried, high) if mean < share else (low, tried)
    return (low + high) / 2


def expected_calibration_error(confidences: Sequence[float], good: Sequence[bool], bins: int = 10) -> float:
    """The mean distance between confidence and share of good ones over bins of equally many, each weighted by its size."""
    order = np.argsort(confidences, kind="stable")
    parts = [part for part in np.array_split(order, min(bins, len(order))) if len(part)]
    rated, hits = np.array(confidences, dtype=float), np.array(good, dtype=float)
    return float(sum(len(part) * abs(rated[part].mean() - hits[part].mean()) for part in parts) / len(order))


def calibrated(folder: Path, confidences: Sequence[float], good: Sequence[bool]) -> Calibration:
    """Fits on rewrites of an adapter that has no calibration yet; writes the result, and where doubt begins, into its manifest.

    Raises InvalidInput for too few of them, or when the adapter is calibrated already, so that its confidences are not its own.
    """
    manifest = Manifest.read(folder)
    if manifest.calibration is not None:
        raise InvalidInput(f"The adapter in {folder} is calibrated already.", 'Take "calibration" out of its promptopt.json first.')
    if len(confidences) < FEWEST:
        raise InvalidInput(f"{len(confidences)} rewrites are too few to calibrate on.", f"Give {FEWEST} prompts or more.")
    means = [math.log(max(confidence, 1e-9)) for confidence in confidences]
    found = fit(means, good)
    replace(manifest, calibration=found, doubt=float(np.quantile(means, DOUBTFUL))).write(folder)
    return found
