"""Numbers for a reader, and names for files."""

import hashlib
import re
from collections.abc import Iterable

# Longer file names than this are cut, and a digest keeps them apart.
LONGEST_STEM = 100


def format_number(value: float) -> str:
    """A number for a reader: `-12,345`, `0.35`, `1e+09`."""
    if abs(value) >= 1e7:
        return f"{value:.4g}"
    return f"{value + 0.0:,.10g}"


def round_number(value: float) -> str:
    """A measured number: whole from 100 on, else three significant digits."""
    return format_number(round(value) if abs(value) >= 100 else float(f"{value:.3g}"))


def seed_counts(counts: Iterable[int]) -> str:
    """Numbers of seeds: `n = 10 seeds`, `n = 4 to 10 seeds`."""
    least, most = min(counts), max(counts)
    if most == 1:
        return "n = 1 seed, no interval"
    return f"n = {least} seeds" if least == most else f"n = {least} to {most} seeds"


def file_stem(text: str) -> str:
    """Text as a file name: no other signs than letters, digits, `.`, `-`, `_`, and not too long."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", text).strip("_")
    if len(plain) <= LONGEST_STEM:
        return plain
    return f"{plain[: LONGEST_STEM - 9]}_{hashlib.sha256(text.encode()).hexdigest()[:8]}"
