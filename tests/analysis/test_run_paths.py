from pathlib import Path

import pytest

from hq_ray.analysis.run_paths import Outputs, check_writable, default_tag
from hq_ray.environments import resolve
from hq_ray.errors import InputError
from hq_ray.sweeps.spec import Sweep

PATHS = Outputs(
    tasks=frozenset({"train"}),
    smooth=151,
    record_video=False,
    video_max_steps=300,
    tag="cliff",
    log_root=Path("logs"),
    plots_root=Path("plots"),
    videos_root=Path("videos"),
)


def test_every_output_has_its_documented_name(make_trial):
    trial = make_trial("harmonic", seed=3)
    assert PATHS.log(trial, "returns") == Path("logs/harmonic/s3/harmonic_returns.csv")
    assert PATHS.log(trial, "steps") == Path("logs/harmonic/s3/harmonic_steps.csv")
    assert PATHS.curve(trial, "returns") == Path("plots/harmonic/learning_curve_s3.png")
    assert PATHS.curve(trial, "steps") == Path("plots/harmonic/steps_curve_s3.png")
    assert PATHS.comparison("returns") == Path("plots/compare/cliff_mean_se_returns.png")
    assert PATHS.comparison("steps") == Path("plots/compare/cliff_mean_se_steps.png")
    assert PATHS.video_stem(trial).parent == Path("videos/harmonic")


@pytest.mark.parametrize(
    ("env", "env_args", "tag"),
    [
        ("CliffWalking-v1", {}, "CliffWalking-v1"),
        ("VelocityGrid-v0", {"max_speed": 2}, "VelocityGrid-v0-max_speed-2"),
        ("FrozenLake-v1", {"desc": ["SFFG" * 25]}, f"FrozenLake-v1-desc-_{'SFFG' * 20}"),
    ],
)
def test_the_tag_made_of_the_environment_is_the_name_of_a_sweep(env, env_args, tag):
    assert default_tag(resolve(env, env_args)) == Sweep(tag, env).name == tag


def test_the_proof_that_folders_are_writable_leaves_no_trace(tmp_path):
    there = tmp_path / "there"
    there.mkdir()
    check_writable([there, tmp_path / "a" / "b", tmp_path / "c"])
    assert list(tmp_path.rglob("*")) == [there]


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "plots").write_text("mine")
    with pytest.raises(InputError, match=r"plots/compare' must be a folder, but .*plots"):
        check_writable([tmp_path / "plots" / "compare"])
    assert (tmp_path / "plots").read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_named_and_nothing_stays(tmp_path):
    folder = tmp_path / "new" / ("x" * 300)
    with pytest.raises(InputError, match="must be writable, but: File name too long"):
        check_writable([folder])
    assert list(tmp_path.iterdir()) == []
