"""The command `hq-ray`, also as `python -m hq_ray`."""

import os
import signal
import sys
from typing import TextIO


def main() -> None:
    """Runs the command line; exits with 0, 1 for a failure, 2 for bad input, 130 for Ctrl-C.

    SIGTERM, by which schedulers and containers stop a process, is Ctrl-C.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # Else Ray, which asks when it is imported, would answer it with a dump of its C++ stack.
    os.environ.setdefault("RAY_DISABLE_FAILURE_SIGNAL_HANDLER", "1")
    _open_standard_streams()
    try:
        here = os.getcwd()
    except OSError as problem:
        print(f"Error: the working folder must exist, but: {problem.strerror}", file=sys.stderr)
        sys.exit(2)
    # The user's environments (`module:Env-v0`) are found from where the command is run. That folder
    # comes last, so that no file in it stands in for a library.
    sys.path[:] = [path for path in sys.path if path not in ("", here)] + [here]
    from hq_ray.cli import run_command_line

    try:
        sys.exit(run_command_line())
    finally:
        _flush(sys.stdout)
        _flush(sys.stderr)


def _open_standard_streams() -> None:
    """Opens the closed ones on /dev/null; else the next file opened would get their numbers."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode))


def _flush(stream: TextIO) -> None:
    """Writes what is left; if that fails, to /dev/null, or Python would complain at the end."""
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


if __name__ == "__main__":
    main()
