"""Choice and confirmation: the best configuration of each problem and variant, on fresh seeds.

A problem is (env, env_args, episodes, max_steps, gamma). Whoever takes the best of many
configurations takes their luck, too; seeds that had no part in the choice are free of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hq_ray.hyperparameters import HYPERPARAMETERS
from hq_ray.load import load_trials
from hq_ray.schema import BETTER, DONE
from hq_ray.store import Results
from hq_ray.sweeps.plan import TrialSet
from hq_ray.sweeps.spec_entries import Confirm
from hq_ray.trial import BLOCK, CONFIRMATION, FIRST_FRESH_SEED, Trial, environment_name, seeded


@dataclass(frozen=True)
class Chosen:
    """A configuration that won its grid.

    Attributes:
        configuration: as the plan has it.
        rank: 1 for the best one.
        of: how many configurations its variant has on the problem.
        score: mean of the metric over the exploration seeds.
        settings: the hyperparameters that vary there, in words.
    """

    configuration: Trial
    rank: int
    of: int
    score: float
    settings: str


@dataclass(frozen=True)
class Confirmation:
    """What is to be run on fresh seeds.

    Attributes:
        trials: seeds outermost.
        record: by problem, the blocks so far with what was chosen, as `sweep.json` keeps them.
        notices: a sentence for each choice, and for each that could not be made.
    """

    trials: Sequence[Trial]
    record: Mapping[str, list[dict]]
    notices: Sequence[str]


def problem_of(trial: Trial) -> str:
    """The name of a trial's problem in `sweep.json`."""
    return (
        f"{trial.env} {trial.env_args}, episodes {trial.episodes}, max_steps {trial.max_steps}, "
        f"gamma {trial.gamma}"
    )


def choose(trials: TrialSet, results: Results, metric: str, top: int) -> dict[str, list[Chosen]]:
    """By problem, the best configurations of each variant, in the order of the plan.

    The best has the best mean of the metric over the seeds of the plan, of the whole grid. Eligible
    is a configuration whose every such trial is done and has the metric; ties go to the order of
    the plan. A problem or variant without an eligible configuration is missing.

    Args:
        trials: of the plan.
        results: where they are published.
        metric: a column of `trials` with a better end.
        top: how many of each variant.
    """
    frame = load_trials(results, columns=["trial_id", "status", metric], damaged=[], quiet=True)
    frame = frame[frame["status"] == DONE].set_index("trial_id")[metric].astype(float)
    scores = frame.reindex(trials.ids()).to_numpy().reshape(len(trials.seeds), -1)
    means = scores.mean(axis=0)
    groups: dict[tuple[str, str], list[int]] = {}
    for number, one in enumerate(trials.configurations):
        groups.setdefault((problem_of(one), one.variant), []).append(number)
    found: dict[str, list[Chosen]] = {}
    for (problem, _), numbers in groups.items():
        eligible = [number for number in numbers if np.isfinite(means[number])]
        best = sorted(eligible, key=lambda number: -BETTER[metric] * means[number])[:top]
        settings = {number: _settings(trials.configurations[number]) for number in numbers}
        varying = [h for h in settings[numbers[0]] if len({of[h] for of in settings.values()}) > 1]
        for rank, number in enumerate(best, 1):
            one = trials.configurations[number]
            of = settings[number]
            words = [f"{h} {of[h]}" for h in varying if of[h] is not None]
            chosen = Chosen(one, rank, len(numbers), float(means[number]), ", ".join(words))
            found.setdefault(problem, []).append(chosen)
    return found


def _settings(one: Trial) -> dict[str, object]:
    """Its hyperparameters by name, those of a rule of the user's own too."""
    return {name: getattr(one, name) for name in HYPERPARAMETERS} | one.rule_values


def confirmation(trials: TrialSet, results: Results, how: Confirm) -> Confirmation:
    """What confirms the choice of a sweep whose exploration is published.

    The seeds are 2^62 + k * 2^20 + 0, 1, 2, ... The same choice keeps its block k, with more seeds
    where more are asked for. Another choice, or another metric, confirms all variants of its
    problem on the next block: seeds wear out once their scores have been seen.

    Args:
        trials: of the exploration.
        results: where they are published.
        how: as the spec says.
    """
    seeds, metric = how.seeds, how.metric
    found = choose(trials, results, metric, how.top)
    record = dict(results.description().get("confirmed", {}))
    used = _used_blocks(results)
    fresh: list[tuple[Trial, range]] = []
    notices = [
        f"{variant} on {problem} has no configuration whose every trial is done and has "
        f"{metric}, so none is confirmed"
        for problem, variant in dict.fromkeys(
            (problem_of(one), one.variant) for one in trials.configurations
        )
        if variant not in {chosen.configuration.variant for chosen in found.get(problem, ())}
    ]
    for problem, chosen in found.items():
        blocks = list(record.get(problem, []))
        now = [
            {
                "variant": one.configuration.variant,
                "config_id": one.configuration.config_id,
                "rank": one.rank,
                "configurations": one.of,
                "score": one.score,
                "settings": one.settings,
            }
            for one in chosen
        ]
        last = blocks.pop() if blocks else None
        if last is not None and (last["metric"], _ids(last["chosen"])) == (metric, _ids(now)):
            extended = list(last.get("extended_after", []))
            if seeds > last["seeds"]:
                extended.append(last["seeds"])
            block = {**last, "chosen": now, "seeds": max(seeds, last["seeds"])}
            block |= {"extended_after": extended} if extended else {}
        else:
            blocks += [last] if last is not None else []
            number = max(used.get(problem, -1), blocks[-1]["block"] if blocks else -1) + 1
            block = {"block": number, "metric": metric, "seeds": seeds, "chosen": now}
        record[problem] = [*blocks, block]
        first = FIRST_FRESH_SEED + block["block"] * BLOCK
        some = range(first, first + block["seeds"])
        fresh += [(replace(one.configuration, role=CONFIRMATION), some) for one in chosen]
        notices += [_sentence(problem, one, metric, len(some)) for one in chosen]
    makers = [(seeded(one), some) for one, some in fresh]
    longest = max((len(some) for _, some in makers), default=0)
    every = [
        make(some[place]) for place in range(longest) for make, some in makers if place < len(some)
    ]
    return Confirmation(every, record, notices)


def _ids(chosen: Sequence[Mapping]) -> list[tuple[str, str]]:
    return sorted((one["variant"], one["config_id"]) for one in chosen)


def _used_blocks(results: Results) -> dict[str, int]:
    """By problem, the last block that any trial is of, also where sweep.json was lost."""
    names = ["env", "env_args", "episodes", "max_steps", "gamma", "seed"]
    frame = load_trials(results, "role == 'confirmation'", names, damaged=[], quiet=True)
    blocks: dict[str, int] = {}
    for row in frame.itertuples(index=False):
        problem = problem_of(row)
        number = (row.seed - FIRST_FRESH_SEED) // BLOCK
        blocks[problem] = max(blocks.get(problem, -1), number)
    return blocks


def _sentence(problem: str, one: Chosen, metric: str, seeds: int) -> str:
    which = one.settings or "the only configuration"
    of = f"best of {one.of}" if one.rank == 1 else f"number {one.rank} of {one.of}"
    trial = one.configuration
    name = trial.label or environment_name(trial.env, trial.env_args)
    problem = problem.replace(f"{trial.env} {trial.env_args}", name, 1)
    return (
        f"Confirmed on {seeds} fresh seeds: {problem}: {trial.variant} with {which}, "
        f"{of} by {metric} ({one.score:.6g})"
    )
