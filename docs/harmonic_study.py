"""Prints every table of results in docs/harmonic.md and draws the figure of its answer.

    python docs/harmonic_study.py results docs/images/which_update_wins.png

The folder holds the results of sweeps/harmonic.yaml, harmonic-discount.yaml and
harmonic-garnets.yaml. All their comparisons are one family for Holm's correction.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

import hq_ray as hq
from hq_ray.analysis.charts.page import chart, panels, save_png
from hq_ray.analysis.charts.scales import write_numbers
from hq_ray.analysis.charts.style import MUTED, variant_styles
from hq_ray.analysis.statistics.means import t_interval
from hq_ray.analysis.theory import utility
from hq_ray.environments import load_model
from hq_ray.planning import greedy_start_value, optimal_values, start_value

SWEEPS = ("harmonic", "harmonic-discount", "harmonic-garnets")
METRICS = {
    "mean_return": "while learning",
    "final_return": "at the end",
    "policy_value": "policy",
}
BASELINES = ("standard", "asymmetric", "sarsa", "expected_sarsa", "double_q")
NUMBERS = ("difference", "low", "high")
GRID = {"alpha": (0.02,), "alpha_down": (0.02,), "alpha_power": (0.6,), "eps_shift": (1e-6, 1e4)}
"""The ends of the grids of sweeps/harmonic.yaml; a step size of 1 is the end of what there is."""


def row(*entries: object) -> None:
    """Prints one row of a Markdown table."""
    print("| " + " | ".join(map(str, entries)) + " |")


def head(name: str, columns: Iterable[str]) -> None:
    """Prints a table's name and its head."""
    columns = list(columns)
    print(f"\n{name}\n")
    row(*columns)
    row("---", *["---:"] * (len(columns) - 1))


def digits(values: np.ndarray) -> int:
    """Decimals that show an interval to two digits of its length, at least 0 and at most 4."""
    length = values[2] - values[1]
    return int(np.clip(1 - np.floor(np.log10(length)), 0, 4)) if length > 0 else 2


def interval(values: Iterable[float], sign: str = "+") -> str:
    """Mean and limits, `+1.2 [+0.8, +1.6]`."""
    found = np.array([*values], dtype=float)
    if np.isnan(found[0]):
        return "none"
    n = digits(found)
    middle, low, high = (f"{round(x, n) + 0.0:{sign}.{n}f}" for x in found)
    return middle if low == middle == high else f"{middle} [{low}, {high}]"


def mean_of(scores: np.ndarray) -> str:
    """Mean over seeds with its 95 % t interval."""
    return interval(t_interval(scores), sign="")


def differences(name: str, columns: dict[str, pd.DataFrame]) -> None:
    """Prints mean differences by world, in bold where Holm's p < 0.05.

    Args:
        name: of the table.
        columns: by heading, the comparisons of one variant.
    """
    head(name, ["", *columns])
    by_world = [of.set_index("env") for of in columns.values()]
    for env in by_world[0].index:
        cells = []
        for of in by_world:
            one = of.loc[env]
            text = interval(one[list(NUMBERS)])
            cells.append(f"**{text}**" if one["kind"] in ("better", "worse") else text)
        row(env, *cells)


def three_metrics(of: pd.DataFrame) -> None:
    """Prints the chosen configurations, and the differences by the three metrics."""
    head("harmonic − standard", ["", "chosen", *METRICS.values(), "Holm's p"])
    for one in of.to_dict("records"):
        found = [interval(one[f"{metric}_{end}"] for end in NUMBERS) for metric in METRICS]
        row(one["env"], one["configuration"], *found, f"{one['p_holm']:.2g}")


def edges(trials: pd.DataFrame) -> None:
    """Prints which chosen configurations of the first sweep stand at an end of their grid."""
    head("At an end of the grid", ["", *GRID])
    chosen = trials.drop_duplicates(["label", "config_id"])
    for variant, of in chosen.groupby("variant", sort=False):
        cells = []
        for name, ends in GRID.items():
            there = of[of[name].isin(ends)]
            words = [f"{one.label} {getattr(one, name):g}" for one in there.itertuples()]
            cells.append(", ".join(words) or "none")
        row(variant, *cells)


