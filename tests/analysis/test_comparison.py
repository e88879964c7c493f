import numpy as np
import pytest
from scipy import stats
from trial_frames import alphas, table_of, trials_of

from hq_ray.analysis.comparison import compare, compare_all, headline, overall_improvement
from hq_ray.analysis.contender import (
    AVERAGED,
    CROSS_FITTED,
    FRESH,
    SAME_SEEDS,
    SINGLE,
    best_configuration,
    best_configurations,
    entrant,
)
from hq_ray.analysis.differences import halves_error, shared_seeds
from hq_ray.analysis.metrics import METRICS
from hq_ray.analysis.statistics.paired import paired_difference
from hq_ray.analysis.statistics.tuning import budget_weights, cross_fitted_scores

NAN = float("nan")
RETURN, STEPS = METRICS["final_return"], METRICS["final_steps"]


def pair_of(ours, base, seeds=None, base_seeds=None, metric="final_return", **columns):
    """Cells of harmonic and standard with these scores."""
    ours, base = np.atleast_2d(np.asarray(ours, float)), np.atleast_2d(np.asarray(base, float))
    seeds = range(ours.shape[1]) if seeds is None else seeds
    base_seeds = range(base.shape[1]) if base_seeds is None else base_seeds
    table = table_of(
        trials_of("harmonic", alphas(len(ours)), seeds, ours, metric=metric, **columns),
        trials_of("standard", alphas(len(base)), base_seeds, base, metric=metric, **columns),
    )["Table-v0"]
    return table["harmonic"], table["standard"]


def compared(*args, judged=RETURN, resamples=200, **kwargs):
    options = {k: kwargs.pop(k) for k in ("equal_budget", "fixed", "rope") if k in kwargs}
    return compare(
        *pair_of(*args, metric=judged.name, **kwargs), judged, resamples=resamples, **options
    )


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


# Which configuration is best


def test_the_best_mean_is_best_and_of_costs_the_lowest():
    scores = [[1.0, 2], [5, 4], [3, 4]]
    cell, _ = pair_of(scores, [[0, 0]])
    assert best_configuration(cell, RETURN) == 1
    assert best_configurations(cell, RETURN, 5).tolist() == [1, 2, 0]
    costs, _ = pair_of(scores, [[0, 0]], metric="final_steps")
    assert best_configuration(costs, STEPS) == 0


def test_a_lucky_seed_is_no_configuration():
    scores = [[1, 2, 1, 2], [9, NAN, NAN, NAN], [3, 3, NAN, NAN]]
    cell, _ = pair_of(scores, [[0] * 4])
    assert best_configurations(cell, RETURN, 5).tolist() == [2, 0]


def test_there_is_no_best_where_nothing_is_known():
    cell, _ = pair_of([[1, 2]], [[0, 0]])
    assert best_configuration(cell, METRICS["success_rate"]) is None
    assert compare(*pair_of([[1, 2]], [[0, 0]]), METRICS["success_rate"]) is None


# By what right a score stands


@pytest.mark.parametrize(
    ("fingerprint", "paired"),
    [("unseeded", False), ("rollout:0123456789abcdef", True), ("0123456789abcdef", True)],
)
def test_seeds_of_an_unseeded_environment_are_not_paired(fingerprint, paired):
    found = compared(*noise(2, 8), fingerprint=fingerprint)
    assert found.paired is paired
    if not paired:
        welch = stats.ttest_ind(found.scores, found.base_scores, equal_var=False)
        assert float(found.difference.p_value) == pytest.approx(welch.pvalue)


def test_one_configuration_each_is_compared_as_it_is():
    ours, base = noise(2, 8)
    found = compared(ours, base)
    expected = paired_difference(ours, base, 200)
    assert (found.how, found.budget, found.paired) == (SINGLE, 1, True)
    for name in ("mean", "se", "low", "high", "p_value", "p_method", "wins", "variance_ratio"):
        assert getattr(found.difference, name) == getattr(expected, name), name
    assert found.summary()["worst_tenth"] == ours.min()


def test_grids_are_tuned_on_the_other_half_of_the_seeds():
    ours, base = noise(5, 9), noise(5, 9, seed=1)
    found = compared(ours, base)
    assert (found.how, found.budget) == (CROSS_FITTED, 5)
    assert found.scores == pytest.approx(cross_fitted_scores(ours).per_seed)
    assert found.base_scores == pytest.approx(cross_fitted_scores(base).per_seed)
    assert found.ours.halves.tolist() == [0, 1] * 4 + [0]


