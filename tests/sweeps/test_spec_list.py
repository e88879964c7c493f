"""Configurations listed in a spec: reading, errors, overrides, the trials of a grid, sweep.json."""

import json
import re
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hq_ray.cli import run_command_line
from hq_ray.environments import resolve
from hq_ray.errors import InputError
from hq_ray.hyperparameters import HYPERPARAMETERS
from hq_ray.schedules import SCHEDULE_KINDS
from hq_ray.store import Results
from hq_ray.sweeps import expand as expansion
from hq_ray.sweeps.api import run_sweep
from hq_ray.sweeps.expand import configurations, expand
from hq_ray.sweeps.plan import TrialSet, planned_counts
from hq_ray.sweeps.spec import Sweep
from hq_ray.sweeps.spec_entries import Configuration

TEXT = """
name: quick-stage-2
seeds: 1000-1029
episodes: 4000
configurations:
  - {env: CliffWalking-v1, variant: standard, alpha: 0.2, eps_decay_episodes: 1000}
  - {env: {id: VelocityGrid-v0, max_speed: 2}, variant: harmonic, alpha: 0.1, eps_shift: 10.0,
     episodes: 2000, max_steps: 100, alpha_down: null}
"""
LAKE = {"env": "FrozenLake-v1", "variant": "standard"}


@pytest.fixture(scope="module", autouse=True)
def resolved_once():
    """Environments are built once for the whole file."""
    known = lru_cache(lambda env, text: resolve(env, json.loads(text)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(expansion, "resolve", lambda env, args: known(env, json.dumps(args)))
        yield


def listed(*entries, **more):
    return Sweep(name="a", configurations=list(entries), **more)


# --- reading


def test_entries_are_configurations():
    first, second = configurations(Sweep.from_yaml(TEXT))
    defaults = {name: row.default for name, row in HYPERPARAMETERS.items()}
    unread = ["alpha_end", "alpha_decay_episodes", "alpha_down", "alpha_power"]
    defaults |= dict.fromkeys([*unread, "rule", "rule_args"])
    assert first.env.id == "CliffWalking-v1"
    assert first.settings == defaults | {
        "variant": "standard",
        "episodes": 4000,
        "max_steps": None,
        "eps_shift": None,
        "alpha": 0.2,
        "eps_decay_episodes": 1000,
    }
    assert second.env.arguments == {"max_speed": 2}
    assert second.settings == defaults | {
        "variant": "harmonic",
        "episodes": 2000,
        "max_steps": 100,
        "alpha": 0.1,
        "eps_shift": 10.0,
    }


def test_yaml_and_python_values_mean_the_same():
    assert Sweep.from_yaml(TEXT) == Sweep(
        name="quick-stage-2",
        seeds=range(1000, 1030),
        configurations=(
            {**LAKE, "env": "CliffWalking-v1", "alpha": np.float64(0.2), "eps_decay_episodes": 1e3},
            {
                "env": {"id": "VelocityGrid-v0", "max_speed": 2},
                "variant": "harmonic",
                "alpha": "0.1",
                "eps_shift": 10,
                "episodes": np.int64(2000),
                "max_steps": 100,
            },
        ),
    )


def test_there_and_back():
    sweep = Sweep.from_yaml(TEXT)
    told = json.loads(json.dumps(sweep.to_dict()))
    assert list(told) == ["name", "seeds", "episodes", "max_steps", "confirm", "configurations"]
    assert told["configurations"][1] == {
        "env": {"id": "VelocityGrid-v0", "max_speed": 2},
        "variant": "harmonic",
        **{"alpha": 0.1, "alpha_schedule": "constant", "gamma": 0.99, "eps_schedule": "linear"},
        **{"eps_start": 1.0, "eps_end": 0.05, "eps_decay_episodes": 3500, "eps_shift": 10.0},
        **{"episodes": 2000, "max_steps": 100},
    }
    assert Sweep(**told) == Sweep.from_yaml(json.dumps(told)) == sweep
    assert sweep.with_overrides([]) == sweep


def test_a_configuration_counts_once():
    sweep = listed(
        {**LAKE, "alpha": 0.2},
        LAKE,
        {**LAKE, "episodes": 10, "max_steps": 100, "eps_shift": None},
        {**LAKE, "env": {"id": "FrozenLake-v1"}, "variant": "harmonic"},
        seeds="0-2",
        episodes=10,
    )
    assert len(sweep.configurations) == 4
    assert len(configurations(sweep)) == 3
    # The environment's own step limit, spelled out, is known once it is resolved.
    assert len(expand(sweep).trials) == 2 * 3


def test_configurations_of_another_sweep_can_be_listed():
    grid = Sweep("grid", "FrozenLake-v1", parameters={"alpha": [0.1, 0.2]})
    chosen = configurations(grid)[1:3]
    assert configurations(listed(*chosen)) == chosen
    assert all(isinstance(entry, Configuration) for entry in listed(*chosen).configurations)


def test_an_environment_that_cannot_be_is_named_with_its_place():
    sweep = listed(LAKE, LAKE, LAKE | {"env": "FrozenLak-v1"})
    with pytest.raises(InputError, match=r"^configurations\[2\]\.env: unknown environment 'Froz"):
        expand(sweep)


# --- overrides


@pytest.mark.parametrize(
    ("override", "changes"),
    [
        ("seeds=0-4", {"seeds": range(5)}),
        ("name=other", {"name": "other"}),
        ("max-steps=60", {"max_steps": 60}),
    ],
)
def test_overrides(override, changes):
    sweep = listed(LAKE, LAKE | {"variant": "harmonic"})
    assert sweep.with_overrides([override]) == Sweep.from_mapping(sweep.to_dict() | changes)


def lengths(sweep):
    found = [one.settings for one in configurations(sweep)]
    return [(settings["episodes"], settings["max_steps"]) for settings in found]


def test_a_length_replaces_those_of_the_entries():
    sweep = listed(LAKE, LAKE | {"episodes": 7, "max_steps": 9}, episodes=5)
    changed = sweep.with_overrides(["episodes=3"])
    assert lengths(changed) == [(3, None), (3, 9)]
    assert lengths(sweep) == [(5, None), (7, 9)]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("alpha=x", "--set alpha: unknown key of listed configurations; known: name, seeds, "),
        ("env=x", "--set env: unknown key of listed configurations; known: name, seeds, "),
        ("parameters={}", "--set parameters: unknown key of listed configurations; "),
        ("seed=0-9", "--set seed: unknown key of listed configurations; did you mean 'seeds'?"),
        ("episodes=1,2", "episodes: must be a number, got [1, 2]"),
        ("episodes=0", "episodes: must be at least 1, got 0"),
        ("configurations=[]", "--set configurations: unknown key of listed configurations; "),
    ],
)
def test_overrides_that_cannot_be(override, message):
    with pytest.raises(InputError) as caught:
        listed(LAKE).with_overrides([override])
    assert str(caught.value).startswith(message)


