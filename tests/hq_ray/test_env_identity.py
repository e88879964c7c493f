"""What is known of an environment without a believed table: rollout, source, interface."""

import importlib
import os
import signal
import sys
import warnings
from dataclasses import replace
from functools import partial

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from hq_ray.environments import load_source, resolve, rollout_digest, source_digest
from hq_ray.errors import InputError, ModelError
from hq_ray.training import train


class Line(gymnasium.Env):
    """A line of 30 cells; what a subclass or an argument changes is its toll, or a rare bonus."""

    observation_space, action_space = spaces.Discrete(30), spaces.Discrete(2)

    def __init__(self, toll=1.0, bonus=0.0, kind=int):
        self.toll, self.bonus, self.kind = toll, bonus, kind

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = int(self.np_random.integers(3))
        return self.kind(self.place), {}

    def step(self, action):
        self.place = max(self.place + 2 * int(action) - 1, 0)
        over = self.place == 29
        return self.kind(self.place), self.bonus if over else -self.toll, over, False, {}


def made(environment, limit=50):
    return gymnasium.wrappers.TimeLimit(environment, limit)


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        ({}, False),
        ({"toll": 1.0 + 1e-15}, True),
        ({"bonus": 7}, True),
        ({"toll": 1}, False),
        ({"kind": np.int8}, False),
        ({"kind": np.array}, False),
    ],
)
def test_a_rollout_sees_every_bit_of_what_happens_and_no_type(change, seen):
    # Stored trials carry it: the digest must be the same everywhere, for ever.
    assert (rollout_digest(made(Line(**change))) != "e89849806c05caa4") is seen


@pytest.mark.parametrize("problem", [RuntimeError, SystemExit])
def test_what_an_environment_raises_is_part_of_its_record(register, make_trial, problem):
    class Breaks(Line):
        def step(self, action):
            if self.place > 3:
                raise problem(f"{self!r} broke")
            return super().step(action)

    env = f"Breaks{problem.__name__}-v0"
    register(env, entry_point=Breaks, max_episode_steps=50)
    found = resolve(env)
    assert found.fingerprint.startswith("rollout:")
    assert found.fingerprint != f"rollout:{rollout_digest(made(Line()))}"
    with pytest.raises(problem):
        train(make_trial("standard", env))


def kill_me():
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is forked")
@pytest.mark.parametrize("end", [partial(os._exit, 3), kill_me])
def test_an_environment_that_ends_its_process_ends_no_plan(register, end):
    class Ends(Line):
        def step(self, action):
            end()

    env = f"Ends{id(end)}-v0"
    register(env, entry_point=Ends)
    assert resolve(env).fingerprint == "rollout:" + "0" * 16


class Talks(Line):
    def step(self, action):
        print("a step \u2192", action)
        print("a warning", file=sys.stderr)
        os.write(2, b"from below")
        warnings.warn("out of date", DeprecationWarning, stacklevel=1)
        return super().step(action)

    def close(self):
        print("closed")
        raise RuntimeError("closed twice")


def test_what_an_environment_prints_is_not_shown(register, capfd):
    register("Talks-v0", entry_point=Talks, max_episode_steps=50)
    found = resolve("Talks-v0")
    assert capfd.readouterr() == ("", "")
    assert found.fingerprint == f"rollout:{rollout_digest(made(Line()))}"


# Interfaces


class NoSeed(Line):
    def reset(self):
        return super().reset()


class ObservationAlone(Line):
    def reset(self, **options):
        return super().reset(**options)[0]


class FourValues(Line):
    def step(self, action):
        observation, reward, over, _, info = super().step(action)
        return observation, reward, over, info


@pytest.mark.parametrize(
    ("entry_point", "found"),
    [
        (NoSeed, "TypeError: NoSeed.reset() got an unexpected keyword argument 'seed'"),
        (ObservationAlone, "TypeError: cannot unpack non-iterable int object"),
        (FourValues, "ValueError: not enough values to unpack (expected 5, got 4)"),
    ],
)
def test_an_environment_of_the_old_gym_is_refused(register, entry_point, found):
    env = f"{entry_point.__name__}-v0"
    register(env, entry_point=entry_point)
    with pytest.raises(InputError) as refusal:
        resolve(env)
    assert str(refusal.value) == (
        f"environment {env} must have reset(seed=..., options=...) -> (observation, info) and "
        f"step(action) -> (observation, reward, terminated, truncated, info), but: {found}"
    )


# Sources

MODULE = """
import gymnasium
from tests.hq_ray.test_env_identity import Line

class Mine(Line):
    pass

class Doubled(gymnasium.RewardWrapper):
    def reward(self, reward):
        return 2 * reward
"""


def test_the_source_is_that_of_classes_and_wrappers_outside_gymnasium(tmp_path, monkeypatch):
    path = tmp_path / "line_of_the_user.py"
    path.write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    mine = importlib.import_module("line_of_the_user")
    lake = gymnasium.make("FrozenLake-v1")
    assert source_digest(lake, type(lake.unwrapped)) is None
    plain, wrapped = source_digest(Line(), Line), source_digest(mine.Doubled(Line()), Line)
    own = source_digest(mine.Mine(), mine.Mine)
    assert len({plain, wrapped, own}) == 2  # the same two files stand behind the last two
    path.write_text(MODULE + "# a word more\n")
    assert source_digest(mine.Doubled(Line()), Line) != wrapped
    assert source_digest(Line(), Line) == plain
    assert source_digest(lake, mine.Mine) != source_digest(lake, Line)


def test_a_worker_with_another_source_is_refused(register, make_trial):
    register("Sourced-v0", entry_point=Line, max_episode_steps=20)
    found = resolve("Sourced-v0")
    assert found.source == load_source("Sourced-v0", "{}")
    trial = replace(make_trial("standard", "Sourced-v0"), source=found.source)
    assert train(trial).log.steps.sum() > 0
    with pytest.raises(ModelError) as refusal:
        train(replace(trial, source="0123456789abcdef"))
    assert str(refusal.value).startswith(
        "the source of Sourced-v0 {} must be the planned one (0123456789abcdef), but this process "
        f"has {found.source}: "
    )
