import numpy as np
import pytest
from trial_frames import alphas, table_of, trials_of

from hq_ray.analysis.comparison import compare
from hq_ray.analysis.metrics import METRICS
from hq_ray.analysis.verdict import basis_words, judge, least_p_value, overall_words

RETURN = METRICS["final_return"]


def compared(ours, base, *, metric="final_return", env="A-v0", variant="harmonic", **kwargs):
    """A comparison of scores: a list of seeds each, or of configurations of seeds."""
    ours, base = np.atleast_2d(np.asarray(ours, float)), np.atleast_2d(np.asarray(base, float))
    first = kwargs.pop("base_seeds", 0)
    names = {"env": env, "metric": metric}
    levels = [alphas(len(x)) if len(x) > 1 else [{}] for x in (ours, base)]
    table = table_of(
        trials_of(variant, levels[0], range(ours.shape[1]), ours, **names),
        trials_of("standard", levels[1], range(first, first + base.shape[1]), base, **names),
    )[env]
    return compare(table[variant], table["standard"], METRICS[metric], resamples=500, **kwargs)


def normal(mean, n=10, sd=1.0, seed=0):
    """Differences with exactly this mean and this standard deviation."""
    values = np.random.default_rng(seed).normal(size=n)
    return mean + sd * (values - values.mean()) / values.std(ddof=1)


def judged(difference, **kwargs):
    difference = np.asarray(difference, float)
    base = np.random.default_rng(1).normal(size=difference.size)
    return judge(compared(base + difference, base, **kwargs))


# Kinds


@pytest.mark.parametrize(
    ("mean", "metric", "kind", "words"),
    [
        (2.0, "final_return", "better", "beats standard in final return by 2 reward units (95 %"),
        (-2.0, "final_return", "worse", "harmonic loses to standard in final return by 2 reward"),
        (-2.0, "final_steps", "better",
         "beats standard in length of final episodes (lower is better) by 2 steps"),
        (2.0, "final_steps", "worse", "loses to standard in length of final episodes (lower is"),
        (2.0, "success_rate", "better", "in success rate by 2 [share of episodes]"),
        (0.1, "final_return", "undecided",
         "harmonic against standard is undecided: the difference in final return is 0.1 reward "
         "units"),
    ],
)  # fmt: skip
def test_an_interval_that_excludes_zero_decides(mean, metric, kind, words):
    found = judged(normal(mean), metric=metric)
    assert found.kind == kind
    assert found.sentence.startswith("On A-v0, harmonic ")
    assert words in found.sentence


def test_the_evidence_is_given_in_full():
    sentence = judged(normal(2.0)).sentence
    assert "(95 % interval 1.28 to 2.72, n = 10 paired seeds, sign-flip p = 0.002, " in sentence
    assert "P(harmonic better) = 0." in sentence


def test_a_small_p_value_is_bounded():
    assert "sign-flip p < 0.001" in judged(normal(9.0, n=16)).sentence


def test_a_probability_of_one_is_given_with_its_bound():
    assert "P(harmonic better) = 1.00, at least 0.74" in judged(normal(99.0)).sentence
    assert "P(harmonic better) = 0.00, at most 0.26" in judged(normal(-99.0)).sentence


# What does not matter


def test_within_what_does_not_matter_is_equal():
    found = judged(normal(0.1), rope=1.0)
    assert found.kind == "equal"
    words = "harmonic does not differ from standard in final return by more than ±1 reward units ("
    assert words in found.sentence


def test_a_sure_but_small_difference_is_equal_and_told():
    found = judged(normal(2.0), rope=3.0)
    assert found.kind == "equal"
    assert "by 2 reward units, by less than what matters: ±3 reward units (" in found.sentence


def test_a_difference_that_may_be_small_is_told_so():
    found = judged(normal(2.0), rope=1.5)
    assert found.kind == "better"
    assert "by 2 reward units, but perhaps by less than what matters: ±1.5" in found.sentence
    assert "perhaps" not in judged(normal(2.0), rope=0.5).sentence
    assert "perhaps" not in judged(normal(2.0), rope=0.0).sentence


# Few seeds


def test_five_seeds_rest_on_the_t_interval():
    found = judged(normal(9.0, n=5))
    assert found.kind == "better"
    assert "sign-flip p = 0.062" in found.sentence
    assert "With 5 seeds no sign-flip test can reach 5 %, so this rests on the t" in found.sentence
    assert "sign-flip test can" not in judged(normal(9.0, n=6)).sentence


def test_a_test_that_disagrees_with_the_interval_is_told():
    difference = [1.8, 2.2, 1.8, 1.8, 1.1, -0.4]
    found = compared(difference, [0.0] * 6)
    assert found.difference.low > 0
    assert found.difference.p_value > 0.05
    assert judge(found).sentence.endswith("The sign-flip test does not reach 5 %.")


