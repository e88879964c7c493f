"""Which tables are believed: whatever changes a step takes it off the kernel, with its own log."""

import functools
from collections import Counter
from dataclasses import replace

import gymnasium
import naive
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.envs.toy_text.cliffwalking import CliffWalkingEnv
from gymnasium.envs.toy_text.frozen_lake import FrozenLakeEnv
from gymnasium.envs.toy_text.taxi import TaxiEnv
from gymnasium.wrappers import StickyAction
from naive import differing

from hq_ray.belief import believed_model
from hq_ray.environments import load_model, make, resolve
from hq_ray.model import model_from_table
from hq_ray.training import train

TABLE = {
    0: {0: [(0.5, 1, -1.0, False), (0.5, 0, -2.0, False)], 1: [(1.0, 1, 3.0, True)]},
    1: {0: [(0.2, 0, 0.0, False), (0.8, 1, 4.0, True)], 1: [(1.0, 1, 0.0, False)]},
}


class Pond(FrozenLakeEnv):
    """Changes the constructor alone."""

    def __init__(self, render_mode=None):
        super().__init__(render_mode, desc=["SFFG"], is_slippery=False)


class GoalPaysMore(Pond):
    def step(self, action):
        state, reward, terminated, truncated, info = super().step(action)
        return state, 50.0 if terminated else reward, terminated, truncated, info


class StartsMove(Pond):
    """From the sixtieth reset on it starts beside the goal."""

    resets = 0

    def reset(self, **options):
        self.resets += 1
        state, info = super().reset(**options)
        if self.resets >= 60:
            self.s = state = 2
        return state, info


class Toll:
    """A class to mix in before an environment."""

    def step(self, action):
        state, reward, terminated, truncated, info = super().step(action)
        return state, reward - 3.0 * (state == 35), terminated, truncated, info


class TollCliff(Toll, CliffWalkingEnv):
    pass


class Modest(gymnasium.Env):
    """Says that its table describes its steps, and that is so."""

    table_describes_steps = True
    observation_space, action_space = spaces.Discrete(4), spaces.Discrete(2)

    def __init__(self):
        pond = Pond()
        self.P = {s: {a: pond.P[s][2 * a] for a in range(2)} for s in range(4)}
        self.initial_state_distrib = pond.initial_state_distrib

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.np_random.random()
        self.s = 0
        return 0, {}

    def step(self, action):
        self.np_random.random()
        (_, self.s, reward, terminated), *_ = self.P[self.s][action]
        return self.s, self.price(reward), terminated, False, {}

    def price(self, reward):
        return reward


def changed(*bases, **body):
    """A subclass in whose body stands what may change a step, though here it changes none."""
    return type("Changed", bases, body)


def step_on_the_instance():
    environment = Pond()
    environment.step = environment.step
    return environment


PROPERTY = property(lambda env: env.table, lambda env, table: vars(env).update(table=table))
BEHIND = type("Behind", (gymnasium.Env,), {"reset": gymnasium.Env.reset})
WATCHED = {"__getattribute__": object.__getattribute__}
FICKLE = functools.partial(TaxiEnv, fickle_passenger=True)
# Each with what is said of it.
CHANGED = {
    "a reward that is rare": (GoalPaysMore, "a step of its own in GoalPaysMore"),
    "a reset of its own": (StartsMove, "a reset of its own in StartsMove"),
    "a table that is a property": (changed(Pond, P=PROPERTY), "a P of its own in Changed"),
    "watched attributes": (changed(Pond, **WATCHED), "a __getattribute__ of its own in Changed"),
    "a class before it": (TollCliff, "a step of its own in Toll"),
    "a class behind it": (changed(FrozenLakeEnv, BEHIND), "a reset of its own in Behind"),
    "a step on the instance": (step_on_the_instance, "a step of its own on the instance"),
    "a fickle passenger": (FICKLE, "a fickle passenger"),
    "an inherited word": (changed(Modest, step=Modest.step), "a step of its own in Changed"),
    "a wrapper": (lambda: StickyAction(Pond(), 0.0), "steps of the wrapper StickyAction"),
    "a helper of step": (changed(Modest, price=Modest.price), "a price of its own in Changed"),
}


@pytest.mark.parametrize("kind", CHANGED)
def test_a_table_is_not_believed_where_a_step_may_differ(register, kind):
    entry_point, words = CHANGED[kind]
    env = f"Changed{list(CHANGED).index(kind)}-v0"
    register(env, entry_point=entry_point)
    found = resolve(env)
    (notice,) = found.notices
    assert words in notice
    assert words in found.engine
    assert ("table_describes_steps" in notice) == ("of its own" in words)
    assert found.engine.startswith("gymnasium: ")
    assert found.fingerprint.startswith("rollout:")
    assert load_model(env, "{}") is None


