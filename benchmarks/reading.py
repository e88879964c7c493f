"""Reading 40 million episode rows: ours against pandas, DuckDB and Polars.

    python benchmarks/reading.py [--quick] [--data FOLDER] [--rounds N] [--json FILE]

The rows are those of a sweep of 10,000 trials of 4,000 episodes, which is run first unless it lies
in FOLDER. In each round every reader answers each query once in a new process, A B C A B C, with
the files in the system's cache; all answers are compared. Ratios are taken within a round. Each
reader is used as its manual has it for files of this kind. DuckDB and Polars are extras, `pip
install duckdb polars`; what is not installed is left out.
"""

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from frame import conclude, grid, parse, parser

# What makes a configuration in the sweep that is read.
KEYS = ["variant", "alpha", "eps_decay_episodes"]
CURVES, FILTERED, TRIALS = "curves", "filtered rows", "trials"
ASKED = {
    CURVES: "mean and SE over seeds, each configuration and episode",
    FILTERED: "one configuration's last tenth: seed, episode, return",
    TRIALS: "mean final return of each configuration",
}
FULL = {"alphas": 10, "decays": [500, 1000, 2000, 3000, 3500], "seeds": 100, "episodes": 4000}
QUICK = {"alphas": 2, "decays": [50, 80], "seeds": 4, "episodes": 100}
ROUNDS = 3
OURS = "hq-ray"
Queries = dict[str, Callable[[], pd.DataFrame]]


def ours(folder: str, alpha: float, decay: int, first: int) -> Queries:
    """`stream_curves`, `load_episodes` and `load_trials`."""
    from hq_ray import load_episodes, load_trials
    from hq_ray.analysis.statistics.means import mean_and_se
    from hq_ray.load import stream_curves

    def curves() -> pd.DataFrame:
        trials = load_trials(folder, columns=["trial_id", *KEYS])
        cells = trials.groupby(KEYS)["trial_id"].agg(list)
        frames = []
        for _, columns in stream_curves(folder, list(cells), ["episode_return"]):
            mean, se = mean_and_se(columns["episode_return"])
            numbers = {"episode": range(len(mean)), "mean": mean, "se": se}
            frames.append(pd.DataFrame(numbers))
        return pd.concat(dict(zip(cells.index, frames, strict=True)), names=KEYS).reset_index(KEYS)

    where = f"alpha == {alpha} and eps_decay_episodes == {decay} and variant == 'harmonic'"
    return {
        CURVES: curves,
        FILTERED: lambda: load_episodes(
            folder, f"{where} and episode >= {first}", ["seed", "episode", "episode_return"]
        ),
        TRIALS: lambda: (
            load_trials(folder, columns=[*KEYS, "final_return"])
            .groupby(KEYS, as_index=False)["final_return"]
            .mean()
        ),
    }


def with_pandas(folder: str, alpha: float, decay: int, first: int) -> Queries:
    """`read_parquet` of a folder, merge and groupby, which use one core."""
    episodes, trials = f"{folder}/episodes", f"{folder}/trials"
    chosen = [
        ("alpha", "==", alpha),
        ("eps_decay_episodes", "==", decay),
        ("variant", "==", "harmonic"),
    ]

    def curves() -> pd.DataFrame:
        kinds = pd.read_parquet(trials, columns=["config_id", *KEYS]).drop_duplicates("config_id")
        rows = pd.read_parquet(episodes, columns=["config_id", "episode", "episode_return"])
        cells = rows.groupby(["config_id", "episode"], observed=True)["episode_return"]
        found = cells.agg(mean="mean", se="sem").reset_index()
        return found.astype({"config_id": str}).merge(kinds, on="config_id")

    def filtered() -> pd.DataFrame:
        ids = pd.read_parquet(trials, columns=["trial_id"], filters=chosen)["trial_id"]
        asked = [("trial_id", "in", list(ids)), ("episode", ">=", first)]
        columns = ["seed", "episode", "episode_return"]
        return pd.read_parquet(episodes, columns=columns, filters=asked)

    def by_configuration() -> pd.DataFrame:
        frame = pd.read_parquet(trials, columns=[*KEYS, "final_return"])
        return frame.groupby(KEYS, as_index=False)["final_return"].mean()

    return {CURVES: curves, FILTERED: filtered, TRIALS: by_configuration}


