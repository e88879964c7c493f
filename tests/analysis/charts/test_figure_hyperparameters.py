"""All figures over hyperparameters and of the mechanism: drawn, legible, honest."""

import numpy as np
import pytest
from figure_checks import assert_texts_inside_and_apart, words

from hq_ray.analysis.charts.figure_heat import heat_figure
from hq_ray.analysis.charts.figure_importance import (
    FURTHER,
    REMAINDER,
    complete_shares,
    importance_figure,
)
from hq_ray.analysis.charts.figure_levels import Quantity, levels_figure
from hq_ray.analysis.charts.figure_mechanism import (
    fixed_point_figure,
    mechanism_figure,
    step_figure,
)
from hq_ray.analysis.charts.heat_cells import Cells, cell_text
from hq_ray.analysis.charts.level_lines import Series
from hq_ray.errors import InputError

ALPHAS = [0.01, 0.05, 0.1, 0.2, 0.5, 1.0]
SHIFTS = [1e-6, 1e-3, 0.01, 0.1, 1.0, 10.0, 100.0, 1e3]
LONG = 'VelocityGrid-v0 {"max_speed": 2, "slip_prob": 0.25, "width": 12, "goal_reward": 100}'
ENVS = ["CliffWalking-v1", LONG, "Frozen$Lake_v1"]
NAMES = {"title": "A title with $_x$", "caption": ["n = 10 seeds, 95 % t.", "data 1a2b"]}
SCORE = "final return [reward units]"


def series(levels, seed=0, n=10, mean=None, tuned=None):
    if mean is None:
        mean = -15 + np.random.default_rng(seed).normal(0, 3, len(levels))
    mean = np.array(mean, dtype=float)
    return Series(levels, mean, mean - 1, mean + 2, n, tuned or levels[0])


def level(mean, n=10):
    return Series(None, *np.array([[mean], [mean - 1], [mean + 1]]), n)


def table(levels, n_envs=2, variants=("standard", "harmonic")):
    names = ENVS[:n_envs] if n_envs <= 3 else map(str, range(n_envs))
    return {
        env: {v: series(levels, 7 * i + j) for j, v in enumerate(variants)}
        for i, env in enumerate(names)
    }


def over_levels(scores, name="alpha", **rows):
    quantities = [Quantity(SCORE, scores), *rows.values()]
    return levels_figure(quantities, hyperparameter=name, **NAMES)


def over_shift(n_envs, at=-14.0):
    rows = table(SHIFTS, n_envs, ("harmonic",))
    return {e: of | {"standard": level(at), "minimum": level(at - 4)} for e, of in rows.items()}


def cells(n_x, n_y, scale=20.0):
    rng = np.random.default_rng(3)
    first, second = -30 + rng.normal(0, scale, (2, n_y, n_x))
    first[0, 0] = np.nan
    x_levels = np.geomspace(0.01, 1, n_x).round(4).tolist()
    y_levels = (np.arange(n_y) * 500 + 500).tolist()
    return Cells(x_levels, y_levels, first, second, np.abs(second - first) > scale)


def heat(given):
    names = {"x_name": "alpha", "y_name": "eps_decay_episodes", "score_label": SCORE}
    return heat_figure(given, variants=("standard", "harmonic"), **names, **NAMES)


SHARES = {
    "standard": {"alpha": 0.6, "eps_decay_episodes": 0.1, "alpha × eps_decay_episodes": 0.05},
    "harmonic": {"alpha": 0.1, "eps_shift": 0.5, "alpha × eps_shift": 0.0},
}
GRID = np.sinh(np.linspace(-6, 6, 50))
FIXED = {
    "eps_shift": np.array(SHIFTS),
    "theory": np.linspace(-11, -2, 8),
    "approximation": np.linspace(-99, -2, 8),
    "simulated": ([1.0, 10.0], [-8.0, -3.0]),
    "mean": -2.0,
    "least": -11.0,
}
ALL = {
    "one problem": lambda: over_levels(table(ALPHAS, 1)),
    "three problems": lambda: over_levels(table(ALPHAS, 3)),
    "four variants": lambda: over_levels(table(ALPHAS, 4, "abcd")),
    "30 levels": lambda: over_levels(table(np.geomspace(1e-6, 1e3, 30).tolist()), "eps_shift"),
    "words": lambda: over_levels(table(["linear", "exponential", "inverse"]), "eps_schedule"),
    "eps_shift": lambda: over_levels(
        over_shift(3), "eps_shift", bias=Quantity("bias", over_shift(3, 0.0), zero=True)
    ),
    "heat": lambda: heat({"CliffWalking-v1": cells(7, 5), LONG: cells(3, 2)}),
    "12 x 12": lambda: heat({"CliffWalking-v1": cells(12, 12)}),
    "30 x 20": lambda: heat({LONG: cells(30, 20)}),
    "importance": lambda: importance_figure(dict.fromkeys(ENVS, SHARES), **NAMES),
    "mechanism": lambda: mechanism_figure(
        error=GRID, ratios={f"alpha {a}": np.exp(-a * GRID / 99) for a in (0.1, 0.5)}, **NAMES
    ),
    "step": lambda: step_figure(
        delta=GRID,
        steps={"standard": GRID / 5, "minimum": np.minimum(GRID, 0), "eps_shift 1": GRID},
        **NAMES,
    ),
    "fixed point": lambda: fixed_point_figure(**FIXED, **NAMES),
}


