"""What a comparison says, in plain words, and how sure it is."""

from collections.abc import Sequence
from dataclasses import dataclass

from hq_ray.analysis.comparison import LEAST_SEEDS, LEAST_TESTING, Comparison, record
from hq_ray.analysis.statistics.comparison import LEVEL, detectable_difference
from hq_ray.analysis.words import round_number

BETTER, WORSE, UNDECIDED = "better", "worse", "undecided"
IDENTICAL, EQUIVALENT, TOO_FEW = "identical", "equivalent", "too few seeds"
KINDS = (BETTER, WORSE, EQUIVALENT, IDENTICAL, UNDECIDED, TOO_FEW)
# Units that can follow a number in a sentence; the others stand in brackets.
COUNTED = ("reward units", "steps", "episodes")
NUMBERS = ("configuration", "baseline_configuration", "n", "baseline_n", "mean", "baseline_mean")
NUMBERS += ("difference", "low", "high", "p_value", "p_holm", "wins", "ties", "losses")


@dataclass(frozen=True)
class Verdict:
    """One of KINDS, and a sentence or two."""

    kind: str
    sentence: str


def judge(found: Comparison) -> Verdict:
    """Better or worse where Holm's p is below 0.05, else undecided; see KINDS for the rest."""
    on = f"Exploratory: on {found.env}, {found.variant}"
    against = f"{on} against {found.baseline}"
    if found.difference is None:
        return Verdict(TOO_FEW, f"{against}: {_too_few_words(found)}.")
    mean, low, high = (float(getattr(found.difference, n)[0]) for n in ("mean", "low", "high"))
    n = _seeds_words(found)
    if found.difference.identical[0]:
        words = f"and {found.baseline} are identical in {found.metric.label}"
        return Verdict(IDENTICAL, f"{on} {words} on every seed ({n}).")
    evidence = f", the same on every seed ({n})"
    if not found.difference.constant[0]:
        interval = f"95 % interval {round_number(low)} to {round_number(high)}"
        evidence = f" ({interval}, {_p_words(found)}, {n})"
    lower = " (lower is better)" if found.metric.sign < 0 else ""
    if found.rope is not None and max(abs(low), abs(high)) <= found.rope:
        words = f"differs in {found.metric.label} by no more than ±{_amount(found, found.rope)}"
        return Verdict(EQUIVALENT, f"{against} {words}: by {_amount(found, mean)}{evidence}.")
    if found.adjusted < LEVEL:
        better = found.metric.upwards(mean) > 0
        verb = "beats" if better else "loses to"
        words = f"{verb} {found.baseline} in {found.metric.label}{lower} by"
        sentence = f"{on} {words} {_amount(found, abs(mean))}{evidence}."
        return Verdict(BETTER if better else WORSE, sentence)
    words = f"is undecided: the difference in {found.metric.label} is {_amount(found, mean)}"
    return Verdict(UNDECIDED, f"{against} {words}{evidence}.{_detectable_words(found)}")


def summary(found: Comparison) -> dict[str, object]:
    """A comparison as one row of a table; None for what there is not."""
    verdict = judge(found)
    row: dict[str, object] = {
        "env": found.env,
        "variant": found.variant,
        "baseline": found.baseline,
        "metric": found.metric.name,
        "unit": found.metric.unit,
        "paired": found.paired,
        **dict.fromkeys(NUMBERS),
        "kind": verdict.kind,
        "verdict": verdict.sentence,
    }
    if found.difference is None:
        return row
    for prefix, side in (("", found.ours), ("baseline_", found.base)):
        scores = side.scores(found.metric.name)
        row |= {f"{prefix}n": len(scores), f"{prefix}mean": float(scores.mean())}
        row[f"{prefix}configuration"] = side.label
    for name in ("low", "high", "p_value"):
        row[name] = float(getattr(found.difference, name)[0])
    row |= {"difference": float(found.difference.mean[0]), "p_holm": found.adjusted}
    if found.paired:
        row |= zip(("wins", "ties", "losses"), record(found), strict=True)
    return {key: None if value != value else value for key, value in row.items()}


def detectable(found: Comparison) -> float:
    """The true difference that so many seeds find in four of five cases, within the family."""
    d = found.difference
    return detectable_difference(float(d.se[0]), float(d.freedom[0]), LEVEL / max(found.family, 1))


def _amount(found: Comparison, value: float) -> str:
    """The number in the metric's unit: `0.72 reward units`, `0.1 [share of episodes]`."""
    unit = found.metric.unit
    words = unit if unit in COUNTED else f"[{unit}]"
    return f"{round_number(value)} {words}" if unit else round_number(value)


def _seeds_words(found: Comparison) -> str:
    n, m = found.difference.n, found.difference.m
    return f"n = {n} paired seeds" if found.paired else f"n = {n} and {m} seeds, not paired"


def _p_words(found: Comparison) -> str:
    words = p_text(found.p_value)
    if found.family < 2:
        return f"p {words}"
    return f"p {words}, Holm's p {p_text(found.adjusted)} of {found.family} comparisons"


def p_text(p_value: float) -> str:
    """A p-value for a reader, who has no use for more digits than these."""
    return "< 0.001" if p_value < 0.001 else f"= {p_value:.2g}"


def _detectable_words(found: Comparison) -> str:
    size = _amount(found, detectable(found))
    return f" So many seeds find a true difference of {size} in four of five cases."


def _too_few_words(found: Comparison) -> str:
    needed = 2 * LEAST_TESTING - 1 if found.tuned else LEAST_SEEDS
    if found.n_common >= needed:
        return f"no configuration of one of them has the {found.metric.label} of every seed"
    common = "common to all configurations" if found.paired else "of one of them"
    return f"too few seeds, {found.n_common} {common} where {needed} are needed"


def basis_words(found: Sequence[Comparison]) -> str:
    """By what right the verdicts stand, for a whole report."""
    words = []
    if any(one.difference is not None and one.tuned for one in found):
        words.append(
            "Each variant's configuration was chosen from its whole grid by its mean over the "
            "first half of the seeds, and compared on the other half."
        )
    if any(one.difference is not None and not one.tuned for one in found):
        words.append("Where both have one configuration nothing was chosen and all seeds count.")
    return " ".join(words)


def overall_words(found: Sequence[Comparison]) -> str:
    """A sentence for each pair of variants: on how many environments which verdict."""
    pairs: dict[str, list[str]] = {}
    for one in found:
        pairs.setdefault(f"{one.variant} against {one.baseline}", []).append(judge(one).kind)
    return " ".join(_pair_words(pair, kinds) for pair, kinds in pairs.items())


def _pair_words(pair: str, kinds: Sequence[str]) -> str:
    words = ", ".join(f"{kind} on {kinds.count(kind)}" for kind in KINDS if kind in kinds)
    return f"Over {len(kinds)} environment{'s' * (len(kinds) > 1)}, {pair}: {words}."