class Explored:
    """The exploration seeds of sweeps/harmonic.yaml, by world, variant and hyperparameters."""

    def __init__(self, trials: pd.DataFrame) -> None:
        self.trials = trials[trials["alpha_schedule"].fillna("constant") == "constant"]
        self.visits = trials[trials["alpha_schedule"] == "visits"]

    def scores(self, metric: str, label: str, variant: str, **settings: float) -> np.ndarray:
        """`(n_seeds,)` by rising seed; with an `alpha_power` of trials by visits."""
        of = self.visits if "alpha_power" in settings else self.trials
        found = of[(of["label"] == label) & (of["variant"] == variant)]
        for name, level in settings.items():
            found = found[found[name] == level]
        return found.sort_values("seed")[metric].to_numpy(dtype=float)

    def difference(self, metric: str, ours: tuple, base: tuple) -> str:
        """The difference of two (label, variant, settings), paired by seed, with its interval."""
        (label, variant, settings), (other, than, of) = ours, base
        gap = self.scores(metric, label, variant, **settings)
        return interval(t_interval(gap - self.scores(metric, other, than, **of)))

    def model(self, label: str):
        """The world's table."""
        env, env_args = self.trials.loc[self.trials["label"] == label, ["env", "env_args"]].iloc[0]
        return load_model(env, env_args)


def prediction_1(explored: Explored) -> None:
    """Prints values and returns at alpha 0.7 minus those at 0.02."""
    head("P1", ["", "start: harmonic", "start: standard", "return: harmonic", "return: standard"])
    there = set(explored.trials["label"])
    for label in (one for one in ("cliff", "windy grid", "slippery cliff") if one in there):
        cells = []
        for metric in ("start_value", "mean_return"):
            for variant, shift in (("harmonic", {"eps_shift": 1e-6}), ("standard", {})):
                ends = [(label, variant, {"alpha": alpha, **shift}) for alpha in (0.7, 0.02)]
                cells.append(explored.difference(metric, *ends))
        row(label, *cells)


def law(explored: Explored, label: str, eps: float, gamma: float = 0.99) -> tuple:
    """The start's value, and its greedy policy's, where E[U(r + gamma max Q - Q)] = 0."""
    model = explored.model(label)
    q_values = optimal_values(model, gamma).copy()
    for _ in range(3000):  # Newton's steps
        ahead = np.where(model.terminated, 0.0, q_values.max(axis=1)[model.next_state])
        delta = model.reward + gamma * ahead - q_values[..., None]
        rise, drop = np.maximum(delta, 0.0), np.maximum(-delta, 0.0)
        slope = 1 / (1 + rise / eps) ** 2 + 2 * drop / eps
        chance = model.probability
        q_values += (chance * utility(delta, eps)).sum(-1) / (chance * slope).sum(-1)
    return start_value(model, q_values.max(axis=1)), greedy_start_value(model, q_values, gamma)


def prediction_3(explored: Explored, label: str) -> None:
    """Prints values, policies and behaviour over eps_shift at alpha 0.02, beside the law's."""
    columns = ("start, law", "start, learned", "policy, law", "policy, learned", "reach the goal")
    head(f"P3, {label}", ["`eps_shift`", *columns, "steps"])
    for eps in (None, 1e4, 1e3, 100.0, 10.0, 1.0, 0.1):
        variant, shift = ("harmonic", {"eps_shift": eps}) if eps else ("standard", {})
        start, worth = law(explored, label, eps or 1e12)
        learned = {
            metric: mean_of(explored.scores(metric, label, variant, alpha=0.02, **shift))
            for metric in ("start_value", "policy_value", "final_success_rate", "final_steps")
        }
        found = [*learned.values()]
        name = f"{eps:g}" if eps else "standard"
        row(name, f"{start:.2f}", found[0], f"{worth:.2f}", *found[1:])


def prediction_4(explored: Explored) -> None:
    """Prints, for the lake, the start's value, and harmonic minus standard at the same alpha."""
    head("P4", ["`alpha`", "`eps_shift`", "start", "`policy_value`", "success"])
    for alpha in (0.05, 0.2):
        for eps in (1e-6, 0.1, 1.0, 10.0):
            ours = ("lake", "harmonic", {"alpha": alpha, "eps_shift": eps})
            base = ("lake", "standard", {"alpha": alpha})
            gaps = [
                explored.difference(metric, ours, base)
                for metric in ("policy_value", "final_success_rate")
            ]
            start = explored.scores("start_value", "lake", "harmonic", **ours[2])
            row(f"{alpha:g}", f"{eps:g}", mean_of(start), *gaps)


