import json
import math
from dataclasses import replace

import made_up
import naive
import numpy as np
import pytest
from naive import differing

from hq_ray.environments import load_model, make
from hq_ray.errors import InputError, ModelError, TrialError
from hq_ray.model import model_from_table
from hq_ray.planning import optimal_values
from hq_ray.training import summarise, train
from hq_ray.trial import EpisodeLog

START_VALUE_NAMES = ("start_value", "policy_value", "optimal_value")
VALUE_ERROR_NAMES = ("q_bias", "q_rmse", "q_max_error")


def test_every_engine_gives_the_same_log_and_summary(make_trial):
    trial = make_trial("harmonic", "FrozenLake-v1", eps_shift=1.0)
    auto, kernel, slow = (train(trial, engine) for engine in ("auto", "kernel", "gymnasium"))
    assert (auto.engine, kernel.engine, slow.engine) == ("kernel", "kernel", "gymnasium")
    assert not differing(auto.log, kernel.log) + differing(auto.log, slow.log)
    assert auto.summary == kernel.summary == slow.summary
    assert auto.trial is trial
    assert json.loads(json.dumps(auto.summary, allow_nan=False)) == auto.summary
    assert differing(auto.log, train(replace(trial, seed=1)).log)


def test_without_a_model_the_gymnasium_loop_trains(make_trial):
    trial = make_trial("standard", "Blackjack-v1")
    trained = train(trial)
    assert trained.engine == "gymnasium"
    assert trained.log.success is None
    unknown = {name for name, value in trained.summary.items() if value is None}
    rates = {"success_rate", "final_success_rate"}
    assert unknown == {*rates, *START_VALUE_NAMES, *VALUE_ERROR_NAMES}
    sentence = "^the kernel needs a transition table, and Blackjack-v1 has none to use$"
    with pytest.raises(InputError, match=sentence):
        train(trial, "kernel")


def test_a_model_with_hundreds_of_rewards_trains_on_the_kernel(make_trial, register, table_env):
    n = 257  # one more than a byte can tell apart
    on = [[(1.0, (s + 1) % n, float(s), s == n - 1)] for s in range(n)]
    table = {s: dict.fromkeys(range(4), outcomes) for s, outcomes in enumerate(on)}
    register("ManyRewards-v0", entry_point=lambda: table_env(table, np.eye(n)[0]))
    trial = make_trial("standard", "ManyRewards-v0", episodes=2, max_steps=n)
    trained = train(trial, "kernel")
    assert trained.log.success.tolist() == [True, True]
    assert trained.log.episode_return.tolist() == [n * (n - 1) / 2] * 2
    assert not differing(trained.log, train(trial, "gymnasium").log)


@pytest.mark.parametrize("env", ["CliffWalking-v1", "Blackjack-v1"])
def test_another_environment_than_the_planned_one_is_refused(make_trial, env):
    trial = make_trial("standard", env)
    found = trial.fingerprint if trial.has_model else None
    with pytest.raises(ModelError) as refusal:
        train(replace(trial, fingerprint="0123456789abcdef"))
    assert str(refusal.value).startswith(
        f"the model of {env} {{}} must be the planned one (0123456789abcdef), "
        f"but this process has {found}: "
    )


LAKE = ["SFF", "FHF", "FFG"]
FULL_SPEED = {"width": 3, "height": 3, "max_speed": 1, "slip_prob": 0.4}


@pytest.mark.parametrize("engine", ["kernel", "gymnasium"])
@pytest.mark.parametrize(
    ("env", "env_args", "goal"),
    [
        ("FrozenLake-v1", {"desc": LAKE}, {8}),
        ("FrozenLake-v1", {"desc": LAKE, "reward_schedule": [-1, 1, 0]}, {8}),
        ("CliffWalking-v1", {}, {47}),
        ("Taxi-v4", {"is_rainy": True}, set(range(500))),
        # The last of nine cells, at nine velocities.
        ("VelocityGrid-v0", {**FULL_SPEED, "goal_reward": -200.0}, set(range(72, 81))),
    ],
)
def test_success_is_an_episode_that_ends_on_the_goal(make_trial, env, env_args, goal, engine):
    trial = make_trial("standard", env, env_args, episodes=200, max_steps=100, seed=2)
    bare = make(trial.env, trial.env_args).unwrapped
    expected = naive.learn(trial, bare.P, bare.initial_state_distrib, goal=goal)
    trained = train(trial, engine)
    assert trained.log.success.tolist() == expected["success"].tolist()
    assert 0 < trained.summary["success_rate"] == expected["success"].mean()


