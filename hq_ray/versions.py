"""Versions of this software and of what decides its numbers."""

import hashlib
import importlib.metadata
import platform
import subprocess
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from hq_ray import envs

VERSIONED = ("gymnasium", "numpy", "numba", "pyarrow", "pandas", "ray")
# What a trial's bits can depend on, beside its environment's model, which is checked by itself.
DECIDING = ("gymnasium", "numpy", "numba")


def versions() -> dict[str, str | None]:
    """Versions of this software and of what decides its numbers."""
    found: dict[str, str | None] = {"hq_ray": None, "git_commit": None}
    with suppress(importlib.metadata.PackageNotFoundError):
        found["hq_ray"] = importlib.metadata.version("hq-ray")
    root = Path(__file__).parent.parent
    with suppress(OSError, subprocess.SubprocessError):
        if (root / ".git").exists():  # an installed copy may lie in the user's repository
            head = ["git", "-C", str(root), "rev-parse", "HEAD"]
            output = subprocess.check_output(head, stderr=subprocess.DEVNULL, text=True, timeout=5)
            found["git_commit"] = output.strip()
    found["python"] = platform.python_version()
    return found | {name: importlib.metadata.version(name) for name in VERSIONED}


@lru_cache(maxsize=1)
def deciding_versions() -> tuple[tuple[str, str], ...]:
    """(name, version) of what decides a trial's bits: libraries, and a digest of our sources."""
    digest = hashlib.sha256()
    for folder in (Path(envs.__file__).parent, Path(__file__).parent):
        for path in sorted(folder.glob("*.py")):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    found = [(name, importlib.metadata.version(name)) for name in DECIDING]
    return (("hq_ray sources", digest.hexdigest()[:12]), *found)


def differing(planned: tuple[tuple[str, str], ...]) -> list[str]:
    """Sentences about what differs here from where a sweep was planned."""
    here = dict(deciding_versions())
    return [
        f"{name} is {here.get(name)} instead of {version}"
        for name, version in planned
        if here.get(name) != version
    ]
