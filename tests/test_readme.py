"""The README, taken at its word: commands, code and names in it are run and looked up."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torture
from run_files import comparisons, curves, logs, videos

from hq_ray import schema
from hq_ray.analysis.run import command
from hq_ray.cli import COMMANDS
from hq_ray.cli import cli as group
from hq_ray.hyperparameters import HYPERPARAMETERS
from hq_ray.updates import VARIANTS

HOME = Path(__file__).resolve().parent.parent
README = (HOME / "README.md").read_text()
FLAG = re.compile(r"--[a-z][a-z_-]*")


def section(title):
    """The text under a heading, up to the next one; lines of code that begin with # are kept."""
    begun = README.split(f"\n## {title}\n")
    assert len(begun) == 2
    return begun[1].split("\n## ")[0]


def blocks(text, language="python"):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def indented(text):
    """Runs of lines that are indented by four spaces, outside of fenced code."""
    bare = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    found = re.findall(r"(?:^ {4}.*\n?)+", bare, re.MULTILINE)
    return [re.sub(r"^ {4}", "", run, flags=re.MULTILINE).strip() for run in found]


def hq_ray_commands(text):
    """The arguments of each `hq-ray ...` in it."""
    lines = [line for run in indented(text) for line in run.splitlines()]
    parts = [part.strip() for line in lines for part in line.split("&&")]
    return [shlex.split(part)[1:] for part in parts if part.startswith("hq-ray ")]


def first_column(text):
    """Names in backticks in the first column of each table row."""
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row.split("|")[1])]


