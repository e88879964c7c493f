from pathlib import Path

import pandas as pd
import pytest
from small_sweeps import train

from hq_ray.cli import run_command_line


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    # A grid so small that a random walker reaches its goal.
    env = {"id": "VelocityGrid-v0", "width": 2, "height": 2}
    spec = {"env": env, "seeds": "0-4", "parameters": {"alpha": [0.1, 0.5]}}
    return train(tmp_path_factory.mktemp("results"), **spec)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def drawn(folder):
    return {str(path.relative_to(folder)) for path in Path(folder).rglob("*.png")}


def test_plot_draws_every_figure_with_its_data_beside_it(tiny, capsys):
    assert run_command_line(["plot", str(tiny), "--smooth", "5"]) == 0
    assert capsys.readouterr().out.endswith("Figures: plots/tiny\n")
    curves = {"curves_returns.png", "curves_steps.png", "curves_success.png", "difference.png"}
    assert curves | {"scores.png", "by_alpha.png", "pairs.png", "health.png"} <= drawn("plots/tiny")
    for name in drawn("plots/tiny"):
        assert len(pd.read_parquet(Path("plots/tiny") / name.replace(".png", ".parquet")))


@pytest.mark.parametrize("kind", ["svg", "pdf"])
def test_plot_draws_in_other_formats(tiny, kind):
    flags = ["--format", kind, "--where", "alpha < 0.3 and seed < 2", "--per_seed", "best"]
    assert run_command_line(["plot", str(tiny), *flags, "--out", "here"]) == 0
    names = {path.name for path in Path("here").rglob(f"*.{kind}")}
    assert {f"curves_returns.{kind}", f"health.{kind}", f"seed_steps.{kind}"} <= names
    assert not drawn("here")


def test_a_part_of_the_trials_has_a_folder_of_its_own(tiny):
    for where in ("alpha < 0.3", "alpha > 0.3"):
        assert run_command_line(["plot", str(tiny), "--where", where]) == 0
    folders = sorted(path.name for path in Path("plots").iterdir())
    assert len(folders) == 2
    assert all(name.startswith("tiny-where-alpha_0.3-") for name in folders)


def test_steps_of_successes_need_successes(tmp_path, capsys):
    # No episode of these has a success in the window of every seed.
    never = train(tmp_path, "never", env="CliffWalking-v1", max_steps=2, parameters={})
    capsys.readouterr()
    assert run_command_line(["plot", str(never), "--successes_only"]) == 0
    assert "Note: there is no window in which every seed succeeds" in capsys.readouterr().out
    assert "curves_returns.png" in drawn("plots/never")
    assert "curves_steps.png" not in drawn("plots/never")


def test_compare_says_who_wins_and_draws_nothing(tiny, capsys):
    assert run_command_line(["compare", str(tiny)]) == 0
    assert "Over 1 environment, harmonic against standard:" in capsys.readouterr().out
    only = ["--where", "variant == 'standard'"]
    assert run_command_line(["compare", str(tiny), *only]) == 0
    assert "Only standard was run, so there is nothing to compare" in capsys.readouterr().out
    assert list(Path().iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(tiny, tmp_path, capsys):
    (tmp_path / "file").write_text("x")
    assert run_command_line(["plot", str(tiny), "--out", "file"]) == 2
    assert "must be one that can be written, got 'file'" in capsys.readouterr().err


def test_a_figure_per_trial_is_drawn(tiny, capsys):
    flags = ["--per_seed", "best", "--where", "seed < 1", "--out", "plots/tiny"]
    assert run_command_line(["plot", str(tiny), *flags]) == 0
    found = [Path(name) for name in drawn("plots/tiny") if name.startswith("per_seed/")]
    assert len(found) == 4
    assert {path.name for path in found} == {"seed_returns.png", "seed_steps.png"}
    assert {path.parent.name for path in found} == {"s0"}
    assert {path.parts[2] for path in found} == {"standard", "harmonic"}
