"""WindyGrid, OverestimationGrid and Garnet: tables by hand, and the literature."""

import math

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from hq_ray.environments import load_model, resolve
from hq_ray.envs.garnet import GarnetEnv
from hq_ray.envs.grid_worlds import OverestimationGridEnv, WindyGridEnv
from hq_ray.envs.velocity_grid import VelocityGridEnv
from hq_ray.planning import optimal_start_value, optimal_values
from hq_ray.training import train_together

UP, RIGHT, DOWN, LEFT, UP_RIGHT, DOWN_RIGHT, DOWN_LEFT, UP_LEFT = range(8)


def windy_steps(env, x, y, action):
    """{(x, y): probability} of a step on the windy grid."""
    return {
        (state % 10, state // 10): probability
        for probability, state, _, _ in env.P[y * 10 + x][action]
    }


@pytest.mark.parametrize(
    ("cell", "action", "after"),
    [
        ((0, 3), UP, (0, 2)),
        ((0, 3), LEFT, (0, 3)),
        ((2, 3), RIGHT, (3, 3)),  # the wind is that of the column left behind
        ((3, 3), RIGHT, (4, 2)),
        ((3, 3), DOWN, (3, 3)),
        ((6, 3), UP, (6, 0)),
        ((9, 6), DOWN, (9, 6)),
        ((6, 5), RIGHT, (7, 3)),
        ((0, 3), DOWN_RIGHT, (1, 4)),
        ((6, 6), UP_RIGHT, (7, 3)),
        ((6, 6), DOWN_LEFT, (5, 5)),  # cut to the grid only once
        ((9, 0), UP_LEFT, (8, 0)),
    ],
)
def test_the_wind_blows_upwards(cell, action, after):
    env = WindyGridEnv(kings_moves=action > LEFT)
    [(probability, state, reward, terminated)] = env.P[cell[1] * 10 + cell[0]][action]
    assert (probability, state, reward) == (1.0, after[1] * 10 + after[0], -1.0)
    assert terminated == (after == (7, 3))


def test_a_stochastic_wind_is_one_less_or_one_more():
    env = WindyGridEnv(stochastic=True)
    third = pytest.approx(1 / 3)
    assert windy_steps(env, 6, 4, LEFT) == {(5, 3): third, (5, 2): third, (5, 1): third}
    assert windy_steps(env, 4, 1, RIGHT) == {(5, 1): third, (5, 0): pytest.approx(2 / 3)}
    assert windy_steps(env, 8, 3, DOWN) == {(8, 4): third, (8, 3): third, (8, 2): third}
    assert windy_steps(env, 2, 3, RIGHT) == {(3, 3): 1.0}
    goal = [outcome for outcome in env.P[4 * 10 + 8][LEFT] if outcome[3]]
    assert [(state, reward) for _, state, reward, _ in goal] == [(37, -1.0)]


@pytest.mark.parametrize(("kings_moves", "steps"), [(False, 15), (True, 7)])
def test_the_shortest_way_is_as_long_as_in_the_book(kings_moves, steps):
    found = resolve("WindyGrid-v0", {"kings_moves": kings_moves})
    model = load_model(found.id, found.args)
    assert optimal_start_value(model, 1.0) == -steps
    assert model.successes == {(37, -1.0)}


def test_steps_of_the_overestimation_grid():
    env = OverestimationGridEnv()
    assert env.P[6][UP] == [(0.5, 3, -12.0, False), (0.5, 3, 10.0, False)]
    assert env.P[6][LEFT] == env.P[6][DOWN] == [(0.5, 6, -12.0, False), (0.5, 6, 10.0, False)]
    assert env.P[1][RIGHT] == [(0.5, 2, -12.0, False), (0.5, 2, 10.0, False)]
    assert list(env.P[2].values()) == [[(1.0, 2, 5.0, True)]] * 4
    assert env.reset(seed=0)[0] == 6
    model = load_model("OverestimationGrid-v0", "{}")
    assert model.successes == {(2, 5.0)}
    by_hand = 5 * 0.95**4 - sum(0.95**k for k in range(4))
    assert optimal_start_value(model, 0.95) == pytest.approx(by_hand)


def test_a_garnet_has_distinct_successors_and_one_reward_a_pair_and_never_ends():
    env = GarnetEnv(n_states=9, n_actions=3, branching=4, instance=1)
    rewards = np.random.RandomState(1).standard_normal((9, 3))
    seen = set()
    for state, row in env.P.items():
        for action, outcomes in row.items():
            probabilities, successors, paid, ends = zip(*outcomes, strict=True)
            assert len(set(successors)) == 4
            assert math.fsum(probabilities) == pytest.approx(1.0)
            assert min(probabilities) > 0.0
            assert set(paid) == {rewards[state, action]}
            assert not any(ends)
            seen |= set(successors)
    assert seen == set(range(9))
    assert [[p for p, *_ in row[0]] for row in GarnetEnv(4, 1, 1).P.values()] == [[1.0]] * 4
    assert {state for _, state, _, _ in GarnetEnv(5, 1, 5).P[0][0]} == set(range(5))
    model = load_model("Garnet-v0", "{}")
    assert model.successes is None
    assert np.isneginf(optimal_values(model, 1.0)).all()


@pytest.mark.parametrize(
    ("args", "digest"),
    [
        ({}, "965947b947a85051"),
        ({"instance": 1}, "1fb1787c40811538"),
        ({"n_states": 100, "n_actions": 5, "branching": 10, "instance": 7}, "391e8d416de3178d"),
    ],
)
def test_an_instance_of_garnet_stays_what_it_is(args, digest):
    assert resolve("Garnet-v0", args).fingerprint == digest


@pytest.fixture
def learn(make_trial):
    def learn(env, variant, seeds, episodes, max_steps=1000, **hyperparameters):
        constant = {"eps_schedule": "constant", "eps_start": 0.1}
        return train_together(
            [
                make_trial(
                    variant, env, None, seed, episodes, max_steps, **constant, **hyperparameters
                )
                for seed in range(seeds)
            ]
        )

    return learn


@pytest.mark.parametrize(("variant", "low", "high"), [("sarsa", -35, -20), ("standard", -65, -40)])
def test_the_cliff_of_sutton_and_barto(learn, variant, low, high):
    """Example 6.6: Q-learning walks along the cliff and falls, SARSA keeps away from it."""
    runs = learn("CliffWalking-v1", variant, 100, 500, gamma=1.0, alpha=0.5)
    assert low < np.mean([run.log.episode_return[400:] for run in runs]) < high


def test_expected_sarsa_beats_sarsa_at_large_steps(learn):
    """Van Seijen et al. 2009, figure 2."""
    expected, sarsa = (
        np.mean(
            [
                run.summary["mean_return"]
                for run in learn("CliffWalking-v1", variant, 50, 300, gamma=1.0, alpha=0.95)
            ]
        )
        for variant in ("expected_sarsa", "sarsa")
    )
    assert expected > sarsa + 20


def test_q_learning_overestimates_and_double_q_does_not(learn):
    """Van Hasselt 2010, figure 2: step sizes 1/n."""
    by_visits = {"alpha_schedule": "visits", "alpha": 1.0, "alpha_power": 1.0, "gamma": 0.95}
    start_value = {}
    for variant in ("standard", "double_q"):
        runs = learn("OverestimationGrid-v0", variant, 30, 1000, 200, **by_visits)
        start_value[variant] = np.mean([run.summary["start_value"] for run in runs])
        optimal = runs[0].summary["optimal_value"]
    assert start_value["standard"] > optimal + 3
    assert start_value["double_q"] < optimal


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("WindyGrid-v0", 1000),
        ("OverestimationGrid-v0", 200),
        ("Garnet-v0", 100),
        ("VelocityGrid-v0", 200),
    ],
)
def test_gymnasium_finds_nothing_to_criticise(name, limit):
    assert gymnasium.registry[name].max_episode_steps == limit
    for render_mode in (None, "ansi", "rgb_array"):
        check_env(gymnasium.make(name, render_mode=render_mode).unwrapped)


