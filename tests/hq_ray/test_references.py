import numpy as np
import pytest

from hq_ray.environments import load_model
from hq_ray.model import model_from_table
from hq_ray.planning import NoReferences, References, optimal_values, references, references_of
from tests.hq_ray.test_planning import random_model

ENVS = {
    "cliff": ("CliffWalking-v1", "{}"),
    "slippery cliff": ("CliffWalkingSlippery-v1", "{}"),
    "lake": ("FrozenLake-v1", "{}"),
    "taxi": ("Taxi-v4", "{}"),
    "velocity": ("VelocityGrid-v0", '{"max_speed":2}'),
}

# By hand: on (action 0, -1) along 0 -> 1 -> home (10), or off at once (action 1, -4).
CHAIN = {
    0: {0: [(1.0, 1, -1.0, False)], 1: [(1.0, 0, -4.0, True)]},
    1: {0: [(1.0, 2, 10.0, True)], 1: [(1.0, 0, -4.0, True)]},
    2: {0: [(1.0, 2, 0.0, True)], 1: [(1.0, 2, 0.0, True)]},
}


def outcomes(model, state, weights):
    """(probability, next_state, reward, terminated) of a stochastic policy's step."""
    for action, share in enumerate(weights):
        for k in range(model.n_outcomes):
            pair = (state, action, k)
            if share * model.probability[pair] > 0:
                yield (
                    share * model.probability[pair],
                    int(model.next_state[pair]),
                    model.reward[pair],
                    bool(model.terminated[pair]),
                )


def by_recursion(model, policy, max_steps):
    """J and L under the limit: V_h(s) = sum p (r + V_{h-1}(s')), backwards from the last step."""
    value, length = np.zeros(model.n_states), np.zeros(model.n_states)
    for _ in range(max_steps):
        new_value, new_length = np.zeros(model.n_states), np.ones(model.n_states)
        for state in range(model.n_states):
            for p, successor, reward, done in outcomes(model, state, policy[state]):
                new_value[state] += p * (reward + (0.0 if done else value[successor]))
                new_length[state] += 0.0 if done else p * length[successor]
        value, length = new_value, new_length
    return model.start_probability @ value, model.start_probability @ length


def optimal(model, gamma):
    return np.eye(model.n_actions)[optimal_values(model, gamma).argmax(axis=1)]


# By hand


@pytest.mark.parametrize("max_steps", [2, 3, 1000])
def test_the_chain_by_hand(max_steps):
    found = references(model_from_table(CHAIN, [1.0, 0.0, 0.0]), 0.5, max_steps)
    assert found == References(optimal_return=9.0, optimal_steps=2.0, failure_terminates=True)


def test_the_step_limit_cuts_returns():
    found = references(model_from_table(CHAIN, [1.0, 0.0, 0.0]), 0.5, 1)
    assert (found.optimal_return, found.optimal_steps) == (-1.0, 1.0)


def test_first_states_are_averaged_over():
    found = references(model_from_table(CHAIN, [0.25, 0.75, 0.0]), 0.5, 10)
    assert found.optimal_return == 0.25 * 9 + 0.75 * 10
    assert found.optimal_steps == 1.25


def test_gamma_decides_which_policy_is_the_optimal_one():
    # 2 at once, or 0 now and 3 a step later: worth waiting for when gamma > 2/3.
    table = {
        0: {0: [(1.0, 0, 2.0, True)], 1: [(1.0, 1, 0.0, False)]},
        1: {0: [(1.0, 1, 3.0, True)], 1: [(1.0, 1, 3.0, True)]},
    }
    model = model_from_table(table, [1.0, 0.0])
    assert references(model, 0.6, 10).optimal_return == 2.0
    assert references(model, 0.7, 10).optimal_return == 3.0


def test_the_lowest_of_tied_actions_is_taken_whatever_rounding_says():
    # Both ways are worth 0.3 at gamma 0.5, and the second is above the first by rounding alone.
    table = {
        0: {0: [(1.0, 1, 0.1, False)], 1: [(1.0, 0, 0.30000000000000004, True)]},
        1: {0: [(1.0, 1, 0.4, True)], 1: [(1.0, 1, 0.4, True)]},
    }
    found = references(model_from_table(table, [1.0, 0.0]), 0.5, 10)
    assert found.optimal_return == 0.5
    assert found.optimal_steps == 2.0


def test_near_gamma_1_a_lost_step_is_no_tie():
    # Action 0 waits, which costs one part in 10^10 of the goal's value.
    table = {0: {0: [(1.0, 0, 0.0, False)], 1: [(1.0, 0, 1.0, True)]}}
    found = references(model_from_table(table, [1.0]), 1 - 1e-10, 100)
    assert (found.optimal_return, found.optimal_steps) == (1.0, 1.0)


