import math

import numpy as np
import pytest
from scipy import stats
from trial_frames import compared, exact, table_of, trials_of

from hq_ray.analysis.families import compare_all
from hq_ray.analysis.metrics import METRICS
from hq_ray.analysis.statistics.t_tests import detectable_difference
from hq_ray.analysis.verdict import basis_sentence, comparison_row, judge, overall_sentence


def normal(mean, n=10, sd=1.0):
    """Differences with exactly this mean and this standard deviation."""
    values = np.random.default_rng(0).normal(size=n)
    return mean + sd * (values - values.mean()) / values.std(ddof=1)


ON = "Exploratory: on Table-v0, harmonic"


def judged(difference, **kwargs):
    base = np.random.default_rng(1).normal(size=len(difference))
    return judge(compared(base + np.asarray(difference, float), base, **kwargs))


EVIDENCE = "reward units (95 % interval 1.28 to 2.72, p < 0.001, n = 10 paired seeds)."


@pytest.mark.parametrize(
    ("mean", "metric", "kind", "words"),
    [
        (2.0, "final_return", "better", f"beats standard in final return by 2 {EVIDENCE}"),
        (-2.0, "final_return", "worse", f"loses to standard in final return by 2 {EVIDENCE}"),
        (2.0, "final_steps", "worse", "loses to standard in length of final episodes (lower is "),
        (0.1, "final_return", "undecided", "against standard is undecided: the difference in final "
         "return is 0.1 reward units (95 % "),
    ],
)  # fmt: skip
def test_the_t_test_decides_and_its_evidence_has_no_sign(mean, metric, kind, words):
    found = judged(normal(mean), metric=metric)
    assert found.kind == kind
    assert found.sentence.startswith(f"{ON} {words}")
    row = comparison_row(compared(normal(mean), np.zeros(10), metric=metric))
    limits = stats.ttest_1samp(normal(mean), 0).confidence_interval()
    assert [row["low"], row["high"]] == exact(list(limits))


def test_what_could_have_been_found_is_told():
    found = compared(normal(0.1), np.zeros(10))
    size = float(f"{found.difference.se * 3.149632886:.3g}")  # scipy's nct at 9 degrees, 0.8
    words = f"would detect a true difference of {size} reward units in four of five cases."
    assert judge(found).sentence.endswith(f"This many seeds {words}")


def test_equal_scores_are_identical_and_a_constant_difference_needs_no_test():
    found = judged(np.zeros(5))
    assert found.kind == "identical"
    words = "and standard are identical in final return on every seed (n = 5 paired seeds)."
    assert found.sentence == f"{ON} {words}"
    found = judged(np.full(5, -3.0))
    assert found.kind == "worse"
    words = "loses to standard in final return by 3 reward units, the same on every seed"
    assert found.sentence == f"{ON} {words} (n = 5 paired seeds)."
    assert judged(np.full(5, -3.0), metric="final_steps").kind == "better"


def test_too_few_seeds_are_no_verdict():
    assert judged([3.0]).kind == "too few seeds"
    scores = np.random.default_rng(0).normal(size=(2, 3, 4))
    found = judge(compared(*scores))
    assert found.kind == "too few seeds"
    words = "too few seeds, 4 common to all configurations where 5 are needed."
    assert found.sentence == f"{ON} against standard: {words}"
    scores = np.random.default_rng(0).normal(size=(2, 2, 6))
    scores[0, 0, 1] = scores[0, 1, 4] = math.inf
    words = "no configuration of one of them has the final return of every seed"
    assert words in judge(compared(*scores)).sentence


def test_a_rope_makes_equivalent_what_lies_within():
    for difference in (normal(0.0, sd=0.1), normal(0.3, sd=0.1), np.full(5, 0.2)):
        found = judged(difference, rope=0.5)
        assert found.kind == "equivalent"
        assert "differs in final return by no more than ±0.5 reward units: by" in found.sentence
    assert judged(normal(0.3, sd=1.0), rope=0.5).kind == "undecided"
    assert judged(normal(3.0), rope=0.5).kind == "better"
    assert judged(np.zeros(5), rope=0.5).kind == "identical"


def test_seeds_that_are_not_paired_are_told():
    rng = np.random.default_rng(0)
    found = judge(compared(rng.normal(9, 1, 8), rng.normal(0, 1, 5), base_seeds=range(100, 105)))
    assert (found.kind, "n = 8 and 5 seeds, not paired" in found.sentence) == ("better", True)


def test_holm_decides_in_a_family():
    """A p between 0.025 and 0.05 is better alone and undecided beside a true null."""
    difference = normal(1.0, sd=1.3)
    assert 0.025 < stats.ttest_1samp(difference, 0).pvalue < 0.05
    assert judged(difference).kind == "better"
    base, nothing = np.random.default_rng(1).normal(size=10), normal(0.0)
    frames = [
        trials_of(variant, [{"gamma": gamma}], range(10), [base + gap])
        for gamma, gap in ((0.9, difference), (0.99, nothing), (0.999, 0.0))
        for variant, gap in (("standard", 0.0), ("harmonic", gap))
    ]
    one, other, equal = compare_all(table_of(*frames), METRICS["final_return"])
    assert judge(one).kind == judge(other).kind == "undecided"
    assert "of 2 comparisons, n = 10" in judge(one).sentence
    size = detectable_difference(float(one.difference.se), 9, 0.05 / 2)
    assert f"a true difference of {size:.3g} reward" in judge(one).sentence
    # No test was made of what is identical.
    assert (judge(equal).kind, math.isnan(equal.adjusted)) == ("identical", True)


def test_the_whole_in_a_sentence():
    scores = np.random.default_rng(2).normal(size=(2, 3, 11))
    found = [compared(*scores), compared(np.zeros(5), np.zeros(5), env="B-v0")]
    assert overall_sentence(found).startswith("Over 2 problems, harmonic against standard: ")
    assert "identical on 1" in overall_sentence(found)
    assert basis_sentence(found[:1]).startswith(
        "Exploratory: each variant's configuration was chosen from its whole"
    )
    assert basis_sentence(found[1:]) == (
        "Where both have one configuration nothing was chosen and all seeds count."
    )
    assert basis_sentence([compared([1.0], [2.0])]) == ""
