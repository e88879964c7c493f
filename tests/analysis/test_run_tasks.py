"""What `hq-ray run` does, in this process."""

import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import gymnasium
import imageio.v3
import imageio_ffmpeg
import numpy as np
import pandas as pd
import pytest
from run_files import comparisons, curves, logs, videos

from hq_ray.cli import run_command_line
from hq_ray.load import load_trials

RUN = ["run", "--env", "VelocityGrid-v0", "--episodes", "30", "--smooth", "5", "--local"]
# Short films: the first episodes of learning last to the step limit.
FILM = ["--record_video", "--video_max_steps", "20"]
LOGS, CURVES, VIDEOS = logs([0, 1]), curves([0, 1]), videos([0, 1])


def files(folder):
    """Paths of all files below that are not hidden, each batch's name written as `*`."""
    found = [path.relative_to(folder) for path in Path(folder).rglob("[!.]*") if path.is_file()]
    hexadecimal = re.compile(r"[0-9a-f]{16}\.parquet")
    return {hexadecimal.sub("*.parquet", path.as_posix()) for path in found}


def results(folder):
    kinds = ("episodes", "q_values", "trials")
    return {f"{folder}/sweep.json", *(f"{folder}/{kind}/*.parquet" for kind in kinds)}


def times(folder):
    return {path: path.stat().st_mtime_ns for path in Path(folder).rglob("*") if path.is_file()}


def n_frames(path):
    return imageio_ffmpeg.count_frames_and_secs(str(path))[0]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder after `--task all` with films, over two variants and two seeds."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert run_command_line([*RUN, *FILM, "--seeds", "0-1"]) == 0
    return folder


@pytest.fixture
def trained(finished, tmp_path, monkeypatch):
    """The results of the finished run alone, copied into the folder that `run` runs in."""
    shutil.copytree(finished / "results", tmp_path / "here" / "results")


def test_every_picture_and_film_is_one_and_the_csv_logs_are_the_parquet_columns(finished):
    pictures = list((finished / "plots").rglob("*.png"))
    assert len(pictures) == len(CURVES) + 2
    assert all(imageio.v3.imread(path).std() > 0 for path in pictures)
    assert all(n_frames(finished / name) > 2 for name in VIDEOS)
    table = pd.read_parquet(finished / "results" / "VelocityGrid-v0" / "episodes")
    for (variant, seed), mine in table.groupby(["variant", "seed"], observed=True):
        assert mine["episode"].to_list() == list(range(30))
        for quantity, column in (("returns", "episode_return"), ("steps", "steps")):
            log = pd.read_csv(finished / f"logs/{variant}/s{seed}/{variant}_{quantity}.csv")
            assert log.columns.to_list() == ["episode", column]
            assert log["episode"].to_list() == mine["episode"].to_list()
            assert log[column].to_list() == mine[column].to_list()


def test_train_draws_nothing_and_says_who_is_ahead(run):
    code, out, _ = run(*RUN, "--seeds", "0-2", "--task", "train", "--episodes", "300")
    assert code == 0
    assert files(Path.cwd()) == logs([0, 1, 2]) | results("results/VelocityGrid-v0")
    ran, told, *_ = out.splitlines()
    assert re.fullmatch(r"Ran 6 trials \(0\.\d M steps, \d+\.\d s of training\): results/.*", ran)
    assert told == "Logs: logs"
    scores = load_trials("results/VelocityGrid-v0").pivot(
        index="seed", columns="variant", values="final_return"
    )
    means, errors = scores.mean(), scores.sem()
    *_, final, ahead = out.splitlines()
    for variant in ("standard", "harmonic"):
        assert f"{variant} {means[variant]:,.4g} ± {errors[variant]:.3g}" in final
    lead = scores["harmonic"] - scores["standard"]
    first, second = ("harmonic", "standard") if lead.mean() > 0 else ("standard", "harmonic")
    by = f"{abs(lead.mean()):,.4g} ± {lead.sem():.3g}"
    assert ahead == f"{first} is ahead of {second} by {by} on 3 seeds"


def test_great_returns_are_written_out(run):
    flags = ["--env", "CliffWalking-v1", "--local", "--task", "train", "--seeds", "0-1"]
    *_, final, _ = run("run", *flags, "--episodes", "1")[1].splitlines()
    assert re.search(r"standard -\d{1,2},\d{3} ± [\d,.]+, harmonic", final)


