"""A folder of schema 1, as the software wrote it then: read, refused for writing, upgraded."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from made_up import failing_after

from hq_ray import schema
from hq_ray.cli import run_command_line
from hq_ray.load import load_episodes, load_q_values, load_trials, stream_curves
from hq_ray.location import Location
from hq_ray.store import SCHEMAS, Results
from hq_ray.sweeps.verify import stored_trials
from hq_ray.upgrade import upgrade

STORED = Path(__file__).parents[1] / "data/schema1"
LOGGED = ["episode", "episode_return", "steps", "terminated", "truncated", "success"]


@pytest.fixture
def old(tmp_path):
    return Path(shutil.copytree(STORED, tmp_path / "schema1"))


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.*")}


def parquet_files(folder):
    return sorted(folder.rglob("*.parquet"))


def everything(folder):
    """All that readers make of a folder."""
    results = Results.at(folder)
    trials = stored_trials(results)
    groups = [[trial_id] for trial_id in trials]
    curves = stream_curves(results, groups, LOGGED[1:])
    return (
        load_trials(results, quiet=True).to_csv(),
        load_episodes(results, quiet=True, columns=["alpha", *schema.EPISODES.names]).to_csv(),
        {n: {name: array.tobytes() for name, array in found.items()} for n, found in curves},
        {t: q.tobytes() for t, q in load_q_values(results, list(trials.values())).items()},
    )


def test_schema_1_is_read(old):
    raw = pd.read_parquet(old / "episodes").astype({"trial_id": str, "variant": str})
    columns = ["trial_id", "variant", "seed", "alpha", "eps_shift", *LOGGED]
    frame = load_episodes(old, columns=columns, quiet=True)
    order = ["trial_id", "episode"]
    found = frame.astype({"trial_id": str, "variant": str}).sort_values(order, ignore_index=True)
    pd.testing.assert_frame_equal(found, raw[columns].sort_values(order, ignore_index=True))
    trials = load_trials(old, quiet=True).set_index("trial_id")
    assert trials["status"].value_counts().to_dict() == {"done": 4, "failed": 1}
    for trial_id, trial in stored_trials(Results.at(old)).items():
        assert trial.trial_id == trial_id
        assert trials.loc[trial_id, "config_id"] == trial.config_id
    assert trials["config_id"].nunique() == 2
    assert set(trials["role"]) == {"exploration"}
    assert len(load_episodes(old, "eps_shift == 1.0 and steps > 3", quiet=True)) > 0
    assert len(load_q_values(Results.at(old), list(stored_trials(Results.at(old)).values()))) == 2


def test_schema_1_takes_no_more_trials(old, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "spec.yaml").write_text("{name: schema1, env: FrozenLake-v1, episodes: 5}")
    before = contents(old)
    sweep = ["sweep", "spec.yaml", "--results", ".", "--local"]
    assert run_command_line(sweep) == 2
    assert capsys.readouterr().err == (
        "Error: results at ./schema1 must have schema version 2 to be added to, got 1; "
        "hq-ray upgrade ./schema1 rewrites them, ids kept\n"
    )
    assert contents(old) == before
    (old / "sweep.json").unlink()
    assert run_command_line(sweep) == 2
    (damaged, _) = sorted((old / "trials").iterdir())
    content = damaged.read_bytes()
    damaged.write_bytes(b"")
    assert run_command_line([*sweep, "--repair"]) == 2, "the other one is of schema 1"
    damaged.write_bytes(content)
    assert run_command_line(["upgrade", "schema1"]) == 0
    assert run_command_line(sweep) == 0
    assert len(load_trials(old, quiet=True)) == 5 + 10


def test_upgraded_it_is_the_same_in_files_of_schema_2(old, capsys):
    read, described = everything(old), json.loads((old / "sweep.json").read_text())
    assert run_command_line(["upgrade", str(old)]) == 0
    assert everything(old) == read
    assert json.loads((old / "sweep.json").read_text()) == described | {"schema_version": 2}
    assert len(parquet_files(old)) == 5
    for path in parquet_files(old):
        assert pq.read_schema(path).equals(SCHEMAS[path.parent.name], check_metadata=True)
    after = contents(old)
    assert run_command_line(["upgrade", str(old)]) == 0
    assert contents(old) == after


@pytest.mark.parametrize("writes", [0, 4])
def test_killed_at_any_write_it_is_readable_and_goes_on(old, monkeypatch, writes):
    read, write = everything(old), failing_after(writes, Location.write, KeyboardInterrupt())
    with monkeypatch.context() as patch:
        patch.setattr(Location, "write", write)
        with pytest.raises(KeyboardInterrupt):
            upgrade(Results.at(old))
    (old / "episodes/.half.parquet.0123456789ab").write_bytes(b"PAR1")
    assert everything(old) == read
    assert Results.at(old).description()["schema_version"] == 1
    assert upgrade(Results.at(old)) == []
    assert everything(old) == read
    assert Results.at(old).description()["schema_version"] == 2
    assert not (old / "episodes/.half.parquet.0123456789ab").exists()


def test_a_damaged_file_is_named_and_left(old, capsys):
    (damaged, *_) = sorted((old / "episodes").iterdir())
    damaged.write_bytes(damaged.read_bytes()[:-9])
    content = damaged.read_bytes()
    assert run_command_line(["upgrade", str(old)]) == 1
    assert f"episodes/{damaged.name} must be a Parquet file" in capsys.readouterr().out
    assert damaged.read_bytes() == content
    versions = [pq.read_schema(p).metadata for p in parquet_files(old) if p != damaged]
    assert versions == [schema.METADATA] * 4


def test_episodes_of_trials_that_are_not_committed_go(old):
    """As of a batch that was killed, or run again and killed, between its two files."""
    kept, killed = sorted((old / "trials").iterdir(), key=lambda path: len(pq.read_table(path)))
    killed.unlink()
    pq.write_table(pq.read_table(kept).slice(1), kept)
    read = everything(old)
    assert upgrade(Results.at(old)) == []
    assert everything(old) == read
    assert [path.name for path in (old / "episodes").iterdir()] == [kept.name]
    assert pd.read_parquet(old / "episodes" / kept.name)["trial_id"].nunique() == 1
