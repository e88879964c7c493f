"""Paired seeds: a line from each seed's score with the baseline to that with the variant."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hq_ray.analysis.drawing.captions import format_number
from hq_ray.analysis.drawing.figure_facets import facets
from hq_ray.analysis.drawing.figure_keys import key_room, write_key
from hq_ray.analysis.drawing.panels import dress, padded
from hq_ray.analysis.drawing.score_entries import (
    label_of,
    named_words,
    paragraphs,
    read,
    sentences,
)
from hq_ray.analysis.drawing.style import (
    MUTED,
    variant_styles,
)

MANY_PAIRS = 60


def pairs_figure(
    *,
    pairs: Mapping[str, Mapping[str, Sequence[float]]],
    score_label: str | Mapping[str, str],
    title: str,
    caption: str | Sequence[str] = "",
    variant: str = "harmonic",
    baseline: str = "standard",
    higher_is_better: bool = True,
) -> Figure:
    """Draw a line per seed from its score with the baseline to that with the variant.

    Args:
        pairs: by environment, the scores of both by name, in the same order of seeds; a seed that
            lacks one of them is left out, and the note says so.
        score_label: of the value axis with its unit, one for all or one per environment.
        title, caption: above and below the panels.
        variant, baseline: who is compared; the baseline stands on the left.
        higher_is_better: which way a line of a win goes.

    Raises:
        InputError: when there is no environment, or one lacks a score list or has unequal ones.
    """
    entries = {env: {"pair": row} for env, row in pairs.items()}
    given = read(entries, "a figure of pairs", (baseline, variant))
    styles = variant_styles([baseline, variant])
    looks = {
        "win": {"color": styles[variant].color, "linestyle": "-"},
        "tie": {"color": MUTED, "linestyle": (0, (1, 1.6))},
        "loss": {"color": styles[baseline].color, "linestyle": (0, (5, 2))},
    }
    scores, dropped = {}, {}
    for env, row in given.items():
        both = np.stack([row["pair"][baseline], row["pair"][variant]])
        known = np.isfinite(both).all(axis=0)
        scores[env] = both[:, known]
        dropped[env] = [f"{(~known).sum()} of {known.size}"] if not known.all() else []
    note = sentences(
        f"a win: {variant} better than {baseline}",
        named_words("seeds without both scores", dropped),
    )
    n_most = max(both.shape[1] for both in scores.values())
    room = key_room([f"losses {format_number(n_most)}"])
    figure, frames = facets(title, note, paragraphs(caption), [*scores], room)
    for axes, (env, both) in zip(frames, scores.items(), strict=True):
        label = label_of(score_label, env)
        ticks = ((0.0, 1.0), (baseline, variant))
        dress(axes, "", label, (-0.15, 1.15), padded(both, 0.06), title=env, xticks=ticks)
        signs = np.sign(both[1] - both[0]) * (1 if higher_is_better else -1)
        kinds = np.array(["loss", "tie", "win"])[signs.astype(int) + 1]
        _draw_pairs(axes, both, kinds, looks)
        _write_counts(axes, kinds, looks)
    return figure


def _draw_pairs(axes: Axes, both: np.ndarray, kinds: np.ndarray, looks: Mapping) -> None:
    """Lines with a dot at each end, thin where there are many; losses, often fewer, on top."""
    many = both.shape[1] > MANY_PAIRS
    look = {"linewidth": 0.5, "alpha": 0.45} if many else {"linewidth": 1.3, "alpha": 0.75}
    look |= {"marker": "o", "markersize": 2 if many else 3.5}
    for kind in ("tie", "win", "loss"):
        for ends in both[:, kinds == kind].T:
            axes.add_line(Line2D([0, 1], ends, gid=kind, **(look | looks[kind])))


def _write_counts(axes: Axes, kinds: np.ndarray, looks: Mapping) -> None:
    words = {"win": "wins", "tie": "ties", "loss": "losses"}
    counts = {kind: format_number(int((kinds == kind).sum())) for kind in words}
    entries = [
        (f"{words[kind]} {counts[kind]}", looks[kind] | {"linewidth": 1.6}) for kind in words
    ]
    write_key(axes, entries)
