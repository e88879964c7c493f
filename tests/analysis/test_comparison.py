import numpy as np
import pandas as pd
import pytest
from scipy import stats
from small_sweeps import fresh
from trial_frames import alphas, compared, exact, table_of, trials_of

from hq_ray.analysis.cells import cells_by_problem
from hq_ray.analysis.comparison import best_configuration, seeds_to_compare
from hq_ray.analysis.families import compare_all
from hq_ray.analysis.metrics import METRICS
from hq_ray.analysis.statistics.t_tests import difference_of_means
from hq_ray.analysis.verdict import comparison_row

NAN, FAILED = float("nan"), float("inf")
RETURN = METRICS["final_return"]


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def test_the_first_half_of_the_seeds_chooses_and_the_rest_test():
    ours, base = noise(6, 11), noise(3, 11, seed=1)
    found = compared(ours, base)
    best, other = (scores[:, :5].mean(axis=1).argmax() for scores in (ours, base))
    assert (found.ours.number, found.base.number) == (best, other)
    assert found.ours.seeds.tolist() == found.base.seeds.tolist() == list(range(5, 11))
    expected = stats.ttest_rel(ours[best, 5:], base[other, 5:])
    assert found.p_value == exact(expected.pvalue)
    assert (found.n_common, found.tuned) == (11, True)


def test_a_cost_is_chosen_downwards_and_wins_are_the_right_way_round():
    ours, base = noise(5, 9), noise(5, 9, seed=1)
    costs, returns = compared(-ours, -base, metric="final_steps"), compared(ours, base)
    assert costs.ours.number == returns.ours.number
    assert costs.difference.mean == exact(-returns.difference.mean)
    gaps = returns.ours.scores("final_return") - returns.base.scores("final_return")
    for found in (costs, returns):
        record = [comparison_row(found)[name] for name in ("wins", "ties", "losses")]
        assert record == [(gaps > 0).sum(), 0, (gaps < 0).sum()]


def test_one_configuration_each_is_compared_on_all_seeds():
    ours, base = noise(2, 8)
    found = compared(ours, base)
    assert not found.tuned
    assert found.p_value == exact(stats.ttest_rel(ours, base).pvalue)
    # A failed seed drops its pair.
    ours[2], base[5] = FAILED, NAN
    assert compared(ours, base).ours.seeds.tolist() == [0, 1, 3, 4, 6, 7]


def test_the_whole_grid_is_chosen_from_however_large():
    """A harmonic grid that holds the standard one ties with it, bit for bit."""
    base = noise(7, 20)
    worse = base.min() - 1 - noise(42, 20, seed=1) ** 2
    found = compared(np.concatenate([base, worse]), base)
    assert found.difference.identical


def test_ties_go_to_the_order_of_the_plan():
    scores, levels = np.tile(noise(1, 10), (4, 1)), alphas(4)
    trials = pd.concat([trials_of(v, levels, range(10), scores) for v in ("standard", "harmonic")])
    listed = {"parameters": {"alpha": [one["alpha"] for one in levels[::-1]]}}
    (found,) = compare_all(cells_by_problem(trials, [listed]), RETURN)
    assert found.ours.label == found.base.label == "alpha 0.8"


def test_a_configuration_with_a_failed_seed_is_not_eligible():
    ours = noise(4, 10)
    ours[2] += 100
    assert compared(ours, noise(4, 10, seed=1)).ours.number == 2
    for seed in (0, 9):
        lost = ours.copy()
        lost[2, seed] = FAILED
        found = compared(lost, noise(4, 10, seed=1))
        assert found.ours.number != 2
        assert found.n_common == 10
    lost[:, 4] = FAILED
    found = compared(lost, noise(4, 10, seed=1))
    assert (found.ours, found.difference, found.n_common) == (None, None, 10)


def test_only_seeds_that_all_were_tried_on_count():
    ours, base = noise(4, 12), noise(4, 12, seed=1)
    ours[1, 7:] = NAN
    base[:, 0] = NAN
    found = compared(ours, base)
    assert found.n_common == 6
    assert found.ours.seeds.tolist() == [4, 5, 6]
    assert found.ours.number == ours[:, 1:4].mean(axis=1).argmax()


def test_a_metric_that_is_nowhere_compares_nothing():
    table = table_of(*(trials_of(v, [{}], [0], [[1.0]]) for v in ("standard", "harmonic")))
    assert compare_all(table, METRICS["success_rate"]) == []
    assert best_configuration(table["Table-v0"]["harmonic"], METRICS["success_rate"]) is None


@pytest.mark.parametrize(
    ("ours", "theirs", "common"),
    [
        (range(5), range(5), 5),
        (range(5), range(3, 9), None),  # 2 of 5
        (range(5), range(2, 9), 3),
        (range(30), range(1), 1),
        (range(2), range(1, 9), None),
        ([], range(3), None),
    ],
)
def test_pairing_takes_half_of_the_seeds(ours, theirs, common):
    seeds = [np.array(ours, int), np.array(theirs, int)]
    paired, found = seeds_to_compare(seeds, unseeded=False)
    assert paired == (common is not None)
    assert list(map(len, found)) == ([common] * 2 if paired else list(map(len, seeds)))
    assert not seeds_to_compare(seeds, unseeded=True)[0]


def rejected(n_seeds, n_configurations, gain=0.0, n_experiments=20_000):
    """How often two learners are told apart whose configurations are all equally good."""
    rng = np.random.default_rng(n_configurations)
    shape = (n_experiments, n_configurations, n_seeds)
    explored, fresh = rng.normal(size=(2, 2, *shape))
    best = explored.mean(axis=-1).argmax(axis=-1)[..., None, None]
    ours, base = np.take_along_axis(fresh, best, axis=2)[:, :, 0]
    return np.mean(difference_of_means(ours + gain, base, paired=True).p_value < 0.05)


@pytest.mark.parametrize("n_configurations", [1, 4, 16])
@pytest.mark.parametrize("n_seeds", [5, 10, 20, 30])
def test_equal_learners_are_told_apart_in_five_of_a_hundred(n_seeds, n_configurations):
    assert rejected(n_seeds, n_configurations) == pytest.approx(0.05, abs=0.01)


@pytest.mark.parametrize(("n_seeds", "power"), [(5, 0.28), (10, 0.62), (20, 0.93)])
def test_the_power_is_that_of_a_paired_t_test(n_seeds, power):
    assert rejected(n_seeds, 4, 0.8 * np.sqrt(2)) == pytest.approx(power, abs=0.01)


def test_the_whole_way_from_choice_to_verdict_keeps_the_level():
    """Sixty problems, which differ in gamma, at once."""
    rng, gammas = np.random.default_rng(0), np.linspace(0.1, 0.9, 60)
    levels = [{"alpha": a, "gamma": g} for g in gammas for a in (0.1, 0.2, 0.3)]
    frames = []
    for variant in ("standard", "harmonic"):
        scores = np.full((60, 3, 11), NAN)
        scores[..., :5] = rng.normal(size=(60, 3, 5))
        best = scores[..., :5].mean(axis=2).argmax(axis=1)
        scores[range(60), best, 5:] = rng.normal(size=(60, 6))
        seeds = [*range(5), *fresh(0, 6)]
        frames.append(trials_of(variant, levels, seeds, scores.reshape(180, 11)))
    found = compare_all(table_of(*frames), RETURN)
    assert {one.block for one in found} == {0}
    # Of a null hypothesis the p-values are uniform.
    assert stats.kstest([one.p_value for one in found], "uniform").pvalue > 0.01
