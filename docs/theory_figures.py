"""Draws the figures of docs/harmonic.md, which names the command.

They show the update itself in the non-positive regime, not what any environment makes of it.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hq_ray.analysis.charts.page import chart, name_ends, panels, save_png
from hq_ray.analysis.charts.scales import write_numbers
from hq_ray.analysis.charts.style import (
    FURTHER_STYLES,
    INK,
    KNOWN_STYLES,
    MUTED,
    REFERENCE_STYLE,
    LineStyle,
)
from hq_ray.analysis.theory import effective_step_size, fixed_point, harmonic_step
from hq_ray.compiled import njit
from hq_ray.updates import harmonic

# A step that costs 1, and one in ten falls and costs 10 more.
OUTCOMES, PROBABILITIES = (-1.0, -11.0), (0.9, 0.1)
SIMULATED_SHIFTS = (100.0, 10.0, 3.0, 1.0, 0.1)
SIMULATED_ALPHA, N_UPDATES, SEED = 0.01, 2_000_000, 1
STEP_ALPHA = 0.2
# From dark to bright, still legible on white; the order of the values is the order of brightness.
SHADES = ("#3b0f70", "#8c2981", "#c2410c", "#a3820a")
LEAST_RATIO = 1e-5


def simulate_fixed_point(
    outcomes: Sequence[float],
    probabilities: Sequence[float],
    alpha: float,
    eps_shift: float,
    n_updates: int,
    seed: int = 0,
) -> float:
    """Mean Q over the second half of `n_updates` harmonic updates towards random targets.

    Runs the update of the learner. It starts at the mean of y, so the first half must be long
    enough for Q to come down: many times 1 / alpha updates, and more where eps_shift is small.
    """
    rule = njit(error_model="numpy")(harmonic)

    @njit(error_model="numpy")
    def updates(q_value, targets):
        total = 0.0
        for target in targets:
            q_value = rule(q_value, target, alpha, eps_shift)
            total += q_value
        return q_value, total

    rng = np.random.Generator(np.random.PCG64(seed))
    targets = rng.choice(np.asarray(outcomes, dtype=float), size=n_updates, p=probabilities)
    first, second = np.array_split(targets, [n_updates // 2])
    q_value, _ = updates(float(np.dot(outcomes, probabilities)), first)
    return updates(q_value, second)[1] / len(second)


def approximate_fixed_point(shifts: np.ndarray) -> np.ndarray:
    """E[y] - Var(y) / eps_shift for the noisy target of the page."""
    mean = np.dot(OUTCOMES, PROBABILITIES)
    variance = np.dot(np.square(OUTCOMES), PROBABILITIES) - mean**2
    return mean - variance / shifts


def simulated_points(shifts: Sequence[float] = SIMULATED_SHIFTS) -> list[float]:
    """Where the learner's update settles for the noisy target of the page, by eps_shift."""
    return [
        simulate_fixed_point(OUTCOMES, PROBABILITIES, SIMULATED_ALPHA, shift, N_UPDATES, SEED)
        for shift in shifts
    ]


@chart
def step_size_figure() -> Figure:
    """alpha_eff / alpha over TD error / eps_shift, a line for each alpha."""
    error = np.sinh(np.linspace(-1, 1, 401) * np.arcsinh(1001.0))  # even on an asinh axis
    # Both operands <= 0 and delta apart, so that only delta matters.
    q_value, target = np.minimum(-error, 0.0), np.minimum(error, 0.0)
    ratios = {
        f"alpha {alpha:g}": effective_step_size(q_value, target, alpha, 1.0) / alpha
        for alpha in (0.05, 0.2, 0.5, 0.8)
    }
    figure, (axes,) = panels(["alpha_eff / alpha"])
    axes.set_xscale("symlog", linthresh=1.0)
    axes.set(yscale="log", xlim=error[[0, -1]], ylim=(LEAST_RATIO, 40.0))
    axes.set_xticks([-1000, -30, -1, 1, 30, 1000])
    axes.set_xlabel("TD error / eps_shift")
    for axis in (axes.xaxis, axes.yaxis):
        write_numbers(axis)
    _cross(axes, 0.0, 1.0)
    name_ends(axes, _drawn(axes, error, ratios))
    return figure


