import click
import pytest

from hq_ray.cli import COMMANDS, cli, run_command_line
from hq_ray.errors import InputError, ResultsError


def ending_in(problem):
    @click.command()
    def command():
        if isinstance(problem, BaseException):
            raise problem
        return problem

    return command


@pytest.mark.parametrize(
    ("ending", "code", "sentence"),
    [
        (None, 0, None),
        (1, 1, None),
        (130, 130, None),
        (InputError("alpha must be in (0, 1], got 2"), 2, "alpha must be in (0, 1], got 2"),
        (ResultsError("results are damaged"), 1, "results are damaged"),
        (click.UsageError("no such flag"), 2, "no such flag"),
        (InputError("no such\nstate\n  here"), 2, "no such state here"),
        (KeyboardInterrupt(), 130, "interrupted; run the same command again to finish"),
        (OSError(30, "Read-only", "r/x"), 1, "the system refuses r/x: Read-only"),
        (OSError(24, "Too many open files"), 1, "the system refuses: Too many open files"),
        (OSError("no route"), 1, "the system refuses: no route"),
        (TimeoutError(), 1, "the system refuses: TimeoutError"),
    ],
)
def test_how_a_command_ends_becomes_a_code_and_one_sentence(ending, code, sentence, capsys):
    assert run_command_line([], ending_in(ending)) == code
    out, err = capsys.readouterr()
    assert (out, err.strip()) == ("", f"Error: {sentence}" if sentence else "")


def test_a_mistake_of_our_own_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        run_command_line([], ending_in(ZeroDivisionError()))


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_lists_every_command(arguments, capsys):
    assert run_command_line(arguments) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for name, (_, summary) in COMMANDS.items():
        assert cli.get_command(click.Context(cli), name).name == name
        assert name in out
        assert summary in " ".join(out.split())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["rum"], "unknown command 'rum'; did you mean 'run'?"),
        (["--verison"], "No such option '--verison'. Did you mean '--version'?"),
        (["zzzzzz"], "unknown command 'zzzzzz'; known: run"),
    ],
)
def test_a_typo_has_its_near_miss(arguments, sentence, capsys):
    assert run_command_line(arguments) == 2
    out, err = capsys.readouterr()
    assert (out, err.startswith(f"Error: {sentence}"), err.count("\n")) == ("", True, 1)
