"""Facts about the machine and the versions that a benchmark's figures belong to."""

import importlib.metadata
import os
import platform
from pathlib import Path

VERSIONED = ("numpy", "numba", "gymnasium", "pyarrow", "ray")


def processor() -> str:
    """The processor's name, as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def facts() -> dict[str, str | int]:
    """Processor, cores this process may use, and versions."""
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0,
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in VERSIONED},
    }