@pytest.mark.parametrize(
    ("kind", "arguments", "error", "message"),
    [
        (WindyGridEnv, {"kings_moves": 1}, TypeError, "kings_moves must be True or False, got 1"),
        (WindyGridEnv, {"stochastic": "no"}, TypeError, "stochastic must be True or False"),
        (OverestimationGridEnv, {"render_mode": "human"}, ValueError, "None, 'ansi' or"),
        (GarnetEnv, {"n_states": 0}, ValueError, "n_states must be an integer of at least 1"),
        (GarnetEnv, {"n_actions": 2.0}, TypeError, "n_actions must be an integer of at least 1"),
        (GarnetEnv, {"branching": 31}, ValueError, "at most n_states, got branching 31 and n_stat"),
        (GarnetEnv, {"instance": -1}, ValueError, "instance must be an integer from 0 to 4,294,96"),
        (GarnetEnv, {"n_states": 10**6}, ValueError, r"1,000,000, got 1000000 \* 4 \* 2"),
        *(
            (VelocityGridEnv, {name: value}, error, f"{name} must be {must}, got {value!r}$")
            for name, value, error, must in (
                ("width", 1, ValueError, "an integer of at least 2"),
                ("height", True, TypeError, "an integer of at least 2"),
                ("max_speed", 0, ValueError, "an integer of at least 1"),
                ("slip_prob", 1.5, ValueError, r"a probability in \[0, 1\]"),
                ("slip_prob", math.nan, ValueError, r"a probability in \[0, 1\]"),
                ("slip_prob", "0.1", TypeError, r"a probability in \[0, 1\]"),
                ("step_reward", math.inf, ValueError, "a finite number"),
                ("goal_reward", None, TypeError, "a finite number"),
                ("cliff_penalty", False, TypeError, "a finite number"),
            )
        ),
    ],
)
def test_bad_arguments_are_refused_in_one_sentence(kind, arguments, error, message):
    with pytest.raises(error, match=message):
        kind(**arguments)


def test_text_shows_the_wind_the_cell_and_the_action():
    env = WindyGridEnv(render_mode="ansi")
    env.reset(seed=0)
    env.step(RIGHT)
    lines = env.render().splitlines()
    assert lines[0] == ". . . 1 1 1 2 2 1 ."
    assert lines[3:] == [
        "S A . 1 1 1 2 G 1 .",
        *[lines[0]] * 3,
        "position (1, 3)  action right",
    ]
    env = GarnetEnv(render_mode="ansi")
    env.reset(seed=0)
    assert env.render() == "state 0 of 30  action -\n"


@pytest.mark.parametrize("name", ["WindyGrid-v0", "OverestimationGrid-v0", "Garnet-v0"])
def test_a_picture_shows_where_the_agent_is(name):
    env = gymnasium.make(name, render_mode="rgb_array").unwrapped
    env.reset(seed=0)
    before = env.render()
    env.s = 1
    after = env.render()
    assert before.shape[0] % 16 == before.shape[1] % 16 == 0
    assert before.dtype == np.uint8
    assert before.shape == after.shape
    assert not np.array_equal(before, after)
