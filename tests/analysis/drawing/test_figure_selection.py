import numpy as np
import pytest
from figure_checks import assert_same_from_json, assert_texts_inside_and_apart, words
from matplotlib.patches import Rectangle

from hq_ray.analysis.drawing.figure_rows import share_words
from hq_ray.analysis.drawing.figure_selection import optimism_figure, selection_figure
from hq_ray.analysis.drawing.style import KNOWN_STYLES
from hq_ray.errors import InputError

ENVS = ("CliffWalking-v1", "FrozenLake-v1", "Taxi-v4", 'VelocityGrid-v0 {"max_speed": 2}')
LABEL = "final return [reward units]"
TEXT = {"title": "From $1 to $2", "caption": ["95 % t interval", "data 3f2a_91c0"]}


def cloud(n, center=-17.0, seed=0):
    rng = np.random.default_rng(seed)
    stage_one = center + rng.normal(0, 1, n)
    stage_two = stage_one - 0.5 + rng.normal(0, 0.3, n)
    edges = {"low": stage_two - 0.4, "high": stage_two + 0.4}
    return {"stage_one": stage_one, "stage_two": stage_two} | edges


def draw_points(points, **changes):
    return optimism_figure(**({"points": points, "score_label": LABEL} | TEXT | changes))


def ring(figure):
    rings = [line for line in figure.axes[0].lines if line.get_markersize() > 10]
    return [(float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in rings]


def test_optimism_draws_points_intervals_and_the_identity():
    points = cloud(4)
    axes = draw_points({"Taxi-v4": {"standard": points}}).axes[0]
    drawn = [(list(line.get_xdata()), list(line.get_ydata())) for line in axes.lines]
    assert (list(points["stage_one"]), list(points["stage_two"])) in drawn
    for x, low, high in zip(points["stage_one"], points["low"], points["high"], strict=True):
        assert ([x, x], [low, high]) in drawn
    assert axes.get_xlim() == axes.get_ylim()
    assert any(x == y == list(axes.get_xlim()) for x, y in drawn)


def test_the_winner_of_stage_one_is_ringed_and_named_with_its_change():
    points = {"stage_one": [-17.0, -15.0, -16.0], "stage_two": [-16.5, -15.75, -15.0]}
    figure = draw_points({"Taxi-v4": {"standard": points}})
    assert ring(figure) == [(-15.0, -15.75)]
    assert "standard -0.75" in words(figure)
    figure = draw_points({"Taxi-v4": {"standard": points | {"winner": 2}}})
    assert ring(figure) == [(-16.0, -15.0)]
    assert "standard +1" in words(figure)
    figure = draw_points({"Taxi-v4": {"standard": points | {"winner": None}}})
    assert ring(figure) == []
    assert "standard" in words(figure)


@pytest.mark.parametrize("variants", [1, 2, 4])
@pytest.mark.parametrize("n_envs", [1, 2, 4])
def test_optimism_keeps_its_texts_apart_and_comes_from_json(n_envs, variants):
    names = [*KNOWN_STYLES][:variants]
    rows = {
        env: {name: cloud(3, -17 - i, i) for i, name in enumerate(names)} for env in ENVS[:n_envs]
    }
    assert_texts_inside_and_apart(draw_points(rows))
    assert_same_from_json(optimism_figure, points=rows, score_label=LABEL, **TEXT)


def test_degenerate_optimism_draws_and_is_told():
    rows = {
        "a": {"standard": {"stage_one": [-13.0], "stage_two": [-13.0]}},
        "b": {"standard": {"stage_one": [1.0, 2.0], "stage_two": [None, None], "winner": 1}},
    }
    figure = draw_points(rows)
    assert_texts_inside_and_apart(figure)
    assert "no configuration has both means: b (standard)" in words(figure)
    assert "no interval: a (standard); b (standard)" in words(figure)


def test_optimism_without_data_or_with_an_impossible_winner_is_refused():
    with pytest.raises(InputError, match="at least one environment"):
        draw_points({})
    with pytest.raises(InputError, match="no 'stage_two'"):
        draw_points({"Taxi-v4": {"standard": {"stage_one": [1.0]}}})
    with pytest.raises(InputError, match="index below 3; given 3"):
        draw_points({"Taxi-v4": {"standard": cloud(3) | {"winner": 3}}})


def configurations(n):
    decays = (500, 1000, 35_000)
    return [
        f"alpha {0.05 * (1 + i % 7):g}, eps_shift {10.0 ** (i % 9 - 5):g},"
        f" eps_decay_episodes {decays[i % 3]:,}"
        for i in range(n)
    ]


def shares_of(n, seed=0):
    values = np.random.default_rng(seed).dirichlet(np.full(n, 0.2))
    return {"labels": configurations(n), "shares": values}


def draw_shares(shares, **changes):
    return selection_figure(**({"shares": shares} | TEXT | changes))


def bars(axes):
    return [
        artist for artist in axes.get_children() if isinstance(artist, Rectangle) and artist.get_y()
    ]


def test_the_greatest_shares_have_bars_and_the_rest_has_one():
    entry = {"labels": ["a", "b", "c", "d"], "shares": [0.1, 0.6, 0.25, 0.05]}
    figure = draw_shares({"Taxi-v4": {"harmonic": entry}}, top=2)
    texts = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert texts == ["harmonic", "b", "c", "all other (2)"]
    drawn = bars(figure.axes[0])
    assert [bar.get_width() for bar in drawn] == pytest.approx([0.6, 0.25, 0.15])
    assert [bool(bar.get_hatch()) for bar in drawn] == [False, False, True]
    for text in ("60 %", "25 %", "15 %"):
        assert text in words(figure)


def test_a_list_that_was_cut_leaves_what_remains_to_the_others():
    entry = {"labels": ["a", "b"], "shares": [0.6, 0.1], "n_configurations": 5000}
    figure = draw_shares({"Taxi-v4": {"harmonic": entry}})
    assert figure.axes[0].get_yticklabels()[-1].get_text() == "all other (4,998)"
    assert [bar.get_width() for bar in bars(figure.axes[0])] == pytest.approx([0.6, 0.1, 0.3])


def test_configurations_that_never_win_have_no_bar_of_their_own():
    entry = {"labels": ["a", "b", "c"], "shares": [0.0, 1.0, 0.0]}
    figure = draw_shares({"Taxi-v4": {"harmonic": entry}})
    texts = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert texts == ["harmonic", "b", "all other (2)"]
    assert "100 % 0 %" in words(figure)


@pytest.mark.parametrize("sizes", [(1,), (5, 120), (30, 30, 1, 200)])
@pytest.mark.parametrize("n_envs", [1, 3])
def test_shares_keep_their_texts_apart_and_come_from_json(n_envs, sizes):
    row = {name: shares_of(n) for name, n in zip(KNOWN_STYLES, sizes, strict=False)}
    rows = dict.fromkeys(ENVS[-n_envs:], row)
    figure = draw_shares(rows)
    assert_texts_inside_and_apart(figure)
    assert ("nothing was chosen" in words(figure)) == (1 in sizes)
    assert_same_from_json(selection_figure, shares=rows, **TEXT)


def test_a_long_configuration_keeps_its_ends():
    label = f"alpha_schedule exponential, {configurations(1)[0]}, alpha_end 0.0001, gamma 0.99"
    figure = draw_shares({"Taxi-v4": {"standard": {"labels": [label], "shares": [1.0]}}})
    assert_texts_inside_and_apart(figure)
    shown = figure.axes[0].get_yticklabels()[1].get_text()
    assert shown.startswith("alpha_schedule")
    assert shown.endswith("gamma 0.99")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"labels": [], "shares": []}, "0 labels and 0 shares"),
        ({"labels": ["a"], "shares": [0.5, 0.5]}, "1 labels and 2 shares"),
        ({"labels": ["a", "b"], "shares": [0.9, 0.5]}, "sum of at most 1"),
        ({"labels": ["a"], "shares": [None]}, "must lie in"),
        ({"labels": ["a", "b"], "shares": [0.5, 0.5], "n_configurations": 1}, "must be 2 or more"),
    ],
)
def test_shares_that_are_none_are_refused(entry, message):
    with pytest.raises(InputError, match=message):
        draw_shares({"Taxi-v4": {"standard": entry}})


def test_no_shares_are_refused():
    with pytest.raises(InputError, match="at least one environment"):
        draw_shares({})


def test_share_words_never_round_to_none_or_all():
    shares = [0.0, 0.001, 0.125, 0.999, 1.0]
    assert [share_words(share) for share in shares] == ["0 %", "< 1 %", "12 %", "> 99 %", "100 %"]
