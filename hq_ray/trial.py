"""A trial as a value: what determines its log, its identity, and what training it yields."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np

from hq_ray.errors import InputError, one_line
from hq_ray.hyperparameters import Value
from hq_ray.schedules import Schedule

# Raised whenever the same trial would train to other bits: a new meaning of a hyperparameter,
# another order of draws, another update formula.
SEMANTICS_VERSION = 1

MAX_SEED = 2**63 - 1
# The first seed that confirms, and the seeds set apart for each choice; see `sweeps.choice`.
FIRST_FRESH_SEED, BLOCK = 2**62, 2**20
# Of one sweep: more would not fit in memory.
MOST_SEEDS = 10**6

EXPLORATION, CONFIRMATION = "exploration", "confirmation"

# Fingerprints without a model: ROLLOUT and the digest of a rollout, or UNSEEDED.
ROLLOUT, UNSEEDED = "rollout:", "unseeded"


@dataclass(frozen=True)
class Trial:
    """One training run. Hyperparameters that the trial does not read are None.

    Attributes:
        env: Gymnasium id, resolved.
        env_args: keyword arguments of the environment as canonical JSON.
        fingerprint: digest of the environment's model; where there is no model, of a rollout
            (`rollout:...`) or `unseeded`, or None in results from before.
        variant: a name of the VARIANTS table, or `module:name` of a user-defined rule.
        seed: of both random streams.
        episodes: training length.
        max_steps: step limit of an episode.
        rule: digest of the module file of a user-defined rule.
        rule_args: values of the rule's own hyperparameters, as JSON.
        source: digest of the environment's source files; None where none are its own or matter.
        label: what tables and figures call the environment; None for its id and arguments.
        role: `exploration`, or `confirmation` for the fresh seeds that score a choice.

    The last three are no part of the identity.
    """

    env: str
    env_args: str
    fingerprint: str | None
    variant: str
    seed: int
    episodes: int
    max_steps: int
    alpha: float | None = None
    alpha_schedule: str | None = None
    alpha_end: float | None = None
    alpha_decay_episodes: int | None = None
    alpha_power: float | None = None
    alpha_down: float | None = None
    gamma: float = 0.99
    eps_schedule: str | None = None
    eps_start: float | None = None
    eps_end: float | None = None
    eps_decay_episodes: int | None = None
    eps_shift: float | None = None
    rule: str | None = None
    rule_args: str | None = None
    source: str | None = None
    label: str | None = None
    role: str = EXPLORATION

    @cached_property
    def identity(self) -> dict[str, Value]:
        """The fields that `trial_id` digests: those that matter and are not None."""
        items = {name: getattr(self, name) for name in TRIAL_FIELDS if name not in NOT_IDENTITY}
        if None not in (self.alpha, self.alpha_down) and self.alpha_schedule != "constant":
            items["down"] = "ratio"
        return {name: value for name, value in items.items() if value is not None}

    @property
    def has_model(self) -> bool:
        """Whether it is trained with a model of its environment."""
        return is_model(self.fingerprint)

    @cached_property
    def trial_id(self) -> str:
        """16 hex digits, the same on every machine and in every process."""
        return id_by_seed(self)(self.seed)

    @cached_property
    def config_id(self) -> str:
        """16 hex digits of the configuration: the same for all seeds."""
        identity = {name: value for name, value in self.identity.items() if name != "seed"}
        return hashlib.sha256(_digested(identity)).hexdigest()[:16]

    @property
    def epsilon_schedule(self) -> Schedule:
        """The exploration probability over episodes."""
        return _schedule(self.eps_schedule, self.eps_start, self.eps_end, self.eps_decay_episodes)

    @property
    def by_visits(self) -> bool:
        """Whether the step size falls with the updates of a pair instead of with episodes."""
        return self.alpha_schedule == "visits"

    @property
    def rule_values(self) -> dict[str, float]:
        """Values of the hyperparameters that a user-defined rule has of its own."""
        return json.loads(self.rule_args or "{}")

    def step_sizes(self) -> tuple[np.ndarray, np.ndarray]:
        """The step upwards and the step downwards by episode: float64 (episodes,).

        By visits, both are to be multiplied by the weight of the visit, and the downward step is
        given as its ratio to the upward one. Zeros stand for steps that the variant does not have.
        """
        kind = "constant" if self.by_visits else self.alpha_schedule
        schedule = _schedule(kind, self.alpha, self.alpha_end, self.alpha_decay_episodes)
        upwards = schedule.values(self.episodes)
        if self.alpha is None or self.alpha_down is None or self.alpha_schedule == "constant":
            return upwards, Schedule("constant", self.alpha_down or 0.0).values(self.episodes)
        ratio = self.alpha_down / self.alpha
        if self.by_visits:
            return upwards, Schedule("constant", ratio).values(self.episodes)
        return upwards, upwards * ratio


def _schedule(
    kind: str | None, start: float | None, end: float | None, decay_episodes: int | None
) -> Schedule:
    return Schedule(kind or "constant", start or 0.0, end or 0.0, decay_episodes or 1)


TRIAL_FIELDS = tuple(field.name for field in fields(Trial))
NOT_IDENTITY = ("source", "label", "role")


@dataclass(frozen=True, eq=False)
class EpisodeLog:
    """The log of one trial; arrays of length `episodes`.

    Attributes:
        episode_return: float64, undiscounted sum of rewards [reward units].
        steps: int32, length of the episode [steps].
        terminated: bool, the environment ended the episode.
        success: bool, it ended in success; None without a model, or where no start can reach one.
        q_values: float64 (n_states, n_actions), after the last episode [return].
        first_state, first_action: what the environment calls row 0 and column 0 of `q_values`.
    """

    episode_return: np.ndarray
    steps: np.ndarray
    terminated: np.ndarray
    success: np.ndarray | None
    q_values: np.ndarray
    first_state: int = 0
    first_action: int = 0

    @property
    def truncated(self) -> np.ndarray:
        """bool, the step limit cut the episode before it terminated."""
        return ~self.terminated


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained trial: its log, where it was trained, its summary and what that took.

    Attributes:
        summary: the columns of `schema.SUMMARY`, None where unknown.
        train_seconds, evaluate_seconds: wall time of the loop and of the exact evaluation.
    """

    trial: Trial
    log: EpisodeLog
    engine: str
    summary: dict[str, Any]
    train_seconds: float
    evaluate_seconds: float


