import numpy as np
import pytest
from figure_checks import assert_texts_inside_and_apart, words
from scipy import stats

from hq_ray.analysis.charts.figure_scores import Pairs, pairs_figure, scores_figure
from hq_ray.analysis.charts.style import KNOWN_STYLES

ENVS = ("CliffWalking-v1", "FrozenLake-v1", "Taxi-v4", 'VelocityGrid-v0 {"max_speed": 2}')
TEXT = {
    "score_label": "final return [reward units]",
    "title": "Is harmonic better? costs $5 and $6",
    "caption": ["n = 30 seeds", "data 3f2a_91c0"],
}


def seeds(n=30, seed=0):
    return np.random.default_rng(seed).normal(-15, 2, n)


def draw_scores(scores):
    return scores_figure(scores, **TEXT)


def test_scores_are_dots_with_their_mean_and_t_interval():
    given = seeds()
    lines = draw_scores({"CliffWalking-v1": {"standard": given}}).axes[0].lines
    found = [np.asarray(line.get_xdata()).tolist() for line in lines]
    assert given.tolist() in found
    assert [pytest.approx(given.mean())] in found
    limits = stats.t.interval(0.95, 29, given.mean(), stats.sem(given))
    assert pytest.approx(list(limits)) in found


@pytest.mark.parametrize("variants", [1, 2, 4])
@pytest.mark.parametrize("n_envs", [1, 4])
def test_scores_of_many_panels_keep_their_texts_apart(n_envs, variants):
    names = [*KNOWN_STYLES][:variants]
    scores = {env: {v: seeds(seed=i) for i, v in enumerate(names)} for env in ENVS[:n_envs]}
    figure = draw_scores(scores)
    assert_texts_inside_and_apart(figure)
    texts = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert texts == [f"{name} (n = 30)" for name in names]


def test_degenerate_scores_draw_and_are_told():
    figure = draw_scores({"a": {"standard": seeds(1), "harmonic": np.full(5, -13.0)}})
    assert_texts_inside_and_apart(figure)
    assert "n = 1: no interval for standard in a" in words(figure)


def draw_pairs(pairs):
    return pairs_figure(pairs, variant="harmonic", baseline="standard", **TEXT)


def pairs_of(n, seed=0):
    base, ours = np.random.default_rng(seed).integers(0, 3, (2, n))
    return Pairs(base, ours, np.sign(ours - base))


def test_pairs_are_lines_from_baseline_to_variant_by_outcome():
    base, ours = np.array([1.0, 2, 3, 4]), np.array([2.0, 2, 1, 5])
    costs = Pairs(base, ours, np.array([-1, 0, 1, -1]))
    figure = draw_pairs({"Taxi-v4": costs})
    drawn = {
        sign: [tuple(line.get_ydata()) for line in figure.axes[0].lines if line.get_gid() == sign]
        for sign in ("1", "0", "-1")
    }
    assert drawn == {"1": [(3, 1)], "0": [(2, 2)], "-1": [(1, 2), (4, 5)]}
    for text in ("wins 1", "ties 1", "losses 2", "a win: harmonic better than standard"):
        assert text in words(figure)


def test_outcomes_differ_in_dashes_and_many_pairs_are_thin():
    widths = []
    for n in (60, 61):
        lines = [x for x in draw_pairs({"Taxi-v4": pairs_of(n)}).axes[0].lines if x.get_gid()]
        assert len({str(line.get_linestyle()) + line.get_gid() for line in lines}) == 3
        assert len(lines) == n
        widths.append(lines[0].get_linewidth())
    assert widths[1] < 0.5 * widths[0]


@pytest.mark.parametrize("n_envs", [1, 2, 4])
@pytest.mark.parametrize("n", [1, 12])
def test_pairs_keep_their_texts_apart(n_envs, n):
    assert_texts_inside_and_apart(draw_pairs({env: pairs_of(n) for env in ENVS[:n_envs]}))
