"""What a comparison says, in plain words, and how sure it is."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hq_ray.analysis.comparison import LEAST_SEEDS, LEAST_TESTING, Comparison, wins_ties_losses
from hq_ray.analysis.metrics import THREE_METRICS
from hq_ray.analysis.statistics.t_tests import LEVEL, detectable_difference, difference_of_means
from hq_ray.analysis.words import round_number

BETTER, WORSE, UNDECIDED = "better", "worse", "undecided"
IDENTICAL, EQUIVALENT, TOO_FEW = "identical", "equivalent", "too few seeds"
KINDS = (BETTER, WORSE, EQUIVALENT, IDENTICAL, UNDECIDED, TOO_FEW)
# Units that can follow a number in a sentence; the others stand in brackets.
PLAIN_UNITS = ("reward units", "steps", "episodes")
NUMBERS = "configuration baseline_configuration n baseline_n mean baseline_mean difference low high"
NUMBERS += " p_value p_holm wins ties losses"


@dataclass(frozen=True)
class Verdict:
    """One of KINDS, and a sentence or two."""

    kind: str
    sentence: str


def judge(found: Comparison) -> Verdict:
    """Better or worse where Holm's p is below 0.05, else undecided; see KINDS for the rest."""
    on = f"{basis(found).capitalize()}: on {found.env}, {compared_name(found)}"
    against = f"{on} against {found.baseline}"
    difference, label = found.difference, found.metric.label
    if difference is None:
        return Verdict(TOO_FEW, f"{against}: {_too_few_sentence(found)}.")
    mean, low, high = float(difference.mean), float(difference.low), float(difference.high)
    each = f"every {found.replicates.removesuffix('s')}"
    unpaired = f"n = {difference.n} and {difference.m} seeds, not paired"
    seeds = f"n = {difference.n} paired {found.replicates}" if found.paired else unpaired
    seeds += _lost_seeds(found)
    if difference.identical:
        words = f"and {found.baseline} are identical in {label} on {each} ({seeds})"
        return Verdict(IDENTICAL, f"{on} {words}.")
    p_values = f"p {p_text(found.p_value)}"
    if found.n_comparisons > 1:
        p_values += f", Holm's p {p_text(found.adjusted)} of {found.n_comparisons} comparisons"
    rope = math.nan if found.rope is None else found.rope
    equivalent = max(abs(low), abs(high)) <= rope
    decided = found.adjusted < LEVEL and not equivalent
    if decided and mean < 0:
        # The sentence gives the size of the lead, so the limits are mirrored as well.
        low, high = -high, -low
    interval = f"95 % interval {round_number(low)} to {round_number(high)}"
    evidence = f" ({interval}, {p_values}, {seeds})"
    if difference.constant:
        evidence = f", the same on {each} ({seeds})"
    if equivalent:
        words = f"differs in {label} by no more than ±{_amount(found, rope)}"
        return Verdict(EQUIVALENT, f"{against} {words}: by {_amount(found, mean)}{evidence}.")
    if decided:
        better = found.metric.upwards(mean) > 0
        lower = " (lower is better)" if found.metric.sign < 0 else ""
        words = f"{'beats' if better else 'loses to'} {found.baseline} in {label}{lower} by"
        sentence = f"{on} {words} {_amount(found, abs(mean))}{evidence}."
        return Verdict(BETTER if better else WORSE, sentence)
    return Verdict(
        UNDECIDED,
        f"{against} is undecided: the difference in {label} is {_amount(found, mean)}{evidence}. "
        f"This many {found.replicates} would detect a true difference of "
        f"{_amount(found, detectable(found))} in four of five cases.",
    )


def basis(found: Comparison) -> str:
    """What a verdict rests on: fresh seeds, or those of the sweep."""
    return "exploratory" if found.block is None else "confirmed"


def compared_name(found: Comparison) -> str:
    """The variant, and which of its choices it is where that is not the first."""
    return found.variant + (f" (choice {found.rank})" if found.rank > 1 else "")


