import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.wrappers import TransformObservation

from hq_ray.environments import make
from hq_ray.errors import InputError, TrialError
from hq_ray.gymnasium_loop import train_on_gymnasium
from hq_ray.spaces import numbering


class TableEnv(gymnasium.Env):
    """Steps along a list of rewards; states and actions may be numbered from anywhere."""

    def __init__(self, rewards, terminates=True, first_state=0, first_action=0):
        self.rewards, self.terminates, self.first_state = rewards, terminates, first_state
        self.observation_space = spaces.Discrete(len(rewards) + 1, start=first_state)
        self.action_space = spaces.Discrete(2, start=first_action)
        self.actions = []

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = 0
        return self.first_state, {}

    def step(self, action):
        self.actions.append(action)
        reward = self.rewards[self.place]
        self.place += 1
        last = self.place == len(self.rewards)
        return self.first_state + self.place, reward, self.terminates and last, False, {}


def test_two_episodes_by_hand(make_trial):
    # The rewards -1, 4 are known whatever is done: only the greedy action 0 is taken.
    trial = make_trial(
        episodes=2, max_steps=9, alpha=0.5, gamma=0.5, eps_schedule="constant", eps_start=0.0
    )
    log = train_on_gymnasium(trial, TableEnv([-1.0, 4.0]), {(2, 4.0)})
    # Episode 0: Q(0,0) = -0.5, Q(1,0) = 2. Episode 1: state 0 prefers action 1, whose target is
    # -1 + 0.5 * 2 = 0, so Q(0,1) = 0; Q(1,0) = 2 + 0.5 * (4 - 2) = 3.
    assert log.q_values.tolist() == [[-0.5, 0.0], [3.0, 0.0], [0.0, 0.0]]
    assert log.episode_return.tolist() == [3.0, 3.0]
    assert log.steps.tolist() == [2, 2]
    assert log.terminated.tolist() == log.success.tolist() == [True, True]
    # An end in another state, or with another reward, is no success.
    for other in ((2, 2.0), (1, 4.0)):
        log = train_on_gymnasium(trial, TableEnv([-1.0, 4.0]), {other})
        assert (log.terminated.all(), log.success.any()) == (True, False)


def test_states_and_actions_may_start_anywhere(make_trial):
    trial = make_trial(episodes=20)
    plain, shifted = TableEnv([1.0, 2.0, 3.0]), TableEnv([1.0, 2.0, 3.0], True, -7, 5)
    expected, log = (train_on_gymnasium(trial, environment) for environment in (plain, shifted))
    assert np.array_equal(log.q_values, expected.q_values)
    assert (log.first_state, log.first_action) == (-7, 5)
    assert [action - 5 for action in shifted.actions] == plain.actions
    assert set(shifted.actions) == {5, 6}


@pytest.mark.parametrize(
    "reward", [2, True, np.float32(2), np.int8(2), np.True_, np.array(2), np.array([[2.0]]), [2]]
)
def test_a_reward_may_be_a_number_of_any_kind(make_trial, reward):
    log = train_on_gymnasium(make_trial(episodes=1, max_steps=1), TableEnv([reward]))
    assert log.episode_return.tolist() == [float(np.ravel(reward)[0])]


@pytest.mark.parametrize(
    ("reward", "shown"),
    [
        *((float(text), text) for text in ("nan", "inf", "-inf")),
        (np.float32(np.nan), "nan"),
        *((wrong, repr(wrong)) for wrong in (None, "1.5", 1j, [], [1.0, 2.0], {}, 10**400)),
        (np.complex64(1), "np.complex64(1+0j)"),
        (np.array([1.0, 2.0]), "array([1., 2.])"),
    ],
    ids=str,
)
def test_any_other_reward_is_refused_with_its_step(make_trial, reward, shown):
    class Late(TableEnv):
        def reset(self, *, seed=None, options=None):
            self.rewards = [0.0, 1.0, reward if seed is None else 0.0]
            return super().reset(seed=seed)

    with pytest.raises(TrialError) as refusal:
        train_on_gymnasium(make_trial(), Late([0.0, 0.0, 0.0]))
    assert str(refusal.value).startswith(
        f"episode 1, step 3: the reward must be one finite number, got {shown[:100]}"
    )


