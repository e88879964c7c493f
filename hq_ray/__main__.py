"""The command `hq-ray`, also as `python -m hq_ray`."""

import os
import sys


def main() -> None:
    """Runs the command line; exits with 0, 1 for a failure, 2 for bad input, 130 for Ctrl-C."""
    # Environments of the user's own (`module:Env-v0`) are found from where the command is run, and
    # last, so that no file there stands in for a library.
    here = os.getcwd()
    sys.path[:] = [path for path in sys.path if path not in ("", here)] + [here]
    from hq_ray.cli import run_command_line

    sys.exit(run_command_line())


if __name__ == "__main__":
    main()
