"""How far the learned values and the learned policy are from the exact ones."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from hq_ray.analysis.drawing.figure_levels import Quantity, levels_figure
from hq_ray.analysis.drawing.level_lines import Series

GAP_LABEL = "policy gap, V* - V at the start [reward units]"
BIAS_LABEL = "bias of Q, mean of Q - Q* [reward units]"


def value_figure(
    *,
    policy_gap: Mapping[str, Mapping[str, Series]],
    bias: Mapping[str, Mapping[str, Series]],
    hyperparameter: str,
    title: str,
    gap_label: str = GAP_LABEL,
    bias_label: str = BIAS_LABEL,
    caption: str | Sequence[str] = "",
) -> Figure:
    """Draw policy gap and bias of Q over a hyperparameter, per variant, with lines at zero.

    A biased Q need not make a bad policy: the rows are read together.

    Args:
        policy_gap, bias: series by environment and variant, see `drawing.level_lines`; a variant
            without the hyperparameter has levels None and is drawn as a level line.
        hyperparameter: its name, such as eps_shift or alpha.
        title: of the figure.
        gap_label, bias_label: of the value axes, with units.
        caption: n, interval type and the like.

    Raises:
        InputError: when there is nothing to draw, or a series has arrays of different lengths.
    """
    rows = [Quantity(gap_label, policy_gap, zero=True), Quantity(bias_label, bias, zero=True)]
    return levels_figure(rows, hyperparameter=hyperparameter, title=title, caption=caption)[0]
