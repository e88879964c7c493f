"""Kernel against a plain C loop of the same bits: steps per second on one core, and their ratio.

    python benchmarks/kernel_against_c.py [--quick] [--json FILE]

Needs gcc, and measures nothing without it. Both train the same 32 seeds in turn, A B A B, and
their Q tables are checked equal.
"""

import ctypes
import math
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from frame import conclude, grid, named, parse, parser, skip
from kernel import ENVIRONMENTS, EPISODES, QUICK_ENVIRONMENTS, TRIALS, trial

from hq_ray.environments import load_model, resolve
from hq_ray.kernel import train_on_kernel
from hq_ray.pcg64 import agent_stream, environment_stream
from hq_ray.tables import kernel_tables
from hq_ray.trial import Trial

SOURCE = Path(__file__).with_name("reference_kernel.c")
FLAGS = ("-O3", "-march=native", "-ffp-contract=off", "-shared", "-fPIC")


def compiled(folder: str) -> ctypes.CDLL:
    """The C loop as a library."""
    library = Path(folder) / "reference_kernel.so"
    subprocess.run(["gcc", *FLAGS, str(SOURCE), "-o", str(library)], check=True)
    return ctypes.CDLL(str(library))


def train_in_c(library: ctypes.CDLL, item: Trial) -> tuple[int, np.ndarray]:
    """(steps, Q table) of one trial."""
    model = load_model(item.env, item.env_args)
    draws = kernel_tables(model).draws
    q_values = np.zeros((model.n_states, model.n_actions))
    returns = np.empty(item.episodes)
    streams = np.concatenate([agent_stream(item.seed), environment_stream(item.seed)])
    starts = np.flatnonzero(model.start_probability)
    start_cumulative = np.ascontiguousarray(model.start_cumulative[starts])
    train = getattr(library, f"train_{item.variant}")
    train.restype = ctypes.c_int64
    whole, real = ctypes.c_int64, ctypes.c_double
    steps = train(
        *(whole(n) for n in (len(starts), model.n_actions, model.next_state.shape[2])),
        *(
            ctypes.c_void_p(a.ctypes.data)
            for a in (model.next_state, model.reward, model.cumulative, model.terminated)
        ),
        *(ctypes.c_void_p(a.ctypes.data) for a in (starts, start_cumulative)),
        whole(int(draws)),
        whole(item.episodes),
        whole(item.max_steps),
        ctypes.c_void_p(item.epsilon_schedule.values(item.episodes).ctypes.data),
        real(item.alpha),
        real(item.eps_shift or 0.0),
        real(item.gamma),
        *(ctypes.c_void_p(a.ctypes.data) for a in (streams, q_values, returns)),
    )
    return steps, q_values


def measure(library: ctypes.CDLL, env: str, args: dict, variant: str, repeats: int) -> dict:
    """Median rates of both, taken in turn."""
    environment = resolve(env, args)
    tables = kernel_tables(load_model(environment.id, environment.args))
    first = trial(environment, variant, EPISODES)
    trials = [replace(first, seed=seed) for seed in range(TRIALS)]
    logs = train_on_kernel(trials, tables)
    kernel, plain = [], []
    for _ in range(repeats):
        started = time.perf_counter()
        found = [train_in_c(library, item) for item in trials]
        plain.append(sum(steps for steps, _ in found) / (time.perf_counter() - started))
        started = time.perf_counter()
        logs = train_on_kernel(trials, tables)
        kernel.append(sum(log.steps.sum() for log in logs) / (time.perf_counter() - started))
    for log, (_, q_values) in zip(logs, found, strict=True):
        if not np.array_equal(log.q_values, q_values):
            sys.exit(f"the Q tables of {env} {args} {variant} differ")
    return {
        "env": env,
        "env_args": args,
        "variant": variant,
        "kernel": statistics.median(kernel),
        "c": statistics.median(plain),
        "ratio": statistics.median(a / b for a, b in zip(kernel, plain, strict=True)),
    }


def main() -> None:
    given = parse(parser(__doc__, f"one repeat of {QUICK_ENVIRONMENTS} environments"))
    if shutil.which("gcc") is None:
        skip(given, "kernel_against_c.py needs gcc on the PATH")
    with tempfile.TemporaryDirectory() as folder:
        library = compiled(folder)
        rows = [
            measure(library, env, args, variant, 1 if given.quick else 7)
            for env, args in ENVIRONMENTS[: QUICK_ENVIRONMENTS if given.quick else None]
            for variant in ("standard", "harmonic")
        ]
    lines = [
        [
            named(row["env"], row["env_args"]),
            row["variant"],
            f"{row['ratio']:.2f}",
            f"{row['kernel'] / 1e6:.1f}",
            f"{row['c'] / 1e6:.1f}",
        ]
        for row in rows
    ]
    headings = ["env", "variant", "kernel / C", "kernel [M steps/s]", "C [M steps/s]"]
    table = grid("kernel against plain C of the same bits, one core", headings, lines, labels=2)
    mean = math.exp(statistics.mean(math.log(row["ratio"]) for row in rows))
    told = f"geometric mean {mean:.2f}; Q tables equal"
    conclude(given, [table, told], rows=rows, geometric_mean=mean)


if __name__ == "__main__":
    main()
