"""Charts of scores and hyperparameters: what they show is what their frames hold."""

import numpy as np
import pandas as pd
import pytest
from figure_checks import assert_texts_inside_and_apart
from scipy import stats

from hq_ray.analysis.charts.grids import heat_chart, importance_chart, levels_chart
from hq_ray.analysis.charts.scores import health_chart, pairs_chart, scores_chart

TEXTS = {"title": "CliffWalking-v1: a title", "caption": ["Where it comes from."]}
LABELS = {
    "mean_return": "mean return [reward units]",
    "final_return": "final return [reward units]",
    "policy_value": "value of the learned policy [discounted return]",
}


@pytest.mark.parametrize(("n_seeds", "metrics"), [(1, list(LABELS)), (30, ["mean_return"])])
def test_scores_are_dots_with_their_mean_and_interval(n_seeds, metrics):
    rng = np.random.default_rng(0)
    variants = ("standard", "harmonic_expected_sarsa")
    keys = pd.MultiIndex.from_product([LABELS, variants, range(n_seeds)])
    frame = pd.DataFrame([*keys], columns=["metric", "variant", "seed"])
    frame["value"] = -5000 * rng.gamma(2.0, size=len(frame))
    frame.loc[~frame["metric"].isin(metrics), "value"] = None
    figure = scores_chart(frame, labels=LABELS, **TEXTS)
    labels = [axes.get_xlabel().replace("\n", " ") for axes in figure.axes]
    assert labels == [LABELS[metric] for metric in metrics]
    for axes, metric in zip(figure.axes, metrics, strict=True):
        for place, variant in enumerate(variants):
            of = frame[(frame["metric"] == metric) & (frame["variant"] == variant)]["value"]
            level = place + 0.28
            bar, mean = (line for line in axes.lines if line.get_ydata()[0] == level)
            assert mean.get_xdata()[0] == pytest.approx(of.mean())
            dots = [dot for dots in axes.collections for dot in dots.get_offsets()[:, 0].tolist()]
            assert set(of) <= set(dots)
            if n_seeds > 1:
                limits = stats.t.interval(0.95, n_seeds - 1, of.mean(), stats.sem(of))
                assert bar.get_xdata() == pytest.approx(limits)
    assert_texts_inside_and_apart(figure)


@pytest.mark.parametrize("n", [1, 12, 40])
def test_pairs_are_sorted_and_filled_where_significant(n):
    gaps = np.linspace(-1, 2, n)
    columns = {"difference": gaps, "low": gaps - 1, "high": gaps + 1, "significant": gaps > 1}
    names = [f"alpha {0.1 + i:g}, eps_shift {i:g}" for i in range(n)]
    frame = pd.DataFrame({"variant": "harmonic", "configuration": names, "n": 5, **columns})
    shuffled = frame.sample(frac=1, random_state=0)
    figure = pairs_chart(shuffled, label="score [points]", baseline="standard", **TEXTS)
    (axes,) = figure.axes
    filled, hollow = axes.lines[:2]
    assert sorted([*filled.get_xdata(), *hollow.get_xdata()]) == gaps.tolist()
    assert (filled.get_xdata() > 1).all()
    assert axes.get_xlabel() == "difference in score [points]"
    assert axes.get_title(loc="left") == "harmonic − standard"
    assert [text.get_text() for text in axes.get_yticklabels()] == (names if n <= 25 else [])
    assert_texts_inside_and_apart(figure)


def levels(values, variant="harmonic", metric="mean_return", **columns):
    mean = np.arange(len(values), dtype=float)
    frame = {"metric": metric, "variant": variant, "level": values, "mean": mean, "n": 5}
    frame |= {"low": mean - 1, "high": mean + 1, "chosen": mean == 0, "edge": mean == 0}
    return pd.DataFrame(frame | columns)


