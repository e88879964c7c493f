"""Whole experiments on synthetic scores: what selection promises, and what fresh seeds keep."""

import dataclasses

import numpy as np
import pytest
from trial_frames import alphas, table_of, trials_of

from hq_ray.analysis.comparison import compare
from hq_ray.analysis.contender import FRESH
from hq_ray.analysis.metrics import METRICS
from hq_ray.analysis.selection import fresh_seeds, select, standing
from hq_ray.analysis.statistics.tuning import optimism
from hq_ray.analysis.verdict import judge

RETURN = METRICS["final_return"]
ENV = "Table-v0"
VARIANTS = ("standard", "harmonic")
N_CONFIGURATIONS, N_ONE, N_TWO = 100, 10, 30


def tables(n_configurations, seeds, variants=VARIANTS):
    zeros = np.zeros((n_configurations, len(seeds)))
    return table_of(*(trials_of(v, alphas(n_configurations), seeds, zeros) for v in variants))


def scored(table, scores):
    """The same cells with other scores, `(n_configurations, n_seeds)` of each variant."""
    row = {}
    for variant, cell in table[ENV].items():
        trials = cell.trials.copy()
        values = trials["final_return"].to_numpy(copy=True)
        values[cell.rows.ravel()] = scores[variant].ravel()
        row[variant] = dataclasses.replace(cell, trials=trials.assign(final_return=values))
    return {ENV: row}


@pytest.fixture(scope="module")
def experiments():
    """Two stages, many times: 100 configurations that are all equal, no effect of the variant."""
    rng = np.random.default_rng(0)
    one = tables(N_CONFIGURATIONS, range(N_ONE))
    two = tables(N_CONFIGURATIONS, fresh_seeds(range(N_ONE), N_TWO))
    found = []
    for _ in range(120):
        first = scored(one, {v: rng.normal(size=(N_CONFIGURATIONS, N_ONE)) for v in VARIANTS})
        selection = select(first, "here", "final_return", top=1)
        second = scored(two, {v: rng.normal(size=(N_CONFIGURATIONS, N_TWO)) for v in VARIANTS})
        fixed, notes = standing(selection, second, RETURN)
        assert notes == []
        numbers = {variant: number for (_, variant), number in fixed.items()}
        pair = second[ENV]["harmonic"], second[ENV]["standard"]
        fresh = compare(*pair, RETURN, fixed=numbers, resamples=200)
        found.append((selection, fresh))
    return found


def test_the_best_of_equal_configurations_looks_0_79_sd_too_good(experiments):
    promised = [one.mean for selection, _ in experiments for one in selection.chosen]
    # The greatest of 100 means of 10 normal scores: 2.508 / sqrt(10).
    assert np.mean(promised) == pytest.approx(2.508 / np.sqrt(10), abs=0.03)


def test_fresh_seeds_are_unbiased(experiments):
    kept = [x.mean() for _, fresh in experiments for x in (fresh.scores, fresh.base_scores)]
    assert np.mean(kept) == pytest.approx(0, abs=4 / np.sqrt(240 * N_TWO))
    gaps = [
        optimism(one.mean, fresh.scores if one.variant == "harmonic" else fresh.base_scores)
        for selection, fresh in experiments
        for one in selection.chosen
    ]
    assert np.mean(gaps) == pytest.approx(0.793, abs=0.05)


def test_the_verdict_of_fresh_seeds_is_wrong_in_about_five_percent(experiments):
    assert {fresh.how for _, fresh in experiments} == {FRESH}
    kinds = [judge(fresh).kind for _, fresh in experiments]
    assert set(kinds) <= {"better", "worse", "undecided"}
    assert np.mean([kind != "undecided" for kind in kinds]) == pytest.approx(0.05, abs=0.05)


def test_a_true_difference_is_found_on_fresh_seeds():
    rng = np.random.default_rng(1)
    two = tables(1, range(1000, 1000 + N_TWO))
    common = rng.normal(size=(1, N_TWO))
    scores = {v: common + 0.3 * rng.normal(size=(1, N_TWO)) for v in VARIANTS}
    scores["harmonic"] = scores["harmonic"] + 0.5
    table = scored(two, scores)[ENV]
    numbers = dict.fromkeys(VARIANTS, 0)
    found = compare(table["harmonic"], table["standard"], RETURN, fixed=numbers)
    assert judge(found).kind == "better"
    # Shared random numbers paid: the variance of the difference is far below that of two runs.
    assert found.difference.variance_ratio < 0.3


# Null experiments in one stage


def test_a_variant_under_another_name_is_equal():
    scores = np.random.default_rng(2).normal(size=(20, 12))
    table = scored(tables(20, range(12)), dict.fromkeys(VARIANTS, scores))[ENV]
    found = compare(table["harmonic"], table["standard"], RETURN)
    assert (found.difference.mean, found.difference.low, found.difference.high) == (0, 0, 0)
    assert found.improvement.estimate == 0.5
    assert judge(found).kind == "equal"
    assert "on each of 12 paired seeds" in judge(found).sentence


@pytest.mark.parametrize(
    ("n_configurations", "least", "most"), [(1, 0.02, 0.09), (3, 0, 0.05), (10, 0, 0.05)]
)
def test_independent_noise_is_a_verdict_in_about_five_percent(n_configurations, least, most):
    rng = np.random.default_rng(n_configurations)
    plain = tables(n_configurations, range(10))
    kinds = []
    for _ in range(200):
        scores = {v: rng.normal(size=(n_configurations, 10)) for v in VARIANTS}
        table = scored(plain, scores)[ENV]
        kinds.append(
            judge(compare(table["harmonic"], table["standard"], RETURN, resamples=20)).kind
        )
    assert least <= np.mean([kind != "undecided" for kind in kinds]) <= most


def test_a_finer_grid_is_no_merit():
    """Ten times as many equal configurations do not raise the score at an equal budget."""
    rng = np.random.default_rng(3)
    differences = []
    table = table_of(
        trials_of("standard", alphas(5), range(10), np.zeros((5, 10))),
        trials_of("harmonic", alphas(50), range(10), np.zeros((50, 10))),
    )
    for _ in range(100):
        scores = {"standard": rng.normal(size=(5, 10)), "harmonic": rng.normal(size=(50, 10))}
        # Configurations do differ: the better the more there are to try.
        scores = {v: x + rng.normal(size=(len(x), 1)) for v, x in scores.items()}
        row = scored(table, scores)[ENV]
        found = compare(row["harmonic"], row["standard"], RETURN, resamples=20)
        differences.append(found.difference.mean)
    assert np.mean(differences) == pytest.approx(0, abs=4 * np.std(differences) / np.sqrt(100))
