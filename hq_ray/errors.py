"""Errors that speak to the person who runs a sweep.

    HqRayError
    ├── InputError        what was asked for cannot be: exit code 2, nothing was written
    ├── ResultsError      what is on disk is missing, damaged or of another version
    ├── ModelError        an environment is not what its transition table or the plan says
    ├── TrialError        an environment gave what no learner can learn from: the trial fails
    └── VersionError      a worker runs other code than the driver

Every message says what must hold, what was given, and the near miss where there is one.
"""

import difflib
from collections.abc import Iterable


class HqRayError(Exception):
    """Any error that this package raises on purpose."""


class InputError(HqRayError, ValueError):
    """A value from the person that cannot be used."""


class ResultsError(HqRayError):
    """A results folder that cannot be used as it stands."""


class ModelError(HqRayError):
    """A transition table that is malformed or disagrees with its environment."""


class TrialError(HqRayError):
    """A reward, an observation or a Q value that fails its trial."""


class VersionError(HqRayError):
    """A worker whose code or libraries would train to other bits than the driver's."""


def reason_of(problem: BaseException) -> str:
    """`Type: message` of what others' code raised, also where its message cannot be read."""
    kind = type(problem).__name__
    try:
        # What Gymnasium adds repeats the id and its arguments.
        message = str(problem).partition(" was raised from the environment creator for ")[0]
        return f"{kind}: {message}" if message else kind
    except Exception as another:
        return f"{kind}, whose message cannot be read ({type(another).__name__})"


def short_repr(value: object) -> str:
    """`repr` on one line of at most 120 characters, also for a value whose `repr` raises."""
    try:
        text = " ".join(repr(value).split())
    except Exception:
        text = f"a {type(value).__name__} that cannot be shown"
    return shortened(text, 120)


def shortened(text: str, most: int) -> str:
    """A message, cut where it is too long for a person to read."""
    return text if len(text) <= most else f"{text[:most]} ..."


def near_miss(word: object, known: Iterable[str]) -> str:
    """The tail of an error message: the closest known name, else all known names.

    Returns `; did you mean 'harmonic'?` or `; known: standard, harmonic`, of which 20 at most.
    """
    names = [str(name) for name in known]
    # Long words take long to compare, and of objects the text may be anything.
    word = word[:100] if isinstance(word, str) else ""
    folded = {name.casefold(): name for name in names}
    close = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {folded[close[0]]!r}?"
    more = f" and {len(names) - 20:,} more" if len(names) > 20 else ""
    return f"; known: {', '.join(names[:20])}{more}" if names else ""
