"""What a comparison says, in plain words, and how sure it is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hq_ray.analysis.comparison import AVERAGED, FRESH, SAME_SEEDS, SINGLE, Comparison
from hq_ray.analysis.drawing.captions import format_number, round_number
from hq_ray.analysis.statistics.multiplicity import holm

BETTER, WORSE, EQUAL, UNDECIDED, UNKNOWN = "better", "worse", "equal", "undecided", "unknown"
LEVEL = 0.05
MOST_SEEDS = 100_000
# Units that can follow a number in a sentence; the others stand in brackets.
COUNTED = ("reward units", "steps", "episodes")


@dataclass(frozen=True)
class Verdict:
    """One sentence or two on a pair, and its kind: better, worse, equal, undecided or unknown."""

    kind: str
    sentence: str


def judge(found: Comparison) -> Verdict:
    """Better or worse where the 95 % interval of the difference excludes 0; equal where it lies
    within the range of differences that do not matter; undecided otherwise; unknown without one.
    """
    low, high, mean = (float(getattr(found.difference, name)) for name in ("low", "high", "mean"))
    if not np.isfinite(low):
        return _without_interval(found, mean)
    if float(found.difference.se) == 0:
        return _without_spread(found, mean)
    evidence = f"({_evidence(found, low, high)})"
    verb = _verb(found, mean)
    if found.rope is not None and max(abs(low), abs(high)) <= found.rope:
        matters = f"±{_amount(found, found.rope)}"
        if low > 0 or high < 0:
            words = f"{verb} by {_amount(found, abs(mean))}, by less than what matters: {matters}"
        else:
            words = f"does not differ from {found.baseline} in {_label(found)} by more than"
            words = f"{words} {matters}"
        return Verdict(EQUAL, f"{_who(found)} {words} {evidence}.")
    if low > 0 or high < 0:
        words = f"{verb} by {_amount(found, abs(mean))}{_perhaps(found, low, high)}"
        return Verdict(_side(found, mean), f"{_who(found)} {words} {evidence}.{_doubt(found)}")
    return Verdict(
        UNDECIDED,
        f"{_who(found)} against {found.baseline} is undecided: the difference in {_label(found)} "
        f"is {_amount(found, mean)} {evidence}.{_needed_words(found)}",
    )


def _who(found: Comparison) -> str:
    return f"On {found.env}, {found.variant}"


def _label(found: Comparison) -> str:
    return found.metric.label


def _amount(found: Comparison, value: float) -> str:
    """The number in the metric's unit: `0.72 reward units`, `0.1 [share of episodes]`."""
    unit = found.metric.unit
    words = unit if unit in COUNTED else f"[{unit}]"
    return f"{round_number(value)} {words}" if unit else round_number(value)


def _side(found: Comparison, difference: float) -> str:
    return BETTER if (difference > 0) == found.metric.higher_is_better else WORSE


def _verb(found: Comparison, difference: float) -> str:
    verb = "beats" if _side(found, difference) == BETTER else "loses to"
    lower = "" if found.metric.higher_is_better else " (lower is better)"
    return f"{verb} {found.baseline} in {_label(found)}{lower}"


def _evidence(found: Comparison, low: float, high: float) -> str:
    interval = f"95 % interval {round_number(low)} to {round_number(high)}"
    return ", ".join([interval, _seeds_words(found), _p_words(found), _chance_words(found)])


def _seeds_words(found: Comparison) -> str:
    if found.paired:
        return f"n = {len(found.seeds)} paired seeds"
    n, m = len(found.ours.seeds), len(found.base.seeds)
    counts = f"n = {n} and {m} seeds"
    common = np.intersect1d(found.ours.seeds, found.base.seeds).size
    return f"{counts}, not paired: {common or 'no'} common seed{'s' * (common != 1)}"


def _p_words(found: Comparison) -> str:
    p_value = float(found.difference.p_value)
    name = {"exact": "sign-flip ", "monte carlo": "sign-flip ", "welch": "Welch "}
    value = "< 0.001" if p_value < 0.001 else f"= {p_value:.2g}"
    return f"{name.get(found.difference.p_method, '')}p {value}"


def _chance_words(found: Comparison) -> str:
    chance = found.improvement
    words = f"P({found.variant} better) = {float(chance.estimate):.2f}"
    if chance.estimate == 1:
        return f"{words}, at least {float(chance.low):.2f}"
    return f"{words}, at most {float(chance.high):.2f}" if chance.estimate == 0 else words


def _perhaps(found: Comparison, low: float, high: float) -> str:
    if found.rope and min(abs(low), abs(high)) < found.rope:
        return f", but perhaps by less than what matters: ±{_amount(found, found.rope)}"
    return ""


def _doubt(found: Comparison) -> str:
    """What the sign-flip test says against an interval that excludes 0."""
    d = found.difference
    if d.p_method not in ("exact", "monte carlo") or d.p_value <= LEVEL:
        return ""
    if least_p_value(found) > LEVEL:
        return (
            f" With {d.n} seeds no sign-flip test can reach 5 %, so this rests on the t interval, "
            "which takes the differences for normally distributed."
        )
    return " The sign-flip test does not reach 5 %."


def _needed_words(found: Comparison) -> str:
    needed = float(found.difference.seeds_needed)
    if not found.n_seeds < needed < np.inf:
        return ""
    number = f"about {format_number(float(f'{needed:.2g}'))}"
    if needed > MOST_SEEDS:
        number = f"more than {format_number(MOST_SEEDS)}"
    return (
        f" To show a true difference of this size in four of five experiments takes {number} seeds."
    )


