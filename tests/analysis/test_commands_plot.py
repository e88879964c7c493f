from pathlib import Path

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


def test_plot_draws_curves(tiny, capsys):
    assert run_command_line(["plot", str(tiny), "--smooth", "5", "--successes_only"]) == 0
    assert capsys.readouterr().out == "Figures: plots/tiny\n"
    curves = {"compare_mean_se_returns.png", "compare_mean_se_steps.png"}
    assert curves < drawn("plots/tiny")
    assert drawn("plots/tiny") - curves <= {"seeds_returns.png", "rates.png"}


def test_steps_of_successes_need_successes(tmp_path, capsys):
    # No episode of these has a success in the window of every seed.
    never = train(tmp_path, "never", env="CliffWalking-v1", max_steps=2, parameters={})
    capsys.readouterr()
    assert run_command_line(["plot", str(never), "--successes_only"]) == 0
    assert "Note: there is no window in which every seed succeeds" in capsys.readouterr().out
    assert "compare_mean_se_returns.png" in drawn("plots/never")
    assert "compare_mean_se_steps.png" not in drawn("plots/never")


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
    flags = ["--per_seed", "best", "--where", "seed < 1"]
    assert run_command_line(["plot", str(tiny), *flags]) == 0
    found = [Path(name) for name in drawn("plots/tiny") if name.startswith("per_seed/")]
    assert len(found) == 4
    assert {path.name for path in found} == {"seed_returns.png", "seed_steps.png"}
    assert {path.parent.name for path in found} == {"s0"}
    assert {path.parts[2] for path in found} == {"standard", "harmonic"}
