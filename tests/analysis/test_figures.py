from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from small_sweeps import train

from hq_ray.analysis.figures import figures_of, health_frame
from hq_ray.analysis.sensitivity import heat_frame, level_frame, no_more_than_noise
from hq_ray.analysis.smoothing import trailing_mean
from hq_ray.analysis.study import study
from hq_ray.analysis.words import file_stem
from hq_ray.store import Results

LAKE, GRID = "FrozenLake-v1", "VelocityGrid-v0, width 4"
KINDS = ["curves_returns", "curves_steps", "curves_success", "difference", "scores", "by_alpha"]
KINDS += ["value_bias", "heat_alpha_eps_shift", "pairs", "importance"]


def test_file_stems_are_plain_short_and_distinct():
    long = [file_stem("x" * 300 + end) for end in "ab"]
    assert [file_stem('A-v0 {"x":2}'), file_stem("../etc")] == ["A-v0_x_2", ".._etc"]
    assert (len(set(long)), len(long[0])) == (2, 100)


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    """Two environments that differ in their step limits, three variants."""
    folder = train(
        tmp_path_factory.mktemp("grid"),
        env=[LAKE, {"id": "VelocityGrid-v0", "width": 4}],
        variant=["standard", "harmonic", "minimum"],
        seeds="0-5",
    )
    return study([Results.at(folder)], smooth=7, metric_name="final_return")


@pytest.fixture(scope="module")
def figures(grid):
    return {one.name: one for one in figures_of(grid)}


def test_every_problem_has_its_figures_and_the_sweep_its_health(figures):
    of_grid = [f"{kind}_{file_stem(GRID)}" for kind in KINDS]
    assert list(figures) == [*(f"{kind}_{LAKE}" for kind in KINDS), *of_grid, "health"]


def test_every_figure_is_drawn_and_says_what_it_shows(grid, figures):
    for name, one in figures.items():
        assert name == file_stem(name)
        assert one.texts[0].endswith(".")
        assert one.texts[1] == grid.data_digest
        title = " ".join(one.figure().get_suptitle().split())
        assert title == one.heading
        assert title.startswith(one.env)


def test_curves_are_the_smoothed_episodes_of_the_best_configuration(grid, figures):
    frame = figures[f"curves_returns_{LAKE}"].frame
    values = grid.curves[LAKE, "harmonic"]["episode_return"]
    ours = frame[frame["variant"] == "harmonic"]
    found = ours.pivot(index="seed", columns="episode", values="value")
    np.testing.assert_allclose(found, trailing_mean(values.astype(float), 7))
    # Numbered as in the log.
    assert found.columns.tolist() == list(range(values.shape[1]))
    base = grid.curves[LAKE, "standard"]["episode_return"]
    gap = figures[f"difference_{LAKE}"].frame
    gap = gap[gap["variant"] == "harmonic"].pivot(index="seed", columns="episode", values="value")
    np.testing.assert_allclose(gap, trailing_mean((values - base).astype(float), 7), atol=1e-12)
    # Of what was tuned the caption names the configuration.
    caption = figures[f"curves_returns_{LAKE}"].texts[0]
    named = [variant for variant in grid.table[LAKE] if f"{variant}: alpha" in caption]
    assert (named, "minimum" in caption) == (["standard", "harmonic"], False)


def test_scores_are_of_the_seeds_that_were_compared(grid, figures):
    frame = figures[f"scores_{LAKE}"].frame
    assert set(frame["metric"]) == {"mean_return", "final_return", "policy_value"}
    (one,) = (c for c in grid.comparisons if c.env == LAKE and c.variant == "harmonic")
    ours = frame[(frame["metric"] == "final_return") & (frame["variant"] == "harmonic")]
    assert ours["seed"].tolist() == one.ours.seeds.tolist()
    assert ours["value"].tolist() == one.ours.scores("final_return").tolist()