def _without_interval(found: Comparison, mean: float) -> Verdict:
    """One seed, or so few that the halves of a cross-fit have one seed each."""
    gap = f"differs from {found.baseline} by {_amount(found, mean)} in {_label(found)}"
    if found.n_seeds < 2:
        of = "one common seed" if found.paired else "one seed of one of them"
        why = f"with {of}, which says nothing of other seeds"
    else:
        why = (
            f"over {found.n_seeds} seeds, too few to tune on one half and take an interval over "
            "the other"
        )
    return Verdict(UNKNOWN, f"{_who(found)} {gap} {why}.")


def _without_spread(found: Comparison, mean: float) -> Verdict:
    """No spread makes an interval of no width, which a few seeds do not earn: the test decides."""
    n = _seeds_words(found)
    if mean == 0:
        on = f"on each of {len(found.seeds)} paired seeds" if found.paired else f"({n})"
        return Verdict(EQUAL, f"{_who(found)} equals {found.baseline} in {_label(found)} {on}.")
    evidence = f"without any spread over seeds ({n}, {_p_words(found)})"
    size = _amount(found, abs(mean))
    if found.rope is not None and abs(mean) <= found.rope:
        words = f"{_verb(found, mean)} by {size}, by less than what matters, {evidence}"
        return Verdict(EQUAL, f"{_who(found)} {words}.")
    if found.difference.p_value <= LEVEL:
        words = f"{_verb(found, mean)} by {size}, {evidence}"
        return Verdict(_side(found, mean), f"{_who(found)} {words}.")
    return Verdict(
        UNDECIDED,
        f"{_who(found)} against {found.baseline} is undecided: the difference in {_label(found)} "
        f"is {_amount(found, mean)}, {evidence}; these are too few seeds to exclude chance.",
    )


def least_p_value(found: Comparison) -> float:
    """The least p-value that the test of a comparison can give: 2 / 2^n for sign flips."""
    d = found.difference
    if not np.isfinite(d.p_value):
        return 1.0
    return 2.0 ** (1 - d.n) if d.p_method == "exact" else 0.0


def basis_words(found: Sequence[Comparison]) -> str:
    """By what right the verdicts stand, for a whole report."""
    rights: dict[str, list[Comparison]] = {}
    for one in found:
        rights.setdefault(one.how, []).append(one)
    if len(rights) < 2:
        return " ".join(_right_words(how, some) for how, some in rights.items())
    parts = []
    for how, some in rights.items():
        envs = ", ".join(dict.fromkeys(one.env for one in some))
        parts.append(f"On {envs}: {_right_words(how, some)}")
    return " ".join(parts)


def _right_words(how: str, found: Sequence[Comparison]) -> str:
    if how == FRESH:
        return (
            "The configurations were chosen in stage one; every score here comes from fresh seeds "
            "that had no part in the choice."
        )
    if how == SINGLE:
        return "Each variant was run with one configuration; nothing was tuned."
    if how == AVERAGED:
        return (
            "One of the two has a single configuration, so at an equal budget the other stands "
            "with the mean over its grid: nothing was tuned."
        )
    if how == SAME_SEEDS:
        words = "With one seed the choice was made on the very seed it is scored on: too high."
    else:
        words = _tuning_words(found)
    return f"{words} Provisional until `hq-ray select` and a second stage on fresh seeds."


def _tuning_words(found: Sequence[Comparison]) -> str:
    equal = all(one.ours.budget == one.base.budget for one in found)
    if equal:
        budgets = sorted({one.budget for one in found})
        over = " or ".join(format_number(budget) for budget in budgets)
        over = f"{over} configurations (the smaller grid's number, for both)"
    else:
        pairs = dict.fromkeys((x.cell.variant, x.budget) for o in found for x in (o.ours, o.base))
        over = ", ".join(f"{format_number(budget)} ({variant})" for variant, budget in pairs)
        over = f"all configurations: {over},"
    words = (
        f"Each variant was tuned over {over} on one half of the seeds and scored on the other "
        "half, then the other way round; the intervals allow for the halves' dependence."
    )
    if any(x.budget < len(x.cell) for one in found for x in (one.ours, one.base)):
        words += " A larger grid scores what the best of so many of it, drawn at random, would."
    return words


def overall_words(found: Sequence[Comparison]) -> str:
    """A sentence or two for each pair of variants over all environments: how many were won, lost,
    equal, undecided, and how many differences survive Holm's correction for their number.
    """
    pairs: dict[str, list[Comparison]] = {}
    for one in found:
        pairs.setdefault(f"{one.variant} against {one.baseline}", []).append(one)
    return " ".join(_pair_words(pair, some) for pair, some in pairs.items())


def _pair_words(pair: str, found: Sequence[Comparison]) -> str:
    kinds = [judge(one).kind for one in found]
    counts = [(kinds.count(kind), kind) for kind in (BETTER, WORSE, EQUAL, UNDECIDED, UNKNOWN)]
    words = ", ".join(f"{kind} on {count}" for count, kind in counts if count)
    over = f"Over {len(found)} environment{'s' * (len(found) > 1)}, {pair}: {words}."
    return f"{over} {_holm_words(found)}" if len(found) > 1 else over


def _holm_words(found: Sequence[Comparison]) -> str:
    m = len(found)
    if min(map(least_p_value, found)) > LEVEL / m:
        n = max(found, key=lambda one: one.n_seeds).n_seeds
        return (
            f"With {n} seed{'s' * (n > 1)} no test can reject equality after Holm's correction for "
            "their number."
        )
    kept = int(holm(np.array([float(one.difference.p_value) for one in found]), LEVEL).sum())
    return f"{kept} of {m} tests reject equality after Holm's correction for their number."
