"""Kernel against the plain Gymnasium loop: steps per second on one core, and their ratio.

    python benchmarks/kernel_speed.py [--quick] [--json FILE]

Both train the same kind of trial (alpha 0.2, gamma 0.99, epsilon from 1 to 0.05) in turn, A B A B;
figures are medians. The kernel trains 32 seeds in one call, as a batch does; the loop one, with
fewer episodes and epsilon falling over the same share of them, on an environment as plain
`gymnasium.make` gives it.
"""

import argparse
import json
import statistics
import time
from dataclasses import replace
from pathlib import Path

import gymnasium
from machine import facts
from rich.console import Console
from rich.table import Table

from hq_ray.environments import Environment, load_model, resolve
from hq_ray.gymnasium_loop import train_on_gymnasium
from hq_ray.hyperparameters import used_hyperparameters
from hq_ray.kernel import environment_tables, train_on_kernel
from hq_ray.trial import Trial

ENVIRONMENTS = (
    ("CliffWalking-v1", {}),
    ("FrozenLake-v1", {}),
    ("FrozenLake8x8-v1", {}),
    ("Taxi-v4", {}),
    ("VelocityGrid-v0", {}),
    ("VelocityGrid-v0", {"max_speed": 2}),
)
EPISODES = 4000
TRIALS = 32
LOOP_EPISODES = {"CliffWalking-v1": 100, "Taxi-v4": 100}
LOOP_EPISODES_OTHERWISE = 400


def trial(environment: Environment, variant: str, episodes: int) -> Trial:
    """A trial whose epsilon falls over seven eighths of its episodes."""
    chosen = used_hyperparameters(variant, {"eps_decay_episodes": episodes * 7 // 8})
    return Trial(
        env=environment.id,
        env_args=environment.args,
        fingerprint=environment.fingerprint,
        variant=variant,
        seed=0,
        episodes=episodes,
        max_steps=environment.max_steps,
        **chosen,
    )


def steps_per_second(train: object, *arguments: object) -> float:
    started = time.perf_counter()
    logs = train(*arguments)
    seconds = time.perf_counter() - started
    return sum(log.steps.sum() for log in (logs if isinstance(logs, list) else [logs])) / seconds


def measure(environment: Environment, args: dict, variant: str, repeats: int) -> dict[str, float]:
    """Median rates of both, taken in turn."""
    tables = environment_tables(environment.id, environment.args)
    success = load_model(environment.id, environment.args).success_reward
    long = [replace(trial(environment, variant, EPISODES), seed=seed) for seed in range(TRIALS)]
    short = trial(environment, variant, LOOP_EPISODES.get(environment.id, LOOP_EPISODES_OTHERWISE))
    train_on_kernel(long, tables)
    kernel, loop = [], []
    for _ in range(repeats):
        loop.append(
            steps_per_second(
                train_on_gymnasium,
                short,
                gymnasium.make(environment.id, max_episode_steps=short.max_steps, **args),
                success,
            )
        )
        kernel.append(steps_per_second(train_on_kernel, long, tables))
    return {
        "kernel": statistics.median(kernel),
        "loop": statistics.median(loop),
        "ratio": statistics.median(k / g for k, g in zip(kernel, loop, strict=True)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one repeat")
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args()
    rows = []
    console = Console()
    with console.status("measuring"):
        for env, args in ENVIRONMENTS:
            environment = resolve(env, args)
            for variant in ("standard", "harmonic"):
                figures = measure(environment, args, variant, 1 if options.quick else 5)
                rows.append({"env": env, "env_args": args, "variant": variant, **figures})
    table = Table(title="kernel against the Gymnasium loop, one core")
    for heading in ("env", "variant", "kernel / loop", "kernel [M steps/s]", "loop [k steps/s]"):
        table.add_column(heading, justify="left" if heading in ("env", "variant") else "right")
    for row in rows:
        name = row["env"] + "".join(f" {k}={v}" for k, v in row["env_args"].items())
        table.add_row(
            name,
            row["variant"],
            f"{row['ratio']:,.0f}",
            f"{row['kernel'] / 1e6:.1f}",
            f"{row['loop'] / 1e3:.1f}",
        )
    console.print(table)
    console.print(facts())
    if options.json:
        options.json.write_text(json.dumps({"machine": facts(), "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
