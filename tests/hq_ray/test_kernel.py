"""The kernel beside its two slow twins: the Gymnasium loop and the naive oracle, bit for bit."""

from functools import lru_cache

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import differing

from hq_ray.environments import load_model, make
from hq_ray.gymnasium_loop import train_on_gymnasium
from hq_ray.hyperparameters import ALPHA_KINDS
from hq_ray.kernel import train_on_kernel
from hq_ray.model import model_from_table
from hq_ray.pcg64 import MULTIPLIER
from hq_ray.schedules import SCHEDULE_KINDS
from hq_ray.tables import kernel_tables
from hq_ray.updates import VARIANTS

ENVS = {
    "cliff": ("CliffWalking-v1", {}),
    "cliff-slippery": ("CliffWalking-v1", {"is_slippery": True}),
    "lake": ("FrozenLake-v1", {}),
    "taxi": ("Taxi-v4", {}),
    "taxi-rainy": ("Taxi-v4", {"is_rainy": True}),
    "velocity-calm": ("VelocityGrid-v0", {"slip_prob": 0.0}),
    "velocity-fast": ("VelocityGrid-v0", {"max_speed": 2, "slip_prob": 0.3}),
    "windy": ("WindyGrid-v0", {}),
    "windy-stochastic": ("WindyGrid-v0", {"kings_moves": True, "stochastic": True}),
    "overestimation": ("OverestimationGrid-v0", {}),
    "garnet": ("Garnet-v0", {"n_states": 70, "n_actions": 5, "branching": 3, "instance": 7}),
}
# Whose agent draws what Q-learning draws.
WITHOUT_DRAWS = [name for name, row in VARIANTS.items() if row.target in ("max", "expected")]
# One of each target and of each kind of rule. A kernel costs seconds to compile, for each number of
# actions and outcomes; these shapes are one with, and one without draws of the environment, and
# those whose outcomes are counted and searched.
ONE_OF_EACH = ("harmonic", "asymmetric", "expected_sarsa", "sarsa", "double_q")
SHAPES = ("cliff", "cliff-slippery", "taxi", "velocity-fast")
BY_VISITS = ("asymmetric", "double_q", "expected_sarsa")


@lru_cache(maxsize=64)
def table_of(env, env_args):
    environment = make(env, env_args).unwrapped
    return environment.P, environment.initial_state_distrib


def train_table(trial, table, start):
    [log] = train_on_kernel([trial], kernel_tables(model_from_table(table, start)))
    return log


def assert_three_agree(trial):
    model = load_model(trial.env, trial.env_args)
    environment = make(trial.env, trial.env_args, trial.max_steps)
    [log] = train_on_kernel([trial], kernel_tables(model))
    assert not differing(log, train_on_gymnasium(trial, environment, model.successes))
    assert not differing(log, naive.learn(trial, *table_of(trial.env, trial.env_args)))
    assert np.array_equal(log.truncated, ~log.terminated)
    assert (log.steps[log.truncated] == trial.max_steps).all()
    return log


@pytest.mark.parametrize(
    ("variant", "env"),
    [
        *(("standard", env) for env in ENVS),
        *((variant, "cliff-slippery") for variant in VARIANTS if variant != "standard"),
        *((variant, env) for variant in ONE_OF_EACH for env in SHAPES if env != "cliff-slippery"),
    ],
)
def test_every_variant_on_every_kind_of_environment(make_trial, env, variant):
    trial = make_trial(
        variant, *ENVS[env], seed=3, max_steps=60, alpha=0.3, eps_decay_episodes=20, eps_shift=1.0
    )
    assert_three_agree(trial)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("seed", [0, 1, 2, 2**32, 2**63 - 1]),
        ("eps_shift", [1e-300, 1e-12, 1e-6, 1.0, 1e9]),
        ("eps_start", [0.0, 1e-9, 1 - 2**-53, 1.0]),
        ("gamma", [0.0, 0.5, 1 - 2**-53, 1.0]),
        ("episodes", [1, 2]),
        ("max_steps", [1, 7, 100]),
    ],
)
@pytest.mark.parametrize("env", SHAPES)
def test_every_extreme(make_trial, env, name, values):
    for value in values:
        given = {"max_steps": 30, "eps_schedule": "constant", "eps_start": 0.1, name: value}
        trial = make_trial("harmonic", *ENVS[env], **given)
        assert len(assert_three_agree(trial).steps) == trial.episodes


def test_the_first_episode_of_paired_trials_is_the_same(make_trial):
    # At epsilon 1 no action depends on Q, so variants walk one path until their epsilons differ.
    tables = kernel_tables(load_model("CliffWalking-v1", '{"is_slippery":true}'))
    logs = [
        log
        for variant in WITHOUT_DRAWS
        for log in train_on_kernel(
            [make_trial(variant, *ENVS["cliff-slippery"], seed=8, episodes=1)], tables
        )
    ]
    assert len({log.episode_return[0] for log in logs}) == 1
    assert len({log.q_values.tobytes() for log in logs}) == len(logs)


