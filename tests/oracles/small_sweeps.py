"""Small sweeps for tests of what reads results: trained in a second, or made up."""

import io
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from hq_ray.hyperparameters import used_hyperparameters
from hq_ray.store import Failure, Results
from hq_ray.sweeps.api import run_sweep
from hq_ray.trial import EpisodeLog, Trained, Trial

HOSTILE_ENV = 'A</script><b id="x">&`$'
HOSTILE_FAILURE = "no </script><img src=x onerror=alert(1)> 'quotes' \"more\" ünïcode [red] `x`"

GRID = {"alpha": [0.1, 0.5], "eps_shift": [0.01, 10.0]}


def blank_picture() -> bytes:
    """A PNG that stands for all figures where drawing would take most of the time."""
    stream = io.BytesIO()
    Image.new("L", (1, 2000)).save(stream, "PNG")
    return stream.getvalue()


def train(folder: Path, name: str = "tiny", **spec: object) -> Path:
    """A trained sweep of FrozenLake, in batches of three trials; returns its results folder."""
    sweep = {"name": name, "env": "FrozenLake-v1", "seeds": "0-3", "episodes": 40} | spec
    sweep.setdefault("parameters", GRID)
    run_sweep(sweep, folder, local=True, trials_per_task=3)
    return folder / name


def in_other_files(results: Path, folder: Path) -> Path:
    """The same results with their batches named so that they are found in the other order."""
    for kind in ("trials", "episodes"):
        (folder / kind).mkdir(parents=True)
        paths = sorted((results / kind).glob("*.parquet"))
        for number, path in enumerate(reversed(paths)):
            (folder / kind / f"{number:03d}.parquet").write_bytes(path.read_bytes())
    (folder / "sweep.json").write_bytes((results / "sweep.json").read_bytes())
    return folder


def fresh(block: int, n_seeds: int) -> list[int]:
    """The seeds of a confirmation."""
    return [2**62 + block * 2**20 + number for number in range(n_seeds)]


def publish_scores(
    folder: Path,
    scores: Mapping,
    confirmed: Mapping | None = None,
    order=(),
    without_value=(),
    failure: str = "no",
    **identity,
) -> Path:
    """Published trials of one step an episode, whose mean return is the score that is given.

    The final return is the score's double, the policy's value its negative.

    Args:
        folder: of the results.
        scores: {(variant, alpha): {seed: score}}; an infinite score is a failed trial.
        confirmed: {block: {"metric": ..., "chosen": [(variant, alpha), ...]}} for sweep.json, whose
            seeds are those of the trials.
        order: the variants of the spec.
        without_value: seeds whose policy has no value.
        failure: the message of failed trials.
        identity: env, env_args, fingerprint, episodes, max_steps, label.
    """
    done, failed, configurations = [], [], {}
    place = {"env": "Table-v0", "env_args": "{}", "fingerprint": None, "episodes": 4}
    place |= {"max_steps": 9} | identity
    for (variant, alpha), by_seed in scores.items():
        given = {**place, "variant": variant} | used_hyperparameters(variant, {"alpha": alpha})
        for seed, score in by_seed.items():
            role = "confirmation" if seed >= 2**62 else "exploration"
            trial = Trial(seed=seed, role=role, **given)
            configurations[variant, alpha] = trial
            if np.isinf(score):
                failed.append(Failure(trial, "ValueError", failure, "Traceback: no"))
                continue
            n = trial.episodes
            steps = np.ones(n, np.int32)
            log = EpisodeLog(np.full(n, score), steps, np.ones(n, bool), None, np.zeros((1, 1)))
            summary = {"mean_return": score, "final_return": 2 * score}
            summary["policy_value"] = None if seed in without_value else -score
            summary |= {"mean_steps": 1.0, "final_steps": 1.0, "total_steps": n}
            done.append(Trained(trial, log, "kernel", summary, 0.01, 0.02))
    blocks = []
    for block, one in (confirmed or {}).items():
        chosen = [
            {
                "variant": variant,
                "config_id": configurations[variant, alpha].config_id,
                "rank": sum(v == variant for v, _ in one["chosen"][:number]) + 1,
                "configurations": sum(v == variant for v, _ in scores),
                "score": 0.0,
            }
            for number, (variant, alpha) in enumerate(one["chosen"])
        ]
        block = {"block": block, "seeds": 30, "extended_after": []} | one
        blocks.append(block | {"chosen": chosen})
    results = Results.at(folder)
    variants = list(order or dict.fromkeys(variant for variant, _ in scores))
    results.describe(folder.name, {"name": folder.name, "variant": variants})
    described = json.loads((folder / "sweep.json").read_text())
    described |= {"confirmed": {"the problem": blocks}} if blocks else {}
    (folder / "sweep.json").write_text(json.dumps(described))
    results.publish(done, failed)
    return folder


def make_up(folder: Path, n_alphas: int = 60, n_seeds: int = 2, **identity) -> Path:
    """Made-up trials of two variants with many alphas, and one failure, all with hostile texts."""
    random = np.random.default_rng(0)
    scores = {
        (variant, alpha): {seed: random.normal(10 * alpha - 20, 5) for seed in range(n_seeds)}
        for variant in ("standard", "harmonic")
        for alpha in np.linspace(0.01, 0.9, n_alphas).round(4).tolist()
    }
    scores.setdefault(("standard", 0.5), {})[99] = np.inf
    place = {"env": HOSTILE_ENV, "env_args": '{"text":"<i>"}', "episodes": 6} | identity
    return publish_scores(folder, scores, failure=HOSTILE_FAILURE, **place)
