"""Sweeps of any kind, there and back, and as lists of their configurations."""

import json
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hq_ray.environments import resolve
from hq_ray.errors import InputError
from hq_ray.schedules import SCHEDULE_KINDS
from hq_ray.store import Results
from hq_ray.sweeps import expand as expansion
from hq_ray.sweeps.api import run_sweep
from hq_ray.sweeps.expand import expand
from hq_ray.sweeps.parameters import PARAMETERS
from hq_ray.sweeps.plan import planned_counts
from hq_ray.sweeps.spec import Sweep

OWN = "own_rules:clipped"
LAKE = {"env": "FrozenLake-v1", "variant": "standard"}


@pytest.fixture(scope="module", autouse=True)
def resolved_once():
    """Environments are built once for the whole file."""
    known = lru_cache(lambda env, text: resolve(env, json.loads(text)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(expansion, "resolve", lambda env, args, **_: known(env, json.dumps(args)))
        yield


def listed(*entries, **more):
    return Sweep(name="a", configurations=list(entries), **more)


def entry_of(trial):
    """A configuration as it can be listed."""
    env = {"id": trial.env, **json.loads(trial.env_args)}
    values = {name: getattr(trial, name) for name in PARAMETERS}
    return {"env": env, "variant": trial.variant, **values, **trial.rule_values}


# --- lists


def test_a_list_is_written_out_as_it_was_given():
    entry = {"env": {"id": "VelocityGrid-v0", "max_speed": 2}, "variant": "harmonic"}
    entry |= {"alpha": 0.1, "eps_shift": 10.0, "max_steps": 100}
    sweep = listed(entry | {"alpha": "0.1", "eps_shift": np.int64(10), "alpha_down": None})
    told = json.loads(json.dumps(sweep.to_dict()))
    assert list(told) == ["name", "seeds", "episodes", "max_steps", "confirm", "configurations"]
    assert told["configurations"] == [entry]
    assert Sweep(**told) == Sweep.from_yaml(json.dumps(told)) == sweep
    assert sweep.with_overrides([]) == sweep


def test_a_length_replaces_those_of_the_entries():
    def lengths(sweep):
        return [(one.episodes, one.max_steps) for one in expand(sweep).trials.configurations]

    sweep = listed(LAKE, LAKE | {"episodes": 7, "max_steps": 9}, episodes=5)
    assert lengths(sweep) == [(5, 100), (7, 9)]
    assert lengths(sweep.with_overrides(["episodes=3"])) == [(3, 100), (3, 9)]
    with pytest.raises(InputError, match=r"^episodes: must be a whole number .*, got \[1, 2\]"):
        sweep.with_overrides(["episodes=1,2"])


# --- sweeps of any kind


@st.composite
def sweeps(draw):
    method = draw(st.sampled_from(["grid", "random", "sobol"]))
    # From 0.03, so that no downward step of asymmetric's default schedule passes 1.
    alphas = st.lists(st.floats(0.03, 1), min_size=1, max_size=3)
    parameters = {
        "alpha": alphas,
        "alpha_schedule": st.lists(st.sampled_from(SCHEDULE_KINDS), min_size=1, max_size=2),
        "eps_shift": st.lists(st.floats(1e-9, 1e9), min_size=1, max_size=3),
        "eps_schedule": st.lists(st.sampled_from(SCHEDULE_KINDS), min_size=1, max_size=4),
        "max_steps": st.lists(st.sampled_from([5, 100, 200]), min_size=1, max_size=3),
        "episodes": st.lists(st.integers(1, 500), min_size=1, max_size=2),
    }
    chosen = draw(st.fixed_dictionaries({}, optional=parameters))
    if method != "grid" and draw(st.booleans()):
        low = draw(st.floats(0.01, 0.4))
        kind = draw(st.sampled_from(["uniform", "log_uniform"]))
        chosen["gamma"] = {"distribution": kind, "min": low, "max": low + 0.5}
    envs = ["FrozenLake-v1", {"id": "VelocityGrid-v0", "max_speed": 2}, "CliffWalking-v0"]
    names = ["standard", "minimum", "asymmetric", OWN]
    others = draw(st.lists(st.sampled_from(names), unique=True))
    if OWN in others:
        chosen["most"] = draw(alphas)
    block = draw(st.none() | alphas)
    harmonic = "harmonic" if block is None else {"id": "harmonic", "parameters": {"alpha": block}}
    return Sweep(
        name=draw(st.from_regex(r"[a-z0-9][a-z0-9.,+_-]{0,9}", fullmatch=True)),
        env=draw(st.lists(st.sampled_from(envs), min_size=1, max_size=3)),
        variant=[*others, harmonic],
        seeds=draw(st.lists(st.integers(0, 50), min_size=1, max_size=4, unique=True)),
        episodes=draw(st.integers(1, 10**6)),
        max_steps=draw(st.none() | st.integers(1, 10)),
        method=method,
        samples=None if method == "grid" else draw(st.integers(1, 5)),
        sample_seed=draw(st.integers(0, 2**63 - 1)),
        parameters=chosen,
        constraints=draw(st.sampled_from([[], ["eps_end <= eps_start"]])),
    )


@given(sweeps(), st.randoms(use_true_random=False))
def test_there_and_back_also_as_a_list_of_all_configurations(sweep, shuffled):
    assert Sweep(**sweep.to_dict()) == sweep
    assert Sweep.from_yaml(json.dumps(sweep.to_dict())) == sweep
    assert sweep.with_overrides([]) == sweep
    expected = expand(sweep)
    entries = list(map(entry_of, expected.trials.configurations))
    shuffled.shuffle(entries)
    given = {"name": "b", "seeds": list(sweep.seeds), "configurations": entries}
    found = expand(Sweep.from_mapping(json.loads(json.dumps(given))))
    assert len(found.trials) == len(expected.trials)
    assert set(found.trials.ids()) == set(expected.trials.ids())
    assert found.fingerprints == expected.fingerprints
    assert planned_counts(found.trials) == planned_counts(expected.trials)


def test_a_list_is_planned_and_run_like_the_grid(said):
    lake = {"env": "FrozenLake-v1", "variant": "harmonic"}
    spec = {"name": "some", "seeds": [0, 1], "episodes": 20}
    some = spec | {"configurations": [lake | {"alpha": alpha} for alpha in (0.1, 0.2, 0.2)]}
    grid = spec | {"env": "FrozenLake-v1", "parameters": {"alpha": [0.1, 0.2]}}
    Path("list.yaml").write_text(json.dumps(some))
    Path("grid.yaml").write_text(json.dumps(grid))
    assert "4 trials: 4 new, 0 done, 0 failed" in said("plan list.yaml --no_pilot")
    assert "Ran 4 trials" in said("sweep list.yaml --local")
    told = Results.at("results/some").description()
    assert told["planned"] == {"FrozenLake-v1 {}": {"harmonic": 4}}
    assert told["spec"] == Sweep.from_mapping(some).to_dict()
    out = said("sweep grid.yaml --local")
    assert "Ran 4 trials" in out
    assert "4 were there" in out, "those of the list are trials of the grid"


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
