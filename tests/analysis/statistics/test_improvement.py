import math

import numpy as np
import pytest
from scipy import stats

from hq_ray.analysis.statistics.paired import improvement_interval, probability_of_improvement
from hq_ray.analysis.statistics.seed_rows import bootstrap_weights
from hq_ray.errors import InputError


def naive_probability(a, b):
    return sum((x > y) + 0.5 * (x == y) for x in a for y in b) / (len(a) * len(b))


@pytest.mark.parametrize(("n", "m"), [(1, 1), (2, 3), (5, 5), (30, 7)])
@pytest.mark.parametrize("kind", ["normal", "ties"])
def test_equals_a_plain_loop_and_mann_whitney(n, m, kind):
    rng = np.random.default_rng(n)
    draw = rng.normal if kind == "normal" else lambda size: rng.integers(0, 3, size)
    a, b = draw(size=(2, 2, n)), draw(size=(2, 2, m))
    result = probability_of_improvement(a, b)
    for i in np.ndindex(2, 2):
        assert result[i] == naive_probability(a[i].tolist(), b[i].tolist())
        wins = stats.mannwhitneyu(a[i], b[i], method="asymptotic").statistic
        assert result[i] == wins / (n * m)
    np.testing.assert_allclose(probability_of_improvement(b, a), 1 - result, rtol=0, atol=1e-15)


def naive_limits(a_by_env, b_by_env, resamples, seed, paired):
    draws = np.zeros(resamples)
    for env, (a, b) in enumerate(zip(a_by_env, b_by_env, strict=True)):
        first = bootstrap_weights(len(a), resamples, [seed, env, 0]).astype(int)
        second = bootstrap_weights(len(b), resamples, [seed, env, 1]).astype(int)
        second = first if paired else second
        for i in range(resamples):
            draws[i] += naive_probability(np.repeat(a, first[i]), np.repeat(b, second[i]))
    return np.quantile(draws / len(a_by_env), [0.025, 0.975])


@pytest.mark.parametrize("paired", [False, True])
@pytest.mark.parametrize("kind", ["normal", "ties"])
def test_limits_equal_a_plain_loop(paired, kind):
    rng = np.random.default_rng(2)
    draw = rng.normal if kind == "normal" else lambda size: rng.integers(0, 3, size)
    sizes = [(4, 4), (6, 6)] if paired else [(4, 5), (6, 7)]
    a, b = ([draw(size=(3, size[side])) for size in sizes] for side in (0, 1))
    interval = improvement_interval(a, b, resamples=60, seed=5, paired=paired)
    assert (interval.kind, interval.note) == ("boot95", "")
    for i in range(3):
        rows = [[x[i] for x in a], [x[i] for x in b]]
        chances = [naive_probability(*pair) for pair in zip(*rows, strict=True)]
        assert interval.estimate[i] == pytest.approx(np.mean(chances), rel=1e-12)
        expected = naive_limits(*rows, 60, 5, paired)
        np.testing.assert_allclose([interval.low[i], interval.high[i]], expected, atol=1e-12)


def test_same_bytes_alone_together_and_in_blocks(monkeypatch):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(9, 6)), rng.normal(size=(9, 7))
    whole = improvement_interval([a], [b], 400)
    alone = improvement_interval([a[3]], [b[3]], 400)
    order = rng.permutation(9)
    shuffled = improvement_interval([a[order]], [b[order]], 400)
    monkeypatch.setattr("hq_ray.analysis.statistics.seed_rows.BLOCK", 1_000)
    blocks = improvement_interval([a], [b], 400)
    for name in ("low", "high"):
        assert getattr(alone, name) == getattr(whole, name)[3]
        assert getattr(shuffled, name).tobytes() == getattr(whole, name)[order].tobytes()
        assert getattr(blocks, name).tobytes() == getattr(whole, name).tobytes()
    assert isinstance(alone.low, float)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (2, 3), (5, 5), (30, 30)])