@pytest.mark.parametrize("engine", ["kernel", "gymnasium"])
@pytest.mark.parametrize("desc", [["SFH", "FHH", "HHG"], ["SFF", "FFF"]])
def test_success_is_unknown_where_no_start_leads_to_the_goal(make_trial, desc, engine):
    trained = train(make_trial(env="FrozenLake-v1", env_args={"desc": desc}), engine)
    assert trained.log.success is None
    assert trained.summary["success_rate"] is trained.summary["final_success_rate"] is None


@pytest.mark.parametrize("engine", ["kernel", "gymnasium"])
@pytest.mark.parametrize(
    ("reward", "hyperparameters", "message"),
    [
        # Q of state 0 is 1e308, then 1e308 + 0.99e308, beyond the greatest float.
        (
            1e308,
            {"alpha": 1.0, "gamma": 0.99, "eps_schedule": "constant", "eps_start": 0.0},
            "episode 1, step 1: the Q value of state 0 and action 0 must be finite, got inf after "
            "a reward of 1e+308",
        ),
        (
            -1e308,
            {"gamma": 0.0, "max_steps": 3},
            "episode 0, step 2: the return must be finite, got -inf after a reward of -1e+308",
        ),
    ],
)
def test_what_overflows_is_told_with_its_step(
    make_trial, register, table_env, reward, hyperparameters, message, engine
):
    table = {0: {action: [(1.0, 0, reward, False)] for action in range(4)}}
    env = f"{'Loss' if reward < 0 else 'Gain'}-v0"
    register(env, entry_point=lambda: table_env(table, [1.0]))
    trial = make_trial(env=env, **{"max_steps": 1, **hyperparameters})
    with pytest.raises(TrialError) as refusal:
        train(trial, engine)
    assert str(refusal.value) == message


# From state 0 on to state 1 (-1) or off with -5; from state 1 home with 10 or wait (-1).
TABLE = {
    0: {0: [(1.0, 1, -1.0, False)], 1: [(1.0, 0, -5.0, True)]},
    1: {0: [(1.0, 1, 10.0, True)], 1: [(1.0, 1, -1.0, False)]},
}


def twenty_episodes():
    """Returns 1 to 20, five truncations, five successes of which one among the last two."""
    terminated = np.arange(20) >= 5
    succeeded = np.isin(np.arange(20), [6, 7, 8, 9, 19])
    return EpisodeLog(
        episode_return=np.arange(1.0, 21.0),
        steps=np.array([10] * 18 + [4, 6], np.int32),
        terminated=terminated,
        success=succeeded,
        q_values=np.array([[1.0, 2.0], [4.0, 0.0]]),
    )


def test_summary_by_hand(make_trial):
    trial = make_trial(episodes=20, gamma=0.5)
    assert summarise(trial, twenty_episodes(), model_from_table(TABLE, [0.5, 0.5])) == {
        "mean_return": 10.5,
        "final_return": 19.5,
        "mean_steps": 9.5,
        "final_steps": 5.0,
        "total_steps": 190,
        "success_rate": 0.25,
        "final_success_rate": 0.5,
        "truncation_rate": 0.25,
        # max Q is 2 and 4; the greedy policy gets -5 and 10; the best gets -1 + 10/2 = 4 and 10
        "start_value": 3.0,
        "policy_value": 2.5,
        "optimal_value": 7.0,
        # Q* is [[4, -5], [10, 4]], so the errors of the values that moved are -3, 7 and -6
        "q_bias": pytest.approx(-2 / 3, rel=1e-14),
        "q_rmse": pytest.approx(math.sqrt(94 / 3), rel=1e-14),
        "q_max_error": 7.0,
    }


def test_summary_without_discount(make_trial):
    model = model_from_table(TABLE, [0.5, 0.5])
    trial = make_trial(episodes=20, gamma=1)
    summary = summarise(trial, twenty_episodes(), model)
    # Off with -5 and home with 10; on and home gets 9; Q* is [[9, -5], [10, 9]].
    assert [summary[name] for name in START_VALUE_NAMES] == [3.0, 2.5, 9.5]
    assert [summary[name] for name in VALUE_ERROR_NAMES] == [-7 / 3, math.sqrt(149 / 3), 8.0]
    # Preferring to wait, the greedy policy never ends, which leaves the best one its value.
    waits = replace(twenty_episodes(), q_values=np.array([[1.0, 2.0], [0.0, 4.0]]))
    summary = summarise(trial, waits, model)
    assert [summary[name] for name in START_VALUE_NAMES] == [3.0, None, 9.5]
    assert summary["q_bias"] == pytest.approx((-8 + 7 - 5) / 3)


