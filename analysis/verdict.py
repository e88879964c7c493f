"""What a comparison says, in plain words, and how sure it is."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from hq_ray.analysis.comparison import (
    LEAST_SEEDS,
    LEAST_TESTING,
    Comparison,
    wins_ties_losses,
)
from hq_ray.analysis.metrics import METRICS
from hq_ray.analysis.statistics.comparison import LEVEL, detectable_difference
from hq_ray.analysis.words import round_number

BETTER, WORSE, UNDECIDED = "better", "worse", "undecided"
IDENTICAL, EQUIVALENT, TOO_FEW = "identical", "equivalent", "too few seeds"
KINDS = (BETTER, WORSE, EQUIVALENT, IDENTICAL, UNDECIDED, TOO_FEW)
# While learning, at the end, what was learned.
SHOWN = ("mean_return", "final_return", "policy_value")
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
    on = f"{basis(found).capitalize()}: on {found.env}, {found.variant}"
    on += f" (choice {found.rank})" if found.rank > 1 else ""
    against = f"{on} against {found.baseline}"
    if found.difference is None:
        return Verdict(TOO_FEW, f"{against}: {_too_few_sentence(found)}.")
    mean, low, high = (float(getattr(found.difference, n)[0]) for n in ("mean", "low", "high"))
    n = _seeds_text(found)
    if found.difference.identical[0]:
        words = f"and {found.baseline} are identical in {found.metric.label}"
        return Verdict(IDENTICAL, f"{on} {words} on every seed ({n}).")
    evidence = f", the same on every seed ({n})"
    if not found.difference.constant[0]:
        interval = f"95 % interval {round_number(low)} to {round_number(high)}"
        evidence = f" ({interval}, {_p_cell(found)}, {n})"
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
    findable = (
        f"So many seeds find a true difference of {_amount(found, detectable(found))} in four of "
        "five cases."
    )
    return Verdict(UNDECIDED, f"{against} {words}{evidence}. {findable}")


def basis(found: Comparison) -> str:
    """What a verdict rests on: fresh seeds, or those of the sweep."""
    return "exploratory" if found.block is None else "confirmed"


def summary(found: Comparison) -> dict[str, object]:
    """A comparison as one row of a table; None for what there is not.

    After the numbers of the metric of the verdict come the differences in SHOWN on the same seeds.
    """
    verdict = judge(found)
    row: dict[str, object] = {
        "env": found.env,
        "variant": found.variant,
        "baseline": found.baseline,
        "basis": basis(found),
        "rank": found.rank,
        "metric": found.metric.name,
        "unit": found.metric.unit,
        "paired": found.paired,
        **dict.fromkeys(NUMBERS),
        "chosen_from": len(found.cell),
        "failed": found.lost,
        "kind": verdict.kind,
        "verdict": verdict.sentence,
    }
    row |= {f"{name}_{end}": None for name in SHOWN for end in ("difference", "low", "high")}
    if found.difference is None:
        return row
    row |= numbers(found, found.metric.name)
    row |= {"configuration": found.ours.label, "baseline_configuration": found.base.label}
    row |= {"p_value": found.p_value, "p_holm": found.adjusted}
    if found.paired:
        scores = (side.scores(found.metric.name) for side in (found.ours, found.base))
        counts = map(int, wins_ties_losses(found.metric, *scores))
        row |= zip(("wins", "ties", "losses"), counts, strict=True)
    for name in SHOWN:
        of = numbers(found, name)
        row |= {f"{name}_{end}": of.get(end) for end in ("difference", "low", "high")}
    return {key: None if value != value else value for key, value in row.items()}


def numbers(found: Comparison, name: str) -> dict[str, float]:
    """Seeds, means, their difference and its interval by a column; nothing where none has it."""
    by = found.by(name)
    if by is None:
        return {}
    ours, base, difference = by
    return {
        "n": len(ours),
        "baseline_n": len(base),
        "mean": float(ours.mean()),
        "baseline_mean": float(base.mean()),
        "difference": float(difference.mean[0]),
        "low": float(difference.low[0]),
        "high": float(difference.high[0]),
    }


def three_metrics(found: Sequence[Comparison]) -> dict[str, list[dict[str, object]]]:
    """By problem, a row for each comparison and metric: that of the verdict, and SHOWN."""
    tables: dict[str, list[dict[str, object]]] = {}
    for one in found:
        for name in dict.fromkeys((*SHOWN, one.metric.name)) if one.difference is not None else ():
            row = {"variant": one.variant, "baseline": one.baseline, "rank": one.rank, "name": name}
            row |= {"metric": METRICS[name].axis_label} | numbers(one, name)
            row["verdict"] = judge(one).kind if name == one.metric.name else None
            if "n" in row:
                tables.setdefault(one.env, []).append(row)
    return tables


def detectable(found: Comparison) -> float:
    """The true difference that so many seeds find in four of five cases, within the family."""
    d = found.difference
    return detectable_difference(float(d.se[0]), float(d.freedom[0]), LEVEL / max(found.family, 1))


def _amount(found: Comparison, value: float) -> str:
    """The number in the metric's unit: `0.72 reward units`, `0.1 [share of episodes]`."""
    unit = found.metric.unit
    words = unit if unit in COUNTED else f"[{unit}]"
    return f"{round_number(value)} {words}" if unit else round_number(value)


