import json

import numpy as np
import pytest
from figure_checks import assert_inside_and_apart, render
from scipy.stats import t as student_t

from hq_ray.analysis.drawing.figure_curves import (
    mean_se_figure,
    mean_se_panels_figure,
    seeds_figure,
)
from hq_ray.analysis.drawing.figure_difference import difference_figure
from hq_ray.analysis.drawing.figure_facets import line_styles
from hq_ray.analysis.drawing.figure_rates import rates_figure
from hq_ray.errors import InputError

LONG = 'VelocityGrid-v0 {"max_speed": 2, "slip_prob": 0.125}'


def seeds(n_seeds=5, n_points=300, rise=100.0, seed=0):
    noise = np.random.default_rng(seed).normal(0, 8, (n_seeds, n_points)).cumsum(axis=1) / 10
    return rise * np.linspace(-1, 1, n_points) + noise


def mean_of(values, **changes):
    n = len(values)
    se = None if n == 1 else values.std(axis=0, ddof=1) / np.sqrt(n)
    return {"mean": values.mean(axis=0), "se": se, "n": n} | changes


def two(n_seeds=5, n_points=300, **changes):
    return {
        name: mean_of(seeds(n_seeds, n_points, seed=i), **changes)
        for i, name in enumerate(["standard", "harmonic"])
    }


def means(curves, **changes):
    names = {"quantity": "returns", "title": "VelocityGrid-v0: means", "window": 51}
    return mean_se_figure(curves=curves, **(names | changes))


def means_by_env(curves, **changes):
    names = {"quantity": "returns", "title": "Means", "window": 51, "caption": ["a", "b"]}
    return mean_se_panels_figure(curves_by_env=curves, **(names | changes))


def all_seeds(curves, **changes):
    names = {"quantity": "returns", "title": "All seeds", "window": 51}
    return seeds_figure(curves=curves, **(names | changes))


def difference(n_seeds=5, n_points=300, seed=0, **changes):
    mean, half = seeds(n_seeds, n_points, 5, seed).mean(axis=0), np.linspace(3, 1, n_points)
    bands = {"low": mean - half, "high": mean + half}
    bands |= {"band_low": mean - 2 * half, "band_high": mean + 2 * half}
    return {"mean": mean, "n": n_seeds, "rope": 2.0} | bands | changes


def differences(parts, **changes):
    names = {"quantity": "returns", "title": "Differences", "window": 51}
    return difference_figure(differences=parts, **(names | changes))


def share(n_seeds=5, n_points=300, seed=0):
    values = np.clip(0.5 + seeds(n_seeds, n_points, 0.6, seed) / 8, 0, 1)
    return mean_of(values)


def rates(given, **changes):
    return rates_figure(rates=given, **({"title": "Rates", "window": 51} | changes))


def all_rates():
    both = {"standard": share(), "harmonic": share(seed=1)}
    falls = {name: mean_of(np.abs(seeds(seed=i))) for i, name in enumerate(both)}
    return {"success": both, "falls": falls, "truncated": both}


def texts_of(figure):
    texts = list(figure.texts)
    for axes in figure.axes:
        texts += [*axes.texts, axes.xaxis.label, axes.yaxis.label]
        texts += [*axes.get_xticklabels(), *axes.get_yticklabels()]
    return [text for text in texts if text.get_text() and text.get_visible()]


def words(figure):
    return " ".join(text.get_text() for text in texts_of(figure))


def assert_texts_inside_and_apart(figure):
    assert_inside_and_apart(figure, texts_of(figure))


def as_lists(value):
    """The call as a file would hold it: lists for arrays, null for NaN."""
    if isinstance(value, dict):
        return {name: as_lists(part) for name, part in value.items()}
    if isinstance(value, np.ndarray):
        return [as_lists(part) for part in value] if value.ndim > 1 else nulls(value)
    return value


def nulls(values):
    return [None if np.isnan(value) else float(value) for value in values]