@pytest.mark.parametrize(
    "values", [["constant", "exponential", "inverse", "linear"], [*np.geomspace(1e-6, 1e3, 60)]]
)
def test_levels_have_a_point_each_the_chosen_one_a_ring_and_value_bias_a_panel(values):
    lines = {"mean": 0.5, "chosen": False, "edge": False}
    parts = [levels(values), levels([None], "standard", **lines), levels(values, metric="q_bias")]
    labels = {"mean_return": "score [points]", "q_bias": "bias [points]"}
    figure = levels_chart(pd.concat(parts), hyperparameter="eps_shift", labels=labels, **TEXTS)
    assert [axes.get_title(loc="left") for axes in figure.axes] == list(labels.values())
    axes, bias = figure.axes
    assert axes.get_xlabel() == "eps_shift [reward units]"
    assert [line.get_ydata().tolist() for line in axes.lines] == [
        list(range(len(values))),
        [0.5, 0.5],
    ]
    assert [line.get_ydata().tolist() for line in bias.lines][1:] == [[0, 0]]
    for panel in figure.axes:
        rings = [of.get_offsets()[:, 1].tolist() for of in panel.collections]
        assert [0.0] in rings
    assert_texts_inside_and_apart(figure)


def plane(variant, means, differences=None):
    rows = [
        (variant, x, y, 5, means[i][j], differences[i][j] if differences else np.nan)
        for i, y in enumerate([0.001, 10.0])
        for j, x in enumerate([0.1, 0.2, 0.5])
    ]
    return pd.DataFrame(rows, columns=["variant", "x", "y", "n", "mean", "difference"])


def test_heat_maps_share_their_colours_and_differences_diverge_about_0():
    ours = [[2, 2, 2], [9, 5, 5]], [[1, 0, -1], [5, 0, -1]]
    frame = pd.concat([plane("standard", [[1, 2, 3], [4, 5, 6]]), plane("harmonic", *ours)])
    names = {"x_name": "alpha", "y_name": "eps_shift", "baseline": "standard"}
    figure = heat_chart(frame, **names, **TEXTS)
    maps = [axes for axes in figure.axes if axes.get_xlabel()]
    titles = [axes.get_title(loc="left") for axes in maps]
    assert titles == ["standard", "harmonic", "harmonic − standard"]
    first, second, gap = (axes.images[0] for axes in maps)
    assert first.get_array().tolist() == [[1, 2, 3], [4, 5, 6]]
    assert first.get_clim() == second.get_clim()
    assert gap.get_array().tolist() == ours[1]
    assert gap.get_clim() == (-5, 5)
    assert [text.get_text() for text in maps[0].texts] == ["1", "2", "3", "4", "5", "6"]
    assert maps[0].get_ylabel() == "eps_shift [reward units]"
    assert_texts_inside_and_apart(figure)


def test_importance_marks_what_is_no_more_than_noise():
    rows = [
        ("standard", "alpha", 0.0, True),
        ("harmonic", "alpha", 0.7, False),
        ("harmonic", "alpha × eps_shift", 0.2, False),
    ]
    frame = pd.DataFrame(rows, columns=["variant", "factor", "share", "noise"])
    figure = importance_chart(frame, **TEXTS)
    (axes,) = figure.axes
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([0, 70, 20])
    said = [text.get_text() for text in axes.texts]
    assert said == ["0 %  standard (noise)", "70 %  harmonic", "20 %  harmonic"]
    assert_texts_inside_and_apart(figure)


@pytest.mark.parametrize(
    ("n_envs", "name"),
    [(1, "Env-v"), (12, "Env-v"), (2, "of a hundred letters " * 5), (2, "N" * 300)],
)
def test_health_shows_what_is_done_failed_and_missing(n_envs, name):
    rows = [
        (f"{i} {name}", variant, 1200, failed, 7, 0.001, 0.01, 0.2)
        for i in range(n_envs)
        for variant, failed in (("standard", 0), ("harmonic", 3))
    ]
    columns = ["env", "variant", "done", "failed", "missing"]
    columns += ["seconds_low", "seconds_median", "seconds_high"]
    figure = health_chart(pd.DataFrame(rows, columns=columns), **TEXTS)
    left, right = figure.axes
    assert [bar.get_width() for bar in left.patches] == [1200, 0, 7, 1200, 3, 7] * n_envs
    said = [text.get_text() for text in left.texts]
    assert said[:2] == ["1,200, 7 missing", "1,200, 3 failed, 7 missing"]
    assert right.get_title(loc="left") == "training [s]"
    assert_texts_inside_and_apart(figure)


def test_health_without_a_plan_and_without_a_done_trial():
    row = {"env": "A", "variant": "standard", "done": 0, "failed": 2, "missing": pd.NA}
    row |= {"seconds_low": np.nan, "seconds_median": np.nan, "seconds_high": np.nan}
    assert_texts_inside_and_apart(health_chart(pd.DataFrame([row]), **TEXTS))
