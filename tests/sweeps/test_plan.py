"""The plan: planned minus published, over trials that are made when they are looked at."""

import pickle
from dataclasses import replace

import pytest

from hq_ray.store import DONE, FAILED
from hq_ray.sweeps.plan import TrialSet, count_by_configuration, plan, planned_counts


def test_missing_is_planned_minus_done_of_a_list_and_of_a_set(make_trial):
    """Trials are the same however they are looked at."""
    hostile = replace(make_trial(), env_args='{"a":"\\"seed\\":0,"}')
    configurations = [hostile, make_trial(gamma=0.0)]
    trials = TrialSet(configurations, [5, 2, 2**63 - 1])
    every = [replace(one, seed=seed) for seed in trials.seeds for one in configurations]
    assert list(trials) == [trials[i] for i in range(6)] == every
    assert (trials[-1], trials[-6]) == (every[-1], every[0])
    assert [one.identity for one in trials] == [one.identity for one in every]
    ids = [one.trial_id for one in every]
    assert [one.trial_id for one in trials] == list(trials.ids()) == ids
    again = pickle.loads(pickle.dumps(list(trials)))
    assert (again, [one.trial_id for one in again]) == (every, ids)
    for index in (6, -7):
        with pytest.raises(IndexError):
            trials[index]
    published = {ids[0]: DONE, ids[4]: FAILED, "elsewhere": DONE}
    for some in (trials, every):
        made = plan(some, published, retry_failed=True)
        assert list(made.trials) == every
        assert list(made.missing) == every[1:]
        assert (list(made.failed), made.n_done) == ([], 1)
        made = plan(some, published)
        assert list(made.missing) == [*every[1:4], every[5]]
        assert (list(made.failed), made.n_done) == ([every[4]], 1)


def test_ten_million_trials_are_planned_without_being_made(make_trial):
    n = 5 * 10**6
    trials = TrialSet([make_trial("standard"), make_trial("harmonic")], range(n))
    made = plan(trials, {})
    assert (len(made.trials), len(made.missing), made.n_done) == (2 * n, 2 * n, 0)
    assert count_by_configuration(made.missing, trials) == [n, n]
    assert planned_counts(trials) == {"Table-v0 {}": {"standard": n, "harmonic": n}}
    assert (made.missing[-1].variant, made.missing[-1].seed) == ("harmonic", n - 1)