def with_duckdb(folder: str, alpha: float, decay: int, first: int) -> Queries:
    """SQL over the files."""
    import duckdb

    keys = ", ".join(KEYS)
    episodes, trials = f"'{folder}/episodes/*.parquet'", f"'{folder}/trials/*.parquet'"
    texts = {
        CURVES: f"SELECT {keys}, episode, mean, se FROM (SELECT config_id, episode, "
        "avg(episode_return) AS mean, stddev_samp(episode_return) / sqrt(count(*)) AS se "
        f"FROM {episodes} GROUP BY config_id, episode) JOIN "
        f"(SELECT DISTINCT config_id, {keys} FROM {trials}) USING (config_id)",
        FILTERED: f"SELECT seed, episode, episode_return FROM {episodes} WHERE episode >= {first} "
        f"AND trial_id IN (SELECT trial_id FROM {trials} WHERE alpha = {alpha} "
        f"AND eps_decay_episodes = {decay} AND variant = 'harmonic')",
        TRIALS: f"SELECT {keys}, avg(final_return) AS final_return FROM {trials} GROUP BY {keys}",
    }
    return {name: lambda text=text: duckdb.sql(text).df() for name, text in texts.items()}


def with_polars(folder: str, alpha: float, decay: int, first: int) -> Queries:
    """Lazy scans, collected by the streaming engine, which is its quickest here."""
    import polars as pl

    episodes = pl.scan_parquet(f"{folder}/episodes/*.parquet")
    trials, value = pl.scan_parquet(f"{folder}/trials/*.parquet"), pl.col("episode_return")
    chosen = trials.filter(
        (pl.col("alpha") == alpha)
        & (pl.col("eps_decay_episodes") == decay)
        & (pl.col("variant") == "harmonic")
    )
    labels = pl.col("config_id", "trial_id").cast(pl.String)
    cells = episodes.group_by("config_id", "episode").agg(
        value.mean().alias("mean"), (value.std(ddof=1) / pl.len().sqrt()).alias("se")
    )
    kinds = trials.select("config_id", *KEYS).unique()
    lazy = {
        CURVES: cells.with_columns(pl.col("config_id").cast(pl.String)).join(kinds, on="config_id"),
        FILTERED: episodes.filter(pl.col("episode") >= first)
        .with_columns(labels)
        .join(chosen.select("trial_id"), on="trial_id", how="semi")
        .select("seed", "episode", "episode_return"),
        TRIALS: trials.group_by(KEYS).agg(pl.col("final_return").mean()),
    }

    def query(frame: "pl.LazyFrame") -> Callable[[], pd.DataFrame]:
        return lambda: pd.DataFrame(frame.collect(engine="streaming").to_dict(as_series=False))

    return {name: query(frame) for name, frame in lazy.items()}


READERS = {OURS: ours, "pandas": with_pandas, "DuckDB": with_duckdb, "Polars": with_polars}
PACKAGES = {"DuckDB": "duckdb", "Polars": "polars"}


def written(size: dict, place: str) -> str:
    """The sweep's results below a place, run as far as they are not there."""
    from hq_ray import run_sweep

    alphas = [round(0.05 * (number + 1), 2) for number in range(size["alphas"])]
    spec = {
        "name": "reading",
        "env": "FrozenLake-v1",
        "seeds": range(size["seeds"]),
        "episodes": size["episodes"],
        "parameters": {"alpha": alphas, "eps_decay_episodes": size["decays"]},
    }
    run_sweep(spec, place, local=size is QUICK)
    return str(Path(place, "reading").resolve())


