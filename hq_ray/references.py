"""What a trial is measured against: the best policy's episodes.

Returns and lengths are expected ones of an episode under the step limit, without discount, as the
log has them. All of them are exact and deterministic functions of a model.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from hq_ray.environments import load_model
from hq_ray.errors import HqRayError, reason_of
from hq_ray.model import Model
from hq_ray.planning import optimal_policy, optimal_start_value
from hq_ray.trial import is_model

# Once episodes go on with no more than this probability, further steps change no digit.
ABSORBED = 1e-17


class NoReferences(HqRayError):
    """There is nothing exact to measure these trials against here; the message says why."""


@dataclass(frozen=True)
class References:
    """What the gamma-optimal policy gets in expectation.

    It is `hq_ray.planning.optimal_policy`, the best for the discounted return without a step limit,
    which is what Q-learning aims at, so another policy may exceed `optimal_return` where discount
    and limit matter.

    Attributes:
        optimal_return: J*, undiscounted, under the step limit [return].
        optimal_steps: length of an episode under the step limit [steps].
        failure_terminates: whether an episode can terminate without success.
    """

    optimal_return: float
    optimal_steps: float
    failure_terminates: bool


@lru_cache(maxsize=4096)
def references(model: Model, gamma: float, max_steps: int) -> References | None:
    """The references of a model; None where gamma is 1 and there is no best policy.

        J* = E[sum_{t < min(T, max_steps)} r_t]

    where T is when the episode terminates, and the first state is drawn as the model says.
    """
    if optimal_start_value(model, gamma) is None:
        return None
    # With d_t(s) the probability that step t is taken, and taken in s, and p without the outcomes
    # that terminate: d_{t+1}(s') = sum_s d_t(s) p(s' | s).
    pairs = np.arange(model.n_states), optimal_policy(model, gamma)
    probability = model.probability[pairs]
    reward = np.where(probability > 0, probability * model.reward[pairs], 0.0).sum(axis=1)
    goes_on = (probability > 0) & ~model.terminated[pairs]
    source, target = np.nonzero(goes_on)[0], model.next_state[pairs][goes_on]
    weight, occupied = probability[goes_on], model.start_probability
    total_return = total_steps = 0.0
    for _ in range(max_steps):
        going = float(occupied.sum())
        if going <= ABSORBED:
            break
        total_steps += going
        total_return += float((occupied * reward).sum())
        occupied = np.bincount(target, occupied[source] * weight, minlength=model.n_states)
    failures = model.ends if model.success is None else model.ends & ~model.success
    return References(total_return, total_steps, bool(failures.any()))


def references_of(
    env: str, env_args: str, fingerprint: str | None, gamma: float, max_steps: int
) -> References:
    """The references of trials, from the environment as it is made here.

    Raises:
        NoReferences: the trials were trained without a model, or their environment cannot be made
            here, has no model here, another one than theirs, or no best policy.
    """
    name = f"{env} {env_args}"
    if not is_model(fingerprint):
        raise NoReferences(f"{name} was trained without a model to compute exact values from")
    try:
        model = load_model(env, env_args)
    except Exception as problem:  # whatever an environment of the user's own may raise
        reason = str(problem) if isinstance(problem, HqRayError) else reason_of(problem)
        raise NoReferences(f"{name} cannot be made here ({reason})") from problem
    if model is None:
        raise NoReferences(f"{name} has no transition table here that is believed")
    if model.fingerprint != fingerprint:
        raise NoReferences(
            f"the model of {name} must be the one of the trials ({fingerprint}), but here it is "
            f"{model.fingerprint}"
        )
    found = references(model, float(gamma), int(max_steps))
    if found is None:
        raise NoReferences(
            f"{name} has no best policy at gamma 1: none surely ends, or what they gain has no "
            "bound"
        )
    return found