def test_one_seed_says_nothing_of_others():
    found = judged([3.0])
    assert found.kind == "unknown"
    assert found.sentence == (
        "On A-v0, harmonic differs from standard by 3 reward units in final return with one common "
        "seed, which says nothing of other seeds."
    )


def test_too_few_seeds_to_tune_and_score():
    found = judge(compared(np.random.default_rng(0).normal(size=(3, 3)), np.eye(3)))
    assert found.kind == "unknown"
    assert "over 3 seeds, too few to tune on one half" in found.sentence


def test_seeds_that_an_undecided_difference_would_take():
    assert "takes about 200 seeds" in judged(normal(0.2)).sentence
    assert "takes more than 100,000 seeds" in judged(normal(1e-9)).sentence
    assert "takes" not in judged([1.0, -1.0, 2.0, -2.0]).sentence


# No spread


def test_equal_scores_are_equal():
    found = judged(np.zeros(5))
    assert (found.kind, found.sentence) == (
        "equal", "On A-v0, harmonic equals standard in final return on each of 5 paired seeds."
    )  # fmt: skip


@pytest.mark.parametrize(("n", "kind"), [(2, "undecided"), (5, "undecided"), (6, "better")])
def test_a_constant_difference_takes_six_seeds(n, kind):
    found = judge(compared([3.0] * n, [1.0] * n))
    assert found.kind == kind
    assert f"without any spread over seeds (n = {n} paired seeds, sign-flip p = " in found.sentence
    assert judge(compared([3.0] * n, [1.0] * n, rope=2.0)).kind == "equal"


# Seeds that are not paired


def test_seeds_that_are_not_paired_are_named():
    found = judge(compared(normal(5.0), normal(0.0, n=8, seed=1), base_seeds=100))
    assert found.kind == "better"
    assert "n = 10 and 8 seeds, not paired: no common seeds, Welch p < 0.001" in found.sentence


def test_one_unpaired_seed_is_not_enough():
    found = judge(compared([5.0], normal(0.0), base_seeds=100))
    assert found.kind == "unknown"
    assert "with one seed of one of them" in found.sentence


# Over environments, and by what right


def several(n_envs, difference, **kwargs):
    base = np.random.default_rng(5).normal(size=len(difference))
    return [
        compared(base + difference, base, env=f"E{number}-v0", **kwargs) for number in range(n_envs)
    ]


def test_environments_are_counted():
    found = [*several(2, normal(3.0)), compared(normal(0.0), [0.0] * 10, env="Z-v0")]
    assert overall_words(found) == (
        "Over 3 environments, harmonic against standard: better on 2, undecided on 1. "
        "2 of 3 tests reject equality after Holm's correction for their number."
    )
    assert overall_words(found[:1]) == (
        "Over 1 environment, harmonic against standard: better on 1."
    )
    assert overall_words([]) == ""


def test_each_pair_has_a_sentence_of_its_own():
    found = [*several(2, normal(3.0)), *several(2, normal(-3.0), variant="minimum")]
    words = overall_words(found)
    assert "harmonic against standard: better on 2. 2 of 2" in words
    assert "minimum against standard: worse on 2. 2 of 2" in words


@pytest.mark.parametrize(("n", "m"), [(5, 2), (6, 2), (7, 4)])
def test_a_correction_that_no_test_can_pass_is_told(n, m):
    found = several(m, normal(9.0, n=n))
    assert least_p_value(found[0]) == 2.0 ** (1 - n)
    assert f"With {n} seeds no test can reject equality after Holm" in overall_words(found)
    assert "tests reject" in overall_words(several(m, normal(9.0, n=n + 2)))


def test_the_basis_is_named():
    grid = np.random.default_rng(0).normal(size=(4, 8))
    alone = np.random.default_rng(1).normal(size=8)
    assert "nothing was tuned" in basis_words([compared(alone, alone)])
    assert "the mean over its grid" in basis_words([compared(grid, alone)])
    assert "fresh seeds that had no part" in basis_words(
        [compared(grid, grid, fixed={"harmonic": 0, "standard": 1})]
    )
    tuned = basis_words([compared(grid, grid[:3])])
    assert "tuned over 3 configurations (the smaller grid's number, for both)" in tuned
    assert "the best of so many of it" in tuned
    assert tuned.endswith("Provisional until `hq-ray select` and a second stage on fresh seeds.")
    assert "the best of so many" not in basis_words([compared(grid, grid)])
    free = basis_words([compared(grid, grid[:3], equal_budget=False)])
    assert "over all configurations: 4 (harmonic), 3 (standard)," in free
    assert "too high" in basis_words([compared(grid[:, :1], grid[:, :1])])


def test_several_rights_are_told_apart():
    grid = np.random.default_rng(0).normal(size=(4, 8))
    words = basis_words([compared(grid, grid), compared(grid[0], grid[1], env="B-v0")])
    assert words.startswith("On A-v0: Each variant was tuned over 4 configurations")
    assert "On B-v0: Each variant was run with one configuration" in words
