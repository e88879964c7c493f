from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis.load import episodes_table, load_curves, load_q_values, load_trials
from hq_ray import schema
from hq_ray.episode_log import EpisodeLog, Trained
from hq_ray.errors import ResultsError
from hq_ray.store import DONE, FAILED, Failure, Results

QUANTITIES = ("episode_return", "steps", "terminated", "truncated")


def trained(trial, n_states=3, n_actions=2):
    """A made-up log that differs from trial to trial."""
    random = np.random.default_rng(int(trial.trial_id, 16))
    n = trial.episodes
    log = EpisodeLog(
        random.normal(size=n),
        random.integers(1, 50, n, dtype=np.int32),
        random.random(n) < 0.5,
        random.random(n) < 0.5 if trial.fingerprint else None,
        random.normal(size=(n_states, n_actions)),
    )
    return Trained(trial, log, "kernel", {"total_steps": int(log.steps.sum())}, 0.25, 0.5)


def failure(trial, message="no"):
    return Failure(trial, "ValueError", message, "Traceback: no")


@pytest.fixture
def results(tmp_path):
    return Results.at(tmp_path / "sweep")


@pytest.fixture
def batch(make_trial):
    return [
        trained(make_trial("standard", seed=0)),
        trained(make_trial("harmonic", seed=1, episodes=1)),
        trained(make_trial("minimum", seed=2, episodes=70), 5, 4),
        trained(make_trial("harmonic", env="FrozenLake-v1", seed=3)),
    ]


@pytest.fixture
def published(results, batch):
    """Two batches."""
    results.publish(batch[:2], keep_q_values=True)
    results.publish(batch[2:][::-1], keep_q_values=True)
    return results


def same_curves(results, done):
    curves = load_curves(results, [done.trial], QUANTITIES)[done.trial.trial_id]
    return all(
        curves[name].dtype == getattr(done.log, name).dtype
        and curves[name].tobytes() == getattr(done.log, name).tobytes()
        for name in QUANTITIES
    )


def test_one_row_per_trial(published, batch):
    frame = load_trials(published).set_index("trial_id")
    assert list(frame.columns) == [name for name in schema.TRIALS.names if name != "trial_id"]
    assert set(frame.index) == {done.trial.trial_id for done in batch}
    for done in batch:
        assert frame.loc[done.trial.trial_id, "seed"] == done.trial.seed
        assert frame.loc[done.trial.trial_id, "total_steps"] == done.summary["total_steps"]


def test_a_place_without_results_has_no_trials(results):
    frame = load_trials(results)
    assert len(frame) == 0
    assert set(frame.columns) == set(schema.TRIALS.names)


def test_a_failure_that_was_retried_counts_once(published, batch, make_trial):
    retried, hopeless = batch[0].trial, make_trial(seed=8)
    published.publish([], [failure(retried)])
    published.publish([], [failure(retried), failure(hopeless)])
    published.publish([], [failure(hopeless)])
    frame = load_trials(published)
    assert frame["trial_id"].is_unique
    status = frame.set_index("trial_id")["status"]
    assert status.to_dict() == {d.trial.trial_id: DONE for d in batch} | {hopeless.trial_id: FAILED}


def test_curves_are_the_logs(published, batch):
    curves = load_curves(published, [done.trial for done in batch], QUANTITIES)
    assert list(curves) == [done.trial.trial_id for done in batch]
    assert all(same_curves(published, done) for done in batch)


def test_success_is_null_without_a_model(published, batch):
    curves = load_curves(published, [done.trial for done in batch], ["success"])
    assert [v for v in curves[batch[0].trial.trial_id]["success"] if v is not None] == []
    frozen = batch[3]
    assert list(curves[frozen.trial.trial_id]["success"]) == frozen.log.success.tolist()


def test_only_what_is_asked_for_is_loaded(published, batch):
    curves = load_curves(published, [batch[1].trial], ["steps"])
    assert {name: list(found) for name, found in curves.items()} == {
        batch[1].trial.trial_id: ["steps"]
    }
    table = episodes_table(published, [batch[1].trial.trial_id], ["seed", "episode"])
    assert table.to_pylist() == [{"seed": 1, "episode": 0}]


