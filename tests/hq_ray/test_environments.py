"""Environments: ids, arguments, modules of the user's own; rollouts, sources, interfaces."""

import importlib
import os
import sys
import threading
import time
import warnings
from dataclasses import replace

import gymnasium
import numpy as np
import own_worlds  # noqa: F401
import pytest
from gymnasium import spaces

from hq_ray.environments import (
    load_model,
    load_source,
    make,
    resolve,
    rollout_digest,
    source_digest,
)
from hq_ray.errors import InputError, ModelError
from hq_ray.gymnasium_loop import train_on_gymnasium
from hq_ray.training import train
from hq_ray.user_code import in_child_process, quiet


def refusal_of(env, args=None):
    with pytest.raises(InputError) as refusal:
        resolve(env, args)
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


@pytest.mark.parametrize(
    ("asked", "present"),
    [
        ("CliffWalking-v0", "CliffWalking-v1"),
        ("Taxi-v3", "Taxi-v4"),
        ("VelocityGrid", "VelocityGrid-v0"),
        ("gymnasium:Taxi-v3", "gymnasium:Taxi-v4"),
    ],
)
def test_an_old_id_resolves_with_a_notice(asked, present):
    found = resolve(asked)
    assert found.id == present
    assert found.notices == (f"environment {asked} is now {present.rpartition(':')[2]}",)
    assert resolve(present) == replace(found, notices=())


def test_an_environment_without_a_table_is_slow_and_says_so():
    found = resolve("Blackjack-v1")
    assert (found.id, found.max_steps, found.source) == ("Blackjack-v1", 1000, None)
    assert found.fingerprint.startswith("rollout:")
    assert found.engine == "gymnasium: it has no transition table that the kernel could use"
    assert found.notices == (
        "Blackjack-v1 trains on the Gymnasium loop, some hundred times slower than the kernel: "
        "it has no transition table that the kernel could use",
    )


GRID = "VelocityGrid-v0"


@pytest.mark.parametrize(
    ("env", "args", "message"),
    [
        ("CliffWalkin-v1", {}, "unknown environment 'CliffWalkin-v1'; did you mean 'CliffWalking"),
        ("VelocityGird-v0", {}, f"unknown environment 'VelocityGird-v0'; did you mean '{GRID}'?"),
        ("Taxi-v9", {}, "unknown environment 'Taxi-v9'; did you mean 'Taxi-v4'?"),
        ("Zorblax-v0", {}, "unknown environment 'Zorblax-v0'; known among others: Garnet-v0, "),
        ("Frozen Lake", {}, "an environment id must look like 'Name-v0', got 'Frozen Lake'"),
        (
            "no_such_module:Env-v0",
            {},
            "the module of environment 'no_such_module:Env-v0' must be importable, but: "
            "ModuleNotFoundError: No module named 'no_such_module'",
        ),
        ("CartPole-v1", {}, "the observation space of CartPole-v1 must be finite (Discrete, "),
        (GRID, {"widht": 5}, f"environment {GRID} has no argument 'widht'; did you mean 'width'?"),
        (GRID, {"max_speed": 0}, f'environment {GRID} refuses {{"max_speed":0}}: ValueError: max_'),
        (GRID, {"width": 2.5}, f'environment {GRID} refuses {{"width":2.5}}: TypeError: width '),
        (GRID, {"render_mode": 1}, "render_mode is not an argument of a trial; use --record_video"),
        (GRID, {"slip_prob": float("nan")}, "arguments must be plain JSON values, but: "),
        (GRID, {"width": {8}}, "arguments must be plain JSON values, but: "),
    ],
)
def test_what_cannot_be_made_is_refused_in_one_sentence(env, args, message):
    refusal = refusal_of(env, args)
    assert refusal.startswith(message)
    assert "environment creator" not in refusal


def test_arguments_are_canonical_and_make_another_model():
    message = "environment OverestimationGrid-v0 has no argument 'width'"
    assert refusal_of("OverestimationGrid-v0", {"width": 5}) == message
    found = resolve("VelocityGrid-v0", {"width": 5, "slip_prob": 0.5, "height": 4})
    assert found.args == '{"height":4,"slip_prob":0.5,"width":5}'
    assert load_model(found.id, found.args).next_state.shape == (5 * 4 * 9, 5, 9)


def test_a_table_that_differs_each_time_is_trained_as_unseeded():
    found = resolve("FrozenLake-v1", {"map_name": None})
    assert found.fingerprint == "unseeded"
    assert found.engine == "gymnasium: it has another transition table each time it is built"
    (notice,) = [text for text in found.notices if "map_name or desc" in text]
    assert "its seeds are never paired" in notice
    fixed = resolve("FrozenLake-v1", {"map_name": None, "desc": ["SF", "HG"]})
    assert (fixed.engine[:7], fixed.notices) == ("kernel:", ())


def test_an_argument_at_its_default_is_told_unless_it_is_one_of_a_range():
    (notice,) = resolve("Garnet-v0", {"instance": 0}).notices
    assert notice.startswith("Garnet-v0 has instance 0 by default, but trials with and without")
    assert resolve("Garnet-v0", {"instance": 0}, of_range=True).notices == ()


