import numpy as np
import pytest
from figure_checks import assert_same_from_json, assert_texts_inside_and_apart, words
from matplotlib.colors import to_hex

from hq_ray.analysis.drawing.figure_pairs import pairs_figure
from hq_ray.analysis.drawing.figure_scores import improvement_figure, intervals_figure
from hq_ray.analysis.drawing.style import KNOWN_STYLES
from hq_ray.errors import InputError

ENVS = ("CliffWalking-v1", "FrozenLake-v1", "Taxi-v4", 'VelocityGrid-v0 {"max_speed": 2}')
LABEL = "final return [reward units]"
TEXT = {
    "title": "Is harmonic better? costs $5 and $6",
    "caption": ["n = 30 seeds", "data 3f2a_91c0"],
}


def score_entry(n=30, center=-15.0, gap=False, seed=0):
    seeds = np.random.default_rng(seed).normal(center, 2, n)
    spread = 0.5 if n > 1 else None
    one = {"estimate": float(seeds.mean())}
    one |= {side: spread and one["estimate"] + sign * spread for side, sign in SIDES.items()}
    gaps = {"gap": {"estimate": 0.1, "low": 0.05, "high": 0.2}} if gap else {}
    return {"mean": one, "median": one, "iqm": one, "seeds": seeds} | gaps


SIDES = {"low": -1, "high": 1}


def draw_scores(scores, **changes):
    return intervals_figure(**({"scores": scores, "score_label": LABEL} | TEXT | changes))


def test_intervals_draw_the_given_numbers_and_seeds():
    entry = score_entry() | {"mean": {"estimate": -14.0, "low": -16.0, "high": -13.0}}
    lines = draw_scores({"CliffWalking-v1": {"standard": entry}}).axes[0].lines
    found = [np.sort(line.get_xdata()).tolist() for line in lines]
    assert [-14.0] in found
    assert [-16.0, -13.0] in found
    assert np.sort(entry["seeds"]).tolist() in found


def test_rows_name_variants_with_their_seeds_and_statistics():
    figure = draw_scores({"Taxi-v4": {"standard": score_entry(), "harmonic": score_entry(7)}})
    texts = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    statistics = ["mean", "median", "IQM"]
    assert texts == ["standard (n = 30)", *statistics, "harmonic (n = 7)", *statistics]


def test_optimality_gaps_have_a_panel_of_their_own():
    scores = {
        "Taxi-v4": {"standard": score_entry()},
        "overall": {"standard": score_entry(gap=True)},
    }
    figure = draw_scores(scores, score_label={"Taxi-v4": LABEL, "overall": "normalised score"})
    names = [axes.yaxis.label.get_text() for axes in figure.axes]
    assert names == ["Taxi-v4", "overall", "overall: optimality gap"]
    assert "lower is better" in figure.axes[2].get_xlabel()
    assert [0.05, 0.2] in [list(line.get_xdata()) for line in figure.axes[2].lines]
    assert_texts_inside_and_apart(figure)


@pytest.mark.parametrize("variants", [1, 2, 4])
@pytest.mark.parametrize("n_envs", [1, 3, 4])
def test_intervals_of_many_panels_keep_their_texts_apart(n_envs, variants):
    names = [*KNOWN_STYLES][:variants]
    scores = {
        env: {name: score_entry(seed=i) for i, name in enumerate(names)} for env in ENVS[:n_envs]
    }
    assert_texts_inside_and_apart(draw_scores(scores))


def test_degenerate_scores_draw_and_are_told():
    missing = {"mean": {"estimate": None, "low": None, "high": None}, "seeds": [None, None]}
    constant = {"mean": {"estimate": -13.0, "low": -13.0, "high": -13.0}, "seeds": [-13.0] * 5}
    scores = {"a": {"standard": score_entry(1)}, "b": {"standard": missing, "harmonic": constant}}
    figure = draw_scores(scores)
    assert_texts_inside_and_apart(figure)
    assert "no interval: a (standard); b (standard)" in words(figure)
    assert_same_from_json(intervals_figure, scores=scores, score_label=LABEL, **TEXT)


def test_no_scores_unknown_statistics_and_missing_labels_are_refused():
    with pytest.raises(InputError, match="at least one environment"):
        draw_scores({})
    with pytest.raises(InputError, match="at least one variant"):
        draw_scores({"Taxi-v4": {}})
    with pytest.raises(InputError, match="did you mean 'median'"):
        draw_scores({"Taxi-v4": {"standard": {"medain": None}}})
    with pytest.raises(InputError, match="'Taxi-v4' has none"):
        draw_scores({"Taxi-v4": {"standard": score_entry()}}, score_label={"Taxi": LABEL})


IMPROVEMENTS = {
    "overall": {"estimate": 0.68, "low": 0.58, "high": 0.77},
    "CliffWalking-v1": {"estimate": 1.0, "low": 0.86, "high": 1.0, "one_sided": True},
    "FrozenLake-v1": {"estimate": 0.55, "low": 0.4, "high": 0.7},
    "Taxi-v4": {"estimate": 0.1, "low": None, "high": 0.3},
    "Blackjack-v1": {"estimate": 0.6, "low": None, "high": None},
    ENVS[3]: {"estimate": None, "low": None, "high": None},
}


def draw_improvement(improvements=IMPROVEMENTS, **changes):
    return improvement_figure(**({"improvements": improvements} | TEXT | changes))


