"""Few episodes of many, wherever they lie, and what is kept from one reading to the next."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from hq_ray import encoding
from hq_ray.analysis.reading.curves import stream_groups
from hq_ray.episode_log import EpisodeLog, Trained
from hq_ray.load import load_episodes, load_trials
from hq_ray.reading import episodes_file, trial_files
from hq_ray.store import Failure, Results

LOGGED = ["seed", "episode", "episode_return", "steps", "terminated", "truncated", "success"]
N_TRIALS = 40


def trained(trial, levels=3):
    random = np.random.default_rng(int(trial.trial_id, 16))
    n = trial.episodes
    log = EpisodeLog(
        random.integers(0, levels, n).astype(float),
        random.integers(1, 50, n, dtype=np.int32),
        random.random(n) < 0.5,
        random.random(n) < 0.5 if trial.fingerprint else None,
        np.zeros((3, 2)),
    )
    return Trained(trial, log, "kernel", {}, 0.25, 0.5)


@pytest.fixture
def batch(make_trial):
    return [
        trained(make_trial(env="FrozenLake-v1", seed=seed, episodes=20 + seed % 3, alpha=0.1))
        for seed in range(N_TRIALS)
    ]


@pytest.fixture
def results(tmp_path, batch):
    results = Results.at(tmp_path / "sweep")
    results.publish(batch[: N_TRIALS // 2])
    results.publish(batch[N_TRIALS // 2 :])
    return results


def files(results, kind="episodes"):
    return sorted((Path(results.location.path) / kind).iterdir())


def plain(results, seeds, columns):
    frame = pd.read_parquet(Path(results.location.path) / "episodes", columns=columns)
    return in_order(frame[frame["seed"].isin(seeds)])


def in_order(frame):
    return frame.sort_values(["seed", "episode"], ignore_index=True)


@pytest.mark.parametrize("seeds", [[7], [0, 19], [39], [5, 25, 26], list(range(N_TRIALS))])
@pytest.mark.parametrize("columns", [LOGGED, LOGGED[:-1], ["seed", "episode"]])
@pytest.mark.parametrize("group_rows", [262_144, 100])
@pytest.mark.parametrize("stride", [16_384, 7])
def test_equal_to_pandas(tmp_path, batch, monkeypatch, seeds, columns, group_rows, stride):
    monkeypatch.setattr(encoding, "ROW_GROUP_ROWS", group_rows)
    monkeypatch.setattr(episodes_file, "STRIDE_ROWS", stride)
    results = Results.at(tmp_path / "sweep")
    results.publish(batch)
    found = load_episodes(results, f"seed in {seeds}", columns)
    pd.testing.assert_frame_equal(in_order(found), plain(results, seeds, columns))
    few = load_episodes(results, f"seed in {seeds} and episode >= 15 and steps > 9", columns)
    everything = plain(results, seeds, list(dict.fromkeys([*columns, "steps"])))
    kept = everything.query("episode >= 15 and steps > 9")[columns].reset_index(drop=True)
    pd.testing.assert_frame_equal(in_order(few), kept)


def test_between_few_trials_nothing_is_decoded(results, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("must not decode whole columns")

    expected = plain(results, [7], LOGGED[:-1])
    monkeypatch.setattr(pq.ParquetFile, "iter_batches", refuse)
    monkeypatch.setattr(pq.ParquetFile, "read_row_group", refuse)
    found = load_episodes(results, "seed == 7", LOGGED[:-1])
    pd.testing.assert_frame_equal(in_order(found), expected)


@pytest.mark.parametrize("change", ["order", "writer"])
def test_trials_that_lie_elsewhere_are_found(results, batch, change):
    """As when a batch that was written again has its trials in another order."""
    for file, trials in zip(files(results), _by_file(results, batch), strict=True):
        if change == "order":
            file.write_bytes(encoding.encode_episodes(trials[::-1]))
        else:
            pq.write_table(pq.read_table(file), file, row_group_size=33)
    for seeds in ([7], [5, 25, 26], list(range(N_TRIALS))):
        found = load_episodes(results, f"seed in {seeds}", LOGGED)
        pd.testing.assert_frame_equal(in_order(found), plain(results, seeds, LOGGED))
    groups = [[done.trial.trial_id] for done in batch]
    for number, curves in stream_groups(results, groups, ["steps"]):
        assert curves["steps"][0].tolist() == batch[number].log.steps.tolist()


def _by_file(results, batch):
    first = set(load_trials(results)["seed"])
    assert first == set(range(N_TRIALS))
    for file in files(results, "trials"):
        seeds = set(pd.read_parquet(file, columns=["seed"])["seed"])
        yield [done for done in batch if done.trial.seed in seeds]


def test_a_damaged_page_is_named_and_never_read_as_rows(results):
    (file, *_) = files(results)
    about = pq.read_metadata(file).row_group(0)
    column = next(about.column(i) for i in range(23) if "return" in about.column(i).path_in_schema)
    content = bytearray(file.read_bytes())
    start = column.dictionary_page_offset
    content[start : start + column.total_compressed_size] = b"\xff" * column.total_compressed_size
    file.write_bytes(content)
    seed = int(pd.read_parquet(file, columns=["seed"])["seed"].iloc[0])
    with pytest.raises(Exception, match=rf"episodes/{file.name} must be a Parquet file"):
        load_episodes(results, f"seed == {seed}", ["episode_return"])


# What is kept


@pytest.fixture
def read_names(monkeypatch):
    """Names of the trials files that are opened."""
    names, opened = [], Results.open

    def noted(results, kind, name):
        names.append(name)
        return opened(results, kind, name)

    monkeypatch.setattr(Results, "open", noted)
    return names


def test_trials_are_read_once_and_again_when_files_change(results, make_trial, read_names):
    assert len(load_trials(results)) == N_TRIALS
    assert len(read_names) == 2
    load_trials(results, "seed == 3", ["seed"])
    load_episodes(results, "seed == 3")
    assert len(read_names) == 2
    results.publish([trained(make_trial(seed=77))])
    assert len(load_trials(results)) == N_TRIALS + 1
    assert len(read_names) == 2 + 3
    results.delete("trials", files(results, "trials")[0].name)
    assert len(load_trials(results, quiet=True)) < N_TRIALS + 1


def test_a_file_of_the_same_name_is_read_anew(results, batch):
    before = load_trials(results)
    assert len(load_episodes(results, "seed == 0")) == 20
    results.publish(batch[: N_TRIALS // 2])
    after = load_trials(results)
    assert (after["finished_at"] != before["finished_at"]).sum() == N_TRIALS // 2
    again = [Failure(done.trial, "ValueError", "no", "") for done in batch[: N_TRIALS // 2]]
    results.publish([], again)
    status = load_trials(results, quiet=True).set_index("seed").sort_index()["status"]
    assert set(status.loc[: N_TRIALS // 2 - 1]) == {"failed"}


def test_columns_are_added_to_what_is_kept(results, read_names):
    before = load_trials(results, columns=["seed", "alpha"])["seed"]
    known = len(read_names)
    frame = load_trials(results, columns=["seed", "engine"])
    assert frame["seed"].equals(before)
    assert set(frame["engine"]) == {"kernel"}
    assert len(read_names) == known + 2


def test_no_more_is_kept_than_a_few(tmp_path, batch, monkeypatch):
    monkeypatch.setattr(trial_files, "KEPT_SWEEPS", 2)
    for number in range(4):
        results = Results.at(tmp_path / str(number))
        results.publish(batch[number : number + 1])
        assert load_trials(results)["seed"].tolist() == [number]
    assert len(trial_files._kept) == 2
    monkeypatch.setattr(trial_files, "KEPT_BYTES", 1)
    load_trials(results)
    assert len(trial_files._kept) == 1
