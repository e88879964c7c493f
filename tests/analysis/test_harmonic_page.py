"""docs/harmonic.md says what the code does: its tables, numbers and figures are made again here.

Some rows of its results are trained again. All of them are, in some minutes, with

    HQ_RAY_HARMONIC=1 pytest tests/analysis/test_harmonic_page.py
"""

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from numba import njit

from hq_ray.analysis.theory import (
    effective_step_size,
    fixed_point,
    harmonic_step,
)
from hq_ray.environments import load_model
from hq_ray.sweeps.api import run_sweep
from hq_ray.sweeps.spec import Sweep
from hq_ray.sweeps.spec_text import read_yaml
from hq_ray.updates import harmonic, minimum

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "harmonic.md").read_text()
SCRIPT = runpy.run_path(str(ROOT / "docs" / "theory_figures.py"))
OUTCOMES, PROBABILITIES = SCRIPT["OUTCOMES"], SCRIPT["PROBABILITIES"]
SIMULATED_ALPHA, SIMULATED_SHIFTS = SCRIPT["SIMULATED_ALPHA"], SCRIPT["SIMULATED_SHIFTS"]
SPEC = ROOT / "sweeps" / "harmonic.yaml"
HEADS = {
    "fixed": "| `eps_shift` | E[U(y - Q)] = 0 |",
    "P1": "|  | start: harmonic |",
    "P3": "| `eps_shift` | start, law |",
    "P4": "| `alpha` | `eps_shift` |",
}


def rows(name):
    """The lines of the tables with that head, in order."""
    parts = PAGE.split("\n" + HEADS[name])[1:]
    assert parts, name
    return [line for part in parts for line in part.split("\n\n")[0].splitlines()[2:]]


def blocks():
    return re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def numbers(line):
    return [float(cell) for cell in line.strip("| ").split("|")]


def test_the_table_of_fixed_points():
    found = np.array([numbers(line) for line in rows("fixed")])
    target = (OUTCOMES, PROBABILITIES)
    assert tuple(found[:, 0]) == SIMULATED_SHIFTS
    law = [fixed_point(*target, shift) for shift in SIMULATED_SHIFTS]
    columns = (
        law,
        SCRIPT["approximate_fixed_point"](np.array(SIMULATED_SHIFTS)),
        SCRIPT["simulated_points"](),
    )
    np.testing.assert_allclose(found[:, 1:], np.transpose(columns), rtol=0, atol=0.00501)
    assert f"alpha {SIMULATED_ALPHA:g}" in PAGE
    assert "of mean -2 and variance 9" in PAGE
    assert np.dot(OUTCOMES, PROBABILITIES) == pytest.approx(-2)


def test_the_numbers_of_the_text():
    assert "it goes to 10.87; the standard update goes to 14" in PAGE
    assert 10 + 40 * effective_step_size(10.0, 50.0, 0.1, 1e-12) == pytest.approx(10.87, abs=0.005)
    assert 10 + 40 * effective_step_size(10.0, 50.0, 0.1, 1e12) == pytest.approx(14)
    assert "87 * 0.9 / (0.1 * 1e-3) = 783,000" in PAGE
    assert 87 / harmonic_step(1e12, 0.1, 1e-3) == pytest.approx(783_000)


@pytest.mark.parametrize("alpha", [0.02, 0.2, 0.8])
def test_what_is_left_over_above_the_minimum(alpha):
    assert "(1 - alpha)/alpha eps_shift of it is left over" in PAGE
    left = 100 + harmonic_step(-100.0, alpha, 1e-6)
    assert left == pytest.approx((1 - alpha) / alpha * 1e-6, rel=1e-4)
    # Downwards from a positive value to a target of 0, and upwards.
    assert harmonic(1e6, 0.0, alpha, 1e-2) <= (1 - alpha) / alpha * 1e-2
    assert harmonic(0.3, 1e9, alpha, 1e-2) + 1e-2 <= 0.31 / (1 - alpha)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_the_fixed_point_above_the_minimum_tells_its_probability(p):
    assert "c (1 + c) = (1 - p) / p" in PAGE
    c = (np.sqrt(1 + 4 * (1 - p) / p) - 1) / 2
    settled = fixed_point([-11.0, -1.0], [p, 1 - p], 1e-6)
    assert (settled + 11) / 1e-6 == pytest.approx(c, rel=1e-4)


