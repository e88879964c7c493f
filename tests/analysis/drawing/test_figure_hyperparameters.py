"""All figures over hyperparameters and of the mechanism: drawn, redrawn, legible, honest."""

import json

import numpy as np
import pytest

from hq_ray.analysis.drawing.figure_heat import heat_figure
from hq_ray.analysis.drawing.figure_importance import (
    FURTHER,
    REMAINDER,
    complete_shares,
    importance_figure,
)
from hq_ray.analysis.drawing.figure_mechanism import (
    fixed_point_figure,
    mechanism_figure,
    step_figure,
)
from hq_ray.analysis.drawing.figure_sensitivity import (
    dimensionality_figure,
    eps_shift_figure,
    sensitivity_figure,
    sensitivity_plane_figure,
)
from hq_ray.analysis.drawing.figure_values import value_figure
from hq_ray.analysis.drawing.heat_cells import cell_text, read_cells
from hq_ray.errors import InputError

ALPHAS = [0.01, 0.05, 0.1, 0.2, 0.5, 1.0]
SHIFTS = [1e-6, 1e-3, 0.01, 0.1, 1.0, 10.0, 100.0, 1e3]
LONG = 'VelocityGrid-v0 {"max_speed": 2, "slip_prob": 0.25, "width": 12, "goal_reward": 100}'
ENVS = ["CliffWalking-v1", LONG, "Frozen$Lake_v1"]


def series(levels, seed=0, n=10):
    mean = -15 + np.random.default_rng(seed).normal(0, 3, len(levels))
    ends = {"low": mean - 1, "high": mean + 2}
    return {"levels": levels, "mean": mean, **ends, "tuned": levels[1], "n": n}


def level(mean, n=10):
    return {"levels": None, "mean": [mean], "low": [mean - 1], "high": [mean + 1], "n": n}


def table(levels, n_envs=2, variants=("standard", "harmonic")):
    return {
        env: {v: series(levels, 7 * i + j) for j, v in enumerate(variants)}
        for i, env in enumerate((ENVS * 3)[:n_envs] if n_envs <= 3 else map(str, range(n_envs)))
    }


def over_shift(n_envs, at=-14.0):
    rows = table(SHIFTS, n_envs, ("harmonic",))
    return {e: of | {"standard": level(at), "minimum": level(at - 4)} for e, of in rows.items()}


def cells(n_x, n_y, scale=20.0):
    rng = np.random.default_rng(3)
    first, second = -30 + rng.normal(0, scale, (2, n_y, n_x))
    first[0, 0] = np.nan
    return {
        "x_levels": np.geomspace(0.01, 1, n_x).round(4),
        "y_levels": np.arange(n_y)[::-1] * 500 + 500,
        "first": first,
        "second": second,
        "significant": np.abs(second - first) > scale,
    }


