import importlib
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_sweeps import train

from hq_ray.analysis.reading.smoothing import trailing_mean
from hq_ray.analysis.reporting.exhibits import FIGURES, Exhibit, draw, file_stem, from_json, to_json
from hq_ray.analysis.reporting.exhibits_curves import curve_exhibits, settings_words
from hq_ray.analysis.reporting.exhibits_effort import effort_exhibits, shared_scores
from hq_ray.analysis.reporting.exhibits_health import health_exhibits, planned_counts
from hq_ray.analysis.reporting.exhibits_levels import level_exhibits, swept
from hq_ray.analysis.reporting.exhibits_planes import plane_exhibits
from hq_ray.analysis.reporting.exhibits_rates import rate_exhibits
from hq_ray.analysis.reporting.exhibits_scores import score_exhibits
from hq_ray.analysis.reporting.exhibits_selection import selection_exhibits
from hq_ray.analysis.reporting.thinned import kept_episodes, restored, rounded, thinned
from hq_ray.analysis.study import study
from hq_ray.errors import InputError
from hq_ray.store import Results


@given(st.integers(1, 3_000), st.integers(1, 3_000))
def test_kept_episodes_are_a_sixteenth_of_the_window_apart(n, window):
    kept = kept_episodes(n, window)
    assert (kept[0], kept[-1]) == (1, n)
    apart = np.diff(kept)
    assert (apart >= 1).all()
    assert (apart <= np.maximum(1, np.minimum(kept[:-1], window) // 16)).all()


def test_long_curves_keep_few_points():
    assert len(kept_episodes(4_000, 151)) < 600
    assert len(kept_episodes(1_000_000, 1)) <= 4_001


def test_what_is_kept_is_restored_and_straight_in_between():
    values = np.random.default_rng(0).normal(size=(3, 700))
    seeds = trailing_mean(values, 64)
    entry = thinned({"seeds": seeds, "mean": seeds.mean(axis=0), "se": None, "n": 3}, 64)
    kept = entry["episodes"]
    whole = restored({"env": {"v": entry}})["env"]["v"]
    assert whole.keys() == {"seeds", "mean", "se", "n"}
    assert (whole["se"], whole["n"]) == (None, 3)
    np.testing.assert_array_equal(whole["seeds"][:, kept - 1], rounded(seeds)[:, kept - 1])
    expected = [np.interp(np.arange(1, 701), kept, row[kept - 1]) for row in seeds]
    np.testing.assert_allclose(whole["seeds"], expected, rtol=1e-5, atol=1e-6)
    # Each value left out lies within a 16th of the range of what is averaged.
    assert np.abs(whole["seeds"] - seeds).max() < np.ptp(values) / 16


def test_short_or_unsmoothed_curves_lose_nothing():
    values = np.random.default_rng(0).normal(size=31)
    for window in (1, 15, 500):
        whole = restored(thinned({"mean": values}, window))
        np.testing.assert_array_equal(whole["mean"], rounded(values))


def test_a_known_point_beside_an_unknown_one_stays():
    values = np.r_[[np.nan] * 40, np.arange(60.0)]
    whole = restored(thinned({"mean": values}, 80))["mean"]
    kept = kept_episodes(100, 80)
    np.testing.assert_array_equal(whole[kept - 1], values[kept - 1])
    assert np.isnan(whole[:39]).all()


def test_rounding_is_to_significant_digits():
    given = [0.0, -1234567.0, 1.23456789e-9, np.nan, np.inf, 0.1]
    expected = [0.0, -1234570.0, 1.23457e-9, np.nan, np.inf, 0.1]
    np.testing.assert_array_equal(rounded(given), expected)


def test_exhibits_survive_json():
    arguments = {
        "array": np.array([1.5, np.nan, -np.inf]),
        "table": np.arange(4).reshape(2, 2),
        "number": np.float64(0.1),
        "nothing": None,
        "levels": (1e-6, "linear", None, float("nan")),
        "flag": np.bool_(True),
    }
    text = to_json([Exhibit("a", "curves", "curve", arguments, "shows", "not")])
    (found,) = from_json(text)
    assert found.arguments == {
        "array": [1.5, None, None],
        "table": [[0, 1], [2, 3]],
        "number": 0.1,
        "nothing": None,
        "levels": [1e-6, "linear", None, None],
        "flag": True,
    }
    assert to_json([found]) == text


@pytest.mark.parametrize("text", ["", "{}", '[{"stem": "a"}]', "[1]", "null"])
def test_a_foreign_figures_json_is_refused(text):
    with pytest.raises(InputError, match="one that a report wrote"):
        from_json(text)


def test_an_unknown_figure_has_a_near_miss():
    with pytest.raises(InputError, match="did you mean 'budget'"):
        draw(Exhibit("a", "b", "budgett", {}, "", ""))


def test_every_kind_of_figure_is_there():
    for place in FIGURES.values():
        module, _, function = place.partition(":")
        assert callable(getattr(importlib.import_module(module), function))


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
    )
    return study([Results.at(folder)], with_times=True, smooth=7)


def everything(found):
    makers = (curve_exhibits, rate_exhibits, score_exhibits, level_exhibits, plane_exhibits)
    makers += (effort_exhibits, selection_exhibits)
    made = [one for make in makers for one in make(found)]
    return [*made, *health_exhibits(found, planned_counts(found))]


def test_every_exhibit_is_json_and_named_once(grid):
    found = everything(grid)
    assert len({one.stem for one in found}) == len(found)
    assert all(one.stem == file_stem(one.stem) for one in found)
    assert all(one.shows.endswith(".") and one.shows_not.endswith(".") for one in found)
    assert {one.stem for one in from_json(to_json(found))} == {one.stem for one in found}
    json.loads(to_json(found), parse_constant=pytest.fail)


def test_captions_say_nothing_twice(grid):
    for one in everything(grid):
        caption = one.arguments["caption"]
        assert len(set(caption)) == len(caption)
        assert "" not in caption
        assert caption[-1] == grid.data_words


def test_the_commonest_hyperparameters_come_first(grid):
    assert swept(grid) == ["alpha", "eps_shift"]


def test_sections_have_the_figures_of_the_plan(grid):
    stems = [one.stem for one in everything(grid)]
    assert stems[:4] == [
        "compare_mean_se_returns",
        "diff_returns",
        "compare_mean_se_steps",
        "diff_steps",
    ]
    wanted = {
        "intervals",
        "poi",
        "pairs",
        "profile_seeds",
        "profile_configs",
        "budget",
        "selection",
    }
    wanted |= {"sens_alpha_profile", "sens_alpha_slice", "sens_eps_shift_profile", "value_gap"}
    wanted |= {"sens_eps_shift", "importance", "sens_plane", "dimensionality", "health"}
    assert wanted < set(stems)
    # The figure between the limits is the slice of eps_shift, and more.
    assert "sens_eps_shift_slice" not in stems
    assert sum(stem.startswith("seeds_returns_") for stem in stems) == 2


def test_environments_share_configurations_whatever_their_step_limits(grid):
    scores, settings = shared_scores(grid, "harmonic")
    assert scores.shape == (2, 4, 4)
    assert list(settings) == ["alpha", "eps_shift"]
    cells = [row["harmonic"] for row in grid.table.values()]
    assert cells[0].settings["max_steps"][0] != cells[1].settings["max_steps"][0]
    for number, cell in enumerate(cells):
        np.testing.assert_array_equal(scores[number], cell.scores("normalised_return"))
    # One configuration leaves nothing to tune.
    assert shared_scores(grid, "minimum") is None


def test_one_environment_has_no_tuning_effort(tmp_path):
    assert effort_exhibits(study([Results.at(train(tmp_path))])) == []


def test_captions_name_the_configurations_of_what_was_tuned(grid):
    first, second = settings_words(grid, list(grid.table))
    assert first.startswith("FrozenLake-v1")
    assert "standard: alpha" in first
    assert "minimum" not in first
    assert "harmonic" not in settings_words(grid, list(grid.table), ["standard"])[0]
    assert second != first


def test_the_budget_line_is_where_the_verdict_was_made(grid):
    budget = next(one for one in everything(grid) if one.stem == "budget")
    assert set(budget.arguments["equal_budget"].values()) == {2.0}


def test_health_counts_what_is_planned(grid):
    (health,) = health_exhibits(grid, planned_counts(grid))
    rows = health.arguments["rows"]
    assert [row["variant"] for row in rows] == ["standard", "harmonic", "minimum"] * 2
    assert [row["planned"] for row in rows] == [8, 16, 4] * 2
    assert [row["done"] for row in rows] == [8, 16, 4] * 2
    (health,) = health_exhibits(grid, {})
    assert {row["planned"] for row in health.arguments["rows"]} == {None}
