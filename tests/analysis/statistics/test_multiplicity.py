import numpy as np
import pytest
from scipy import stats

from hq_ray.analysis.statistics.multiplicity import (
    benjamini_hochberg,
    benjamini_hochberg_adjusted,
    expected_by_chance,
    holm,
    holm_adjusted,
)
from hq_ray.errors import InputError


def naive_holm(p, level):
    """Step down: reject the smallest while p_(i) <= level / (m - i + 1)."""
    rejected = [False] * len(p)
    for step, i in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        if p[i] > level / (len(p) - step):
            break
        rejected[i] = True
    return rejected


def naive_benjamini_hochberg(p, level):
    """Step up: reject the k smallest, k the last with p_(k) <= k level / m."""
    ordered = sorted(p)
    k = max((k for k in range(1, len(p) + 1) if ordered[k - 1] <= k * level / len(p)), default=0)
    return [x <= ordered[k - 1] if k else False for x in p]


@pytest.mark.parametrize("m", [1, 2, 3, 10, 100])
@pytest.mark.parametrize("level", [0.01, 0.05, 0.3])
def test_decisions_equal_plain_loops(m, level):
    rng = np.random.default_rng(m)
    for _ in range(30):
        p = np.round(rng.uniform(0, 1, m) ** 3, 3) + 1e-4 * (rng.uniform(size=m) < 0.5)
        # Ties, but none with a bound of the procedures.
        p = np.minimum(p + 1.234e-6, 1)
        assert holm(p, level).tolist() == naive_holm(p.tolist(), level)
        assert benjamini_hochberg(p, level).tolist() == naive_benjamini_hochberg(p.tolist(), level)


def test_hand_worked_adjustments():
    p = [0.01, 0.04, 0.03, 0.005]
    np.testing.assert_allclose(holm_adjusted(p), [0.03, 0.06, 0.06, 0.02], rtol=1e-12)
    np.testing.assert_allclose(benjamini_hochberg_adjusted(p), [0.02, 0.04, 0.04, 0.02], rtol=1e-12)
    assert holm(p).tolist() == [True, False, False, True]
    assert benjamini_hochberg(p).tolist() == [True] * 4


def test_benjamini_hochberg_equals_scipy():
    p = np.random.default_rng(0).uniform(size=50) ** 2
    np.testing.assert_allclose(benjamini_hochberg_adjusted(p), stats.false_discovery_control(p))


@pytest.mark.parametrize("method", [holm_adjusted, benjamini_hochberg_adjusted])
def test_missing_tests_count_for_nothing(method):
    p = np.array([0.02, np.nan, 0.001, 0.5])
    adjusted = method(p)
    assert np.isnan(adjusted[1])
    np.testing.assert_array_equal(np.delete(adjusted, 1), method(np.delete(p, 1)))
    assert np.isnan(method([np.nan, np.nan])).all()
    assert method([]).shape == (0,)


def test_a_missing_test_is_never_rejected():
    for method in (holm, benjamini_hochberg):
        assert method([np.nan, 0.0, 0.049]).tolist() == [False, True, True]
        assert method([np.nan]).tolist() == [False]
        assert method([1.0, 1.0, 1.0]).tolist() == [False] * 3


def test_holm_adjusted_decides_as_holm_whatever_the_order():
    p = np.random.default_rng(1).uniform(size=40) ** 4
    order = np.random.default_rng(2).permutation(40)
    np.testing.assert_array_equal(holm_adjusted(p[order]), holm_adjusted(p)[order])
    assert (holm_adjusted(p) >= p).all()
    assert (holm_adjusted(p) <= 1).all()


def test_expected_by_chance():
    assert expected_by_chance(100) == pytest.approx(5)
    assert expected_by_chance(0) == 0
    with pytest.raises(InputError, match="at least 0; given -1"):
        expected_by_chance(-1)


@pytest.mark.parametrize("p", [[1.5], [-0.1, 0.2], [[0.1]], 0.3])
def test_other_than_p_values_are_refused(p):
    with pytest.raises(InputError, match=r"numbers in \[0, 1\] or NaN"):
        holm(p)


@pytest.mark.parametrize("level", [0, 1, 5])
def test_other_than_rates_are_refused(level):
    with pytest.raises(InputError, match="strictly between 0 and 1"):
        benjamini_hochberg([0.1], level)
