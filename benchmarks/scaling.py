"""Sweeps on more workers, more nodes, more trials; and on paper, 1,000 cores and 10^8 trials.

    python benchmarks/scaling.py [--quick] [--million] [--json FILE]

Workers are those of an embedded Ray; nodes are simulated on this machine, one core each, and joined
by address as a cluster is. All are measured in turn, A B A B, each started anew; figures are
medians, ratios those within a round. Memory is the driver's peak, a process for each number of
trials. The last tables are `cost_model.py` with the costs that are measured here.
"""

import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

from contenders import load_loops, settle, worker_ready
from cost_model import (
    Costs,
    Kind,
    Limits,
    cores_fed,
    drivers,
    first_full,
    needs,
    rate_beside_driver,
)
from costs import kind_of, measured_costs
from driver_memory import measured
from frame import conclude, grid, parse, parser
from jobs import LENGTHS, sweep_of
from machine import cores
from rich.table import Table

from hq_ray.store import Results
from hq_ray.sweeps.batching import TARGET_SECONDS
from hq_ray.sweeps.expand import expand
from hq_ray.sweeps.plan import plan
from hq_ray.sweeps.run import RunOptions, run_missing
from hq_ray.sweeps.session import Session

ROUNDS = 3
JOB = LENGTHS[1]
PAPER_CORES, PAPER_TRIALS = 1_000, 10**8
# Tasks of a length that `trials_per_task` would give, beside those of `auto`.
LONG_TASK_SECONDS = 30.0
MILLION = 10**6


@contextmanager
def workers(number: int) -> Iterator[tuple[Session, str | None]]:
    """An embedded Ray of so many workers."""
    with Session(cores=number) as session:
        session.wait()
        yield session, None


@contextmanager
def nodes(number: int) -> Iterator[tuple[Session, str | None]]:
    """A cluster of so many one-core nodes, all on this machine."""
    from ray.cluster_utils import Cluster

    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    # A folder of its own, with a short name as sockets need, so that nothing is left behind.
    folder = tempfile.mkdtemp(prefix="hqb")
    head = {"num_cpus": 1, "temp_dir": folder}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        for _ in range(number - 1):
            cluster.add_node(num_cpus=1)
        with Session(cluster.address) as session:
            session.wait()
            yield session, cluster.address
    finally:
        cluster.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


def rate(session: Session, address: str | None, n_trials: int, n_workers: int) -> float:
    """Trials per second of one sweep, workers already there."""
    import ray

    task = ray.remote(worker_ready)
    settle(lambda n: ray.get([task.remote() for _ in range(n)]), n_workers)
    missing = plan(expand(sweep_of(JOB, n_trials)).trials, {}).missing
    with tempfile.TemporaryDirectory() as folder:
        options = RunOptions(address=address)
        started = time.perf_counter()
        done = run_missing(missing, Results.at(folder), options, session).done
        return done / (time.perf_counter() - started)


def throughput(quick: bool) -> list[dict]:
    """A row per place: its cores, trials per second, and that over the first place's."""
    counts = [1]
    while 2 * counts[-1] <= cores():
        counts.append(2 * counts[-1])
    places = [(workers, n) for n in counts] + [(nodes, n) for n in (1, 2)]
    if quick:
        places = [places[0], places[-1]]
    rates: dict[tuple, list[float]] = {place: [] for place in places}
    for _ in range(1 if quick else ROUNDS):
        for kind, number in places:
            with kind(number) as (session, address):
                found = rate(session, address, 100 if quick else 3_000, number)
            rates[kind, number].append(found)
    return [
        {
            "place": kind.__name__,
            "number": number,
            "trials_per_second": statistics.median(found),
            "ratio": statistics.median(a / b for a, b in zip(found, rates[places[0]], strict=True)),
        }
        for (kind, number), found in rates.items()
    ]


def memory(quick: bool, million: bool) -> list[dict]:
    sizes = [100, 1_000] if quick else [1_000, 10_000, 100_000] + [MILLION] * million
    return [measured(n, local=quick) for n in sizes]


def throughput_table(rows: list[dict], costs: Costs, kind: Kind) -> Table:
    lines = [
        [
            row["place"],
            f"{row['number']}",
            f"{row['ratio']:.2f}",
            f"{row['trials_per_second']:,.0f}",
            f"{row['trials_per_second'] / rate_beside_driver(costs, kind, row['number']):.2f}",
        ]
        for row in rows
    ]
    headings = ["", "number", "over one worker", "trials/s", "measured / model"]
    return grid(f"trials of {JOB.length} on more workers and nodes", headings, lines, labels=1)


