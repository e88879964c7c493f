"""Reading 40 million episode rows: ours against pandas, DuckDB and Polars.

    python benchmarks/reading.py [--quick] [--data FOLDER] [--rounds N] [--json FILE]

The rows are those of a sweep of 10,000 trials of 4,000 episodes, which is run first unless it lies
in FOLDER. In each round every reader gets a new process, one after the other, A B C A B C; it
answers a query once and then again. All answers are compared before anything is timed. Ratios are
taken within a round. Files are in the system's cache. What is not installed is left out; DuckDB and
Polars are extras, `pip install duckdb polars`.
"""

import importlib.util
import json
import math
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import readers
from frame import conclude, grid, parse, parser
from readers import CURVES, FILTERED, OURS, SMOOTHED, TRIALS, Data
from rich.table import Table

from hq_ray.sweeps.api import as_sweep, run_sweep

ROUNDS = 5
TOLERANCE = 1e-9
PACKAGES = {"pandas": "pandas", "DuckDB": "duckdb", "Polars": "polars"}
# How often each is repeated in a process, after its first time.
REPEATS = {CURVES: 3, SMOOTHED: 2, FILTERED: 9, TRIALS: 9}
ASKED = {
    CURVES: "mean and SE over seeds, each configuration and episode",
    SMOOTHED: f"the same of curves smoothed over {readers.WINDOW} episodes",
    FILTERED: "one configuration's last tenth: seed, episode, return",
    TRIALS: "mean final return of each configuration",
}


@dataclass(frozen=True)
class Size:
    """Of the sweep: 2 variants x alphas x decays x seeds."""

    alphas: tuple[float, ...]
    decays: tuple[int, ...]
    seeds: int
    episodes: int

    @property
    def trials(self) -> int:
        """Number of trials."""
        return 2 * len(self.alphas) * len(self.decays) * self.seeds


FULL = Size(
    (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5),
    (500, 1000, 2000, 3000, 3500),
    seeds=100,
    episodes=4000,
)
QUICK = Size((0.1, 0.2), (50, 80), seeds=4, episodes=100)


