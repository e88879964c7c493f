"""Flags of `hq-ray run`: their names and defaults, and what is said to values that cannot be."""

from pathlib import Path
from typing import NamedTuple

import gymnasium
import pytest

from hq_ray.analysis import run
from hq_ray.analysis.run import command, default_tag, parse_env_args
from hq_ray.analysis.run_outputs import Outputs
from hq_ray.cli import run_command_line
from hq_ray.hyperparameters import HYPERPARAMETERS
from hq_ray.load import load_trials
from hq_ray.sweeps.options import RunOptions
from hq_ray.sweeps.spec import Sweep

SHORT = ["--env", "FrozenLake-v1", "--seeds", "0", "--episodes", "5", "--local"]

DEFAULTS = {
    "env": None,
    "env_args": "",
    "variants": "both",
    "seeds": "0-4",
    "episodes": 4000,
    "max_steps": None,
    "alpha": 0.2,
    "alpha_schedule": "constant",
    "alpha_end": 0.05,
    "alpha_decay_episodes": 3500,
    "alpha_power": 0.8,
    "alpha_down": 0.5,
    "gamma": 0.99,
    "eps_schedule": "linear",
    "eps_start": 1.0,
    "eps_end": 0.05,
    "eps_decay_episodes": 3500,
    "eps_shift": 1e-6,
    "smooth": 151,
    "task": "all",
    "record_video": False,
    "video_max_steps": 300,
    "tag": None,
    "results": "results",
    "accept_source": False,
    "log_root": "logs",
    "plots_root": "plots",
    "videos_root": "videos",
    "local": False,
    "address": None,
    "cores": None,
    "trials_per_task": "auto",
    "engine": "auto",
    "repair": False,
}
GIVEN = {
    "alpha_decay_episodes": "11",
    "eps_schedule": "constant",
    "video_max_steps": "17",
    "record_video": None,
    "log_root": "l",
    "trials_per_task": "4",
}


