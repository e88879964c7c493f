import itertools
import math

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from naive import differing
from numba import njit

from hq_ray.errors import InputError, TrialError
from hq_ray.training import train
from hq_ray.updates import (
    VARIANTS,
    Variant,
    asymmetric,
    harmonic,
    minimum,
    parse_variants,
    standard,
)

RULES = ("standard", "harmonic", "minimum", "asymmetric")
COMPILED = {name: njit(VARIANTS[name].update) for name in RULES}

values = st.floats(-1e6, 1e6)
step_sizes = st.floats(1e-3, 1.0)
inner_step_sizes = st.floats(1e-3, 0.99)
shifts = st.floats(-6, 9).map(lambda exponent: 10.0**exponent)


@pytest.mark.parametrize(
    ("rule", "given", "expected"),
    [
        (standard, (-2, 3, 0.2), -1),
        (standard, (3, -2, 0.2), 2),
        (standard, (7, 7, 0.5), 7),
        (standard, (4, -6, 1), -6),
        (minimum, (3, -4), -4),
        (minimum, (-4, -3), -4),
        (asymmetric, (0, 8, 0.25, 0.5), 2),
        (asymmetric, (0, -8, 0.25, 0.5), -4),
    ],
)
def test_other_rules_by_hand(rule, given, expected):
    assert rule(*given) == expected


@pytest.mark.parametrize(
    ("q_value", "target", "alpha", "eps_shift", "expected"),
    [
        # s = -4, u = 1, v = 3: the mean of 1 and 3 is 1 / (0.5/1 + 0.5/3) = 1.5
        (-3.0, -1.0, 0.5, 1.0, -2.5),
        (-1.0, -3.0, 0.5, 1.0, -2.5),
        # s = -2, u = 2, v = 1: 1 / (0.8/2 + 0.2/1) = 5/3
        (0.0, -1.0, 0.2, 1.0, -1 / 3),
        # s = -4, u = 6, v = 2: 1 / (0.75/6 + 0.25/2) = 4
        (2.0, -2.0, 0.25, 2.0, 0.0),
        # s = -3, u = 6, v = 9: 1 / (0.5/6 + 0.5/9) = 7.2
        (3.0, 6.0, 0.5, 3.0, 4.2),
        # both positive, no shift to speak of: 1 / (0.9/10 + 0.1/50) = 1000/92
        (10.0, 50.0, 0.1, 1e-12, 1000 / 92),
        (50.0, 10.0, 0.1, 1e-12, 1 / 0.028),
        # equal values stay, alpha = 1 takes the target
        (-5.0, -5.0, 0.3, 1.0, -5.0),
        (-8.0, 5.0, 1.0, 1.0, 5.0),
        # the shift falls to 1e-12: u = 1e-12, v = 2, the step is 0.5 * 1e-12 / (0.5 * 2) * 2
        (0.0, 2.0, 0.5, 0.0, 1e-12),
        (0.0, 2.0, 0.5, 1e-300, 1e-12),
        # and equal values stay where neither has a distance
        (0.0, 0.0, 0.2, 0.0, 0.0),
        (-5.0, -5.0, 0.2, 0.0, -5.0),
    ],
)
def test_harmonic_by_hand(q_value, target, alpha, eps_shift, expected):
    updated = harmonic(q_value, target, alpha, eps_shift)
    assert updated == pytest.approx(expected, rel=1e-11, abs=1e-14 if eps_shift > 1e-12 else 1e-23)


@given(values, values, step_sizes, shifts)
def test_harmonic_is_the_shifted_harmonic_mean(q_value, target, alpha, eps_shift):
    expected = naive.harmonic_mean(q_value, target, alpha, eps_shift)
    # The definition subtracts s and adds it again, which costs it digits of the largest number.
    scale = max(abs(q_value), abs(target), eps_shift)
    # Near s it divides by a distance that has lost digits of its own.
    distance = min(q_value, target) - (min(q_value, target, 0.0) - eps_shift)
    tolerance = 1e-14 * scale * (1 + scale / max(distance, eps_shift))
    assert abs(harmonic(q_value, target, alpha, eps_shift) - expected) <= tolerance


@given(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3), step_sizes)
def test_a_great_shift_gives_the_standard_update(q_value, target, alpha):
    expected = standard(q_value, target, alpha)
    assert harmonic(q_value, target, alpha, 1e16) == pytest.approx(expected, abs=1e-9)


@given(st.floats(-1e3, 1e3), st.floats(-1e3, 0.0), inner_step_sizes)
def test_a_small_shift_gives_the_minimum_where_that_is_no_gain(one, other, alpha):
    for q_value, target in ((one, other), (other, one)):
        updated = harmonic(q_value, target, alpha, 1e-12)
        assert updated == pytest.approx(min(q_value, target), abs=1e-8)