@pytest.mark.parametrize("entry_point", [GoalPaysMore, StartsMove, TollCliff])
def test_what_changes_a_step_is_trained_by_its_steps(make_trial, register, entry_point):
    env = f"Trained{entry_point.__name__}-v0"
    register(env, entry_point=entry_point)
    trial = make_trial("standard", env, episodes=100, max_steps=150, eps_decay_episodes=50)
    trained = train(trial)
    assert (trained.engine, trial.has_model) == ("gymnasium", False)
    assert not differing(trained.log, naive.learn_by_steps(trial, make(env, "{}", 150)))
    # The table alone would have given another log.
    bare = entry_point()
    of_the_table = naive.learn(trial, bare.P, bare.initial_state_distrib)
    assert {"episode_return", "steps"} & set(differing(trained.log, of_the_table))


def test_the_notice_says_how_to_opt_in(register):
    register("Opting-v0", entry_point=Modest)
    register("NotOpting-v0", entry_point=GoalPaysMore)
    assert resolve("NotOpting-v0").notices == (
        "NotOpting-v0 trains on the Gymnasium loop, some hundred times slower than the kernel: it "
        "has a step of its own in GoalPaysMore, which its transition table need not describe (if "
        "it does, table_describes_steps = True in the body of the class that defines step and "
        "reset says so)",
    )
    found = resolve("Opting-v0")
    assert found.notices == ()
    assert found.engine == ("kernel: it has a transition table that describes the steps of Modest")


def test_a_known_class_is_believed_as_it_was_written(monkeypatch, register):
    def step(self, action):
        return 0, 1.0, True, False, {}

    register("Patched-v0", entry_point=Pond)
    monkeypatch.setattr(FrozenLakeEnv, "step", functools.wraps(FrozenLakeEnv.step)(step))
    assert "a step that was put into FrozenLakeEnv from elsewhere" in resolve("Patched-v0").engine


class Corridor(FrozenLakeEnv):
    """A constructor, and what changes no step."""

    metadata = {"render_modes": []}  # noqa: RUF012

    def __init__(self, length=6, prize=1.0, render_mode=None):
        super().__init__(render_mode, desc=["S" + "F" * (length - 2) + "G"])
        for rows in self.P.values():
            for row in rows.values():
                row[:] = [(p, s, prize * r, d) for p, s, r, d in row]

    def render(self):
        return None

    @property
    def length(self):
        return self.observation_space.n


class Longer(Modest):
    def __init__(self):
        super().__init__()
        self.P[0][0] = [(1.0, 0, -2.0, False)]


@pytest.mark.parametrize(
    ("entry_point", "args"),
    [(Corridor, {"length": 4, "prize": 3.0}), (Longer, {})],
)
def test_another_constructor_stays_on_the_kernel(make_trial, register, entry_point, args):
    env = f"Built{entry_point.__name__}{len(args)}-v0"
    register(env, entry_point=entry_point, max_episode_steps=60)
    found = resolve(env, args)
    assert (found.engine[:7], found.notices) == ("kernel:", ())
    trial = make_trial("standard", env, args, episodes=60, max_steps=60)
    trained = train(trial)
    assert trained.engine == "kernel"
    assert not differing(trained.log, naive.learn_by_steps(trial, make(env, found.args, 60)))


# Tables that cannot be read, of a class that says that they describe its steps


def last_row(*outcome):
    return lambda env: env.P.update({3: {action: [outcome] for action in (0, 1)}})


def starts(value):
    return lambda env: setattr(env, "initial_state_distrib", value)


LENGTH = "initial_state_distrib must have one entry per state ({}), got shape ({},)"
NO_TABLE = "a transition table must be P[state][action] = [(probability, next_state, reward, termin"
SUMS = "probabilities of {} must be >= 0 and sum to 1"
ODD = {
    "an empty last row": (lambda env: env.P.update({3: {0: [], 1: []}}), SUMS.format("P")),
    "a short last row": (
        lambda env: env.P[3].pop(1),
        "every state must have the same number of actions, got [2, 2, 2, 1]",
    ),
    "five values": (last_row(1.0, 3, 0.0, False, "x"), NO_TABLE),
    "no next state": (last_row(1.0, None, 0.0, True), NO_TABLE),
    "another next state": (last_row(1.0, -1, 0.0, True), "next states must lie in [0, 4)"),
    "sums short of 1": (last_row(0.99, 3, 0.0, True), SUMS.format("P")),
    "float32 in the rows": (last_row(np.float32(1), 3, 0.0, True), NO_TABLE),
    "an infinite reward": (last_row(1.0, 3, np.inf, True), "rewards must be finite numbers"),
    "other keys": (lambda env: env.P.update({"4": env.P.pop(3)}), NO_TABLE),
    "an array": (lambda env: setattr(env, "P", np.zeros((4, 2, 1, 4))), NO_TABLE),
    "a mapping of its own": (lambda env: env.P.update({3: Counter(env.P[3])}), NO_TABLE),
    "starts short of 1": (starts([0.5, 0.0, 0.0, 0.0]), SUMS.format("start")),
    "too few starts": (starts([0.5, 0.5]), LENGTH.format(4, 2)),
    "float32 starts": (
        starts(np.eye(4, dtype="f4")[0]),
        "initial_state_distrib must be a list or array of float64",
    ),
    "ragged starts": (starts([[1.0], [0.0, 1.0]]), "ValueError"),
}