def test_the_note_of_an_earlier_version_is_passed_over():
    text = f"{TEXT}selection: {{results: results/quick, metric: final_return}}\n"
    assert Sweep.from_yaml(text) == Sweep.from_yaml(TEXT)


# --- the trials of a grid


@st.composite
def products(draw):
    method = draw(st.sampled_from(["grid", "random"]))
    parameters = {
        # From 0.03, so that no downward step of asymmetric's default schedule passes 1.
        "alpha": st.lists(st.floats(0.03, 1), min_size=1, max_size=3),
        "alpha_schedule": st.lists(st.sampled_from(SCHEDULE_KINDS), min_size=1, max_size=2),
        "eps_shift": st.lists(st.floats(1e-9, 1e9), min_size=1, max_size=3),
        "eps_schedule": st.lists(st.sampled_from(SCHEDULE_KINDS), min_size=1, max_size=4),
        "max_steps": st.lists(st.sampled_from([5, 100, 200]), min_size=1, max_size=3),
        "episodes": st.lists(st.integers(1, 500), min_size=1, max_size=2),
    }
    envs = ["FrozenLake-v1", {"id": "VelocityGrid-v0", "max_speed": 2}, "CliffWalking-v0"]
    variants = ["standard", "harmonic", "minimum", "asymmetric"]
    return Sweep(
        name="a",
        env=draw(st.lists(st.sampled_from(envs), min_size=1, max_size=3)),
        variant=draw(st.lists(st.sampled_from(variants), min_size=1, unique=True)),
        seeds=draw(st.lists(st.integers(0, 50), min_size=1, max_size=4, unique=True)),
        episodes=draw(st.integers(1, 10)),
        max_steps=draw(st.none() | st.integers(1, 10)),
        method=method,
        samples=None if method == "grid" else draw(st.integers(1, 5)),
        parameters=draw(st.fixed_dictionaries({}, optional=parameters)),
    )


