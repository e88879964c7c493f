from pathlib import Path

import pytest

from hq_ray.analysis.run_paths import RunPaths, check_writable, checked_tag
from hq_ray.errors import InputError

PATHS = RunPaths("cliff", Path("logs"), Path("plots"), Path("videos"))


def test_every_output_has_its_documented_name(make_trial):
    trial = make_trial("harmonic", seed=3)
    assert PATHS.log(trial, "returns") == Path("logs/harmonic/s3/harmonic_returns.csv")
    assert PATHS.log(trial, "steps") == Path("logs/harmonic/s3/harmonic_steps.csv")
    assert PATHS.curve(trial, "returns") == Path("plots/harmonic/learning_curve_s3.png")
    assert PATHS.curve(trial, "steps") == Path("plots/harmonic/steps_curve_s3.png")
    assert PATHS.comparison("returns") == Path("plots/compare/cliff_mean_se_returns.png")
    assert PATHS.comparison("steps") == Path("plots/compare/cliff_mean_se_steps.png")
    assert PATHS.video_stem(trial).parent == Path("videos/harmonic")


@pytest.mark.parametrize("tag", ["a", "cliff_v1", "alpha=0.2,seeds=0-4", "2026.11", "x+y"])
def test_a_good_tag_is_kept(tag):
    assert checked_tag(tag, "CliffWalking-v1", "{}") == tag


@pytest.mark.parametrize("tag", ["", "../up", "a/b", "-flag", ".hidden", "a b", "a\n"])
def test_a_tag_that_is_no_file_name_is_refused(tag):
    with pytest.raises(InputError, match="tag must start with a letter or digit"):
        checked_tag(tag, "CliffWalking-v1", "{}")


@pytest.mark.parametrize(
    ("env", "env_args", "tag"),
    [
        ("CliffWalking-v1", "{}", "CliffWalking-v1"),
        ("module:Env-v0", "{}", "Env-v0"),
        ("VelocityGrid-v0", '{"max_speed":2}', "VelocityGrid-v0-max_speed=2"),
    ],
)
def test_the_tag_made_of_the_environment_is_a_good_one(env, env_args, tag):
    assert checked_tag(None, env, env_args) == tag
    assert checked_tag(tag, env, env_args) == tag


def test_the_tag_of_a_long_argument_is_cut():
    tag = checked_tag(None, "FrozenLake-v1", '{"desc":["' + "SFFG" * 100 + '"]}')
    assert len(tag) <= 100
    assert checked_tag(tag, "FrozenLake-v1", "{}") == tag


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
