import numpy as np
import pytest
from figure_checks import assert_same_from_json, assert_texts_inside_and_apart, words
from matplotlib.patches import Polygon

from hq_ray.analysis.drawing.figure_profiles import budget_figure, count_ticks, profile_figure
from hq_ray.analysis.drawing.score_entries import focused
from hq_ray.analysis.drawing.style import KNOWN_STYLES
from hq_ray.errors import InputError

ENVS = ("CliffWalking-v1", "FrozenLake-v1", "Taxi-v4", 'VelocityGrid-v0 {"max_speed": 2}')
LABEL = "final return [reward units]"
TEXT = {"title": "From $1 to $2", "caption": ["95 % bootstrap", "data 3f2a_91c0"]}


def profile(scores, n_points=60, band=True):
    tau = np.linspace(np.min(scores), np.max(scores), n_points) if n_points else np.unique(scores)
    share = (np.asarray(scores)[:, None] > tau).mean(axis=0)
    edges = {"low": np.maximum(share - 0.1, 0), "high": np.minimum(share + 0.1, 1)} if band else {}
    return {"tau": tau, "share": share} | edges


def draw_profiles(profiles, **changes):
    return profile_figure(**({"profiles": profiles, "score_label": LABEL} | TEXT | changes))


def drawn(axes, x, y):
    return any(
        np.array_equal(line.get_xdata(), x) and np.array_equal(line.get_ydata(), y)
        for line in axes.lines
    )


def test_a_profile_is_a_step_line_that_falls_right_of_each_tau():
    line = profile([1.0, 2.0, 5.0])
    axes = draw_profiles({"Taxi-v4": {"standard": line}}).axes[0]
    assert drawn(axes, line["tau"], line["share"])
    styles = [item.get_drawstyle() for item in axes.lines if len(item.get_xdata()) == 60]
    assert styles == ["steps-post"]
    (band,) = [artist for artist in axes.get_children() if isinstance(artist, Polygon)]
    corners = {tuple(corner) for corner in band.get_xy()}
    # The band is constant between two taus, as the line is.
    edge = line["low"][17]
    assert {(line["tau"][17], edge), (line["tau"][18], edge)} <= corners


@pytest.mark.parametrize("n_envs", [1, 2, 4])
@pytest.mark.parametrize("variants", [1, 2, 4])
def test_profiles_keep_their_texts_apart(n_envs, variants):
    rng = np.random.default_rng(0)
    names = [*KNOWN_STYLES][:variants]
    rows = {
        env: {name: profile(rng.normal(-1e4, 9, 30)) for name in names} for env in ENVS[:n_envs]
    }
    figure = draw_profiles(rows)
    assert_texts_inside_and_apart(figure)
    assert len(figure.axes) == n_envs
    for name in names:
        assert words(figure).count(name) == 1


def test_flavours_share_a_page_and_come_from_json():
    rng = np.random.default_rng(0)
    rows = {
        "over seeds at the tuned configuration": {"standard": profile(rng.normal(0, 1, 9))},
        "over configurations": {"standard": profile(-np.exp(rng.normal(2, 3, 300)), 0)},
    }
    labels = {panel: f"{LABEL} {i}" for i, panel in enumerate(rows)}
    figure = draw_profiles(rows, score_label=labels, runs="runs or configurations")
    assert_texts_inside_and_apart(figure)
    assert [axes.get_xlabel() for axes in figure.axes] == [
        f"tau: {text}" for text in labels.values()
    ]
    assert "off scale: over configurations (to -" in words(figure)
    assert_same_from_json(profile_figure, profiles=rows, score_label=labels, **TEXT)


def test_degenerate_profiles_draw_and_are_told():
    rows = {
        "a": {"standard": {"tau": [-13.0], "share": [0.0]}},
        "b": {
            "standard": {"tau": [None, None], "share": [None, 1.0]},
            "harmonic": profile([3.0] * 4),
        },
    }
    figure = draw_profiles(rows)
    assert_texts_inside_and_apart(figure)
    assert "nothing to draw: b (standard)" in words(figure)
    assert "no band: a (standard); b (standard)" in words(figure)


def test_profiles_without_data_are_refused():
    with pytest.raises(InputError, match="at least one environment"):
        draw_profiles({})
    with pytest.raises(InputError, match="at least one variant"):
        draw_profiles({"Taxi-v4": {}})
    with pytest.raises(InputError, match="no 'share'; did you mean 'shares'"):
        draw_profiles({"Taxi-v4": {"standard": {"tau": [1.0], "shares": [1.0]}}})
    with pytest.raises(InputError, match="tau 2, share 1"):
        draw_profiles({"Taxi-v4": {"standard": {"tau": [1.0, 2.0], "share": [1.0]}}})