def test_the_figures_are_the_ones_that_the_command_draws(tmp_path):
    pattern = r"`python (docs/theory_figures\.py) docs/images`"
    command = re.search(pattern, PAGE)[1].split()
    made = subprocess.run(
        [sys.executable, *command, str(tmp_path)], cwd=ROOT, capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr
    shown = re.findall(r"!\[[^]]+\]\((images/[^)]+)\)", PAGE)
    assert sorted(Path(path).name for path in shown) == sorted(p.name for p in tmp_path.iterdir())
    for path in shown:
        ours, fresh = (
            matplotlib.image.imread(folder / Path(path).name)
            for folder in (ROOT / "docs" / "images", tmp_path)
        )
        # Equal where the fonts are; elsewhere letters move by a pixel.
        assert ours.shape == fresh.shape
        assert np.abs(ours - fresh).mean() < 0.02


def test_the_spec_has_as_many_trials_as_the_page_says():
    from hq_ray.sweeps.expand import expand

    sweep = Sweep.from_yaml(SPEC.read_text())
    trials = len(expand(sweep).trials)
    assert f"{trials:,} trials" in PAGE
    assert f"{trials:,} trials" in SPEC.read_text()
    assert f"{len(sweep.seeds)} paired seeds of {sweep.episodes:,} episodes" in PAGE


@njit
def return_by_rounded_values(rule, model, alpha, rounding, n_episodes, rng):
    """Mean return of CliffWalking, greedy in values rounded to multiples of `rounding`."""
    next_state, reward, terminated = model
    q_values, total = np.zeros(reward.shape), 0.0
    for _ in range(n_episodes):
        state = 36
        for _ in range(1000):
            action = np.argmax(np.round(q_values[state] / rounding) * rounding)
            if rng.random() < 0.1:
                action = int(4 * rng.random())
            target, after = reward[state, action], next_state[state, action]
            total += target
            if not terminated[state, action]:
                target += 0.99 * q_values[after].max()
            q_values[state, action] = rule(q_values[state, action], target, alpha)
            if terminated[state, action]:
                break
            state = after
    return total / n_episodes


def test_on_the_cliff_alpha_only_picks_among_ties():
    assert "on *cliff* every alpha gives the return of `minimum`" in PAGE
    model = load_model("CliffWalking-v1", "{}")
    arrays = tuple(a[..., 0] for a in (model.next_state, model.reward, model.terminated))
    blend, least_of = njit(harmonic), njit(minimum)
    rules = (
        njit(lambda q_value, target, alpha: blend(q_value, target, alpha, 1e-6)),
        njit(lambda q_value, target, alpha: least_of(q_value, target)),
    )

    def returns(rule, alpha, rounding):
        streams = [np.random.Generator(np.random.PCG64(seed)) for seed in range(20)]
        return [
            return_by_rounded_values(rule, arrays, alpha, rounding, 1000, rng) for rng in streams
        ]

    least = returns(rules[1], 0.5, 1e-3)
    for alpha in (0.02, 0.8):
        rounded = returns(rules[0], alpha, 1e-3)
        assert np.mean(rounded) == pytest.approx(np.mean(least), abs=0.2)
    exact = returns(rules[0], 0.02, 1e-15)
    assert np.mean(exact) < np.mean(least) - 1


BRIDGE = {
    "id": "FrozenLake-v1",
    "desc": ["FFFFFFF", "FFFFFFF", "FFHHHFF", "SFFFFFG"],
    "success_rate": 0.95,
    "reward_schedule": [0, -50, -1],
}


def trained(folder, env, **changes):
    """The trials of the page's spec on one environment, with other variants or parameters."""
    content = read_yaml(SPEC.read_text())
    parameters = content["parameters"] | changes.pop("parameters", {})
    if parameters.get("eps_schedule") == "constant":
        del parameters["eps_decay_episodes"]
    content |= {"env": [env], "parameters": parameters, **changes}
    return run_sweep(Sweep.from_mapping(content), results=folder, local=True).trials()


def test_at_a_high_alpha_the_bridge_is_given_up_unless_behaviour_is_random(tmp_path):
    assert "with epsilon 1 throughout it does not" in PAGE
    trials = trained(
        tmp_path / "results",
        BRIDGE,
        variant="standard",
        episodes=20000,
        parameters={"alpha": 0.1, "eps_schedule": "constant", "eps_start": [0.5, 1.0]},
    )
    worth = trials.groupby("eps_start")["policy_value"].median()
    assert worth[0.5] < -11
    assert worth[1.0] > -9


def shift(*levels):
    return [
        "standard",
        {"id": "harmonic", "parameters": {"eps_shift": {"values": list(levels)}}},
    ]


@pytest.fixture(scope="module")
def page_code(tmp_path_factory):
    """The page's first block and its functions, run on a part of the sweep."""
    folder = tmp_path_factory.mktemp("harmonic")
    results = folder / "results"
    grid = {"id": "VelocityGrid-v0", "slip_prob": 0.0, "goal_reward": 0.0}
    for env, variant, alpha in (
        (BRIDGE, shift(10.0, 0.1), [0.02]),
        ("FrozenLake-v1", shift(0.01), [0.05]),
        (grid, shift(1e-6), [0.02, 0.8]),
    ):
        trained(results, env, variant=variant, parameters={"alpha": {"values": alpha}})
    names = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for block in blocks():
            if re.search(r"^def ", block, re.MULTILINE):
                exec(re.split(r"\nfor ", block)[0], names)
    return names


def test_a_part_of_the_results_is_trained_again(page_code, capsys):
    page_code["noisy_row"]("bridge")
    page_code["noisy_row"]("bridge", 10.0)
    page_code["noisy_row"]("bridge", 0.1)
    page_code["lake_row"](0.05, 0.01)
    assert [line for line in capsys.readouterr().out.splitlines() if line not in PAGE] == []
    by_seed, difference = page_code["by_seed"], page_code["difference"]
    ends = [
        by_seed("mean_return", "grid", "harmonic", alpha=alpha, eps_shift=1e-6)
        for alpha in (0.8, 0.02)
    ]
    assert difference(*ends, 1) in rows("P1")[1]


def test_the_law_of_the_bridge(page_code):
    for line in rows("P3")[1:7]:
        name, start, _, worth = (cell.strip() for cell in line.strip("| ").split("|")[:4])
        found = page_code["law"]("bridge", float(name))
        assert (f"{found[0]:.2f}", f"{found[1]:.2f}") == (start, worth)


@pytest.mark.timeout(1800)
def test_all_tables_of_results(tmp_path, monkeypatch, capsys):
    if not os.environ.get("HQ_RAY_HARMONIC"):
        pytest.skip("trains 10,600 trials; HQ_RAY_HARMONIC=1 runs it")
    run_sweep(Sweep.from_yaml(SPEC.read_text()), results=str(tmp_path / "results"), local=True)
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    names = {}
    for block in blocks():
        exec(block, names)
    printed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert printed == [line for name in ("P1", "P3", "P4") for line in rows(name)]
    for place, worth in (("slippery", "-100"), ("lake", "0")):
        values = names["by_seed"]("policy_value", place, "minimum")
        assert f"{values.mean():.0f}" == worth
    assert pd.notna(names["trials"]["policy_value"]).all()
