import pickle

import pytest
from small_sweeps import make_up, train

from hq_ray.analysis.reporting.per_seed import draw_jobs, in_groups, per_seed_jobs
from hq_ray.analysis.study import study
from hq_ray.store import Results


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = train(tmp_path_factory.mktemp("results"), parameters={"alpha": [0.1, 0.5]})
    return study([Results.at(folder)])


def test_a_job_per_seed_of_the_best_or_of_all(tiny):
    best, every = per_seed_jobs(tiny, False), per_seed_jobs(tiny, True)
    assert (len(best), len(every)) == (8, 16)
    assert all(job in every for job in best)
    assert len({job.folder for job in every}) == 16
    assert {job.trial_id for job in every} == set(tiny.trials["trial_id"])


def test_jobs_are_small_and_mean_the_same_elsewhere(tiny):
    for job in per_seed_jobs(tiny, True):
        assert len(pickle.dumps(job)) < 1_000
        assert all(place.startswith("/") for place in job.results)
        assert job.folder.startswith("per_seed/FrozenLake-v1/")


def test_groups_hold_all_jobs_in_order(tiny):
    jobs = per_seed_jobs(tiny, True)
    groups = in_groups(jobs)
    assert [job for group in groups for job in group] == jobs
    assert len(groups) == 2


def test_each_trial_has_its_own_two_figures(tiny):
    jobs = per_seed_jobs(tiny, False)[:2]
    drawn = draw_jobs(jobs)
    assert [set(files) for files in drawn] == [{"seed_returns", "seed_steps"}] * 2
    assert len({files["seed_steps"] for files in drawn}) == 2
    # The order of the jobs is not that of the files.
    assert draw_jobs(jobs[::-1]) == drawn[::-1]


def test_folders_of_hostile_names_are_plain(tmp_path):
    found = study([Results.at(make_up(tmp_path / "made", n_alphas=2))])
    for job in per_seed_jobs(found, True):
        assert set(job.folder) <= set("abcdefghijklmnopqrstuvwxyzAS0123456789._-/")
        assert job.folder.count("/") == 4
