"""`hq-ray run`: one configuration per variant on one environment, trained, drawn and filmed."""

import contextlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hq_ray.cli import SETTINGS, Count, flags, ray_flags, say, smooth_flag
from hq_ray.errors import InputError, near_miss, short_repr
from hq_ray.hyperparameters import HYPERPARAMETERS, Hyperparameter, Value
from hq_ray.trial import parse_seeds
from hq_ray.updates import VARIANTS, parse_variants

if TYPE_CHECKING:
    from hq_ray.analysis.run_outputs import Outputs
    from hq_ray.sweeps.options import RunOptions

TASKS = ("train", "plot", "compare", "all")
FOLDER = click.Path(path_type=Path, readable=False)


def parse_env_args(text: str) -> dict[str, object]:
    """Reads `max_speed=2,map=[1,2]` or a JSON object; values are YAML 1.2, as in a spec.

    Raises:
        InputError: neither of the two, or an argument is given twice.
    """
    from hq_ray.sweeps.spec_text import read_yaml

    text = text.strip()
    must = "env_args must be like 'max_speed=2,slip_prob=0.1' or a JSON object"
    must = f"{must}, got {short_repr(text)}"
    mapping, n_arguments = text, None
    if not text.startswith("{"):
        # Commas within a list or map are followed by no `name=`.
        pairs, n_arguments = re.subn(r"(^|,)\s*(\w+)\s*=", r'\1 "\2": ', text)
        mapping = f"{{{pairs}\n}}"
    try:
        found = read_yaml(mapping)
    except InputError as problem:
        raise InputError(f"{must}: {problem}") from None
    if not isinstance(found, dict) or n_arguments not in (None, len(found)):
        raise InputError(must)
    return found


def default_tag(env: str, env_args: str) -> str:
    """A tag made of an environment's id and arguments."""
    settings = ",".join(f"{name}-{value}" for name, value in json.loads(env_args).items())
    made = "-".join(filter(None, [env.rpartition(":")[2], settings]))
    return re.sub(r"[^\w.,+\-]+", "_", made, flags=re.ASCII).strip("_.")[:100]


def _hyperparameter_flag(row: Hyperparameter) -> Callable:
    def read(_: click.Context, __: click.Parameter, text: str | None) -> Value | None:
        if text is None:
            return None
        value: object = text
        with contextlib.suppress(ValueError):
            value = row.kind(text)
        return row.check(value)

    words = f"{row.summary}; {row.must} [default: {row.default}]"
    kind = row.kind.__name__.upper()
    return click.option(f"--{row.name}", metavar=kind, callback=read, help=words)


