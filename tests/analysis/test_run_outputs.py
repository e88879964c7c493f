"""Runs of several settings in one folder: what is replaced, what stays, and what is said."""

import json
import re
import threading
import time
from pathlib import Path

import pytest
from run_files import comparisons, curves, logs

from hq_ray.analysis import run_outputs
from hq_ray.analysis.run_outputs import File, OutputRoot
from hq_ray.errors import InputError

GRID = ["run", "--env", "VelocityGrid-v0", "--episodes", "6", "--smooth", "2", "--local"]
CLIFF = [*GRID, "--env", "CliffWalking-v1", "--max_steps", "20"]
LISTS = {"logs/.hq_ray_logs.json", "plots/.hq_ray_plots.json", "videos/.hq_ray_videos.json"}


@pytest.fixture(autouse=True)
def sketched(monkeypatch):
    """Figures are neither drawn nor encoded, which takes most of the time."""
    for name in ("curves.learning_figure", "page.picture"):
        monkeypatch.setattr(f"hq_ray.analysis.charts.{name}", lambda *_, **__: b"figure")


def files(*roots):
    return {p.as_posix() for root in roots for p in Path(root).rglob("*") if p.is_file()} - LISTS


def test_a_second_environment_replaces_the_files_of_the_first_and_says_so(run):
    assert run(*GRID, "--seeds", "0-2")[0] == 0
    mine = [Path("logs/notes.txt"), Path("logs/standard/s0/mine.csv"), Path("plots/a/b.png")]
    for path in mine:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    code, out, err = run(*CLIFF, "--seeds", "1", "--variants", "standard,minimum")
    assert (code, err) == (0, "")
    said = [line for line in out.splitlines() if "replaces" in line]
    assert said == [
        "Notice: logs and plots held files of an earlier run of another environment or setting, "
        "which this run replaces; to keep both, name other folders with --log_root and --plots_root"
    ]
    written = logs([1], ["standard", "minimum"]) | curves([1], ["standard", "minimum"])
    both = comparisons("VelocityGrid-v0") | comparisons("CliffWalking-v1")
    assert files("logs", "plots") == written | both | {path.as_posix() for path in mine}
    assert all(path.read_text() == "mine" for path in mine)
    assert not Path("logs/harmonic").exists()
    assert not Path("logs/standard/s2").exists()
    assert Path("logs/standard/s1/standard_steps.csv").read_text().count("\n") == 7
    # And back: its results are still there, so nothing is trained.
    code, out, _ = run(*GRID, "--seeds", "0")
    assert out.startswith("All 2 trials are done in results/VelocityGrid-v0")
    assert files("logs", "plots") == logs([0]) | curves([0]) | both | {p.as_posix() for p in mine}


def test_the_same_setting_adds_and_replaces_also_where_one_folder_takes_all(run):
    roots = ["--log_root", "all", "--plots_root", "all"]
    assert run(*GRID, "--seeds", "0-1", *roots)[0] == 0
    before = Path("all/standard/s0/standard_returns.csv").read_bytes()
    for seeds, variants in (("1-2", "standard"), ("5", "minimum")):
        code, out, _ = run(*GRID, "--seeds", seeds, "--variants", variants, *roots)
        assert (code, "Notice" in out) == (0, False)
    expected = comparisons("VelocityGrid-v0")
    for kind in (logs, curves):
        expected |= kind([0, 1]) | kind([2], ["standard"]) | kind([5], ["minimum"])
    found = {name for name in files("all") if not name.startswith("all/.")}
    assert found == {re.sub("^(logs|plots)/", "all/", name) for name in expected}
    assert Path("all/standard/s0/standard_returns.csv").read_bytes() == before


def test_each_part_of_a_setting_makes_it_another(run):
    train = [*GRID, "--variants", "standard", "--task", "train"]
    every = [], ["--gamma", "0.5"], ["--tag", "other"]
    every += (["--env_args", "max_speed=2", "--tag", "other"],)
    for seed, changed in enumerate(every):
        code, out, _ = run(*train, "--seeds", seed, *changed)
        told = "Notice: logs held files of an earlier run of another environment or setting" in out
        assert (code, told) == (0, seed > 0), changed
        assert files("logs") == logs([seed], ["standard"]), changed


def test_a_comparison_of_the_same_tag_and_another_setting_goes(run):
    assert run(*GRID, "--seeds", "0", "--variants", "standard")[0] == 0
    # The window is part of the setting of figures, not of logs.
    _, out, _ = run(*GRID, "--seeds", "0", "--variants", "standard", "--smooth", "3")
    assert "Notice: plots held files of an earlier run" in out
    changed = [*GRID, "--seeds", "0", "--variants", "standard", "--alpha", "0.7"]
    assert run(*changed, "--task", "train")[0] == 0
    assert run(*changed, "--task", "plot")[0] == 0
    assert files("plots") == curves([0], ["standard"])