@chart
def step_figure() -> Figure:
    """The step Q' - Q over the TD error, between the two limits."""
    delta = np.linspace(-10.0, 10.0, 401)
    steps = {"standard": STEP_ALPHA * delta}
    for shift in (10.0, 1.0, 0.1):
        steps[f"eps_shift {shift:g}"] = harmonic_step(delta, STEP_ALPHA, shift)
    steps["minimum"] = np.minimum(delta, 0.0)
    figure, (axes,) = panels(["step of the update, Q' - Q [reward units]"])
    axes.set(xlim=delta[[0, -1]])
    axes.set_xlabel("TD error delta = y - Q [reward units]")
    write_numbers(axes.xaxis)
    _cross(axes, 0.0, 0.0)
    name_ends(axes, _drawn(axes, delta, steps))
    return figure


@chart
def fixed_point_figure() -> Figure:
    """Where Q settles when its target is noisy: law, approximation and simulation."""
    shifts = np.geomspace(0.01, 1e4, 241)
    law = np.array([fixed_point(OUTCOMES, PROBABILITIES, shift) for shift in shifts])
    approximation = approximate_fixed_point(shifts)
    limits = {"mean of y": float(np.dot(OUTCOMES, PROBABILITIES)), "least y": min(OUTCOMES)}
    figure, (axes,) = panels(["fixed point of Q [reward units]"])
    axes.set(xscale="log", xlim=shifts[[0, -1]])
    axes.margins(y=0.1)
    axes.set_xlabel("eps_shift [reward units]")
    write_numbers(axes.xaxis)
    lines = {"law": law, "approximation": np.where(approximation < -11.5, np.nan, approximation)}
    ends = _drawn(axes, shifts, lines, marked=False)
    for name, level in limits.items():
        look = {"color": REFERENCE_STYLE.color, "linestyle": REFERENCE_STYLE.linestyle}
        axes.axhline(level, linewidth=1.0, **look)
        ends[name] = (shifts[-1], level, REFERENCE_STYLE)
    spots = {"linestyle": "", "marker": "o", "markerfacecolor": "white", "color": INK, "zorder": 3}
    axes.plot(SIMULATED_SHIFTS, simulated_points(), **spots)
    name_ends(axes, ends)
    return figure


def _drawn(
    axes: Axes, x: np.ndarray, lines: Mapping[str, np.ndarray], marked: bool = True
) -> dict[str, tuple[float, float, LineStyle]]:
    """Draws lines and says where they end; variants look like themselves."""
    ends = {}
    ordered = [name for name in lines if name not in KNOWN_STYLES]
    for number, (name, line) in enumerate(lines.items()):
        style = KNOWN_STYLES.get(name)
        if style is None:
            rank = ordered.index(name)
            style = FURTHER_STYLES[rank]
            dashes = "-" if rank == 0 else style.linestyle
            style = LineStyle(SHADES[rank], dashes, style.marker)
        look = {"color": style.color, "linestyle": style.linestyle}
        if marked:
            look |= {"marker": style.marker, "markevery": (10 + 15 * number, len(x) // 5)}
        axes.plot(x, line, **look)
        ends[name] = (x[-1], line[-1], style)
    return ends


def _cross(axes: Axes, x: float, y: float) -> None:
    """Thin lines through a point of reference."""
    axes.axvline(x, color=MUTED, linewidth=0.9, zorder=1.1)
    axes.axhline(y, color=MUTED, linewidth=0.9, zorder=1.1)


def write_theory_figures(folder: str | Path) -> list[Path]:
    """Draws them into a folder, which is created if need be; returns the files."""
    figures = {
        "harmonic_step_size": step_size_figure(
            title="The harmonic update shortens steps up and lengthens steps down",
            caption=[
                "Q <= 0 and target <= 0. alpha_eff is at most 1, the ratio at most 1 / alpha."
            ],
        ),
        "harmonic_step": step_figure(
            title="Bounded steps up, full jumps down",
            caption=[
                f"alpha {STEP_ALPHA:g}, Q <= 0 and target <= 0.",
                "standard: eps_shift to infinity; minimum: eps_shift to 0.",
            ],
        ),
        "harmonic_fixed_point": fixed_point_figure(
            title="Noise in the target pulls the value below its mean",
            caption=[
                "Target: -1 with probability 0.9, -11 with 0.1. Dotted: the limits of a great "
                "eps_shift, the mean of y, and of a small one, the least y.",
                f"Points: the update itself, alpha {SIMULATED_ALPHA:g}, {N_UPDATES:,} updates, "
                "mean of the second half.",
            ],
        ),
    }
    paths = [Path(folder) / f"{stem}.png" for stem in figures]
    for path, figure in zip(paths, figures.values(), strict=True):
        save_png(figure, path)
    return paths


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python docs/theory_figures.py", description=__doc__)
    parser.add_argument("folder", help="where to put the figures")
    for path in write_theory_figures(parser.parse_args().folder):
        print(path)
