from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hq_ray.environments import load_model
from hq_ray.model import Model, model_from_table
from hq_ray.planning import (
    NoReferences,
    greedy_start_value,
    optimal_policy,
    optimal_start_value,
    optimal_values,
    references,
    references_of,
)

GAMMAS = (0.0, 0.5, 0.99, 0.9999)
ENVS = {
    "cliff": ("CliffWalking-v1", "{}"),
    "slippery cliff": ("CliffWalkingSlippery-v1", "{}"),
    "lake": ("FrozenLake-v1", '{"map_name":"8x8"}'),
    "taxi": ("Taxi-v4", "{}"),
    "velocity": ("VelocityGrid-v0", '{"max_speed":2}'),
}


@pytest.fixture(scope="module")
def models():
    return {name: load_model(*given) for name, given in ENVS.items()}


def one_action(*rows, start=0):
    """A model with a single action from the outcome list of each state."""
    table = {state: {0: row} for state, row in enumerate(rows)}
    return model_from_table(table, np.eye(len(rows))[start])


def policy_value(model, policy, gamma, start=None):
    """What a policy is worth at the start, asked as that of a table that it is greedy in."""
    if start is not None:
        model = replace(model, start_probability=np.eye(model.n_states)[start])
    return greedy_start_value(model, np.eye(model.n_actions)[policy], gamma)


def random_model(seed, n_states=12, n_actions=3, n_outcomes=4):
    """Random outcomes, with self-loops, zero probabilities and flags on ordinary states."""
    rng = np.random.default_rng(seed)
    shape = (n_states, n_actions, n_outcomes)
    probability = rng.random(shape) * (rng.random(shape) < 0.6)
    probability[..., 0] += 1e-3
    next_state = rng.integers(n_states, size=shape)
    next_state[..., -1] = np.arange(n_states)[:, None]
    start = rng.random(n_states) * (rng.random(n_states) < 0.3)
    start[rng.integers(n_states)] += 1.0
    return Model(
        next_state=next_state.astype(np.int32),
        reward=rng.normal(size=shape),
        probability=probability / probability.sum(axis=-1, keepdims=True),
        terminated=rng.random(shape) < 0.1,
        start_probability=start / start.sum(),
    )


def chain(model, policy):
    """Transitions and rewards of a policy, and in which states an episode may end."""
    pairs = np.arange(model.n_states), policy
    probability, terminated = model.probability[pairs], model.terminated[pairs]
    transition = np.zeros((model.n_states, model.n_states))
    np.add.at(transition, (pairs[0][:, None], model.next_state[pairs]), probability * ~terminated)
    reward = (probability * model.reward[pairs]).sum(axis=1)
    return transition, reward, (probability * terminated).any(axis=1)


def dense_values(model, policy, gamma):
    """The same by numpy.linalg.solve of (I - gamma P) V = r over all states."""
    transition, reward, _ = chain(model, policy)
    return np.linalg.solve(np.eye(model.n_states) - gamma * transition, reward)


def back_up(model, values, gamma):
    """The right-hand side of Bellman's equation, outcome by outcome."""
    ahead = gamma * ~model.terminated * values[model.next_state]
    return (model.probability * (model.reward + ahead)).sum(axis=-1)


def test_greedy_is_the_lowest_index_among_ties():
    rewards = [[(1.0, 0, reward, True)] for reward in (1, 2, 3)]
    model = model_from_table({0: dict(enumerate(rewards))}, [1.0])
    for q_values, expected in [([0, 0, 0], 1), ([1, 2, 2], 2), ([-np.inf, -1, 3], 3)]:
        assert greedy_start_value(model, np.array([q_values]), 0.9) == expected


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_states=st.integers(1, 40),
    n_outcomes=st.integers(1, 5),
    gamma=st.sampled_from(GAMMAS),
)
def test_policy_values_of_random_models(seed, n_states, n_outcomes, gamma):
    model = random_model(seed, n_states, n_outcomes=n_outcomes)
    policy = np.random.default_rng(seed).integers(model.n_actions, size=n_states)
    # Either side rounds by as much as the system's condition, 1 / (1 - gamma), magnifies.
    atol = 3e-15 / (1 - gamma) * max(1.0, np.abs(model.reward).max() / (1 - gamma))
    state = seed % n_states
    expected = dense_values(model, policy, gamma)[state]
    assert policy_value(model, policy, gamma, state) == pytest.approx(expected, rel=0, abs=atol)


