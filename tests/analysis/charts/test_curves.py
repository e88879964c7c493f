import numpy as np
import pandas as pd
import pytest
from figure_checks import assert_texts_inside_and_apart, words
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from scipy import stats

from hq_ray.analysis.charts.curves import MOST_POINTS, curve_frame, curves_chart
from hq_ray.analysis.charts.trials import compare_figure, curve_figure
from hq_ray.analysis.smoothing import trailing_mean
from hq_ray.errors import InputError

LENGTHS = (1, 2, 150, 151, 152, 4000)
SETTINGS = "alpha 0.2, gamma 0.99, eps_start 1.0, eps_end 0.05, eps_decay_episodes 3500, " * 3


def learning(n_seeds, n_episodes, final=85.0, seed=0):
    rng = np.random.default_rng(seed)
    rise = np.linspace(-200, final, n_episodes // 2 + 1)
    mean = np.concatenate([rise, np.full(n_episodes, final)])[:n_episodes]
    return mean + rng.normal(0, 20, (n_seeds, n_episodes))


def cliff(n_seeds, n_episodes=1000):
    rng = np.random.default_rng(0)
    early = -10_000 * np.exp(-np.arange(n_episodes) / 20)
    return early - rng.integers(13, 18, (n_seeds, n_episodes))


def one(values, **changes):
    names = {"variant": "harmonic", "seed": 3, "env": "CliffWalking-v1", "quantity": "returns"}
    return curve_figure(values, **({"smooth": 151, "settings": SETTINGS} | names | changes))


def compare(curves, **changes):
    names = {"env": "VelocityGrid-v0", "quantity": "returns", "smooth": 151}
    planned = {variant: len(values) for variant, values in curves.items()}
    return compare_figure(curves, **({"settings": SETTINGS, "planned": planned} | names | changes))


def mean_line(figure, colour):
    """Episodes and values of a variant's mean, before and after its first full window."""
    lines = [line for line in figure.axes[0].lines if line.get_color() == colour]
    points = np.concatenate([line.get_xydata() for line in lines if line.get_linewidth() > 1])
    return dict(points[np.isfinite(points[:, 1])].tolist())


def bands(figure):
    """Low and high by episode of each band, and its colour."""
    found = []
    for band in figure.axes[0].collections:
        if not isinstance(band, LineCollection):
            outline = pd.DataFrame(band.get_paths()[0].vertices, columns=["x", "y"])
            by_episode = outline.groupby("x")["y"]
            colour = to_hex(band.get_facecolor()[0]).upper()
            found.append((by_episode.min(), by_episode.max(), colour))
    return found


@pytest.mark.parametrize("n_episodes", LENGTHS)
@pytest.mark.parametrize("n_seeds", [1, 2, 5, 30])
def test_every_size_is_legible(n_episodes, n_seeds):
    names = ("standard", "harmonic")
    curves = {v: learning(n_seeds, n_episodes, seed=i) for i, v in enumerate(names)}
    assert_texts_inside_and_apart(compare(curves))


@pytest.mark.parametrize("n_episodes", LENGTHS)
def test_one_trial_of_every_length_is_legible(n_episodes):
    values = np.abs(learning(1, n_episodes)[0])
    assert_texts_inside_and_apart(one(values, quantity="steps", optimum=12.0, raw=True))


@pytest.mark.parametrize("n_variants", [1, 4, 9])
def test_few_and_many_variants_are_legible(n_variants):
    names = ["standard", "harmonic", "minimum", "asymmetric", "expected_sarsa", "double_q", "a"]
    names += ["harmonic_expected_sarsa", "my_$rule$_x"]
    curves = {name: learning(3, 300, 85 - i) for i, name in enumerate(names[:n_variants])}
    env = 'VelocityGrid-v0 {"width":12,"height":10,"max_speed":2,"slip_prob":0.125,"goal_reward":9}'
    figure = compare(curves, env=env, smooth=20)
    assert_texts_inside_and_apart(figure)
    for name in curves:
        assert f"{name} (n = 3)" in words(figure)


@pytest.mark.parametrize("value", [0.0, -13.0, 1e-9, -123456.75, 3e8])
def test_constant_data_draws_a_level_line(value):
    figure = compare({"standard": np.full((5, 200), value), "harmonic": np.full((5, 200), value)})
    low, high = figure.axes[0].get_ylim()
    assert low < value < high
    assert_texts_inside_and_apart(figure)


@pytest.mark.parametrize("sign", [1, -1])
def test_all_of_training_is_shown_and_its_end_can_be_read(sign):
    values = {"standard": sign * cliff(5), "harmonic": sign * (cliff(5) - 5)}
    figure = compare(values, smooth=20)
    (axes,) = figure.axes
    low, high = sorted(axes.get_ylim())
    drawn = np.array([trailing_mean(of, 20) for of in values.values()])
    assert low <= drawn.min()
    assert drawn.max() <= high
    to_axes = axes.transData + axes.transAxes.inverted()
    ends = [to_axes.transform((1000, of[:, -1].mean()))[1] for of in drawn]
    assert abs(ends[0] - ends[1]) > 0.05
    assert "logarithmic beyond" in words(figure)
    assert_texts_inside_and_apart(figure)


def test_ordinary_returns_have_a_linear_axis():
    figure = compare({"standard": learning(5, 1000)})
    assert figure.axes[0].get_yscale() == "linear"
    assert "logarithmic" not in words(figure)


def test_the_lines_are_the_smoothed_seeds_and_their_mean():
    values = learning(5, 300)
    smoothed = trailing_mean(values, 50)
    figure = compare({"harmonic": values}, smooth=50)
    expected = dict(enumerate(smoothed.mean(axis=0), start=1))
    assert mean_line(figure, "#D55E00") == pytest.approx(expected, rel=1e-12)
    (thin,) = (of for of in figure.axes[0].collections if isinstance(of, LineCollection))
    np.testing.assert_allclose([seed[:, 1] for seed in thin.get_segments()], smoothed)
    assert figure.axes[0].get_xlabel() == "episode"
    assert figure.axes[0].get_title(loc="left") == "episode return [reward units]"
    assert "trailing mean over 50 episodes; first 49 points" in words(figure)


def test_the_band_is_the_error_over_smoothed_seeds():
    values = {"standard": learning(5, 200), "harmonic": learning(3, 200, seed=1)}
    found = bands(compare(values, smooth=30))
    for (low, high, _), seeds in zip(found, values.values(), strict=True):
        smoothed = trailing_mean(seeds, 30)
        np.testing.assert_allclose(low, smoothed.mean(axis=0) - stats.sem(smoothed))
        np.testing.assert_allclose(high, smoothed.mean(axis=0) + stats.sem(smoothed))
    assert [colour for *_, colour in found] == ["#0072B2", "#D55E00"]


def test_a_difference_has_the_t_interval_of_each_episode():
    gaps = learning(6, 100)
    frame = curve_frame({"harmonic": (range(6), gaps)})
    texts = {"title": "d", "caption": [], "label": "less"}
    figure = curves_chart(frame, window=1, difference=True, **texts)
    ((low, high, _),) = bands(figure)
    limits = stats.t.interval(0.95, 5, gaps.mean(axis=0), stats.sem(gaps))
    np.testing.assert_allclose([low, high], limits)
    said = words(figure)
    assert "95 % t interval of each episode alone over n = 6 seeds" in said
    assert any(list(line.get_ydata()) == [0, 0] for line in figure.axes[0].lines)


def test_one_seed_has_no_band_and_says_so():
    figure = compare({"standard": learning(1, 200), "harmonic": learning(1, 200, seed=1)})
    assert not any(
        np.isfinite(of.get_datalim(figure.axes[0].transData)).all()
        for of in figure.axes[0].collections
    )
    assert "n = 1: no interval." in words(figure)
    assert "band" not in words(figure)


def test_values_that_are_not_known_leave_a_gap():
    values = learning(3, 50)
    values[1, :10] = np.nan
    frame = curve_frame({"standard": (range(3), values)})
    figure = curves_chart(frame, title="t", caption=[], label="l", window=1)
    assert min(mean_line(figure, "#0072B2")) == 11


def test_the_caption_names_seeds_and_coverage_and_labels_what_is_missing():
    figure = compare({"a": learning(3, 9), "b": learning(9, 9)}, planned={"a": 5, "b": 9})
    said = words(figure)
    assert (
        "over n seeds (a 3, b 9), about 68 % for many seeds, 58 % at n = 3, 65 % at n = 9" in said
    )
    assert "a (n = 3 of 5)" in said
    assert "b (n = 9)" in said
    assert "window 151 > 9 episodes: running mean" in said


def test_long_curves_are_drawn_by_a_thousand_points():
    frame = curve_frame({"standard": ([7], learning(1, 50_000))})
    assert len(frame) == MOST_POINTS
    assert (frame["episode"].min(), frame["episode"].max()) == (1, 50_000)
    assert set(frame["seed"]) == {7}


def test_raw_values_are_drawn_only_where_they_are_asked_for():
    values = learning(1, 5000)[0]
    values[2001] = 500.0
    assert "raw values" not in words(one(values, smooth=50))
    figure = one(values, smooth=50, raw=True)
    (line,) = (line for line in figure.axes[0].lines if line.get_alpha() == 0.35)
    assert line.get_ydata().max() == 500.0
    assert "Faint: raw values of each episode." in words(figure)


def test_shares_have_an_axis_from_0_to_1():
    figure = one((learning(1, 200)[0] > 0).astype(float), quantity="success", smooth=20)
    assert figure.axes[0].get_title(loc="left") == "episodes that succeed [share]"
    assert figure.axes[0].get_ylim() == (-0.03, 1.03)


def test_unusable_input_is_refused():
    with pytest.raises(InputError, match="unknown quantity 'return'; did you mean 'returns'"):
        one(np.ones(3), quantity="return")
    with pytest.raises(InputError, match=r"\(n_episodes,\); given shape \(2, 3\)"):
        one(np.ones((2, 3)))
    with pytest.raises(InputError, match="at least one variant"):
        compare({})
    with pytest.raises(InputError, match=r"whole number >= 1; given 0"):
        compare({"standard": np.ones((2, 3))}, smooth=0)
    with pytest.raises(InputError, match=r"given shape \(3,\)"):
        compare({"standard": np.ones(3)})