def memory_table(points: list[dict], costs: Costs) -> Table:
    lines = [
        [f"{p['trials']:,}", f"{p['peak_bytes'] / 1e6:.0f}", f"{p['seconds']:.0f}"] for p in points
    ]
    title = f"the driver's peak memory: {costs.trial_bytes:.0f} bytes a trial"
    return grid(title, ["trials", "peak [MB]", "seconds, Ray's start in it"], lines, labels=0)


def costs_table(costs: Costs) -> Table:
    lines = [
        ["a task, driver's core", f"{costs.task_seconds * 1e6:,.0f} us"],
        ["a trial in a task, driver's core", f"{costs.trial_seconds * 1e6:.1f} us"],
        ["a trial of the plan, driver's core", f"{costs.plan_seconds * 1e6:.1f} us"],
        ["a batch, worker, beside its trials: two files", f"{costs.batch_seconds * 1e6:,.0f} us"],
        ["a trial on its way to a worker", f"{costs.argument_bytes:.0f} bytes"],
        ["a trial on its way back", f"{costs.report_bytes:.0f} bytes"],
    ]
    return grid("what hq-ray costs beside training", ["", "measured"], lines, labels=1)


def paper(costs: Costs, kinds: list[Kind]) -> list[dict]:
    """What the large sweep needs, by kind of trial and length of a task."""
    rows = []
    for task_seconds in (TARGET_SECONDS, LONG_TASK_SECONDS):
        for kind in kinds:
            need = needs(costs, kind, PAPER_CORES, PAPER_TRIALS, task_seconds)
            first, share = first_full(need, Limits())
            number = drivers(costs, kind, PAPER_CORES, PAPER_TRIALS, Limits(), task_seconds)
            chosen = {"length": kind.length, "task_seconds": task_seconds}
            rest = {"first": first, "share": share, "drivers": number}
            rows.append({**chosen, **asdict(need), "seconds": need.seconds, **rest})
    return rows


def paper_table(rows: list[dict]) -> Table:
    lines = [
        [
            row["length"],
            row["first"],
            f"{row['share']:.1f}",
            "-" if row["drivers"] is None else f"{row['drivers']}",
            f"{row['task_seconds']:.0f}",
            f"{row['workers_seconds'] / 3600:.2f}",
            f"{row['driver_seconds'] / 3600:.2f}",
            f"{row['driver_bytes'] / 1e9:.0f}",
            f"{row['under_way_bytes'] / 1e6:,.0f}",
            f"{row['files'] / 1e6:.2f}",
            f"{row['disk_bytes'] / 1e12:.2f}",
        ]
        for row in rows
    ]
    headings = [
        *("trial", "full first", "need / limit", "drivers", "task [s]", "workers [h]"),
        *("driver [h]", "memory [GB]", "store [MB]", "files [M]", "disk [TB]"),
    ]
    title = f"on paper: {PAPER_TRIALS:,} trials on {PAPER_CORES:,} cores, one driver"
    return grid(title, headings, lines, labels=2)


def main() -> None:
    options = parser(__doc__, "one round, few trials, and memory without Ray")
    options.add_argument("--million", action="store_true", help="memory of a million trials too")
    given = parse(options)
    load_loops()  # compiled here, or the first driver's memory would be the compiler's
    points = memory(given.quick, given.million)
    rows = throughput(given.quick)
    with Session() as session:
        session.wait()
        costs = measured_costs(session, points, given.quick)
    n_trials, repeats = (8, 1) if given.quick else (256, 3)
    kinds = [kind_of(job, n_trials, repeats, costs.batch_seconds) for job in LENGTHS]
    predicted = paper(costs, kinds)
    feeds = ", ".join(f"{kind.length}: {cores_fed(costs, kind):,.0f}" for kind in kinds)
    conclude(
        given,
        [
            throughput_table(rows, costs, kinds[LENGTHS.index(JOB)]),
            memory_table(points, costs),
            costs_table(costs),
            paper_table(predicted),
            f"cores that one driver keeps at work, by length of a trial: {feeds}",
        ],
        throughput=rows,
        memory=points,
        costs=asdict(costs),
        kinds=[asdict(kind) for kind in kinds],
        limits=asdict(Limits()),
        paper=predicted,
    )


if __name__ == "__main__":
    main()
