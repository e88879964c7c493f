import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from hq_ray.errors import InputError
from hq_ray.sweeps.distributions import Distribution, Values, read_parameters, whole_number

UNIFORMS = (np.arange(2000) + 0.5) / 2000
unit = st.floats(0, 1, exclude_max=True)


def read(name, given, method="random"):
    return read_parameters("parameters", {name: given}, method)[name]


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
    assert {type(k) for k in drawn} == {int}
    for k in range(3, 8):
        assert drawn.count(k) / 2000 == pytest.approx(probability(k), abs=1e-3)
    assert set(drawn) == {3, 4, 5, 6, 7}


@given(unit, st.floats(1e-300, 1e299), st.floats(1e-300, 1e299))
def test_draws_stay_in_bounds_however_wide(u, a, b):
    low, high = sorted((a, b))
    if low < high:
        for kind in ("uniform", "log_uniform"):
            drawn = Distribution(kind, low, high).at(u)
            assert low <= drawn <= high


@given(unit, st.integers(1, 2**31 - 2), st.integers(1, 1000))
def test_whole_draws_stay_in_bounds(u, low, width):
    high = min(low + width, 2**31 - 1)
    for kind in ("int_uniform", "int_log_uniform"):
        drawn = Distribution(kind, low, high).at(u)
        assert isinstance(drawn, int)
        assert low <= drawn <= high


@given(unit, st.floats(-10, 10), st.floats(1e-3, 10))
def test_a_normal_is_cut_to_its_bounds(u, mean, std):
    assert 0.0 <= Distribution("normal", 0.0, 1.0, mean, std).at(u) <= 1.0


def test_draws_have_twelve_digits():
    of = Distribution("log_uniform", 1e-3, 1.0)
    assert all(of.at(u) == float(f"{of.at(u):.12g}") for u in UNIFORMS)


def test_listed_values_come_equally_often():
    of = Values((0.1, 0.2, 0.4))
    assert [of.at(u) for u in (0, 0.33, 0.34, 0.66, 0.67, 1 - 2**-53)] == [
        *(0.1, 0.1),
        *(0.2, 0.2),
        *(0.4, 0.4),
    ]


@pytest.mark.parametrize("given", [[0.1, 0.2], (0.1, 0.2), np.array([0.1, 0.2]), ["0.1", "2e-1"]])
def test_lists_of_any_make(given):
    assert read("alpha", given) == read("alpha", {"values": given}) == Values((0.1, 0.2))


@pytest.mark.parametrize(
    "spec",
    [
        {"distribution": "log_uniform", "min": "1e-6", "max": 1},
        {"distribution": "normal", "mean": 0.5, "std": 1, "min": 0.1, "max": 1},
    ],
)
def test_the_form_in_a_spec_makes_it_again(spec):
    of = read("alpha", spec)
    assert read("alpha", of.to_dict()) == of
    assert read("alpha", of) == of


