"""Kernel against the plain Gymnasium loop: steps per second on one core, and their ratio.

    python benchmarks/kernel.py [--quick] [--json FILE]

Both train the same kind of trial (alpha 0.2, gamma 0.99, epsilon from 1 to 0.05) in turn, A B A B;
figures are medians. The kernel trains 32 seeds in one call, as a batch does; the loop one, with
fewer episodes and epsilon falling over the same share of them, on an environment as plain
`gymnasium.make` gives it.
"""

import statistics
import time
from dataclasses import replace

import gymnasium
from frame import conclude, grid, named, parse, parser

from hq_ray.environments import Environment, load_model, resolve
from hq_ray.gymnasium_loop import train_on_gymnasium
from hq_ray.hyperparameters import used_hyperparameters
from hq_ray.kernel import train_on_kernel
from hq_ray.tables import kernel_tables
from hq_ray.trial import Trial

ENVIRONMENTS = (
    ("CliffWalking-v1", {}),
    ("FrozenLake-v1", {}),
    ("FrozenLake8x8-v1", {}),
    ("Taxi-v4", {}),
    ("VelocityGrid-v0", {}),
    ("VelocityGrid-v0", {"max_speed": 2}),
)
# The first two: one without draws of the environment's own, one with.
QUICK_ENVIRONMENTS = 2
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
    model = load_model(environment.id, environment.args)
    tables, success = kernel_tables(model), model.successes
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
    given = parse(parser(__doc__, f"one repeat of {QUICK_ENVIRONMENTS} environments"))
    rows = []
    for env, args in ENVIRONMENTS[: QUICK_ENVIRONMENTS if given.quick else None]:
        environment = resolve(env, args)
        for variant in ("standard", "harmonic"):
            figures = measure(environment, args, variant, 1 if given.quick else 5)
            rows.append({"env": env, "env_args": args, "variant": variant, **figures})
    lines = [
        [
            named(row["env"], row["env_args"]),
            row["variant"],
            f"{row['ratio']:,.0f}",
            f"{row['kernel'] / 1e6:.1f}",
            f"{row['loop'] / 1e3:.1f}",
        ]
        for row in rows
    ]
    headings = ["env", "variant", "kernel / loop", "kernel [M steps/s]", "loop [k steps/s]"]
    table = grid("kernel against the Gymnasium loop, one core", headings, lines, labels=2)
    conclude(given, [table], rows=rows)


if __name__ == "__main__":
    main()