@pytest.mark.parametrize(("on", "waiting"), [(False, -1.0), (True, 0.5)])
def test_without_discount_a_q_that_does_not_exist_has_no_error(make_trial, on, waiting):
    # Waiting never ends, or ends when one likes and pays until then.
    table = {
        0: {0: [(1.0, 0, -5.0, True)], 1: [(1.0, 1, -1.0, False)]},
        1: {0: [(1.0, 1, 10.0, on)], 1: [(1.0, 1, waiting, False)]},
    }
    model, trial = model_from_table(table, [1.0, 0.0]), make_trial(episodes=20, gamma=1)
    summary = summarise(trial, twenty_episodes(), model)
    assert summary["optimal_value"] == (None if on else -5.0)
    assert [summary[name] for name in VALUE_ERROR_NAMES] == [None, None, None]
    known = replace(twenty_episodes(), q_values=np.array([[-4.0, 0.0], [0.0, 0.0]]))
    summary = summarise(trial, known, model)
    assert [summary[name] for name in VALUE_ERROR_NAMES] == [1.0, 1.0, 1.0]


def test_what_no_float_can_hold_is_unknown(make_trial):
    model, trial = model_from_table(TABLE, [0.5, 0.5]), make_trial(episodes=20)
    log = replace(twenty_episodes(), episode_return=np.full(20, 8e307), q_values=np.eye(2) * 1e200)
    summary = summarise(trial, log, model)
    assert summary["mean_return"] is summary["q_rmse"] is None
    assert (summary["final_return"], summary["start_value"]) == (8e307, 1e200)
    # A table that never moved has no errors; steps are summed beyond 32 bits.
    log = replace(log, q_values=np.zeros((2, 2)), steps=np.full(20, 2**31 - 1, np.int32))
    summary = summarise(trial, log, model)
    assert [summary[name] for name in VALUE_ERROR_NAMES] == [None, None, None]
    assert (summary["start_value"], summary["total_steps"]) == (0.0, 20 * (2**31 - 1))


@pytest.mark.parametrize(("episodes", "final"), [(1, 1), (10, 1), (11, 2), (70, 7), (4000, 400)])
def test_final_is_the_last_tenth(make_trial, episodes, final):
    trial = make_trial(episodes=episodes)
    log = made_up.trained(trial).log
    summary = summarise(trial, log, None)
    assert summary["final_return"] == log.episode_return[-final:].mean()
    assert summary["final_steps"] == log.steps[-final:].mean()


def test_standard_learns_the_shortest_way_along_the_cliff(make_trial):
    trial = make_trial("standard", "CliffWalking-v1", seed=0, episodes=4000, max_steps=1000)
    trained, model = train(trial), load_model("CliffWalking-v1", "{}")
    # Up, eleven times right along the edge, down.
    states, actions = [36, *range(24, 36)], [0, *[1] * 11, 2]
    assert trained.log.q_values[states].argmax(axis=1).tolist() == actions
    value = -(1 - 0.99**13) / (1 - 0.99)
    for name in START_VALUE_NAMES:
        assert trained.summary[name] == pytest.approx(value, abs=1e-9)
    best = optimal_values(model, 0.99)[states, actions]
    np.testing.assert_allclose(trained.log.q_values[states, actions], best, atol=1e-9)


def test_harmonic_at_a_small_shift_fears_the_slippery_cliff(make_trial):
    # It learns the worst case whatever alpha is, so it values the start as the minimum does.
    logs = {
        variant: train(make_trial(variant, "CliffWalkingSlippery-v1", episodes=300, max_steps=100))
        for variant in ("standard", "harmonic", "minimum")
    }
    start = {variant: trained.summary["start_value"] for variant, trained in logs.items()}
    assert start["harmonic"] < start["standard"]
    assert start["harmonic"] == pytest.approx(start["minimum"], rel=0.05)
    bias = {variant: trained.summary["q_bias"] for variant, trained in logs.items()}
    assert bias["harmonic"] < min(bias["standard"], 0)