def test_without_discount(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cliff = ["--env", "CliffWalking-v1", "--seeds", "0", "--episodes", "300", "--local"]
    assert run_command_line(["run", *cliff, "--gamma", "1"]) == 0
    trials = load_trials("results/CliffWalking-v1")
    assert trials["gamma"].tolist() == [1.0, 1.0]
    assert trials["optimal_value"].tolist() == [-13.0, -13.0]


class Asked(NamedTuple):
    spec: dict
    results: str
    outputs: Outputs
    options: RunOptions


@pytest.fixture
def requested(monkeypatch):
    """The spec, results, outputs and options of a command line; nothing is run."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)

    def asked(*flags):
        seen = []
        monkeypatch.setattr(run, "run", lambda *parts: seen.extend(parts) or 0)
        assert run_command_line(["run", "--env", "VelocityGrid-v0", *flags]) == 0
        return Asked(*seen)

    return asked


@pytest.fixture
def refused(tmp_path, monkeypatch, capsys):
    """The one sentence that a command line is refused with; no file or folder is made."""
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def sentence(*arguments):
        code = run_command_line(["run", *arguments])
        out, err = capsys.readouterr()
        assert (code, out) == (2, "")
        assert err.startswith("Error: ")
        assert err.endswith("\n")
        assert err.count("\n") == 1
        assert list(folder.iterdir()) == []
        return err.removeprefix("Error: ").strip()

    return sentence


def test_every_flag_has_its_documented_default():
    parameters = {p.opts[0].removeprefix("--").replace("-", "_"): p for p in command.params}
    assert set(parameters) == set(DEFAULTS)
    context = command.make_context("run", ["--env", "x"])
    # A hyperparameter that is not given takes its default where the spec is read.
    parsed = {"env": "x", "trials_per_task": None, **dict.fromkeys(HYPERPARAMETERS)}
    assert {k: str(v) if isinstance(v, Path) else v for k, v in context.params.items()} == (
        DEFAULTS | parsed
    )


def test_help_shows_every_flag_with_its_default(capsys):
    assert run_command_line(["run", "--help"]) == 0
    words = " ".join(capsys.readouterr().out.split())
    for name, default in DEFAULTS.items():
        assert f"--{name} " in words or f"--{name.replace('_', '-')} " in words
        if default not in (None, "", False):
            assert f"default: {default}" in words


def test_without_flags_a_run_is_the_documented_one(requested):
    spec, results, outputs, options = requested()
    assert spec == {
        "env": {"id": "VelocityGrid-v0"},
        "variant": ["standard", "harmonic"],
        "seeds": (0, 1, 2, 3, 4),
        "episodes": 4000,
        "max_steps": None,
        "parameters": {},
    }
    assert (results, outputs.smooth) == ("results", 151)
    assert all(map(outputs.makes, ("train", "plot", "compare")))
    assert options == RunOptions(keep_q_values=True, retry_failed=True)


@pytest.mark.parametrize("name", GIVEN)
def test_underscore_and_dash_are_alike(requested, name):
    value = [] if GIVEN[name] is None else [GIVEN[name]]
    spelled = [f"--{name}", *value], [f"--{name.replace('_', '-')}", *value]
    first, second = requested(*spelled[0]), requested(*spelled[1])
    assert first == second
    assert first != requested()


def test_a_value_may_hold_what_a_flag_may_not(requested):
    assert requested("--tag", "a_b-c", "--log-root", "x_y/z-0").outputs.tag == "a_b-c"
    assert requested("--env_args", "slip_prob=0.1").spec["env"]["slip_prob"] == 0.1


def test_the_cluster_may_be_named_in_the_environment(requested, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    assert requested().options.address == "head:6379"
    assert requested("--address", "other:1").options.address == "other:1"


@pytest.mark.parametrize(
    ("text", "args"),
    [
        ("", {}),
        ("max_speed=2,slip_prob=0.1", {"max_speed": 2, "slip_prob": 0.1}),
        (" map_name = 8x8 , is_slippery = false ", {"map_name": "8x8", "is_slippery": False}),
        ('{"desc": ["SF", "FG"]}', {"desc": ["SF", "FG"]}),
        ("{}", {}),
        ("a=1e-1,b=010,c=1:30,d=1.0e-6", {"a": 0.1, "b": 10, "c": "1:30", "d": 1e-6}),
        ("map=[1,2],x=1,to={y: [3, 4]}", {"map": [1, 2], "x": 1, "to": {"y": [3, 4]}}),
        ("a=,b=no", {"a": None, "b": "no"}),
    ],
)
def test_env_args_are_pairs_or_json(text, args):
    assert parse_env_args(text) == args


@pytest.mark.parametrize(
    "text", ["slippery", "=3", "a=1,,b=2", "{bad", "[1]", "a=[1", "a=1,a=2", "a=1,b", "a b=1"]
)
def test_malformed_env_args_are_shown(text, refused):
    sentence = refused(*SHORT, "--env_args", text)
    assert sentence.startswith("env_args must be like 'max_speed=2,slip_prob=0.1' or a JSON object")
    assert f"got {text!r}" in sentence


NUMBERS = [
    *(("alpha", value, "alpha must be in (0, 1], got ") for value in ("0", "1.5", "nan", "x", "")),
    ("gamma", "1.01", "gamma must be in [0, 1], got 1.01"),
    ("eps_end", "-1", "eps_end must be in [0, 1], got -1.0"),
    ("eps_shift", "inf", "eps_shift must be a finite number > 0, got inf"),
    ("eps_decay_episodes", "1.5", "eps_decay_episodes must be a whole number from 1 to 2147483647"),
    ("episodes", "0", "Invalid value for '--episodes': 0 is not in the range x>=1"),
    (
        "episodes",
        "2147483648",
        "episodes: must be a whole number from 1 to 2147483647, got 2147483648",
    ),
    *(("episodes", v, f"Invalid value for '--episodes': '{v}' is not a") for v in ("2.5", "x")),
    ("trials_per_task", "x", "Invalid value for '--trials_per_task': 'x' is not a valid integer"),
]


@pytest.mark.parametrize(("name", "value", "sentence"), NUMBERS)
def test_a_number_out_of_bounds_is_refused(refused, name, value, sentence):
    assert refused(*SHORT, f"--{name}", value).startswith(sentence)


@pytest.mark.parametrize(
    ("seeds", "sentence"),
    [
        ("0-", "seeds must be a range like '0-4' or a list like '0,1,2', got '0-'"),
        ("4-0", "a range of seeds must rise, got '4-0'; did you mean '0-4'?"),
        ("0,0", "each seed must be given once, got '0,0'"),
        (str(2**63), f"seeds must be below 2**63, at most 1 million of them, got '{2**63}'"),
    ],
)
def test_seeds_that_are_none_are_refused(refused, seeds, sentence):
    assert refused(*SHORT, "--seeds", seeds) == sentence


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--env", "FrozenLak-v1"], "unknown environment 'FrozenLak-v1'; did you mean 'FrozenL"),
        (["--env", "Nonsense"], "unknown environment 'Nonsense'; known among others: Garnet"),
        (["--env", "no_such_module:X-v0"], "the module of environment 'no_such_module:X-v0' must "),
        (["--env", ""], "env: must be an id or a mapping with an id, got "),
        (["--variants", "harmonc"], "unknown variant 'harmonc'; did you mean 'harmonic'?"),
        (["--variants", ""], "unknown variant ''; known: standard, harmonic, "),
        (["--variants", "minimum,minimum"], "each variant must be named once, got 'minimum,min"),
        (["--task", "trian"], "unknown task 'trian'; did you mean 'train'?"),
        (["--engine", "kernal"], "unknown engine 'kernal'; did you mean 'kernel'?"),
        (["--eps_schedule", "linaer"], "eps_schedule must be one of linear, exponential, inverse"),
        (["--eps_schedule", "exponential", "--eps_end", "0"], "eps_start and eps_end must be > 0"),
        (["--alhpa", "1"], "No such option '--alhpa'. (Did you mean one of: '--alpha'"),
        (["extra"], "Got unexpected extra argument (extra)"),
    ],
)
def test_an_unknown_name_is_refused_with_its_near_miss(refused, flags, sentence):
    assert sentence in refused(*SHORT, *flags)


def test_without_an_environment_there_is_nothing_to_do(refused):
    assert refused() == "Missing option '--env'."


@pytest.mark.parametrize("tag", ["", "../up", "a/b", ".hidden", "a b", "-x"])
def test_a_tag_that_is_no_file_name_is_refused(refused, tag):
    sentence = refused(*SHORT, f"--tag={tag}")
    assert sentence.startswith("name: must start with a letter or digit")
    assert f"got {tag!r}" in sentence


@pytest.mark.parametrize("env", ["CartPole-v1", "Pendulum-v1"])
def test_an_endless_observation_space_is_refused(refused, env):
    sentence = refused("--env", env, "--local")
    assert sentence.startswith(f"env: the observation space of {env} must be finite")
    assert "got Box(" in sentence


class Endless(gymnasium.Env):
    """Actions from a continuum; or it refuses to be built, in two lines."""

    observation_space = gymnasium.spaces.Discrete(2)
    action_space = gymnasium.spaces.Box(0.0, 1.0)

    def __init__(self, speed=1):
        if speed > 1:
            raise ValueError("speed must be 1,\nnot more")


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        ([], "the action space of Endless-v0 must be Discrete, got Box("),
        (
            ["--env_args", "sped=2"],
            "environment Endless-v0 has no argument 'sped'; did you mean 's",
        ),
        (["--env_args", "zzz=2"], "environment Endless-v0 has no argument 'zzz'; known: speed"),
        (["--env_args", "speed=2"], 'environment Endless-v0 refuses {"speed":2}: '),
        (["--env_args", "render_mode=human"], "render_mode is not an argument of a trial; use "),
    ],
)
def test_an_environment_that_cannot_be_used_is_refused(register, refused, flags, sentence):
    register("Endless-v0", entry_point=Endless)
    assert sentence in refused("--env", "Endless-v0", "--local", *flags)


def test_results_below_a_file_are_refused(refused, tmp_path):
    (tmp_path / "file").write_text("mine")
    below = f"{tmp_path}/file/below"
    assert refused(*SHORT, "--results", below) == (
        f"results must be a folder, but a part of {below}/FrozenLake-v1 is a file"
    )


@pytest.mark.parametrize("flag", ["log_root", "plots_root", "videos_root"])
def test_a_folder_below_a_file_is_refused(refused, tmp_path, flag):
    (tmp_path / "file").write_text("mine")
    below = f"{tmp_path}/file/below"
    sentence = refused(*SHORT, "--record_video", f"--{flag}", below)
    assert "the folder to write to must be one that can be written" in sentence
    assert f"got '{below}'" in sentence


@pytest.mark.parametrize(
    ("flag", "folder"), [("results", "/proc/x"), ("plots_root", "/proc/x"), ("log_root", "x" * 300)]
)
def test_a_folder_that_nobody_can_write_to_is_refused(refused, flag, folder):
    assert "must be " in refused(*SHORT, f"--{flag}", folder)


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


def test_a_place_of_an_unknown_kind_is_refused(refused):
    sentence = refused(*SHORT, "--results", "s4://bucket/x")
    assert sentence.startswith("results must be a path or a URI, got 's4://bucket/x")


def test_results_of_a_newer_schema_are_refused(tmp_path, refused):
    folder = tmp_path / "newer" / "FrozenLake-v1"
    folder.mkdir(parents=True)
    (folder / "sweep.json").write_text('{"schema_version": 999}')
    sentence = refused(*SHORT, "--results", str(folder.parent))
    assert sentence.startswith(f"results at {folder} must have schema version ")
    assert "got 999" in sentence
    assert [path.name for path in folder.iterdir()] == ["sweep.json"]
