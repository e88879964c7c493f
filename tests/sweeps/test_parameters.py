import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from hq_ray.sweeps.parameters import Distribution
from hq_ray.sweeps.spec import Sweep

UNIFORMS = (np.arange(500) + 0.5) / 500
unit = st.floats(0, 1, exclude_max=True)


def read(name, given):
    spec = {"method": "random", "samples": 1, "parameters": {name: given}}
    return Sweep(name="a", env="FrozenLake-v1", **spec).parameters[name]


@pytest.mark.parametrize(
    ("spec", "reference"),
    [
        ({"distribution": "uniform", "min": 0.1, "max": 0.9}, stats.uniform(0.1, 0.8)),
        ({"distribution": "log_uniform", "min": 1e-3, "max": 1.0}, stats.loguniform(1e-3, 1.0)),
        (
            {"distribution": "normal", "mean": 0.5, "std": 0.2, "min": 0.1, "max": 0.8},
            stats.truncnorm(-2, 1.5, 0.5, 0.2),
        ),
    ],
    ids=["uniform", "log_uniform", "normal"],
)
def test_continuous_quantiles_are_those_of_scipy(spec, reference):
    drawn = [read("alpha", spec).at(u) for u in UNIFORMS]
    np.testing.assert_allclose(drawn, reference.ppf(UNIFORMS), rtol=1e-9)
    assert drawn == [float(f"{value:.12g}") for value in drawn], "twelve digits"


@pytest.mark.parametrize(
    ("kind", "probability"),
    [
        ("int_uniform", lambda k: 1 / 5),
        ("int_log_uniform", lambda k: math.log((k + 1) / k) / math.log(8 / 3)),
    ],
)
def test_whole_numbers_come_as_often_as_they_should(kind, probability):
    of = read("eps_decay_episodes", {"distribution": kind, "min": 3, "max": 7})
    drawn = [of.at(u) for u in UNIFORMS]
    assert drawn == sorted(drawn)
    assert set(drawn) == {3, 4, 5, 6, 7}
    for k in range(3, 8):
        assert drawn.count(k) / 500 == pytest.approx(probability(k), abs=4e-3)


@given(unit, st.floats(1e-300, 1e299), st.floats(1e-300, 1e299), st.floats(0.5, 10))
def test_draws_stay_in_bounds_however_wide(u, a, b, std):
    low, high = sorted((a, b))
    if low < high:
        for kind in ("uniform", "log_uniform"):
            assert low <= Distribution(distribution=kind, min=low, max=high).at(u) <= high
    normal = Distribution(distribution="normal", min=0.0, max=1.0, mean=min(a, 3.0), std=std)
    assert 0.0 <= normal.at(u) <= 1.0


@given(unit, st.integers(1, 2**31 - 2), st.integers(1, 1000))
def test_whole_draws_stay_in_bounds(u, low, width):
    high = min(low + width, 2**31 - 1)
    for kind in ("int_uniform", "int_log_uniform"):
        drawn = read("episodes", {"distribution": kind, "min": low, "max": high}).at(u)
        assert isinstance(drawn, int)
        assert low <= drawn <= high


def test_values_of_any_make():
    for values in ([0.1, 0.2], (0.1, 0.2), np.array([0.1, 0.2]), ["0.1", "2e-1"]):
        assert read("alpha", values) == read("alpha", {"values": values}) == (0.1, 0.2)
    for value in (100, 100.0, "100", "1e2", np.int64(100), np.float64(100)):
        assert read("max_steps", value) == (100,)
