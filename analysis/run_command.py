"""`hq-ray run`: from flags to a spec of single values. What is done with it: `run_tasks`."""

import contextlib
import re
from collections.abc import Callable
from pathlib import Path

import click

from hq_ray.cli import SETTINGS, Count, ray_flags
from hq_ray.errors import InputError, near_miss
from hq_ray.hyperparameters import HYPERPARAMETERS, Hyperparameter, Value
from hq_ray.trial import parse_seeds
from hq_ray.updates import VARIANTS, parse_variants

TASKS = ("train", "plot", "compare", "all")


class HyperparameterValue(click.ParamType):
    """A flag's text as the value of one hyperparameter."""

    def __init__(self, row: Hyperparameter):
        self.row = row
        self.name = {float: "number", int: "integer", str: "name"}[row.kind]

    def convert(
        self, value: object, param: click.Parameter | None, context: click.Context | None
    ) -> Value:
        """The checked value; the error says what must hold."""
        if isinstance(value, str) and self.row.kind is not str:
            with contextlib.suppress(ValueError):
                value = float(value) if self.row.kind is float else int(value)
        return self.row.check(value)


def parse_env_args(text: str) -> dict[str, object]:
    """Reads `max_speed=2,map=[1,2]` or a JSON object; values are YAML 1.2, as in a spec.

    Raises:
        InputError: neither of the two, or an argument is given twice.
    """
    from hq_ray.sweeps.spec_text import read_yaml, short_repr

    text = text.strip()
    try:
        if text.startswith("{"):
            return read_yaml(text)
        args = {}
        # Commas within a list or map are followed by no `name=`.
        for part in re.split(r",(?=[^=,]*=)", text) if text else ():
            name, equals, value = part.partition("=")
            values = read_yaml(f"[{value}\n]")
            if not name.strip() or not equals or len(values) > 1 or value.endswith(","):
                raise InputError(f"{short_repr(part)} is not like 'name=value'")
            if name.strip() in args:
                raise InputError(f"{name.strip()!r} is given twice")
            args[name.strip()] = values[0] if values else None
        return args
    except InputError as problem:
        raise InputError(
            "env_args must be like 'max_speed=2,slip_prob=0.1' or a JSON object, "
            f"got {short_repr(text)}: {problem}"
        ) from None


def _hyperparameter_flags(command: Callable) -> Callable:
    for row in reversed(HYPERPARAMETERS.values()):
        command = click.option(
            f"--{row.name}",
            type=HyperparameterValue(row),
            help=f"{row.summary}; {row.must} [default: {row.default}]",
        )(command)
    return command


@click.command(
    name="run",
    context_settings=SETTINGS,
)
@click.option("--env", required=True, help="Gymnasium id, or module:Id-v0 for one of your own.")
@click.option("--env_args", default="", help="Its arguments: 'max_speed=2,slip_prob=0.1' or JSON.")
@click.option(
    "--variants", default="both", help=f"both (standard,harmonic), or of: {', '.join(VARIANTS)}."
)
@click.option("--seeds", default="0-4", help="'0-4', '0,1,2' or a mixture.")
@click.option("--episodes", type=Count(), default=4000, help="Training length [episodes].")
@click.option("--max_steps", type=Count(), help="Step limit [default: the environment's, or 1000].")
@_hyperparameter_flags
@click.option("--smooth", type=Count(), default=151, help="Window of the curves [episodes].")
@click.option("--task", default="all", help="train, plot, compare or all.")
@click.option("--record_video", is_flag=True, help="Film each trial's greedy policy.")
@click.option("--video_max_steps", type=Count(), default=300, help="Longest film [steps].")
@click.option("--tag", help="Name of the results and of the figures [default: from the env].")
@click.option("--results", default="results", help="Folder or URI of all results.")
@click.option("--log_root", default="logs", help="Folder of the CSV logs.")
@click.option("--plots_root", default="plots", help="Folder of the figures.")
@click.option("--videos_root", default="videos", help="Folder of the videos.")
@ray_flags
def command(
    *,
    env: str,
    env_args: str,
    variants: str,
    seeds: str,
    episodes: int,
    max_steps: int | None,
    smooth: int,
    task: str,
    record_video: bool,
    video_max_steps: int,
    tag: str | None,
    results: str,
    log_root: str,
    plots_root: str,
    videos_root: str,
    **flags: object,
) -> int:
    """Train variants on one environment over seeds; plot, compare, film.

    One configuration per variant. What is already trained is not trained again, and every task
    works from what is on disk.
    """
    # Checked before the slow imports, so that a typo is answered at once.
    if task not in TASKS:
        raise InputError(f"unknown task {task!r}{near_miss(task, TASKS)}")
    spec = {
        "env": {**parse_env_args(env_args), "id": env},
        "variant": list(parse_variants(variants)),
        "seeds": parse_seeds(seeds),
        "episodes": episodes,
        "max_steps": max_steps,
    }
    given = {name: flags.pop(name) for name in HYPERPARAMETERS}
    spec["parameters"] = {name: [value] for name, value in given.items() if value is not None}
    from hq_ray.analysis.run_outputs import Outputs
    from hq_ray.analysis.run_tasks import run
    from hq_ray.sweeps.options import RunOptions

    outputs = Outputs(
        tasks=frozenset({"train", "plot", "compare"} if task == "all" else {task}),
        smooth=smooth,
        record_video=record_video,
        video_max_steps=video_max_steps,
        tag=tag,
        log_root=Path(log_root),
        plots_root=Path(plots_root),
        videos_root=Path(videos_root),
    )
    options = RunOptions(keep_q_values=True, retry_failed=True, **flags)
    return run(spec, results, outputs, options)


COMMANDS = {"run": command}