def _seeds_text(found: Comparison) -> str:
    n, m = found.difference.n, found.difference.m
    words = f"n = {n} paired seeds" if found.paired else f"n = {n} and {m} seeds, not paired"
    return words + _failed_seeds_text(found)


def _failed_seeds_text(found: Comparison) -> str:
    failed = f", {found.lost} failed" if found.lost else ""
    return failed + (f", {found.missing} not there yet" if found.missing else "")


def _p_cell(found: Comparison) -> str:
    words = p_text(found.p_value)
    if found.family < 2:
        return f"p {words}"
    return f"p {words}, Holm's p {p_text(found.adjusted)} of {found.family} comparisons"


def p_text(p_value: float) -> str:
    """A p-value for a reader; two digits would show 0.0502 as 0.05."""
    return "< 0.001" if p_value < 0.001 else f"= {p_value:.3g}"


def _too_few_sentence(found: Comparison) -> str:
    tested = found.tuned and found.block is None
    needed = 2 * LEAST_TESTING - 1 if tested else LEAST_SEEDS
    if found.n_common >= needed:
        return f"no configuration of one of them has the {found.metric.label} of every seed"
    common = "common to all configurations" if found.paired else "of one of them"
    common = common if found.block is None else f"fresh and done{_failed_seeds_text(found)}"
    return f"too few seeds, {found.n_common} {common} where {needed} are needed"


def basis_sentence(found: Sequence[Comparison]) -> str:
    """By what right the verdicts stand, for a whole report."""
    words = []
    if any(one.block is not None for one in found):
        words.append(
            "Confirmed: each variant's configuration was chosen from its whole grid, and compared "
            "on fresh seeds that had no part in the choice."
        )
    if any(one.block is None and one.difference is not None and one.tuned for one in found):
        words.append(
            "Exploratory: each variant's configuration was chosen from its whole grid by its mean "
            "over the first half of the seeds, and compared on the other half."
        )
    if any(one.block is None and one.difference is not None and not one.tuned for one in found):
        words.append("Where both have one configuration nothing was chosen and all seeds count.")
    return " ".join(words)


def overall_sentence(found: Sequence[Comparison]) -> str:
    """A sentence for each pair of variants: on how many environments which verdict."""
    pairs: dict[str, list[str]] = {}
    for one in found:
        pair = f"{one.variant} against {one.baseline}" + f", choice {one.rank}" * (one.rank > 1)
        pairs.setdefault(pair, []).append(judge(one).kind)
    words = []
    for pair, kinds in pairs.items():
        counts = Counter(kinds)
        each = ", ".join(f"{kind} on {counts[kind]}" for kind in KINDS if kind in counts)
        plural = "s" * (len(kinds) > 1)
        words.append(f"Over {len(kinds)} environment{plural}, {pair}: {each}.")
    return " ".join(words)
