"""Facts about the machine and the versions that a benchmark's figures belong to."""

import importlib.metadata
import os
import platform
import time
from pathlib import Path

VERSIONED = ("numpy", "numba", "gymnasium", "pyarrow", "ray")
LOOK_SECONDS = 0.3
# Of all cores; more than this and figures are those of a shared machine.
QUIET_SHARE = 0.1


def processor() -> str:
    """The processor's name, as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _ticks() -> tuple[int, int]:
    """(busy, all) clock ticks of the machine's cores since it started."""
    first = Path("/proc/stat").read_text().splitlines()[0]
    numbers = [int(word) for word in first.split()[1:9]]
    idle = numbers[3] + numbers[4]
    return sum(numbers) - idle, sum(numbers)


def busy_share() -> float | None:
    """Share of the machine's cores that is busy right now; None where the system does not tell."""
    try:
        before = _ticks()
        time.sleep(LOOK_SECONDS)
        after = _ticks()
    except OSError:
        return None
    return round((after[0] - before[0]) / max(after[1] - before[1], 1), 3)


def facts() -> dict[str, str | int | float | None]:
    """Processor, cores this process may use, how busy the machine is, and versions."""
    return {
        "processor": processor(),
        "cores": cores(),
        "load_average": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "busy_share": busy_share(),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in VERSIONED},
    }


def unquiet(machine: dict) -> str | None:
    """A sentence of warning when other work runs beside the benchmark; None when it is quiet."""
    busy = machine["busy_share"]
    if busy is None or busy <= QUIET_SHARE:
        return None
    return (
        f"the machine is not quiet: {busy:.0%} of its cores are busy before anything is measured; "
        "ratios of what is measured in turn still hold, rates are too low"
    )