UNIFORM = {"distribution": "uniform", "min": 0.1, "max": 0.9}
NORMAL = {"distribution": "normal", "mean": 0.5, "std": 0.1, "min": 0.1, "max": 0.9}
COUNT = "must be a whole number from 1 to 2147483647"


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("alpha", [], ": must hold at least one value"),
        ("alpha", {"values": []}, ".values: must hold at least one value"),
        ("alpha", {"values": 0.1}, ".values: must be a list, got 0.1"),
        ("alpha", {"values": [0.1, 0.2, 1.5]}, ".values[2]: must be in (0, 1], got 1.5"),
        ("alpha", [0.1, "x"], "[1]: must be in (0, 1], got 'x'"),
        ("alpha", 1.5, ": must be in (0, 1], got 1.5"),
        ("alpha", True, ": must be in (0, 1], got True"),
        ("alpha", None, ": must be in (0, 1], got None"),
        ("alpha", math.nan, ": must be in (0, 1], got nan"),
        ("alpha", "nan", ": must be in (0, 1], got 'nan'"),
        ("gamma", 1.1, ": must be in [0, 1], got 1.1"),
        ("eps_shift", [math.inf], "[0]: must be a finite number > 0, got inf"),
        (
            "eps_schedule",
            "linaer",
            ": must be one of linear, exponential, inverse, constant, got 'linaer'"
            "; did you mean 'linear'?",
        ),
        ("max_steps", [100, 0], f"[1]: {COUNT}, got 0"),
        ("episodes", 1.5, f": {COUNT}, got 1.5"),
        ("eps_decay_episodes", 2**31, f": {COUNT}, got 2147483648"),
        ("alpha", {"value": [1]}, ": unknown key 'value'; did you mean 'values'?"),
        ("alpha", {}, ": must have either values or a distribution, got {}"),
        (
            "alpha",
            {"distribution": "unifrom", "min": 0, "max": 1},
            ".distribution: unknown distribution 'unifrom'; did you mean 'uniform'?",
        ),
        ("alpha", {"distribution": ["uniform"]}, ".distribution: unknown distribution ['uniform']"),
        ("alpha", UNIFORM | {"mean": 1}, ": unknown key 'mean'"),
        ("alpha", UNIFORM | {"min": 0.0}, ".min: must be in (0, 1], got 0.0"),
        ("alpha", UNIFORM | {"max": 1.5}, ".max: must be in (0, 1], got 1.5"),
        ("alpha", UNIFORM | {"max": 0.1}, ": min must be below max, got 0.1 and 0.1"),
        ("alpha", UNIFORM | {"max": "b"}, ".max: must be a finite number, got 'b'"),
        ("alpha", UNIFORM | {"max": math.nan}, ".max: must be a finite number, got nan"),
        ("alpha", UNIFORM | {"max": 10**400}, ".max: must be a finite number, got 1000"),
        ("alpha", {"distribution": "uniform", "min": 0.1}, ".max: must be given"),
        (
            "gamma",
            {"distribution": "log_uniform", "min": 0, "max": 0.9},
            ".min: must be > 0 for log_uniform, got 0.0",
        ),
        ("alpha", NORMAL | {"std": 0}, ".std: must be > 0, got 0"),
        ("alpha", {"distribution": "normal", "mean": 0.5, "std": 1}, ".min: must be given"),
        (
            "alpha",
            NORMAL | {"std": 1e-3, "min": 0.7},
            ": min and max must enclose a part of the normal, got [0.7, 0.9] with mean 0.5 "
            "and std 0.001",
        ),
        (
            "alpha",
            {"distribution": "int_uniform", "min": 1, "max": 2},
            ".distribution: must be uniform, log_uniform or normal for alpha, got int_uniform",
        ),
        (
            "max_steps",
            {"distribution": "uniform", "min": 1, "max": 2},
            ".distribution: must be int_uniform or int_log_uniform for max_steps, got uniform",
        ),
        (
            "max_steps",
            {"distribution": "int_uniform", "min": 1.5, "max": 2},
            f".min: {COUNT}, got 1.5",
        ),
        ("eps_schedule", UNIFORM, ": must be values, for a name has no distribution"),
        ("alhpa", 0.1, "parameters.alhpa: unknown parameter; did you mean 'alpha'?"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(name, given, message):
    with pytest.raises(InputError) as caught:
        read(name, given)
    expected = message if message.startswith("parameters") else f"parameters.{name}{message}"
    assert str(caught.value).startswith(expected)


def test_a_grid_has_no_distributions():
    with pytest.raises(InputError, match=r"^parameters.alpha: a grid needs values; "):
        read("alpha", UNIFORM, "grid")


@pytest.mark.parametrize("value", [100, 100.0, "100", "1e2", np.int64(100), np.float64(100)])
def test_whole_numbers_of_any_make(value):
    assert whole_number("episodes", value, 1, 1000) == 100
