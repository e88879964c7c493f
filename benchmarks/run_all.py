"""All benchmarks, one after the other, each in a process of its own.

    python benchmarks/run_all.py [--quick] [--json FILE]

Prints their tables as they come, and writes their figures into one JSON file. With `--quick`, some
tiny sizes: about a minute that shows that all of it runs, not how fast.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from frame import conclude, grid, parse, parser

HERE = Path(__file__).resolve().parent


# Each understands `--quick` and `--json FILE`.
SCRIPTS = {
    "kernel": "kernel against the plain Gymnasium loop",
    "kernel_against_c": "kernel against plain C of the same bits",
    "trial_cost": "what a trial costs outside its training",
    "sweeps": "sweeps against joblib and Ray Tune",
    "reading": "reading against pandas, DuckDB and Polars",
}


def run(script: str, flags: list[str], folder: str) -> dict:
    """What a script wrote, its seconds, and why it failed if it did."""
    target = Path(folder, f"{script}.json")
    print(f"\n== {script}: {SCRIPTS[script]}", flush=True)
    command = [sys.executable, HERE / f"{script}.py", "--json", target, *flags]
    started = time.perf_counter()
    status = subprocess.run(command).returncode
    seconds = time.perf_counter() - started
    content = json.loads(target.read_text()) if target.exists() else {}
    if status != 0:
        content["failed"] = f"exit status {status}"
    return {"seconds": seconds, **content}


def outcome(found: dict) -> str:
    """Whether a script ran, in a word or a sentence."""
    if "failed" in found:
        return f"failed: {found['failed']}"
    left_out = found.get("skipped") or ""
    if isinstance(left_out, dict):
        left_out = ", ".join(left_out)
    return f"left out: {left_out}" if left_out else "ran"


def main() -> None:
    given = parse(parser(__doc__, "tiny sizes, about a minute in all"))
    flags = ["--quick"] if given.quick else []
    with tempfile.TemporaryDirectory() as folder:
        scripts = {script: run(script, flags, folder) for script in SCRIPTS}
    lines = [[name, outcome(found), f"{found['seconds']:.0f}"] for name, found in scripts.items()]
    print()
    table = grid("all benchmarks", ["script", "", "seconds"], lines, labels=2)
    conclude(given, [table], scripts=scripts)
    if any("failed" in found for found in scripts.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