def budget(n, best=-14.0, worst=-90.0):
    tried = np.arange(1, n + 1)
    score = best - (best - worst) * tried**-1.3
    return {"n_tried": tried, "score": score, "low": score - 1, "high": score + 1}


def draw_budgets(budgets, **changes):
    return budget_figure(**({"budgets": budgets, "score_label": LABEL} | TEXT | changes))


def test_budget_lines_are_the_given_and_end_at_their_own_grid():
    lines = {"standard": budget(12), "harmonic": budget(120)}
    figure = draw_budgets({"Taxi-v4": lines}, equal_budget=12)
    axes = figure.axes[0]
    assert axes.get_xscale() == "log"
    for line in lines.values():
        assert drawn(axes, line["n_tried"], line["score"])
    assert any(list(line.get_xdata()) == [12, 12] for line in axes.lines)
    assert "vertical line: equal budget of 12" in words(figure)


def test_equal_budgets_may_differ_by_environment():
    rows = {env: {"standard": budget(30)} for env in ENVS[:3]}
    figure = draw_budgets(rows, equal_budget={ENVS[0]: 10, ENVS[1]: 20})
    assert f"equal budget: {ENVS[0]} (10); {ENVS[1]} (20)" in words(figure)
    vertical = [sum(len(set(line.get_xdata())) == 1 for line in axes.lines) for axes in figure.axes]
    assert vertical == [1, 1, 0]


@pytest.mark.parametrize(
    "sizes", [(30, 30), (1, 1), (12, 250), (5, 40, 2000), (1, 30, 400, 25_000)]
)
@pytest.mark.parametrize("n_envs", [1, 4])
def test_budgets_keep_their_texts_apart(n_envs, sizes):
    lines = dict(zip(KNOWN_STYLES, map(budget, sizes), strict=False))
    figure = draw_budgets(dict.fromkeys(ENVS[:n_envs], lines), equal_budget=5)
    assert_texts_inside_and_apart(figure)
    for name in lines:
        assert name in words(figure)


def test_terrible_scores_of_the_first_few_leave_the_axis_and_are_told():
    figure = draw_budgets({"Taxi-v4": {"standard": budget(200, worst=-20_000)}})
    assert figure.axes[0].get_ylim()[0] > -2000
    assert "off scale: Taxi-v4 (to -20,000)" in words(figure)


def test_degenerate_budgets_draw_are_told_and_come_from_json():
    rows = {
        "a": {"standard": {"n_tried": [1], "score": [-13.0]}},
        "b": {"standard": {"n_tried": [1, 2], "score": [None, None]}, "harmonic": budget(9)},
        "c": {"standard": {"n_tried": [1, 2, 3], "score": [-13.0] * 3}},
    }
    figure = draw_budgets(rows)
    assert_texts_inside_and_apart(figure)
    for text in (
        "one point only: a (standard)",
        "nothing to draw: b (standard)",
        "no interval: a ",
    ):
        assert text in words(figure)
    arguments = {"budgets": rows, "score_label": LABEL, "equal_budget": {"a": 1, "b": None}}
    assert_same_from_json(budget_figure, **arguments, **TEXT)


def test_budgets_below_one_are_refused():
    with pytest.raises(InputError, match="must be 1 or more; given 0"):
        draw_budgets({"Taxi-v4": {"standard": {"n_tried": [0, 1], "score": [1.0, 2.0]}}})
    with pytest.raises(InputError, match="at least one environment"):
        draw_budgets({})


def test_count_ticks_are_round():
    assert count_ticks(1, 200.0) == [1]
    assert count_ticks(50, 500.0) == [1, 2, 5, 10, 20, 50]
    assert count_ticks(30_000, 300.0) == [1, 10, 100, 1000, 10_000]
    assert count_ticks(30_000, 150.0) == [1, 100, 10_000]


def test_focus_leaves_the_far_away_out_only_when_it_would_dwarf_the_rest():
    inner = np.array([-20.0, -10.0])
    low, high = focused(inner, np.array([-40.0, -20.0, -10.0, -5.0]))
    assert low < -40
    assert high > -5
    low, high = focused(inner, np.array([-4000.0, -20.0, -10.0, -5.0]))
    assert -40 < low < -30
    assert -5 < high < 0
    assert focused(np.array([]), np.array([np.nan])) == (0.0, 1.0)