def written(size: Size, place: str, local: bool) -> Data:
    """The sweep's results below a place, run as far as they are not there."""
    sweep = as_sweep(
        {
            "name": f"reading-{size.trials}",
            "env": "FrozenLake-v1",
            "variant": ["standard", "harmonic"],
            "seeds": f"0-{size.seeds - 1}",
            "episodes": size.episodes,
            "parameters": {
                "alpha": {"values": list(size.alphas)},
                "eps_decay_episodes": {"values": list(size.decays)},
            },
        }
    )
    run_sweep(sweep, place, local=local)
    folder = str(Path(place, f"reading-{size.trials}").resolve())
    middle = size.alphas[len(size.alphas) // 2]
    return Data(folder, middle, size.decays[-1], size.episodes * 9 // 10)


def child(reader: str, query: str, data: Data, *flags: str | Path) -> dict:
    """What a new process of a reader told; why it failed, if it did."""
    command = [sys.executable, readers.__file__, reader, query, data.to_json(), *flags]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 0:
        return json.loads(done.stdout.splitlines()[-1])
    last = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
    return {"failed": last[0]}


def largest_difference(left: list, right: list) -> float:
    """Between rows of the same keys; infinite where rows or labels differ, or one is NaN."""
    if len(left) != len(right) or {len(row) for row in [*left, *right]} != {len(left[0])}:
        return math.inf
    pairs = (pair for rows in zip(left, right, strict=True) for pair in zip(*rows, strict=True))
    return max(_difference(one, other) for one, other in pairs)


def _difference(one: float | str, other: float | str) -> float:
    if isinstance(one, str) or isinstance(other, str):
        return 0.0 if one == other else math.inf
    difference = abs(one - other)
    return math.inf if math.isnan(difference) else difference


def check(names: list[str], data: Data, queries: list[str]) -> list[dict]:
    """How far each reader's rows are from ours; ends the script if that is far.

    Returns:
        For each query and other reader the number of `rows` and the largest `difference`, or why it
        `failed`.
    """
    compared = []
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "answer.json")
        for query in queries:
            expected: list = []
            for name in names:
                told = child(name, query, data, "--answer", target)
                cell = {"query": query, "reader": name}
                if "failed" in told and name == OURS:
                    sys.exit(f"{OURS} must answer {query!r}, but {told['failed']}")
                if "failed" in told:
                    compared.append({**cell, "failed": told["failed"]})
                    continue
                rows = json.loads(target.read_text())
                if name == OURS:
                    expected = rows
                    continue
                difference = largest_difference(expected, rows)
                if difference > TOLERANCE:
                    sys.exit(f"{name} must answer {query!r} as {OURS} does; off by {difference}")
                compared.append({**cell, "rows": len(rows), "difference": difference})
    return compared


def measure(names: list[str], data: Data, rounds: int, quick: bool) -> pd.DataFrame:
    """A row for each query, round and reader."""
    rows = []
    for query, repeats in REPEATS.items():
        for number in range(rounds):
            for name in names if query != SMOOTHED else [OURS]:
                found = child(name, query, data, "--repeats", "1" if quick else str(repeats))
                later = found.pop("later", [])
                rows.append(
                    {
                        "query": query,
                        "round": number,
                        "reader": name,
                        "later": statistics.median(later) if later else None,
                        "least": min(later, default=None),
                        **found,
                    }
                )
    return pd.DataFrame(rows)


def ratios(rows: pd.DataFrame) -> pd.DataFrame:
    """Of each other reader's seconds to ours within a round, as medians."""
    keys = ["query", "round"]
    mine = rows[rows["reader"] == OURS].set_index(keys)[["first", "later"]]
    both = rows[rows["reader"] != OURS].join(mine.add_suffix("_ours"), on=keys)
    for figure in ("first", "later"):
        both[figure] = both[figure] / both[f"{figure}_ours"]
    return both.groupby(["query", "reader"], sort=False)[["later", "first"]].median().reset_index()


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Medians over rounds, the least seconds of all, and the greatest memory."""
    cells = rows.groupby(["query", "reader"], sort=False)
    names = ["later", "first", "import"]
    return (
        cells[names].median().join([cells["least"].min(), cells["peak_bytes"].max()]).reset_index()
    )


def told_ratios(found: pd.DataFrame) -> Table:
    names = list(found["reader"].unique())
    lines = []
    for query, cell in found.groupby("query", sort=False):
        values = cell.set_index("reader")
        both = [values[figure].reindex(names) for figure in ("later", "first")]
        lines.append(
            [
                ASKED[query],
                *(f"{value:.2f}" for figures in both for value in (figures.min(), *figures)),
            ]
        )
    headings = ["", *(f"{name}{when}" for when in ("", ", first") for name in ("best", *names))]
    title = f"seconds of the others over those of {OURS}: again in a process, and its first time"
    return grid(title, headings, lines, labels=1)


def told_seconds(found: pd.DataFrame) -> Table:
    lines = [
        [
            query,
            reader,
            *(f"{seconds * 1e3:,.1f}" for seconds in (later, least, first, loading)),
            f"{peak / 2**20:,.0f}",
        ]
        for query, reader, later, first, loading, least, peak in found.itertuples(index=False)
    ]
    headings = [
        *("query", "reader", "again [ms]", "least [ms]", "first [ms]", "import [ms]"),
        "memory [MB]",
    ]
    return grid("wall time, and the process's greatest memory", headings, lines, labels=2)


def told_checks(compared: list[dict]) -> list[str]:
    """What was compared, in a sentence for each query, and what could not be."""
    sentences = []
    for query in dict.fromkeys(cell["query"] for cell in compared):
        same = [c for c in compared if c["query"] == query and "failed" not in c]
        if same:
            sentences.append(
                f"{query}: {same[0]['rows']:,} rows of {', '.join(c['reader'] for c in same)} "
                f"equal ours, to {max(c['difference'] for c in same):.1e}"
            )
    return sentences


def failures(cells: list[dict]) -> list[str]:
    """A sentence for each query that a reader could not answer."""
    return list(
        dict.fromkeys(
            f"{cell['reader']} failed at {cell['query']}: {cell['failed']}"
            for cell in cells
            if isinstance(cell.get("failed"), str)
        )
    )


def main() -> None:
    options = parser(__doc__, "3,200 rows, once")
    options.add_argument("--data", help="where the sweep is kept from one time to the next")
    options.add_argument("--rounds", type=int, default=ROUNDS, help="how often each is measured")
    given = parse(options)
    size = QUICK if given.quick else FULL
    there = {n: importlib.util.find_spec(package) is not None for n, package in PACKAGES.items()}
    names = [OURS, *(name for name, found in there.items() if found)]
    skipped = {name: f"{PACKAGES[name]} is not installed" for name in there if not there[name]}
    with tempfile.TemporaryDirectory() as folder:
        data = written(size, given.data or folder, local=given.quick)
        compared = check(names, data, [CURVES, FILTERED, TRIALS])
        rows = measure(names, data, 1 if given.quick else given.rounds, given.quick)
    relative, found = ratios(rows), summary(rows)
    shown = [
        told_ratios(relative),
        told_seconds(found),
        f"{size.trials:,} trials of {size.episodes:,} episodes",
        *told_checks(compared),
        *failures([*compared, *rows.to_dict("records")]),
        *(f"{name} is left out: {reason}" for name, reason in skipped.items()),
    ]
    figures = {"rows": rows, "ratios": relative, "medians": found}
    conclude(
        given,
        shown,
        **{n: json.loads(frame.to_json(orient="records")) for n, frame in figures.items()},
        compared=compared,
        skipped=skipped,
    )


if __name__ == "__main__":
    main()
