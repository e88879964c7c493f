import numpy as np
import pytest
from scipy import stats
from small_sweeps import train

from hq_ray.analysis.reporting.exhibits import file_stem
from hq_ray.analysis.reporting.exhibits_curves import (
    curve_exhibits,
    rate_exhibits,
    settings_words,
)
from hq_ray.analysis.reporting.exhibits_health import health_exhibits, planned_counts
from hq_ray.analysis.reporting.exhibits_levels import by_variant, level_exhibits, swept
from hq_ray.analysis.reporting.exhibits_scores import score_exhibits
from hq_ray.analysis.study import study
from hq_ray.store import Results


def test_file_stems_are_plain_short_and_distinct():
    assert file_stem('A-v0 {"x":2}') == "A-v0_x_2"
    assert file_stem("../etc") == ".._etc"
    long = [file_stem("x" * 300 + end) for end in "ab"]
    assert long[0] != long[1]
    assert len(long[0]) == 100


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    """Two environments that differ in their step limits, three variants."""
    folder = train(
        tmp_path_factory.mktemp("grid"),
        env=["FrozenLake-v1", {"id": "VelocityGrid-v0", "width": 4}],
        variant=["standard", "harmonic", "minimum"],
        seeds="0-5",
    )
    return study([Results.at(folder)], metric_name="final_return", smooth=7)


def everything(found):
    makers = (curve_exhibits, rate_exhibits, score_exhibits, level_exhibits)
    made = [one for make in makers for one in make(found)]
    return [*made, *health_exhibits(found, planned_counts(found))]


def test_every_exhibit_is_named_once_and_says_nothing_twice(grid):
    found = everything(grid)
    assert len({one.stem for one in found}) == len(found)
    for one in found:
        assert one.stem == file_stem(one.stem)
        assert one.shows.endswith(".")
        assert one.shows_not.endswith(".")
        caption = one.arguments["caption"]
        assert len(set(caption)) == len(caption)
        assert "" not in caption
        assert caption[-1] == grid.data_words


def test_the_commonest_hyperparameters_come_first(grid):
    assert swept(grid) == ["alpha", "eps_shift"]


def test_the_figures_are_those_of_the_plan(grid):
    assert [one.stem for one in everything(grid)] == [
        *("compare_mean_se_returns", "diff_returns", "compare_mean_se_steps", "diff_steps"),
        *("seeds_returns_FrozenLake-v1", "seeds_returns_VelocityGrid-v0_width_4"),
        *("rates_FrozenLake-v1", "rates_VelocityGrid-v0_width_4"),
        *("scores", "pairs_harmonic", "pairs_minimum"),
        *("by_alpha", "by_eps_shift", "value_bias", "importance", "health"),
    ]


def test_two_hyperparameters_that_both_vary_have_a_heat_map(tmp_path):
    parameters = {"alpha": [0.1, 0.5], "gamma": [0.9], "eps_end": [0.01, 0.1, 0.2]}
    found = study([Results.at(train(tmp_path, parameters=parameters, seeds="0-4"))])
    (heat,) = (one for one in level_exhibits(found) if one.stem == "heat")
    cells = heat.arguments["cells"]["FrozenLake-v1"]
    assert (list(cells.x_levels), list(cells.y_levels)) == ([0.1, 0.5], [0.01, 0.1, 0.2])
    first, second = (found.table["FrozenLake-v1"][v] for v in ("standard", "harmonic"))
    row = cells.y_levels.index(0.1), cells.x_levels.index(0.5)
    at = (first.settings[["alpha", "eps_end"]] == [0.5, 0.1]).all(axis=1).to_numpy().argmax()
    assert cells.first[row] == pytest.approx(first.scores("mean_return")[at].mean())
    assert cells.difference == pytest.approx(cells.second - cells.first)
    assert second.scores("final_return").shape == (6, 5)
    heat.draw()


def test_a_level_is_scored_on_seeds_that_did_not_choose(grid):
    env = 'VelocityGrid-v0 {"width":4}'
    found = by_variant(grid, "alpha", "final_return")[env]["harmonic"]
    cell = grid.table[env]["harmonic"]
    scores = cell.scores("final_return")
    for place, alpha in enumerate(found.levels):
        rows = np.flatnonzero(cell.settings["alpha"] == alpha)
        best = rows[scores[rows, :3].mean(axis=1).argmax()]
        assert found.mean[place] == pytest.approx(scores[best, 3:].mean())
        expected = stats.t.interval(0.95, 2, found.mean[place], stats.sem(scores[best, 3:]))
        assert (found.low[place], found.high[place]) == pytest.approx(expected, nan_ok=True)
    assert found.n == 3


def test_captions_name_the_configurations_of_what_was_tuned(grid):
    first, second = settings_words(grid, list(grid.table))
    assert first.startswith("FrozenLake-v1")
    assert "standard: alpha" in first
    assert "minimum" not in first
    assert "harmonic" not in settings_words(grid, list(grid.table), ["standard"])[0]
    assert second != first


def test_health_counts_what_is_planned(grid):
    (health,) = health_exhibits(grid, planned_counts(grid))
    rows = health.arguments["rows"]
    assert [row["variant"] for row in rows] == ["standard", "harmonic", "minimum"] * 2
    assert [row["planned"] for row in rows] == [12, 24, 6] * 2
    assert [row["done"] for row in rows] == [12, 24, 6] * 2
    (health,) = health_exhibits(grid, {})
    assert {row["planned"] for row in health.arguments["rows"]} == {None}
