"""Choice and confirmation: the best configuration of each problem and variant, on fresh seeds.

A problem is (env, env_args, episodes, max_steps, gamma). Whoever takes the best of many
configurations takes their luck, too; seeds that had no part in the choice are free of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hq_ray.hyperparameters import HYPERPARAMETERS
from hq_ray.load import load_trials
from hq_ray.schema import BETTER, DONE
from hq_ray.store import Results
from hq_ray.sweeps.plan import TrialSet
from hq_ray.sweeps.spec_entries import Confirm
from hq_ray.trial import (
    BLOCK,
    CONFIRMATION,
    FIRST_FRESH_SEED,
    Trial,
    environment_key,
    environment_name,
    seeded,
)

# A configuration as the plan has it, and what sweep.json says of it: `variant`, `config_id`, `rank`
# (1 for the best one), `configurations` (how many its variant has on the problem), `score` (mean of
# the metric over the exploration seeds) and `settings` (the hyperparameters that vary, in words).
Chosen = tuple[Trial, dict[str, Any]]


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
    environment = environment_key(trial.env, trial.env_args)
    lengths = f"episodes {trial.episodes}, max_steps {trial.max_steps}"
    return f"{environment}, {lengths}, gamma {trial.gamma}"


def choose(
    trials: TrialSet, results: Results, metric: str, top: int
) -> dict[tuple[str, str], list[Chosen]]:
    """By problem and variant, the best configurations.

    The best has the best mean of the metric over the seeds of the plan, of the whole grid. Eligible
    is a configuration whose every such trial is done and has the metric; ties go to the order of
    the plan. A variant without an eligible configuration has none.

    Args:
        trials: of the plan.
        results: where they are published.
        metric: a column of `trials` with a better end.
        top: how many of each variant.
    """
    frame = load_trials(results, columns=["trial_id", "status", metric], damaged=[], quiet=True)
    frame = frame[frame["status"] == DONE].set_index("trial_id")[metric].astype(float)
    scores = frame.reindex(list(trials.ids())).to_numpy().reshape(len(trials.seeds), -1)
    groups: dict[tuple[str, str], list[tuple[Trial, float]]] = {}
    for one, mean in zip(trials.configurations, scores.mean(axis=0).tolist(), strict=True):
        groups.setdefault((problem_of(one), one.variant), []).append((one, mean))
    found: dict[tuple[str, str], list[Chosen]] = {}
    for key, group in groups.items():
        eligible = [(one, mean) for one, mean in group if np.isfinite(mean)]
        eligible.sort(key=lambda of: -BETTER[metric] * of[1])
        every = [_settings(one) for one, _ in group]
        varying = [name for name in every[0] if len({of[name] for of in every}) > 1]
        found[key] = []
        for rank, (one, mean) in enumerate(eligible[:top], 1):
            settings = _settings(one)
            record = {
                "variant": one.variant,
                "config_id": one.config_id,
                "rank": rank,
                "configurations": len(group),
                "score": mean,
                "settings": ", ".join(
                    f"{name} {settings[name]}" for name in varying if settings[name] is not None
                ),
            }
            found[key].append((one, record))
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
    record = dict(results.description().get("confirmed", {}))
    used = _used_blocks(results)
    fresh: list[tuple[int, Trial]] = []
    found = choose(trials, results, how.metric, how.top)
    notices = [
        f"{variant} on {problem}: no configuration has {how.metric} for all of its seeds, so none "
        "is confirmed"
        for (problem, variant), best in found.items()
        if not best
    ]
    by_problem: dict[str, list[Chosen]] = {}
    for (problem, _), best in found.items():
        by_problem.setdefault(problem, []).extend(best)
    for problem, chosen in by_problem.items():
        if not chosen:
            continue
        before, records = record.get(problem, []), [of for _, of in chosen]
        record[problem] = _blocks(before, records, how, used.get(problem, -1))
        block = record[problem][-1]
        first = FIRST_FRESH_SEED + block["block"] * BLOCK
        for one, of in chosen:
            make = seeded(replace(one, role=CONFIRMATION))
            fresh += [(number, make(first + number)) for number in range(block["seeds"])]
            notices.append(_sentence(problem, one, of, block))
    ordered = [trial for _, trial in sorted(fresh, key=lambda numbered: numbered[0])]
    return Confirmation(ordered, record, notices)


def _blocks(before: list[dict], chosen: list[dict], how: Confirm, used: int) -> list[dict]:
    """The blocks of fresh seeds of a problem; the last one is that of the choice.

    Args:
        before: the blocks so far.
        chosen: the record of each configuration.
        how: as the spec says.
        used: number of the last block that any trial is of.
    """
    last = before[-1] if before else {"block": used, "metric": None, "chosen": []}
    if (last["metric"], _ids(last["chosen"])) != (how.metric, _ids(chosen)):
        number = max(used, last["block"]) + 1
        block = {"block": number, "metric": how.metric, "seeds": how.seeds, "chosen": chosen}
        return [*before, block]
    block = {**last, "chosen": chosen, "seeds": max(how.seeds, last["seeds"])}
    if how.seeds > last["seeds"]:
        block["extended_after"] = [*last.get("extended_after", []), last["seeds"]]
    return [*before[:-1], block]


def _ids(chosen: Sequence[Mapping]) -> list[tuple[str, str]]:
    return sorted((one["variant"], one["config_id"]) for one in chosen)


def _used_blocks(results: Results) -> dict[str, int]:
    """By problem, the last block that any trial is of, also where sweep.json was lost."""
    names = ["env", "env_args", "episodes", "max_steps", "gamma"]
    of = load_trials(results, "role == 'confirmation'", [*names, "seed"], damaged=[], quiet=True)
    last = of.groupby(names, as_index=False, observed=True)["seed"].max()
    return {
        problem_of(row): (row.seed - FIRST_FRESH_SEED) // BLOCK
        for row in last.itertuples(index=False)
    }


def _sentence(problem: str, one: Trial, record: Mapping, block: Mapping) -> str:
    which = record["settings"] or "the only configuration"
    rank, number = record["rank"], record["configurations"]
    of = f"best of {number}" if rank == 1 else f"number {rank} of {number}"
    name = one.label or environment_name(one.env, one.env_args)
    problem = problem.replace(environment_key(one.env, one.env_args), name, 1)
    return (
        f"Confirmed on {block['seeds']} fresh seeds: {problem}: {one.variant} with {which}, "
        f"{of} by {block['metric']} ({record['score']:.6g})"
    )
