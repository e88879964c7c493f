import numpy as np
import pandas as pd
import pytest
from figure_checks import assert_texts_inside_and_apart, words
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex
from scipy import stats

from hq_ray.analysis.charts.curves import (
    MOST_POINTS,
    curve_caption,
    curve_frame,
    curves_chart,
    learning_figure,
)
from hq_ray.analysis.smoothing import trailing_mean

SETTINGS = "alpha 0.2, gamma 0.99, eps_start 1.0, eps_end 0.05, eps_decay_episodes 3500, " * 3


def learning(n_seeds, n_episodes, final=85.0, seed=0):
    rng = np.random.default_rng(seed)
    rise = np.linspace(-200, final, n_episodes // 2 + 1)
    mean = np.concatenate([rise, np.full(n_episodes, final)])[:n_episodes]
    return mean + rng.normal(0, 20, (n_seeds, n_episodes))


def drawn(curves, **changes):
    options = {"title": "VelocityGrid-v0: a title", "quantity": "returns", "smooth": 151}
    curves = {name: (range(len(values)), values) for name, values in curves.items()}
    return learning_figure(curves, **(options | {"settings": SETTINGS} | changes))


def bands(figure):
    """Low and high by episode of each band, and its colour."""
    found = []
    for band in figure.axes[0].collections:
        if isinstance(band, PolyCollection) and band.get_paths():
            outline = pd.DataFrame(band.get_paths()[0].vertices, columns=["x", "y"])
            by_episode = outline.groupby("x")["y"]
            colour = to_hex(band.get_facecolor()[0]).upper()
            found.append((by_episode.min(), by_episode.max(), colour))
    return found


@pytest.mark.parametrize(("n_seeds", "n_episodes"), [(1, 1), (2, 2), (5, 1), (30, 300)])
def test_every_size_is_legible(n_seeds, n_episodes):
    names = ("standard", "harmonic")
    curves = {v: learning(n_seeds, n_episodes, seed=i) for i, v in enumerate(names)}
    assert_texts_inside_and_apart(drawn(curves, optimum=12.0))


def test_many_variants_are_legible():
    names = ["standard", "harmonic", "minimum", "asymmetric", "expected_sarsa", "double_q", "a"]
    names += ["harmonic_expected_sarsa", "my_$rule$_x"]
    curves = {name: learning(3, 300, 85 - i) for i, name in enumerate(names)}
    title = 'VelocityGrid-v0 {"width":12,"height":10,"max_speed":2,"slip_prob":0.125}: returns'
    figure = drawn(curves, title=title, smooth=20)
    assert_texts_inside_and_apart(figure)
    assert set(curves) <= set(words(figure).split())


@pytest.mark.parametrize("value", [0.0, 3e8])
def test_constant_data_draws_a_level_line(value):
    figure = drawn({"standard": np.full((5, 200), value), "harmonic": np.full((5, 200), value)})
    low, high = figure.axes[0].get_ylim()
    assert low < value < high
    assert_texts_inside_and_apart(figure)


@pytest.mark.parametrize("sign", [1, -1])
def test_all_of_training_is_shown_and_its_end_can_be_read(sign):
    early = -10_000 * np.exp(-np.arange(1000) / 20)
    cliff = early - np.random.default_rng(0).integers(13, 18, (5, 1000))
    values = {"standard": sign * cliff, "harmonic": sign * (cliff - 5)}
    figure = drawn(values, smooth=20)
    (axes,) = figure.axes
    low, high = sorted(axes.get_ylim())
    smoothed = np.array([trailing_mean(of, 20) for of in values.values()])
    assert low <= smoothed.min()
    assert smoothed.max() <= high
    to_axes = axes.transData + axes.transAxes.inverted()
    ends = [to_axes.transform((999, of[:, -1].mean()))[1] for of in smoothed]
    assert abs(ends[0] - ends[1]) > 0.05
    assert axes.get_title(loc="left") == "episode return [reward units], asinh scale"
    assert_texts_inside_and_apart(figure)


def test_lines_are_the_smoothed_seeds_and_bands_their_standard_errors():
    values = {"standard": learning(5, 200), "harmonic": learning(3, 200, seed=1)}
    figure = drawn(values, smooth=30)
    (axes,) = figure.axes
    found = bands(figure)
    assert [colour for *_, colour in found] == ["#0072B2", "#D55E00"]
    for (low, high, colour), seeds in zip(found, values.values(), strict=True):
        smoothed = trailing_mean(seeds, 30)
        mean, error = smoothed.mean(axis=0), stats.sem(smoothed)
        np.testing.assert_allclose([low, high], [mean - error, mean + error])
        *thin, line = (of.get_ydata() for of in axes.lines if of.get_color() == colour)
        np.testing.assert_allclose(thin, smoothed)
        np.testing.assert_allclose(line, mean)
    said = words(figure)
    assert "n = 3 to 5 seeds" in said
    assert " ".join(SETTINGS.split()) in said
    assert axes.get_yscale() == "linear"
    assert axes.get_xlabel() == "episode"
    assert axes.get_title(loc="left") == "episode return [reward units]"


def test_a_difference_has_the_t_interval_of_each_episode():
    gaps = learning(6, 100)
    frame = curve_frame({"harmonic": (range(6), gaps)})
    figure = curves_chart(frame, title="d", label="less", difference=True)
    ((low, high, _),) = bands(figure)
    limits = stats.t.interval(0.95, 5, gaps.mean(axis=0), stats.sem(gaps))
    np.testing.assert_allclose([low, high], limits)
    assert any(list(line.get_ydata()) == [0, 0] for line in figure.axes[0].lines)
    caption = curve_caption(frame, 1, difference=True)
    assert "95 % t interval of each episode alone; n = 6 seeds" in caption


def test_values_that_are_not_known_leave_a_gap_and_shares_have_an_axis_from_0_to_1():
    values = (learning(3, 200) > 0).astype(float)
    values[1, :10] = np.nan
    frame = curve_frame({"minimum": (range(3), values)})
    figure = curves_chart(frame, title="t", label="l", share=True)
    ((low, _, _),) = bands(figure)
    assert low.index.min() == 10
    assert figure.axes[0].get_ylim() == (-0.03, 1.03)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([1, 1], "n = 1 seed, no interval. Trailing"),
        ([3, 9], "±1 standard error, a 58 % interval at n = 3; thin: single seeds; n = 3 to 9"),
    ],
)
def test_the_caption_names_seeds_coverage_window_and_thinning(sizes, expected):
    curves = {f"v{i}": (range(n), np.ones((n, 50_000))) for i, n in enumerate(sizes)}
    frame = curve_frame(curves)
    assert len(frame) == MOST_POINTS * sum(sizes)
    assert (frame["episode"].min(), frame["episode"].max()) == (0, 49_999)
    caption = curve_caption(frame, 151)
    assert expected in caption
    assert "Trailing mean over 151 episodes" in caption
    assert "1,000 of 50,000 episodes drawn." in caption
