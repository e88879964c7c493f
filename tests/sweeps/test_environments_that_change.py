"""Environments without a model, at the commands: engines, edits between two runs, unseeded ones."""

import importlib
import json
import re
import sys
from pathlib import Path

import gymnasium
import pandas as pd
import pytest

from hq_ray.errors import InputError
from hq_ray.sweeps.api import run_sweep

MODULE = """
import itertools
import gymnasium

TOLL, DRAWN = 1.0, itertools.count(2)

class Stairs(gymnasium.Env):
    observation_space, action_space = gymnasium.spaces.Discrete(80), gymnasium.spaces.Discrete(2)

    def __init__(self, drawn=False):
        self.top = next(DRAWN) if drawn else 79

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.step_number = 0
        return 0, {}

    def step(self, action):
        self.step_number = max(self.step_number + 2 * action - 1, 0)
        over = self.step_number == self.top
        return self.step_number, 100.0 if over else -TOLL, over, False, {}

gymnasium.register("Stairs-v0", Stairs, max_episode_steps=60)
"""
ENV = "stairs_of_the_user:Stairs-v0"
SPEC = {"name": "up", "env": ENV, "episodes": 8, "variant": "standard", "seeds": "0-1"}
SEEN, UNSEEN = ("= 1.0", "= 2.0"), ("100.0", "1000.0")