@st.composite
def hyperparameters(draw, variant):
    unit = st.floats(1e-3, 1.0)
    kinds = st.sampled_from(SCHEDULE_KINDS)
    # Each is compiled for itself, so some variants stand for all.
    alpha_kinds = st.sampled_from(ALPHA_KINDS) if variant in BY_VISITS else kinds
    alpha, alpha_down = draw(unit), draw(unit)
    eps_schedule = draw(kinds)
    eps_low = 1e-3 if eps_schedule == "exponential" else 0.0
    return {
        "alpha": alpha,
        "alpha_schedule": draw(alpha_kinds),
        # The last step downwards, alpha_end * (alpha_down / alpha), is at most 1.
        "alpha_end": draw(st.floats(1e-4, min(1.0, 0.999 * alpha / alpha_down))),
        "alpha_decay_episodes": draw(st.integers(1, 20)),
        "alpha_power": draw(st.floats(0.5, 1.0, exclude_min=True)),
        "alpha_down": alpha_down,
        "gamma": draw(st.floats(0.0, 0.9999)),
        "eps_schedule": eps_schedule,
        "eps_start": draw(st.floats(eps_low, 1.0)),
        "eps_end": draw(st.floats(eps_low, 1.0)),
        "eps_decay_episodes": draw(st.integers(1, 20)),
        "eps_shift": 10.0 ** draw(st.floats(-12, 9)),
        "seed": draw(st.integers(0, 2**63 - 1)),
        "episodes": draw(st.integers(1, 15)),
        "max_steps": draw(st.sampled_from([1, 7, 20, 100])),
    }


@settings(max_examples=40)
@given(st.data(), st.sampled_from(ONE_OF_EACH), st.sampled_from(SHAPES))
def test_any_trial(make_trial, data, variant, env):
    assert_three_agree(make_trial(variant, *ENVS[env], **data.draw(hyperparameters(variant))))


TOGETHER = [*((name, "lake") for name in VARIANTS), *(("harmonic", env) for env in SHAPES)]


@settings(max_examples=40)
@given(st.data(), st.integers(1, 9), st.sampled_from(TOGETHER))
def test_any_trials_together(make_trial, data, n_trials, learner):
    variant, env = learner
    # Their episodes end at different times, so trials leave and enter the loop in any order.
    kind = data.draw(st.sampled_from(ALPHA_KINDS if variant in BY_VISITS else SCHEDULE_KINDS))
    shared = {"episodes": data.draw(st.integers(1, 9)), "max_steps": 20, "alpha_schedule": kind}
    trials = [
        make_trial(variant, *ENVS[env], **data.draw(hyperparameters(variant)) | shared)
        for _ in range(n_trials)
    ]
    where = trials[0].env, trials[0].env_args
    tables = kernel_tables(load_model(*where))
    for trial, log in zip(trials, train_on_kernel(trials, tables), strict=True):
        assert not differing(log, naive.learn(trial, *table_of(*where)))


def any_table(seed):
    """A table and its start: zeros occur, sums a little below 1, ends in ordinary states."""
    random = np.random.default_rng(seed)
    n_states, (n_actions, n_outcomes) = random.integers(1, 6), [(4, 3), (5, 9)][seed % 2]

    def distribution(size):
        weights = random.integers(0, 10, size) * (random.random(size) < 0.7)
        weights[random.integers(size)] += 1
        return [weight / sum(weights.tolist()) for weight in weights.tolist()]

    def outcomes(size):
        successors = random.integers(n_states, size=size).tolist()
        rewards = random.choice([-100.0, -1.0, -0.1, -0.0, 0.0, 1 / 3, 1.0, 20.0, 1e6], size)
        ends = (random.random(size) < 0.3).tolist()
        return list(zip(distribution(size), successors, rewards.tolist(), ends, strict=True))

    table = {
        state: {action: outcomes(random.integers(1, n_outcomes + 1)) for action in range(n_actions)}
        for state in range(n_states)
    }
    table[0][0] = outcomes(n_outcomes)
    return table, distribution(n_states)


@settings(max_examples=100)
@given(st.data(), st.integers(0, 2**32 - 1), st.sampled_from(ONE_OF_EACH))
def test_any_table(make_trial, data, seed, variant):
    table, start = any_table(seed)
    trial = make_trial(variant, **data.draw(hyperparameters(variant)))
    assert not differing(train_table(trial, table, start), naive.learn(trial, table, start))


