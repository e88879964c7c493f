"""Flags of `hq-ray run`: their names and defaults, and what is said to values that cannot be."""

from pathlib import Path

import pytest

from hq_ray.analysis import run as run_module
from hq_ray.analysis.run import command, default_tag, parse_env_args
from hq_ray.cli import run_command_line
from hq_ray.hyperparameters import HYPERPARAMETERS
from hq_ray.sweeps.spec import Sweep

SHORT = ["run", "--env", "FrozenLake-v1", "--seeds", "0", "--episodes", "5", "--local"]
# Those of the hyperparameters are in tests/hq_ray/test_trial.py.
DEFAULTS = dict.fromkeys(("env", "max_steps", "tag", "address", "cores"))
DEFAULTS |= dict.fromkeys(("record_video", "accept_source", "local", "repair"), False)
DEFAULTS |= {"env_args": "", "variants": "both", "seeds": "0-4", "episodes": 4000, "smooth": 151}
DEFAULTS |= {"task": "all", "video_max_steps": 300, "results": "results", "log_root": "logs"}
DEFAULTS |= {"plots_root": "plots", "videos_root": "videos", "max_cores": 1000}
DEFAULTS |= {"trials_per_task": "auto", "engine": "auto"}


def test_every_flag_has_its_documented_default(capsys):
    parameters = {p.opts[0].removeprefix("--").replace("-", "_") for p in command.params}
    assert parameters == {*DEFAULTS, *HYPERPARAMETERS}
    context = command.make_context("run", ["--env", "x"])
    # A hyperparameter that is not given takes its default where the spec is read.
    parsed = {"env": "x", "trials_per_task": None, **dict.fromkeys(HYPERPARAMETERS)}
    given = {k: str(v) if isinstance(v, Path) else v for k, v in context.params.items()}
    assert given == DEFAULTS | parsed
    assert run_command_line(["run", "--help"]) == 0
    words = " ".join(capsys.readouterr().out.split())
    shown = DEFAULTS | {name: row.default for name, row in HYPERPARAMETERS.items()}
    for name, default in shown.items():
        assert f"--{name} " in words or f"--{name.replace('_', '-')} " in words
        if default not in (None, "", False):
            assert f"default: {default}" in words


@pytest.fixture
def requested(monkeypatch):
    """The spec, results, outputs and options of a command line; nothing is run."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)

    def asked(*flags):
        seen = []
        monkeypatch.setattr(run_module, "run", lambda *parts: seen.extend(parts) or 0)
        assert run_command_line(["run", "--env", "VelocityGrid-v0", *flags]) == 0
        return seen

    return asked


def test_underscore_and_dash_are_alike_in_names_and_kept_in_values(requested):
    for name, *value in (["alpha_decay_episodes", "11"], ["record_video"], ["max_cores", "4"]):
        first, second = (requested(f"--{n}", *value) for n in (name, name.replace("_", "-")))
        assert first == second != requested(), name
    *_, outputs, _ = requested("--tag", "a_b-c", "--log-root", "x_y/z-0")
    assert (outputs.tag, outputs.log_root) == ("a_b-c", Path("x_y/z-0"))


def test_the_cluster_may_be_named_in_the_environment(requested, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    assert requested()[-1].address == "head:6379"
    assert requested("--address", "other:1")[-1].address == "other:1"


@pytest.mark.parametrize(
    ("text", "args"),
    [
        ("", {}),
        (" map_name = 8x8 , is_slippery = false ", {"map_name": "8x8", "is_slippery": False}),
        ('{"desc": ["SF", "FG"]}', {"desc": ["SF", "FG"]}),
        ("a=1e-1,b=010,c=1:30,d=1.0e-6", {"a": 0.1, "b": 10, "c": "1:30", "d": 1e-6}),
        ("map=[1,2],x=1,to={y: [3, 4]}", {"map": [1, 2], "x": 1, "to": {"y": [3, 4]}}),
        ("a=,b=no", {"a": None, "b": "no"}),
    ],
)
def test_env_args_are_pairs_or_json(text, args):
    assert parse_env_args(text) == args


@pytest.mark.parametrize("text", ["slippery", "a=1,,b=2", "{bad", "[1]", "a=1,a=2", "a b=1"])
def test_malformed_env_args_are_shown(text, refused):
    sentence = refused(*SHORT, "--env_args", text)
    assert sentence.startswith("env_args must be like 'max_speed=2,slip_prob=0.1' or a JSON object")
    assert f"got {text!r}" in sentence


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        # Numbers.
        (["--alpha", "1.5"], "alpha must be in (0, 1], got 1.5"),
        (["--episodes", "0"], "Invalid value for '--episodes': 0 is not in the range x>=1"),
        (["--trials_per_task", "x"], "Invalid value for '--trials_per_task': 'x' is not a valid "),
        (["--seeds", "0-"], "seeds must be a range like '0-4' or a list like '0,1,2', got '0-'"),
        # Names and their near misses.
        (["--env", "no_such_module:X-v0"], "the module of environment 'no_such_module:X-v0' must "),
        (["--env", ""], "env: must be an id or a mapping with an id, got "),
        (["--variants", "harmonc"], "unknown variant 'harmonc'; did you mean 'harmonic'?"),
        (["--task", "trian"], "unknown task 'trian'; did you mean 'train'?"),
        (["--eps_schedule", "linaer"], "eps_schedule must be one of linear, exponential, inverse"),
        (["--alhpa", "1"], "No such option '--alhpa'. (Did you mean one of: '--alpha'"),
        (["extra"], "Got unexpected extra argument (extra)"),
        (["--tag=../up"], "name: must start with a letter or digit"),
        # Environments.
        (["--env", "Pendulum-v1"], "env: the observation space of Pendulum-v1 must be finite"),
        (["--env_args", "is_slipery=no"], "has no argument 'is_slipery'; did you mean 'is_slip"),
        # Places.
        (["--results", "/dev/null/x"], "but /dev/null/x/FrozenLake-v1 is a file, or is below one"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_leaves_nothing(refused, flags, sentence):
    assert sentence in refused(*SHORT, *flags)
    assert list(Path.cwd().iterdir()) == []


def test_a_flag_that_nothing_reads_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    flags = ["--task", "train", "--variants", "standard", "--eps_shift", "5"]
    assert run_command_line([*SHORT, *flags]) == 0
    assert "Notice: parameters.eps_shift: must be read by a variant" in capsys.readouterr().out


def test_without_an_environment_there_is_nothing_to_do(refused):
    assert refused("run") == "Missing option '--env'."


@pytest.mark.parametrize(
    ("env", "env_args", "tag"),
    [
        ("CliffWalking-v1", "{}", "CliffWalking-v1"),
        ("mine:VelocityGrid-v0", '{"max_speed":2}', "VelocityGrid-v0-max_speed-2"),
        ("A-v1", '{"desc":["' + "SFFG" * 25 + '"]}', f"A-v1-desc-_{'SFFG' * 25}"),
    ],
)
def test_the_tag_made_of_the_environment_is_the_name_of_a_sweep(env, env_args, tag):
    assert default_tag(env, env_args) == tag[:100]
    assert Sweep(name=tag[:100], env=env).name == tag[:100]
