"""Families of environments: the instances of one entry of a spec, such as random MDPs of one kind.

The verdict is on the family. Its instances are the replicates: each gives one score to a variant,
the mean over the seeds of the configuration that is compared there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from hq_ray.analysis.cells import LENGTHS_AND_GAMMA, Cell, with_lengths
from hq_ray.analysis.comparison import (
    LEAST_SEEDS,
    NOTHING_CHOSEN,
    Choices,
    Comparison,
    Side,
    compare_row,
)
from hq_ray.analysis.metrics import Metric
from hq_ray.analysis.statistics.t_tests import holm_adjusted
from hq_ray.trial import environment_key


class FamilyCell(Cell):
    """Stands for a family: the cell of its first instance, under the family's name."""

    @property
    def labels(self) -> list[str]:  # type: ignore[override]
        """The configuration is chosen for each instance, so no single one can be named."""
        return ["its own on each instance"] * len(self)


def family_labels(
    table: Mapping[str, Mapping[str, Cell]], descriptions: Sequence[Mapping]
) -> dict[str, str]:
    """By label of a problem that is an instance, the label of its family.

    Args:
        table: cells by problem and variant.
        descriptions: the sweep.json of each of the results, whose `families` name them.
    """
    named = {k: v for one in descriptions for k, v in (one.get("families") or {}).items()}
    rows = []
    for problem, row in table.items():
        cell = next(iter(row.values()))
        env, env_args, *lengths = cell.common_values(["env", "env_args", *LENGTHS_AND_GAMMA])
        if (family := named.get(environment_key(env, env_args))) is not None:
            rows.append((problem, family, *lengths))
    frame = pd.DataFrame(rows, columns=["problem", "family", *LENGTHS_AND_GAMMA])
    return dict(zip(frame["problem"], with_lengths(frame["family"], frame), strict=True))


def compare_all(
    table: Mapping[str, Mapping[str, Cell]],
    judged: Metric,
    rope: float | None = None,
    choices: Choices = NOTHING_CHOSEN,
    others: Mapping[tuple, float] | None = None,
    families: Mapping[str, str] | None = None,
) -> list[Comparison]:
    """Every variant against the baseline of its problem or family, which is its first variant.

    Args:
        table: cells by problem and variant, see `analysis.cells.cells_by_problem`.
        judged: the metric.
        rope: the size up to which a difference does not matter.
        choices: what was chosen to be confirmed.
        others: p-values by `Comparison.key` of comparisons that Holm's correction is for, too.
        families: see `family_labels`; of several configurations that were confirmed on an
            instance, the first counts.
    """
    groups: dict[tuple, list[Comparison]] = {}
    for row in table.values():
        for one in compare_row(row, judged, choices):
            family = (families or {}).get(one.env)
            if family is None:
                groups[one.env, one.variant, one.rank] = [one]
            elif one.rank == 1:
                groups.setdefault((family, one.variant), []).append(one)
    found = [of[0] if len(key) == 3 else _on_family(key[0], of) for key, of in groups.items()]
    p_values = {**(others or {}), **{one.key: one.p_value for one in found}}
    adjusted = dict(zip(p_values, holm_adjusted(np.array([*p_values.values()])), strict=True))
    m = int(np.count_nonzero(~np.isnan([*p_values.values()])))
    return [replace(one, adjusted=float(adjusted[one.key]), family=m, rope=rope) for one in found]


def _on_family(label: str, found: Sequence[Comparison]) -> Comparison:
    first, known = found[0], [one for one in found if one.ours is not None and one.base is not None]
    blocks = [one.block for one in known if one.block is not None]
    cells = (first.cell, first.baseline_cell)
    ours, base = (FamilyCell(label, c.variant, c.settings, c.trials) for c in cells)
    family = Comparison(
        first.metric,
        ours,
        base,
        paired=True,
        n_common=len(known),
        block=max(blocks, default=None) if len(blocks) == len(known) else None,
        lost=sum(one.lost for one in found),
        missing=sum(one.missing for one in found),
        replicates="instances",
    )
    if len(known) < LEAST_SEEDS:
        return family
    scores = [
        pd.DataFrame([side.trials.select_dtypes("number").mean() for side in sides if side])
        for sides in ([one.ours for one in known], [one.base for one in known])
    ]
    return family.tested(Side(ours, 0, scores[0]), Side(base, 0, scores[1]))