def generator_before_greatest(draws_before):
    """A PCG64 that yields 1 - 2**-53, the greatest double below 1, after so many other draws."""
    state, increment = 2**64 - 1, 1
    for _ in range(draws_before + 1):
        state = (state - increment) * pow(MULTIPLIER, -1, 2**128) % 2**128
    generator = np.random.PCG64()
    words = {"state": state, "inc": increment}
    generator.state = {**generator.state, "state": words, "has_uint32": 0, "uinteger": 0}
    return np.random.Generator(generator)


@pytest.mark.parametrize("probabilities", [(0.7, 0.2, 0.1), (0.1, 0.3, 0.3, 0.2, 0.1)])
@pytest.mark.parametrize("draws_before", [0, 1, 2, 3])
def test_a_draw_above_the_last_sum(make_trial, monkeypatch, probabilities, draws_before):
    assert np.cumsum(probabilities)[-1] <= 1 - 2**-53
    generator = generator_before_greatest(draws_before)
    values = generator.bit_generator.state["state"].values()
    words = [word for value in values for word in (value >> 64, value & 2**64 - 1)]
    monkeypatch.setattr("hq_ray.kernel.environment_stream", lambda seed: np.array(words, np.uint64))
    trial = make_trial("standard", episodes=3, max_steps=5, alpha=0.5)
    # Each outcome of state 0, in which all end, has a reward of its own.
    outcomes = [(p, 0, 2.0**i, i % 2 == 1) for i, p in enumerate(probabilities)]
    table, start = dict.fromkeys(range(4), dict.fromkeys(range(4), outcomes)), (0.0, 0.7, 0.2, 0.1)
    assert not differing(
        train_table(trial, table, start), naive.learn(trial, table, start, generator)
    )


def test_only_the_start_is_drawn(make_trial):
    trial, start = make_trial("standard", episodes=20), [0.5, 0.5]
    table = {s: {key: [(1.0, s, float(s), True)] for key in range(6)} for s in range(2)}
    assert not differing(train_table(trial, table, start), naive.learn(trial, table, start))


def walk(rewards):
    """Action 1 walks along the states, the three others stay where they are, for -1."""
    n = len(rewards)
    stays = {s: {action: [(1.0, s, -1.0, False)] for action in range(4)} for s in range(n + 1)}
    moves = {s: {1: [(1.0, s + 1, reward, s == n - 1)]} for s, reward in enumerate(rewards)}
    return {s: stays[s] | moves.get(s, {}) for s in stays}, np.eye(n + 1)[0]


@pytest.mark.parametrize("variant", ["standard", "minimum"])
def test_the_values_of_a_chain(make_trial, variant):
    # V*(s) = -(1 - gamma^n) / (1 - gamma) with n steps to go, and waiting costs one step more. With
    # losses only and no randomness the worst seen is what it must come to as well.
    given = {"alpha": 1.0} if variant == "standard" else {}
    trial = make_trial(variant, episodes=600, gamma=0.5, **given)
    log = train_table(trial, *walk([-1.0] * 5))
    values = [-1.9375, -1.875, -1.75, -1.5, -1.0]
    assert log.q_values[:5, 1].tolist() == values
    for action in (0, 2, 3):
        assert log.q_values[:5, action].tolist() == [-1 + 0.5 * value for value in values]


@pytest.mark.parametrize(
    ("terminates", "expected"), [(False, [1.0, 1.5, 1.75, 1.875]), (True, [1.0, 1.0, 1.0, 1.0])]
)
def test_a_truncated_step_bootstraps_and_a_terminated_one_does_not(
    make_trial, terminates, expected
):
    table = {0: {action: [(1.0, 0, 1.0, terminates)] for action in range(4)}}
    greedy = {"eps_schedule": "constant", "eps_start": 0.0}
    for episodes, value in enumerate(expected, start=1):
        trial = make_trial(episodes=episodes, max_steps=1, alpha=1.0, gamma=0.5, **greedy)
        log = train_table(trial, table, [1.0])
        assert log.q_values.tolist() == [[value, 0.0, 0.0, 0.0]]
        assert log.terminated.all() == terminates
        assert log.truncated.any() != terminates


@pytest.mark.parametrize(("max_steps", "reached"), [(3, True), (2, False)])
def test_terminated_at_the_last_allowed_step_is_terminated(make_trial, max_steps, reached):
    table, start = walk([0.0, 1.0, 2.0])
    table = {s: dict.fromkeys(range(4), rows[1]) for s, rows in table.items()}
    log = train_table(make_trial(episodes=2, max_steps=max_steps), table, start)
    assert log.terminated.tolist() == log.success.tolist() == [reached, reached]
    assert log.truncated.tolist() == [not reached, not reached]
    assert log.steps.tolist() == [max_steps, max_steps]
    assert log.episode_return.tolist() == [3.0 if reached else 1.0] * 2