@pytest.mark.parametrize("name", ALL)
def test_every_figure_is_legible(name):
    figure = ALL[name]()
    assert_texts_inside_and_apart(figure)
    assert "data 1a2b" in words(figure)


def drawn_lines(axes):
    return [line for line in axes.lines if line.get_xydata().shape[0] > 2]


# Levels


def test_lines_have_the_data_sorted_along_the_axis():
    given = series([0.5, 0.01, 0.1], mean=[1.0, 2.0, 3.0], tuned=0.1)
    figure = over_levels({"e": {"standard": given}})
    lines = drawn_lines(figure.axes[0])
    assert [line.get_xdata().tolist() for line in lines] == [[0.01, 0.1, 0.5]]
    assert lines[0].get_ydata().tolist() == [2, 3, 1]
    (ring,) = [line for line in figure.axes[0].lines if line.get_markersize() == 12]
    assert ring.get_xydata().tolist() == [[0.1, 3.0]]
    assert figure.axes[0].get_xscale() == "log"


def test_degenerate_series_draw_and_are_told():
    missing = np.full(2, np.nan)
    alone = Series([0.1, 0.2], np.array([3.0, 4.0]), missing, missing, 1, 0.1)
    figure = over_levels({"e": {"standard": alone}})
    assert "n = 1: no interval for standard." in words(figure)
    assert_texts_inside_and_apart(figure)
    holes = series([0.1, 0.2, 0.3], mean=[np.nan, 2.0, np.nan])
    figure = over_levels({"e": {"standard": holes, "minimum": level(float("nan"))}})
    assert "Missing: standard in e at 2 of 3, minimum in e at 1 of 1." in words(figure)
    assert_texts_inside_and_apart(figure)
    flat = Series(ALPHAS, *np.zeros((3, 6)), 5)
    assert_texts_inside_and_apart(over_levels({"e": {"standard": flat}}))


def test_a_collapse_leaves_the_axis_and_is_told():
    fallen = series(ALPHAS, mean=[-13.0, -14, -15, -16, -20, -48000])
    figure = over_levels({"e": {"standard": fallen}})
    assert figure.axes[0].get_ylim()[0] > -100
    assert "Off scale (triangles): standard at 1 in e -48,000." in words(figure)
    mild = series(ALPHAS, mean=[-13.0, -14, -15, -16, -20, -100])
    figure = over_levels({"e": {"standard": mild}})
    assert figure.axes[0].get_ylim()[0] < -100
    assert "Off scale" not in words(figure)


def test_uneven_numbers_of_seeds_are_told():
    rows = {"a": {"standard": series(ALPHAS, n=5)}, "b": {"standard": series(ALPHAS, n=4)}}
    text = words(over_levels(rows))
    assert "Seeds: standard 5 in a, standard 4 in b." in text
    assert "(n =" not in text


def test_limits_are_level_lines_with_names_and_zero_is_in_sight():
    bias = Quantity("bias", over_shift(1, 0.0), zero=True)
    figure = levels_figure(
        [Quantity(SCORE, over_shift(1)), bias],
        hyperparameter="eps_shift",
        names={"standard": "standard, limit ∞"},
        **NAMES,
    )
    assert "standard, limit ∞ (n = 10)" in words(figure)
    assert {-14.0, -18.0} <= {float(line.get_ydata()[0]) for line in figure.axes[0].lines}
    low, high = figure.axes[1].get_ylim()
    assert low < 0 < high


