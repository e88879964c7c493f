"""Versions of this software and of what decides its numbers."""

import importlib.metadata
import platform
import subprocess
from pathlib import Path

VERSIONED = ("gymnasium", "numpy", "numba", "pyarrow", "pandas", "ray")


def versions() -> dict[str, str | None]:
    """Versions of this software and of what decides its numbers."""
    found = {name: importlib.metadata.version(name) for name in VERSIONED}
    try:
        ours = importlib.metadata.version("hq-ray")
    except importlib.metadata.PackageNotFoundError:
        ours = None
    return {
        "hq_ray": ours,
        "git_commit": _git_commit(),
        "python": platform.python_version(),
        **found,
    }


def _git_commit() -> str | None:
    here = Path(__file__).resolve().parent
    try:
        told = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, timeout=5
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return told.stdout.strip() if told.returncode == 0 else None
