"""The scalar metrics of a run: one table that `--metric`, axis labels and reports are made from.

A metric's name is the column of `analysis.summaries.summarise_trials` that holds it.
"""

from dataclasses import dataclass
from typing import Any

from hq_ray.errors import InputError, near_miss
from hq_ray.schema import BETTER

# Signs of metrics that are not columns of `trials` (for the others see `schema.BETTER`). A metric
# without a sign is best at 0.
COSTS = ("regret", "failure_rate", "falls_per_episode", "falls_per_1000_steps", "policy_gap")
DERIVED = {"return_per_step": 1, **dict.fromkeys(COSTS, -1)}


@dataclass(frozen=True)
class Metric:
    """A row of the table.

    Attributes:
        name: the same as flag, column and key.
        label, unit: for an axis or a heading.
        summary: one sentence for people, with the definition.
    """

    name: str
    label: str
    unit: str
    summary: str

    @property
    def sign(self) -> int:
        """1 where more is better, -1 where less is, 0 where the metric is best at 0."""
        return (BETTER | DERIVED).get(self.name, 0)

    @property
    def axis_label(self) -> str:
        """Label and unit, `length of final episodes [steps]`."""
        return f"{self.label} [{self.unit}]"

    def upwards(self, values: Any) -> Any:
        """The values, or differences of them, with the sign that makes more of them better."""
        return values if self.sign > 0 else -values


RETURN, SHARE, VALUE = "reward units", "share of episodes", "discounted return"
PER_STEP, FALLS = "reward units/step", "falls/1000 steps"
GREEDY = "Exact, at the start; greedy in the final Q, with the lowest index among ties."
BIAS = "max Q at the start minus the value of the learned policy; negative means pessimistic."
ROWS = (
    ("final_return", "final return", RETURN, "Mean return of the last tenth of the episodes."),
    ("mean_return", "mean return", RETURN, "Mean return of all training episodes."),
    ("return_per_step", "return per step", PER_STEP, "Sum of returns over that of steps."),
    ("regret", "regret", RETURN, "Sum over training of J* - R, J* of the gamma-optimal policy."),
    ("final_steps", "length of final episodes", "steps", "Mean length of the last tenth of them."),
    ("mean_steps", "length of episodes", "steps", "Mean length of all training episodes."),
    ("success_rate", "success rate", SHARE, "Share of the episodes that ended in success."),
    ("final_success_rate", "final success rate", SHARE, "The same of the last tenth of them."),
    ("failure_rate", "failure rate", SHARE, "Share that terminated without success."),
    ("truncation_rate", "truncation rate", SHARE, "Share that the step limit cut."),
    ("falls_per_episode", "falls per episode", "falls/episode", "CliffWalking only."),
    ("falls_per_1000_steps", "falls per 1000 steps", FALLS, "CliffWalking only."),
    ("policy_value", "value of the learned policy", VALUE, GREEDY),
    ("policy_gap", "policy gap", VALUE, "V* less the value of the learned policy; both exact."),
    ("start_bias", "bias of the start value", VALUE, BIAS),
    ("q_bias", "bias of Q", VALUE, "Mean of Q - Q* over the final values that have moved from 0."),
    ("q_rmse", "error of Q", VALUE, "Root mean square of Q - Q* over the same values."),
    ("q_max_error", "greatest error of Q", VALUE, "Greatest |Q - Q*| over the same values."),
)
METRICS = {row[0]: Metric(*row) for row in ROWS}
# While learning, at the end, what was learned.
THREE_METRICS = ("mean_return", "final_return", "policy_value")


def judging_metric(name: str) -> Metric:
    """The metric of that name, if one end of it is the better one.

    Raises:
        InputError: there is none; the message has the near miss. Or it is best at 0.
    """
    if name not in METRICS:
        raise InputError(f"unknown metric {name!r}{near_miss(name, METRICS)}")
    if not METRICS[name].sign:
        usable = [row.name for row in METRICS.values() if row.sign]
        raise InputError(
            f"the metric to judge by must have a better end, but {name} is best at 0; "
            f"take one of {', '.join(usable)}"
        )
    return METRICS[name]
