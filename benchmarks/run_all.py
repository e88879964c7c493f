"""All benchmarks, one after the other, each in a process of its own.

    python benchmarks/run_all.py [--quick] [--million] [--json FILE]

Prints their tables as they come, and writes their figures into one JSON file. With `--quick`, some
tiny sizes: about a minute that shows that all of it runs, not how fast.
"""

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from frame import conclude, grid, parse, parser

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Script:
    """One benchmark: `--quick` and `--json FILE` are understood by all."""

    name: str
    measures: str
    flags: tuple[str, ...] = ()


SCRIPTS = (
    Script("kernel_speed", "kernel against the plain Gymnasium loop"),
    Script("kernel_against_c", "kernel against plain C of the same bits"),
    Script("trial_cost", "what a trial costs outside its training"),
    Script("sweep_overhead", "sweeps on Ray"),
    Script("sweep_against_others", "sweeps against Pool, joblib and Ray Tune"),
    Script("reading", "reading against pandas, DuckDB and Polars"),
    Script("scaling", "workers, nodes, memory, and a model on paper", ("--million",)),
)


def run(script: Script, flags: list[str], folder: str) -> dict:
    """What a script wrote, its seconds, and why it failed if it did."""
    target = Path(folder, f"{script.name}.json")
    print(f"\n== {script.name}: {script.measures}", flush=True)
    command = [sys.executable, HERE / f"{script.name}.py", "--json", target, *flags]
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
    options = parser(__doc__, "tiny sizes, about a minute in all")
    options.add_argument("--million", action="store_true", help="minutes more, see scaling.py")
    given = parse(options)
    asked = [f"--{name}" for name in ("quick", "million") if getattr(given, name)]
    scripts = {}
    with tempfile.TemporaryDirectory() as folder:
        for script in SCRIPTS:
            flags = [flag for flag in asked if flag in ("--quick", *script.flags)]
            scripts[script.name] = run(script, flags, folder)
    lines = [[name, outcome(found), f"{found['seconds']:.0f}"] for name, found in scripts.items()]
    print()
    table = grid("all benchmarks", ["script", "", "seconds"], lines, labels=2)
    conclude(given, [table], scripts=scripts)
    if any("failed" in found for found in scripts.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