@pytest.fixture
def edit(tmp_path, monkeypatch, register):
    """Writes the module with a word replaced, and has it imported anew, as another process has."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)

    def write(before="", after=""):
        (tmp_path / "stairs_of_the_user.py").write_text(MODULE.replace(before, after))
        sys.modules.pop("stairs_of_the_user", None)
        gymnasium.registry.pop("Stairs-v0", None)
        importlib.invalidate_caches()
        # Edits within a second and of one length would find the old bytecode.
        monkeypatch.setattr(sys, "dont_write_bytecode", True)

    write()
    (tmp_path / "up.yaml").write_text(json.dumps(SPEC))
    yield write
    sys.modules.pop("stairs_of_the_user", None)


def told():
    return json.loads(Path("results/up/sweep.json").read_text())


def trials():
    return pd.read_parquet("results/up/trials")


def test_an_edit_that_a_rollout_sees_makes_new_trials(edit, said):
    assert "Ran 2 trials" in said("sweep up.yaml --local")
    before = told()
    edit(*SEEN)
    assert "2 stale trials" in said("plan up.yaml --no_pilot")
    assert "Ran 2 trials" in said("sweep up.yaml --local")
    out = said("status results/up")
    assert "2 trials done" in out
    assert "2 trials of" in out
    assert "were trained with another version and are not counted" in " ".join(out.split())
    found = trials()
    assert found["trial_id"].nunique() == 4
    assert found["fingerprint"].str.match("rollout:[0-9a-f]{16}$").all()
    assert found.groupby("fingerprint")["mean_return"].max().nunique() == 2
    after = told()
    for name in ("fingerprints", "sources"):
        (env,) = after[name]
        assert set(found[name[:-1]]) == {before[name][env], after[name][env]}
    edit()
    assert "nothing to run" in said("sweep up.yaml --local")


def test_an_edit_that_a_rollout_cannot_see_stops_the_sweep(edit, call, said):
    assert "Ran 2 trials" in said("sweep up.yaml --local")
    (first,) = set(trials()["source"])
    edit(*UNSEEN)
    assert "nothing to run" in said("sweep up.yaml --local")
    assert "Notice: trials of stairs" in said("plan up.yaml --no_pilot --set seeds=0-2")
    with pytest.raises(InputError) as caught:
        run_sweep(SPEC | {"seeds": "0-2"}, local=True)
    assert re.fullmatch(
        r"trials of stairs_of_the_user:Stairs-v0 {} in one folder must come from one source of its "
        rf"code, but 2 in \S*results/up come from {first} and 1 more would from [0-9a-f]{{16}}: .* "
        "go on with --accept_source",
        str(caught.value),
    )
    assert call("sweep up.yaml --local --set seeds=0-2")[::2] == (2, f"Error: {caught.value}\n")
    assert len(trials()) == 2
    assert "Ran 1 trial " in said("sweep up.yaml --local --accept_source --set seeds=0-2")
    assert trials()["fingerprint"].nunique() == 1
    assert trials().groupby("source").size().sort_values().tolist() == [1, 2]
    assert call("sweep up.yaml --local --set seeds=0-3")[0] == 2
    handle = run_sweep(SPEC | {"seeds": "0-3"}, local=True, accept_source=True)
    assert handle.tally.done == 1


def test_a_run_is_stopped_alike(edit, call, said):
    run = f"run --local --task train --env {ENV} --episodes 8 --seeds"
    said(f"{run} 0")
    edit(*UNSEEN)
    code, _, error = call(f"{run} 0-1")
    assert (code, "go on with --accept_source" in error) == (2, True)
    said(f"{run} 0-1 --accept-source")


def test_trials_of_edited_code_are_replayed_and_filmed(edit, call, said):
    call("sweep up.yaml --local")
    edit(*UNSEEN)
    out = said(f"replay results/up {trials()['trial_id'].iloc[0]} --video")
    assert "every byte the same" in out
    assert "Notice: no video: " in out  # it cannot render


def test_failures_of_another_source_stop_nothing(edit, call, said):
    sweep = "sweep up.yaml --local --set episodes=30"
    late = "self.n = getattr(self, 'n', 0) + 1; return 0 if self.n < 20 else 1 / 0, {}"
    edit("return 0, {}", late)
    assert "2 failed: ZeroDivisionError" in call(sweep)[1]
    edit()
    assert "Ran 3 trials" in said(f"{sweep} --retry_failed --set seeds=0-2")


@pytest.mark.ray
def test_workers_find_the_planned_source(edit, said):
    out = said("sweep up.yaml --cores 1")
    assert "Ran 2 trials" in out
    assert "Starting Ray took longer than training; --local would have been quicker.\n" in out


# Unseeded


def test_unseeded_trials_are_told_marked_resumed_and_not_compared(edit, said):
    drawn = ("--set", 'env={"id": "stairs_of_the_user:Stairs-v0", "drawn": true}')
    out = said("sweep up.yaml --local", *drawn)
    assert out.count("its seeds are never paired and its trials cannot be replayed") == 1
    assert set(trials()["fingerprint"]) == {"unseeded"}
    edit()
    assert "Ran 1 trial " in said("sweep up.yaml --local --set seeds=0-2", *drawn)
    out = said("verify results/up --sample 100%")
    assert "0 of 3 trials: 0 differ" in out
    assert "3 trials cannot be compared: the environment is unseeded" in out
    out = said(f"replay results/up {trials()['trial_id'].iloc[0]}")
    assert "its log cannot be compared" in out
    assert "differs" not in out
    run = "run --local --task train --episodes 8 --seeds 0-1 --env stairs_of_the_user:Stairs-v0"
    out = said(run, "--env_args", "drawn=true")
    assert "Final return (mean" in out
    assert "ahead" not in out  # no seeds are paired


# Engines


def test_plan_and_sweep_json_say_which_engine_trains_what(edit, call, said):
    envs = f"env=[{{id: FrozenLake-v1, map_name: 8x8}}, '{ENV}']"
    engines = [
        "kernel: it has a transition table that describes the steps of FrozenLakeEnv",
        "gymnasium: it has no transition table that the kernel could use",
    ]
    out = said("plan up.yaml --no_pilot --set", envs)
    for shown, engine in zip(('FrozenLake-v1, map_name "8x8"', ENV), engines, strict=True):
        assert f"{shown} trains with engine {engine}\n" in out
    call("sweep up.yaml --local --set", envs)
    lake, stairs = 'FrozenLake-v1 {"map_name":"8x8"}', f"{ENV} {{}}"
    assert told()["engines"] == {lake: engines[0], stairs: engines[1]}
    assert set(told()["sources"]) == {lake, stairs}
    assert told()["sources"][lake] is None
