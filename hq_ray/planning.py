"""Exact values from a model: of the best policy and of a learned one, without sampling noise.

`references` are what the best policy's episodes are expected to be like under the step limit and
without discount, as the log has them.

At gamma 1 a policy has a value where its episodes surely end, whatever an endless one collects, and
V* is the greatest value of such a policy.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from hq_ray.compiled import njit
from hq_ray.environments import load_model
from hq_ray.errors import HqRayError
from hq_ray.model import Model
from hq_ray.trial import environment_name, is_model

# Iteration ends when no value changes by more than this share of it. Where that takes more than so
# many outcomes, which are some milliseconds, SciPy solves the system instead.
ITERATION_TOLERANCE, ITERATION_OUTCOMES = 1e-15, 2**21
# An action replaces another only if it is better by more than this share of the greatest value,
# which is above rounding and lets policy iteration stop at ties.
IMPROVEMENT_TOLERANCE = 1e-13
# Rounding grows with the length of an episode: the share above is for this many steps.
TOLERATED_STEPS = 100
# Actions whose values differ by less than this share are tied, which is above rounding; the
# second bound keeps it below what one lost step costs where gamma is near 1.
TIE_TOLERANCE, TIE_SHARE_OF_A_STEP = 1e-9, 1e-3
# What a step is made to cost at gamma 1, as a share of the greatest value.
STEP_COST_WITHOUT_DISCOUNT = 1e-9
# Once episodes go on with no more than this probability, further steps change no digit.
ABSORBED = 1e-17


def start_value(model: Model, values: np.ndarray) -> float | None:
    """sum_s start_probability(s) V(s) over the states where an episode can start.

    None where one of these has no finite value.
    """
    starts = np.flatnonzero(model.start_probability)
    if not np.isfinite(values[starts]).all():
        return None
    return float((model.start_probability[starts] * values[starts]).sum())


def greedy_start_value(model: Model, q_values: np.ndarray, gamma: float) -> float | None:
    """Exact value, at the start, of the policy that is greedy with respect to Q (S, A).

        V(s) = sum_k p_k (r_k + gamma * (1 - terminated_k) * V(s'_k)),  k over outcomes of pi(s)

    The lowest index is greedy among ties. None where gamma is 1 and an episode may never end.
    """
    starts = np.flatnonzero(model.start_probability)
    return start_value(model, _evaluate(model, q_values.argmax(axis=1), gamma, starts))


@lru_cache(maxsize=64)
def optimal_values(model: Model, gamma: float) -> np.ndarray:
    """Exact Q* of every (state, action), by policy iteration.

        Q*(s, a) = sum_k p_k (r_k + gamma * (1 - terminated_k) * max_a' Q*(s'_k, a'))

    Howard, "Dynamic Programming and Markov Processes", 1960. At gamma 1 it is the supremum over
    policies whose episodes surely end: -inf where there is none, inf where they gain without bound.

    Returns:
        float64 (S, A), in units of return, read-only. Nothing is cut where a state is terminal:
        only the flag of a transition ends an episode.
    """
    policy, allowed = np.zeros(model.n_states, np.int64), np.ones(model.next_state.shape[:2], bool)
    if gamma == 1:
        policy, allowed = _surely_ending(model)
    every_state, unbounded = np.arange(model.n_states), np.zeros(model.n_states, bool)
    hopeless, policy = policy < 0, np.maximum(policy, 0)
    best = np.full(model.n_states, -np.inf)
    counting = replace(model, reward=np.ones_like(model.reward))
    while True:
        finite = ~(hopeless | unbounded)
        roots = np.flatnonzero(finite)
        values = _evaluate(model, policy, gamma, roots)
        values[~finite] = 0.0
        tolerance = IMPROVEMENT_TOLERANCE * np.abs(values).max()
        if gamma == 1:
            lengths = _evaluate(counting, policy, gamma, roots)[roots]
            tolerance *= max(1.0, lengths.max(initial=0.0) / TOLERATED_STEPS)
        ahead = np.where(model.terminated, 0.0, values[model.next_state])
        q_values = (model.probability * (model.reward + gamma * ahead)).sum(axis=-1)
        q_values[_leads_into(model, unbounded)] = np.inf
        q_values[~allowed] = -np.inf
        better = finite & (q_values.max(axis=1) > q_values[every_state, policy] + tolerance)
        if not better.any() or not (values > best + tolerance).any():
            q_values.flags.writeable = False
            return q_values
        best = np.maximum(best, values)  # rises by the tolerance each time, so this ends
        policy = np.where(better, q_values.argmax(axis=1), policy)
        if gamma == 1:  # a better policy that may never end gains for ever
            taken = policy[:, None] == np.arange(model.n_actions)
            endless = finite & (_approach(model, taken) < 0)
            unbounded |= _approach(model, allowed, endless[:, None]) >= 0


@lru_cache(maxsize=256)
def optimal_start_value(model: Model, gamma: float) -> float | None:
    """V* at the start: the most that any policy can be worth there; None where it is not finite."""
    return start_value(model, optimal_values(model, gamma).max(axis=1))


def optimal_policy(model: Model, gamma: float) -> np.ndarray:
    """Of the actions tied for the greatest Q*, the lowest index: int64 (S,).

    At gamma 1, where to wait may cost nothing, only those whose episodes end soonest are tied.
    """
    q_values, step_cost = optimal_values(model, gamma), 1 - gamma
    if gamma == 1:
        step_cost = STEP_COST_WITHOUT_DISCOUNT
        greatest = np.abs(q_values[np.isfinite(q_values)]).max(initial=0.0) or 1.0
        hurried = replace(model, reward=model.reward - step_cost * greatest)
        q_values = optimal_values(hurried, gamma)
    share = min(TIE_TOLERANCE, TIE_SHARE_OF_A_STEP * step_cost)
    scale = np.abs(np.where(np.isfinite(q_values), q_values, 0.0)).max(axis=1)
    tied = q_values.max(axis=1) - share * scale
    return np.argmax(q_values >= tied[:, None], axis=1)


def _surely_ending(model: Model) -> tuple[np.ndarray, np.ndarray]:
    """A policy whose episodes surely end, -1 in states where none does, and the pairs safe for it.

    Safe are the pairs that never lead to a state without such a policy.
    """
    allowed = np.ones(model.next_state.shape[:2], bool)
    while True:
        policy = _approach(model, allowed)
        astray = allowed & _leads_into(model, policy < 0)
        if not astray.any():
            return policy, allowed
        allowed &= ~astray


def _approach(model: Model, allowed: np.ndarray, goal: np.ndarray | None = None) -> np.ndarray:
    """The allowed actions that may soonest come to a pair of `goal`, -1 where none may: (S,).

    Goals are bool (S, A) or (S, 1); without them, the pairs that may end the episode.
    """
    if goal is None:
        goal = ((model.probability > 0) & model.terminated).any(axis=-1)
    policy, near = np.full(model.n_states, -1), allowed & goal
    while True:
        reached = (policy < 0) & near.any(axis=1)
        if not reached.any():
            return policy
        policy[reached] = near[reached].argmax(axis=1)
        near = allowed & _leads_into(model, policy >= 0)


def _leads_into(model: Model, states: np.ndarray) -> np.ndarray:
    """Whether a pair may lead on to one of the states, bool (S,): bool (S, A)."""
    goes_on = (model.probability > 0) & ~model.terminated
    return (goes_on & states[model.next_state]).any(axis=-1)


def _evaluate(model: Model, policy: np.ndarray, gamma: float, roots: np.ndarray) -> np.ndarray:
    """V of a policy on all states reached from `roots`, NaN on the others.

    All of it is NaN where gamma is 1 and an episode may never end.
    """
    arrays = (model.next_state, model.reward, model.probability, model.terminated)
    states, constant, bounds, target, weight, ends = _chain(*arrays, policy, float(gamma), roots)
    values = np.full(model.n_states, np.nan)
    if gamma == 1 and not _ends_surely(bounds, target, ends):
        return values
    values[states], settled = _iterate(constant, bounds, target, weight)
    if not settled:
        from scipy.sparse import csr_array, eye_array  # slow to import, and seldom needed
        from scipy.sparse.linalg import spsolve

        shape = (states.size, states.size)
        system = eye_array(states.size) - csr_array((weight, target, bounds), shape)
        values[states] = spsolve(system.tocsc(), constant)
    return values


@njit(cache=True, error_model="numpy")
def _chain(next_state, reward, probability, terminated, policy, gamma, roots):
    """V = constant + weight V over the states that a policy reaches, in depth-first post-order.

    All that a state leads to comes before it, but for loops. Row i has the columns `target` and the
    entries `weight` from bounds[i] to bounds[i + 1]; staying is divided out. `ends`: it may end.
    """
    n_states, _, n_outcomes = next_state.shape
    tried, rank = np.full(n_states, -1), np.empty(n_states, np.int64)
    path, states = np.empty(n_states, np.int64), np.empty(n_states, np.int64)
    n = e = 0
    for root in roots:
        depth = -1
        if tried[root] < 0:
            depth, path[0], tried[root] = 0, root, 0
        while depth >= 0:
            state, k = path[depth], tried[path[depth]]
            if k == n_outcomes:
                states[n], rank[state] = state, n
                depth, n = depth - 1, n + 1
                continue
            tried[state] += 1
            action, ahead = policy[state], next_state[state, policy[state], k]
            goes_on = probability[state, action, k] > 0 and not terminated[state, action, k]
            if goes_on and tried[ahead] < 0:
                depth += 1
                path[depth], tried[ahead] = ahead, 0
    states = states[:n]
    constant, bounds, ends = np.zeros(n), np.zeros(n + 1, np.int64), np.zeros(n, np.bool_)
    target, weight = np.empty(n * n_outcomes, np.int64), np.empty(n * n_outcomes)
    for i in range(n):
        state, action, stay = states[i], policy[states[i]], 0.0
        for k in range(n_outcomes):
            p = probability[state, action, k]
            if p > 0.0:
                constant[i] += p * reward[state, action, k]
                if terminated[state, action, k]:
                    ends[i] = True
                elif next_state[state, action, k] == state:
                    stay += p
                else:
                    target[e], weight[e] = rank[next_state[state, action, k]], gamma * p
                    e += 1
        bounds[i + 1] = e
        constant[i] /= 1.0 - gamma * stay
        weight[bounds[i] : e] /= 1.0 - gamma * stay
    return states, constant, bounds, target[:e], weight[:e], ends


@njit(cache=True)
def _ends_surely(bounds, target, ends):
    """Whether every state may lead to one of those that may end, so that an episode surely ends."""
    may_end, changed = ends.copy(), True
    while changed:
        changed = False
        for i in range(ends.size):
            if not may_end[i] and may_end[target[bounds[i] : bounds[i + 1]]].any():
                may_end[i] = changed = True
    return may_end.all()


@njit(cache=True)
def _iterate(constant, bounds, target, weight):
    """V by Gauss-Seidel iteration from 0, and whether it met ITERATION_TOLERANCE."""
    values, change = np.zeros(constant.size), 0.0
    for _ in range(2 + ITERATION_OUTCOMES // (1 + weight.size)):
        before, change, settled = change, 0.0, True
        for i in range(constant.size):
            value = constant[i]
            for e in range(bounds[i], bounds[i + 1]):
                value += weight[e] * values[target[e]]
            moved = abs(value - values[i])
            change = max(change, moved)
            settled &= moved <= ITERATION_TOLERANCE * abs(value)
            values[i] = value
        if settled and change <= 0.5 * before:
            return values, True
    return values, False


class NoReferences(HqRayError):
    """There is nothing exact to measure these trials against here; the message says why."""


@dataclass(frozen=True)
class References:
    """What the gamma-optimal policy gets in expectation.

    It is `optimal_policy`, the best for the discounted return without a step limit, which is what
    Q-learning aims at. Where discount and limit matter, another policy may exceed `optimal_return`.

    Attributes:
        optimal_return: J*, undiscounted, under the step limit [return].
        optimal_steps: length of an episode under the step limit [steps].
        failure_terminates: whether an episode can terminate without success.
    """

    optimal_return: float
    optimal_steps: float
    failure_terminates: bool


@lru_cache(maxsize=4096)
def references(model: Model, gamma: float, max_steps: int) -> References | None:
    """The references of a model; None where gamma is 1 and there is no best policy.

        J* = E[sum_{t < min(T, max_steps)} r_t]

    where T is when the episode terminates, and the first state is drawn as the model says.
    """
    if optimal_start_value(model, gamma) is None:
        return None
    # With d_t(s) the probability that step t is taken, and taken in s, and p without the outcomes
    # that terminate: d_{t+1}(s') = sum_s d_t(s) p(s' | s).
    pairs = np.arange(model.n_states), optimal_policy(model, gamma)
    probability = model.probability[pairs]
    reward = np.where(probability > 0, probability * model.reward[pairs], 0.0).sum(axis=1)
    goes_on = (probability > 0) & ~model.terminated[pairs]
    source, target = np.nonzero(goes_on)[0], model.next_state[pairs][goes_on]
    weight, occupied = probability[goes_on], model.start_probability
    total_return = total_steps = 0.0
    for _ in range(max_steps):
        going = float(occupied.sum())
        if going <= ABSORBED:
            break
        total_steps += going
        total_return += float((occupied * reward).sum())
        occupied = np.bincount(target, occupied[source] * weight, minlength=model.n_states)
    failures = model.ends if model.success is None else model.ends & ~model.success
    return References(total_return, total_steps, bool(failures.any()))


def references_of(
    env: str, env_args: str, fingerprint: str | None, gamma: float, max_steps: int
) -> References:
    """The references of trials, from the environment as it is made here.

    Raises:
        NoReferences: the trials were trained without a model, or their environment cannot be made
            here, has no model here, another one than theirs, or no best policy.
    """
    name = environment_name(env, env_args)
    if not is_model(fingerprint):
        raise NoReferences(f"{name} was trained without a model to compute exact values from")
    try:
        model = load_model(env, env_args)
    except HqRayError as problem:
        raise NoReferences(f"{name} cannot be made here ({problem})") from problem
    if model is None:
        raise NoReferences(f"{name} has no transition table here that is believed")
    if model.fingerprint != fingerprint:
        raise NoReferences(
            f"the model of {name} must be the one of the trials ({fingerprint}), but here it is "
            f"{model.fingerprint}"
        )
    values = references(model, float(gamma), int(max_steps))
    if values is None:
        raise NoReferences(
            f"{name} has no best policy at gamma 1: none surely ends, or what they gain has no "
            "bound"
        )
    return values