def test_no_trials_have_no_curves(published, results):
    assert load_curves(published, [], QUANTITIES) == {}


def test_a_missing_trial_is_named(published, make_trial):
    missing = make_trial("harmonic", seed=99)
    with pytest.raises(ResultsError, match=rf"{missing.trial_id} \(harmonic, seed 99\) must have"):
        load_curves(published, [missing], QUANTITIES)


def test_a_missing_trial_is_named_where_nothing_is(results, make_trial):
    with pytest.raises(ResultsError, match="seed 99"):
        load_curves(results, [make_trial(seed=99)], QUANTITIES)


def test_a_failed_trial_has_no_curves(published, make_trial):
    failed = make_trial(seed=8)
    published.publish([], [failure(failed)])
    with pytest.raises(ResultsError, match="must have 30 episodes"):
        load_curves(published, [failed], QUANTITIES)


def test_episodes_without_their_trials_file_do_not_count(published, batch, make_trial):
    uncommitted = trained(make_trial(seed=8))
    name = published.publish([uncommitted])
    published.location.child("trials").delete(f"{name}.parquet")
    with pytest.raises(ResultsError, match="seed 8"):
        load_curves(published, [uncommitted.trial], QUANTITIES)
    # The same trial in a batch that was interrupted changes nothing of the committed one.
    name = published.publish([batch[0], uncommitted])
    published.location.child("trials").delete(f"{name}.parquet")
    assert same_curves(published, batch[0])


def test_a_trial_published_twice_counts_once(published, batch, make_trial):
    """As when a worker dies between publishing and reporting, and its trials are run again."""
    again = [*batch, trained(make_trial(seed=8))]
    published.publish(again)
    for done in batch:
        published.publish([done])
    assert load_trials(published)["trial_id"].is_unique
    curves = load_curves(published, [done.trial for done in again], QUANTITIES)
    assert {name: len(c["steps"]) for name, c in curves.items()} == {
        done.trial.trial_id: done.trial.episodes for done in again
    }


def test_q_values_are_the_logs(published, batch):
    tables = load_q_values(published, [done.trial for done in batch])
    assert set(tables) == {done.trial.trial_id for done in batch}
    for done in batch:
        found = tables[done.trial.trial_id]
        assert found.shape == done.log.q_values.shape
        assert found.tobytes() == done.log.q_values.tobytes()


def test_trials_that_kept_no_q_values_are_left_out(published, batch, make_trial):
    without = trained(make_trial(seed=8))
    published.publish([without])
    tables = load_q_values(published, [batch[0].trial, without.trial])
    assert list(tables) == [batch[0].trial.trial_id]
    assert load_q_values(published, [without.trial]) == {}


@pytest.mark.parametrize(
    "kind",
    [
        "trials",
        pytest.param("episodes"),
    ],
)
def test_a_damaged_file_is_named(published, batch, kind):
    folder = Path(published.location.path) / kind
    for file in folder.iterdir():
        file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(ResultsError, match=rf"{kind}/.*\.parquet"):
        load_curves(published, [batch[0].trial], QUANTITIES)


def test_a_foreign_file_among_the_trials_is_named(published, batch):
    pq.write_table(pa.table({"a": [1]}), f"{published.location.path}/trials/mine.parquet")
    with pytest.raises(ResultsError, match=r"trials/mine\.parquet"):
        load_trials(published)


def test_what_is_not_damaged_is_still_read(published):
    results = published
    names = results.location.child("trials").files()
    (Path(results.location.path) / "trials" / names[0]).write_bytes(b"rubbish")
    whole = sum(len(results.read("trials", name)) for name in names[1:])
    damaged = []
    assert len(load_trials(results, damaged)) == whole
    assert len(damaged) == 1
    assert names[0] in damaged[0]
    with pytest.raises(ResultsError, match=names[0]):
        load_trials(results)
