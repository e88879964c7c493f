import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hq_ray.analysis.theory import effective_step_size, fixed_point, harmonic_step, utility
from hq_ray.errors import InputError
from hq_ray.updates import harmonic

CLIFF = ([-1.0, -11.0], [0.9, 0.1])


def drawn(n, low=-100.0, high=100.0, seed=0):
    rng = np.random.default_rng(seed)
    q_value, target = rng.uniform(low, high, (2, n))
    return q_value, target, rng.uniform(1e-3, 0.999, n), 10 ** rng.uniform(-12, 16, n)


def test_the_effective_step_size_has_the_bits_of_the_update():
    q_value, target, alpha, eps_shift = drawn(5000)
    moved = q_value + effective_step_size(q_value, target, alpha, eps_shift) * (target - q_value)
    arguments = zip(q_value, target, alpha, eps_shift, strict=True)
    assert moved.tolist() == [harmonic(q, y, a, e) for q, y, a, e in arguments]


def test_the_step_in_the_non_positive_regime_depends_on_delta_alone():
    q_value, target, alpha, eps_shift = drawn(10_000, -100, 0)
    delta = target - q_value
    moved = effective_step_size(q_value, target, alpha, eps_shift) * delta
    step = harmonic_step(delta, alpha, eps_shift)
    np.testing.assert_allclose(step, moved, rtol=1e-10, atol=1e-11)


@given(st.floats(-100, 0), st.floats(-100, 0), st.floats(1e-3, 0.99), st.floats(-2, 4))
def test_the_update_does_not_expand(q_value, target, alpha, exponent):
    eps_shift, h = 10.0**exponent, 1e-5

    def updated(q, y):
        return harmonic(q, y, alpha, eps_shift)

    # One-sided, away from 0, so that both points stay in the regime.
    in_q = (updated(q_value, target) - updated(q_value - h, target)) / h
    in_y = (updated(q_value, target) - updated(q_value, target - h)) / h
    both = (updated(q_value, target) - updated(q_value - h, target - h)) / h
    assert -1e-6 <= in_q <= 1 + 1e-6
    assert -1e-6 <= in_y <= 1 + 1e-6
    assert both == pytest.approx(1, abs=1e-6)


@given(st.floats(-1e3, 1e3), st.floats(-3, 6))
def test_utility_is_the_step_of_a_small_alpha(delta, exponent):
    eps_shift = 10.0**exponent
    alpha = 1e-9 / (1 + abs(delta) / eps_shift)
    assert float(utility(delta, eps_shift)) == pytest.approx(
        float(harmonic_step(delta, alpha, eps_shift)) / alpha, rel=1e-8
    )


def test_the_fixed_point_runs_from_the_least_to_the_mean():
    points = [fixed_point(*CLIFF, 10.0**exponent) for exponent in range(-12, 17)]
    assert np.diff(points).min() >= -1e-12
    values, weights = np.array(CLIFF)
    for point, eps_shift in zip(points[12:], 10.0 ** np.arange(17), strict=True):
        assert weights @ utility(values - point, eps_shift) == pytest.approx(0, abs=1e-9)
    assert points[0] == pytest.approx(-11, abs=1e-6)
    assert points[-1] == pytest.approx(-2, abs=1e-12)
    assert fixed_point([-3.0], [1.0], 1.0) == -3.0
    assert fixed_point([-3.0, -3.0], [0.5, 0.5], 1.0) == -3.0
    assert fixed_point([-3.0, -5.0], [1.0, 0.0], 1.0) == pytest.approx(-3.0)


def test_positive_targets_are_refused():
    with pytest.raises(InputError, match="holds for targets <= 0; given"):
        fixed_point([1.0, -1.0], [0.5, 0.5], 1.0)