GAP = mean_of(np.where(np.arange(300) < 250, seeds(), np.nan), planned=7)
CALLS = {
    "means": (means, {"harmonic": GAP, "standard": mean_of(seeds(3), seeds=seeds(3))}),
    "by env": (means_by_env, {"CliffWalking-v1": two(), LONG: two(3, planned=4)}),
    "seeds": (all_seeds, {"standard": {"seeds": seeds()}, "harmonic": {"seeds": seeds(seed=1)}}),
    "differences": (differences, {"CliffWalking-v1": difference(), LONG: difference(seed=1)}),
    "rates": (rates, all_rates()),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_read_from_json_draws_the_same_pixels(name):
    draw, given = CALLS[name]
    again = json.loads(json.dumps(as_lists(given), allow_nan=False))
    assert np.array_equal(render(draw(given)), render(draw(again)))


HARD = {
    "one point": lambda: means(two(5, 1)),
    "one seed": lambda: means(two(1)),
    "constant": lambda: means({"standard": mean_of(np.full((5, 99), -13.0))}, optimum=-13.0),
    "eight environments": lambda: means_by_env({f"{LONG} {i}": two() for i in range(8)}),
    "short names": lambda: means_by_env({f"Env{i}-v0": two() for i in range(4)}),
    "four variants": lambda: means_by_env(
        {f"Env{i}-v0": {name: mean_of(seeds(seed=i)) for name in "abcd"} for i in range(3)},
        optimum={"Env1-v0": 90.0},
    ),
    "long labels": lambda: means(
        {f"harmonic alpha 0.{i}, eps_shift 10": mean_of(seeds(seed=i)) for i in range(6)}
    ),
    "very long labels": lambda: means({"harmonic " * 20: mean_of(seeds())}),
    "mathematics": lambda: means({"my_$rule$_x": mean_of(seeds())}, title="a:$x_$", caption="$b_$"),
    "seeds of four": lambda: all_seeds({v: {"seeds": seeds(30)} for v in "abcd"}, optimum=120.0),
    "seeds of one": lambda: all_seeds({"standard": {"seeds": seeds(1)}}),
    "seeds of one episode": lambda: all_seeds({"standard": {"seeds": seeds(5, 1)}}),
    "difference of one episode": lambda: differences({"": difference(5, 1)}),
    "one pair": lambda: differences({LONG: {"mean": seeds(1)[0], "n": 1}}),
    "many differences": lambda: differences({f"{LONG} {i}": difference() for i in range(8)}),
    "rates of four": lambda: rates({"success": {name: share() for name in "abcd"}}),
    "no falls": lambda: rates({"falls": {"standard": mean_of(np.zeros((5, 99)))}}),
}


@pytest.mark.parametrize("name", HARD)
def test_hard_data_draw_with_all_texts_inside_and_apart(name):
    figure = HARD[name]()
    render(figure)
    assert_texts_inside_and_apart(figure)


def band_edges(axes, n_points, rank=0):
    corners = axes.patches[rank].get_xy()[: 2 * n_points]
    return corners[:n_points, 1], corners[n_points:, 1][::-1]


@pytest.mark.parametrize("interval", ["se", "ci95"])
def test_the_band_is_the_interval_that_the_caption_names(interval):
    values = seeds()
    figure = means({"standard": mean_of(values)}, interval=interval)
    factor = 1.0 if interval == "se" else student_t.ppf(0.975, 4)
    half = factor * values.std(axis=0, ddof=1) / np.sqrt(5)
    low, high = band_edges(figure.axes[0], 300)
    np.testing.assert_allclose(low, values.mean(axis=0) - half, atol=1e-10)
    np.testing.assert_allclose(high, values.mean(axis=0) + half, atol=1e-10)
    named = {"se": "±1 standard error over n = 5 seeds, about 68 %", "ci95": "95 % t interval"}
    assert named[interval] in words(figure)


def test_edges_that_are_given_are_drawn_as_they_are():
    mean = np.linspace(0, 10, 50)
    given = {"mean": mean, "n": 5, "low": mean - 1, "high": mean + 3}
    low, high = band_edges(means({"standard": given}, interval="ci95").axes[0], 50)
    assert low.tolist() == (mean - 1).tolist()
    assert high.tolist() == (mean + 3).tolist()


def drawn_mean(axes):
    lines = [line for line in axes.lines if line.get_linewidth() == 1.8]
    points = [pair for line in lines for pair in zip(*line.get_data(), strict=True)]
    return dict(points)


def test_the_line_is_the_mean_by_episode_or_by_environment_step():
    values = seeds()
    expected = values.mean(axis=0).tolist()
    drawn = drawn_mean(means({"standard": mean_of(values)}).axes[0])
    assert drawn == dict(zip(range(1, 301), expected, strict=True))
    x = 40.0 * np.arange(1, 301)
    figure = means({"standard": mean_of(values)}, x=x)
    assert drawn_mean(figure.axes[0]) == dict(zip(x.tolist(), expected, strict=True))
    assert figure.axes[0].get_xlabel() == "environment steps"
    assert "held from episode end to episode end" in words(figure)


def test_points_that_are_not_known_leave_a_gap_in_line_and_band():
    values = seeds()
    values[:, 100:150] = np.nan
    axes = means({"standard": mean_of(values)}).axes[0]
    assert [patch.get_xy()[:, 0].max() for patch in axes.patches] == [100, 300]
    missing = [x for x, y in drawn_mean(axes).items() if np.isnan(y)]
    assert missing == list(range(101, 151))


def test_curves_without_values_are_named():
    empty = {"mean": [None, None], "se": None, "n": 0}
    figure = means_by_env(
        {"A-v0": two(), "B-v0": {"standard": mean_of(seeds()), "harmonic": empty}}
    )
    assert "no values: harmonic in B-v0" in words(figure)


def test_seeds_are_counted_in_labels_and_caption():
    figure = means({"standard": mean_of(seeds(4), planned=5), "harmonic": mean_of(seeds(1))})
    assert "standard (n = 4 of 5)" in words(figure)
    assert "harmonic (n = 1)" in words(figure)
    assert "Seeds missing: standard 4 of 5." in words(figure)
    assert "n = 1: no interval for harmonic." in words(figure)
    assert "Thin lines" not in words(figure)
    shown = means({"standard": mean_of(seeds(3), seeds=seeds(3))})
    assert "Thin lines: single seeds." in words(shown)


def test_a_start_far_away_leaves_the_axis_in_words():
    values = seeds()
    values[:, :5] = -1e6
    assert "off scale: starts at -1,000,000 (on" in words(means({"standard": mean_of(values)}))
    figure = means_by_env({"A-v0": {"standard": mean_of(values)}, "B-v0": two()})
    assert "off scale in A-v0: starts at -1,000,000 (on scale from episode 6)" in words(figure)
    over_steps = means({"standard": mean_of(values)}, x=np.arange(300) * 9)
    assert "on scale from" not in words(over_steps)


def test_shares_and_their_bands_stay_within_0_and_1():
    given = {"mean": np.full(50, 0.99), "se": np.full(50, 0.1), "n": 5}
    figure = means({"standard": given}, quantity="success")
    assert figure.axes[0].get_ylim() == (-0.03, 1.03)
    assert band_edges(figure.axes[0], 50)[1].max() == 1.0
    assert "Bands end at 0 and 1." in words(figure)


def test_labels_of_one_variant_keep_its_style_once_and_differ_in_dash_and_marker():
    labels = {"harmonic": "harmonic", "h2": "harmonic", "h3": "harmonic", "standard": "standard"}
    styles = line_styles(labels)
    assert styles["harmonic"].color == "#D55E00"
    assert len({style.linestyle for style in styles.values()}) == 4
    assert len({style.marker for style in styles.values()}) == 4


def test_every_seed_is_drawn_and_the_mean_over_them():
    values = seeds(30)
    figure = all_seeds({"standard": {"seeds": values, "planned": 32}})
    thin = [line for line in figure.axes[0].lines if line.get_linewidth() == 0.7]
    assert [line.get_ydata().tolist() for line in thin] == values.tolist()
    drawn = drawn_mean(figure.axes[0])
    np.testing.assert_allclose([drawn[t] for t in range(1, 301)], values.mean(axis=0))
    assert "standard (n = 30 of 32)" in words(figure)


def test_panels_of_seeds_share_their_value_axis_and_tell_what_leaves_it():
    bad = seeds()
    bad[0, :3] = -1e6
    figure = all_seeds({"standard": {"seeds": seeds()}, "harmonic": {"seeds": bad}})
    assert len({axes.get_ylim() for axes in figure.axes}) == 1
    assert "off scale at times: 1 of 5 seeds of harmonic, as far as -1,000,000" in words(figure)


def test_a_difference_has_both_bands_zero_and_the_rope():
    given = difference(rope=[-1.0, 3.0])
    axes = differences({"": given}).axes[0]
    for rank, names in enumerate([("band_low", "band_high"), ("low", "high")]):
        for edge, name in zip(band_edges(axes, 300, rank), names, strict=True):
            assert edge.tolist() == given[name].tolist()
    levels = [line.get_ydata()[0] for line in axes.lines if list(line.get_xdata()) == [0, 1]]
    assert levels == [0, -1.0, 3.0]
    assert axes.get_ylabel() == "harmonic − standard: episode return [reward units]"


def test_a_bar_and_the_caption_say_where_the_simultaneous_band_excludes_zero():
    given = difference()
    apart = (given["band_low"] > 0) | (given["band_high"] < 0)
    figure = differences({"": given})
    (bar,) = [line for line in figure.axes[0].lines if line.get_linewidth() == 4]
    assert np.isfinite(bar.get_ydata()).tolist() == apart.tolist()
    assert 0 < apart.sum() < 300
    assert f"where it excludes 0 ({apart.sum()} of 300 episodes)" in words(figure)


def test_one_pair_has_no_interval_and_says_so():
    figure = differences({"": {"mean": seeds(1)[0], "n": 1}})
    assert not figure.axes[0].patches
    assert "over one pair of seeds" in words(figure)
    assert "No interval." in words(figure)


def test_rates_are_rows_and_those_without_values_are_named():
    figure = rates(all_rates())
    labels = [axes.get_ylabel().split(" [")[0] for axes in figure.axes]
    expected = ["episodes that succeed", "falls per 1,000 steps"]
    assert labels == [*expected, "episodes cut off by the step limit"]
    assert [axes.get_ylim()[1] for axes in figure.axes[::2]] == [1.03, 1.03]
    part = rates(all_rates() | {"success": None, "falls": {}})
    assert len(part.axes) == 1
    assert "not recorded, so left out: success, falls" in words(part)


def test_rates_begin_at_zero():
    low, high = HARD["no falls"]().axes[0].get_ylim()
    assert -0.1 < low < 0 < high


def test_unusable_input_is_refused():
    given = two()
    for draw in (means, means_by_env, all_seeds, differences, rates):
        with pytest.raises(InputError, match=r"at least one|need a curve"):
            draw({})
    with pytest.raises(InputError, match="unknown quantity 'return'; did you mean 'returns'"):
        means(given, quantity="return")
    with pytest.raises(InputError, match="unknown interval 'ci'; did you mean 'ci95'"):
        means(given, interval="ci")
    with pytest.raises(InputError, match=r"band of 'standard' must have as many points .* 300"):
        means({"standard": given["standard"] | {"se": [1.0, 2.0]}})
    with pytest.raises(InputError, match="seeds of 'standard' must have as many points"):
        means({"standard": given["standard"] | {"seeds": [[1.0, 2.0]]}})
    with pytest.raises(InputError, match="a step for each of 300 points; given 2"):
        means(given, x=[1, 2])
    with pytest.raises(InputError, match="low must have as many points as the mean, 300; given 1"):
        differences({"": difference(low=[1.0])})
    with pytest.raises(InputError, match="unknown rate 'fall'; did you mean 'falls'"):
        rates({"fall": given})
