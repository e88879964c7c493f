"""`hq-ray submit` and `hq-ray job`: sweeps on a cluster's job server."""

import sys
from collections.abc import Callable
from pathlib import Path

import click

from hq_ray.cli import SETTINGS, say
from hq_ray.errors import InputError


def address_flag(command: Callable) -> Callable:
    """Where the job server is; Ray's own variables name it too."""
    return click.option(
        "--address",
        envvar=["RAY_API_SERVER_ADDRESS", "RAY_ADDRESS"],
        help="Job server of the cluster, http://HEAD:8265.",
    )(command)


def _connect(address: str | None) -> object:
    if not address:
        raise InputError("address must be given: --address http://HEAD:8265")
    from hq_ray.sweeps.jobs import connect

    return connect(address)


def _read(spec: str) -> str:
    try:
        return Path(spec).read_text(encoding="utf-8")
    except (OSError, ValueError) as problem:
        reason = getattr(problem, "strerror", None) or str(problem)
        raise InputError(f"the spec must be a readable file, got {spec!r}: {reason}") from None


@click.command(name="submit", context_settings=SETTINGS)
@click.argument("spec")
@address_flag
@click.option("--results", required=True, help="URI that the cluster can write, s3://bucket/place.")
@click.option("--shared_disk", is_flag=True, help="RESULTS is an absolute path on every node.")
@click.option(
    "--set", "overrides", multiple=True, help="Replace part of the spec: --set alpha=0.1,0.2."
)
@click.option(
    "--module", "modules", multiple=True, help="Python file or package folder to send along."
)
@click.option("--submission_id", help="Name of the job [default: made from the sweep's].")
@click.option("--retry_failed", is_flag=True, help="Try trials again that failed before.")
@click.option("--keep_q_values", is_flag=True, help="Store final Q tables.")
@click.option("--trials_per_task", default="auto", help="auto, or a number.")
def submit_command(
    spec: str,
    address: str | None,
    results: str,
    shared_disk: bool,
    overrides: tuple[str, ...],
    modules: tuple[str, ...],
    submission_id: str | None,
    retry_failed: bool,
    keep_q_values: bool,
    trials_per_task: str,
) -> None:
    """Hand SPEC to a cluster's job server and return; the cluster runs what is missing of it."""
    from hq_ray.sweeps.batching import parse_trials_per_task
    from hq_ray.sweeps.jobs import SweepJob, check_results

    parse_trials_per_task(trials_per_task)
    flags = ["--retry_failed"] * retry_failed + ["--keep_q_values"] * keep_q_values
    flags += ["--trials_per_task", trials_per_task] if trials_per_task != "auto" else []
    job = SweepJob(
        _read(spec),
        check_results(results, shared_disk),
        overrides,
        tuple(flags),
        tuple(Path(module) for module in modules),
    )
    try:
        name = job.sweep.name
    except InputError as problem:
        raise InputError(f"{spec}: {problem}") from None
    submitted = _connect(address).submit(job, submission_id)
    say(f"Submitted: {submitted}")
    for verb in ("status", "logs", "stop"):
        click.echo(f"  hq-ray job {verb} {submitted} --address {address}")
    click.echo(f"  hq-ray status {job.results.rstrip('/')}/{name}")


@click.group(name="job", context_settings=SETTINGS)
def job_group() -> None:
    """Ask after a submitted sweep, or stop it."""


@job_group.command(name="status")
@click.argument("submission_id")
@address_flag
def job_status(submission_id: str, address: str | None) -> int:
    """Say how the job SUBMISSION_ID stands, and what it printed last; exit code 1 if it failed."""
    server = _connect(address)
    report = server.report(submission_id)
    lines = server.logs(submission_id).strip().splitlines()
    say(f"{submission_id}: {report.status}")
    for title, text in (("", report.message), ("Last line: ", lines[-1] if lines else "")):
        if text:
            say(f"{title}{text}")
    if report.results:
        say(f"Results: {report.results}")
    return 1 if report.status == "FAILED" else 0


@job_group.command(name="logs")
@click.argument("submission_id")
@address_flag
@click.option("--follow", "-f", is_flag=True, help="Go on until the job ends.")
def job_logs(submission_id: str, address: str | None, follow: bool) -> None:
    """Print what the job SUBMISSION_ID has printed."""
    server = _connect(address)
    if follow:
        server.follow(submission_id, lambda text: print(text, end="", flush=True))
    else:
        sys.stdout.write(server.logs(submission_id))


@job_group.command(name="stop")
@click.argument("submission_id")
@address_flag
def job_stop(submission_id: str, address: str | None) -> None:
    """Have the job SUBMISSION_ID publish what is running and end; submitting again resumes."""
    if _connect(address).stop(submission_id):
        say(f"{submission_id}: stopping; submit the same spec again to resume")
    else:
        say(f"{submission_id}: had ended already")


COMMANDS = {"submit": submit_command, "job": job_group}
