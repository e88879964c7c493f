"""Files that are cut short, foreign or gone: plan, status and sweep agree, and --repair mends."""

import shutil
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torture

from hq_ray.batch import run_batch
from hq_ray.errors import ResultsError
from hq_ray.store import DONE, Failure, Results
from hq_ray.sweeps.api import run_sweep
from hq_ray.sweeps.expand import expand
from hq_ray.sweeps.spec import Sweep

SWEEP = "sweep lakes.yaml --local --trials_per_task 3"
NOTHING_TO_RUN = "All 12 trials are done in results/lakes; nothing to run.\n"


pytestmark = pytest.mark.usefixtures("lakes")


def cut(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


def without_middle(path):
    content = path.read_bytes()
    path.write_bytes(content[:100] + content[200:])


def of_other_trials(path):
    other = next(p for p in sorted(path.parent.glob("*")) if p != path)
    pq.write_table(pq.read_table(other).slice(0, 30), path)


DAMAGE = {
    "empty": ("episodes", lambda path: path.write_bytes(b"")),
    "cut": ("episodes", lambda path: cut(path, 0.5)),
    "without its middle": ("episodes", without_middle),
    "of other trials": ("episodes", of_other_trials),
    "gone": ("episodes", lambda path: path.unlink()),
    "cut Q values": ("q_values", lambda path: cut(path, 0.9)),
    "empty trials": ("trials", lambda path: path.write_bytes(b"")),
    "foreign trials": ("trials", lambda path: pq.write_table(pa.table({"a": [1]}), path)),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_named_everywhere_and_mended(call, damage, said):
    said(f"{SWEEP} --keep_q_values")
    before = torture.content("results/lakes")
    kind, spoil = DAMAGE[damage]
    path = sorted(Path("results/lakes", kind).glob("*"))[1]
    spoil(path)
    told = f"results/lakes/{kind}/{path.name} must be "

    for line, counts in (
        ("plan lakes.yaml --no_pilot", "12 trials: 3 new, 9 done, 0 failed"),
        ("status results/lakes", "9 trials done, 0 failed"),
    ):
        out = said(line)
        assert counts in out
        assert f"Damaged: {told}" in out
    files = sorted(Path("results").rglob("*"))
    code, out, err = call(SWEEP)
    assert (code, out) == (1, "")
    assert err.startswith(f"Error: {told}")
    assert err.count("\n") == 1
    assert "--repair" in err
    assert sorted(Path("results").rglob("*")) == files, "a refused sweep changes nothing"

    out = said(f"{SWEEP} --repair")
    assert f"Set aside: {told}" in out
    assert "Ran 3 trials (" in out
    pd.testing.assert_frame_equal(torture.content("results/lakes"), before)
    assert said(SWEEP) == NOTHING_TO_RUN
    assert "Damaged" not in said("status results/lakes")
    if damage != "gone":
        assert Path("results/lakes/_damaged", kind, path.name).exists(), "nothing is lost"


@pytest.mark.parametrize("kind", ["trials", "episodes", "q_values"])
def test_a_damaged_page_that_no_survey_reads_is_mended(kind, said):
    said(f"{SWEEP} --keep_q_values")
    path = sorted(Path("results/lakes", kind).glob("*"))[1]
    content = bytearray(path.read_bytes())
    content[60:80] = bytes(20)
    path.write_bytes(content)
    out = said(f"{SWEEP} --repair")
    assert f"Set aside: results/lakes/{kind}/{path.name} must be a Parquet file" in out
    assert "Ran 3 trials (" in out


def test_many_damaged_batches_are_counted_and_mended_where_sweep_json_is_gone_too(call, said):
    said(SWEEP)
    Path("results/lakes/sweep.json").unlink()
    for path in Path("results/lakes/trials").glob("*"):
        path.write_bytes(b"")
    assert "(and 3 more damaged)" in call(SWEEP)[2]
    assert "Ran 12 trials (" in said(f"{SWEEP} --repair")
    assert said(SWEEP) == NOTHING_TO_RUN


def test_a_file_of_the_users_own_is_set_aside_and_not_lost(call, said):
    said(SWEEP)
    mine = pa.table({"notes": ["mine"]})
    pq.write_table(mine, "results/lakes/trials/notes.parquet")
    assert call(SWEEP)[0] == 1
    assert NOTHING_TO_RUN in said(f"{SWEEP} --repair")
    assert pq.read_table("results/lakes/_damaged/trials/notes.parquet") == mine


def test_run_and_run_sweep_repair_too(call, lakes, said):
    line = "run --env FrozenLake-v1 --episodes 20 --seeds 0-2 --local --tag lake --task train"
    said(line)
    for path in Path("results/lake/episodes").glob("*"):
        cut(path, 0.5)
    code, _, err = call(line)
    assert code == 1
    assert "--repair" in err
    assert "Ran 6 trials" in said(f"{line} --repair")

    run_sweep(lakes, local=True)
    next(Path("results/lakes/episodes").glob("*")).write_bytes(b"")
    with pytest.raises(ResultsError, match="episodes"):
        run_sweep(lakes, local=True)
    handle = run_sweep(lakes, local=True, repair=True)
    assert handle.tally.done > 0
    assert set(handle.trials()["status"]) == {DONE}
    assert len(handle.episodes()) == 12 * 20


def test_copies_put_together_are_told_and_count_once(said):
    said(SWEEP)
    shutil.copytree("results/lakes", "results/copy")
    shutil.rmtree("results/lakes")
    said("sweep lakes.yaml --local --trials_per_task 4")
    shutil.copytree("results/copy", "results/lakes", dirs_exist_ok=True)
    assert len(pd.read_parquet("results/lakes/trials", columns=["trial_id"])) == 24
    for line in ("status results/lakes", "plan lakes.yaml --no_pilot"):
        assert "Several batches hold the same 12 trials, as after" in said(line)
    assert "12 trials done, 0 failed" in said("status results/lakes")
    assert said(SWEEP) == NOTHING_TO_RUN
    handle = run_sweep("lakes.yaml", local=True)
    assert len(handle.trials()) == 12
    assert len(handle.episodes()) == 12 * 20


def test_a_retry_that_was_killed_half_way_needs_no_repair(tmp_path):
    """Its episodes are there, and the trials file says that the trial failed, as it did before."""
    spec = {"name": "lakes", "env": "FrozenLake-v1", "seeds": 0, "episodes": 20}
    trials = list(expand(Sweep(**spec)).trials)
    results = Results.at(tmp_path / "lakes")
    name = results.publish([], [Failure(trials[0], "ValueError", "no", "")])
    file = tmp_path / "lakes/trials" / f"{name}.parquet"
    failed = file.read_bytes()
    run_batch(trials[:1], results)
    file.write_bytes(failed)
    assert results.survey().damaged == {}
    options = {"local": True, "trials_per_task": 2, "retry_failed": True}
    assert run_sweep(spec, tmp_path, **options).tally.done == 2