def test_an_environment_of_the_users_own_module(make_trial):
    found = resolve("own_worlds:Crossing-v3", {"toll": 2})
    assert (found.id, found.args) == ("own_worlds:Crossing-v3", '{"toll":2}')
    assert (found.max_steps, found.fingerprint[:8]) == (30, "rollout:")
    log = train_on_gymnasium(make_trial(episodes=50), make(found.id, found.args, 30))
    assert log.q_values.shape == (6, 2)
    assert np.array_equal(log.episode_return, -2.0 * log.steps)
    assert log.q_values[[0, 1, 3, 4]].all()
    assert not log.q_values[[2, 5]].any()
    old = resolve("own_worlds:Crossing-v1")
    assert old.id == "own_worlds:Crossing-v3"
    assert old.notices[0] == "environment own_worlds:Crossing-v1 is now Crossing-v3"
    assert refusal_of("own_worlds:Crossin-v3") == (
        "unknown environment 'own_worlds:Crossin-v3'; did you mean 'Crossing-v3'?"
    )
    assert refusal_of("own_worlds:Crossing-v3", {"tol": 2}) == (
        "environment Crossing-v3 has no argument 'tol'; did you mean 'toll'?"
    )


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise SystemExit(0)", "SystemExit: 0"),
        ("raise GeneratorExit", "GeneratorExit"),
        ("class Own(BaseException): pass\nraise Own('mine')", "Own: mine"),
    ],
)
def test_whatever_a_module_raises_is_one_sentence(code, reason, tmp_path, monkeypatch, register):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "raising_of_the_user.py").write_text(code)
    asked = "raising_of_the_user:Env-v0"
    message = f"the module of environment {asked!r} must be importable, but: {reason}"
    assert refusal_of(asked) == message
    # The same where only the class lies in such a module, and where building it raises.
    register("Raising-v0", entry_point="raising_of_the_user:Env")
    assert refusal_of("Raising-v0").endswith(f"Raising-v0 must be importable, but: {reason}")

    def build():
        exec(code, {})

    register("Raising-v1", entry_point=build)
    assert refusal_of("Raising-v1") == f"environment Raising-v1 refuses {{}}: {reason}"


def test_ctrl_c_while_a_module_is_imported_is_ctrl_c(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    code = "import signal\nsignal.raise_signal(signal.SIGINT)"
    (tmp_path / "slow_of_the_user.py").write_text(code)
    with pytest.raises(KeyboardInterrupt):
        resolve("slow_of_the_user:Env-v0")


def test_what_is_registered_anew_is_read_anew(register, table_env):
    table = {0: {0: [(1.0, 0, -1.0, True)]}}
    for reward in (-1.0, 5.0):
        table[0][0] = [(1.0, 0, reward, True)]
        gymnasium.registry.pop("Anew-v0", None)
        register("Anew-v0", entry_point=lambda: table_env(table, [1.0]))
        model = load_model("Anew-v0", "{}")
        assert (model.reward.item(), model.fingerprint) == (reward, resolve("Anew-v0").fingerprint)


def test_threads_that_hide_output_leave_the_streams_as_they_were():
    streams, inside = (sys.stdout, sys.stderr), threading.Event()

    def first():
        with quiet():
            inside.set()
            time.sleep(0.1)

    thread = threading.Thread(target=first)
    thread.start()
    inside.wait()
    with quiet():
        thread.join(0.2)
    thread.join()
    assert (sys.stdout, sys.stderr) == streams


# Without a believed table: rollout, interface, source


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


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is forked")
def test_an_environment_that_ends_its_process_ends_no_plan(register):
    class Ends(Line):
        def step(self, action):
            os._exit(3)

    register("Ends-v0", entry_point=Ends)
    assert resolve("Ends-v0").fingerprint == "rollout:" + "0" * 16


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


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (
            {"reset": lambda self: (0, {})},
            "TypeError: <lambda>() got an unexpected keyword argument 'seed'",
        ),
        (
            {"reset": lambda self, seed=None: (0, {})},
            "TypeError: <lambda>() got an unexpected keyword argument 'options'",
        ),
        (
            {"reset": lambda self, seed=None, options=None: 0},
            "TypeError: cannot unpack non-iterable int object",
        ),
        (
            {"step": lambda self, action: (0, -1.0, True, {})},
            "ValueError: not enough values to unpack (expected 5, got 4)",
        ),
    ],
    ids=["no seed", "no options", "no info", "four values"],
)
def test_an_environment_of_the_old_gym_is_refused(register, body, found):
    register("OldGym-v0", entry_point=type("OldGym", (Line,), body))
    assert refusal_of("OldGym-v0") == (
        "environment OldGym-v0 must have reset(seed=..., options=...) -> (observation, info) and "
        f"step(action) -> (observation, reward, terminated, truncated, info), but: {found}"
    )


MODULE = """
import gymnasium
from tests.hq_ray.test_environments import Line

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


def test_where_a_fork_dies_at_once_the_function_is_called_here(monkeypatch):
    monkeypatch.setattr(os, "dup2", lambda *files: os._exit(1))
    assert in_child_process(lambda: 7) == 7
    monkeypatch.undo()
    assert in_child_process(lambda: os._exit(1)) is None