@dataclass(frozen=True)
class Failure:
    """A trial that raised instead of training."""

    trial: Trial
    error_type: str
    error_message: str
    error_traceback: str


def is_model(fingerprint: str | None) -> bool:
    """Whether a fingerprint is that of a model."""
    return fingerprint not in (None, UNSEEDED) and not fingerprint.startswith(ROLLOUT)


def short_fingerprint(fingerprint: str | None) -> str:
    """A fingerprint for a reader: 8 of its digits, or the word that stands for it."""
    return (fingerprint or "none").removeprefix(ROLLOUT)[:8]


def seeded(configuration: Trial) -> Callable[[int], Trial]:
    """A function that makes the configuration's trial of a seed, its id known.

    It takes 2 microseconds a trial; copying the dataclass and digesting its JSON anew take 20.
    """
    digest = id_by_seed(configuration)
    values = {name: getattr(configuration, name) for name in (*TRIAL_FIELDS, "config_id")}

    def make(seed: int) -> Trial:
        trial = object.__new__(Trial)
        trial.__dict__.update(values, seed=seed, trial_id=digest(seed))
        return trial

    return make


def canonical(content: Mapping[str, object]) -> str:
    """JSON that is the same for the same content: keys sorted, no spaces.

    Raises:
        InputError: some of it is no plain JSON value.
    """
    try:
        return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as problem:
        raise InputError(f"arguments must be plain JSON values, but: {one_line(problem)}") from None


def _digested(identity: Mapping[str, Value]) -> bytes:
    return canonical({"semantics": SEMANTICS_VERSION, **identity}).encode()


def id_by_seed(configuration: Trial) -> Callable[[int], str]:
    """The id of a configuration's trial as a function of the seed: a digest of its canonical JSON.

    The part of the JSON before the seed is digested once.
    """
    # Inside a JSON string the quotes would be escaped, so this is found once.
    head, tail = _digested({**configuration.identity, "seed": 0}).split(b'"seed":0,')
    begun, tail = hashlib.sha256(head), b"," + tail

    def digest(seed: int) -> str:
        whole = begun.copy()
        whole.update(b'"seed":%d' % seed + tail)
        return whole.hexdigest()[:16]

    return digest


def batch_name(trials: Iterable[Trial]) -> str:
    """16 hex digits from the trial ids: the same batch run twice replaces itself."""
    ids = ",".join(sorted(trial.trial_id for trial in trials))
    return hashlib.sha256(ids.encode()).hexdigest()[:16]


def parse_seeds(text: str) -> tuple[int, ...]:
    """Reads `0-4`, `0,1,2` or a mixture such as `0-2,7`.

    Raises:
        InputError: not of that form, an empty or falling range, a seed given twice.
    """
    seeds: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise InputError(
                f"seeds must be a range like '0-4' or a list like '0,1,2', got {text!r}"
            )
        # Cut, because Python refuses to read numbers of thousands of digits.
        low, high = (int(digits[:30]) for digits in (first, last or first))
        if high < low:
            raise InputError(
                f"a range of seeds must rise, got {part.strip()!r}; did you mean '{high}-{low}'?"
            )
        if high > MAX_SEED or len(seeds) + high - low >= MOST_SEEDS:
            raise InputError(
                f"seeds must be below 2**63, at most 1 million of them, got {part.strip()[:60]!r}"
            )
        seeds.extend(range(low, high + 1))
    if len(set(seeds)) < len(seeds):
        raise InputError(f"each seed must be given once, got {text!r}")
    return tuple(seeds)


def environment_key(env: str, env_args: str) -> str:
    """An environment as sweep.json names it; an id holds no space."""
    return f"{env} {env_args}"


def environment_name(env: str, env_args: str) -> str:
    """An environment for a reader, as `VelocityGrid-v0, max_speed 2`."""
    arguments = json.loads(env_args).items()
    words = [f"{name} {json.dumps(value, ensure_ascii=False)}" for name, value in arguments]
    return ", ".join([env, *words])


def trials_text(count: int) -> str:
    """`1 trial`, `12,000 trials`."""
    return "1 trial" if count == 1 else f"{count:,} trials"


def block_of(seeds: Any) -> Any:
    """The number of the block that fresh seeds belong to, of one or of an array."""
    return (seeds - FIRST_FRESH_SEED) // BLOCK


def seeds_text(seeds: Iterable[int]) -> str:
    """Seeds as short text: runs as ranges."""
    parts: list[list[int]] = []
    for seed in seeds:
        if parts and seed == parts[-1][1] + 1:
            parts[-1][1] = seed
        else:
            parts.append([seed, seed])
    return ",".join(f"{a}-{b}" if b > a else f"{a}" for a, b in parts)