@given(st.floats(1e-2, 1e3), st.floats(1e-2, 1e3), step_sizes)
def test_a_small_shift_gives_the_ordinary_harmonic_mean_of_gains(q_value, target, alpha):
    expected = 1 / ((1 - alpha) / q_value + alpha / target)
    assert harmonic(q_value, target, alpha, 1e-12) == pytest.approx(expected, rel=1e-9)


def given_to(name, q_value, target, *hyperparameters):
    """Q, the target, and those hyperparameters that a rule takes."""
    values = dict(zip(("alpha", "alpha_down", "eps_shift"), hyperparameters, strict=True))
    return (q_value, target, *(values[argument] for argument in VARIANTS[name].arguments))


@pytest.mark.parametrize("name", RULES)
def test_compiled_is_interpreted_at_the_corners(name):
    corners = (-0.0, 0.0, 5e-324, -1e-13, 1e-12, -1.0, 1.0, 1e300, -1e300)
    for q_value, target, alpha, eps_shift in itertools.product(
        corners, corners, (1e-3, 0.3, 1.0), (1e-300, 1e-6, 1.0, 1e9)
    ):
        arguments = given_to(name, q_value, target, alpha, 0.7, eps_shift)
        compiled = np.float64(COMPILED[name](*arguments))
        assert compiled.tobytes() == np.float64(VARIANTS[name].update(*arguments)).tobytes()


@given(st.sampled_from(RULES), values, values, step_sizes, step_sizes, shifts)
def test_compiled_is_interpreted_is_naive(name, q_value, target, alpha, alpha_down, eps_shift):
    arguments = given_to(name, q_value, target, alpha, alpha_down, eps_shift)
    updated = VARIANTS[name].update(*arguments)
    oracle = naive.update(name, q_value, target, alpha, alpha_down, eps_shift)
    assert COMPILED[name](*arguments) == updated == oracle
    assert math.isfinite(updated)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("standard,Harmonic", "unknown variant 'Harmonic'; did you mean 'harmonic'?"),
        ("bot", "unknown variant 'bot'; did you mean 'both'?"),
        ("standard,", f"unknown variant ''; known: {', '.join(VARIANTS)}, both"),
        ("minimum,minimum", "each variant must be named once, got 'minimum,minimum'"),
    ],
)
def test_variants_are_a_list_of_known_names(text, message):
    assert parse_variants("minimum, both") == ("minimum", "standard", "harmonic")
    with pytest.raises(InputError) as refusal:
        parse_variants(text)
    assert str(refusal.value) == message


# Rules of a user's own: made in a module of theirs, compiled like ours, part of the identity


def test_a_rule_written_again_learns_what_ours_learns(make_trial):
    trials = [make_trial(name, "CliffWalking-v1") for name in ("own_rules:late", "expected_sarsa")]
    first, second = map(train, trials)
    assert first.engine == "kernel"
    assert not differing(first.log, second.log)
    assert not differing(first.log, train(trials[0], "gymnasium").log)
    assert trials[0].trial_id != trials[1].trial_id


def test_a_parameter_of_its_own(make_trial):
    name = "own_rules:clipped"
    loose, tight, default = (
        make_trial(name, "CliffWalking-v1", **values)
        for values in ({"most": 1e9}, {"most": 0.5}, {})
    )
    assert not differing(train(loose).log, train(make_trial("standard", "CliffWalking-v1")).log)
    assert differing(train(tight).log, train(loose).log)
    assert not differing(train(tight).log, train(tight, "gymnasium").log)
    assert default.rule_values == {"most": 1.0}
    assert len({trial.trial_id for trial in (loose, tight, default)}) == 3


def test_a_downward_step_alone_has_no_ratio(make_trial):
    trial = make_trial("own_rules:falling", alpha_schedule="linear", alpha_down=0.25)
    assert trial.alpha is trial.alpha_schedule is None
    assert "down" not in trial.identity
    assert {steps[0] for steps in trial.step_sizes()} == {0.0, 0.25}


def test_nan_fails_the_trial_with_its_step(make_trial):
    trial = make_trial("own_rules:nan", "CliffWalking-v1", eps_schedule="constant", eps_start=1.0)
    with pytest.raises(TrialError, match=r"episode 0, step .*must be finite, got nan"):
        train(trial)


def other(q_value, target, clip):
    return target


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"update": lambda q_value: q_value}, "must take (q_value, target, ...), got (q_value)"),
        ({"update": lambda q_value, target, *rest: target}, ", ...), got (q_value, target, rest)"),
        ({"update": 3}, "must be a Python function, got 3"),
        ({"update": other}, "got 'clip'"),
        ({"update": other, "parameters": {"clap": 1.0}}, "got 'clip'; did you mean 'clap'?"),
        ({"update": other, "parameters": {"clip": 1.0}, "target": "maxx"}, "did you mean 'max'?"),
        ({"update": minimum, "parameters": {"clip": 1.0}}, "must take its parameter 'clip'"),
    ],
)
def test_what_is_no_variant_is_refused(arguments, message):
    with pytest.raises(InputError) as refusal:
        Variant(**arguments)
    assert message in str(refusal.value)
