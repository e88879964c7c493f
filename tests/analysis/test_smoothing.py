import numpy as np
import pytest

from hq_ray.analysis.smoothing import trailing_mean
from hq_ray.errors import InputError

LENGTHS = (1, 2, 150, 151, 152, 453)


def naive_trailing_mean(values, window):
    return np.array(
        [np.mean(values[max(0, t - window) : t], dtype=float) for t in range(1, len(values) + 1)]
    )


@pytest.mark.parametrize("n_episodes", LENGTHS)
@pytest.mark.parametrize("window", [1, 3, 151, 10_000])
def test_equals_a_plain_loop(n_episodes, window):
    values = np.random.default_rng(n_episodes).normal(-13, 40, n_episodes)
    expected = naive_trailing_mean(values, window)
    np.testing.assert_allclose(trailing_mean(values, window), expected, rtol=1e-12, atol=1e-12)


def test_float32_input_is_averaged_in_float64():
    values = np.random.default_rng(1).normal(-1e5, 1, 100_000).astype(np.float32)
    smoothed = trailing_mean(values, 151)
    assert smoothed.dtype == np.float64
    assert smoothed[-1] == pytest.approx(values[-151:].astype(float).mean(), rel=1e-12)


@pytest.mark.parametrize("value", [0.1, -1e5 / 3])
def test_a_constant_curve_stays_exactly_constant(value):
    assert (trailing_mean(np.full((3, 453), value), 151) == value).all()


def test_leading_axes_are_smoothed_one_by_one():
    values = np.random.default_rng(3).normal(size=(2, 3, 40))
    rows = [[trailing_mean(row, 7) for row in block] for block in values]
    np.testing.assert_array_equal(trailing_mean(values, 7), rows)


def test_what_is_not_known_is_left_out():
    values = np.random.default_rng(4).normal(size=(3, 60))
    values[np.random.default_rng(5).random(values.shape) < 0.7] = np.nan
    found = trailing_mean(values, 3)
    for row, means in zip(values, found, strict=True):
        for t, mean in enumerate(means):
            known = row[max(0, t - 2) : t + 1]
            known = known[~np.isnan(known)]
            assert mean == pytest.approx(known.mean() if known.size else np.nan, nan_ok=True)


@pytest.mark.parametrize("window", [0, 1.5])
def test_what_is_no_window_is_refused(window):
    with pytest.raises(InputError, match=f"whole number >= 1, got {window}"):
        trailing_mean([1.0, 2.0], window)
