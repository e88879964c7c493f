"""A model packed for the kernel: few bytes, thresholds instead of probabilities.

Pairs (state, action) are numbered `row + action` with `row = state * n_actions`, and every table
is laid out outcome by outcome, so that the outcome most often drawn first lies dense in the cache.
Outcome number n_outcomes repeats outcome 0: the index Gymnasium falls back to when a cumulative
sum stays at or below the random number by rounding.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from hq_ray.compiled import njit
from hq_ray.model import Model
from hq_ray.schedules import Schedule

TWO_53 = 2.0**53


@dataclass(frozen=True, eq=False)
class KernelTables:
    """What one compiled trial reads of its environment. All arrays are read-only.

    Attributes:
        n_actions, n_outcomes: as in the model.
        draws: whether the environment's random numbers can matter at all.
        code_bits: width of a code, 8 or 32.
        transition: uint32 or, for codes of 32 bits, uint64
            ((n_outcomes + 1) * n_states * n_actions,): next row * 2**code_bits + code.
        threshold: uint64 (n_outcomes * n_states * n_actions,): the outcome is the first whose
            threshold exceeds the top 53 bits of the draw.
        code_reward, code_future: float64 per distinct (terminated, success, reward), terminating
            ones last; code_future is 0 where the outcome terminates and 1 otherwise.
        code_success: bool per code; None where no start can reach a success.
        start_row, start_threshold: uint64 per possible first state, in order.
    """

    n_actions: int
    n_outcomes: int
    draws: bool
    code_bits: int
    transition: np.ndarray
    threshold: np.ndarray
    code_reward: np.ndarray
    code_future: np.ndarray
    code_success: np.ndarray | None
    start_row: np.ndarray
    start_threshold: np.ndarray


@lru_cache(maxsize=64)
def kernel_tables(model: Model) -> KernelTables:
    """Packs a model, once; in half the bytes up to 256 kinds of outcome and 2**24 pairs."""
    states, actions, outcomes = model.next_state.shape
    success = np.zeros_like(model.terminated) if model.success is None else model.success
    # Sorted by the first column, so that the terminating kinds come last.
    columns = (model.terminated, success, model.reward.view(np.int64))
    kinds = np.stack([column.ravel() for column in columns], axis=1)
    codes, code = np.unique(kinds, axis=0, return_inverse=True)
    small = len(codes) <= 256 and states * actions < 2**24
    code_bits, kind = (8, np.uint32) if small else (32, np.uint64)
    row = model.next_state.astype(np.uint64) * np.uint64(actions << code_bits)
    word = row + code.reshape(model.reward.shape).astype(np.uint64)
    word = np.concatenate([word, word[:, :, :1]], axis=2)
    starts = np.flatnonzero(model.start_probability > 0)
    tables = KernelTables(
        n_actions=actions,
        n_outcomes=outcomes,
        # A lone start short of 1 by rounding can fall back to state 0 like any other.
        draws=outcomes > 1 or len(starts) > 1 or bool(model.start_cumulative[-1] < 1),
        code_bits=code_bits,
        transition=_by_outcome(word).astype(kind),
        threshold=_by_outcome(draw_threshold(model.cumulative)),
        code_reward=np.ascontiguousarray(codes[:, 2]).view(np.float64),
        code_future=1.0 - codes[:, 0],
        code_success=codes[:, 1] == 1 if model.success is not None else None,
        start_row=(starts * actions).astype(np.uint64),
        start_threshold=draw_threshold(model.start_cumulative[starts]),
    )
    for value in vars(tables).values():
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
    return tables


def draw_threshold(probability: np.ndarray) -> np.ndarray:
    """uint64 T with: u < p exactly when the 53-bit integer 2**53 u is below T.

    T = ceil(2**53 p); scaling by a power of two is exact, so no comparison changes.
    """
    return np.ceil(probability * TWO_53).astype(np.uint64)


@lru_cache(maxsize=64)
def explore_table(schedule: Schedule, episodes: int, n_actions: int) -> np.ndarray:
    """uint64 (episodes, n_actions): what a 53-bit draw k means in each episode, without dividing.

    Column 0 is the number that k must lie below to explore, u < epsilon; the random action is the
    number of the other columns at or below k. Column a is the least k for which the contract's
    u * n_actions / epsilon, computed in floating point as written, reaches a.
    """
    epsilon = schedule.values(episodes)
    table = np.empty((episodes, n_actions), np.uint64)
    table[:, 0] = draw_threshold(epsilon)
    _fill_action_thresholds(epsilon, table)
    table.flags.writeable = False
    return table


@njit(cache=True, error_model="numpy")  # in a third of the time that array operations take
def _fill_action_thresholds(epsilon, table):
    n_actions = table.shape[1]
    for episode in range(len(epsilon)):
        eps = epsilon[episode]
        for action in range(1, n_actions):
            if episode > 0 and epsilon[episode - 1] == eps:
                table[episode, action] = table[episode - 1, action]
                continue
            # The first guess is off by a few at most, through the roundings of the three steps.
            k = min(np.ceil(action * eps / n_actions * TWO_53), TWO_53)
            while k > 0.0 and (k - 1.0) / TWO_53 * n_actions / eps >= action:
                k -= 1.0
            while k < TWO_53 and k / TWO_53 * n_actions / eps < action:
                k += 1.0
            table[episode, action] = np.uint64(k)


def _by_outcome(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values.transpose(2, 0, 1)).ravel()