NAMES = {"score_label": "final return [reward units]", "title": "A title with $_x$"}
HEAT = {**NAMES, "x_name": "alpha", "y_name": "eps_decay_episodes"}
SHARES = {
    "standard": {"alpha": 0.6, "eps_decay_episodes": 0.1, "alpha x eps_decay_episodes": 0.05},
    "harmonic": {"alpha": 0.1, "eps_shift": 0.5, "alpha x eps_shift": -0.01, "gamma": None},
}
POINT = {"phi": 0.1, "phi_low": 0.05, "phi_high": 0.2, "score": 0.8}
EFFORT = {"n_tuned": [0, 1, 2], "score": [0.5, 0.7, 0.8], "low": [0.4, 0.6, 0.7], "target": 0.76}
GRID = np.sinh(np.linspace(-6, 6, 50))
DENSITY = {"edges": np.linspace(-5, 5, 11), "share": np.full(10, 0.1)}
FIXED = {"eps_shift": SHIFTS, "theory": np.linspace(-11, -2, 8), "title": "Fixed point"}
CALLS = {
    "one env": (sensitivity_figure, {"scores": table(ALPHAS, 1), "hyperparameter": "alpha"}),
    "three envs": (sensitivity_figure, {"scores": table(ALPHAS, 3), "hyperparameter": "alpha"}),
    "four variants": (
        sensitivity_figure,
        {"scores": table(ALPHAS, 4, "abcd"), "hyperparameter": "alpha"},
    ),
    "30 levels": (
        sensitivity_figure,
        {"scores": table(np.geomspace(1e-6, 1e3, 30).tolist()), "hyperparameter": "eps_shift"},
    ),
    "words": (
        sensitivity_figure,
        {"scores": table(["linear", "exponential", "inverse"]), "hyperparameter": "eps_schedule"},
    ),
    "eps_shift": (
        eps_shift_figure,
        {
            "scores": over_shift(3),
            "bias": over_shift(3, 0.0),
            "median_abs_error": {"CliffWalking-v1": 0.3, LONG: 1e-4, "Frozen$Lake_v1": None},
        },
    ),
    "values": (
        value_figure,
        {
            "policy_gap": over_shift(2),
            "bias": over_shift(2),
            "hyperparameter": "eps_shift",
            "title": "Values",
        },
    ),
    "heat": (heat_figure, {"cells": {"CliffWalking-v1": cells(7, 5), LONG: cells(3, 2)}} | HEAT),
    "12 x 12": (heat_figure, {"cells": {"CliffWalking-v1": cells(12, 12)}} | HEAT),
    "30 x 20": (heat_figure, {"cells": {LONG: cells(30, 20)}} | HEAT),
    "plane": (
        sensitivity_plane_figure,
        {"points": dict.fromkeys(("standard", "harmonic", "minimum", "asymmetric"), POINT)},
    ),
    "effort": (dimensionality_figure, {"curves": {"standard": EFFORT, "harmonic": EFFORT}}),
    "importance": (importance_figure, {"shares": dict.fromkeys(ENVS, SHARES), "title": "Shares"}),
    "mechanism": (
        mechanism_figure,
        {
            "error": GRID,
            "ratios": {f"alpha {a}": np.exp(-a * GRID / 99) for a in (0.1, 0.5)},
            "density": DENSITY,
            "title": "Mechanism",
        },
    ),
    "step": (
        step_figure,
        {
            "delta": GRID,
            "steps": {"standard": GRID / 5, "minimum": np.minimum(GRID, 0), "eps_shift 1": GRID},
            "title": "Step",
        },
    ),
    "fixed point": (
        fixed_point_figure,
        FIXED
        | {
            "approximation": np.linspace(-99, -2, 8),
            "simulated": {"eps_shift": [1.0, 10.0], "q_value": [-8.0, -3.0]},
            "mean": -2.0,
            "least": -11.0,
        },
    ),
}


def call(name, **changes):
    draw, arguments = CALLS[name]
    names = {key: text for key, text in NAMES.items() if key in draw.__annotations__}
    return draw(**(names | arguments | changes))


def pixels(figure):
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())


def as_lists(value):
    if isinstance(value, dict):
        return {key: as_lists(of) for key, of in value.items()}
    if isinstance(value, np.ndarray):
        return as_lists(value.tolist())
    if isinstance(value, (list, tuple)):
        return [as_lists(of) for of in value]
    return None if isinstance(value, float) and np.isnan(value) else value


def texts_of(figure):
    texts = list(figure.texts)
    for axes in figure.axes:
        texts += [*axes.texts, axes.xaxis.label, axes.yaxis.label]
        for part in (axes, *axes.child_axes):
            texts += [*part.get_xticklabels(), *part.get_yticklabels()]
    return [text for text in texts if text.get_text() and text.get_visible()]


def words(figure):
    return " ".join(text.get_text() for text in texts_of(figure))


def assert_legible(figure):
    """No text leaves the figure; no two texts overlap; none is read as mathematics."""
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    texts = texts_of(figure)
    boxes = [text.get_window_extent(renderer) for text in texts]
    for i, box in enumerate(boxes):
        assert box.x0 >= 0, texts[i]
        assert box.y0 >= 0, texts[i]
        assert box.x1 <= figure.bbox.x1, texts[i]
        assert box.y1 <= figure.bbox.y1, texts[i]
        assert not texts[i].get_parse_math() or "$" not in texts[i].get_text()
        for j, other in enumerate(boxes[:i]):
            apart = box.x0 >= other.x1 or other.x0 >= box.x1
            # Line boxes of neighbouring lines may touch by a pixel or two of empty descent.
            apart = apart or box.y0 >= other.y1 - 3 or other.y0 >= box.y1 - 3
            assert apart, (texts[i], texts[j])


