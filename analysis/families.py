"""Families of environments: the instances of one entry of a spec, such as random MDPs of one kind.

The verdict is on the family. Its instances are the replicates: each gives one score to a variant,
the mean over the seeds of the configuration that is compared there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from hq_ray.analysis.cells import LENGTHS_AND_GAMMA, Cell, Cells, with_lengths
from hq_ray.analysis.comparison import LEAST_SEEDS, Choices, Comparison, Side, compare_row
from hq_ray.analysis.metrics import Metric
from hq_ray.analysis.statistics.t_tests import holm_adjusted
from hq_ray.trial import environment_key


class FamilyCell(Cell):
    """Stands for a family: the cell of its first instance, under the family's name."""

    @property
    def labels(self) -> list[str]:  # type: ignore[override]
        """The configuration is chosen for each instance, so no single one can be named."""
        return ["its own on each instance"] * len(self)


def family_labels(table: Cells, descriptions: Sequence[Mapping]) -> dict[str, str]:
    """Maps the label of each instance to that of its family, which a sweep.json names."""
    named = {k: v for info in descriptions for k, v in (info.get("families") or {}).items()}
    rows = []
    for problem, row in table.items():
        cell = next(iter(row.values()))
        env, env_args, *lengths = cell.problem_values(["env", "env_args", *LENGTHS_AND_GAMMA])
        if (family := named.get(environment_key(env, env_args))) is not None:
            rows.append((problem, family, *lengths))
    frame = pd.DataFrame(rows, columns=["problem", "family", *LENGTHS_AND_GAMMA])
    return dict(zip(frame["problem"], with_lengths(frame["family"], frame), strict=True))


def compare_all(
    table: Cells,
    judged: Metric,
    rope: float | None = None,
    choices: Choices | None = None,
    others: Mapping[tuple, float] | None = None,
    families: Mapping[str, str] | None = None,
) -> list[Comparison]:
    """Every variant against the baseline of its problem or family, which is its first variant.

    Args:
        table: see `analysis.cells.cells_by_problem`.
        judged: the metric.
        rope: the size up to which a difference does not matter.
        choices: what was chosen to be confirmed.
        others: p-values by `Comparison.key` of comparisons that Holm's correction is for, too.
        families: see `family_labels`; of several configurations that were confirmed on an
            instance, the first counts.
    """
    groups: dict[tuple, list[Comparison]] = {}
    for row in table.values():
        for comparison in compare_row(row, judged, choices or {}):
            family = (families or {}).get(comparison.env)
            if family is None:
                groups[comparison.env, comparison.variant, comparison.rank] = [comparison]
            elif comparison.rank == 1:
                groups.setdefault((family, comparison.variant), []).append(comparison)
    found = [on[0] if len(key) == 3 else _on_family(key[0], on) for key, on in groups.items()]
    p_values = {**(others or {}), **{c.key: c.p_value for c in found}}
    adjusted = dict(zip(p_values, holm_adjusted(np.array([*p_values.values()])), strict=True))
    n = int(np.count_nonzero(~np.isnan([*p_values.values()])))
    return [replace(c, adjusted=float(adjusted[c.key]), n_comparisons=n, rope=rope) for c in found]


def _on_family(label: str, found: Sequence[Comparison]) -> Comparison:
    first, known = found[0], [c for c in found if c.ours is not None and c.base is not None]
    blocks = [comparison.block for comparison in known if comparison.block is not None]
    sides = []
    for cell, members in (
        (first.cell, [comparison.ours for comparison in known]),
        (first.baseline_cell, [comparison.base for comparison in known]),
    ):
        family = FamilyCell(label, cell.variant, cell.settings, cell.trials)
        means = [side.trials.select_dtypes("number").mean() for side in members if side]
        sides.append(Side(family, 0, pd.DataFrame(means), len(family)))
    comparison = Comparison(
        first.metric,
        sides[0].cell,
        sides[1].cell,
        paired=True,
        n_common=len(known),
        block=max(blocks, default=None) if len(blocks) == len(known) else None,
        lost=sum(comparison.lost for comparison in found),
        missing=sum(comparison.missing for comparison in found),
        replicates="instances",
    )
    return comparison if len(known) < LEAST_SEEDS else comparison.tested(*sides)
