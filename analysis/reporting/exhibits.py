"""A figure of a report before it is drawn: by which function, from what, and what it tells."""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

# Longer file names than this are cut, and a digest keeps them apart.
LONGEST_STEM = 100


@dataclass(frozen=True)
class Exhibit:
    """One figure.

    Attributes:
        stem: of its file, unique in a report.
        section: of the report that it belongs to.
        figure: the function that draws it.
        arguments: of that function, by keyword.
        shows, shows_not: a sentence each.
    """

    stem: str
    section: str
    figure: Callable
    arguments: Mapping[str, object]
    shows: str
    shows_not: str

    def draw(self) -> object:
        """The matplotlib Figure."""
        return self.figure(**self.arguments)


def file_stem(text: str) -> str:
    """Text as a file name: no other signs than letters, digits, `.`, `-`, `_`, and not too long."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", text).strip("_")
    if len(plain) <= LONGEST_STEM:
        return plain
    return f"{plain[: LONGEST_STEM - 9]}_{hashlib.sha256(text.encode()).hexdigest()[:8]}"
