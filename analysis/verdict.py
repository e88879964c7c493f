"""What a comparison says, in plain words, and how sure it is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.captions import format_number, round_number
from analysis.comparison import FRESH, SAME_SEEDS, SINGLE, Comparison
from analysis.multiplicity import holm

BETTER, WORSE, EQUAL, UNDECIDED, UNKNOWN = "better", "worse", "equal", "undecided", "unknown"


@dataclass(frozen=True)
class Verdict:
    """One sentence on a pair, and its kind: better, worse, equal, undecided or unknown."""

    kind: str
    sentence: str


def judge(found: Comparison) -> Verdict:
    """Better or worse where the 95 % interval of the difference excludes 0; equal where it lies
    within the range of differences that do not matter; undecided otherwise; unknown with one seed.
    """
    d, n = found.difference, len(found.seeds)
    unit = f" {found.metric.unit}" if found.metric.unit else ""
    who = f"On {found.env}, {found.variant}"
    label = found.metric.label
    if n < 2:
        gap = round_number(float(d.mean))
        return Verdict(
            UNKNOWN,
            f"{who} differs from {found.baseline} by {gap}{unit} of {label} with one common seed, "
            "which says nothing of other seeds.",
        )
    low, high = float(d.low), float(d.high)
    sign = 1.0 if found.metric.higher_is_better else -1.0
    interval = f"95 % interval {round_number(low)} to {round_number(high)}"
    evidence = f"{interval}, n = {n} paired seeds, {_chance_words(found)}"
    size = f"{round_number(abs(float(d.mean)))}{unit}"
    if float(d.sd) == 0 and d.mean == 0:
        return Verdict(
            EQUAL, f"{who} equals {found.baseline} in {label} on each of {n} paired seeds."
        )
    within = found.rope is not None and max(abs(low), abs(high)) <= found.rope
    if within:
        small = f"±{round_number(found.rope)}{unit}"
        return Verdict(
            EQUAL,
            f"{who} and {found.baseline} do not differ in {label} by more than {small} "
            f"({evidence}).",
        )
    if low > 0 or high < 0:
        better = (low > 0) == (sign > 0)
        verb = "beats" if better else "loses to"
        sentence = f"{who} {verb} {found.baseline} by {size} of {label} ({evidence})."
        return Verdict(BETTER if better else WORSE, sentence)
    needed = d.seeds_needed if np.isfinite(d.seeds_needed) else None
    more = ""
    if needed is not None and needed > n:
        more = f" A true difference of this size would need about {format_number(needed)} seeds."
    return Verdict(
        UNDECIDED,
        f"{who} against {found.baseline} is undecided: the difference in {label} is "
        f"{round_number(float(d.mean))}{unit} ({evidence}).{more}",
    )


def _chance_words(found: Comparison) -> str:
    return f"P({found.variant} better) = {float(found.improvement.estimate):.2f}"


def basis_words(found: Sequence[Comparison]) -> str:
    """By what right the verdicts stand: one sentence for the whole report."""
    rights = {one.how for one in found}
    budgets = sorted({one.budget for one in found})
    if rights == {FRESH}:
        return (
            "The configurations were chosen in stage one; every score here comes from fresh seeds "
            "that had no part in the choice."
        )
    if rights == {SINGLE}:
        return "Each variant was run with one configuration; nothing was tuned."
    each = " or ".join(format_number(budget) for budget in budgets)
    words = (
        f"Each variant was tuned over {each} configurations (the smaller grid's number, for both) "
        "on one half of the seeds and scored on the other half, then the other way round."
    )
    if SAME_SEEDS in rights:
        words = "With one seed the choice was made on the very seed it is scored on: too high."
    return f"{words} Provisional until `hq-ray select` and a second stage on fresh seeds."


def overall_words(found: Sequence[Comparison]) -> str:
    """The sentence over all environments: how many were won, lost, equal, undecided, and how many
    of the differences survive Holm's correction for their number.
    """
    if not found:
        return ""
    kinds = [judge(one).kind for one in found]
    pair = f"{found[0].variant} against {found[0].baseline}"
    counts = [(kinds.count(kind), kind) for kind in (BETTER, WORSE, EQUAL, UNDECIDED, UNKNOWN)]
    words = ", ".join(f"{kind} on {count}" for count, kind in counts if count)
    sentence = f"Over {len(found)} environment{'s' * (len(found) > 1)}, {pair}: {words}."
    if len(found) > 1:
        p_values = np.array([float(one.difference.p_value) for one in found])
        kept = int(holm(p_values).sum())
        sentence += (
            f" {kept} of {len(found)} sign-flip tests reject equality after Holm's correction for "
            "their number."
        )
    return sentence