def test_everything_can_be_put_elsewhere(run, tmp_path):
    there = tmp_path / "there"
    flags = ["--results", there / "r", "--tag", "mine", "--seeds", "0-1"]
    for name in ("log", "plots", "videos"):
        flags += [f"--{name}_root", there / name]
    code, out, _ = run(*RUN, *FILM, *flags)
    assert code == 0
    assert list(Path.cwd().iterdir()) == []
    named = {re.sub("^logs/", "log/", path) for path in LOGS | CURVES | VIDEOS}
    assert files(there) == named | comparisons("mine") | results("r/mine")
    for name in ("r/mine", "log", "plots", "videos"):
        assert str(there / name) in out


@pytest.mark.parametrize("task", ["plot", "compare"])
def test_drawing_and_filming_work_from_disk(run, trained, finished, task):
    before, film = times("results"), "videos/standard/greedy_s0.mp4"
    flags = ["--record_video", "--video_max_steps", "3"] if task == "compare" else []
    code, out, err = run(*RUN, "--seeds", "0-1", "--task", task, *flags)
    assert (code, err) == (0, "")
    assert times("results") == before
    written = files(Path.cwd()) - results("results/VelocityGrid-v0")
    if task == "plot":
        assert (out, written) == ("Figures: plots\n", CURVES)
    else:
        assert out == "Figures: plots\nVideos: videos\n"
        assert written == comparisons("VelocityGrid-v0") | VIDEOS
        assert n_frames(film) < n_frames(finished / film)


def test_before_all_are_trained_nothing_is_drawn(run, trained):
    before = times(Path.cwd())
    code, out, err = run(*RUN, "--seeds", "0-2", "--task", "plot")
    assert (code, out) == (2, "")
    assert err == (
        "Error: trials must be trained before their figures can be drawn, but 2 of 6 are not in "
        "results/VelocityGrid-v0; use --task train or --task all\n"
    )
    assert times(Path.cwd()) == before


class Faulty(gymnasium.Env):
    """Takes no step on seed 1, has no picture from seed 2 to 3, and closes badly."""

    observation_space = gymnasium.spaces.Discrete(3)
    action_space = gymnasium.spaces.Discrete(2)
    metadata = {"render_modes": ["rgb_array"], "render_fps": 1}  # noqa: RUF012
    broken = 1

    def __init__(self, render_mode=None):
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.seed = self.seed if seed is None else seed
        return 0, {}

    def step(self, action):
        if self.seed == self.broken:
            raise ValueError("no such state")
        return 1, float(action), True, False, {}

    def render(self):
        if self.seed in (2, 3):
            raise ZeroDivisionError("no picture")
        return np.zeros((32, 96, 3), np.uint8)

    def close(self):
        raise RuntimeError("closed twice")


def test_a_failed_trial_is_told_the_others_drawn_and_filmed_and_it_is_tried_again(
    run, register, monkeypatch
):
    register("Faulty-v0", entry_point=Faulty)
    faulty = ["run", "--env", "Faulty-v0", "--episodes", "5", "--local", "--seeds", "0-4"]
    code, out, err = run(*faulty, "--record_video")
    assert (code, err) == (1, "")
    assert "Ran 8 trials (" in out
    assert "2 failed: ValueError: no such state\n" in out
    assert [line for line in out.splitlines() if "no video" in line] == [
        "Notice: no video of standard seed 2, harmonic seed 2, standard seed 3 and 1 more: "
        "Faulty-v0 cannot be filmed here: ZeroDivisionError: no picture"
    ]
    written = {name for name in files(Path.cwd()) if not name.startswith("results/")}
    done = [0, 2, 3, 4]
    assert written == logs(done) | curves(done) | comparisons("Faulty-v0") | videos([0, 4])
    monkeypatch.setattr(Faulty, "broken", None)
    code, out, _ = run(*faulty, "--task", "train")
    assert code == 0
    assert re.search(r"Ran 2 trials \(0\.0 M steps, .*, 8 were there\)", out)
    # Without a single film there is no folder.
    flags = ["--seeds", "2", "--task", "train", "--record_video", "--videos_root", "none"]
    code, out, _ = run(*faulty, *flags)
    assert (code, "no video" in out, "Videos" in out) == (0, True, False)
    assert not Path("none").exists()


def test_an_interrupted_run_writes_nothing_more(run, monkeypatch):
    halted = SimpleNamespace(interrupted=True)
    monkeypatch.setattr("hq_ray.sweeps.commands.run_and_tell", lambda *_: halted)
    assert run(*RUN, "--task", "all")[0] == 130
    assert files(Path.cwd()) == set()


def test_with_nothing_to_train_no_cluster_is_asked(run, trained):
    command = [word for word in RUN if word != "--local"]
    flags = ["--seeds", "0-1", "--task", "train", "--address", "127.0.0.1:1"]
    code, out, err = run(*command, *flags)
    assert (code, err) == (0, "")
    assert out.startswith("All 4 trials are done in results/VelocityGrid-v0")
