"""The pages under docs/ do what they say: their specs are read and run, their Python too."""

import re
import shlex
import sys
from pathlib import Path

from small_sweeps import blank_picture

from hq_ray.analysis import figure_files
from hq_ray.analysis.metrics import METRICS
from hq_ray.analysis.verdict import KINDS
from hq_ray.cli import run_command_line
from hq_ray.sweeps.expand import expand
from hq_ray.sweeps.spec import Sweep

DOCS = Path(__file__).resolve().parent.parent / "docs"
SWEEPS = (DOCS / "sweeps.md").read_text()
ANALYSIS = (DOCS / "analysis.md").read_text()


def blocks(language, text=SWEEPS):
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_the_first_spec_is_run_and_grown(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("alpha.yaml").write_text(blocks("yaml")[0])
    shorter = ["--set", "episodes=40"]
    assert run_command_line(["plan", "alpha.yaml", *shorter]) == 0
    assert "160 trials: 160 new, 0 done, 0 failed" in capsys.readouterr().out
    assert not Path("results").exists()
    for more in ([], ["--set", "seeds=0-9"]):
        assert run_command_line(["sweep", "alpha.yaml", *shorter, "--local", *more]) == 0
    said = capsys.readouterr().out
    assert "Ran 160 trials" in said
    assert "160 were there" in said
    assert run_command_line(["verify", "results/alpha-by-shift", "--sample", "5%"]) == 0
    assert "Verified 16 of 320 trials: 0 differ." in capsys.readouterr().out


def test_the_second_spec_has_paired_samples():
    found = expand(Sweep.from_yaml(blocks("yaml")[1])).trials.configurations
    standard, harmonic = (
        [one.alpha for one in found if one.variant == variant]
        for variant in ("standard", "harmonic")
    )
    assert len(standard) == 64
    assert standard == harmonic


def test_the_error_is_the_one_shown(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    bad = "name: bad\nenv: FrozenLake-v1\nparameters: {alpha: {values: [0.1, 0.2, 1.5]}}\n"
    Path("bad.yaml").write_text(bad)
    assert run_command_line(["plan", "bad.yaml"]) == 2
    assert capsys.readouterr().err.strip() in SWEEPS


def test_the_rule_of_ones_own_is_swept(tmp_path, monkeypatch, capsys):
    text = (DOCS / "learner.md").read_text()
    (code,), (spec,) = blocks("python", text), blocks("yaml", text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (name,) = re.findall(r"^In `(\w+)\.py`", text, re.M)
    Path(f"{name}.py").write_text(code)
    Path("clipping.yaml").write_text(spec)
    shorter = ["--set", "episodes=10", "--set", "seeds=0", "--local"]
    try:
        assert run_command_line(["sweep", "clipping.yaml", *shorter]) == 0
        (line,) = re.findall(r"^    hq-ray (run .*)$", text, re.M)
        few = ["--episodes", "5", "--seeds", "0", "--task", "train", "--local"]
        assert run_command_line([*shlex.split(line), *few]) == 0
        assert Path("logs/my_rules.clipped/s0/my_rules.clipped_returns.csv").exists()
    finally:
        sys.modules.pop(name, None)
    assert "Ran 4 trials" in capsys.readouterr().out


def test_python_blocks_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for block in blocks("python"):
        exec(block, {})
    assert "harmonic" in capsys.readouterr().out


def test_the_analysis_is_as_shown(tmp_path, monkeypatch, capsys):
    """All commands and blocks in order, on shorter runs and without drawing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(figure_files, "picture", lambda figure, kind: blank_picture())
    Path("alpha.yaml").write_text(blocks("yaml")[0])
    commands = [shlex.split(line) for line in re.findall(r"^    \$ hq-ray (.*)$", ANALYSIS, re.M)]
    assert [command[0] for command in commands] == ["sweep", "compare", "report", "plot"]
    for command in commands:
        shorter = ["--set", "episodes=40", "--local"] if command[0] == "sweep" else []
        assert run_command_line([*command, *shorter]) == 0, command
    assert "Exploratory: on CliffWalking-v1, harmonic" in capsys.readouterr().out
    for block in blocks("python", ANALYSIS):
        exec(block, {})
    assert re.search(r"± \d+\.\d+, n = 10\n", capsys.readouterr().out)


def test_the_analysis_names_all_metrics_and_verdicts():
    assert {name for name in METRICS if f"`{name}`" not in ANALYSIS} == set()
    assert {kind for kind in KINDS if f"`{kind}`" not in ANALYSIS} == set()