@pytest.mark.parametrize("gamma", [0.99, 0.999999])
def test_a_walk_of_many_states_to_and_fro(gamma):
    # Nearly every state is one that an edge leads back to: no sweeps get there.
    n = 6000
    states = np.arange(n)
    ahead = np.stack([(states - 1).clip(0), (states + 1).clip(0, n - 1)], axis=-1)[:, None]
    model = Model(
        next_state=ahead.astype(np.int32),
        reward=np.random.default_rng(0).normal(size=ahead.shape),
        probability=np.full(ahead.shape, 0.5),
        terminated=np.zeros(ahead.shape, bool),
        start_probability=np.eye(1, n)[0],
    )
    values = optimal_values(model, gamma)[:, 0]  # with one action, the policy's
    assert policy_value(model, np.zeros(n, np.int64), gamma) == pytest.approx(values[0], rel=1e-12)
    atol = 1e-13 * max(1.0, np.abs(values).max())
    np.testing.assert_allclose(back_up(model, values, gamma)[:, 0], values, rtol=0, atol=atol)


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("name", ENVS)
def test_optimal_values_solve_bellmans_optimality_equation(models, name, gamma):
    q_values = optimal_values(models[name], gamma)
    residual = back_up(models[name], q_values.max(axis=1), gamma) - q_values
    assert np.abs(residual).max() <= 1e-12 * max(1.0, np.abs(q_values).max())


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), gamma=st.sampled_from(GAMMAS))
def test_no_policy_beats_the_optimal_one(seed, gamma):
    model = random_model(seed)
    best = optimal_values(model, gamma).max(axis=1)
    slack = 1e-9 * max(1.0, np.abs(best).max())
    for policy in np.random.default_rng(seed).integers(model.n_actions, size=(5, model.n_states)):
        assert (dense_values(model, policy, gamma) <= best + slack).all()
    greedy = dense_values(model, optimal_values(model, gamma).argmax(axis=1), gamma)
    np.testing.assert_allclose(greedy, best, rtol=0, atol=slack)


def test_a_chain_costs_its_steps():
    model = one_action(*[[(1.0, s + 1, -1, s == 9)] for s in range(10)], [(1.0, 10, 0, False)])
    policy = np.zeros(11, np.int64)
    assert [policy_value(model, policy, 1, s) for s in range(11)] == [*range(-10, 0), None]
    assert optimal_start_value(model, 1) == -10


def test_the_undiscounted_walk_of_the_gambler():
    # Equal chances of one step up or down: s / n is the chance of ruin's opposite, s (n - s) steps.
    n = 20
    rows = [[(0.5, s - 1, 0, s == 1), (0.5, s + 1, s == n - 1, s == n - 1)] for s in range(1, n)]
    model = one_action([(1.0, 0, 0, True)], *rows, [(1.0, n, 0, True)], start=7)
    assert optimal_start_value(model, 1) == pytest.approx(7 / n, rel=1e-13)
    counted = replace(model, reward=np.ones_like(model.reward))
    assert optimal_start_value(counted, 1) == pytest.approx(7 * 13, rel=1e-13)


def test_only_policies_that_end_count():
    # Waiting for ever costs nothing, ending costs 2; another way ends with 3 or never.
    table = {
        0: {
            0: [(1.0, 0, 0, False)],
            1: [(1.0, 0, -2, True)],
            2: [(0.5, 0, 3, True), (0.5, 1, 0, False)],
        },
        1: {action: [(1.0, 1, 1, False)] for action in range(3)},
    }
    model = model_from_table(table, [1.0, 0.0])
    assert optimal_start_value(model, 1) == -2
    assert optimal_values(model, 1)[0].tolist() == [-2, -2, -np.inf]
    assert optimal_policy(model, 1)[0] == 1


