"""The command line: one group of commands, each imported only when it is used."""

import importlib
import sys
from collections.abc import Callable

import click

from hq_ray.cli_options import one_line
from hq_ray.errors import HqRayError, InputError, near_miss

# name: (module, one line for `hq-ray --help`)
COMMANDS = {
    "run": ("hq_ray.cli_run", "Train variants on one environment over seeds; plot, compare, film."),
    "plan": ("hq_ray.cli_sweep", "Count what a spec means and estimate its cost; runs nothing."),
    "sweep": ("hq_ray.cli_sweep", "Run what is missing of a spec."),
    "status": ("hq_ray.cli_status", "Count what a results folder holds; show failures."),
    "plot": ("hq_ray.cli_plot", "Draw learning curves of the best configurations."),
    "compare": ("hq_ray.cli_plot", "Draw mean ± SE and paired differences; say who wins."),
    "report": ("hq_ray.cli_report", "Write one HTML page that answers which variant wins."),
    "select": ("hq_ray.cli_report", "Choose the best configurations for a second stage."),
    "replay": ("hq_ray.cli_replay", "Retrain one trial and compare its log, byte for byte."),
    "verify": ("hq_ray.cli_replay", "The same for a random sample."),
    "submit": ("hq_ray.cli_jobs", "Hand a sweep to a cluster's job server."),
    "job": ("hq_ray.cli_jobs", "Status, logs or stop of a submitted sweep."),
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
        return importlib.import_module(COMMANDS[name][0]).COMMANDS[name]

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="hq-ray", message="hq-ray %(version)s")
def cli() -> None:
    """Compare tabular Q-learning update rules: train on Ray, log in Parquet, plot."""


def run_command_line(arguments: list[str] | None = None, command: Callable = cli) -> int:
    """Runs a command and turns what it raises into one sentence and an exit code."""
    try:
        result = command.main(args=arguments, prog_name="hq-ray", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as problem:
        click.echo(problem.format_message())
        return 0
    except click.ClickException as problem:
        return _say(problem.format_message(), problem.exit_code)
    except InputError as problem:
        return _say(str(problem), 2)
    except HqRayError as problem:
        return _say(str(problem), 1)
    except (KeyboardInterrupt, click.Abort):
        return _say("interrupted; the same command resumes", 130)
    return result if isinstance(result, int) else 0


def _say(sentence: str, code: int) -> int:
    print(f"Error: {one_line(sentence)}", file=sys.stderr)
    return code