def comparison_row(found: Comparison) -> dict[str, Any]:
    """A comparison as one row of a table; missing values are None.

    After the numbers of the metric of the verdict come the differences in THREE_METRICS on the same
    seeds.
    """
    verdict = judge(found)
    row: dict[str, Any] = {
        "env": found.env,
        "variant": found.variant,
        "baseline": found.baseline,
        "basis": basis(found),
        "rank": found.rank,
        "metric": found.metric.name,
        "unit": found.metric.unit,
        "paired": found.paired,
        **dict.fromkeys(NUMBERS.split()),
        "chosen_from": found.ours.chosen_from if found.ours else len(found.cell),
        "failed": found.lost,
        "kind": verdict.kind,
        "verdict": verdict.sentence,
    }
    if found.ours is not None and found.base is not None:
        row |= numbers(found, found.metric.name)
        row |= {"configuration": found.ours.label, "baseline_configuration": found.base.label}
        row |= {"p_value": found.p_value, "p_holm": found.adjusted}
        if found.paired:
            scores = (side.scores(found.metric.name) for side in (found.ours, found.base))
            counts = map(int, wins_ties_losses(found.metric, *scores))
            row |= zip(("wins", "ties", "losses"), counts, strict=True)
    for name in THREE_METRICS:
        by_metric = numbers(found, name)
        row |= {f"{name}_{end}": by_metric.get(end) for end in ("difference", "low", "high")}
    return {key: None if value != value else value for key, value in row.items()}


def numbers(found: Comparison, name: str) -> dict[str, float]:
    """Seeds, means, their difference and its interval by a column, on those of the seeds that have
    it; nothing where none has.
    """
    if found.ours is None or found.base is None:
        return {}
    ours, base = found.ours.scores(name), found.base.scores(name)
    known = [np.isfinite(ours), np.isfinite(base)]
    if found.paired:
        known = [known[0] & known[1]] * 2
    ours, base = ours[known[0]], base[known[1]]
    if not ours.size or not base.size:
        return {}
    difference = difference_of_means(ours, base, found.paired)
    return {
        "n": len(ours),
        "baseline_n": len(base),
        "mean": float(ours.mean()),
        "baseline_mean": float(base.mean()),
        "difference": float(difference.mean),
        "low": float(difference.low),
        "high": float(difference.high),
    }


def detectable(found: Comparison) -> float:
    """The true difference that this many seeds would detect in four of five cases."""
    assert found.difference is not None  # the comparison is undecided
    se, freedom = float(found.difference.se), float(found.difference.freedom)
    return detectable_difference(se, freedom, LEVEL / max(found.n_comparisons, 1))


def p_text(p_value: float) -> str:
    """A p-value for a reader; two digits would show 0.0502 as 0.05."""
    return "< 0.001" if p_value < 0.001 else f"= {p_value:.3g}"


def _amount(found: Comparison, value: float) -> str:
    """The number in the metric's unit: `0.72 reward units`, `0.1 [share of episodes]`."""
    unit = found.metric.unit
    return f"{round_number(value)} {unit if unit in PLAIN_UNITS else f'[{unit}]'}"


def _lost_seeds(found: Comparison) -> str:
    failed = f", {found.lost} failed" if found.lost else ""
    return failed + (f", {found.missing} not there yet" if found.missing else "")


def _too_few_sentence(found: Comparison) -> str:
    if found.replicates == "instances":
        return f"too few instances, {found.n_common} compared where {LEAST_SEEDS} are needed"
    tested = found.tuned and found.block is None
    needed = 2 * LEAST_TESTING - 1 if tested else LEAST_SEEDS
    if found.n_common >= needed:
        return f"no configuration of one of them has the {found.metric.label} of every seed"
    common = "common to all configurations" if found.paired else "of one of them"
    common = common if found.block is None else f"fresh and done{_lost_seeds(found)}"
    return f"too few seeds, {found.n_common} {common} where {needed} are needed"


def basis_sentence(found: Sequence[Comparison]) -> str:
    """How the verdicts of a report came about."""
    words = []
    if any(comparison.block is not None for comparison in found):
        words.append(
            "Confirmed: each variant's configuration was chosen from its whole grid, and compared "
            "on fresh seeds that had no part in the choice."
        )
    tuned = [c.tuned for c in found if c.block is None and c.difference is not None]
    if any(tuned):
        words.append(
            "Exploratory: each variant's configuration was chosen from its whole grid by its mean "
            "over the first half of the seeds, and compared on the other half."
        )
    if not all(tuned):
        words.append("Where both have one configuration nothing was chosen and all seeds count.")
    return " ".join(words)


def overall_sentence(found: Sequence[Comparison]) -> str:
    """A sentence for each pair of variants: on how many problems which verdict."""
    pairs: dict[str, Counter] = {}
    for comparison in found:
        pair = f"{compared_name(comparison)} against {comparison.baseline}"
        pairs.setdefault(pair, Counter())[judge(comparison).kind] += 1
    words = []
    for pair, counts in pairs.items():
        each = ", ".join(f"{kind} on {counts[kind]}" for kind in KINDS if kind in counts)
        plural = "s" * (counts.total() > 1)
        words.append(f"Over {counts.total()} problem{plural}, {pair}: {each}.")
    return " ".join(words)
