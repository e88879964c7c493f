"""The driver's peak memory over one sweep, measured in a process of its own.

    python benchmarks/driver_memory.py TRIALS [--local]

Runs that many trials of about 0.1 ms and prints one line of JSON; `scaling.py` calls it.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from jobs import LENGTHS, sweep_of

from hq_ray.sweeps.api import run_sweep


def peak_bytes() -> int:
    """The most memory that this process has had so far, resident [bytes]."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        import resource

        # In kilobytes or bytes; and a child would begin with its parent's, hence not on Linux.
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    (line,) = (line for line in lines if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def measured(n_trials: int, local: bool = False) -> dict:
    """`trials`, `seconds` and `peak_bytes` of a sweep, run by a new process."""
    command = [sys.executable, __file__, str(n_trials), *(["--local"] if local else [])]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("trials", type=int)
    options.add_argument("--local", action="store_true", help="without Ray")
    given = options.parse_args()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        sweep = sweep_of(LENGTHS[0], given.trials)
        done = run_sweep(sweep, folder, local=given.local).tally.done
    seconds = time.perf_counter() - started
    print(json.dumps({"trials": done, "seconds": seconds, "peak_bytes": peak_bytes()}))


if __name__ == "__main__":
    main()
