"""Errors that speak to the user who runs a sweep, and the words that they are made of.

    HqRayError
    ├── InputError        what was asked for cannot be: exit code 2, nothing was written
    ├── ResultsError      what is on disk is missing, damaged or of another version
    ├── ModelError        an environment is not what its transition table or the plan says
    ├── TrialError        an environment gave what no learner can learn from: the trial fails
    └── VersionError      a worker runs other code than the driver

Every message says what must hold, what was given, and the near miss where there is one.
"""

import difflib
from collections.abc import Iterable, Sequence


class HqRayError(Exception):
    """Any error that this package raises on purpose."""


class InputError(HqRayError, ValueError):
    """Invalid input from the user."""


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
        message = str(problem).partition(" was raised from the environment creator for ")[0].strip()
        return f"{kind}: {message}" if message else kind
    except Exception as another:
        return f"{kind}, whose message cannot be read ({type(another).__name__})"


def short_repr(value: object) -> str:
    """`repr` on one line of at most 120 characters, also for a value whose `repr` raises."""
    try:
        text = one_line(repr(value))
    except Exception:
        text = f"a {type(value).__name__} that cannot be shown"
    return shortened(text, 120)


def shortened(text: str, most: int) -> str:
    """A message, cut where it is too long to read."""
    return text if len(text) <= most else f"{text[:most]} ..."


def one_line(text: object) -> str:
    """A text of several lines as one, without repeated spaces."""
    return " ".join(str(text).split())


def first_line(text: object) -> str:
    """The first line of a text of which only that is meant for users."""
    return str(text).strip().partition("\n")[0]


def some_of(names: Sequence[str], most: int) -> str:
    """`a, b and 3 more`: names, of which only the first are given where there are many."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """The tail of an error message: `; did you mean 'harmonic'?`, or empty if no name is close."""
    # Long words take long to compare, and of objects the text may be anything.
    word = word[:100] if isinstance(word, str) else ""
    folded = {str(name).casefold(): str(name) for name in known}
    close = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    return f"; did you mean {folded[close[0]]!r}?" if close else ""


def near_miss(word: object, known: Iterable[str]) -> str:
    """The same, but with the known names where none is close: `; known: standard, harmonic`."""
    names = [str(name) for name in known]
    return did_you_mean(word, names) or (f"; known: {some_of(names, 20)}" if names else "")
