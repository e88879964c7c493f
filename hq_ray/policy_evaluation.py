"""Exact evaluation of one policy, in compiled code.

For a fixed policy the values solve the linear system

    V(s) = r(s) + gamma * sum_{s'} p(s' | s) V(s')          (Bellman's equation of the policy)

where the sum leaves out outcomes that terminate. The states that the policy reaches are split into
strongly connected components (Tarjan, "Depth-first search and linear graph algorithms", 1972),
each solved once all that it leads to is known. A way without loops is then one substitution per
state. A component with loops goes through Gauss-Seidel sweeps in depth-first post-order, which
are few when the policy mostly moves forward, and through elimination when they are not.
"""

from typing import NamedTuple

import numpy as np

from hq_ray.compiled import njit

# Sweeps end when no value moves by more than this share of the component's greatest value. What
# is left is at most gamma / (1 - gamma) times that, because a sweep contracts by gamma.
SWEEP_TOLERANCE = 1e-14
# What a multiply-add of a sweep costs, measured in those of elimination, which are vectorised.
SWEEP_COST = 1.5
# float64 entries that elimination may hold: 128 MiB.
ELIMINATION_ENTRIES = 2**24


class Transitions(NamedTuple):
    """A model of S states and A actions, less padding, repeats, terminating outcomes, self-loops.

    Pair i = state * A + action leads to `successors[offsets[i]:offsets[i + 1]]`, likeliest first.

    Attributes:
        offsets: int64 (S * A + 1,).
        successors: int64 (N,), never the pair's own state.
        probability: float64 (N,), above 0.
        stay: float64 (S, A), probability of the own state without termination.
        reward: float64 (S, A), expected reward of one step.
    """

    offsets: np.ndarray
    successors: np.ndarray
    probability: np.ndarray
    stay: np.ndarray
    reward: np.ndarray


@njit(cache=True)
def evaluate_policy(
    transitions: Transitions, policy: np.ndarray, gamma: float, roots: np.ndarray
) -> np.ndarray:
    """Solves V(s) = r(s) + gamma * sum_{s'} p(s' | s) V(s') on all states reached from `roots`.

    Args:
        transitions: of a model with S states.
        policy: int64 (S,), the action of each state.
        gamma: discount in [0, 1).
        roots: int64, the states to search from.

    Returns:
        float64 (S,), NaN where the policy never comes.
    """
    values, local = np.full(policy.size, np.nan), np.full(policy.size, -1)
    order, bounds = _components(transitions, policy, roots)
    for c in range(bounds.size - 1):
        members = order[bounds[c] : bounds[c + 1]]
        if members.size == 1:
            state = members[0]
            values[state] = _known_part(transitions, policy, gamma, state, local, values)
        else:
            _solve_component(transitions, policy, gamma, members, local, values)
    return values


@njit(cache=True)
def _components(transitions, policy, roots):
    """Strongly connected components, each after those it leads to, its states in post-order.

    Depth-first search with low links. `unassigned` has, in post-order, the finished states whose
    component is still open: those of one component lie together on top when its root finishes.

    Returns:
        The states, and the bounds of the components in them.
    """
    n_states, n_actions = transitions.stay.shape
    offsets, successors = transitions.offsets, transitions.successors
    discovered, low = np.full(n_states, -1), np.empty(n_states, np.int64)
    path, edge = np.empty(n_states, np.int64), np.empty(n_states, np.int64)
    base, unassigned = np.empty(n_states, np.int64), np.empty(n_states, np.int64)
    order, bounds = np.empty(n_states, np.int64), np.zeros(n_states + 1, np.int64)
    depth, n_discovered, n_unassigned, n_components = -1, 0, 0, 0
    for root in roots:
        entered = root if discovered[root] < 0 else -1
        while entered >= 0 or depth >= 0:
            if entered >= 0:
                depth += 1
                path[depth], base[depth] = entered, n_unassigned
                edge[depth] = offsets[entered * n_actions + policy[entered]]
                discovered[entered] = low[entered] = n_discovered
                n_discovered, entered = n_discovered + 1, -1
            state = path[depth]
            end = offsets[state * n_actions + policy[state] + 1]
            while entered < 0 and edge[depth] < end:
                successor = successors[edge[depth]]
                edge[depth] += 1
                if discovered[successor] < 0:
                    entered = successor
                else:
                    low[state] = min(low[state], discovered[successor])
            if entered >= 0:
                continue
            unassigned[n_unassigned] = state
            n_unassigned += 1
            if low[state] == discovered[state]:
                bound = bounds[n_components]
                for i in range(base[depth], n_unassigned):
                    order[bound] = unassigned[i]
                    discovered[unassigned[i]] = n_states  # lowers no low link
                    bound += 1
                n_unassigned, n_components = base[depth], n_components + 1
                bounds[n_components] = bound
            depth -= 1
            if depth >= 0:
                low[path[depth]] = min(low[path[depth]], low[state])
    return order[: bounds[n_components]], bounds[: n_components + 1]


