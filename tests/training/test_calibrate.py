"""A calibration makes confidence mean what it says, and never claims certainty from few or uniform outcomes."""

import math
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.bundle import Calibration, Manifest
from promptopt.errors import InvalidInput
from promptopt_training.calibrate import FEWEST, calibrated, expected_calibration_error, fit
from promptopt_training.vocabulary import TABLE


def write_bundle(folder: Path) -> Path:
    """A folder with a manifest that has no calibration yet."""
    Manifest(
        base="own",
        base_sha256="",
        style="own",
        prefix=(),
        codec=TABLE,
        read_limit=9,
        write_limit=9,
        temperature=0.7,
        metrics={"steps": 3.0},
    ).write(folder)
    return folder


def chance(mean: float, found: Calibration) -> float:
    return 1 / (1 + math.exp(-(found.slope * mean + found.intercept)))


def drawn(slope: float, intercept: float, count: int) -> tuple[list[float], list[bool]]:
    rng = random.Random(0)
    means = [-rng.random() for _ in range(count)]
    return means, [rng.random() < chance(mean, Calibration(slope, intercept)) for mean in means]


def test_the_slope_and_intercept_behind_outcomes_are_found_again() -> None:
    found = fit(*drawn(slope=6.0, intercept=2.0, count=20_000))
    assert found.slope == pytest.approx(6.0, rel=0.05)
    assert found.intercept == pytest.approx(2.0, rel=0.05)


def test_calibrated_confidence_is_honest_where_the_raw_one_was_not() -> None:
    means, good = drawn(slope=6.0, intercept=2.0, count=4_000)
    found = fit(means, good)
    before = expected_calibration_error([math.exp(mean) for mean in means], good)
    after = expected_calibration_error([chance(mean, found) for mean in means], good)
    assert after < 0.03 < before


@given(st.lists(st.tuples(st.floats(-5, 0), st.booleans()), min_size=1, max_size=60))
def test_any_outcomes_give_chances_between_0_and_1(outcomes: list[tuple[float, bool]]) -> None:
    found = fit([mean for mean, _ in outcomes], [good for _, good in outcomes])
    assert all(0 < chance(mean, found) < 1 for mean, _ in outcomes)


def test_outcomes_that_are_all_good_give_high_confidence_without_certainty() -> None:
    found = fit([-0.1, -0.2, -0.05] * 40, [True] * 120)
    assert 0.95 < chance(-0.1, found) < 0.999


def test_where_the_surer_were_the_worse_the_order_is_the_network_s_own() -> None:
    means = [-0.01 * number for number in range(1, 101)]
    found = fit(means, [number > 1 for number in range(1, 101)])
    assert found.slope == 1.0
    chances = [chance(mean, found) for mean in means]
    assert chances == sorted(chances, reverse=True)
    assert sum(chances) / len(chances) == pytest.approx((99 * 100 / 101 + 1 / 3) / 100, abs=1e-3)  # the mean of the smoothed targets


def test_the_calibration_error_by_hand() -> None:
    assert expected_calibration_error([0.2, 0.2, 0.9, 0.9], [False, False, True, True], bins=2) == pytest.approx(0.15)
    assert expected_calibration_error([0.5], [True]) == pytest.approx(0.5)


def test_the_manifest_takes_the_calibration_and_keeps_the_rest(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path)
    before = Manifest.read(folder)
    means, good = drawn(slope=4.0, intercept=1.0, count=200)
    found = calibrated(folder, [math.exp(mean) for mean in means], good)
    after = Manifest.read(folder)
    assert after.calibration == found
    assert (found.slope, found.intercept) == pytest.approx((fit(means, good).slope, fit(means, good).intercept))
    assert after.doubt is not None
    assert sum(mean < after.doubt for mean in means) == 8
    assert {**vars(after), "calibration": None, "doubt": None} == vars(before)


def test_an_adapter_is_calibrated_once_and_not_on_few(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path)
    with pytest.raises(InvalidInput, match="49 rewrites are too few"):
        calibrated(folder, [0.5] * (FEWEST - 1), [True] * (FEWEST - 1))
    assert Manifest.read(folder).calibration is None
    calibrated(folder, [0.5] * FEWEST, [True] * FEWEST)
    with pytest.raises(InvalidInput, match="calibrated already"):
        calibrated(folder, [0.5] * FEWEST, [True] * FEWEST)
