import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hq_ray.batch import BatchReport
from hq_ray.sweeps.batching import Batcher


def report(seconds):
    return BatchReport((), (), 0, 0.0, seconds)


def rows(batch):
    return sum(trial.episodes for trial in batch)


@pytest.fixture(scope="module")
def short_trials(make_trial):
    return [make_trial(seed=seed, episodes=100) for seed in range(5000)]


def batches(batcher, seconds_per_row, cores=2):
    """All batches, each of them observed at once."""
    found = []
    while batch := batcher.next_batch(cores):
        found.append(batch)
        batcher.observe(report(seconds_per_row * rows(batch)), rows(batch))
    return found


@given(
    n=st.integers(0, 400),
    cores=st.lists(st.integers(1, 8), min_size=1, max_size=8),
    fixed=st.none() | st.integers(1, 50),
    costs=st.lists(st.none() | st.floats(1e-9, 1e3), min_size=1, max_size=8),
)
@settings(max_examples=100, deadline=None)
def test_every_trial_is_handed_out_once_and_in_order(short_trials, n, cores, fixed, costs):
    """In batches of the size that is asked for; otherwise few trials travel alone."""
    batcher = Batcher(short_trials[:n], fixed)
    handed_out = []
    for i in range(n + 1):
        assert batcher.remaining == n - len(handed_out)
        batch = batcher.next_batch(cores[i % len(cores)])
        if not batch:
            break
        if fixed is not None:
            assert len(batch) == min(fixed, n - len(handed_out))
        elif n <= 24 * cores[i % len(cores)]:
            assert len(batch) == 1
        handed_out.extend(batch)
        cost = costs[i % len(costs)]
        if cost is not None:
            batcher.observe(report(cost), rows(batch))
    assert handed_out == short_trials[:n]
    assert batcher.next_batch(1) == ()


@pytest.mark.parametrize(
    ("seconds_per_trial", "longest"),
    [(0.01, 1.0), (0.05, 1.0), (0.4, 5.0), (2.0, 25.0), (7.0, 30.0), (500.0, 500.0)],
)
def test_a_batch_takes_about_a_second_and_in_a_long_sweep_longer(
    short_trials, seconds_per_trial, longest
):
    found = batches(Batcher(short_trials), seconds_per_trial / 100)
    lasting = [seconds_per_trial * len(batch) for batch in found[1:]]
    assert longest - seconds_per_trial < max(lasting) <= longest
    assert min(lasting[: len(lasting) // 2]) > 0.5


def test_the_size_follows_the_cost_and_is_small_before_it_is_known(short_trials):
    batcher = Batcher(short_trials)
    assert all(len(batcher.next_batch(2)) <= 32 for _ in range(6))
    batcher.observe(report(1e-6), 1)
    long = len(batcher.next_batch(1))
    for _ in range(20):
        batcher.observe(report(1e-3), 1)
    assert 5 <= len(batcher.next_batch(1)) <= 15 < long


@pytest.mark.parametrize("cores", [1, 4])
def test_batches_shrink_at_the_end(short_trials, cores):
    sizes = [len(batch) for batch in batches(Batcher(short_trials), 1e-7, cores)][1:]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 100
    assert sizes[-cores:] == [1] * cores


def test_a_batch_of_very_cheap_trials_still_fits_in_memory(make_trial):
    trials = [make_trial(seed=seed, episodes=1_000_000) for seed in range(200)]
    found = batches(Batcher(trials), 1e-12, cores=1)
    assert max(rows(batch) for batch in found) <= 10_000_000


def test_batches_follow_the_cores_and_cores_are_worth_asking_for_by_the_minute(short_trials):
    batcher = Batcher(short_trials)
    assert batcher.useful_cores() == 32, "the cost is unknown"
    batcher.observe(report(1.0), 100)  # a second a trial
    assert [len(batcher.next_batch(cores)) for cores in (1, 8, 1000)] == [25, 3, 1]
    assert batcher.useful_cores() == math.ceil((5000 - 29) / 60)
    batcher.observe(report(1e9), 100)
    assert batcher.useful_cores() == 5000 - 29, "a trial has one core"
    batches(batcher, 1.0)
    assert batcher.useful_cores() == 0
    assert Batcher(short_trials[:7]).useful_cores() == 7
