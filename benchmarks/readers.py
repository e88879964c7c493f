"""The same questions to the results of a sweep, put by four readers.

    python benchmarks/readers.py READER QUERY DATA [--repeats N] [--answer FILE]

Runs one query in this process and prints one line of JSON; `reading.py` calls it. Each reader is
used as its manual has it for files of this kind: only the columns needed, a condition that its
scan may push down, all cores, and the form of result that it is quickest to give.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

# What makes a configuration in the sweep that is read. Episodes have its `config_id`.
CONFIGURATION = ("variant", "alpha", "eps_decay_episodes")
WINDOW = 151
CURVES, SMOOTHED, FILTERED, TRIALS = "curves", "smoothed curves", "filtered rows", "trials"


@dataclass(frozen=True)
class Data:
    """What is read, and the values of the filtered query.

    Attributes:
        folder: of the results.
        alpha, eps_decay_episodes: of the configuration that is asked for, with harmonic.
        first_episode: of the last tenth.
    """

    folder: str
    alpha: float
    eps_decay_episodes: int
    first_episode: int

    def files(self, kind: str) -> str:
        """A pattern for all files of `episodes` or `trials`."""
        return f"{self.folder}/{kind}/*.parquet"

    def to_json(self) -> str:
        """As the command line takes it."""
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class Query:
    """A question as one reader puts it.

    Attributes:
        run: from files to the reader's own form of result.
        plain: that result as columns: those of the key first, in any order of rows.
    """

    run: Callable[[], Any]
    plain: Callable[[Any], list]


Queries = dict[str, Query]


def ours(data: Data) -> Queries:
    """`mean_curves`, `load_episodes` and `load_trials`; the last is grouped by pandas."""
    from hq_ray.analysis.reading.curves import mean_curves
    from hq_ray.load import load_episodes, load_trials

    keys = list(CONFIGURATION)
    where = (
        f"alpha == {data.alpha} and eps_decay_episodes == {data.eps_decay_episodes} "
        f"and variant == 'harmonic' and episode >= {data.first_episode}"
    )

    def curves(window: int) -> Callable:
        def run() -> tuple:
            trials = load_trials(data.folder, columns=["trial_id", *keys])
            cells = trials.groupby(keys)["trial_id"].agg(list)
            return cells.index, mean_curves(data.folder, list(cells), ["episode_return"], window)

        return run

    def plain(found: tuple) -> list:
        rows = [
            (*cell, episode, mean, se)
            for cell, group in zip(*found, strict=True)
            for of in group.values()
            for episode, (mean, se) in enumerate(zip(of.mean, of.se, strict=True))
        ]
        return [list(column) for column in zip(*rows, strict=True)]

    def filtered() -> Any:
        return load_episodes(data.folder, where, ["seed", "episode", "episode_return"])

    def trials() -> Any:
        found = load_trials(data.folder, columns=[*keys, "final_return"])
        return found.groupby(keys, as_index=False)["final_return"].mean()

    return {
        CURVES: Query(curves(1), plain),
        SMOOTHED: Query(curves(WINDOW), plain),
        FILTERED: Query(filtered, _columns),
        TRIALS: Query(trials, _columns),
    }


def with_pandas(data: Data) -> Queries:
    """`read_parquet` of a folder and groupby, which uses one core."""
    import pandas as pd

    keys = list(CONFIGURATION)
    episodes, trials = f"{data.folder}/episodes", f"{data.folder}/trials"
    chosen = [
        ("alpha", "==", data.alpha),
        ("eps_decay_episodes", "==", data.eps_decay_episodes),
        ("variant", "==", "harmonic"),
    ]

    def curves() -> Any:
        frame = pd.read_parquet(episodes, columns=["config_id", "episode", "episode_return"])
        cells = frame.groupby(["config_id", "episode"], observed=True)["episode_return"]
        found = cells.agg(["mean", "sem"]).reset_index().astype({"config_id": str})
        configurations = pd.read_parquet(trials, columns=["config_id", *keys]).drop_duplicates()
        found = found.merge(configurations, on="config_id")
        return found[[*keys, "episode", "mean", "sem"]]

    def filtered() -> Any:
        (config_id,) = pd.read_parquet(trials, filters=chosen)["config_id"].unique()
        filters = [("config_id", "==", config_id), ("episode", ">=", data.first_episode)]
        columns = ["seed", "episode", "episode_return"]
        return pd.read_parquet(episodes, columns=columns, filters=filters)

    def by_configuration() -> Any:
        frame = pd.read_parquet(trials, columns=[*keys, "final_return"])
        return frame.groupby(keys, as_index=False)["final_return"].mean()

    return {
        CURVES: Query(curves, _columns),
        FILTERED: Query(filtered, _columns),
        TRIALS: Query(by_configuration, _columns),
    }


def with_duckdb(data: Data) -> Queries:
    """SQL over the files; results as numpy arrays, quicker than its frames and Arrow tables."""
    import duckdb

    # It remembers footers, as ours does; off unless asked for.
    duckdb.sql("SET parquet_metadata_cache = true")
    keys = ", ".join(CONFIGURATION)
    episodes, trials = data.files("episodes"), data.files("trials")
    curves = (
        "WITH cells AS (SELECT config_id, episode, avg(episode_return) AS mean, "
        "stddev_samp(episode_return) / sqrt(count(*)) AS se "
        f"FROM '{episodes}' GROUP BY config_id, episode), "
        f"configurations AS (SELECT DISTINCT config_id, {keys} FROM '{trials}') "
        f"SELECT {keys}, episode, mean, se FROM cells JOIN configurations USING (config_id)"
    )
    filtered = (
        f"SELECT seed, episode, episode_return FROM '{episodes}' "
        f"WHERE episode >= {data.first_episode} AND config_id IN ("
        f"SELECT config_id FROM '{trials}' WHERE alpha = {data.alpha} "
        f"AND eps_decay_episodes = {data.eps_decay_episodes} AND variant = 'harmonic')"
    )
    by_configuration = f"SELECT {keys}, avg(final_return) AS mean FROM '{trials}' GROUP BY {keys}"

    def query(text: str) -> Query:
        return Query(
            lambda: duckdb.sql(text).fetchnumpy(),
            lambda found: [column.tolist() for column in found.values()],
        )

    return {CURVES: query(curves), FILTERED: query(filtered), TRIALS: query(by_configuration)}


def with_polars(data: Data) -> Queries:
    """Lazy scans, collected by the streaming engine, which is its quickest here."""
    import polars as pl

    keys = list(CONFIGURATION)
    episodes = pl.scan_parquet(data.files("episodes"))
    # Labels are categorical in files of episodes and plain text in those of trials.
    episodes = episodes.with_columns(pl.col("config_id").cast(pl.String))
    trials = pl.scan_parquet(data.files("trials"))
    mean, value = pl.col("final_return").mean(), pl.col("episode_return")
    chosen = (
        (pl.col("alpha") == data.alpha)
        & (pl.col("eps_decay_episodes") == data.eps_decay_episodes)
        & (pl.col("variant") == "harmonic")
    )
    late = episodes.filter(pl.col("episode") >= data.first_episode)
    cells = episodes.group_by("config_id", "episode").agg(
        value.mean().alias("mean"), (value.std(ddof=1) / pl.len().sqrt()).alias("se")
    )
    lazy = {
        CURVES: cells.join(trials.select("config_id", *keys).unique(), on="config_id").select(
            *keys, "episode", "mean", "se"
        ),
        FILTERED: late.join(trials.filter(chosen), on="config_id", how="semi").select(
            "seed", "episode", "episode_return"
        ),
        TRIALS: trials.group_by(*keys).agg(mean),
    }

    def query(frame: Any) -> Query:
        return Query(
            lambda: frame.collect(engine="streaming"),
            lambda found: [column.to_list() for column in found.iter_columns()],
        )

    return {name: query(frame) for name, frame in lazy.items()}


OURS = "hq-ray"
READERS: dict[str, Callable[[Data], Queries]] = {
    OURS: ours,
    "pandas": with_pandas,
    "DuckDB": with_duckdb,
    "Polars": with_polars,
}


def _columns(frame: Any) -> list:
    return [frame[name].tolist() for name in frame.columns]


def peak_bytes() -> int | None:
    """The most memory that this process has had so far, resident; None where it is not told."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def timed(function: Callable[[], Any]) -> float:
    """Seconds of wall time; what the function gives is thrown away within them."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def write_answer(columns: list, path: Path) -> None:
    """Rows as JSON, sorted by what comes first in them."""
    path.write_text(json.dumps(sorted(zip(*columns, strict=True))))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("reader", choices=READERS)
    options.add_argument("query", choices=(CURVES, SMOOTHED, FILTERED, TRIALS))
    options.add_argument("data", help="JSON of Data")
    options.add_argument("--repeats", type=int, default=0, help="of the query after the first")
    options.add_argument("--answer", type=Path, help="write the rows there")
    given = options.parse_args()
    started = time.perf_counter()
    query = READERS[given.reader](Data(**json.loads(given.data)))[given.query]
    found: dict = {"import": time.perf_counter() - started}
    if given.answer:
        write_answer(query.plain(query.run()), given.answer)
    else:
        found["first"] = timed(query.run)
        found["later"] = [timed(query.run) for _ in range(given.repeats)]
        found["peak_bytes"] = peak_bytes()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
