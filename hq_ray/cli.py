"""The command line: the group of commands, and what the commands share.

A command lies in the package of what it commands and is imported only when it is used.
"""

import contextlib
import importlib
import re
import sys
from collections.abc import Callable
from functools import partial, reduce

import click

from hq_ray.errors import HqRayError, InputError, near_miss, one_line, shortened

Count = partial(click.IntRange, 1)
# Flags accept `_` and `-` alike.
SETTINGS = {"token_normalize_func": lambda flag: flag.replace("_", "-"), "show_default": True}


def _trials_per_task(context: click.Context, flag: click.Parameter, value: str) -> int | None:
    return None if value == "auto" else Count()(value, flag, context)


def flags(*options: Callable) -> Callable[[Callable], Callable]:
    """Several options as one decorator, in the order of `--help`."""
    return lambda command: reduce(lambda made, option: option(made), reversed(options), command)


smooth_flag = click.option(
    "--smooth", type=Count(), default=151, help="Smoothing window of the curves [episodes]."
)
engine_flag = click.option(
    "--engine", default="auto", help="auto, kernel or gymnasium; the log is the same."
)
# Where and how trials run; none changes what is logged.
ray_flags = flags(
    click.option("--local", is_flag=True, help="Train in this process, without Ray."),
    click.option(
        "--address", envvar="RAY_ADDRESS", help="Ray cluster to join [default: embedded]."
    ),
    click.option("--cores", type=Count(), help="Cores of the embedded Ray [default: all]."),
    click.option(
        "--max_cores", type=Count(), default=1000, help="Most cores to ask an autoscaler for."
    ),
    click.option(
        "--trials_per_task",
        callback=_trials_per_task,
        default="auto",
        metavar="INTEGER",
        help="auto, or a number.",
    ),
    engine_flag,
    click.option("--repair", is_flag=True, help="Set damaged batches aside, and train them anew."),
    click.option(
        "--accept_source", is_flag=True, help="Continue where an environment's code has changed."
    ),
)


def say(sentence: str) -> None:
    """Prints one line on standard output."""
    try:
        print(_shown(sentence), flush=True)
    except OSError as problem:
        problem.filename = "standard output"
        raise


def _shown(text: str) -> str:
    """A message as one line that is not too long, with the credentials in URIs masked."""
    return shortened(re.sub(r"://[^\s@]*:[^\s@]*@", "://***@", one_line(text)), 1000)


# name: (module below hq_ray, one line for `hq-ray --help`)
COMMANDS = {
    "run": ("analysis.run", "Train variants on one environment over seeds; draw, film."),
    "init": ("sweeps.commands", "Write a commented spec to start from."),
    "schema": ("sweeps.commands", "Print the JSON schema of a spec, for editors."),
    "plan": ("sweeps.commands", "Count what a spec means; estimate its cost from a few pilots."),
    "sweep": ("sweeps.commands", "Run the missing trials of a spec."),
    "status": ("sweeps.results_commands", "Count what a results folder holds; show failures."),
    "trials": ("analysis.commands", "List trials with their ids; filter, sort, export them."),
    "plot": ("analysis.commands", "Draw learning curves of the best configurations."),
    "compare": ("analysis.commands", "Compare the variants: which is better, where, how surely."),
    "report": ("analysis.commands", "Write one HTML page that answers which variant wins."),
    "replay": ("sweeps.results_commands", "Retrain one trial and compare its log, byte for byte."),
    "verify": ("sweeps.results_commands", "The same for a random sample."),
    "upgrade": ("sweeps.results_commands", "Rewrite a results folder of an older schema in place."),
}


class LazyGroup(click.Group):
    """Knows its commands by name; imports one when it is called or its own help is asked for."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Names of all commands."""
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """The command of that name."""
        if name not in COMMANDS:
            raise InputError(f"unknown command {name!r}{near_miss(name, COMMANDS)}")
        return importlib.import_module(f"hq_ray.{COMMANDS[name][0]}").COMMANDS[name]

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="hq-ray", message="hq-ray %(version)s")
@click.pass_context
def cli(context: click.Context) -> None:
    """Compare tabular Q-learning update rules: train on Ray, log in Parquet, plot."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def run_command_line(arguments: list[str] | None = None, command: click.Command = cli) -> int:
    """Runs a command and turns what it raises into one sentence and an exit code."""
    try:
        result = command.main(args=arguments, prog_name="hq-ray", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except click.ClickException as problem:
        sentence, code = problem.format_message(), problem.exit_code
    except HqRayError as problem:
        sentence, code = str(problem), 2 if isinstance(problem, InputError) else 1
    except (KeyboardInterrupt, click.Abort):
        sentence, code = "interrupted; run the same command again to finish", 130
    except BrokenPipeError:  # whoever read standard output has heard enough, as `head` has
        return 1
    except OSError as problem:  # a disk, a network, standard output
        named = f" {problem.filename}" if problem.filename else ""
        reason = problem.strerror or str(problem) or type(problem).__name__
        sentence, code = f"the system refuses{named}: {reason}", 1
    with contextlib.suppress(OSError):
        print(f"Error: {_shown(sentence)}", file=sys.stderr)
    return code