@pytest.mark.parametrize("kind", ODD)
def test_a_table_that_cannot_be_read_is_not_believed(kind):
    environment, (change, found) = Modest(), ODD[kind]
    change(environment)
    model, reason = believed_model(environment)
    assert model is None
    assert reason.startswith(f"has a transition table that cannot be read ({found}")


LIES = {
    "another reward": lambda env, s, r, done: (s, r + 1e-9, done, False),
    "another state": lambda env, s, r, done: (1 - s, r, done, False),
    "no end": lambda env, s, r, done: (s, r, False, False),
    "a limit of its own": lambda env, s, r, done: (s, r, done, s == 1),
    "an extra draw": lambda env, s, r, done: (s, r + 0 * env.np_random.random(), done, False),
}


@pytest.mark.parametrize("kind", [*LIES, "another start", "nothing"])
def test_a_word_that_a_replay_belies_is_not_believed(table_env, kind):
    class Liar(table_env):
        table_describes_steps = True

        def reset(self, *, seed=None, options=None):
            observation, info = super().reset(seed=seed)
            self.s = 0 if kind == "another start" else observation
            return self.s, info

        def step(self, action):
            *answer, truncated, info = super().step(action)
            tell = LIES.get(kind, lambda env, *told: (*told, truncated))
            return *tell(self, *answer), info

    model, reason = believed_model(Liar(TABLE, [0.25, 0.75]))
    assert (model is not None) == (kind == "nothing")
    assert ("does not describe its steps" in reason) == (kind != "nothing")


@pytest.mark.parametrize(
    ("name", "space"),
    [
        ("observation_space", spaces.Discrete(3)),
        ("observation_space", spaces.Discrete(2, start=1)),
        ("observation_space", spaces.MultiDiscrete([2])),
        ("action_space", spaces.Discrete(3)),
    ],
)
def test_observations_must_be_the_states_of_the_table(table_env, name, space):
    environment = table_env(TABLE, [0.25, 0.75])
    setattr(environment, name, space)
    assert believed_model(environment)[0] is None


# What is read

# State 1 is an ordinary state for action 0 of state 0 and a terminal one for its action 1.
# State 2 cannot be reached, though zero probabilities lead there.
UNREACHED = {
    0: {0: [(0.5, 1, -1, False), (0.5, 0, -2.5, False)], 1: [(1.0, 1, 3, True)]},
    1: {0: [(0.25, 0, 0, False), (0.0, 2, 7, False), (0.75, 1, 4, True)], 1: [(1.0, 1, 0, False)]},
    2: {0: [(1.0, 2, 99, True)], 1: [(1.0, 2, 0, False)]},
}


@pytest.fixture
def model():
    return model_from_table(UNREACHED, [0.5, 0.5, 0.0])


def test_success_is_the_greatest_end_that_can_occur(model):
    assert model.successes == {(1, 4.0)}
    never = model_from_table({0: {0: [(1.0, 0, 1, False), (0.0, 0, 2, True)]}}, [1.0])
    assert never.success is never.successes is None


def test_golden_fingerprint(model):
    # Stored results carry fingerprints: the digest of the same arrays must never change.
    assert model.fingerprint == "f158678786fbba92"
    goal = np.array([False, True, False])
    alike = model_from_table(UNREACHED, np.array([0.5, 0.5, 0.0]), goal)
    assert alike.fingerprint == model.fingerprint


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("next_state", 2),
        ("reward", np.nextafter(-1.0, 0.0)),
        ("probability", 0.5 - 1e-16),
        ("terminated", True),
        ("start_probability", 0.25),
    ],
)
def test_the_fingerprint_changes_with_every_entry_and_the_shape(model, name, entry):
    array = getattr(model, name)
    changed = array.copy()
    changed.flat[0] = entry
    for other in (changed, array[..., None]):
        assert replace(model, **{name: other}).fingerprint != model.fingerprint