@pytest.mark.parametrize("step", [0, 2])
def test_an_observation_outside_its_space_is_refused_with_its_step(make_trial, step):
    class Outside(TableEnv):
        def reset(self, *, seed=None, options=None):
            return self._seen(super().reset(seed=seed))

        def step(self, action):
            return self._seen(super().step(action))

        def _seen(self, result):
            return (-1 if self.place == step else result[0], *result[1:])

    with pytest.raises(TrialError) as refusal:
        train_on_gymnasium(make_trial(), Outside([0.0, 0.0, 0.0]))
    assert str(refusal.value) == (
        f"episode 0, step {step}: the observation must lie in Discrete(4), got -1"
    )


@pytest.mark.parametrize(
    ("space", "observe"),
    [
        (spaces.MultiDiscrete([4, 12]), lambda s: np.array(divmod(s, 12))),
        (spaces.Tuple((spaces.Discrete(4), spaces.Discrete(12))), lambda s: divmod(s, 12)),
    ],
    ids=["MultiDiscrete", "Tuple"],
)
def test_the_same_environment_seen_otherwise_is_learned_alike(make_trial, space, observe):
    trial = make_trial("harmonic", "CliffWalking-v1", {"is_slippery": True}, eps_shift=1.0)
    environment = make(trial.env, trial.env_args, trial.max_steps)
    expected = train_on_gymnasium(trial, environment, {(47, -1.0)})
    seen = TransformObservation(make(trial.env, trial.env_args, trial.max_steps), observe, space)
    log = train_on_gymnasium(trial, seen)
    assert np.array_equal(log.q_values, expected.q_values)
    assert np.array_equal(log.episode_return, expected.episode_return)


# Numbers of observations and actions

TWO, PAIR = spaces.Discrete(2), spaces.MultiDiscrete([3, 4])
BOX = spaces.Box(np.array([-1, 250]), np.array([1, 255]), dtype=np.int16)


def seen_as(space, actions=None):
    environment = gymnasium.Env()
    environment.observation_space = space
    environment.action_space = actions or spaces.Discrete(2)
    return numbering(environment, "Maze-v0")


@pytest.mark.parametrize(
    ("space", "observation", "n_states", "state"),
    [
        (spaces.Discrete(5), 3, 5, 3),
        (spaces.Discrete(5, start=-2), -2, 5, 0),
        (PAIR, np.array([2, 1]), 12, 9),
        (spaces.MultiDiscrete([3, 4], start=[1, -1]), np.array([3, 0]), 12, 9),
        (spaces.MultiDiscrete([[2, 3], [4, 5]]), np.array([[0, 1], [2, 3]]), 120, 33),
        # Blackjack: the player's sum, the dealer's card, a usable ace
        (spaces.Tuple(map(spaces.Discrete, (32, 11, 2))), (20, 7, 1), 704, (20 * 11 + 7) * 2 + 1),
        # lists, tuples and arrays of any type that holds whole numbers
        *((spaces.Discrete(5, start=1), two, 5, 1) for two in (2.0, np.uint8(2), np.array(2))),
        (spaces.Discrete(5, start=1), np.array([2], np.float32), 5, 1),
        (spaces.Discrete(2), np.True_, 2, 1),
        *((PAIR, two_one, 12, 9) for two_one in ([2, 1], (2, 1), np.array([2, 1], np.uint8))),
        (PAIR, np.array([2, 1], object), 12, 9),
        (spaces.MultiDiscrete([[2, 3], [4, 5]]), ((0, 1), [2, 3]), 120, 33),
        (spaces.Tuple((spaces.Discrete(2), spaces.Discrete(3))), np.array([1, 2]), 6, 5),
        (spaces.MultiBinary((2, 2)), np.array([[True, False], [True, True]]), 16, 11),
        (BOX, np.array([0, 255]), 18, 11),
        (spaces.Box(0, 255, (1,), np.uint8), [255], 256, 255),
        (spaces.Box(0, 2, (), int), 2, 3, 2),
        # the order of the keys is the space's
        (spaces.Dict({"row": spaces.Discrete(3), "col": PAIR}), {"row": 2, "col": (1, 3)}, 36, 23),
    ],
)
def test_numbers_by_hand(space, observation, n_states, state):
    found = seen_as(space)
    assert found.n_states == n_states
    assert found.encode(observation) == state
    assert type(found.encode(observation)) is int


