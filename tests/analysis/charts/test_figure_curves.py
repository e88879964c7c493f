"""Figures of many curves: means by problem, all seeds, differences, rates."""

import numpy as np
import pytest
from figure_checks import assert_texts_inside_and_apart, render, words
from scipy.stats import t as student_t

from hq_ray.analysis.charts.figure_difference import difference_figure
from hq_ray.analysis.charts.figures import means_figure, rates_figure, seeds_figure
from hq_ray.analysis.statistics.means import MeanAndSE, SmoothedSeeds, mean_and_se, smooth_seeds
from hq_ray.errors import InputError

LONG = 'VelocityGrid-v0 {"max_speed": 2, "width": 12, "height": 10, "cliff_penalty": -250.0}'
TITLE = "my:$env_x$ and its seeds"


def seeds(n=5, n_episodes=300, seed=0):
    mean = -13 - 10 * np.exp(-np.arange(n_episodes) / 50)
    return mean + np.random.default_rng(seed).normal(0, 5, (n, n_episodes))


def curve(n=5, n_episodes=300, seed=0, window=50):
    return smooth_seeds(seeds(n, n_episodes, seed), window)


def two(n=5, n_episodes=300):
    return {"standard": curve(n, n_episodes), "harmonic": curve(n, n_episodes, seed=1)}


def means(curves, quantity="returns", planned=None, **changes):
    """A figure of means; curves of one problem may stand alone."""
    by_env = curves if isinstance(next(iter(curves.values())), dict) else {"": curves}
    counts = {e: {v: len(c.seeds) for v, c in of.items()} for e, of in by_env.items()}
    planned = counts if planned is None else {"": planned}
    names = {"quantity": quantity, "title": TITLE, "planned": planned, "caption": ["data $1a_2$"]}
    return means_figure(by_env, **(names | changes))


def all_seeds(curves, **changes):
    names = {"quantity": "returns", "title": TITLE, "caption": ["data 1a2b"]}
    planned = {variant: len(one.seeds) for variant, one in curves.items()}
    return seeds_figure(curves, **(names | {"planned": planned} | changes))


def differences(given, **changes):
    names = {"quantity": "returns", "title": TITLE, "window": 50, "caption": ["data"]}
    return difference_figure(given, **names, variants=["harmonic", "standard"], **changes)


def rates(given):
    first = next(iter(given.values()))
    planned = {variant: len(one.seeds) for variant, one in first.items()}
    return rates_figure(given, title=TITLE, planned=planned, caption=["data"])


def share(seed=0):
    values = np.clip(np.random.default_rng(seed).normal(0.97, 0.1, (5, 300)), 0, 1)
    over = mean_and_se(values)
    return SmoothedSeeds(values, MeanAndSE(over.mean, 10 * over.se, 5, (0.0, 1.0)), 50)


HARD = {
    "one point": lambda: means(two(5, 1)),
    "one seed": lambda: means(two(1)),
    "constant": lambda: means(
        {"standard": smooth_seeds(np.full((5, 99), -13.0), 9)}, optimum={"": -13.0}
    ),
    "eight problems": lambda: means({f"{LONG} {i}": two() for i in range(8)}),
    "short names": lambda: means({f"Env{i}-v0": two() for i in range(4)}),
    "four variants": lambda: means(
        {f"Env{i}-v0": {name: curve(seed=i) for name in "abcd"} for i in range(3)},
        optimum={"Env1-v0": 90.0},
    ),
    "very long labels": lambda: means({"harmonic " * 20: curve()}),
    "mathematics": lambda: means({"my_$rule$_x": curve()}, caption=["$b_$"]),
    "seeds of four": lambda: all_seeds({v: curve(30) for v in "abcd"}, optimum=120.0),
    "seeds of one": lambda: all_seeds({"standard": curve(1)}),
    "seeds of one episode": lambda: all_seeds({"standard": curve(5, 1)}),
    "difference of one episode": lambda: differences({"A-v0": seeds(5, 1)}),
    "one pair": lambda: differences({LONG: seeds(1)}),
    "many differences": lambda: differences({f"{LONG} {i}": seeds() for i in range(8)}),
    "rates of four": lambda: rates({"success": {name: share() for name in "abcd"}}),
    "no falls": lambda: rates({"falls": {"standard": smooth_seeds(np.zeros((5, 99)), 9)}}),
}


@pytest.mark.parametrize("name", HARD)
def test_hard_data_draw_with_all_texts_inside_and_apart(name):
    figure = HARD[name]()
    render(figure)
    assert_texts_inside_and_apart(figure)


def band_edges(axes, n_points, rank=0):
    corners = axes.patches[rank].get_xy()[: 2 * n_points]
    return corners[:n_points, 1], corners[n_points:, 1][::-1]


def drawn_mean(axes):
    lines = [line for line in axes.lines if line.get_linewidth() == 1.8]
    return dict(pair for line in lines for pair in zip(*line.get_data(), strict=True))


