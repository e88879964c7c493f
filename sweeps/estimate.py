"""What a sweep will cost, extrapolated from a few pilot trials of each kind."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from hq_ray import encoding
from hq_ray.errors import reason_of
from hq_ray.sweeps.plan import Plan, TrialSet, count_by_configuration
from hq_ray.training import train_together, warm_up
from hq_ray.trial import Trial
from hq_ray.user_code import RAISED, in_child_process

PILOT_TRIALS = 4
PILOT_SECONDS = 10.0


@dataclass(frozen=True)
class Estimate:
    """The cost of the missing trials.

    Attributes:
        core_seconds: training, evaluation and encoding, on one core.
        disk_bytes: of the episodes.
        piloted: number of pilot trials.
        failures: one reason for each kind whose pilot failed.
    """

    core_seconds: float
    disk_bytes: float
    piloted: int
    failures: tuple[str, ...]


def estimate(planned: Plan, trials: TrialSet) -> Estimate:
    """Trains a few trials of every kind (env, env_args, variant) and extrapolates by their rows.

    A kind whose pilot fails costs nothing, as its trials would fail at once.
    """
    counts = count_by_configuration(planned.missing, trials)
    rows: Counter = Counter()
    kinds: dict[tuple, list[Trial]] = {}
    for template, count in zip(trials.configurations, counts, strict=True):
        if count:
            kind = (template.env, template.env_args, template.variant)
            rows[kind] += count * template.episodes
            kinds.setdefault(kind, []).append(template)
    core_seconds = disk_bytes = 0.0
    piloted, started = 0, time.monotonic()
    failures = []
    for kind, templates in kinds.items():
        most = PILOT_TRIALS if time.monotonic() - started < PILOT_SECONDS else 1
        chosen = templates[:: max(1, len(templates) // most)][:most]
        # The user's code may end its process, so it gets one of its own.
        pilot = _pilot(chosen) if chosen[0].has_model else in_child_process(partial(_pilot, chosen))
        if pilot is None or isinstance(pilot, str):
            failures.append(f"{kind[0]}, {kind[2]}: {pilot or 'it ends its process'}")
            continue
        seconds, size, measured, n = pilot
        core_seconds += seconds / measured * rows[kind]
        disk_bytes += size / measured * rows[kind]
        piloted += n
    return Estimate(core_seconds, disk_bytes, piloted, tuple(failures))


def _pilot(trials: Sequence[Trial]) -> tuple[float, int, int, int] | str:
    """(seconds, bytes, rows, trials) of a pilot, or why it failed."""
    try:
        warm_up(trials)
        started = time.perf_counter()
        trained = []
        for trial in trials:
            trained += train_together([trial])
            if time.perf_counter() - started > PILOT_SECONDS:
                break
        size = encoding.encode_episodes(trained).size
    except RAISED as problem:
        return reason_of(problem)
    rows = sum(done.trial.episodes for done in trained)
    return time.perf_counter() - started, size, rows, len(trained)