def answer(reader: str, query: str, question: str, target: str) -> None:
    """Answers in this process; prints seconds and peak memory, writes the rows in one order."""
    run = READERS[reader](*json.loads(question))[query]
    started = time.perf_counter()
    found = run()
    seconds = time.perf_counter() - started
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    peak = next((int(line.split()[1]) / 1024 for line in lines if "VmHWM" in line), None)
    found = found.astype({name: str for name in ("variant",) if name in found})
    keys = [name for name in (*KEYS, "seed", "episode") if name in found]
    values = [name for name in found if name in ("mean", "se", "episode_return", "final_return")]
    found.sort_values(keys)[[*keys, *values]].to_pickle(target)
    print(json.dumps({"seconds": seconds, "peak_megabytes": peak}))


def measure(names: list[str], question: list, rounds: int, folder: str) -> pd.DataFrame:
    """A row for each query, round and reader; ends the script where answers differ."""
    rows = []
    for query in ASKED:
        expected = None
        for number in range(rounds):
            for name in names:
                target = f"{folder}/answer.pickle"
                asked = ["--answer", name, query, json.dumps(question), target]
                done = subprocess.run([sys.executable, __file__, *asked], capture_output=True)
                if done.returncode != 0:
                    sys.exit(f"{name} must answer {query!r}, but: {done.stderr.decode()[-2000:]}")
                found = pd.read_pickle(target)
                expected = found if expected is None else expected
                same = len(found) == len(expected) and all(
                    np.allclose(found[c], expected[c], rtol=1e-9, atol=1e-9)
                    if found[c].dtype.kind in "fi"
                    else (found[c].to_numpy() == expected[c].to_numpy()).all()
                    for c in expected
                )
                if not same:
                    sys.exit(f"{name} must answer {query!r} as {OURS} does")
                told = json.loads(done.stdout.splitlines()[-1])
                rows.append({"query": query, "round": number, "reader": name, **told})
    return pd.DataFrame(rows)


def main() -> None:
    if sys.argv[1:2] == ["--answer"]:
        answer(*sys.argv[2:])
        return
    options: argparse.ArgumentParser = parser(__doc__, "400 times fewer rows, one round")
    options.add_argument("--data", help="folder that has, or gets, the sweep")
    options.add_argument("--rounds", type=int, default=ROUNDS, help="how often each is measured")
    given = parse(options)
    size = QUICK if given.quick else FULL
    names = [n for n in READERS if importlib.util.find_spec(PACKAGES.get(n, "pandas"))]
    with tempfile.TemporaryDirectory() as folder:
        data = written(size, given.data or folder)
        alpha = round(0.05 * (size["alphas"] // 2 + 1), 2)
        question = [data, alpha, size["decays"][-1], size["episodes"] * 9 // 10]
        rows = measure(names, question, 1 if given.quick else given.rounds, folder)
    cell = ["query", "round"]
    mine = rows[rows["reader"] == OURS].set_index(cell)["seconds"].rename("ours")
    rows["ratio"] = rows["seconds"] / rows.join(mine, on=cell)["ours"]
    figures = ["seconds", "peak_megabytes", "ratio"]
    found = rows.groupby(["query", "reader"], sort=False)[figures].median().reset_index()
    lines = [
        [
            ASKED[row.query],
            row.reader,
            f"{row.ratio:.2f}",
            f"{row.seconds * 1e3:,.0f}",
            f"{row.peak_megabytes:,.0f}",
        ]
        for row in found.itertuples()
    ]
    headings = ["", "reader", "seconds over ours", "first time in a process [ms]", "memory [MB]"]
    skipped = {name: "not installed" for name in READERS if name not in names}
    conclude(
        given,
        [grid("40 million rows" if not given.quick else "few rows", headings, lines, labels=2)],
        rows=rows.to_dict("records"),
        skipped=skipped,
    )


if __name__ == "__main__":
    main()
