"""The command `hq-ray`, also as `python -m hq_ray`."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

OURS = ("envs", "sweeps", "analysis")


def intruders() -> list[str]:
    """Sentences about top-level packages of our names that do not lie beside `hq_ray`."""
    home = Path(__file__).resolve().parent.parent
    found = []
    for name in OURS:
        spec = find_spec(name)
        places = (
            [Path(p).resolve() for p in (spec.submodule_search_locations or [])] if spec else []
        )
        if places != [home / name]:
            where = spec.origin or ", ".join(map(str, places)) if spec else "nowhere"
            found.append(f"package {name!r} must be the one beside hq_ray in {home}, found {where}")
    return found


def main() -> None:
    """Runs the command line; exits with 0, 1 for a failure, 2 for bad input, 130 for Ctrl-C."""
    # Environments of the user's own (`module:Env-v0`) are found from where the command is run.
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.append(os.getcwd())
    for sentence in intruders():
        sys.exit(f"Error: {sentence}; run from another folder or rename that one")
    from hq_ray.cli import run_command_line

    sys.exit(run_command_line())


if __name__ == "__main__":
    main()
