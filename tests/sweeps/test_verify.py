"""`hq-ray verify` and `replay`: published trials are retrained and their logs compared."""

from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hq_ray.batch import run_batch
from hq_ray.store import Failure
from hq_ray.sweeps.verify import incomparable, replay, stored_trials


@pytest.fixture
def published(results, make_trial):
    """Six trials that are done, in two batches, and one that failed."""
    variants = ("standard", "harmonic")
    trials = [make_trial(one, "FrozenLake-v1", seed=s) for s in range(3) for one in variants]
    run_batch(trials[:4], results)
    run_batch(trials[4:], results)
    results.publish([], [Failure(replace(trials[0], seed=9), "ValueError", "no such map", "")])
    return trials


def spoil(results, column):
    """Changes the last value of a column in one episodes file; gives the id of its trial."""
    name = results.location.child("episodes").files()[0]
    path = f"{results.location.path}/episodes/{name}"
    table = pq.read_table(path)
    values = table[column].to_pylist()
    values[-1] = not values[-1] if isinstance(values[-1], bool) else values[-1] + 1
    place, field = table.column_names.index(column), table.schema.field(column)
    pq.write_table(table.set_column(place, field, pa.array(values, field.type)), path)
    return table["trial_id"].to_pylist()[-1]


@pytest.mark.parametrize("engine", ["auto", "gymnasium"])
def test_every_byte_is_the_same_and_a_trial_is_found_by_the_beginning_of_its_id(
    published, engine, said
):
    out = said(f"verify sweep --sample 100% --engine {engine}")
    assert out == "Verified 6 of 6 trials: 0 differ.\n"
    found = published[2]
    told = f"Trial {found.trial_id} (FrozenLake-v1, standard, seed 1): 30 episodes, every byte the"
    assert said(f"replay sweep {found.trial_id[:10]} --engine {engine}") == f"{told} same.\n"
    for share, number in (("50%", 3), ("1%", 1), ("4", 4)):
        assert f"Verified {number} of 6 trials" in said(f"verify sweep --sample {share}")


@pytest.mark.parametrize("column", ["episode_return", "truncated"])
def test_a_changed_value_is_found_and_named(results, published, call, column):
    spoiled = spoil(results, column)
    code, out, _ = call("verify sweep --sample 100%")
    assert code == 1
    assert out == f"{spoiled} differs in {column}\nVerified 6 of 6 trials: 1 differ.\n"
    code, out, _ = call(f"replay sweep {spoiled}")
    assert (code, out.endswith(f": differs in {column}.\n")) == (1, True)
    drawn, again = [
        [call(f"verify sweep --sample 3 --sample_seed {number}") for number in range(8)]
        for _ in range(2)
    ]
    assert drawn == again
    assert {code for code, _, _ in drawn} == {0, 1}, "which ones are drawn depends on the seed"


@pytest.mark.parametrize(
    ("line", "error"),
    [
        *(
            (f"verify sweep --sample {share}", "sample must be a percentage like '1%' or a number")
            for share in ("0%", "101%", "7", "1.9", "0.3", "some", "nan%")
        ),
        ("replay sweep xyz", "no finished trial 'xyz' among 6"),
        ("replay sweep", "trial_id must name one trial, '' begins 6 ids"),
    ],
)
def test_what_cannot_be_drawn_or_found_is_refused(published, call, line, error):
    code, out, err = call(line, *([""] if line == "replay sweep" else []))
    assert (code, out) == (2, "")
    assert err.startswith(f"Error: {error}")


def test_an_earlier_meaning_is_told(results, make_trial, said):
    """As stored before a schedule of alpha kept the ratio of the two steps of asymmetric."""
    schedule = {"alpha_schedule": "linear", "alpha_end": 0.1}
    trial = make_trial("asymmetric", "FrozenLake-v1", episodes=5, **schedule)
    before = {name: value for name, value in trial.identity.items() if name != "down"}
    trial.__dict__["identity"] = before
    run_batch([trial], results)
    (stored,) = stored_trials(results).values()
    assert stored.trial_id == trial.trial_id
    assert incomparable(stored) == "trained with an earlier meaning of its hyperparameters"
    said("verify sweep")


def test_another_model_than_the_stored_one_is_a_difference(results, published, monkeypatch):
    others = [replace(published[0], fingerprint="0" * 16), replace(published[0], env="Gone-v0")]
    others[1] = replace(others[1], fingerprint=None)
    stored = {one.trial_id: {} for one in others}
    monkeypatch.setattr("hq_ray.sweeps.verify.load_curves", lambda *arguments: stored)
    (_, (changed,)), (_, (gone,)) = replay(results, others)
    assert "must be the planned one" in changed
    assert gone.startswith("everything, because it cannot be retrained: Environment `Gone` doesn't")
