import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.wrappers import TransformObservation

from hq_ray.environments import make
from hq_ray.errors import TrialError
from hq_ray.gymnasium_loop import train_on_gymnasium


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


# The loop by hand


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


# What cannot be learned from


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


# Observations of several components


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
