"""What `hq-ray run` does: train what is missing, then write logs, figures and films from disk."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from hq_ray.analysis.run_manifest import OutputRoot, replaced
from hq_ray.analysis.run_outputs import (
    QUANTITIES,
    draw,
    film,
    output_files,
    output_roots,
    say_who_is_ahead,
    write_logs,
)
from hq_ray.analysis.run_paths import Outputs, check_writable, default_tag
from hq_ray.cli import say
from hq_ray.errors import InputError
from hq_ray.load import load_curves
from hq_ray.location import Location
from hq_ray.store import DONE, Results
from hq_ray.sweeps.commands import run_and_tell, tell_opened
from hq_ray.sweeps.expand import Expanded, expand
from hq_ray.sweeps.options import RunOptions
from hq_ray.sweeps.plan import plan
from hq_ray.sweeps.spec import Sweep


def run(spec: Mapping, results: str, outputs: Outputs, options: RunOptions) -> int:
    """Does the tasks of a run; returns the exit code, 1 if a trial failed.

    Args:
        spec: of one environment and single values, without a name.
        results: folder or URI of all results.
        outputs: what to make; without a tag, it is made of the environment's id and arguments.
        options: how to train.

    Raises:
        InputError: something asked for cannot be; nothing has been written.
        SweepStopped: training ended early.
    """
    sweep = Sweep.from_mapping({**spec, "name": "run" if outputs.tag is None else outputs.tag})
    expanded = expand(sweep)
    if outputs.tag is None:
        outputs = replace(outputs, tag=default_tag(*expanded.environments.values()))
        sweep = sweep.with_overrides([f"name={outputs.tag}"])
    place = Results.at(Location.of(results).child(sweep.name))
    tell_opened(place, expanded)
    if "train" not in outputs.tasks:
        missing = len(plan(expanded.trials, place.published(), retry_failed=False).missing)
        if missing:
            raise InputError(
                f"trials must be trained before their figures can be drawn, but {missing} of "
                f"{len(expanded.trials)} are not in {place.location.text}; use --task train or "
                "--task all"
            )
    local = "train" in outputs.tasks and place.location.is_local
    check_writable([*outputs.folders(), *([Path(place.location.path)] if local else ())])
    given = {name: value for name, (value,) in spec["parameters"].items()}
    roots = output_roots(outputs, expanded, given)
    for flag, files in output_files(outputs, expanded.trials).items():
        roots[flag].check(files)
    # Ray stops in the background while figures are drawn, and has stopped when the block ends.
    with ExitStack() as stack:
        if "train" in outputs.tasks:
            tally = run_and_tell(sweep, place, expanded, options, stack)
            if tally.interrupted:
                return 130
        n_done = _write_outputs(outputs, expanded, place, roots, options.engine)
    return 0 if n_done == len(expanded.trials) else 1


def _write_outputs(
    outputs: Outputs,
    expanded: Expanded,
    place: Results,
    roots: Mapping[str, OutputRoot],
    engine: str,
) -> int:
    """Writes what the tasks ask for; returns the number of trials that are done."""
    published = place.published()
    trials = [trial for trial in expanded.trials if published.get(trial.trial_id) == DONE]
    if not trials:
        say("No trial is done; there is nothing to draw.")
        return 0
    (environment,) = expanded.environments.values()
    curves = load_curves(place, trials, list(QUANTITIES.values()))
    files = output_files(outputs, trials)
    sentence = replaced([roots[flag] for flag in files])
    if sentence:
        say(f"Notice: {sentence}")
    for flag, some in files.items():
        with roots[flag].writing(some):
            if flag == "--log_root":
                write_logs(outputs, trials, curves)
            elif flag == "--plots_root":
                draw(outputs, environment, trials, curves, len(expanded.trials.seeds))
            else:
                film(outputs, trials, place, engine)
    if "train" in outputs.tasks:
        say_who_is_ahead(trials, curves)
    return len(trials)