def test_a_gain_without_bound_is_no_value():
    table = {
        0: {0: [(1.0, 1, 1, False)], 1: [(1.0, 0, 0, True)]},
        1: {0: [(1.0, 0, -0.5, False)], 1: [(1.0, 1, 7, True)]},
    }
    model = model_from_table(table, [1.0, 0.0])
    assert optimal_start_value(model, 1) is None
    assert optimal_values(model, 1).tolist() == [[np.inf, 0], [np.inf, 7]]
    table[1][0] = [(1.0, 0, -1, False)]  # round and round for nothing
    model = model_from_table(table, [1.0, 0.0])
    assert optimal_values(model, 1).tolist() == [[8, 0], [7, 7]]
    assert optimal_policy(model, 1).tolist() == [0, 1]


def by_enumeration(model):
    """V* at gamma 1 of a tiny model from all its deterministic policies, each solved densely."""
    n = model.n_states
    ending, gain = np.full(n, -np.inf), np.full(n, -np.inf)
    policies = [np.array(one) for one in product(range(model.n_actions), repeat=n)]

    def raise_to(best, where, transition, reward):
        if where.any():
            system = (np.eye(n) - transition)[np.ix_(where, where)]
            best[where] = np.maximum(best[where], np.linalg.solve(system, reward[where]))

    def reached_from(transition):
        return np.linalg.matrix_power(np.eye(n) + transition, n) > 0

    for policy in policies:
        transition, reward, ends = chain(model, policy)
        reached = reached_from(transition)
        surely_ends = ~(reached & ~(reached & ends).any(axis=1)).any(axis=1)
        raise_to(ending, surely_ends, transition, reward)
    hopeless = np.isneginf(ending)
    for policy in policies:  # the gain of a step, in the long run, where an end stays in reach
        transition, reward, _ = chain(model, policy)
        safe = ~(reached_from(transition) & hopeless).any(axis=1)
        raise_to(gain, safe, (1 - 1e-7) * transition, 1e-7 * reward)
    ending[gain > 1e-4] = np.inf
    return ending


@settings(max_examples=80)
@given(seed=st.integers(0, 2**32 - 1), data=st.data())
def test_undiscounted_optimum_of_tiny_models(seed, data):
    rng = np.random.default_rng(seed)
    n_states, n_actions = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 3))
    shape = (n_states, n_actions, 2)
    first = rng.choice([0.25, 0.5, 0.75, 1.0], size=shape[:2])
    model = Model(
        next_state=rng.integers(n_states, size=shape).astype(np.int32),
        reward=rng.integers(-1, 2, size=shape) * data.draw(st.sampled_from([0.0, 1.0])),
        probability=np.stack([first, 1 - first], axis=-1),
        terminated=rng.random(shape) < data.draw(st.sampled_from([0.05, 0.2, 0.5])),
        start_probability=np.eye(n_states)[0],
    )
    expected, found = by_enumeration(model), optimal_values(model, 1).max(axis=1)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
    if np.isfinite(expected[0]):
        value = policy_value(model, optimal_policy(model, 1), 1)
        assert value == pytest.approx(expected[0], abs=1e-9)


# On (action 0, -1) along 0 -> 1 -> home (10), or off at once (action 1, -4).
CHAIN = {
    0: {0: [(1.0, 1, -1.0, False)], 1: [(1.0, 0, -4.0, True)]},
    1: {0: [(1.0, 1, 10.0, True)], 1: [(1.0, 0, -4.0, True)]},
}
# 2 at once, or 0 now and 3 a step later: worth waiting for when gamma > 2/3.
WAITING = {
    0: {0: [(1.0, 0, 2.0, True)], 1: [(1.0, 1, 0.0, False)]},
    1: {0: [(1.0, 1, 3.0, True)], 1: [(1.0, 1, 3.0, True)]},
}
# Both ways are worth 0.3 at gamma 0.5, and the second is above the first by rounding alone.
TIED = {
    0: {0: [(1.0, 1, 0.1, False)], 1: [(1.0, 0, 0.3000000000000001, True)]},
    1: {0: [(1.0, 1, 0.4, True)], 1: [(1.0, 1, 0.4, True)]},
}
# Action 0 waits, which near gamma 1 costs one part in 10^10 of the goal's value: that is no tie.
LOST_STEP = {0: {0: [(1.0, 0, 0.0, False)], 1: [(1.0, 0, 1.0, True)]}}


