"""What several commands share: number types, the flags of Ray, lines to the person."""

import sys
from collections.abc import Callable

import click

from hq_ray.errors import InputError


class Count(click.ParamType):
    """A whole number >= 1."""

    name = "integer"

    def convert(
        self, value: object, param: click.Parameter | None, context: click.Context | None
    ) -> int:
        """The number; the error names the flag."""
        if isinstance(value, int):
            return value
        text = str(value).strip()
        if not text.isdecimal() or not 1 <= int(text) < 2**31:
            raise InputError(
                f"{param.name} must be a whole number from 1 to 2147483647, got {value!r}"
            )
        return int(text)


def normalise(flag: str) -> str:
    """Flags accept `_` and `-` alike."""
    return flag.replace("_", "-")


SETTINGS = {"token_normalize_func": normalise, "show_default": True}


def ray_flags(command: Callable) -> Callable:
    """The flags that say where and how trials run; none changes what is logged."""
    for option in reversed(
        (
            click.option("--local", is_flag=True, help="Train in this process, without Ray."),
            click.option(
                "--address", envvar="RAY_ADDRESS", help="Ray cluster to join [default: embedded]."
            ),
            click.option("--cores", type=Count(), help="Cores of the embedded Ray [default: all]."),
            click.option("--trials_per_task", default="auto", help="auto, or a number."),
            click.option(
                "--engine", default="auto", help="auto, kernel or gymnasium; the log is the same."
            ),
            click.option(
                "--memory_per_task", help="Like 2GB; a trial that needs more fails [default: none]."
            ),
        )
    ):
        command = option(command)
    return command


def say(sentence: str) -> None:
    """One line to the person, on standard output."""
    print(one_line(sentence), file=sys.stdout, flush=True)


def one_line(text: str) -> str:
    """A message of several lines, as other libraries write them, as one."""
    return " ".join(text.split())
