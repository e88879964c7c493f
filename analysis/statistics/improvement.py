"""The probability that one variant beats another, from all pairs of their seeds.

Arrays have the seeds in their last axis; what leads (comparisons) stays. Values must be finite: a
missing seed is for the caller to leave out.
"""

from collections.abc import Sequence

import numpy as np
from scipy import stats

from hq_ray.analysis.statistics.intervals import Interval, named
from hq_ray.analysis.statistics.seed_rows import (
    bootstrap_weights,
    like_leading,
    percentile_limits,
    row_blocks,
    seed_rows,
)
from hq_ray.errors import InputError


def probability_of_improvement(a: np.ndarray, b: np.ndarray) -> np.ndarray | float:
    """P(a > b) + P(a = b) / 2 over all pairs of a seed of a and one of b.

    The Mann-Whitney U of a, from mean ranks, divided by n m.

    Args:
        a: `(..., n)`.
        b: `(..., m)`, the same leading axes.
    """
    first, second = seed_rows(a), seed_rows(b)
    n, m = first.shape[-1], second.shape[-1]
    ranks = stats.rankdata(np.hstack([first, second]), axis=-1)
    return like_leading((ranks[:, :n].sum(axis=-1) - n * (n + 1) / 2) / (n * m), a)


def improvement_interval(
    a_by_env: Sequence[np.ndarray],
    b_by_env: Sequence[np.ndarray],
    resamples: int = 10_000,
    seed: int = 0,
    paired: bool = False,
    level: float = 0.95,
) -> Interval:
    """Probability of improvement, averaged over environments, with its bootstrap interval.

    Seeds are resampled inside each environment: independently for a and b, or together (`paired`).
    Where an environment is separated (all pairs won, all lost, or all tied) resampling sees no
    uncertainty, and the limits are widened by an exact bound; see `_separation_margins`. With one
    environment, all won, the interval is [(1 - level)^(1/k), 1], k = min(n, m): 0.55 at 5 seeds.

    Args:
        a_by_env: one `(..., n_e)` per environment; the leading axes, all the same, are comparisons.
        b_by_env: one `(..., m_e)` per environment; n_e = m_e where paired.
        resamples: B, shared by all comparisons.
        seed: of the resampling; the place of an environment in the list keys its stream.
        paired: resample a and b of a seed together.
        level: of the interval.

    Raises:
        InputError: when lengths or shapes disagree, or values are empty or not finite.
    """
    groups = _checked_envs(a_by_env, b_by_env, paired)
    wins = [_doubled_wins(first, second) for first, second in groups]
    sizes = [(first.shape[-1], second.shape[-1]) for first, second in groups]
    chances = np.stack([won.mean(axis=-1, dtype=np.float64) / 2 for won in wins])
    draws = np.zeros((len(groups[0][0]), resamples))
    for env, (won, (n, m)) in enumerate(zip(wins, sizes, strict=True)):
        first = bootstrap_weights(n, resamples, [seed, env, 0])
        second = first if paired else bootstrap_weights(m, resamples, [seed, env, 1])
        _add_improvements(draws, won, first, second)
    low, high = percentile_limits(draws / len(groups), level)
    separated = np.stack([(won == won[:, :1]).all(axis=-1) for won in wins])
    # Paired seeds give half as many independent pairs of different seeds.
    disjoint = [n // 2 if paired else min(n, m) for n, m in sizes]
    below, above = _separation_margins(chances, separated, np.array(disjoint), level)
    low, high = np.maximum(low - below, 0), np.minimum(high + above, 1)
    note = "separated in some environment: limits widened by an exact bound"
    limits = (like_leading(x, a_by_env[0]) for x in (chances.mean(axis=0), low, high))
    n = min(min(pair) for pair in sizes)
    return Interval(*limits, named("boot", level), n, note if separated.any() else "")


def _checked_envs(
    a_by_env: Sequence[np.ndarray], b_by_env: Sequence[np.ndarray], paired: bool
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows of both variants, environment by environment."""
    shapes = [[np.shape(group) for group in groups] for groups in (a_by_env, b_by_env)]
    leading = {shape[:-1] for shape in shapes[0] + shapes[1]}
    if len(shapes[0]) != len(shapes[1]) or len(leading) != 1:
        raise InputError(
            "the probability of improvement needs the same environments and comparisons of both "
            f"variants; given arrays of shapes {shapes[0]} and {shapes[1]}"
        )
    if paired and shapes[0] != shapes[1]:
        raise InputError(
            "paired resampling needs the same seeds of both variants; "
            f"given arrays of shapes {shapes[0]} and {shapes[1]}"
        )
    return [(seed_rows(a), seed_rows(b)) for a, b in zip(a_by_env, b_by_env, strict=True)]


def _doubled_wins(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """2 where a > b, 1 where equal, 0 below: float32 `(n_rows, n * m)`."""
    left, right = first[:, :, None], second[:, None, :]
    won = (left > right).astype(np.float32) + (left >= right)
    return won.reshape(len(first), -1)


def _add_improvements(
    draws: np.ndarray, won: np.ndarray, first: np.ndarray, second: np.ndarray
) -> None:
    """Add to draws `(n_rows, B)` the resampled probability w_a' S w_b / (n m) of each row.

    As one product of the outer products of the weights, `(B, n m)`, which all rows share, with S.
    Everything is an integer, exact in float32 up to 2^24, so no order of addition matters.
    """
    pairs = won.shape[-1]
    dtype = np.float32 if 2 * pairs < 2**24 else np.float64
    first, second, won = first.astype(dtype), second.astype(dtype), won.astype(dtype, copy=False)
    for block in row_blocks(len(first), 4 * pairs):
        outer = first[block, :, None] * second[block, None, :]
        draws[:, block] += won @ outer.reshape(-1, pairs).T / (2.0 * pairs)


def _separation_margins(
    chances: np.ndarray, separated: np.ndarray, disjoint: np.ndarray, level: float
) -> tuple[np.ndarray, np.ndarray]:
    """How far limits must move for the environments `(E, n_rows)` whose pairs all ended the same.

    In such an environment k disjoint pairs, independent trials, all ended in one way: s = 1, 1/2 or
    0. Let p_e be the chance of that. Unless the product of p_e^k_e is at least 1 - level, such data
    are rarer than 1 - level: the bound of Clopper and Pearson (1934), at k = all. From it, with
    k the smallest k_e, S = sum s_e and the weighted mean inequality, sum s_e p_e is at least
    S (1 - level)^(1 / (k S)); the upper limit is the same for 1 - s.
    """
    smallest = np.where(separated, disjoint[:, None], np.inf).min(axis=0)
    smallest = np.where(np.isfinite(smallest), smallest, 1.0)
    margins = []
    for share in (chances, 1 - chances):
        total = np.where(separated, share, 0.0).sum(axis=0)
        exponent = 1 / np.maximum(smallest * total, 1e-9)
        margins.append(total / len(chances) * (1 - (1 - level) ** exponent))
    return margins[0], margins[1]
