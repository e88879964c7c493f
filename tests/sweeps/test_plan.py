import pickle
from dataclasses import replace

import pytest

from hq_ray.environments import resolve
from hq_ray.store import DONE, FAILED
from hq_ray.sweeps.expand import expand
from hq_ray.sweeps.plan import TrialSet, plan
from hq_ray.sweeps.spec import Sweep

CLIFF = "CliffWalking-v1"


def cliff(seeds, parameters=None, max_steps=60):
    """Trials of both variants at single values."""
    spec = Sweep(name="cliff", env=CLIFF, seeds=seeds, episodes=10, max_steps=max_steps)
    return expand(Sweep(**spec.to_dict() | {"parameters": parameters or {}})).trials


@pytest.fixture
def trials(make_trial):
    return [make_trial(seed=seed) for seed in range(5)]


def test_missing_is_planned_minus_done(trials):
    published = {trials[0].trial_id: DONE, trials[3].trial_id: DONE, "elsewhere": DONE}
    made = plan(trials, published)
    assert list(made.trials) == trials
    assert list(made.missing) == [trials[1], trials[2], trials[4]]
    assert made.n_done == 2


def test_a_failed_trial_is_still_missing(trials):
    made = plan(trials, {trials[2].trial_id: FAILED})
    assert list(made.missing) == trials
    assert (list(made.failed), made.n_done) == ([], 0)


def test_failed_trials_can_be_left_alone(trials):
    published = {trials[2].trial_id: FAILED, trials[3].trial_id: DONE}
    made = plan(trials, published, retry_failed=False)
    assert list(made.missing) == [trials[0], trials[1], trials[4]]
    assert (list(made.failed), made.n_done) == ([trials[2]], 1)


def test_trials_are_the_same_however_they_are_looked_at():
    trials = cliff((5, 2, 9))
    every = list(trials)
    assert [trials[i] for i in range(len(trials))] == every
    assert (trials[-1], trials[-6]) == (every[-1], every[0])
    assert list(trials[1:5:2]) == every[1:5:2]
    assert list(trials.ids()) == [trial.trial_id for trial in every]
    for index in (6, -7):
        with pytest.raises(IndexError):
            trials[index]


def test_a_plan_of_lazy_trials_is_the_plan_of_their_list():
    lazy = cliff(range(4))
    ids = list(lazy.ids())
    published = dict.fromkeys(ids[::3], DONE) | {ids[1]: FAILED}
    for retry_failed in (True, False):
        made = plan(lazy, published, retry_failed)
        expected = plan(list(lazy), published, retry_failed)
        for part in ("trials", "missing", "failed"):
            assert list(getattr(made, part)) == list(getattr(expected, part))
        assert list(made.missing[1:3]) == list(expected.missing)[1:3]


def test_a_trial_has_what_its_variant_reads_and_nothing_else():
    standard, harmonic = cliff((7,), {"alpha": [0.1], "eps_shift": [2.0]})
    assert (standard.alpha, standard.eps_shift) == (0.1, None)
    assert (harmonic.alpha, harmonic.eps_shift) == (0.1, 2.0)
    assert (harmonic.episodes, harmonic.max_steps, harmonic.seed) == (10, 60, 7)
    assert (harmonic.env, harmonic.env_args) == (CLIFF, "{}")
    assert harmonic.fingerprint == resolve(CLIFF).fingerprint


@pytest.mark.parametrize(("env", "limit"), [(CLIFF, 1000), ("FrozenLake-v1", 100)])
def test_the_step_limit_is_the_environments_where_none_is_given(env, limit):
    (trial,) = expand(Sweep(name="limit", env=env, variant="standard", seeds=[0])).trials
    assert trial.max_steps == limit


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
