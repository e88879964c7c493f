"""Exact values from a model: of the best policy and of a learned one, without sampling noise.

Everything here is a deterministic function of its arguments. What depends on the model alone is
prepared once per model and kept, as is Q* once per (model, gamma), so that the exact value of a
trial's final policy costs some ten microseconds.
"""

import math
from functools import lru_cache

import numpy as np

from hq_ray.compiled import njit
from hq_ray.errors import InputError
from hq_ray.model import Model
from hq_ray.policy_evaluation import Transitions, evaluate_policy

# An action replaces another only if it is better by more than this share of the greatest value,
# which is above rounding and lets policy iteration stop at ties.
IMPROVEMENT_TOLERANCE = 1e-13


@njit(cache=True)
def _greedy_actions(q_values):
    policy = np.zeros(q_values.shape[0], np.int64)
    for state in range(q_values.shape[0]):
        for action in range(1, q_values.shape[1]):
            if q_values[state, action] > q_values[state, policy[state]]:
                policy[state] = action
    return policy


def greedy_policy(q_values: np.ndarray) -> np.ndarray:
    """argmax_a Q(s, a), the lowest index first among ties: int64 (S,) from (S, A)."""
    return _greedy_actions(_as_float64(q_values))


def policy_values(model: Model, policy: np.ndarray, gamma: float) -> np.ndarray:
    """Exact values V^pi of a policy on the states that it reaches from the start.

        V(s) = sum_k p_k (r_k + gamma * (1 - terminated_k) * V(s'_k)),  k over outcomes of pi(s)

    The error is at most 1e-14 * gamma / (1 - gamma) times the greatest value, beside rounding.

    Args:
        model: with S states and A actions.
        policy: integer (S,), the action of each state.
        gamma: discount in [0, 1).

    Returns:
        float64 (S,), in units of return; NaN where the policy never comes from the start.

    Raises:
        InputError: gamma lies outside [0, 1), or the policy is not S actions in [0, A).
    """
    _check_gamma(gamma)
    policy = np.require(policy, np.int64, ["C", "W"])
    if policy.shape != (model.n_states,):
        raise InputError(
            f"a policy must have one action per state ({model.n_states}), got shape {policy.shape}"
        )
    if policy.min() < 0 or policy.max() >= model.n_actions:
        raise InputError(
            f"the actions of a policy must lie in [0, {model.n_actions}), "
            f"got {policy.min()} to {policy.max()}"
        )
    return evaluate_policy(_transitions(model), policy, float(gamma), _start_states(model))


def start_value(model: Model, values: np.ndarray) -> float:
    """sum_s start_probability(s) V(s) over the states where an episode can start."""
    starts = _start_states(model)
    return float(model.start_probability[starts] @ values[starts])


def greedy_start_value(model: Model, q_values: np.ndarray, gamma: float) -> float:
    """Exact value, at the start, of the policy that is greedy with respect to Q (S, A).

    Raises:
        InputError: gamma lies outside [0, 1), or Q has another shape than (S, A).
    """
    _check_gamma(gamma)
    q_values = _as_float64(q_values)
    if q_values.shape != (model.n_states, model.n_actions):
        raise InputError(
            f"q_values must have shape {(model.n_states, model.n_actions)}, got {q_values.shape}"
        )
    starts = _start_states(model)
    values = evaluate_policy(_transitions(model), _greedy_actions(q_values), float(gamma), starts)
    return start_value(model, values)


def optimal_values(model: Model, gamma: float) -> np.ndarray:
    """Exact Q* of every (state, action), by policy iteration.

        Q*(s, a) = sum_k p_k (r_k + gamma * (1 - terminated_k) * max_a' Q*(s'_k, a'))

    Howard, "Dynamic Programming and Markov Processes", 1960. The error is at most
    1e-13 / (1 - gamma) times the greatest value.

    Returns:
        float64 (S, A), in units of return, read-only. Nothing is cut where a state is terminal:
        only the flag of a transition ends an episode.

    Raises:
        InputError: gamma lies outside [0, 1).
    """
    _check_gamma(gamma)
    return _optimal_values(model, float(gamma))


def optimal_start_value(model: Model, gamma: float) -> float:
    """V* at the start: the most that any policy can be worth there."""
    return start_value(model, optimal_values(model, gamma).max(axis=1))


@lru_cache(maxsize=64)
def _optimal_values(model: Model, gamma: float) -> np.ndarray:
    transitions, every_state = _transitions(model), np.arange(model.n_states)
    policy = np.zeros(model.n_states, np.int64)
    best = np.full(model.n_states, -np.inf)
    while True:
        values = evaluate_policy(transitions, policy, gamma, every_state)
        tolerance = IMPROVEMENT_TOLERANCE * np.abs(values).max()
        q_values = _back_up(transitions, values, gamma)
        better = q_values.max(axis=1) > q_values[every_state, policy] + tolerance
        if not better.any() or not (values > best + tolerance).any():
            q_values.flags.writeable = False
            return q_values
        best = np.maximum(best, values)  # rises by the tolerance each time, so this ends
        policy = np.where(better, _greedy_actions(q_values), policy)


def _back_up(transitions: Transitions, values: np.ndarray, gamma: float) -> np.ndarray:
    """Q(s, a) = r(s, a) + gamma * sum_{s'} p(s' | s, a) V(s')."""
    pair = np.repeat(np.arange(transitions.reward.size), np.diff(transitions.offsets))
    ahead = transitions.probability * values[transitions.successors]
    elsewhere = np.bincount(pair, ahead, minlength=transitions.reward.size)
    stays = transitions.stay * values[:, None]
    return transitions.reward + gamma * (stays + elsewhere.reshape(stays.shape))


@lru_cache(maxsize=64)
def _transitions(model: Model) -> Transitions:
    """Sums the outcomes of each (state, action) by where they lead."""
    n_states, n_actions = model.n_states, model.n_actions
    n_pairs = n_states * n_actions
    goes_on = (model.probability > 0) & ~model.terminated
    pair = np.nonzero(goes_on.reshape(n_pairs, -1))[0]
    key, where = np.unique(pair * n_states + model.next_state[goes_on], return_inverse=True)
    probability = np.bincount(where, model.probability[goes_on], minlength=key.size)
    pair, successor = np.divmod(key, n_states)
    own = successor == pair // n_actions
    reward = np.where(model.probability > 0, model.probability * model.reward, 0.0).sum(axis=-1)
    stay = np.bincount(pair[own], probability[own], minlength=n_pairs)
    pair, successor, probability = pair[~own], successor[~own], probability[~own]
    order = np.lexsort((successor, -probability, pair))
    return Transitions(
        offsets=np.searchsorted(pair, np.arange(n_pairs + 1)).astype(np.int64),
        successors=successor[order].astype(np.int64),
        probability=_as_float64(probability[order]),
        stay=_as_float64(stay.reshape(n_states, n_actions)),
        reward=_as_float64(reward),
    )


@lru_cache(maxsize=64)
def _start_states(model: Model) -> np.ndarray:
    return np.flatnonzero(model.start_probability > 0)


def _as_float64(array: np.ndarray) -> np.ndarray:
    """The one layout that the compiled code sees: it would be compiled again for any other."""
    return np.require(array, np.float64, ["C", "W"])


def _check_gamma(gamma: float) -> None:
    if not (math.isfinite(gamma) and 0 <= gamma < 1):
        raise InputError(f"exact planning needs gamma in [0, 1), got {gamma}")
