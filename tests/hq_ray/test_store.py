import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from made_up import failing_after, failure, trained

from hq_ray import schema
from hq_ray.encoding import encode_episodes, encode_q_values, encode_trials
from hq_ray.errors import InputError
from hq_ray.store import DONE, FAILED, SCHEMAS, Results, Superseded
from hq_ray.trial import MAX_SEED, SEMANTICS_VERSION, TRIAL_FIELDS, EpisodeLog, Trained
from hq_ray.versions import versions

# Files

NUMBERS = ("episode_return", "steps", "terminated", "truncated")
VARIANTS = ("standard", "harmonic", "minimum", "asymmetric")

floats = st.floats() | st.sampled_from([0.0, -0.0, 1e308, -1e308, 5e-324, -1.0])


@st.composite
def logs(draw):
    episodes = draw(st.integers(1, 12))
    flags = arrays(np.bool_, episodes)
    return EpisodeLog(
        draw(arrays(np.float64, episodes, elements=floats)),
        draw(arrays(np.int32, episodes, elements=st.integers(0, 2**31 - 1))),
        draw(flags),
        draw(st.none() | flags),
        draw(arrays(np.float64, st.tuples(st.integers(1, 5), st.integers(1, 4)), elements=floats)),
    )


def decode(buffer):
    return pq.read_table(pa.BufferReader(buffer))


def rows_of(table, trial):
    return table.filter(pc.equal(table["trial_id"].cast(pa.string()), trial.trial_id))