@njit(cache=True)
def _solve_component(transitions, policy, gamma, members, local, values):
    """Writes the `values` of `members`, which are the solution of x = constant + weight x.

    `local` (S,) is scratch space: -1 everywhere, before and after.
    """
    offsets, successors = transitions.offsets, transitions.successors
    n_actions, n_edges = transitions.stay.shape[1], 0
    for i in range(members.size):
        local[members[i]] = i
        pair = members[i] * n_actions + policy[members[i]]
        n_edges += offsets[pair + 1] - offsets[pair]
    starts, constant = np.zeros(members.size + 1, np.int64), np.empty(members.size)
    target, weight = np.empty(n_edges, np.int64), np.empty(n_edges)
    n = 0
    for i in range(members.size):
        state = members[i]
        pair = state * n_actions + policy[state]
        constant[i] = _known_part(transitions, policy, gamma, state, local, values)
        share = gamma / (1.0 - gamma * transitions.stay[state, policy[state]])
        for e in range(offsets[pair], offsets[pair + 1]):
            if local[successors[e]] >= 0:
                target[n], weight[n] = local[successors[e]], share * transitions.probability[e]
                n += 1
        starts[i + 1] = n
    solution = _solve(starts, target[:n], weight[:n], constant, gamma)
    for i in range(members.size):
        values[members[i]], local[members[i]] = solution[i], -1


@njit(cache=True)
def _known_part(transitions, policy, gamma, state, local, values):
    """(r + gamma * sum p V) / (1 - gamma * p_stay), the sum over successors outside `local`."""
    offsets, successors, probability, stay, reward = transitions
    action = policy[state]
    pair = state * stay.shape[1] + action
    total = reward[state, action]
    for e in range(offsets[pair], offsets[pair + 1]):
        if local[successors[e]] < 0:
            total += gamma * probability[e] * values[successors[e]]
    return total / (1.0 - gamma * stay[state, action])


@njit(cache=True)
def _solve(starts, target, weight, constant, gamma):
    """Solves x = constant + weight x: sweeps while that may be cheaper than elimination."""
    unknown, n_unknown = np.full(constant.size, -1), 0
    for i in range(constant.size):
        for e in range(starts[i], starts[i + 1]):
            if target[e] > i and unknown[target[e]] < 0:
                unknown[target[e]] = n_unknown
                n_unknown += 1
    n_sweeps = (n_unknown + n_unknown**3 / (3.0 * target.size)) / SWEEP_COST
    too_large = constant.size * (n_unknown + 1) > ELIMINATION_ENTRIES
    if too_large:
        n_sweeps = 60 / (1 - gamma)  # gamma^n < e^-60, so these do converge
    solution, converged = _sweep(starts, target, weight, constant, int(n_sweeps))
    if converged or too_large:
        return solution
    system = np.empty((n_unknown, n_unknown + 1))
    return _eliminate(starts, target, weight, constant, unknown, system)


@njit(cache=True)
def _sweep(starts, target, weight, constant, n_sweeps):
    """Gauss-Seidel sweeps from 0; the flag tells whether they met SWEEP_TOLERANCE.

    Gives up as soon as the rate of the last two sweeps would not lead there within `n_sweeps`.
    """
    x, before = np.zeros(constant.size), np.inf
    for sweep in range(n_sweeps):
        change, scale = 0.0, 0.0
        for i in range(constant.size):
            value = constant[i]
            for e in range(starts[i], starts[i + 1]):
                value += weight[e] * x[target[e]]
            change = max(change, abs(value - x[i]))
            scale = max(scale, abs(value), abs(constant[i]))
            x[i] = value
        if change <= SWEEP_TOLERANCE * scale:
            return x, True
        rate = change / before
        if sweep >= 8 and change * rate ** (n_sweeps - sweep) > SWEEP_TOLERANCE * scale:
            return x, False
        before = change
    return x, False


@njit(cache=True)
def _eliminate(starts, target, weight, constant, unknown, system):
    """Writes each x[i] as an affine function of the unknowns, then solves for these.

    The m unknowns, numbered in `unknown` (-1 elsewhere), are the states that an edge leads back
    to; in the given order every other target is already expressed. Their equations go into
    `system` (m, m + 1), which is diagonally dominant, so no pivoting is needed.
    """
    size, m = constant.size, system.shape[0]
    affine = np.zeros((size, m + 1))
    for i in range(size):
        row = affine[i]
        row[m] = constant[i]
        for e in range(starts[i], starts[i + 1]):
            j = target[e]
            if unknown[j] >= 0:
                row[unknown[j]] += weight[e]
            else:
                for k in range(m + 1):
                    row[k] += weight[e] * affine[j, k]
        if unknown[i] >= 0:
            for k in range(m):
                system[unknown[i], k] = -row[k]
            system[unknown[i], unknown[i]] += 1.0
            system[unknown[i], m] = row[m]
    y = _solve_dense(system)
    x = np.empty(size)
    for i in range(size):
        x[i] = affine[i, m]
        for k in range(m):
            x[i] += affine[i, k] * y[k]
    return x


@njit(cache=True)
def _solve_dense(system):
    """Gaussian elimination without pivoting of an augmented matrix (n, n + 1), in place."""
    n = system.shape[0]
    for k in range(n):
        for i in range(k + 1, n):
            factor = system[i, k] / system[k, k]
            if factor != 0.0:
                for j in range(k + 1, n + 1):
                    system[i, j] -= factor * system[k, j]
    y = np.empty(n)
    for i in range(n - 1, -1, -1):
        value = system[i, n]
        for j in range(i + 1, n):
            value -= system[i, j] * y[j]
        y[i] = value / system[i, i]
    return y
