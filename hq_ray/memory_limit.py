"""A ceiling on the memory that a batch may take, so that a greedy trial fails as itself."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hq_ray.errors import InputError

UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?", re.IGNORECASE | re.ASCII)


def parse_memory(text: str | None) -> int | None:
    """Reads `2GB`, `500M` or a number of bytes; None stays None.

    Raises:
        InputError: not of that form, or below 64 MB.
    """
    if text is None:
        return None
    match = SIZE.fullmatch(text.strip())
    size = int(float(match[1]) * UNITS[match[2].lower()]) if match else 0
    if size < 64 * 10**6:
        raise InputError(f"memory_per_task must be like '2GB', at least 64MB, got {text!r}")
    return size


@contextmanager
def memory_limit(size: int | None) -> Iterator[None]:
    """Lets the process take at most `size` bytes more than it has; allocations beyond that fail.

    Does nothing where there are no such limits (they are POSIX) or the system does not tell sizes.
    """
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (ImportError, OSError):
        size = None
    if size is None:
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = pages * resource.getpagesize() + size
    resource.setrlimit(resource.RLIMIT_AS, (limit if hard < 0 else min(limit, hard), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
