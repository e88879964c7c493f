"""The scalar metrics of a run: one table that `--metric`, axis labels and reports are made from.

A metric's name is the column of `analysis.summaries.summarise_trials` that holds it. Whether more
of it is better is decided in `Metric.upwards` and nowhere else.
"""

from dataclasses import dataclass

import numpy as np

from hq_ray.errors import InputError, near_miss


@dataclass(frozen=True)
class Metric:
    """A row of the table.

    Attributes:
        name: the same as flag, column and key.
        label: for an axis or a heading, without the unit.
        unit: empty for what has none.
        higher_is_better: of two values, whether the higher is the better one.
        summary: one sentence for people, with the definition.
        zero_is_best: the metric has a sign and its ideal is 0, so neither end is better.
    """

    name: str
    label: str
    unit: str
    higher_is_better: bool
    summary: str
    zero_is_best: bool = False

    @property
    def axis_label(self) -> str:
        """Label and unit, `length of final episodes [steps]`."""
        return f"{self.label} [{self.unit}]" if self.unit else self.label

    def upwards(self, values: np.ndarray) -> np.ndarray:
        """The values, or differences of them, with the sign that makes more of them better."""
        return values if self.higher_is_better else -values


METRICS: dict[str, Metric] = {
    row.name: row
    for row in (
        Metric(
            "final_return",
            "final return",
            "reward units",
            True,
            "Mean return of the last tenth of the training episodes.",
        ),
        Metric(
            "mean_return",
            "mean return",
            "reward units",
            True,
            "Mean return of all training episodes.",
        ),
        Metric(
            "return_per_step",
            "return per step",
            "reward units/step",
            True,
            "Sum of all returns over the sum of all steps.",
        ),
        Metric(
            "regret",
            "regret",
            "reward units",
            False,
            "Sum over the training episodes of J* - R: what exploring and learning cost, against "
            "the gamma-optimal policy under the same step limit.",
        ),
        Metric(
            "final_steps",
            "length of final episodes",
            "steps",
            False,
            "Mean length of the last tenth of the training episodes; shorter counts as better.",
        ),
        Metric(
            "mean_steps",
            "length of episodes",
            "steps",
            False,
            "Mean length of all training episodes; shorter counts as better.",
        ),
        Metric(
            "success_rate",
            "success rate",
            "share of episodes",
            True,
            "Share of the training episodes that ended in success.",
        ),
        Metric(
            "final_success_rate",
            "final success rate",
            "share of episodes",
            True,
            "Share of the last tenth of the training episodes that ended in success.",
        ),
        Metric(
            "failure_rate",
            "failure rate",
            "share of episodes",
            False,
            "Share of the training episodes that terminated without success; null where failing "
            "does not end an episode.",
        ),
        Metric(
            "truncation_rate",
            "truncation rate",
            "share of episodes",
            False,
            "Share of the training episodes that the step limit cut; their returns are censored.",
        ),
        Metric(
            "falls_per_episode",
            "falls per episode",
            "falls/episode",
            False,
            "Falls off the cliff per training episode; CliffWalking only.",
        ),
        Metric(
            "falls_per_1000_steps",
            "falls per 1000 steps",
            "falls/1000 steps",
            False,
            "Falls off the cliff per 1000 training steps; CliffWalking only.",
        ),
        Metric(
            "policy_value",
            "value of the learned policy",
            "discounted return",
            True,
            "Exact discounted value at the start of the greedy policy of the final Q table.",
        ),
        Metric(
            "policy_gap",
            "policy gap",
            "discounted return",
            False,
            "V* - V^pi at the start, for the greedy policy pi of the final Q table; both exact.",
        ),
        Metric(
            "start_bias",
            "bias of the start value",
            "discounted return",
            False,
            "max Q - V^pi at the start: what the learner believes in minus what its greedy policy "
            "is worth; below 0 it is a pessimist.",
            zero_is_best=True,
        ),
        Metric(
            "q_bias",
            "bias of Q",
            "discounted return",
            False,
            "Mean of Q - Q* over the final Q values that have moved from 0.",
            zero_is_best=True,
        ),
        Metric(
            "q_rmse",
            "error of Q",
            "discounted return",
            False,
            "Root mean square of Q - Q* over the final Q values that have moved from 0.",
        ),
        Metric(
            "q_max_error",
            "greatest error of Q",
            "discounted return",
            False,
            "Greatest |Q - Q*| over the final Q values that have moved from 0.",
        ),
    )
}


def metric(name: str) -> Metric:
    """The metric of that name.

    Raises:
        InputError: there is none; the message has the near miss.
    """
    if name not in METRICS:
        raise InputError(f"unknown metric {name!r}{near_miss(name, METRICS)}")
    return METRICS[name]