def drawn_lines(axes):
    return [line for line in axes.lines if line.get_xydata().shape[0] > 2]


@pytest.mark.parametrize("name", CALLS)
def test_every_figure_is_legible_and_the_same_from_json(name):
    figure = call(name, caption=["n = 10 seeds, 95 % t.", "data 1a2b"])
    assert_legible(figure)
    assert "data 1a2b" in words(figure)
    again = json.loads(json.dumps(as_lists(CALLS[name][1])))
    redrawn = call(name, **again, caption=["n = 10 seeds, 95 % t.", "data 1a2b"])
    assert np.array_equal(pixels(figure), pixels(redrawn))


# Levels


def test_lines_have_the_data_sorted_along_the_axis():
    given = {"levels": [0.5, 0.01, 0.1], "mean": [1.0, 2.0, 3.0], "tuned": 0.1}
    figure = call("one env", scores={"e": {"standard": given}})
    lines = drawn_lines(figure.axes[0])
    assert [line.get_xdata().tolist() for line in lines] == [[0.01, 0.1, 0.5]]
    assert lines[0].get_ydata().tolist() == [2, 3, 1]
    (ring,) = [line for line in figure.axes[0].lines if line.get_markersize() == 12]
    assert ring.get_xydata().tolist() == [[0.1, 3.0]]
    assert figure.axes[0].get_xscale() == "log"


def test_degenerate_series_draw_and_are_told():
    alone = {"levels": [0.1], "mean": [3.0], "n": 1, "tuned": 0.1}
    figure = call("one env", scores={"e": {"standard": alone}})
    assert "One level only. n = 1: no interval for standard." in words(figure)
    assert_legible(figure)
    holes = {"levels": [0.1, 0.2, 0.3], "mean": [None, 2.0, None], "low": None, "n": 5}
    figure = call("one env", scores={"e": {"standard": holes, "minimum": level(float("nan"))}})
    assert "Missing: standard in e at 2 of 3, minimum in e at 1 of 1." in words(figure)
    assert_legible(figure)
    flat = {"levels": ALPHAS, "mean": [0.0] * 6, "low": [0.0] * 6, "high": [0.0] * 6}
    assert_legible(call("one env", scores={"e": {"standard": flat}, "empty": {}}))


def test_a_collapse_leaves_the_axis_and_is_told():
    fallen = {"levels": ALPHAS, "mean": [-13.0, -14, -15, -16, -20, -48000], "n": 5}
    figure = call("one env", scores={"e": {"standard": fallen}})
    assert figure.axes[0].get_ylim()[0] > -100
    assert "Off scale (triangles): standard at 1 in e -48,000." in words(figure)
    mild = fallen | {"mean": [-13.0, -14, -15, -16, -20, -100]}
    figure = call("one env", scores={"e": {"standard": mild}})
    assert figure.axes[0].get_ylim()[0] < -100
    assert "Off scale" not in words(figure)


def test_uneven_numbers_of_seeds_are_told():
    rows = {"a": {"standard": series(ALPHAS, n=5)}, "b": {"standard": series(ALPHAS, n=4)}}
    text = words(call("one env", scores=rows))
    assert "Seeds: standard 5 in a, standard 4 in b." in text
    assert "(n =" not in text


def test_limits_of_eps_shift_are_level_lines_with_names():
    figure = call("eps_shift", scores=over_shift(1), bias=over_shift(1, 0.0))
    text = words(figure)
    assert "standard, limit ∞ (n = 10)" in text
    assert "minimum, limit 0 (n = 10)" in text
    assert text.count("eps_shift / median |TD error|") == 1
    assert {-14.0, -18.0} <= {float(line.get_ydata()[0]) for line in figure.axes[0].lines}
    low, high = figure.axes[1].get_ylim()
    assert low < 0 < high


