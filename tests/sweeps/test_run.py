import signal
from pathlib import Path

import pandas as pd
import pytest

from hq_ray.batch import run_batch
from hq_ray.errors import InputError
from hq_ray.store import DONE, Results, batch_name
from hq_ray.sweeps.batching import Batcher
from hq_ray.sweeps.driver import drive
from hq_ray.sweeps.executors import LocalExecutor
from hq_ray.sweeps.options import RunOptions
from hq_ray.sweeps.ownership import Ownership
from hq_ray.sweeps.plan import plan
from hq_ray.sweeps.progress import Progress
from hq_ray.sweeps.run import run_missing

LOCAL = RunOptions(local=True)


@pytest.fixture(scope="module")
def trials(make_trial):
    """Two environments, two variants, three seeds; the Gymnasium loop for one of them."""
    return [
        make_trial(variant, env=env, seed=seed, episodes=20)
        for seed in range(3)
        for env in ("FrozenLake-v1", "Blackjack-v1")
        for variant in ("standard", "harmonic")
    ]


def episodes(results):
    """The episode columns of a results folder, in the order trial, episode."""
    frame = pd.read_parquet(f"{results.location.path}/episodes")
    labels = frame.select_dtypes("category").columns
    frame = frame.astype(dict.fromkeys(labels, "str"))
    return frame.sort_values(["trial_id", "episode"], ignore_index=True)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, trials):
    results = Results.at(tmp_path_factory.mktemp("undisturbed"))
    tally = run_missing(trials, results, LOCAL)
    assert tally.done == len(trials)
    return results


def files(results):
    folder = Path(results.location.path)
    return {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}


def test_all_trials_are_published(undisturbed, trials):
    assert undisturbed.published() == {trial.trial_id: DONE for trial in trials}
    assert len(episodes(undisturbed)) == 20 * len(trials)


def test_running_again_trains_nothing(undisturbed, trials):
    before = files(undisturbed)
    missing = plan(trials, undisturbed.published()).missing
    tally = run_missing(missing, undisturbed, LOCAL)
    assert (len(missing), tally.done, tally.steps) == (0, 0, 0)
    assert files(undisturbed) == before


@pytest.mark.parametrize("number", [1, 5, 100])
def test_the_batches_change_no_episode(undisturbed, trials, tmp_path, number):
    results = Results.at(tmp_path)
    run_missing(trials, results, RunOptions(local=True, trials_per_task=number))
    pd.testing.assert_frame_equal(episodes(results), episodes(undisturbed), check_exact=True)


def test_q_values_are_kept_where_asked_for(trials, tmp_path):
    results = Results.at(tmp_path)
    run_missing(trials[:2], results, RunOptions(local=True, keep_q_values=True))
    table = pd.read_parquet(tmp_path / "q_values")
    assert table.groupby(table["trial_id"].astype(str)).size().to_list() == [64, 64]


def test_progress_is_on_standard_error_only(trials, tmp_path, capsys):
    run_missing(trials[:2], Results.at(tmp_path), LOCAL)
    assert capsys.readouterr().out == ""


class Killed(BaseException):
    """The end of the process, as far as the driver can tell."""


def press_ctrl_c():
    signal.raise_signal(signal.SIGINT)


def die():
    raise Killed


@pytest.mark.parametrize("end", [press_ctrl_c, die])
@pytest.mark.parametrize("number", [1, 2])
def test_interrupted_and_resumed_is_as_if_undisturbed(undisturbed, trials, tmp_path, end, number):
    results, batches = Results.at(tmp_path), []

    def run(batch):
        batches.append(batch)
        if len(batches) == 3:
            end()
        return run_batch(batch, results)

    try:
        drive(Batcher(trials, 1, number), LocalExecutor(run), results, Progress())
    except Killed:
        batches.pop()
    published = results.published()
    assert set(published) == {trial.trial_id for batch in batches for trial in batch}
    missing = plan(trials, published).missing
    assert 0 < len(missing) < len(trials)
    assert run_missing(missing, results, LOCAL).done == len(missing)
    pd.testing.assert_frame_equal(episodes(results), episodes(undisturbed), check_exact=True)


def test_seeds_added_later_give_the_same_sweep(undisturbed, trials, tmp_path):
    results = Results.at(tmp_path)
    run_missing([trial for trial in trials if trial.seed == 2], results, LOCAL)
    run_missing(plan(trials, results.published()).missing, results, LOCAL)
    pd.testing.assert_frame_equal(episodes(results), episodes(undisturbed), check_exact=True)


def test_what_a_killed_driver_left_half_written_is_not_read_twice(undisturbed, trials, tmp_path):
    """The episodes of the last batch are there, its trials file is not; batches are cut anew."""
    results = Results.at(tmp_path)
    run_batch(trials[:4], results)
    run_batch(trials[4:8], results)
    results.delete("trials", f"{batch_name(trials[4:8])}.parquet")
    missing = plan(trials, results.published()).missing
    assert list(missing) == trials[4:]
    run_missing(missing, results, RunOptions(local=True, trials_per_task=3))
    assert results.survey().stray == []
    pd.testing.assert_frame_equal(episodes(results), episodes(undisturbed), check_exact=True)


def test_one_driver_at_a_time(trials, tmp_path):
    results = Results.at(tmp_path)
    with (
        Ownership(results.location),
        pytest.raises(InputError, match="must have one driver at a time"),
    ):
        run_missing(trials, results, LOCAL)
    assert results.published() == {}
    assert run_missing(trials[:1], results, LOCAL).done == 1
