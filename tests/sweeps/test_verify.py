from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hq_ray.batch import run_batch
from hq_ray.cli import run_command_line
from hq_ray.errors import InputError
from hq_ray.store import Failure, Results
from hq_ray.sweeps.verify import draw, find_trial, incomparable, replay, stored_trials


@pytest.fixture
def published(tmp_path, make_trial):
    results = Results.at(tmp_path / "results")
    trials = [
        make_trial(variant, "FrozenLake-v1", seed=seed, episodes=30)
        for seed in range(3)
        for variant in ("standard", "harmonic")
    ]
    run_batch(trials[:4], results)
    run_batch(trials[4:], results)
    results.publish([], [Failure(replace(trials[0], seed=9), "ValueError", "no such map", "")])
    return results, trials


def spoil(results, column):
    """Changes the last value of a column in one episodes file."""
    name = results.location.child("episodes").files()[0]
    path = f"{results.location.path}/episodes/{name}"
    table = pq.read_table(path)
    values = table[column].to_pylist()
    values[-1] = not values[-1] if isinstance(values[-1], bool) else values[-1] + 1
    place, field = table.column_names.index(column), table.schema.field(column)
    spoiled = table.set_column(place, field, pa.array(values, field.type))
    trial_id = table["trial_id"].to_pylist()[-1]
    pq.write_table(spoiled, path)
    return trial_id


def test_trials_come_back_as_the_values_they_were_trained_from(published):
    results, trials = published
    assert stored_trials(results) == {trial.trial_id: trial for trial in trials}


@pytest.mark.parametrize("engine", ["auto", "gymnasium"])
def test_every_byte_is_the_same(published, engine):
    results, trials = published
    assert list(replay(results, trials, engine)) == [(trial, []) for trial in trials]


def test_an_earlier_meaning_is_told(tmp_path, make_trial):
    """As stored before a schedule of alpha kept the ratio of the two steps of asymmetric."""
    trial = make_trial(
        "asymmetric", "FrozenLake-v1", episodes=5, alpha_schedule="linear", alpha_end=0.1
    )
    before = {name: value for name, value in trial.identity.items() if name != "down"}
    trial.__dict__["identity"] = before
    results = Results.at(tmp_path / "results")
    run_batch([trial], results)
    (stored,) = stored_trials(results).values()
    assert stored.trial_id == trial.trial_id
    assert incomparable(stored) == "trained with an earlier meaning of its hyperparameters"
    assert run_command_line(["verify", str(tmp_path / "results")]) == 0


@pytest.mark.parametrize("column", ["episode_return", "truncated"])
def test_a_changed_value_is_found_and_named(published, column):
    results, trials = published
    spoiled = spoil(results, column)
    found = {trial.trial_id: differs for trial, differs in replay(results, trials) if differs}
    assert found == {spoiled: [column]}


def test_another_model_than_the_stored_one_is_a_difference(published, monkeypatch):
    results, trials = published
    others = [replace(trials[0], fingerprint="0" * 16), replace(trials[0], env="Gone-v0")]
    others[1] = replace(others[1], fingerprint=None)
    stored = {one.trial_id: {} for one in others}
    monkeypatch.setattr("hq_ray.sweeps.verify.load_curves", lambda *arguments: stored)
    (_, (changed,)), (_, (gone,)) = replay(results, others)
    assert "must be the planned one" in changed
    assert gone.startswith("everything, because it cannot be retrained: Environment `Gone` doesn't")


def test_a_trial_is_found_by_the_beginning_of_its_id(published):
    _, trials = published
    known = {trial.trial_id: trial for trial in trials}
    assert find_trial(known, trials[2].trial_id[:10]) == trials[2]
    with pytest.raises(InputError, match="begins 6 ids"):
        find_trial(known, "")
    with pytest.raises(InputError, match=r"^no finished trial 'xyz' among 6$"):
        find_trial(known, "xyz")


def test_samples(published):
    _, trials = published
    known = {trial.trial_id: trial for trial in trials}
    assert len(draw(known, "50%")) == 3
    assert len(draw(known, "1%")) == 1
    assert draw(known, "4", seed=1) == draw(known, "4", seed=1)
    assert draw(known, "100%") == [known[trial_id] for trial_id in sorted(known)]


@pytest.mark.parametrize("share", ["0%", "101%", "7", "1.9", "0.3", "some", "nan%"])
def test_a_bad_share_is_refused(published, share):
    _, trials = published
    with pytest.raises(InputError, match="sample must be a percentage"):
        draw({trial.trial_id: trial for trial in trials}, share)