def prediction_6(explored: Explored) -> None:
    """Prints, for the overestimation grid, by how much the start's value exceeds the best one."""
    label, steps = "overestimation grid", {"alpha": 1.0, "alpha_power": 0.8}
    head("P6", ["", "start − best value", "policy − best value", "mean return"])
    best = explored.trials.loc[explored.trials["label"] == label, "optimal_value"].iloc[0]
    shifts = [{"eps_shift": eps} for eps in (1e4, 1e3, 100.0, 10.0, 1.0, 0.1, 1e-6)]
    for variant, more in [
        ("standard", {}),
        *[("harmonic", shift) for shift in shifts],
        ("double_q", {}),
        ("expected_sarsa", {}),
    ]:
        start, worth, mean = (
            explored.scores(metric, label, variant, **steps, **more)
            for metric in ("start_value", "policy_value", "mean_return")
        )
        name = f"{variant}, {more['eps_shift']:g}" if more else variant
        row(
            name,
            interval(t_interval(start - best)),
            interval(t_interval(worth - best)),
            mean_of(mean),
        )


@chart
def answer_figure(compared: pd.DataFrame) -> Figure:
    """Draws each variant's difference to the baseline with its 95 % interval, a panel per world."""
    variants = list(dict.fromkeys(compared["variant"]))
    styles = variant_styles(variants)
    worlds = list(dict.fromkeys(compared["env"]))
    height = 0.65 + 0.17 * len(variants)
    figure, found = panels(worlds, n_columns=2, panel_height=height, sharey=True)
    for axes, world in zip(found, worlds, strict=True):
        for one in compared[compared["env"] == world].itertuples():
            place, style = variants.index(one.variant), styles[one.variant]
            fill = style.color if one.kind in ("better", "worse") else "white"
            axes.hlines(place, one.low, one.high, color=style.color)
            look = {"color": style.color, "marker": style.marker, "markersize": 4.0}
            axes.plot(one.difference, place, markerfacecolor=fill, **look)
        axes.axvline(0, color=MUTED, linewidth=0.9, zorder=1.1)
        axes.set_yticks(range(len(variants)), variants)
        axes.set_ylim(len(variants) - 0.4, -0.6)
        axes.grid(axis="y", visible=False)
        axes.tick_params(axis="y", length=0)
        axes.locator_params(axis="x", nbins=4)
        write_numbers(axes.xaxis)
    return figure


def main(folder: Path, picture: Path | None) -> None:
    """Prints the tables and writes the figure."""
    paths = [folder / name for name in SWEEPS]
    against = {baseline: hq.compare(paths, baseline=baseline) for baseline in BASELINES}

    def of(variant: str, baseline: str) -> pd.DataFrame:
        return against[baseline][against[baseline]["variant"] == variant]

    relatives = ("harmonic", "minimum", *BASELINES[1:])
    differences("Against standard", {one: of(one, "standard") for one in relatives})
    differences("harmonic against", {one: of("harmonic", one) for one in BASELINES[1:]})
    pairs = {f"harmonic_{one} − {one}": of(f"harmonic_{one}", one) for one in BASELINES[2:]}
    differences("The harmonic update with other targets", pairs)
    three_metrics(of("harmonic", "standard"))
    first = hq.load_trials(paths[0])
    first["label"] = first["label"].astype(str)
    edges(first[first["role"] == "confirmation"])
    explored = Explored(first[first["role"] == "exploration"])
    prediction_1(explored)
    prediction_3(explored, "bridge")
    prediction_3(explored, "slippery cliff")
    prediction_4(explored)
    prediction_6(explored)
    if picture is not None:
        compared = against["standard"]
        # One panel for each world: those of the first sweep, and the family.
        shown = compared[~compared["env"].str.contains(r"episodes 500|gamma 1$")]
        names = shown["env"].str.partition(", episodes")[0]
        shown = shown.assign(env=names.replace("Garnet-v0, instance 0-49", "fifty Garnets"))
        figure = answer_figure(
            shown[shown["variant"] != "minimum"],
            title="Return while learning, minus that of Q-learning [reward units]",
            caption=[
                "Each variant with its best hyperparameters, on fresh seeds. Bars: 95 % t "
                "intervals of paired differences, each alone. Filled: Holm's p below 0.05 among "
                f"all {len(compared)} comparisons."
            ],
        )
        save_png(figure, picture)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python docs/harmonic_study.py", description=__doc__)
    parser.add_argument("results", type=Path, help="folder of the three results")
    parser.add_argument("picture", type=Path, nargs="?", help="where to draw the answer")
    given = parser.parse_args()
    main(given.results, given.picture)
