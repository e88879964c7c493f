"""What disks and standard streams refuse: one sentence, the exit code, nothing half written."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from standard_error import complaints

from hq_ray.cli import run_command_line

HQ_RAY = [sys.executable, "-m", "hq_ray"]
RUN = ["run", "--env", "VelocityGrid-v0", "--variants", "standard", "--seeds", "0", "--local"]
RUN += ["--episodes", "400", "--smooth", "5", "--video_max_steps", "5"]
TRAIN = [*RUN, "--task", "train"]
SWEEP = ["sweep", "s.yaml", "--local"]
LONG = "x" * 300
linux = pytest.mark.skipif(sys.platform != "linux", reason="as on Linux")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("s.yaml").write_text("name: s\nenv: FrozenLake-v1\nseeds: 0\nepisodes: 5\n")
    Path("file").write_text("mine")
    return tmp_path


@pytest.fixture
def trained(here):
    assert run_command_line(TRAIN) == 0
    return here


def below(folder):
    return {path.relative_to(folder).as_posix() for path in Path(folder).rglob("*")}


def in_shell(script, arguments, **settings):
    """Runs a shell script that executes the command as "$@"."""
    command = ["sh", "-c", script, "sh", *HQ_RAY, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, **settings)
    return done.returncode, done.stdout, complaints(done.stderr)


def refused(script, arguments, *words):
    """Runs a command that must end with code 1 and one sentence with these words."""
    code, _, sentence = in_shell(script, arguments)
    assert sentence.startswith("Error: "), sentence
    assert (code, sentence.count("\n")) == (1, 1), sentence
    for word in words:
        assert word in sentence


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        ([*SWEEP, "--results", "file"], 2, "file/s is a file, or is below one"),
        ([*SWEEP, "--results", LONG], 1, "File name too long"),
        (["report", LONG], 1, "File name too long"),
        (["status", "file"], 2, "results must be a folder, but file is a file"),
        (["sweep", "file/s.yaml"], 2, "Not a directory"),
        ([*RUN, "--log_root", "file"], 2, "must be writable, got 'file'"),
        ([*RUN, "--plots_root", LONG], 2, "File name too long"),
        ([*RUN, "--record_video", "--videos_root", "file/v"], 2, "must be writable, got 'file/v'"),
    ],
)
def test_a_place_that_cannot_be_is_refused_before_anything_is_written(
    here, capsys, command, code, words
):
    assert run_command_line(command) == code
    out, err = capsys.readouterr()
    assert words in err
    assert (out, err.count("\n")) == ("", 1)
    assert below(here) == {"s.yaml", "file"}


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
@pytest.mark.parametrize("command", [SWEEP, RUN])
def test_a_place_that_may_not_be_written_is_named(here, capsys, command):
    here.chmod(0o555)
    try:
        assert run_command_line(command) in (1, 2)
    finally:
        here.chmod(0o755)
    assert "Permission denied" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["_driver.json", "episodes", "logs"])
def test_a_disk_that_is_full_is_named(here, capsys, monkeypatch, name):
    """At the owner's card, a file of a batch, a log."""
    sync, renamed = os.fsync, []

    def full(number):
        path = os.readlink(f"/proc/self/fd/{number}")
        if name in path.replace(str(here), ""):
            renamed.append(path)
            raise OSError(28, "No space left on device")
        sync(number)

    monkeypatch.setattr(os, "fsync", full)
    assert run_command_line(TRAIN) == 1
    err = complaints(capsys.readouterr().err)
    assert renamed
    assert "No space left on device" in err
    assert name in err
    assert err.count("\n") == 1
    assert not [path for path in below(here) if "/." in path]
    monkeypatch.undo()
    monkeypatch.chdir(here)
    assert run_command_line(TRAIN) == 0


@linux
@pytest.mark.parametrize(
    ("command", "name"),
    [
        ([*TRAIN, "--log_root", "out"], "standard_returns.csv"),
        ([*RUN, "--task", "compare", "--plots_root", "out"], "VelocityGrid-v0_mean_se_returns.png"),
        (["replay", "results/VelocityGrid-v0", "", "--video", "--videos_root", "out"], ".mp4"),
    ],
)
def test_an_output_that_does_not_fit_is_named_and_not_there(trained, command, name):
    # No file of more than three blocks of 512 bytes.
    refused('ulimit -f 3; exec "$@"', command, "the system refuses ", "out/", name)
    assert not [path for path in (trained / "out").rglob("*") if path.is_file()]


@linux
@pytest.mark.parametrize("command", [["--help"], TRAIN])
def test_standard_output_that_is_full_is_told(here, command):
    place = " standard output" if command == TRAIN else ""
    refused('exec "$@" >/dev/full', command, f"the system refuses{place}", "No space left")


@pytest.mark.parametrize("command", [["--help"], TRAIN])
def test_a_reader_that_has_gone_is_no_complaint(here, command):
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([*HQ_RAY, *command], stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert (done.returncode, complaints(done.stderr)) == (1, "")


@pytest.mark.skipif(os.name != "posix", reason="streams are closed by a shell")
@pytest.mark.parametrize("closed", ["<&- >&- 2>&-", "2>/dev/full"])
def test_without_a_stream_it_trains_all_the_same(here, closed):
    if "full" in closed and not Path("/dev/full").exists():
        pytest.skip("no such device here")
    code, _, err = in_shell(f'exec "$@" {closed}', TRAIN)
    assert (code, err) == (0, "")
    assert list(here.glob("results/VelocityGrid-v0/trials/*.parquet"))
    assert (here / "logs/standard/s0/standard_steps.csv").read_text().count("\n") == 401


@pytest.mark.skipif(os.name != "posix", reason="streams are closed by a shell")
def test_without_standard_error_a_bad_input_is_still_the_exit_code(here):
    assert in_shell('exec "$@" 2>&-', ["run", "--env", "Nope-v0"]) == (2, "", "")


@linux
def test_a_folder_that_has_been_deleted_is_told(tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    sentence = "Error: the working folder must exist, but: No such file or directory\n"
    assert in_shell('rmdir "$PWD" && exec "$@"', RUN, cwd=gone) == (2, "", sentence)