@given(found=st.lists(logs(), min_size=1, max_size=6))
@settings(max_examples=30)
def test_trials_and_their_logs_come_back_bit_for_bit(make_trial, found):
    batch = []
    for number, log in enumerate(found):
        kind = {"variant": VARIANTS[number % 4], "seed": (0, MAX_SEED)[number // 4]}
        trial = make_trial(episodes=len(log.steps), **kind)
        summary = {"total_steps": 2**40, "mean_return": -0.0}
        batch.append(Trained(trial, log, "kernel", summary, 0.0, 0.0))
    table, q_table = decode(encode_episodes(batch)), decode(encode_q_values(batch))
    assert table.num_rows == sum(done.trial.episodes for done in batch)
    for done, trial_row in zip(batch, decode(encode_trials(batch, [])).to_pylist(), strict=True):
        for name in (*TRIAL_FIELDS, "trial_id", "config_id"):
            assert trial_row[name] == getattr(done.trial, name)
        assert (trial_row["total_steps"], str(trial_row["mean_return"])) == (2**40, "-0.0")
        assert trial_row["error_type"] is trial_row["final_return"] is None
        rows = rows_of(table, done.trial)
        assert rows["episode"].to_pylist() == list(range(done.trial.episodes))
        for name in NUMBERS:
            assert rows[name].to_numpy().tobytes() == getattr(done.log, name).tobytes()
        success = [None] * done.trial.episodes if done.log.success is None else done.log.success
        assert rows["success"].to_pylist() == list(success)
        for name in ("config_id", "env", "env_args", "variant", "seed"):
            assert set(rows[name].to_pylist()) == {getattr(done.trial, name)}
        rows = rows_of(q_table, done.trial)
        states, actions = np.indices(done.log.q_values.shape, np.int32)
        assert rows["state"].to_numpy().tobytes() == states.tobytes()
        assert rows["action"].to_numpy().tobytes() == actions.tobytes()
        assert rows["q_value"].to_numpy().tobytes() == done.log.q_values.tobytes()


def test_long_trials_are_cut_into_row_groups(make_trial):
    batch = [trained(make_trial(seed=seed, episodes=100_000)) for seed in range(5)]
    file = pq.ParquetFile(pa.BufferReader(encode_episodes(batch)))
    assert file.num_row_groups == 4
    table = file.read(["seed", "episode"])
    assert table["seed"].to_numpy().tolist() == np.repeat(range(5), 100_000).tolist()
    assert table["episode"].to_numpy().tolist() == list(range(100_000)) * 5


# Results folders


@pytest.fixture
def batches(make_trial):
    """Every kind of null there is: hyperparameters that a variant lacks, no model, failures."""
    kinds = [
        ("standard", {}),
        ("harmonic", {}),
        ("harmonic", {"seed": 1, "episodes": 7}),
        ("standard", {"alpha": 1}),
        ("minimum", {"alpha": 0.1}),
        ("harmonic", {"alpha": 0.1}),
        ("asymmetric", {"alpha_schedule": "exponential"}),
        ("standard", {"env": "FrozenLake-v1", "alpha": 0.1, "episodes": 4}),
    ]
    logs = [trained(make_trial(variant, **{"alpha": 0.2} | given)) for variant, given in kinds]
    return [logs[first : first + 2] for first in range(0, 8, 2)]


@pytest.fixture
def published(results, batches, make_trial):
    """A results folder of several batches, one of failures only, with writes under way."""
    for batch in batches:
        results.publish(batch, keep_q_values=True)
    results.publish([], [failure(make_trial("harmonic", seed=9, alpha=0.2))])
    for kind in ("episodes", "trials", "q_values"):
        folder = Path(results.location.path) / kind
        (folder / ".0123456789abcdef.parquet.tmp").write_bytes(b"PAR1 half a file")
        (folder / ".0123456789abcdef.parquet").write_bytes(b"")
    return results


def folder(results, kind):
    return Path(results.location.path) / kind


def everything(results):
    return sorted(str(p) for p in Path(results.location.path).rglob("*") if p.is_file())


def test_pandas_reads_filters_and_joins(published, batches):
    logs = {done.trial.trial_id: done for batch in batches for done in batch}
    frame = pd.read_parquet(folder(published, "episodes")).astype({"trial_id": str})
    assert set(frame["trial_id"]) == set(logs)
    for trial_id, rows in frame.groupby("trial_id"):
        log, trial = logs[trial_id].log, logs[trial_id].trial
        assert rows["episode_return"].to_numpy().tobytes() == log.episode_return.tobytes()
        assert rows["variant"].unique().tolist() == [trial.variant]
        assert rows["success"].isna().all() == (log.success is None)
    harmonic = [("variant", "==", "harmonic"), ("seed", "<", 5)]
    frame = pd.read_parquet(folder(published, "episodes"), filters=harmonic)
    trials = pd.read_parquet(folder(published, "trials"), filters=[("alpha", "==", 0.2)])
    frame = frame.astype({"trial_id": str}).merge(trials[["trial_id", "alpha"]], on="trial_id")
    expected = {batches[0][1].trial.trial_id: 30, batches[1][0].trial.trial_id: 7}
    assert frame["trial_id"].value_counts().to_dict() == expected


@pytest.mark.parametrize("reader", ["duckdb", "polars"])
def test_others_read_the_same_rows(published, reader):
    library = pytest.importorskip(reader)
    visible = sorted(map(str, folder(published, "episodes").glob("[!.]*.parquet")))
    expected = [list(row.values()) for row in pq.read_table(visible).to_pylist()]
    if reader == "duckdb":
        found = library.sql(f"from read_parquet({visible})").fetchall()
        late = library.sql(f"from read_parquet({visible}) where seed > 0").fetchall()
    else:
        found = library.read_parquet(visible).rows()
        late = library.scan_parquet(visible).filter(library.col("seed") > 0).collect().rows()
    assert sorted(map(list, found)) == sorted(expected)
    assert len(late) == sum(row[schema.EPISODES.names.index("seed")] > 0 for row in expected) > 0


def test_every_file_has_the_same_schema(published):
    for kind, expected in SCHEMAS.items():
        files = list(folder(published, kind).glob("[!.]*.parquet"))
        assert len(files) >= 4
        for file in files:
            assert pq.read_schema(file).equals(expected, check_metadata=True)


def test_a_batch_is_three_files_named_after_its_trials_whatever_their_order(results, batches):
    name = results.publish(batches[0], keep_q_values=True)
    assert {Path(p).name for p in everything(results)} == {f"{name}.parquet"}
    assert (len(everything(results)), len(name)) == (3, 16)
    assert results.publish(batches[0][::-1]) == name
    assert results.publish([batches[0][0]], [failure(batches[0][1].trial)]) == name
    assert len(everything(results)) == 3
    assert results.publish(batches[1]) != name
    assert len(everything(results)) == 3 + 2, "Q tables are kept only where asked for"


@pytest.mark.parametrize("done_first", [True, False])
def test_done_wins_over_failed(results, batches, make_trial, done_first):
    done, other = trained(make_trial()), failure(make_trial(seed=1))
    publications = [([done], []), ([], [failure(done.trial), other])]
    for trained_ones, failures in publications if done_first else publications[::-1]:
        results.publish(trained_ones, failures)
    assert results.published() == {done.trial.trial_id: DONE, other.trial.trial_id: FAILED}


def test_a_batch_of_failures_has_a_trials_file_only(results, make_trial):
    results.publish([], [failure(make_trial(), "no: \x00 ü 🎲\n" * 3)])
    assert [Path(p).parent.name for p in everything(results)] == ["trials"]
    row = pd.read_parquet(folder(results, "trials")).iloc[0]
    assert (row["status"], row["error_type"]) == (FAILED, "ValueError")
    assert row["error_message"] == "no: \x00 ü 🎲\n" * 3
    assert row["error_traceback"] == "Traceback: no"
    assert pd.isna(row["mean_return"])


@pytest.mark.parametrize("writes", [0, 1, 2])
def test_a_write_that_fails_half_way_leaves_nothing_of_its_file(
    results, batches, monkeypatch, writes
):
    full = OSError(28, "No space left on device")
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", failing_after(writes, os.replace, full))
        with pytest.raises(OSError, match="No space left"):
            results.publish(batches[0], keep_q_values=True)
    assert len(everything(results)) == writes
    assert not any(Path(p).name.startswith(".") for p in everything(results))
    assert results.published() == {}


def test_files_of_batches_that_were_never_committed_are_listed_and_can_go(results, batches):
    results.publish(batches[0], keep_q_values=True)
    name = results.publish(batches[1], keep_q_values=True)
    assert results.survey().stray == []
    results.location.delete(f"trials/{name}.parquet")
    orphans = [(kind, f"{name}.parquet") for kind in ("episodes", "q_values")]
    assert results.survey().stray == orphans
    results.clear(orphans)
    results.clear(orphans)
    assert results.survey().stray == []
    assert set(results.published()) == {done.trial.trial_id for done in batches[0]}


def test_a_batch_that_may_not_be_committed_is_not_nor_its_folder_made_again(results, batches):
    results.publish(batches[1])
    before = everything(results)
    with pytest.raises(Superseded, match="another driver has taken over"):
        results.publish(batches[0], keep_q_values=True, may_commit=lambda: False)
    assert everything(results) == before, "not even its episodes are written"

    def overtaken():
        yield True
        results.publish(batches[0])
        yield False

    with pytest.raises(Superseded):
        results.publish(batches[0], may_commit=overtaken().__next__)
    assert len(results.published()) == 4, "what the other driver committed is spared"
    shutil.rmtree(results.location.path)
    with pytest.raises(Superseded, match="or the folder is gone"):
        results.publish(batches[1], may_commit=lambda: False)
    assert not Path(results.location.path).exists()


def test_the_description_is_what_was_understood(results):
    results.describe("cliff", {"alpha": [0.1, 0.2]}, fingerprints={"CliffWalking-v1 {}": "abc"})
    told = json.loads((Path(results.location.path) / "sweep.json").read_text())
    assert told == results.description()
    assert (told["name"], told["spec"]) == ("cliff", {"alpha": [0.1, 0.2]})
    assert told["schema_version"] == schema.SCHEMA_VERSION
    assert told["semantics_version"] == SEMANTICS_VERSION
    assert told["fingerprints"] == {"CliffWalking-v1 {}": "abc"}
    assert told["versions"] == versions()
    deciding = {"hq_ray", "git_commit", "gymnasium", "numba", "ray", "python"}
    assert deciding <= told["versions"].keys()
    results.describe("a", {"env": "y"}, fingerprints={"y": "2"})
    assert results.description()["fingerprints"] == {"CliffWalking-v1 {}": "abc", "y": "2"}
    assert results.description()["spec"] == {"env": "y"}


def test_results_of_a_newer_schema_are_refused(results):
    newer = schema.SCHEMA_VERSION + 1
    results.location.write("sweep.json", json.dumps({"schema_version": newer}).encode())
    with pytest.raises(InputError, match=rf"version {schema.SCHEMA_VERSION} or older, got {newer}"):
        Results.at(results.location.path)


SENSELESS = [
    *(b"", b"name: yaml", b"[]", b"\xff\xfe", b"[" * 100_000, b'{"schema_version": true}'),
    b'{"schema_version": 1, "name": "\\ud800"}',
    b'{"schema_version": 1, "name": "a", "planned": {"x": {"y": "3"}}}',
]


@pytest.mark.parametrize("content", SENSELESS)
def test_a_sweep_file_without_sense_is_named_and_stops_nobody(results, content):
    results.location.write("sweep.json", content)
    there = Results.at(results.location.path)
    assert there.description() == {}
    assert "sweep.json is damaged and is ignored" in there.description_problem()
    there.describe("a", {})
    assert there.description_problem() is None
