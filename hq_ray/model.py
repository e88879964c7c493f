"""An environment as arrays: what the kernel trains on and exact planning solves.

A model is read from the transition table `P[state][action] = [(probability, next_state, reward,
terminated), ...]` that Gymnasium's toy-text environments expose, together with
`initial_state_distrib`. Order, repeats and zero probabilities of the lists are kept, because the
index that a random number picks depends on them.
"""

import hashlib
from collections import OrderedDict, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from operator import index
from typing import Any

import numpy as np

from hq_ray.errors import ModelError, reason_of, short_repr

PLAIN = {dict, OrderedDict, defaultdict, list, tuple}


@dataclass(frozen=True, eq=False)
class Model:
    """A finite Markov decision process with S states, A actions and at most K outcomes per pair.

    Attributes:
        next_state: int32 (S, A, K), the state after the outcome.
        reward: float64 (S, A, K), in units of return.
        probability: float64 (S, A, K); lists shorter than K are padded with probability 0.
        terminated: bool (S, A, K), whether the outcome ends the episode. Only this flag ends an
            episode: a state may be terminal in one transition and ordinary in another.
        start_probability: float64 (S,), the distribution of the first state.
        goal: bool (S,), where an episode must end to succeed; None where only its reward tells.
    """

    next_state: np.ndarray
    reward: np.ndarray
    probability: np.ndarray
    terminated: np.ndarray
    start_probability: np.ndarray
    goal: np.ndarray | None = None

    @property
    def n_states(self) -> int:
        """Number of states S."""
        return self.next_state.shape[0]

    @property
    def n_actions(self) -> int:
        """Number of actions A."""
        return self.next_state.shape[1]

    @cached_property
    def cumulative(self) -> np.ndarray:
        """float64 (S, A, K), running sums of `probability` in list order, as in Gymnasium."""
        return np.cumsum(self.probability, axis=-1)

    @cached_property
    def start_cumulative(self) -> np.ndarray:
        """float64 (S,), running sums of `start_probability`."""
        return np.cumsum(self.start_probability)

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits over the arrays that steps are drawn from, and their shapes."""
        digest = hashlib.sha256()
        for name in ("next_state", "reward", "probability", "terminated", "start_probability"):
            array = getattr(self, name)
            digest.update(str((array.dtype.str, array.shape)).encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()[:16]

    @cached_property
    def reachable(self) -> np.ndarray:
        """bool (S,), the states that some behaviour can visit before its episode terminates."""
        moves = (self.probability > 0) & ~self.terminated
        reached = self.start_probability > 0
        frontier = np.flatnonzero(reached)
        while frontier.size:
            successors = np.unique(self.next_state[frontier][moves[frontier]])
            frontier = successors[~reached[successors]]
            reached[frontier] = True
        return reached

    @cached_property
    def ends(self) -> np.ndarray:
        """bool (S, A, K), the outcomes that terminate and can occur."""
        return self.terminated & (self.probability > 0) & self.reachable[:, None, None]

    @cached_property
    def success(self) -> np.ndarray | None:
        """bool (S, A, K), the outcomes that terminate in success; None where no start reaches one.

        They lead to a goal state, or have the greatest reward of all `ends`.
        """
        if not self.ends.any():
            return None
        if self.goal is not None:
            succeeded = self.terminated & self.goal[self.next_state]
        else:
            succeeded = self.terminated & (self.reward == self.reward[self.ends].max())
        return succeeded if (self.ends & succeeded).any() else None

    @cached_property
    def successes(self) -> frozenset[tuple[int, float]] | None:
        """(next state, reward) of each outcome in `success`; None where that is."""
        if self.success is None:
            return None
        states, rewards = self.next_state[self.success], self.reward[self.success]
        return frozenset(zip(states.tolist(), rewards.tolist(), strict=True))


def model_from_table(
    table: Mapping, start_probability: np.ndarray, goal: np.ndarray | None = None
) -> Model:
    """Reads `P[state][action]` lists into arrays; `goal` is as in `Model`.

    Raises:
        ModelError: states or actions are not numbered from 0, an entry is no probability, the
            outcomes of a pair do not sum to 1, or it is no such table at all.
    """
    try:
        entries = list(_entries(table))
        n_actions = [len(table[state]) for state in range(len(table))]
    except (KeyError, IndexError, TypeError, ValueError) as problem:
        raise ModelError(
            "a transition table must be P[state][action] = [(probability, next_state, reward, "
            f"terminated), ...] with both numbered from 0: {reason_of(problem)}"
        ) from None
    if len(set(n_actions)) > 1:
        raise ModelError(
            f"every state must have the same number of actions, got {short_repr(n_actions)}"
        )
    if not entries:
        raise ModelError("a transition table must have outcomes, but has none")
    start = np.asarray(start_probability)
    if type(start_probability) not in {np.ndarray, *PLAIN} or (
        start.dtype not in (np.float64, np.int64)
    ):
        raise ModelError("initial_state_distrib must be a list or array of float64")
    *columns, p, successor, reward, done = (np.array(c) for c in zip(*entries, strict=True))
    here = tuple(columns)
    shape = (len(table), n_actions[0], int(here[2].max()) + 1)
    next_state, rewards = np.zeros(shape, np.int32), np.zeros(shape)
    probability, terminated = np.zeros(shape), np.zeros(shape, bool)
    next_state[here], rewards[here] = successor, reward
    probability[here], terminated[here] = p, done
    model = Model(next_state, rewards, probability, terminated, start.astype(float), goal)
    _check(model)
    return model


def _entries(table: Mapping) -> Iterator[tuple]:
    """(state, action, k, probability, next_state, reward, terminated) of each outcome."""
    for state in range(len(_plain(table))):
        for action in range(len(_plain(table[state]))):
            for k, outcome in enumerate(_plain(table[state][action])):
                p, successor, reward, done = _plain(outcome)
                if not isinstance(p, float | int | np.integer):
                    raise TypeError("probabilities must be float64, others are rounded otherwise")
                yield state, action, k, float(p), index(successor), float(reward) + 0.0, bool(done)


def _plain(container: Any) -> Any:
    """A container of a type that answers the same whenever it is read."""
    if type(container) not in PLAIN:
        raise TypeError("it must be made of dicts, lists and tuples")
    return container


def _check(model: Model) -> None:
    if model.start_probability.shape != (model.n_states,):
        raise ModelError(
            f"initial_state_distrib must have one entry per state ({model.n_states}), "
            f"got shape {model.start_probability.shape}"
        )
    if model.next_state.min() < 0 or model.next_state.max() >= model.n_states:
        raise ModelError(f"next states must lie in [0, {model.n_states})")
    for name, values in (("P", model.probability), ("start", model.start_probability)):
        if not ((values >= 0).all() and np.abs(values.sum(axis=-1) - 1).max() <= 1e-8):
            raise ModelError(f"probabilities of {name} must be >= 0 and sum to 1")
    if not np.isfinite(model.reward).all():
        raise ModelError("rewards must be finite numbers")
