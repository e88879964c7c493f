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
TRIALS = [(variant, seed) for variant in ("standard", "harmonic") for seed in (0, 1)]


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


def episodes(folder):
    return pd.read_parquet(folder / "episodes").sort_values(["trial_id", "episode"])


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


# What is written, and where.


def test_all_writes_exactly_the_documented_files(finished):
    hidden = {path.relative_to(finished).as_posix() for path in finished.rglob(".*")}
    assert hidden == {f"{root}s/.hq_ray_{root}s.json" for root in ("log", "plot", "video")}
    expected = LOGS | CURVES | VIDEOS | comparisons("VelocityGrid-v0")
    assert files(finished) == expected | results("results/VelocityGrid-v0")


def test_every_picture_and_film_is_one(finished):
    pictures = list((finished / "plots").rglob("*.png"))
    assert len(pictures) == len(CURVES) + 2
    assert all(imageio.v3.imread(path).std() > 0 for path in pictures)
    assert all(n_frames(finished / name) > 2 for name in VIDEOS)


def test_the_csv_logs_are_the_parquet_columns(finished):
    table = episodes(finished / "results" / "VelocityGrid-v0")
    for variant, seed in TRIALS:
        mine = table[(table["variant"] == variant) & (table["seed"] == seed)]
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
    flags = [
        word for name in ("log", "plots", "videos") for word in (f"--{name}_root", there / name)
    ]
    code, out, _ = run(
        *RUN, *FILM, "--seeds", "0-1", "--results", there / "r", "--tag", "mine", *flags
    )
    assert code == 0
    assert list(Path.cwd().iterdir()) == []
    named = {re.sub("^logs/", "log/", path) for path in LOGS | CURVES | VIDEOS}
    assert files(there) == named | comparisons("mine") | results("r/mine")
    for name in ("r/mine", "log", "plots", "videos"):
        assert str(there / name) in out


# One task alone.


@pytest.mark.parametrize(
    ("task", "written"), [("plot", CURVES), ("compare", comparisons("VelocityGrid-v0"))]
)
def test_drawing_works_alone_from_disk(run, trained, task, written):
    before = times("results")
    code, out, err = run(*RUN, "--seeds", "0-1", "--task", task)
    assert (code, out, err) == (0, "Figures: plots\n", "")
    assert times("results") == before
    assert files(Path.cwd()) == written | results("results/VelocityGrid-v0")


def test_filming_works_from_disk_too(run, trained, finished):
    flags = ["--seeds", "0-1", "--task", "compare", "--record_video", "--video_max_steps", "3"]
    code, out, _ = run(*RUN, *flags)
    assert (code, out) == (0, "Figures: plots\nVideos: videos\n")
    assert {name for name in files(Path.cwd()) if name.startswith("videos/")} == VIDEOS
    name = "videos/standard/greedy_s0.mp4"
    assert n_frames(Path(name)) < n_frames(finished / name)


def test_before_all_are_trained_nothing_is_drawn(run, trained):
    before = times(Path.cwd())
    code, out, err = run(*RUN, "--seeds", "0-2", "--task", "plot")
    assert (code, out) == (2, "")
    assert err == (
        "Error: trials must be trained before their figures can be drawn, but 2 of 6 are not in "
        "results/VelocityGrid-v0; use --task train or --task all\n"
    )
    assert times(Path.cwd()) == before


# What goes wrong on the way.


class Faulty(gymnasium.Env):
    """Ends after one step, but cannot take it on seed 1; it cannot be filmed either."""

    observation_space = gymnasium.spaces.Discrete(3)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        if seed is not None:
            self.broken = seed == 1
        return 0, {}

    def step(self, action):
        if self.broken:
            raise ValueError("no such state")
        return 1, float(action), True, False, {}


FAULTY = ["run", "--env", "Faulty-v0", "--episodes", "5", "--local"]


@pytest.fixture
def faulty(register):
    register("Faulty-v0", entry_point=Faulty)


def test_a_failed_trial_is_told_and_the_others_are_drawn(run, faulty):
    code, out, err = run(*FAULTY, "--seeds", "0-2", "--record_video")
    assert (code, err) == (1, "")
    assert "no video of standard seed 0, harmonic seed 0, standard seed 2 and 1 more: " in out
    assert not Path("videos").exists()
    assert "Ran 4 trials (" in out
    assert "2 failed: ValueError: no such state\n" in out
    seeds = {path.name for path in Path("logs/harmonic").iterdir()}
    assert seeds == {"s0", "s2"}
    assert {path.name for path in Path("plots/standard").iterdir()} == {
        f"{stem}_s{seed}.png" for stem in ("learning_curve", "steps_curve") for seed in (0, 2)
    }
    assert files(Path.cwd()) >= comparisons("Faulty-v0")
    rows = pd.read_parquet("results/Faulty-v0/trials").set_index(["variant", "seed"])
    assert (rows["status"] == "failed").sum() == 2
    assert rows.loc[("standard", 1), "error_message"] == "no such state"
    assert 'raise ValueError("no such state")' in rows.loc[("standard", 1), "error_traceback"]


def test_a_failed_trial_is_tried_again(run, faulty, monkeypatch):
    assert run(*FAULTY, "--seeds", "0-2", "--task", "train")[0] == 1
    monkeypatch.setattr(Faulty, "step", lambda self, action: (1, float(action), True, False, {}))
    code, out, _ = run(*FAULTY, "--seeds", "0-2", "--task", "train")
    assert code == 0
    assert re.search(r"Ran 2 trials \(0\.0 M steps, .*, 4 were there\)", out)


class Shown(Faulty):
    """Ends after one step; its frames of seed 1 are no pictures, and it closes badly."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 1}  # noqa: RUF012

    def __init__(self, render_mode=None):
        self.render_mode = render_mode

    def step(self, action):
        return 1, -1.0, True, False, {}

    def render(self):
        if self.broken:
            raise ZeroDivisionError("no picture")
        return np.zeros((32, 96, 3), np.uint8)

    def close(self):
        raise RuntimeError("closed twice")


def test_films_go_on_after_one_that_cannot_be_and_closing_badly_loses_nothing(run, register):
    register("Shown-v0", entry_point=Shown, max_episode_steps=20)
    shown = ["run", "--env", "Shown-v0", "--local", "--variants", "standard", "--seeds", "0-2"]
    code, out, err = run(*shown, "--episodes", "30", "--record_video")
    assert (code, err) == (0, "")
    told = [line for line in out.splitlines() if line.startswith("Notice: ")]
    assert told[1:] == [
        "Notice: no video of standard seed 1: Shown-v0 cannot be filmed here: ZeroDivisionError: "
        "no picture",
    ]
    films = {path.name for path in Path("videos/standard").iterdir()}
    assert films == {"greedy_s0.mp4", "greedy_s2.mp4"}


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
