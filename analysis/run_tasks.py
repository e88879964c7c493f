"""What `hq-ray run` does: train what is missing, then write logs, figures and films from disk."""

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
from hq_ray.sweeps.plan import Plan, one_configuration_each, plan
from hq_ray.sweeps.run import run_missing
from hq_ray.sweeps.session import Session
from hq_ray.sweeps.status import check_sources


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
    training = "train" in request.tasks
    planned = plan(trials, results.published(), retry_failed=training)
    if planned.missing and not training:
        raise InputError(
            f"trials must be trained before their figures can be drawn, but {len(planned.missing)} "
            f"of {len(trials)} are not in {location.text}; use --task train or --task all"
        )
    if not request.accept_source:
        check_sources(results, planned.missing, trials)
    check_writable(_output_folders(request, paths, location))
    roots = output_roots(request, environment, paths)
    for flag, files in output_files(request, trials, paths).items():
        roots[flag].check(files)
    # Ray stops in the background while figures are drawn, and has stopped when the block ends.
    with ExitStack() as stack:
        tally = _train(request, environment, planned, results, stack) if training else Tally()
        if tally.interrupted:
            say(f"Interrupted with {tally.done} trials trained; the same command resumes.")
            return 130
        _write_outputs(request, environment, planned, results, paths)
    return 1 if tally.failed or planned.failed else 0


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
    request: Request, environment: Environment, planned: Plan, results: Results, stack: ExitStack
) -> Tally:
    where, options = results.location.text, request.options
    if not planned.missing:
        say(f"All {len(planned.trials)} trials are already in {where}; nothing to train.")
        return Tally()
    session = None
    if not options.local:
        session = stack.enter_context(Session(options.address, options.cores))
    tally = run_missing(
        planned.missing,
        results,
        options,
        session,
        describe=lambda: _describe(request, environment, results),
    )
    if session is not None:
        session.close()
    already = f", {planned.n_done} were there" if planned.n_done else ""
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
    request: Request, environment: Environment, planned: Plan, results: Results, paths: RunPaths
) -> None:
    published = results.published()
    trials = [trial for trial in planned.trials if published.get(trial.trial_id) == DONE]
    if not trials:
        say("No trial is done; there is nothing to draw.")
        return
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