def test_line_and_band_are_mean_and_standard_error():
    given = curve()
    axes = means({"standard": given}).axes[0]
    error = given.seeds.std(axis=0, ddof=1) / np.sqrt(5)
    low, high = band_edges(axes, 300)
    np.testing.assert_allclose(low, given.seeds.mean(axis=0) - error, atol=1e-10)
    np.testing.assert_allclose(high, given.seeds.mean(axis=0) + error, atol=1e-10)
    expected = given.over_seeds.mean.tolist()
    assert drawn_mean(axes) == dict(zip(range(1, 301), expected, strict=True))


def test_points_that_are_not_known_leave_a_gap_in_line_and_band():
    given = curve()
    given.over_seeds.mean[100:150] = np.nan
    axes = means({"standard": given}).axes[0]
    assert [patch.get_xy()[:, 0].max() for patch in axes.patches] == [100, 300]
    missing = [x for x, y in drawn_mean(axes).items() if np.isnan(y)]
    assert missing == list(range(101, 151))


def test_seeds_are_counted_in_labels_and_caption():
    figure = means(
        {"standard": curve(4), "harmonic": curve(1)}, planned={"standard": 5, "harmonic": 1}
    )
    assert "standard (n = 4 of 5)" in words(figure)
    assert "harmonic (n = 1)" in words(figure)
    assert "n = 1: no interval for harmonic." in words(figure)
    assert "Thin lines: single seeds." in words(means({"standard": curve(3)}))


def test_a_start_far_away_leaves_the_axis_in_words():
    values = seeds()
    values[:, :5] = -1e6
    far = {"standard": smooth_seeds(values, 1)}
    assert "off scale: starts at -1,000,000 (on" in words(means(far))
    figure = means({"A-v0": far, "B-v0": two()})
    assert "off scale in A-v0: starts at -1,000,000 (on scale from episode 6)" in words(figure)


def test_every_seed_is_drawn_and_the_mean_over_them():
    given = curve(30)
    figure = all_seeds({"standard": given}, planned={"standard": 32})
    thin = [line for line in figure.axes[0].lines if line.get_linewidth() == 0.7]
    assert [line.get_ydata().tolist() for line in thin] == given.seeds.tolist()
    drawn = drawn_mean(figure.axes[0])
    np.testing.assert_allclose([drawn[t] for t in range(1, 301)], given.seeds.mean(axis=0))
    assert "standard (n = 30 of 32)" in words(figure)


def test_panels_of_seeds_share_their_value_axis_and_tell_what_leaves_it():
    bad = seeds()
    bad[0, :3] = -1e6
    figure = all_seeds({"standard": curve(), "harmonic": smooth_seeds(bad, 1)})
    assert len({axes.get_ylim() for axes in figure.axes}) == 1
    assert "off scale at times: 1 of 5 seeds of harmonic, as far as -1,000,000" in words(figure)


def test_a_difference_has_its_mean_t_interval_and_zero():
    given = seeds()
    figure = differences({"A-v0": given})
    axes = figure.axes[0]
    half = student_t.ppf(0.975, 4) * given.std(axis=0, ddof=1) / np.sqrt(5)
    low, high = band_edges(axes, 300)
    np.testing.assert_allclose(low, given.mean(axis=0) - half)
    np.testing.assert_allclose(high, given.mean(axis=0) + half)
    assert [line.get_ydata()[0] for line in axes.lines if list(line.get_xdata()) == [0, 1]] == [0]
    assert axes.get_ylabel() == "harmonic − standard: episode return [reward units]"
    assert "mean (n = 5)" in words(figure)


def test_one_pair_has_no_interval_and_says_so():
    figure = differences({"A-v0": seeds(1)})
    assert not figure.axes[0].patches
    assert "n = 1: no interval for A-v0." in words(figure)


def test_rates_are_rows_and_those_without_values_are_named():
    given = {
        "success": {"standard": share()},
        "falls": {"standard": curve()},
        "truncated": {"standard": share(1)},
    }
    figure = rates(given)
    labels = [axes.get_ylabel().split(" [")[0] for axes in figure.axes]
    expected = ["episodes that succeed", "falls per 1,000 steps"]
    assert labels == [*expected, "episodes cut off by the step limit"]
    assert [axes.get_ylim()[1] for axes in figure.axes[::2]] == [1.03, 1.03]
    # Bands of shares end at 0 and 1.
    assert band_edges(figure.axes[0], 300)[1].max() == 1.0
    part = rates({"truncated": {"standard": share()}})
    assert len(part.axes) == 1
    assert "not recorded, so left out: success" in words(part)


def test_rates_begin_at_zero():
    low, high = HARD["no falls"]().axes[0].get_ylim()
    assert -0.1 < low < 0 < high


def test_nothing_to_draw_and_unknown_quantities_are_refused():
    with pytest.raises(InputError, match="at least one variant"):
        means_figure({}, quantity="returns", title="", planned={}, caption=[])
    with pytest.raises(InputError, match="unknown quantity 'return'; did you mean 'returns'"):
        means(two(), quantity="return")