def test_an_episode_that_never_ends_is_cut():
    model = model_from_table({0: {0: [(1.0, 0, -1.0, False)]}}, [1.0])
    found = references(model, 0.9, 50)
    assert (found.optimal_return, found.optimal_steps) == (-50.0, 50.0)
    assert not found.failure_terminates


def test_without_discount_the_chain_by_hand():
    found = references(model_from_table(CHAIN, [1.0, 0.0, 0.0]), 1, 1000)
    assert (found.optimal_return, found.optimal_steps) == (9.0, 2.0)


@pytest.mark.parametrize(("env", "reward"), [("Treadmill-v0", -1.0), ("Mint-v0", 1.0)])
def test_without_discount_there_may_be_no_best_policy(register, table_env, make_trial, env, reward):
    # It can never be left, or pays and may be left at any time.
    table = {0: {0: [(1.0, 0, reward, False)], 1: [(1.0, 0, reward, reward > 0)]}}
    register(env, entry_point=lambda: table_env(table, np.ones(1)))
    trial = make_trial("standard", env, gamma=1)
    with pytest.raises(NoReferences, match=f"^{env} has no best policy at gamma 1: none"):
        references_of(trial.env, trial.env_args, trial.fingerprint, 1.0, 10)
    assert references_of(trial.env, trial.env_args, trial.fingerprint, 0.5, 10).optimal_steps > 1


# Known environments


def test_the_cliff():
    found = references(load_model(*ENVS["cliff"]), 0.99, 1000)
    assert (found.optimal_return, found.optimal_steps) == (-13.0, 13.0)
    assert not found.failure_terminates


@pytest.mark.parametrize(
    ("name", "expected"), [("lake", True), ("velocity", True), ("taxi", False), ("cliff", False)]
)
def test_whether_failing_ends_an_episode(name, expected):
    assert references(load_model(*ENVS[name]), 0.99, 100).failure_terminates is expected


# Against naive recursions


@pytest.mark.parametrize("gamma", [0.0, 0.5, 0.99])
@pytest.mark.parametrize("seed", range(6))
def test_random_models(seed, gamma):
    model, max_steps = random_model(seed, n_states=7), 1 + 7 * seed
    found = references(model, gamma, max_steps)
    best = by_recursion(model, optimal(model, gamma), max_steps)
    close = {"rel": 1e-10, "abs": 1e-10}
    assert (found.optimal_return, found.optimal_steps) == pytest.approx(best, **close)


@pytest.mark.parametrize("name", ["lake", "cliff"])
def test_known_models(name):
    model = load_model(*ENVS[name])
    found = references(model, 0.9, 60)
    best = by_recursion(model, optimal(model, 0.9), 60)
    assert (found.optimal_return, found.optimal_steps) == pytest.approx(best, rel=1e-10)


def test_an_early_end_changes_nothing():
    # Every episode is over long before the limit.
    model = load_model(*ENVS["lake"])
    assert references(model, 0.99, 20_000) == references(model, 0.99, 10**9)


def test_references_are_computed_once():
    model = load_model(*ENVS["lake"])
    assert references(model, 0.99, 100) is references(model, 0.99, 100)


# By the names that trials have


def test_references_of_trials(make_trial):
    trial = make_trial("standard", "FrozenLake-v1", max_steps=70)
    found = references_of(trial.env, trial.env_args, trial.fingerprint, trial.gamma, 70)
    assert found is references(load_model(*ENVS["lake"]), 0.99, 70)


@pytest.mark.parametrize(
    ("env", "fingerprint", "reason"),
    [
        ("Blackjack-v1", None, "Blackjack-v1 was trained without a model to compute exact"),
        ("Blackjack-v1", "00", "Blackjack-v1 has no transition table here"),
        ("Nowhere-v3", "00", r"Nowhere-v3 cannot be made here \(unknown environment "),
        ("no_such_module:Grid-v0", "00", r"cannot be made here \(the module "),
        (
            "FrozenLake-v1",
            "00",
            r"the model of FrozenLake-v1 must be the one of the trials \(00\)",
        ),
    ],
)
def test_without_references(env, fingerprint, reason):
    with pytest.raises(NoReferences, match=reason):
        references_of(env, "{}", fingerprint, 0.99, 100)


def test_an_environment_that_breaks_has_no_references(register):
    def broken():
        raise RuntimeError("no licence")

    register("BrokenReference-v0", entry_point=broken)
    with pytest.raises(NoReferences, match=r"RuntimeError: no licence\)"):
        references_of("BrokenReference-v0", "{}", "00", 0.99, 100)
