"""Draws the figures of docs/harmonic.md, which names the command.

They show the update itself in the non-positive regime, not what any environment makes of it.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hq_ray.analysis.charts.figure_mechanism import (
    fixed_point_figure,
    mechanism_figure,
    step_figure,
)
from hq_ray.analysis.charts.figures import save_png
from hq_ray.analysis.theory import (
    effective_step_size,
    fixed_point,
    fixed_point_approximation,
    harmonic_step,
    simulate_fixed_point,
)

# A step that costs 1, and one in ten falls and costs 10 more.
OUTCOMES, PROBABILITIES = (-1.0, -11.0), (0.9, 0.1)
SIMULATED_SHIFTS = (100.0, 10.0, 3.0, 1.0, 0.1)
SIMULATED_ALPHA, N_UPDATES, SEED = 0.01, 2_000_000, 1
STEP_ALPHA = 0.2


def simulated_points(shifts: Sequence[float] = SIMULATED_SHIFTS) -> list[float]:
    """Where the learner's update settles for the noisy target of the page, by eps_shift."""
    return [
        simulate_fixed_point(OUTCOMES, PROBABILITIES, SIMULATED_ALPHA, shift, N_UPDATES, SEED)
        for shift in shifts
    ]


def step_size_arguments() -> dict[str, object]:
    """What `mechanism_figure` draws: alpha_eff / alpha over TD error / eps_shift."""
    error = np.sinh(np.linspace(-1, 1, 401) * np.arcsinh(1001.0))  # even on an asinh axis
    # Both operands <= 0 and delta apart, so that only delta matters.
    q_value, target = np.minimum(-error, 0.0), np.minimum(error, 0.0)
    ratios = {
        f"alpha {alpha:g}": effective_step_size(q_value, target, alpha, 1.0) / alpha
        for alpha in (0.05, 0.2, 0.5, 0.8)
    }
    return {
        "error": error,
        "ratios": ratios,
        "title": "The harmonic update shortens steps up and lengthens steps down",
        "caption": ["Q <= 0 and target <= 0. alpha_eff is at most 1, the ratio at most 1 / alpha."],
    }


def step_arguments() -> dict[str, object]:
    """What `step_figure` draws: Q' - Q over the TD error, between the two limits."""
    delta = np.linspace(-10.0, 10.0, 401)
    steps = {"standard": STEP_ALPHA * delta}
    for shift in (10.0, 1.0, 0.1):
        steps[f"eps_shift {shift:g}"] = harmonic_step(delta, STEP_ALPHA, shift)
    steps["minimum"] = np.minimum(delta, 0.0)
    return {
        "delta": delta,
        "steps": steps,
        "title": "Bounded steps up, full jumps down",
        "caption": [
            f"alpha {STEP_ALPHA:g}, Q <= 0 and target <= 0.",
            "standard: eps_shift to infinity; minimum: eps_shift to 0.",
        ],
    }


def fixed_point_arguments() -> dict[str, object]:
    """What `fixed_point_figure` draws: where Q settles when its target is noisy."""
    shifts = np.geomspace(0.01, 1e4, 241)
    simulated = SIMULATED_SHIFTS[::-1]
    mean = float(np.dot(OUTCOMES, PROBABILITIES))
    return {
        "eps_shift": shifts,
        "theory": np.array([fixed_point(OUTCOMES, PROBABILITIES, shift) for shift in shifts]),
        "approximation": fixed_point_approximation(OUTCOMES, PROBABILITIES, shifts),
        "simulated": (simulated, simulated_points(simulated)),
        "mean": mean,
        "least": min(OUTCOMES),
        "title": "Noise in the target pulls the value below its mean",
        "caption": [
            "Target: -1 with probability 0.9, -11 with 0.1.",
            f"Points: alpha {SIMULATED_ALPHA:g}, {N_UPDATES:,} updates, mean of the second half.",
        ],
    }


def theory_figures() -> dict[str, object]:
    """The page's figures by the stem of their files."""
    return {
        "harmonic_step_size": mechanism_figure(**step_size_arguments()),
        "harmonic_step": step_figure(**step_arguments()),
        "harmonic_fixed_point": fixed_point_figure(**fixed_point_arguments()),
    }


def write_theory_figures(folder: str | Path) -> list[Path]:
    """Draws them into a folder, which is created if need be; returns the files."""
    paths = []
    for stem, figure in theory_figures().items():
        paths.append(Path(folder) / f"{stem}.png")
        save_png(figure, paths[-1])
    return paths


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m hq_ray.analysis.charts.theory_figures", description=__doc__
    )
    parser.add_argument("folder", help="where to put the figures")
    for path in write_theory_figures(parser.parse_args().folder):
        print(path)