def test_the_ratio_axis_is_eps_shift_over_the_median():
    figure = call("eps_shift", scores=over_shift(1), bias=over_shift(1))
    (above,) = figure.axes[0].child_axes
    figure.canvas.draw()
    assert np.allclose(np.array(figure.axes[0].get_xlim()) / 0.3, above.get_xlim())


def test_a_quantity_without_series_is_left_out_and_an_empty_panel_says_so():
    figure = call("values", policy_gap={}, bias={"e": {"standard": series(ALPHAS)}})
    assert len(figure.axes) == 1
    gap = {"a": {"standard": series(ALPHAS)}}
    figure = call("values", policy_gap=gap, bias={"b": {"standard": level(1.0)}})
    assert len(figure.axes) == 4
    assert words(figure).count("no data") == 2
    assert_legible(figure)
    assert_legible(call("values", policy_gap={"a": {"standard": level(1.0)}}, bias={}))


def test_zero_is_in_sight_of_values():
    figure = call("values", policy_gap={"e": {"standard": series(ALPHAS)}}, bias={"e": {}})
    for axes in figure.axes:
        assert axes.get_ylim()[0] <= 0 <= axes.get_ylim()[1]


@pytest.mark.parametrize("name", ["one env", "eps_shift", "values"])
def test_nothing_to_draw_over_levels_is_refused(name):
    keys = {
        "one env": ["scores"],
        "eps_shift": ["scores", "bias"],
        "values": ["policy_gap", "bias"],
    }
    for empty in ({}, {"e": {}}):
        with pytest.raises(InputError, match="given none"):
            call(name, **dict.fromkeys(keys[name], empty))


def test_series_of_unequal_lengths_are_refused():
    bad = {"levels": [0.1, 0.2], "mean": [1.0], "low": None}
    with pytest.raises(InputError, match="one number per level; given 1, 1 and 1 for 2 levels"):
        call("one env", scores={"e": {"standard": bad}})


# Heat


def test_cells_are_sorted_and_the_difference_is_second_minus_first():
    given = {"x_levels": [2, 1], "y_levels": ["b"], "first": [[1.0, 2.0]], "second": [[5.0, 3.0]]}
    read = read_cells("e", given)
    assert read.x.texts == ("1", "2")
    assert read.first.tolist() == [[2, 1]]
    assert read.difference.tolist() == [[1, 4]]
    assert not read.significant.any()


def test_every_cell_has_its_number_or_is_hatched():
    figure = call("heat", cells={"e": cells(4, 3)})
    first, _, difference = figure.axes
    numbers = [text.get_text() for text in first.texts if text.get_text() != "e"]
    assert len(numbers) == 11
    assert len([patch for patch in first.patches if patch.get_hatch()]) == 1
    read = read_cells("e", cells(4, 3))
    expected = [cell_text(value, 0) for value in read.first.ravel() if np.isfinite(value)]
    assert numbers == expected
    assert len(difference.lines) == read.significant.sum()


def test_both_variants_share_their_colours_and_zero_is_the_middle_of_the_difference():
    meshes = [axes.collections[0] for axes in call("heat", cells={"e": cells(4, 3)}).axes]
    assert meshes[0].get_clim() == meshes[1].get_clim()
    low, high = meshes[2].get_clim()
    assert low == -high


def test_one_collapsed_cell_does_not_take_all_colours():
    fallen = cells(6, 5, scale=2.0)
    fallen["second"][2, 2] = -48000
    figure = call("heat", cells={"e": fallen})
    assert figure.axes[0].collections[0].get_clim()[0] > -500
    assert "-48k" in words(figure)


def test_degenerate_cells_draw():
    one = {"x_levels": [0.1], "y_levels": [None], "first": [[1.0]], "second": [[1.0]]}
    assert_legible(call("heat", cells={"e": one}))
    assert_legible(call("heat", cells={"e": one | {"first": [[None]]}}))
    assert "0" in words(call("heat", cells={"e": one}))


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


def test_bad_cells_are_refused():
    with pytest.raises(InputError, match="at least one environment"):
        call("heat", cells={})
    with pytest.raises(InputError, match=r"shape \(n_y, n_x\) = \(3, 4\); given 'first' of e"):
        call("heat", cells={"e": cells(4, 3) | {"first": np.zeros((4, 3))}})


