import resource

import numpy as np
import pytest

from hq_ray.batch import run_batch
from hq_ray.errors import InputError
from hq_ray.memory_limit import memory_limit, parse_memory
from hq_ray.store import Results


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("2GB", 2 * 10**9),
        ("1.5g", 1_500_000_000),
        ("500 MB", 5 * 10**8),
        ("64000000", 64_000_000),
        ("1GiB", 10**9),
        (None, None),
    ],
)
def test_sizes(text, size):
    assert parse_memory(text) == size


@pytest.mark.parametrize("text", ["", "much", "-1GB", "2 PB", "1kB", "0", "1e9"])
def test_what_is_no_size(text):
    with pytest.raises(InputError, match="memory_per_task must be like '2GB', at least 64MB"):
        parse_memory(text)


def test_beyond_the_limit_allocations_fail_and_after_it_they_do_not():
    before = resource.getrlimit(resource.RLIMIT_AS)
    with memory_limit(200 * 10**6):
        np.zeros(10**6)
        with pytest.raises(MemoryError):
            np.zeros(10**9)
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_a_trial_that_needs_more_fails_as_itself(tmp_path, make_trial):
    results = Results.at(tmp_path / "results")
    small = [make_trial("standard", "FrozenLake-v1", seed=seed, episodes=10) for seed in range(3)]
    greedy = make_trial("standard", "FrozenLake-v1", seed=9, episodes=200_000_000)
    report = run_batch([*small, greedy], results, memory_per_task=500 * 10**6)
    assert report.done == tuple(trial.trial_id for trial in small)
    assert report.failed == (greedy.trial_id,)
    assert "MemoryError" in report.reasons[0]