@click.command(name="run", context_settings=SETTINGS)
@click.option("--env", required=True, help="Gymnasium id, or module:Id-v0 for one of your own.")
@click.option("--env_args", default="", help="Its arguments: 'max_speed=2,slip_prob=0.1' or JSON.")
@click.option(
    "--variants", default="both", help=f"both (standard,harmonic), or of: {', '.join(VARIANTS)}."
)
@click.option("--seeds", default="0-4", help="'0-4', '0,1,2' or a mixture.")
@click.option("--episodes", type=Count(), default=4000, help="Training length [episodes].")
@click.option("--max_steps", type=Count(), help="Step limit [default: the environment's, or 1000].")
@flags(*map(_hyperparameter_flag, HYPERPARAMETERS.values()))
@smooth_flag
@click.option("--task", default="all", help="train, plot, compare or all.")
@click.option("--record_video", is_flag=True, help="Film each trial's greedy policy.")
@click.option("--video_max_steps", type=Count(), default=300, help="Longest film [steps].")
@click.option("--tag", help="Name of the results and of the figures [default: from the env].")
@click.option("--results", default="results", help="Folder or URI that holds the results folders.")
@click.option("--log_root", type=FOLDER, default="logs", help="Folder of the CSV logs.")
@click.option("--plots_root", type=FOLDER, default="plots", help="Folder of the figures.")
@click.option("--videos_root", type=FOLDER, default="videos", help="Folder of the videos.")
@ray_flags
def command(
    *, env: str, env_args: str, variants: str, seeds: str, results: str, **rest: Any
) -> int:
    """Train variants on one environment over seeds; plot, compare, film.

    One configuration per variant. What is already trained is not trained again, and every task
    works from what is on disk.
    """
    # Checked before the slow imports, so that a typo is answered at once.
    if rest["task"] not in TASKS:
        raise InputError(f"unknown task {rest['task']!r}{near_miss(rest['task'], TASKS)}")
    given = {name: rest.pop(name) for name in HYPERPARAMETERS}
    spec = {
        "env": {**parse_env_args(env_args), "id": env},
        "variant": list(parse_variants(variants)),
        "seeds": parse_seeds(seeds),
        "episodes": rest.pop("episodes"),
        "max_steps": rest.pop("max_steps"),
        "parameters": {name: [value] for name, value in given.items() if value is not None},
    }
    from hq_ray.analysis.run_outputs import Outputs
    from hq_ray.sweeps.options import RunOptions

    outputs = Outputs(**{field.name: rest.pop(field.name) for field in fields(Outputs)})
    return run(spec, results, outputs, RunOptions(keep_q_values=True, retry_failed=True, **rest))


def run(spec: Mapping, results: str, outputs: "Outputs", options: "RunOptions") -> int:
    """Trains what is missing, then writes logs, figures and films from disk, as the task says.

    Args:
        spec: of one environment and single values, without a name.
        results: folder or URI of all results.
        outputs: without a tag, it is made of the environment's id and arguments.
        options: of training.

    Returns:
        The exit code, 1 if a trial failed.

    Raises:
        InputError: something asked for cannot be; nothing has been written.
        SweepStopped: training ended early.
    """
    from hq_ray.analysis.run_outputs import output_roots, write_outputs
    from hq_ray.location import Location, writable
    from hq_ray.store import DONE, Results
    from hq_ray.sweeps.commands import run_and_tell, tell_opened
    from hq_ray.sweeps.expand import check_read, expand
    from hq_ray.sweeps.plan import plan
    from hq_ray.sweeps.spec import Sweep

    sweep = Sweep.from_mapping({**spec, "name": "run" if outputs.tag is None else outputs.tag})
    expanded = expand(sweep)
    if outputs.tag is None:
        first = expanded.trials[0]
        outputs = replace(outputs, tag=default_tag(first.env, first.env_args))
        sweep = Sweep.from_mapping({**spec, "name": outputs.tag})
    place = Results.at(Location.of(results).child(sweep.name))
    tell_opened(place, expanded)
    try:
        check_read(sweep, expanded.trials)
    except InputError as problem:
        say(f"Notice: {problem}")
    if not outputs.makes("train"):
        missing = len(plan(expanded.trials, place.published(), retry_failed=False).missing)
        if missing:
            raise InputError(
                f"trials must be trained before their figures can be drawn, but {missing} of "
                f"{len(expanded.trials)} are not in {place.location.text}; use --task train or "
                "--task all"
            )
    given = {name: value for name, (value,) in spec["parameters"].items()}
    for root in output_roots(outputs, expanded.trials, given):
        writable(root.folder)
        root.check()
    # Ray stops in the background while figures are drawn, and has stopped when the block ends.
    with contextlib.ExitStack() as stack:
        if outputs.makes("train"):
            if place.location.is_local:
                writable(place.location.path)
            if run_and_tell(sweep, place, expanded, options, stack).interrupted:
                return 130
        published = place.published()
        done = [trial for trial in expanded.trials if published.get(trial.trial_id) == DONE]
        if done:
            write_outputs(outputs, done, given, place)
        else:
            say("No trial is done; there is nothing to draw.")
    return 0 if len(done) == len(expanded.trials) else 1


COMMANDS = {"run": command}