def test_complete_separation_has_a_one_sided_bound(n, m):
    a, b = np.arange(n) + 100.0, np.arange(m) * 1.0
    won, lost = improvement_interval([a], [b], 50), improvement_interval([b], [a], 50)
    bound = 0.05 ** (1 / min(n, m))
    assert (won.estimate, won.high, won.n) == (1.0, 1.0, min(n, m))
    assert won.low == pytest.approx(bound, rel=1e-12)
    assert (lost.estimate, lost.low) == (0.0, 0.0)
    assert lost.high == pytest.approx(1 - bound, rel=1e-12)
    assert won.note == "separated in some environment: limits widened by an exact bound"
    # The bound of Clopper and Pearson at k successes in k trials, one-sided.
    k = min(n, m)
    one_sided = stats.binomtest(k, k, alternative="greater").proportion_ci(0.95).low
    assert won.low == pytest.approx(one_sided, rel=1e-9)


def test_separation_in_every_environment():
    a, b = np.arange(4) + 10.0, np.arange(4.0)
    both = improvement_interval([a, a], [b, b], 50)
    assert (both.low, both.high) == (pytest.approx(0.05 ** (1 / 8)), 1.0)
    opposed = improvement_interval([a, b], [b, a], 50)
    assert opposed.estimate == 0.5
    assert opposed.low == pytest.approx(0.5 * 0.05 ** (1 / 4))
    assert opposed.high == pytest.approx(1 - 0.5 * 0.05 ** (1 / 4))


def test_the_bound_of_several_environments_is_the_least_mean():
    k, level = 4, 0.95
    grid = np.linspace(0.2, 1, 2_001)
    first, second = np.meshgrid(grid, grid)
    possible = (first * second) ** k >= 1 - level
    least = ((first + second) / 2)[possible].min()
    a, b = np.arange(k) + 10.0, np.arange(k) * 1.0
    assert improvement_interval([a, a], [b, b], 50).low == pytest.approx(least, abs=1e-3)


def test_only_ties_leave_room_on_both_sides():
    tied = improvement_interval([[1.0] * 5], [[1.0] * 5], 50)
    assert tied.estimate == 0.5
    assert tied.low == pytest.approx(0.05**0.2 / 2 * 0.05**0.2)
    assert tied.high == pytest.approx(1 - tied.low)


def test_one_separated_environment_widens_the_others():
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=8), rng.normal(size=8)
    high, low = np.arange(8) + 10.0, np.arange(8) * 1.0
    mixed = improvement_interval([high, a], [low, b], 400, seed=2)
    draws_only = naive_limits([high, a], [low, b], 400, 2, paired=False)
    assert mixed.low == pytest.approx(draws_only[0] - 0.5 * (1 - 0.05 ** (1 / 8)), abs=1e-12)
    assert mixed.high == pytest.approx(draws_only[1], abs=1e-12)


def test_paired_seeds_count_half():
    a, b = np.arange(6) + 10.0, np.arange(6) * 1.0
    assert improvement_interval([a], [b], 50, paired=True).low == pytest.approx(0.05 ** (1 / 3))
    single = improvement_interval([[1.0]], [[0.0]], 50, paired=True)
    assert (single.low, single.high) == (0.0, 1.0)


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(InputError, match="the same environments and comparisons"):
        improvement_interval([[1.0, 2.0]], [])
    with pytest.raises(InputError, match="the same environments and comparisons"):
        improvement_interval([[[1.0, 2.0]]], [[1.0, 2.0]])
    with pytest.raises(InputError, match="the same environments and comparisons"):
        improvement_interval([], [])
    with pytest.raises(InputError, match="paired resampling needs the same seeds"):
        improvement_interval([[1.0, 2.0]], [[1.0]], paired=True)
    with pytest.raises(InputError, match="finite"):
        probability_of_improvement([1.0, math.nan], [1.0])
