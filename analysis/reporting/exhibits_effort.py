"""Exhibits of tuning effort over environments: what one setting for all of them would cost.

After Adkins, Bowling and White (2024); see `statistics.adkins`. Environments are averaged, so
scores are normalised: 0 is the random policy, 1 the optimal one.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from hq_ray.analysis.cells import Cell
from hq_ray.analysis.reporting.exhibits import Exhibit
from hq_ray.analysis.statistics.adkins import (
    Estimate,
    effective_dimensionality,
    sensitivity_interval,
)
from hq_ray.analysis.statistics.tuning import seed_means
from hq_ray.analysis.study import Study
from hq_ray.hyperparameters import HYPERPARAMETERS

SCORE = "normalised_return"
SCORE_LABEL = "normalised final return [0 random, 1 optimal]"
PHI_LABEL = "sensitivity Phi [normalised return]"
PLANE_WORDS = (
    "Score: mean over {envs} of the best configuration on each. Phi: that, less the best that one "
    "configuration for all reaches. Points are less the bias of picking the best of noisy means; "
    "intervals: 95 %, basic bootstrap over seeds, 10,000 resamples."
)
EFFORT_WORDS = (
    "Best choice of so many hyperparameters to tune on each of {envs}, the others as the best "
    "configuration for all has them. The best of noisy means is too high; nothing is taken off."
)


def effort_exhibits(study: Study) -> list[Exhibit]:
    """The sensitivity plane and the dimensionality, where environments share configurations."""
    shared = {v: found for v in _variants(study) if (found := shared_scores(study, v)) is not None}
    if not shared or study.selection:
        return []
    n_envs = {len(scores) for scores, _ in shared.values()}
    envs = f"{' or '.join(map(str, sorted(n_envs)))} environments"
    return [_plane(study, shared, envs), _dimensionality(study, shared, envs)]


def _variants(study: Study) -> list[str]:
    return list(dict.fromkeys(cell.variant for cell in study.cells))


def shared_scores(study: Study, variant: str) -> tuple[np.ndarray, pd.DataFrame] | None:
    """Normalised scores of the configurations that all environments of a variant share.

    Returns:
        `(n_envs, n_configs, n_seeds)`, NaN where a trial is missing, and the settings that vary;
        None unless two environments share two configurations.
    """
    cells = [row[variant] for row in study.table.values() if variant in row]
    cells = [cell for cell in cells if np.isfinite(cell.scores(SCORE)).any()]
    if len(cells) < 2:
        return None
    rows = [_by_settings(cell, cells) for cell in cells]
    keys = [key for key in rows[0] if all(key in other for other in rows)]
    if len(keys) < 2:
        return None
    n_seeds = max(len(cell.seeds) for cell in cells)
    scores = np.full((len(cells), len(keys), n_seeds), np.nan)
    for number, (cell, row) in enumerate(zip(cells, rows, strict=True)):
        scores[number, :, : len(cell.seeds)] = cell.scores(SCORE)[[row[key] for key in keys]]
    if np.isfinite(seed_means(scores)).all(axis=0).sum() < 2:
        return None
    settings = cells[0].settings.iloc[[rows[0][key] for key in keys]].reset_index(drop=True)
    varying = [name for name in settings if settings[name].nunique(dropna=False) > 1]
    return scores, settings[varying]


def _by_settings(cell: Cell, cells: Sequence[Cell]) -> dict[tuple, int]:
    """Configurations by what they share with those of other environments: all hyperparameters.

    Lengths of training and of episodes belong to the environment, unless they were swept.
    """
    names = [n for n in cell.settings if n in HYPERPARAMETERS or any(n in c.varying for c in cells)]
    values = cell.settings[names].astype(object)
    values = values.where(values.notna(), None)
    return {tuple(row): number for number, row in enumerate(values.itertuples(index=False))}


def _plane(study: Study, shared: Mapping[str, tuple], envs: str) -> Exhibit:
    points = {}
    for variant, (scores, _) in shared.items():
        found = sensitivity_interval(scores)
        point = _point("phi", found.sensitivity) | _point("score", found.tuned_score)
        points[variant] = point
    arguments = {
        "points": points,
        "score_label": SCORE_LABEL,
        "phi_label": PHI_LABEL,
        "title": "Tuned score, and what tuning on each environment adds to it",
        "caption": [PLANE_WORDS.format(envs=envs), study.data_words],
    }
    shows = "Whether a high score needs tuning on each environment."
    shows_not = "Which hyperparameters need it; the next figure does."
    return Exhibit("sens_plane", "sensitivity", "sensitivity_plane", arguments, shows, shows_not)


def _point(name: str, found: Estimate) -> dict[str, float]:
    if not np.isfinite(found.corrected):
        return {name: found.value}
    return {name: found.corrected, f"{name}_low": found.low, f"{name}_high": found.high}


def _dimensionality(study: Study, shared: Mapping[str, tuple], envs: str) -> Exhibit:
    curves, words = {}, []
    for variant, (scores, settings) in shared.items():
        found = effective_dimensionality(seed_means(scores), settings)
        curves[variant] = {
            "n_tuned": list(range(len(found.scores))),
            "score": list(found.scores),
            "target": found.threshold,
        }
        words.append(f"{variant}: {', '.join(found.subset) or 'none'}")
    arguments = {
        "curves": curves,
        "score_label": SCORE_LABEL,
        "title": "How many hyperparameters must be tuned on each environment",
        "caption": [
            EFFORT_WORDS.format(envs=envs),
            f"At the ring: {'; '.join(words)}.",
            study.data_words,
        ],
    }
    shows = "What tuning one, two or more hyperparameters on each environment is worth."
    shows_not = "How sure that is: seeds and grids other than these would move the ring."
    return Exhibit("dimensionality", "sensitivity", "dimensionality", arguments, shows, shows_not)