def test_a_file_that_no_run_has_noted_is_not_written_over(run):
    mine = Path("logs/standard/s0/standard_steps.csv")
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    code, out, err = run(*GRID, "--seeds", "0")
    assert (code, out) == (2, "")
    assert err == (
        f"Error: this run would write over {mine}, which `hq-ray run` did not write; "
        "move it away, or name another folder with --log_root\n"
    )
    assert (files("logs"), mine.read_text()) == ({mine.as_posix()}, "mine")
    assert not Path("results").exists()
    assert run(*GRID, "--seeds", "1", "--task", "train")[0] == 0
    assert mine.read_text() == "mine"


LOG = "standard/s0/standard_steps.csv"


def root_of(folder, tag="t"):
    """A root that writes one log."""
    return OutputRoot("logs", "--log_root", folder, {"tag": tag}, [File(folder / LOG, "steps", [])])


@pytest.mark.parametrize(
    "content",
    ["{", "null", "[" * 100_000, '{"files": [3], "setting": {}}', f'{{"files": ["{LOG}"]}}'],
)
def test_a_damaged_list_removes_nothing(tmp_path, content):
    (tmp_path / LOG).parent.mkdir(parents=True)
    (tmp_path / LOG).write_text("mine")
    (tmp_path / ".hq_ray_logs.json").write_text(content)
    with pytest.raises(InputError, match=r"must be the list .* but it is damaged; .*--log_root"):
        root_of(tmp_path).check()
    with pytest.raises(InputError), root_of(tmp_path).writing():
        raise AssertionError("not reached")
    assert (tmp_path / LOG).read_text() == "mine"


def test_a_list_removes_nothing_outside_its_folder(tmp_path):
    (tmp_path / "in").mkdir()
    names = ["../mine", str(tmp_path / "mine"), "a/../../mine"]
    (tmp_path / "mine").write_text("mine")
    listed = {"setting": {"tag": "other"}, "files": names}
    (tmp_path / "in" / ".hq_ray_logs.json").write_text(json.dumps(listed))
    with root_of(tmp_path / "in").writing():
        pass
    assert (tmp_path / "mine").read_text() == "mine"


@pytest.mark.parametrize("link", ["logs/standard/s0/standard_steps.csv", "logs/standard"])
def test_what_a_link_leads_to_is_not_touched(run, link, tmp_path):
    assert run(*GRID, "--seeds", "0", "--task", "train")[0] == 0
    link, outside = Path(link), tmp_path / "outside"
    link.rename(outside)
    link.symlink_to(outside)
    before = {path: path.read_bytes() for path in [outside, *outside.rglob("*")] if path.is_file()}
    code, _, err = run(*GRID, "--seeds", "0", "--task", "train", "--alpha", "0.7")
    assert (code, "which `hq-ray run` did not write" in err) == (2, True)
    # Elsewhere in the folder another setting is written; the link stays, whatever the list says.
    assert run(*GRID, "--variants", "minimum", "--seeds", "0", "--task", "train")[0] == 0
    assert run(*CLIFF, "--variants", "minimum", "--seeds", "0", "--task", "train")[0] == 0
    assert link.is_symlink()
    assert {path: path.read_bytes() for path in before} == before


class Killed(BaseException):
    pass


@pytest.mark.parametrize(
    ("owner", "name"),
    [(OutputRoot, "_remove"), (OutputRoot, "_write"), (run_outputs, "encode_csv")],
)
def test_killed_at_any_moment_the_next_run_heals(run, owner, name):
    assert run(*GRID, "--seeds", "0-2", "--task", "train")[0] == 0
    calls = []

    def kill(*arguments):
        calls.append(arguments)
        if len(calls) == 2 or name == "_write":
            # As after kill -9 nothing more is noted.
            patch.setattr(OutputRoot, "_write", lambda *_: None)
            raise Killed
        return original(*arguments)

    original = getattr(owner, name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, kill)
        with pytest.raises(Killed):
            run(*CLIFF, "--seeds", "0-2", "--task", "train")
    assert len(files("logs")) < len(logs([0, 1, 2]))
    # Fewer seeds: what the killed run was about to replace must not stay either.
    assert run(*CLIFF, "--seeds", "0", "--task", "train")[0] == 0
    there = files("logs")
    assert logs([0]) <= there <= logs([0, 1, 2])
    run(*CLIFF, "--seeds", "0-2", "--task", "train", "--log_root", "fresh")
    for path in there:
        assert Path(path).read_text() == Path("fresh", *Path(path).parts[1:]).read_text(), path
    assert run(*GRID, "--seeds", "1", "--task", "train")[0] == 0
    assert files("logs") == logs([1])


def test_two_runs_at_once_write_one_after_the_other(tmp_path, capsys):
    log = tmp_path / LOG
    seen = []

    def write():
        with root_of(tmp_path, "b").writing():
            seen.append(log.exists())

    waiting = threading.Thread(target=write)
    told = ""
    with root_of(tmp_path, "a").writing():
        waiting.start()
        while "waiting for another run" not in told:
            told += capsys.readouterr().err
            time.sleep(0.01)
        assert seen == []
        log.parent.mkdir(parents=True)
        log.write_text("first")
    waiting.join()
    assert seen == [False]