def test_a_level_is_scored_on_seeds_that_did_not_choose(grid):
    frame = level_frame(grid, GRID, "alpha", ["final_return"])
    cell = grid.table[GRID]["harmonic"]
    scores = cell.scores("final_return")
    ours = frame[frame["variant"] == "harmonic"].set_index("level")
    for alpha in (0.1, 0.5):
        rows = np.flatnonzero(cell.settings["alpha"] == alpha)
        best = rows[scores[rows, :3].mean(axis=1).argmax()]
        limits = stats.t.interval(0.95, 2, scores[best, 3:].mean(), stats.sem(scores[best, 3:]))
        assert ours["mean"][alpha] == pytest.approx(scores[best, 3:].mean())
        assert (ours["low"][alpha], ours["high"][alpha]) == pytest.approx(limits, nan_ok=True)
    assert set(frame["n"]) == {3}
    # Of two values each is at an edge.
    assert ours["edge"].tolist() == ours["chosen"].tolist()
    assert ours["chosen"].sum() == 1


def test_value_bias_has_the_limits_of_the_update(figures):
    frame = figures[f"value_bias_{LAKE}"].frame
    assert set(frame["metric"]) == {"final_return", "q_bias"}
    lines = frame[frame["level"].isna()]
    assert set(lines["variant"]) == {"standard", "minimum"}
    assert not lines["edge"].any()


def test_heat_is_less_the_baseline_at_the_same_alpha(grid):
    frame = heat_frame(grid, GRID, "alpha", "eps_shift")
    assert set(frame["variant"]) == {"harmonic"}
    for row in frame.itertuples():
        means = {}
        for variant, read in (("harmonic", ["alpha", "eps_shift"]), ("standard", ["alpha"])):
            cell = grid.table[GRID][variant]
            at = (cell.settings[read] == [row.x, row.y][: len(read)]).all(axis=1).to_numpy()
            means[variant] = cell.scores("final_return")[at].mean()
        assert row.mean == pytest.approx(means["harmonic"])
        assert row.difference == pytest.approx(means["harmonic"] - means["standard"])


def test_an_f_test_says_whether_configurations_differ():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(6, 40))
    assert stats.f_oneway(*noise).pvalue > 0.05
    assert no_more_than_noise(noise)
    assert not no_more_than_noise(noise + 3 * np.arange(6)[:, None])
    assert no_more_than_noise(np.full((3, 4), -13.0))
    assert not no_more_than_noise(np.repeat([[1.0], [2.0]], 4, axis=1))
    assert not no_more_than_noise(np.array([[1.0, np.nan], [2.0, np.nan]]))


def test_health_counts_what_is_planned(grid, figures):
    frame = figures["health"].frame
    assert frame["variant"].tolist() == ["standard", "harmonic", "minimum"] * 2
    assert frame["done"].tolist() == [12, 24, 6] * 2
    assert frame["missing"].tolist() == [0] * 6
    assert (frame["seconds_low"] <= frame["seconds_high"]).all()
    unplanned = health_frame(replace(grid, where="seed < 9"))
    assert unplanned["missing"].isna().all()


def test_one_configuration_each_has_no_figures_over_hyperparameters(tmp_path):
    found = study([Results.at(train(tmp_path, parameters={}))], smooth=7)
    names = [one.name for one in figures_of(found)]
    assert names == [*KINDS[:5], "pairs", "health"]


def test_what_is_not_confirmed_is_said_and_limits_are_of_the_same_target(tmp_path):
    levels = {"alpha": [0.1, 0.5], "eps_shift": [0.01, 10.0]}
    levels["alpha_schedule"] = ["constant", "linear"]
    sweep = {"parameters": levels, "seeds": "0-5"}
    train(tmp_path, **sweep, confirm={"seeds": 3})
    variants = ["standard", "harmonic", "sarsa", "harmonic_sarsa"]
    found = study([Results.at(train(tmp_path, **sweep, variant=variants))], smooth=7)
    figures = {one.name: one for one in figures_of(found)}
    said = "The configuration of sarsa and harmonic_sarsa was chosen on some of these seeds"
    assert said in figures["curves_returns"].texts[0]
    assert set(figures["scores"].frame["variant"]) == {"standard", "harmonic"}
    assert "Not confirmed, and so not drawn: sarsa, harmonic_sarsa." in figures["scores"].texts[0]
    lines = figures["value_bias"].frame
    assert set(lines[lines["level"].isna()]["variant"]) == {"standard", "sarsa"}
    assert "by_alpha_end" not in figures
