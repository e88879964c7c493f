"""Choice and confirmation: the best configuration of each problem and variant, on fresh seeds.

A problem is (env, env_args, episodes, max_steps, gamma). The best of many configurations is partly
lucky; seeds that had no part in the choice measure it without that bias.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
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
    block_of,
    environment_key,
    environment_name,
    seeded,
)

# A configuration as the plan has it, and what sweep.json says of it: `variant`, `config_id`, `rank`
# (1 for the best one), `configurations` (how many its variant has on the problem), `score` (mean of
# the metric over the exploration seeds) and `settings` (the hyperparameters that vary, in words).
Chosen = tuple[Trial, dict[str, Any]]


def problem_of(trial: Trial, name: str = "") -> str:
    """A trial's problem as `sweep.json` names it, or with another name of its environment."""
    name = name or environment_key(trial.env, trial.env_args)
    return f"{name}, episodes {trial.episodes}, max_steps {trial.max_steps}, gamma {trial.gamma}"


def choose(
    trials: TrialSet, results: Results, metric: str, top: int
) -> dict[tuple[str, str], list[Chosen]]:
    """By problem and variant, the `top` best configurations by a metric, a column of `trials`.

    The best has the best mean of the metric over the seeds of the plan, of the whole grid. Eligible
    is a configuration whose every such trial is done and has the metric; ties go to the order of
    the plan. A variant without an eligible configuration has none.
    """
    frame = load_trials(results, columns=["trial_id", "status", metric], damaged=[], quiet=True)
    frame = frame[frame["status"] == DONE].set_index("trial_id")[metric].astype(float)
    scores = frame.reindex(list(trials.ids())).to_numpy().reshape(len(trials.seeds), -1)
    groups: dict[tuple[str, str], list[tuple[Trial, float]]] = {}
    for trial, mean in zip(trials.configurations, scores.mean(axis=0).tolist(), strict=True):
        groups.setdefault((problem_of(trial), trial.variant), []).append((trial, mean))
    best: dict[tuple[str, str], list[Chosen]] = {}
    for key, group in groups.items():
        eligible = [(trial, mean) for trial, mean in group if np.isfinite(mean)]
        eligible.sort(key=lambda scored: -BETTER[metric] * scored[1])
        every = [_settings(trial) for trial, _ in group]
        varying = [name for name in every[0] if len({settings[name] for settings in every}) > 1]
        best[key] = []
        for rank, (trial, mean) in enumerate(eligible[:top], 1):
            settings = _settings(trial)
            words = [f"{name} {settings[name]}" for name in varying if settings[name] is not None]
            record = {
                "variant": trial.variant,
                "config_id": trial.config_id,
                "rank": rank,
                "configurations": len(group),
                "score": mean,
                "settings": ", ".join(words),
            }
            best[key].append((trial, record))
    return best


def _settings(trial: Trial) -> dict[str, object]:
    """A trial's hyperparameters by name, those of a user-defined rule too."""
    return {name: getattr(trial, name) for name in HYPERPARAMETERS} | trial.rule_values


def confirmation(
    trials: TrialSet, results: Results, confirm: Confirm
) -> tuple[list[Trial], dict[str, list[dict]], list[str]]:
    """What confirms the choice of a sweep whose exploration is published.

    The seeds are 2^62 + k * 2^20 + 0, 1, 2, ... The same choice keeps its block k, with more seeds
    where more are asked for. Another choice, or another metric, confirms all variants of its
    problem on the next block: seeds wear out once their scores have been seen.

    Returns:
        The trials on fresh seeds, seeds outermost; by problem the blocks so far with what was
        chosen, as `sweep.json` keeps them; a sentence for each choice, made or not.
    """
    record = dict(results.description().get("confirmed", {}))
    used = _used_blocks(results)
    fresh: list[tuple[int, Trial]] = []
    notices = []
    by_problem: dict[str, list[Chosen]] = {}
    for (problem, variant), best in choose(trials, results, confirm.metric, confirm.top).items():
        if best:
            by_problem.setdefault(problem, []).extend(best)
        else:
            notices.append(
                f"{variant} on {problem}: no configuration has {confirm.metric} for all of its "
                "seeds, so none is confirmed"
            )
    for problem, chosen in by_problem.items():
        before, entries = record.get(problem, []), [entry for _, entry in chosen]
        record[problem] = _blocks(before, entries, confirm, used.get(problem, -1))
        block = record[problem][-1]
        first = FIRST_FRESH_SEED + block["block"] * BLOCK
        for trial, entry in chosen:
            make = seeded(replace(trial, role=CONFIRMATION))
            fresh += [(number, make(first + number)) for number in range(block["seeds"])]
            notices.append(_sentence(trial, entry, block))
    fresh.sort(key=lambda numbered: numbered[0])
    return [trial for _, trial in fresh], record, notices


def _blocks(before: list[dict], chosen: list[dict], confirm: Confirm, used: int) -> list[dict]:
    """The blocks of fresh seeds of a problem: those so far, and last the one of what is chosen now.

    `used` is the number of the last block that any trial is of.
    """
    last = before[-1] if before else {"block": used, "metric": None, "chosen": []}
    if (last["metric"], _ids(last["chosen"])) != (confirm.metric, _ids(chosen)):
        block = {"block": max(used, last["block"]) + 1, "metric": confirm.metric}
        return [*before, block | {"seeds": confirm.seeds, "chosen": chosen}]
    block = {**last, "chosen": chosen, "seeds": max(confirm.seeds, last["seeds"])}
    if confirm.seeds > last["seeds"]:
        block["extended_after"] = [*last.get("extended_after", []), last["seeds"]]
    return [*before[:-1], block]


def _ids(chosen: Sequence[Mapping]) -> list[tuple[str, str]]:
    return sorted((entry["variant"], entry["config_id"]) for entry in chosen)


def _used_blocks(results: Results) -> dict[str, int]:
    """The last block used per problem, by the trials themselves: sweep.json may be lost."""
    names = ["env", "env_args", "episodes", "max_steps", "gamma"]
    where = "role == 'confirmation'"
    frame = load_trials(results, where, [*names, "seed"], damaged=[], quiet=True)
    last = frame.groupby(names, as_index=False, observed=True)["seed"].max()
    return {problem_of(row): block_of(row.seed) for row in last.itertuples(index=False)}


def _sentence(trial: Trial, entry: Mapping, block: Mapping) -> str:
    problem = problem_of(trial, trial.label or environment_name(trial.env, trial.env_args))
    which = entry["settings"] or "the only configuration"
    place = "best" if entry["rank"] == 1 else f"number {entry['rank']}"
    return (
        f"Confirmed on {block['seeds']} fresh seeds: {problem}: {trial.variant} with {which}, "
        f"{place} of {entry['configurations']} by {block['metric']} ({entry['score']:.6g})"
    )