def test_a_quantity_without_series_is_left_out_and_an_empty_panel_says_so():
    only = Quantity("bias", {"e": {"standard": series(ALPHAS)}}, zero=True)
    assert len(over_levels({}, bias=only).axes) == 1
    other = Quantity("bias", {"b": {"standard": level(1.0)}}, zero=True)
    figure = over_levels({"a": {"standard": series(ALPHAS)}}, bias=other)
    assert len(figure.axes) == 4
    assert words(figure).count("no data") == 2
    assert_texts_inside_and_apart(figure)
    for empty in ({}, {"e": {}}):
        with pytest.raises(InputError, match="given none"):
            over_levels(empty)


# Heat


def test_every_cell_has_its_number_or_is_hatched():
    figure = heat({"e": cells(4, 3)})
    first, _, difference = figure.axes
    numbers = [text.get_text() for text in first.texts if text.get_text() != "e"]
    given = cells(4, 3)
    expected = [cell_text(value, 0) for value in given.first.ravel() if np.isfinite(value)]
    assert numbers == expected
    assert len(numbers) == 11
    assert len([patch for patch in first.patches if patch.get_hatch()]) == 1
    assert len(difference.lines) == given.significant.sum()


def test_both_variants_share_their_colours_and_zero_is_the_middle_of_the_difference():
    meshes = [axes.collections[0] for axes in heat({"e": cells(4, 3)}).axes]
    assert meshes[0].get_clim() == meshes[1].get_clim()
    low, high = meshes[2].get_clim()
    assert low == -high


def test_one_collapsed_cell_does_not_take_all_colours():
    fallen = cells(6, 5, scale=2.0)
    fallen.second[2, 2] = -48000
    figure = heat({"e": fallen})
    assert figure.axes[0].collections[0].get_clim()[0] > -500
    assert "-48k" in words(figure)


def test_degenerate_cells_draw():
    for value in (1.0, np.nan):
        one = Cells([0.1], [None], np.array([[value]]), np.ones((1, 1)), np.zeros((1, 1), bool))
        assert_texts_inside_and_apart(heat({"e": one}))


@pytest.mark.parametrize(
    ("value", "decimals", "signed", "text"),
    [
        (-13.44, 1, False, "-13.4"),
        (0.2, 1, True, "+0.2"),
        (-0.04, 1, True, "0.0"),
        (-48211.0, 0, False, "-48k"),
        (3.2e6, 0, True, "+3M"),
        (9999.0, 0, False, "9999"),
        (float("nan"), 1, False, ""),
    ],
)
def test_cell_texts(value, decimals, signed, text):
    assert cell_text(value, decimals, signed) == text


# Importance


def test_shares_are_sorted_and_completed():
    read = complete_shares(SHARES)
    assert list(read["standard"])[:3] == ["alpha", "eps_shift", "eps_decay_episodes"]
    assert read["standard"][REMAINDER] == pytest.approx(0.25)
    assert np.isnan(read["standard"]["eps_shift"])


def test_many_terms_are_added_up():
    read = complete_shares({"standard": {f"h{i}": (20 - i) / 1000 for i in range(20)}})["standard"]
    assert len(read) == 14
    assert read[FURTHER] == pytest.approx(sum(range(1, 9)) / 1000)
    assert sum(read.values()) == pytest.approx(1)


def test_bars_have_the_shares_and_numbers():
    figure = importance_figure({"e": {"harmonic": {"alpha": 0.5, "eps_shift": 0.02}}}, **NAMES)
    assert [bar.get_width() for bar in figure.axes[0].patches] == pytest.approx([50, 2, 48])
    assert "50 % harmonic" in words(figure)
    assert "2.0 %" in words(figure)
    assert_texts_inside_and_apart(figure)


# Mechanism


def test_lines_of_the_mechanism_have_the_data():
    figure = ALL["mechanism"]()
    assert figure.axes[0].get_xscale() == "asinh"
    assert np.array_equal(drawn_lines(figure.axes[0])[0].get_ydata(), np.exp(-0.1 * GRID / 99))


def test_simulated_points_and_limits_of_the_fixed_point():
    figure = ALL["fixed point"]()
    points = [line for line in figure.axes[0].lines if line.get_markersize() == 6]
    spots = [line.get_xydata().tolist() for line in points]
    assert [[1.0, -8.0], [10.0, -3.0]] in spots
    assert figure.axes[0].get_ylim()[0] > -15