def process(folder, *arguments):
    command = [sys.executable, "-m", "hq_ray", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    """A folder in which the first command has been run, and what it said."""
    folder = tmp_path_factory.mktemp("started")
    (first,) = hq_ray_commands(section("Start"))
    assert "--local" not in first
    return folder, process(folder, *first, "--local")


def test_the_first_command_says_what_the_page_says(started):
    _, said = started
    seconds = re.compile(r"\d+\.\d s of training")
    shown = [seconds.sub("", text) for text in indented(section("Start"))]
    assert seconds.sub("", said).strip() in shown


def test_what_the_page_names_is_what_is_written(started):
    assert first_column(section("What it writes")) == [
        "results/<tag>/trials/*.parquet",
        "results/<tag>/episodes/*.parquet",
        "results/<tag>/q_values/*.parquet",
        "results/<tag>/sweep.json",
        *("logs/<variant>/s<seed>/<variant>_returns.csv", "_steps.csv"),
        *("plots/<variant>/learning_curve_s<seed>.png", "steps_curve_s<seed>.png"),
        *("plots/compare/<tag>_mean_se_returns.png", "_steps.png"),
        "videos/<variant>/greedy_s<seed>.mp4",
        *("logs/.hq_ray_logs.json", "plots/.hq_ray_plots.json", "videos/.hq_ray_videos.json"),
    ]
    expected = {f"{root}/.hq_ray_{root}.json" for root in ("logs", "plots", "videos")}
    expected |= comparisons("VelocityGrid-v0")
    expected |= logs(range(5)) | curves(range(5)) | videos(range(5))
    folder, _ = started
    found = {path.relative_to(folder) for path in folder.rglob("*.*") if path.is_file()}
    assert {path.as_posix() for path in found if path.parts[0] != "results"} == expected
    for kind in ("trials", "episodes", "q_values"):
        table = pd.read_parquet(folder / "results/VelocityGrid-v0" / kind)
        assert table.columns.to_list() == getattr(schema, kind.upper()).names


def test_the_queries_answer_what_they_say(started, monkeypatch, capsys):
    monkeypatch.chdir(started[0])
    final, harmonic = {}, {}
    for code, names in zip(blocks(section("Querying with pandas")), (final, harmonic), strict=True):
        exec(code, names)
        assert len(capsys.readouterr().out.splitlines()) >= 3
    assert (final["gap"] >= -1e-9).all()
    assert len(final["gap"]) == 10
    columns = ["trial_id", "seed", "episode", "steps", "alpha"]
    assert list(harmonic["harmonic"].columns) == columns
    assert len(harmonic["harmonic"]) == 5 * 4000


def test_the_environment_of_the_example_trains_on_the_kernel(tmp_path):
    text = section("Adding an environment")
    (code,) = blocks(text)
    (given,) = hq_ray_commands(text)
    (name,) = re.findall(r"In `(\w+\.py)`", text)
    (tmp_path / name).write_text(code)
    said = process(tmp_path, *given, "--episodes", "50", "--seeds", "0", "--local")
    assert said.startswith("Ran 2 trials (")
    trials = pd.read_parquet(next((tmp_path / "results").iterdir()) / "trials")
    assert set(trials["engine"]) == {"kernel"}
    assert set(trials["env"]) == {"corridor:Corridor-v0"}
    assert set(trials["env_args"]) == {'{"length":8}'}


def test_the_variant_of_the_example_is_the_same_on_both_engines(tmp_path):
    """In a copy of the packages, with the example where the page says that it belongs."""
    text = section("Adding a variant")
    (code,) = blocks(text)
    (name,) = re.findall(r"in `([\w/]+\.py)`", text)
    (variant,) = re.findall(r'VARIANTS\["(\w+)"\]', code)
    copy = tmp_path / "copy"
    for package in ("hq_ray", "envs", "sweeps", "analysis"):
        shutil.copytree(HOME / package, copy / package)
    with (copy / name).open("a") as module:
        module.write(f"\n\n{code}")
    flags = ["run", "--env", "VelocityGrid-v0", "--variants", variant, "--seeds", "0-1"]
    found = []
    for engine in ("kernel", "gymnasium"):
        place = tmp_path / engine / "VelocityGrid-v0"
        given = [*flags, "--episodes", "20", "--task", "train", "--local", "--engine", engine]
        process(copy, *given, "--results", place.parent, "--log_root", tmp_path / f"{engine} logs")
        trials = pd.read_parquet(place / "trials")
        assert (set(trials["engine"]), set(trials["variant"])) == ({engine}, {variant})
        found.append(torture.content(place))
    pd.testing.assert_frame_equal(*found, check_exact=True)


def test_every_flag_command_and_file_on_the_page_exists():
    commands = [group.get_command(None, name) for name in COMMANDS]
    options = [option for one in commands for option in one.params]
    known = {name.replace("-", "_") for option in options for name in option.opts}
    known |= {"__help"}
    pip = re.sub(r"pip install [^&\n`]*", "", README)
    flags = {flag.replace("-", "_") for flag in FLAG.findall(pip)}
    assert flags - known == set()
    assert {"__env", "__env_args", "__record_video", "__task", "__local"} <= flags
    given = hq_ray_commands(README)
    for arguments in given:
        group.get_command(None, arguments[0]).make_context(arguments[0], arguments[1:])
    assert {arguments[0] for arguments in given} >= {"run", "sweep"}
    linked = re.findall(r"\]\(([^)#:]+)\)", README)
    assert "benchmarks/README.md" in linked
    named = re.findall(r"`(?:bash )?((?:hq_ray|envs|sweeps|analysis|\.ci)/[\w./]+)`", README)
    assert ".ci/run" in named
    assert [name for name in [*linked, *named] if not (HOME / name).exists()] == []


def test_columns_and_types_are_those_of_the_schema():
    episodes, trials = section("Columns").split("`trials` has")
    assert first_column(episodes) == schema.EPISODES.names
    for line in episodes.splitlines():
        if line.startswith("| `"):
            names, kinds, _ = (cell.strip() for cell in line.split("|")[1:-1])
            for name in re.findall(r"`(\w+)`", names):
                kind = str(schema.EPISODES.field(name).type)
                shown = "string (category)" if kind.startswith("dictionary") else kind
                assert kinds == shown, name
    identity = {"trial_id", "config_id", "env", "env_args", "variant", "seed"}
    identity |= {"episodes", "max_steps", *HYPERPARAMETERS}
    named = set(first_column(trials))
    assert named | identity == set(schema.TRIALS.names)
    assert named & identity == set()
    (line,) = re.findall(r"^`q_values` has (.*)$", README, re.MULTILINE)
    assert re.findall(r"`(\w+)`", line) == schema.Q_VALUES.names


def test_the_table_of_names_has_every_hyperparameter_and_variant_and_the_defaults_of_the_flags():
    text = section("Names")
    assert set(HYPERPARAMETERS) | set(VARIANTS) <= set(re.findall(r"`(\w+)`", text))
    values = command.make_context("run", ["--env", "x"]).params
    values |= {name: row.default for name, row in HYPERPARAMETERS.items()}
    shown = {
        name: cells.split("|")[-1].strip()
        for name, cells in re.findall(r"^\| `(\w+)`.*?\|(.*)\|$", text, re.MULTILINE)
    }
    for name in ("alpha_down", "gamma", "eps_shift"):
        assert float(shown[name]) == values[name]
    assert shown["alpha"] == f"{values['alpha']}, {values['alpha_schedule']}"
    assert shown["eps_schedule"] == "{}, {:.0f} to {} over {}".format(
        *(values[f"eps_{part}"] for part in ("schedule", "start", "end", "decay_episodes"))
    )
    assert shown["episodes"].startswith(f"{values['episodes']}; ")
    assert shown["variant"] == f"`{values['variants']}`: the first two"
