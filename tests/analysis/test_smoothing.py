import numpy as np
import pytest

from hq_ray.analysis.smoothing import trailing_mean
from hq_ray.errors import InputError


def naive_trailing_mean(values, window):
    parts = [values[max(0, t - window) : t] for t in range(1, len(values) + 1)]
    known = [part[~np.isnan(part)] for part in parts]
    return [part.mean() if part.size else np.nan for part in known]


@pytest.mark.parametrize("share_known", [1.0, 0.3])
@pytest.mark.parametrize("n_episodes", [1, 2, 150, 151, 152, 453])
@pytest.mark.parametrize("window", [1, 3, 151, 10_000])
def test_equals_a_plain_loop_over_what_is_known(n_episodes, window, share_known):
    rng = np.random.default_rng(n_episodes)
    values = rng.normal(-13, 40, (2, 2, n_episodes))
    values[rng.random(values.shape) > share_known] = np.nan
    expected = [[naive_trailing_mean(row, window) for row in block] for block in values]
    np.testing.assert_allclose(trailing_mean(values, window), expected, rtol=1e-12, atol=1e-12)


def test_float32_input_is_averaged_in_float64():
    values = np.random.default_rng(1).normal(-1e5, 1, 100_000).astype(np.float32)
    smoothed = trailing_mean(values, 151)
    assert smoothed.dtype == np.float64
    assert smoothed[-1] == pytest.approx(values[-151:].astype(float).mean(), rel=1e-12)


@pytest.mark.parametrize("value", [0.1, -1e5 / 3])
def test_a_constant_curve_stays_exactly_constant(value):
    assert (trailing_mean(np.full((3, 453), value), 151) == value).all()


@pytest.mark.parametrize("window", [0, 1.5])
def test_what_is_no_window_is_refused(window):
    with pytest.raises(InputError, match=f"whole number >= 1, got {window}"):
        trailing_mean([1.0, 2.0], window)