@given(products(), st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_a_list_of_all_configurations_is_the_sweep(sweep, shuffled):
    entries = [configuration.to_dict() for configuration in configurations(sweep)]
    shuffled.shuffle(entries)
    again = Sweep.from_mapping(
        {"name": "b", "seeds": list(sweep.seeds), "configurations": json.loads(json.dumps(entries))}
    )
    expected, found = expand(sweep), expand(again)
    assert len(found.trials) == len(expected.trials)
    assert set(found.trials.ids()) == set(expected.trials.ids())
    assert found.fingerprints == expected.fingerprints
    assert set(found.notices) == set(expected.notices)
    assert planned_counts(found.trials) == planned_counts(expected.trials)


GRID = """
name: grid
env: [FrozenLake-v1, {id: VelocityGrid-v0, max_speed: 2}]
variant: [standard, harmonic]
seeds: 0-1
episodes: 20
parameters: {alpha: [0.1, 0.2]}
"""
LIST = """
name: list
seeds: 0-1
episodes: 20
configurations:
  - {env: FrozenLake-v1, variant: harmonic, alpha: 0.1}
  - {env: {id: VelocityGrid-v0, max_speed: 2}, variant: standard, alpha: 0.2}
  - {env: FrozenLake-v1, variant: harmonic, alpha: 0.2}
  - {env: FrozenLake-v1, variant: harmonic, alpha: 0.2}
"""
GRID_COUNTS = {"standard": 4, "harmonic": 4}
VELOCITY = 'VelocityGrid-v0 {"max_speed":2}'


def test_a_list_is_planned_and_run_like_the_grid(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("grid.yaml").write_text(GRID)
    Path("list.yaml").write_text(LIST)
    assert run_command_line(["plan", "list.yaml"]) == 0
    said = capsys.readouterr().out
    assert "6 trials: 6 new, 0 done, 0 failed" in said
    assert "Estimate from " in said
    assert run_command_line(["sweep", "grid.yaml", "--local"]) == 0
    assert run_command_line(["sweep", "list.yaml", "--local"]) == 0
    grid, some = (Results.at(f"results/{name}") for name in ("grid", "list"))
    assert len(grid.published()) == 16
    assert len(some.published()) == 6
    assert set(some.published()) < set(grid.published())
    told = some.description()
    assert told["planned"] == {"FrozenLake-v1 {}": {"harmonic": 4}, VELOCITY: {"standard": 2}}
    assert set(told["planned"]) == set(told["fingerprints"])
    assert told["spec"] == Sweep.from_yaml(LIST).to_dict()
    assert grid.description()["planned"] == {
        "FrozenLake-v1 {}": GRID_COUNTS,
        VELOCITY: GRID_COUNTS,
    }
    # In the grid's folder, every listed trial is there already.
    assert run_command_line(["sweep", "list.yaml", "--local", "--set", "name=grid"]) == 0
    assert "All 6 trials are done in results/grid" in capsys.readouterr().out


def test_logs_are_those_of_the_grid(tmp_path):
    def curves(handle):
        columns = ["trial_id", "episode", "episode_return", "steps"]
        frame = handle.episodes(columns).sort_values(columns[:2], ignore_index=True)
        return frame.astype({"trial_id": "str"})

    grid = Sweep("grid", "FrozenLake-v1", seeds="0-1", episodes=20, parameters={"alpha": [0.1, 1]})
    every = Sweep("list", configurations=configurations(grid), seeds=grid.seeds)
    expected, found = (run_sweep(sweep, tmp_path, local=True) for sweep in (grid, every))
    assert curves(found).equals(curves(expected))
    assert len(curves(found)) == 8 * 20


def test_planned_counts_are_the_newest_plans(tmp_path):
    def planned(**changes):
        spec = {"name": "a", "env": "FrozenLake-v1", "seeds": "0-2", "episodes": 5}
        handle = run_sweep(spec | changes, tmp_path, local=True)
        return handle.results.description()["planned"]

    lake, cliff = "FrozenLake-v1 {}", "CliffWalking-v1 {}"
    assert planned() == {lake: {"standard": 3, "harmonic": 3}}
    grown = {"seeds": "0-4", "env": ["FrozenLake-v1", "CliffWalking-v0"]}
    counts = {"standard": 5, "harmonic": 5}
    assert planned(**grown) == {lake: counts, cliff: counts}
    shrunk = {"seeds": "7", "variant": "minimum"}
    assert planned(**shrunk) == {lake: {"minimum": 1}, cliff: counts}
    # Nothing is missing, nothing is written.
    assert planned() == {lake: {"minimum": 1}, cliff: counts}


def test_a_run_says_what_it_planned(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = "run --env VelocityGrid-v0 --seeds 0-2 --episodes 10 --task train --local"
    assert run_command_line([*words.split(), "--env_args", '{"max_speed": 2}', "--tag", "t"]) == 0
    told = Results.at("results/t").description()
    assert told["planned"] == {VELOCITY: {"standard": 3, "harmonic": 3}}
    assert list(told["fingerprints"]) == [VELOCITY]


def test_trials_are_counted_and_not_made(make_trial):
    variants = ("standard", "harmonic", "standard")
    trials = TrialSet([make_trial(variant) for variant in variants], range(10**12))
    assert planned_counts(trials) == {"Table-v0 {}": {"standard": 2 * 10**12, "harmonic": 10**12}}


def test_the_page_on_sweeps_lists_configurations_that_run():
    page = Path(__file__).resolve().parents[2] / "docs" / "sweeps.md"
    (text,) = re.findall(r"```yml\n(.*?)```", page.read_text(), re.DOTALL)
    sweep = Sweep.from_yaml(text)
    assert sweep.configurations == Sweep.from_yaml(TEXT).configurations
    assert len(expand(sweep).trials) == 60
