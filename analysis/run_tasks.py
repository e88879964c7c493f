"""What `hq-ray run` does: train what is missing, then write logs, figures and films from disk."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from hq_ray.analysis.run_manifest import replaced
from hq_ray.analysis.run_outputs import (
    QUANTITIES,
    draw,
    film,
    output_files,
    output_roots,
    write_logs,
)
from hq_ray.analysis.run_paths import RunPaths, check_writable, checked_tag
from hq_ray.analysis.run_request import Request
from hq_ray.cli import say
from hq_ray.environments import Environment, resolve, told_of
from hq_ray.errors import InputError
from hq_ray.load import load_curves
from hq_ray.location import Location
from hq_ray.store import DONE, Results
from hq_ray.sweeps.driver import Tally
from hq_ray.sweeps.plan import one_configuration_each, plan
from hq_ray.sweeps.run import run_missing
from hq_ray.trial import Trial


def run(request: Request) -> int:
    """Does the tasks of a request; returns the exit code, 1 if a trial failed.

    Raises:
        InputError: something asked for cannot be; nothing has been written.
        SweepStopped: training ended early.
    """
    environment = resolve(request.env, request.env_args)
    for notice in environment.notices:
        say(f"Notice: {notice}")
    trials = one_configuration_each(
        environment,
        request.variants,
        request.seeds,
        request.episodes,
        request.max_steps,
        request.hyperparameters,
    )
    tag = checked_tag(request.tag, environment.id, environment.args)
    paths = RunPaths(tag, request.log_root, request.plots_root, request.videos_root)
    location = Location.of(request.results).child(tag)
    results = Results.at(location)
    if problem := results.description_problem():
        say(f"Damaged: {problem}")
    training = "train" in request.tasks
    if not training:
        missing = len(plan(trials, results.published(), retry_failed=False).missing)
        if missing:
            raise InputError(
                f"trials must be trained before their figures can be drawn, but {missing} of "
                f"{len(trials)} are not in {location.text}; use --task train or --task all"
            )
    check_writable(_output_folders(request, paths, location))
    roots = output_roots(request, environment, paths)
    for flag, files in output_files(request, trials, paths).items():
        roots[flag].check(files)
    # Ray stops in the background while figures are drawn, and has stopped when the block ends.
    with ExitStack() as stack:
        tally = _train(request, environment, trials, results, stack) if training else Tally()
        if tally.interrupted:
            say(f"Interrupted with {tally.done} trials trained; the same command resumes.")
            return 130
        n_done = _write_outputs(request, environment, trials, results, paths)
    return 0 if n_done == len(trials) else 1


def _output_folders(request: Request, paths: RunPaths, location: Location) -> list[Path]:
    folders = []
    if "train" in request.tasks:
        folders += [paths.log_root, *([Path(location.path)] if location.is_local else [])]
    if request.tasks & {"plot", "compare"}:
        folders.append(paths.plots_root)
    if request.record_video:
        folders.append(paths.videos_root)
    return folders


def _train(
    request: Request,
    environment: Environment,
    trials: Sequence[Trial],
    results: Results,
    stack: ExitStack,
) -> Tally:
    where = results.location.text
    tally = run_missing(
        trials,
        results,
        request.options,
        describe=lambda: _describe(request, environment, results),
        stack=stack,
    )
    for sentence in tally.repaired.values():
        say(f"Set aside: {sentence}")
    if not (tally.done or tally.failed or tally.interrupted):
        say(f"All {len(trials)} trials are already in {where}; nothing to train.")
        return tally
    already = f", {tally.there} were there" if tally.there else ""
    say(f"Trained {tally.done} trials ({tally.steps / 1e6:.2f} M steps{already}): {where}")
    for reason, count in tally.reasons.most_common(5):
        say(f"{count} failed: {reason}")
    return tally


def _describe(request: Request, environment: Environment, results: Results) -> None:
    results.describe(
        Path(results.location.path).name,
        {
            "env": {"id": environment.id, **dict(request.env_args)},
            "variant": list(request.variants),
            "seeds": list(request.seeds),
            "episodes": request.episodes,
            "max_steps": request.max_steps or environment.max_steps,
            "parameters": dict(request.hyperparameters),
        },
        planned={environment.name: dict.fromkeys(request.variants, len(request.seeds))},
        **told_of([environment]),
    )


def _write_outputs(
    request: Request,
    environment: Environment,
    asked: Sequence[Trial],
    results: Results,
    paths: RunPaths,
) -> int:
    """Writes what the tasks ask for; returns the number of trials that are done."""
    published = results.published()
    trials = [trial for trial in asked if published.get(trial.trial_id) == DONE]
    if not trials:
        say("No trial is done; there is nothing to draw.")
        return 0
    curves = load_curves(results, trials, list(QUANTITIES.values()))
    files, roots = output_files(request, trials, paths), output_roots(request, environment, paths)
    sentence = replaced([roots[flag] for flag in files])
    if sentence:
        say(f"Notice: {sentence}")
    for flag, some in files.items():
        with roots[flag].writing(some):
            if flag == "--log_root":
                write_logs(trials, curves, paths)
            elif flag == "--plots_root":
                draw(request, environment, trials, curves, paths)
            else:
                film(request, trials, results, paths)
    return len(trials)