def test_costs_are_tuned_downwards():
    ours, base = noise(5, 8), noise(5, 8, seed=1)
    costs, returns = compared(-ours, -base, judged=STEPS), compared(ours, base)
    assert costs.scores == pytest.approx(-returns.scores)
    assert costs.difference.mean == pytest.approx(-returns.difference.mean)
    assert costs.improvement.estimate == pytest.approx(returns.improvement.estimate)
    assert costs.summary()["worst_tenth"] == pytest.approx(-returns.summary()["worst_tenth"])


def test_the_larger_grid_is_held_to_the_smaller_one():
    ours, base = noise(12, 8), noise(3, 8, seed=1)
    found = compared(ours, base)
    assert (found.ours.budget, found.base.budget) == (3, 3)
    assert found.scores == pytest.approx(cross_fitted_scores(ours, 3).per_seed)
    free = compared(ours, base, equal_budget=False)
    assert (free.ours.budget, free.base.budget, free.budget) == (12, 3, 12)
    assert free.scores == pytest.approx(cross_fitted_scores(ours).per_seed)


def test_configurations_without_trials_do_not_count_as_tried():
    ours = noise(4, 8)
    ours[3] = NAN
    base = noise(4, 8, seed=1)
    base[2, 1:] = NAN
    found = compared(ours, base)
    assert (found.ours.budget, found.base.budget) == (3, 3)


def test_beside_a_single_configuration_a_grid_stands_with_its_mean():
    ours, base = noise(6, 8), noise(1, 8, seed=1)
    found = compared(ours, base)
    assert (found.how, found.budget) == (AVERAGED, 1)
    assert found.scores == pytest.approx(ours.mean(axis=0))
    # Nothing was chosen, so nothing depends on anything.
    assert found.difference.se == pytest.approx(stats.sem(ours.mean(axis=0) - base[0]))


def test_single_runs_have_the_spread_that_their_expectation_lacks():
    skewed = np.where(np.random.default_rng(0).random((40, 60)) < 0.3, -100.0, -13.0)
    found = compared(skewed, skewed[:4, ::-1])
    assert set(found.ours.drawn_runs.ravel()) == {-100.0, -13.0}
    assert len(set(found.scores)) > 2
    assert found.ours.drawn_runs.mean() == pytest.approx(found.scores.mean(), abs=3)
    assert found.improvement.estimate == pytest.approx(0.5, abs=0.1)
    assert np.array_equal(found.ours.runs, found.ours.drawn_runs[0])


def test_drawn_runs_follow_the_chances_of_the_budget():
    levels = np.repeat(np.arange(8.0)[:, None], 1000, axis=1)
    found = entrant(*pair_of(levels, [[0.0] * 1000])[:1], RETURN).contender(3)
    share = np.bincount(found.drawn_runs.ravel().astype(int), minlength=8) / found.drawn_runs.size
    assert share[::-1] == pytest.approx(budget_weights(8, 3), abs=0.01)


def test_one_seed_chooses_and_scores_itself_and_says_so():
    found = compared(noise(3, 1), noise(3, 1, seed=1))
    assert found.how == SAME_SEEDS
    assert np.isnan(found.difference.low)


def test_what_stage_one_chose_stands_without_a_choice():
    ours, base = noise(3, 8), noise(3, 8, seed=1)
    found = compared(ours, base, fixed={"harmonic": 2, "standard": 0})
    assert (found.how, found.budget) == (FRESH, 1)
    assert np.array_equal(found.scores, ours[2])
    assert np.array_equal(found.base_scores, base[0])
    assert compared(ours, base, fixed={"harmonic": 2}).how == CROSS_FITTED


# Seeds


def test_missing_seeds_leave_both():
    ours, base = noise(1, 8), noise(1, 8, seed=1)
    ours[0, 2], base[0, 5] = NAN, NAN
    found = compared(ours, base)
    kept = [0, 1, 3, 4, 6, 7]
    assert found.seeds.tolist() == kept
    assert found.difference.mean == pytest.approx((ours - base)[0, kept].mean())


def test_ragged_seeds_are_compared_on_those_that_both_have():
    ours, base = noise(4, 10), noise(4, 6, seed=1)
    found = compared(ours, base, seeds=range(10), base_seeds=range(4, 10))
    assert found.paired
    assert found.seeds.tolist() == list(range(4, 10))
    # Tuned on these too, so that neither has more to choose by.
    assert found.scores == pytest.approx(cross_fitted_scores(ours[:, 4:]).per_seed)