@pytest.mark.parametrize(
    ("table", "gamma", "max_steps", "expected"),
    [
        (CHAIN, 1, 1000, (9.0, 2.0)),
        (CHAIN, 0.5, 1, (-1.0, 1.0)),  # the limit cuts returns
        (WAITING, 0.6, 10, (2.0, 1.0)),
        (WAITING, 0.7, 10, (3.0, 2.0)),
        (TIED, 0.5, 10, (0.5, 2.0)),
        (LOST_STEP, 1 - 1e-10, 100, (1.0, 1.0)),
        ({0: {0: [(1.0, 0, -1.0, False)]}}, 0.9, 50, (-50.0, 50.0)),
        ({0: {0: [(0.5, 0, -1.0, False), (0.5, 0, -1.0, True)]}}, 0.9, 1000, (-2.0, 2.0)),
    ],
)
def test_references_by_hand(table, gamma, max_steps, expected):
    found = references(model_from_table(table, np.eye(len(table))[0]), gamma, max_steps)
    assert (found.optimal_return, found.optimal_steps) == expected


def test_failing_may_end_an_episode_and_steps_after_every_end_change_nothing(models):
    found = {name: references(model, 0.99, 20_000) for name, model in models.items()}
    assert [name for name in ENVS if found[name].failure_terminates] == ["lake", "velocity"]
    assert found["lake"] == references(models["lake"], 0.99, 10**9)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 0.99])
@pytest.mark.parametrize("seed", range(3))
def test_references_of_random_models_by_recursion(seed, gamma):
    # V_h(s) = sum p (r + V_{h-1}(s')), backwards from the last step, and lengths likewise.
    model, max_steps = random_model(seed, n_states=7), 1 + 14 * seed
    pairs = np.arange(7), optimal_values(model, gamma).argmax(axis=1)
    probability, ahead = model.probability[pairs], model.next_state[pairs]
    goes_on = ~model.terminated[pairs]
    value, length = np.zeros(7), np.zeros(7)
    for _ in range(max_steps):
        value = (probability * (model.reward[pairs] + goes_on * value[ahead])).sum(axis=1)
        length = (probability * (1 + goes_on * length[ahead])).sum(axis=1)
    found, start = references(model, gamma, max_steps), model.start_probability
    expected = (start @ value, start @ length)
    assert (found.optimal_return, found.optimal_steps) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(("env", "reward"), [("Treadmill-v0", -1.0), ("Mint-v0", 1.0)])
def test_without_discount_there_may_be_no_best_policy(register, table_env, make_trial, env, reward):
    # It can never be left, or pays and may be left at any time.
    table = {0: {0: [(1.0, 0, reward, False)], 1: [(1.0, 0, reward, reward > 0)]}}
    register(env, entry_point=lambda: table_env(table, np.ones(1)))
    trial = make_trial("standard", env, gamma=1)
    with pytest.raises(NoReferences, match=f"^{env} has no best policy at gamma 1: none"):
        references_of(trial.env, trial.env_args, trial.fingerprint, 1.0, 10)
    found = references_of(trial.env, trial.env_args, trial.fingerprint, 0.5, 10)
    assert (found.optimal_return, found.optimal_steps) == (10 * reward, 10)


@pytest.mark.parametrize(
    ("env", "fingerprint", "reason"),
    [
        ("Blackjack-v1", None, "Blackjack-v1 was trained without a model to compute exact"),
        ("Blackjack-v1", "00", "Blackjack-v1 has no transition table here"),
        ("Nowhere-v3", "00", r"Nowhere-v3 cannot be made here \(unknown environment "),
        ("no_such_module:Grid-v0", "00", r"cannot be made here \(the module "),
        ("FrozenLake-v1", "00", r"the model of FrozenLake-v1 must be the one of the trials \(00\)"),
    ],
)
def test_without_references(env, fingerprint, reason):
    with pytest.raises(NoReferences, match=reason):
        references_of(env, "{}", fingerprint, 0.99, 100)