def test_improvements_stand_in_rows_with_overall_last_and_their_numbers_printed():
    figure = draw_improvement()
    texts = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert texts == [*[env for env in IMPROVEMENTS if env != "overall"], "overall"]
    for text in ("0.55 [0.40, 0.70]", "1.00 [≥ 0.86]", "0.10 [≤ 0.30]", "0.60, no interval"):
        assert text in words(figure)
    assert f"no estimate: {ENVS[3]}. no interval: Blackjack-v1" in words(figure)
    assert_texts_inside_and_apart(figure)


def test_one_sided_bounds_are_arrows_to_the_end_of_the_axis():
    arrows = [text for text in draw_improvement().axes[0].texts if hasattr(text, "xyann")]
    assert [(arrow.xyann[0], arrow.xy[0]) for arrow in arrows] == [(0.86, 1.0), (0.3, 0.0)]


def test_a_point_is_filled_where_its_interval_excludes_a_half():
    lines = [line for line in draw_improvement().axes[0].lines if line.get_marker() in "os"]
    faces = {float(line.get_xdata()[0]): to_hex(line.get_markerfacecolor()) for line in lines}
    assert faces[0.55] == faces[0.6] == "#ffffff"
    assert faces[0.68] == to_hex(KNOWN_STYLES["harmonic"].color)
    assert faces[0.1] == to_hex(KNOWN_STYLES["standard"].color)


def test_direction_words_name_who_is_compared():
    figure = draw_improvement(variant="minimum", baseline="asymmetric")
    assert "← asymmetric better" in words(figure)
    assert "minimum better →" in words(figure)


def test_a_line_stands_at_one_half():
    lines = draw_improvement().axes[0].lines
    assert any(list(line.get_xdata()) == [0.5, 0.5] for line in lines)


def test_improvements_of_one_or_many_environments_and_from_json():
    long = {f"{ENVS[3]} and then some more words {i}": IMPROVEMENTS["overall"] for i in range(25)}
    for improvements in ({"Taxi-v4": IMPROVEMENTS["overall"]}, long):
        assert_texts_inside_and_apart(draw_improvement(improvements))
    assert_same_from_json(improvement_figure, improvements=IMPROVEMENTS, **TEXT)


def test_no_improvements_or_impossible_ones_are_refused():
    with pytest.raises(InputError, match="at least one environment"):
        draw_improvement({})
    with pytest.raises(InputError, match="must lie in"):
        draw_improvement({"Taxi-v4": {"estimate": 1.2, "low": 0.5, "high": 1.3}})


def draw_pairs(pairs, **changes):
    return pairs_figure(**({"pairs": pairs, "score_label": LABEL} | TEXT | changes))


def slopes(axes):
    return {
        kind: [tuple(line.get_ydata()) for line in axes.lines if line.get_gid() == kind]
        for kind in ("win", "tie", "loss")
    }


def test_pairs_are_lines_from_baseline_to_variant_by_outcome():
    pairs = {"Taxi-v4": {"standard": [1.0, 2, 3, 4, None], "harmonic": [2.0, 2, 1, 5, 9]}}
    figure = draw_pairs(pairs)
    drawn = {"win": [(1, 2), (4, 5)], "tie": [(2, 2)], "loss": [(3, 1)]}
    assert slopes(figure.axes[0]) == drawn
    for text in ("wins 2", "ties 1", "losses 1", "seeds without both scores: Taxi-v4 (1 of 5)"):
        assert text in words(figure)
    costs = slopes(draw_pairs(pairs, higher_is_better=False).axes[0])
    assert costs == {"win": drawn["loss"], "tie": drawn["tie"], "loss": drawn["win"]}


def test_outcomes_differ_in_dashes_and_many_pairs_are_thin():
    rng = np.random.default_rng(0)
    widths = []
    for n in (60, 61):
        pairs = {"Taxi-v4": {name: rng.integers(0, 3, n) for name in ("standard", "harmonic")}}
        lines = [line for line in draw_pairs(pairs).axes[0].lines if line.get_gid()]
        assert len({str(line.get_linestyle()) + line.get_gid() for line in lines}) == 3
        assert len(lines) == n
        widths.append(lines[0].get_linewidth())
    assert widths[1] < 0.5 * widths[0]


@pytest.mark.parametrize("n_envs", [1, 2, 4])
def test_pairs_keep_their_texts_apart_and_come_from_json(n_envs):
    rng = np.random.default_rng(1)
    names = ("standard", "harmonic")
    pairs = {env: {name: rng.normal(-1e4, 1e3, 12) for name in names} for env in ENVS[:n_envs]}
    pairs[ENVS[0]]["standard"][3] = np.nan
    assert_texts_inside_and_apart(draw_pairs(pairs))
    assert_same_from_json(pairs_figure, pairs=pairs, score_label=LABEL, **TEXT)


@pytest.mark.parametrize("scores", [([1.0], [2.0]), ([3.0, 3.0], [3.0, 3.0]), ([None], [1.0])])
def test_degenerate_pairs_draw(scores):
    figure = draw_pairs({"Taxi-v4": dict(zip(("standard", "harmonic"), scores, strict=True))})
    assert_texts_inside_and_apart(figure)


def test_no_pairs_or_unequal_ones_are_refused():
    with pytest.raises(InputError, match="at least one environment"):
        draw_pairs({})
    with pytest.raises(InputError, match="standard 1, harmonic 2"):
        draw_pairs({"Taxi-v4": {"standard": [1.0], "harmonic": [1.0, 2.0]}})
    with pytest.raises(InputError, match="no 'harmonic'"):
        draw_pairs({"Taxi-v4": {"standard": [1.0]}})