def test_every_observation_has_a_number_of_its_own():
    found = seen_as(spaces.Tuple((spaces.Discrete(3, start=5), spaces.MultiDiscrete([2, 4]))))
    every = [(a, np.array([b, c])) for a in (5, 6, 7) for b in (0, 1) for c in range(4)]
    assert [found.encode(observation) for observation in every] == list(range(found.n_states))


@pytest.mark.parametrize(
    ("space", "observation"),
    [
        *((spaces.Discrete(4), wrong) for wrong in (-1, 4, 1.5, np.nan, np.inf, None, "1", 1j)),
        *((spaces.Discrete(4), wrong) for wrong in ((1, 1), [], {"a": 1})),
        *((spaces.Discrete(70, start=1), wrong) for wrong in (0, 71, np.int64(0), 10**30)),
        *((PAIR, wrong) for wrong in ([0, 4], [-1, 0], [0.5, 0], [np.nan, 0], ["0", 0])),
        *((PAIR, wrong) for wrong in ([0], [0, 0, 0], 5, [[0, 0]], [0, None], None, [[0], [0, 0]])),
        (spaces.MultiDiscrete([3, 4], start=[1, 1]), np.array([0, 1])),
        (spaces.MultiBinary(2), [2, 0]),
        *((BOX, wrong) for wrong in ([-2, 250], [0, 256])),
        *((spaces.Tuple((PAIR, PAIR)), wrong) for wrong in ([0, 0], [[0, 0], [0, 4]], 0, [[0, 0]])),
        *((spaces.Dict(a=TWO), wrong) for wrong in ({}, {"a": 2}, {"b": 1}, {"a": 1, "b": 1}, [1])),
    ],
)
def test_an_observation_outside_its_space_is_refused(space, observation):
    with pytest.raises(TrialError) as refusal:
        seen_as(space).encode(observation)
    lies_in = " ".join(repr(space).split())
    assert str(refusal.value) == f"the observation must lie in {lies_in}, got {observation!r}"


def test_a_message_stays_short_whatever_is_seen():
    class Unprintable:
        def __repr__(self):
            raise ValueError

    for observation in (np.zeros(10_000), Unprintable()):
        with pytest.raises(TrialError) as refusal:
            seen_as(spaces.MultiDiscrete([1] * 500)).encode(observation)
        assert len(str(refusal.value)) < 300


FINITE = (
    "the observation space of Maze-v0 must be finite (Discrete, MultiDiscrete, MultiBinary, "
    "integer Box with bounds, Tuple and Dict of these), got "
)
NUMBERED = (
    "the states and actions of Maze-v0 must be numbered below 2**31 and make at most 100,000,000 "
    "pairs, got "
)


@pytest.mark.parametrize(
    ("space", "actions", "must"),
    [
        (spaces.Box(0, np.inf, (2,), np.int64), TWO, FINITE + "{0}"),
        (spaces.Dict({"a": spaces.Text(2)}), TWO, FINITE + "{0}"),
        (spaces.Tuple((TWO, spaces.Box(0, 1))), TWO, FINITE + "{0}"),
        (TWO, PAIR, "the action space of Maze-v0 must be Discrete, got {1}"),
        (spaces.Box(0, 255, (84, 84), np.uint8), TWO, NUMBERED + "{0} and {1}"),
        (spaces.Discrete(5, start=-(2**31)), TWO, NUMBERED + "{0} and {1}"),
        (TWO, spaces.Discrete(2, start=2**31), NUMBERED + "{0} and {1}"),
        (spaces.Discrete(10**5), spaces.Discrete(1001), NUMBERED + "{0} and {1}"),
    ],
)
def test_a_space_without_a_table_is_refused(space, actions, must):
    with pytest.raises(InputError) as refusal:
        seen_as(space, actions)
    assert str(refusal.value) == must.format(repr(space), repr(actions))
