"""The choice of a sweep, and its confirmation on fresh seeds."""

import json
from pathlib import Path

import pytest

import hq_ray
from hq_ray.load import load_trials
from hq_ray.sweeps.api import run_sweep

FRESH = 2**62
BLOCK = 2**20
SPEC = {
    "name": "lakes",
    "env": ["FrozenLake-v1", "CliffWalking-v1"],
    "variant": ["standard", "harmonic"],
    "seeds": "0-3",
    "episodes": 40,
    "parameters": {"alpha": [0.1, 0.5], "eps_shift": [1e-6, 1.0]},
    "confirm": {"seeds": 5, "metric": "mean_return"},
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(**changes):
    return run_sweep(SPEC | changes, local=True).tally


def trials(role):
    return load_trials("results/lakes", f"role == '{role}'")


def blocks():
    """By environment, the blocks of sweep.json."""
    info = json.loads(Path("results/lakes/sweep.json").read_text())
    return {problem.split()[0]: found for problem, found in info["confirmed"].items()}


def chosen(block):
    return {(one["variant"], one["config_id"]) for one in block["chosen"]}


@pytest.mark.parametrize(("metric", "best"), [("mean_return", "max"), ("mean_steps", "min")])
def test_the_best_of_the_whole_grid_is_run_on_seeds_that_no_exploration_has(here, metric, best):
    assert run(confirm={"seeds": 5, "metric": metric}).done == 2 * (2 + 4) * 4 + 2 * 2 * 5
    explored, confirmed = trials("exploration"), trials("confirmation")
    assert set(explored["seed"]) == {0, 1, 2, 3}
    assert set(confirmed["seed"]) == {FRESH + number for number in range(5)}
    means = explored.groupby(["env", "variant", "config_id"])[metric].mean()
    best = means.groupby(level=["env", "variant"]).agg(best)
    for env, (block,) in blocks().items():
        assert (block["block"], block["metric"], block["seeds"]) == (0, metric, 5)
        for one in block["chosen"]:
            assert one["score"] == pytest.approx(best[env, one["variant"]], rel=1e-12)
            assert one["configurations"] == {"standard": 2, "harmonic": 4}[one["variant"]]
            mine = confirmed[confirmed["config_id"] == one["config_id"]]
            assert len(mine[mine["env"] == env]) == 5
    # The role is no part of identity: these are the trials that their seeds make.
    again = SPEC | {"name": "again", "seeds": FRESH, "confirm": None}
    again = run_sweep(again, local=True).trials().set_index("trial_id")["mean_return"]
    first = confirmed[confirmed["seed"] == FRESH].set_index("trial_id")["mean_return"]
    assert len(first) == 4
    assert again[first.index].equals(first)


def test_more_seeds_extend_the_same_choice_and_no_seed_is_used_again_for_another(here):
    run()
    before = blocks()
    tally = run()
    assert (tally.done, tally.done_before) == (0, 48 + 20)
    assert blocks() == before
    assert run(confirm={"seeds": 7}).done == 2 * 2 * 2
    for (block,) in blocks().values():
        assert (block["seeds"], block["extended_after"]) == (7, [5])
    assert run(confirm={"seeds": 6}).done == 0
    run(confirm={"seeds": 5, "metric": "final_return"})
    assert [len(found) for found in blocks().values()] == [2, 2], "another metric, another block"
    Path("results/lakes/sweep.json").unlink()
    assert run().done == 2 * 2 * 5
    assert {block["block"] for (block,) in blocks().values()} == {2}


def test_a_choice_that_a_grown_grid_changes_is_confirmed_anew_on_the_next_block(here):
    run(parameters={"alpha": [0.001]})
    first = blocks()
    run(parameters={"alpha": [0.001, 0.9]})
    changed = 0
    for env, (old, *later) in blocks().items():
        assert (old["block"], chosen(old)) == (0, chosen(first[env][0]))
        for block in later:
            changed += 1
            assert block["block"] == 1
            assert chosen(block) != chosen(old)
            seeds = range(FRESH + BLOCK, FRESH + BLOCK + 5)
            rows = trials("confirmation").query("env == @env and seed >= @FRESH + @BLOCK")
            assert len(rows) == 2 * 5
            assert set(rows["seed"]) == set(seeds)
    assert changed


def test_a_configuration_with_a_failed_seed_is_not_eligible(here, call, register_acting):
    """It would win by the trials that are left; with every variant out, that is said."""

    def act(env, action):
        if env.seed == 2 and action:
            raise ValueError("no")
        return float(action)

    register_acting("Faulty-v0", act)
    spec = {"env": "Faulty-v0", "parameters": {"eps_start": [0.0, 1.0]}}
    tally = run(**spec, variant="standard", confirm={"seeds": 2})
    # Without exploration the action is always 0, so that one alone has every seed.
    rows = trials("confirmation")
    assert (len(rows), set(rows["eps_start"])) == (2, {0.0})
    assert tally.failed == 1
    hopeless = spec | {"parameters": {"eps_start": [1.0]}}
    confirm = {"seeds": 2, "metric": "mean_steps"}
    tally = run(name="all", **hopeless, confirm=confirm)
    assert tally.failed
    assert all("for all of its seeds, so none is confirmed" in s for s in tally.confirmed)
    assert not len(load_trials("results/all", "role == 'confirmation'", quiet=True))
    Path("all.yaml").write_text(json.dumps(SPEC | hopeless | {"name": "all", "confirm": confirm}))
    # Said again where nothing is run, and judged by the metric asked for all the same.
    assert "for all of its seeds, so none is confirmed" in call("sweep all.yaml --local")[1]
    assert set(hq_ray.compare("results/all")["metric"]) == {"mean_steps"}


def test_ties_go_to_the_order_of_the_plan(here):
    # gamma 0 and one episode: nothing that alpha changes is seen.
    run(episodes=1, parameters={"alpha": [0.3, 0.2]})
    rows = trials("confirmation")
    assert set(rows["alpha"]) == {0.3}


def test_the_flag_and_what_is_said_of_the_best_three(said):
    spec = {key: value for key, value in SPEC.items() if key != "confirm"}
    Path("lakes.yaml").write_text(json.dumps(spec))
    out = said("sweep lakes.yaml --local --confirm 3 --set confirm.top=3")
    assert out.count("Confirmed on 3 fresh seeds: ") == 2 * (2 + 3)
    for (block,) in blocks().values():
        ranks = [(one["variant"], one["rank"]) for one in block["chosen"]]
        assert ranks == [("standard", 1), ("standard", 2), *(("harmonic", n) for n in (1, 2, 3))]
        scores = [one["score"] for one in block["chosen"] if one["variant"] == "harmonic"]
        assert scores == sorted(scores, reverse=True)
    said("sweep lakes.yaml --local")
    assert len(trials("confirmation")) == 2 * (2 + 3) * 3, "without the flag what is there stays"
    assert {len(found) for found in blocks().values()} == {1}