# Tuning effort


def test_points_and_bars_of_the_plane():
    figure = call("plane", points={"standard": POINT, "harmonic": {"phi": None, "score": 1.0}})
    bars = [line.get_xydata().tolist() for line in figure.axes[0].lines]
    assert [[0.05, 0.8], [0.2, 0.8]] in bars
    assert [[0.1, 0.8]] in bars
    assert "Missing: harmonic." in words(figure)
    with pytest.raises(InputError, match="at least one variant"):
        call("plane", points={})


def test_the_ring_is_at_the_fewest_that_reach_the_target():
    figure = call("effort", curves={"standard": EFFORT})
    rings = [line for line in figure.axes[0].lines if line.get_markersize() == 12]
    assert [ring.get_xydata().tolist() for ring in rings] == [[[2.0, 0.8]]]
    never = EFFORT | {"target": 0.9, "score": [0.5, None, 0.8]}
    figure = call("effort", curves={"standard": never})
    assert not [line for line in figure.axes[0].lines if line.get_markersize() == 12]
    assert "Missing in part: standard." in words(figure)


def test_bad_effort_is_refused():
    with pytest.raises(InputError, match="at least one variant"):
        call("effort", curves={})
    with pytest.raises(InputError, match="one number per n_tuned"):
        call("effort", curves={"standard": EFFORT | {"score": [1.0]}})


# Importance


def test_shares_are_sorted_and_completed():
    read = complete_shares(SHARES)
    assert list(read["standard"])[:3] == ["alpha", "eps_shift", "eps_decay_episodes"]
    assert read["standard"][REMAINDER] == pytest.approx(0.25)
    assert np.isnan(read["standard"]["eps_shift"])
    assert np.isnan(read["harmonic"][REMAINDER])


def test_many_terms_are_added_up():
    read = complete_shares({"standard": {f"h{i}": (20 - i) / 1000 for i in range(20)}})["standard"]
    assert len(read) == 14
    assert read[FURTHER] == pytest.approx(sum(range(1, 9)) / 1000)
    assert sum(read.values()) == pytest.approx(1)


def test_bars_have_the_shares_and_numbers():
    figure = call("importance", shares={"e": {"harmonic": {"alpha": 0.5, "eps_shift": 0.02}}})
    assert [bar.get_width() for bar in figure.axes[0].patches] == pytest.approx([50, 2, 48])
    text = words(figure)
    assert "50 % harmonic" in text
    assert "2.0 %" in text
    assert_legible(figure)


def test_no_shares_are_refused():
    for empty in ({}, {"e": {}}, {"e": {"standard": {}}}):
        with pytest.raises(InputError, match="at least one share"):
            call("importance", shares=empty)


# Mechanism


def test_lines_of_the_mechanism_have_the_data():
    figure = call("mechanism")
    assert figure.axes[0].get_xscale() == "asinh"
    drawn = drawn_lines(figure.axes[0])
    assert np.array_equal(drawn[0].get_ydata(), np.exp(-0.1 * GRID / 99))
    assert "highest bin holds 10 %" in words(figure)


def test_simulated_points_and_limits_of_the_fixed_point():
    figure = call("fixed point")
    points = [line for line in figure.axes[0].lines if line.get_markersize() == 6]
    spots = [line.get_xydata().tolist() for line in points]
    assert [[1.0, -8.0], [10.0, -3.0]] in spots
    assert figure.axes[0].get_ylim()[0] > -15
    assert_legible(fixed_point_figure(**FIXED))


def test_bad_mechanisms_are_refused():
    with pytest.raises(InputError, match="at least one line"):
        call("mechanism", ratios={})
    with pytest.raises(InputError, match="one number per position; given 3 for 50 in 'a'"):
        call("step", steps={"a": [1, 2, 3]})
    with pytest.raises(InputError, match="one edge more"):
        call("mechanism", density={"edges": [0, 1], "share": [0.5, 0.5]})
    with pytest.raises(InputError, match="eps_shift must be > 0"):
        call("fixed point", eps_shift=np.linspace(-1, 1, 8))
