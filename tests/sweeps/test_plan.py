"""The plan: planned minus published, over trials that are made when they are looked at."""

import pickle
from dataclasses import replace

import pytest

from hq_ray.store import DONE, FAILED
from hq_ray.sweeps.expand import expand
from hq_ray.sweeps.plan import TrialSet, count_by_configuration, plan, planned_counts
from hq_ray.sweeps.spec import Sweep

CLIFF = "CliffWalking-v1"


def cliff(seeds, **parameters):
    """Trials of both variants at single values."""
    spec = {"name": "cliff", "env": CLIFF, "seeds": seeds, "episodes": 10, "max_steps": 60}
    return expand(Sweep(**spec, parameters=parameters)).trials


def test_missing_is_planned_minus_done_of_a_list_and_of_a_set():
    """Trials are the same however they are looked at."""
    trials = cliff((5, 2, 9))
    every = list(trials)
    assert [trials[i] for i in range(len(trials))] == every
    assert (trials[-1], trials[-6]) == (every[-1], every[0])
    assert list(trials.ids()) == [trial.trial_id for trial in every]
    for index in (6, -7):
        with pytest.raises(IndexError):
            trials[index]
    published = {every[0].trial_id: DONE, every[4].trial_id: FAILED, "elsewhere": DONE}
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


def test_a_trial_of_a_set_is_the_configuration_at_its_seed(make_trial):
    configurations = [
        make_trial(alpha=0.1, env_args='{"a":"\\"seed\\":0,"}'),
        make_trial(gamma=0.0),
    ]
    trials = TrialSet(configurations, [3, 2**63 - 1])
    for trial, (seed, configuration) in zip(
        trials, [(s, c) for s in trials.seeds for c in configurations], strict=True
    ):
        plain = replace(configuration, seed=seed)
        assert trial == plain
        assert trial.trial_id == plain.trial_id
        assert trial.identity == plain.identity
        again = pickle.loads(pickle.dumps(trial))
        assert (again, again.trial_id) == (plain, plain.trial_id)