def test_disjoint_seeds_are_not_paired():
    ours, base = noise(1, 8)[0], noise(1, 5, seed=1)[0]
    found = compared(ours, base, seeds=range(8), base_seeds=range(100, 105))
    welch = stats.ttest_ind(ours, base, equal_var=False)
    assert not found.paired
    assert found.difference.p_value == pytest.approx(welch.pvalue)
    assert found.difference.p_method == "welch"
    limits = welch.confidence_interval()
    assert (found.difference.low, found.difference.high) == pytest.approx(tuple(limits))
    row = found.summary()
    assert (row["n"], row["baseline_n"], row["paired"]) == (8, 5, False)
    assert row["wins"] is None
    assert row["variance_ratio"] is None
    assert found.difference.sd == pytest.approx(np.sqrt(ours.var(ddof=1) + base.var(ddof=1)))
    assert found.difference.seeds_needed > 2


def test_disjoint_seeds_of_grids_add_the_errors_of_their_halves():
    ours, base = noise(5, 8), noise(1, 6, seed=1)
    found = compared(
        ours, base, seeds=range(8), base_seeds=range(100, 106), fixed={"standard": 0},
        equal_budget=False,
    )  # fmt: skip
    scores = cross_fitted_scores(ours).per_seed
    halves = [stats.sem(scores[::2]), stats.sem(scores[1::2])]
    assert found.difference.se == pytest.approx(np.hypot(np.mean(halves), stats.sem(base[0])))


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
    found = shared_seeds(np.array(ours, int), np.array(theirs, int))
    assert (None if found is None else len(found)) == common


# The error of a cross-fitted mean


def test_the_errors_of_the_halves_are_added():
    values, halves = noise(9), np.arange(9) % 2
    se, freedom = halves_error(values, halves)
    expected = (5 * stats.sem(values[::2]) + 4 * stats.sem(values[1::2])) / 9
    assert se == pytest.approx(expected, rel=1e-12)
    assert freedom == 7
    assert halves_error(values, np.zeros(9, int)) == pytest.approx((stats.sem(values), 8))
    assert np.isnan(halves_error(values[:3], halves[:3])[0])


def test_the_added_error_is_in_interval_and_p_value():
    ours, base = noise(5, 10), noise(5, 10, seed=1)
    d = compared(ours, base).difference
    difference = cross_fitted_scores(ours).per_seed - cross_fitted_scores(base).per_seed
    se, _ = halves_error(difference, np.arange(10) % 2)
    assert d.se == pytest.approx(se)
    assert d.high - d.low == pytest.approx(2 * stats.t.ppf(0.975, 8) * se)
    assert d.p_value == pytest.approx(2 * stats.t.sf(abs(difference.mean()) / se, 8))
    assert d.p_method == "cross-fitted t"


def test_equal_variants_differ_by_exactly_nothing():
    scores = noise(5, 10)
    found = compared(scores, scores)
    assert found.difference.mean == 0
    assert found.difference.se == 0
    assert found.difference.p_value == 1
    assert found.improvement.estimate == pytest.approx(0.5)


def test_equal_trials_differ_by_exactly_nothing_where_ties_are_shared():
    best = 1e3 * noise(10)
    worse = best - 100
    found = compared([best] * 3, [best, worse, worse], equal_budget=False)
    assert found.difference.mean == 0
    assert found.difference.p_value == 1


# Over environments


def test_every_variant_meets_the_first_one():
    frames = [
        trials_of(variant, alphas(2) if variant != "minimum" else [{}] , range(4),
                  noise(2 if variant != "minimum" else 1, 4, seed=place), env=env)
        for place, (env, variant) in enumerate([
            ("A-v0", "standard"), ("A-v0", "harmonic"), ("A-v0", "minimum"),
            ("B-v0", "harmonic"), ("B-v0", "asymmetric"), ("C-v0", "standard"),
        ])
    ]  # fmt: skip
    found = compare_all(table_of(*frames), RETURN, ropes={"A-v0": 0.5})
    names = [(one.env, one.variant, one.baseline, one.rope) for one in found]
    assert names == [
        ("A-v0", "harmonic", "standard", 0.5),
        ("A-v0", "minimum", "standard", 0.5),
        ("B-v0", "asymmetric", "harmonic", None),
    ]
    assert headline(found) == found[:1]
    assert headline(found[1:]) == found[1:2]
    assert headline([]) == []
    assert compare_all({}, RETURN) == []


def test_improvement_over_environments_is_the_mean():
    frames = [
        trials_of(variant, [{}], range(6), noise(1, 6, seed=seed), env=env)
        for seed, (env, variant) in enumerate(
            (env, variant) for env in ("A-v0", "B-v0") for variant in ("standard", "harmonic")
        )
    ]
    found = compare_all(table_of(*frames), RETURN)
    overall = overall_improvement(found, 500)
    assert overall.estimate == pytest.approx(np.mean([one.improvement.estimate for one in found]))
    assert overall.low < overall.estimate < overall.high
