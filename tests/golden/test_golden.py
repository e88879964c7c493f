"""What must never change: ids, logs and plans as they were when they were pinned.

Each line of trials.json is a trial with its id and digests of its log, each line of expansions.json
a spec with a digest of its trials' ids. `python tests/golden/make.py` pins what is new; no pin is
edited.
"""

import hashlib
import json
from functools import lru_cache
from pathlib import Path

import pytest

from hq_ray.environments import resolve
from hq_ray.hyperparameters import used_hyperparameters
from hq_ray.sweeps.expand import expand
from hq_ray.sweeps.spec import Sweep
from hq_ray.training import train
from hq_ray.trial import Trial

HERE = Path(__file__).parent
SHIPPED = HERE.parent.parent / "sweeps"


def lines(name):
    path = HERE / name
    return json.loads(path.read_text()) if path.exists() else []


def digest(*parts):
    return hashlib.sha256(b"".join(parts)).hexdigest()[:16]


@lru_cache(maxsize=64)
def environment(env, args):
    return resolve(env, json.loads(args))


def trial_of(line):
    found = environment(line["env"], json.dumps(line["env_args"]))
    used = used_hyperparameters(line["variant"], line["given"])
    lengths = (line["seed"], line["episodes"], line["max_steps"])
    return Trial(found.id, found.args, found.fingerprint, line["variant"], *lengths, **used)


def log_of(line, engine):
    trial = trial_of(line)
    log = train(trial, engine).log
    columns = (log.episode_return, log.steps, log.terminated, log.truncated)
    return {
        "trial_id": trial.trial_id,
        "log": digest(*(column.tobytes() for column in columns)),
        "q_values": digest(log.q_values.tobytes()),
        "success": digest(log.success.tobytes()),
    }


def spec_texts():
    """YAML by name: the documents of specs.yaml and the spec files that come with the project."""
    documents = (HERE / "specs.yaml").read_text().split("---\n")
    texts = {Sweep.from_yaml(text).name: text for text in documents}
    assert len(texts) == len(documents), "names of specs must differ"
    return texts | {path.name: path.read_text() for path in sorted(SHIPPED.glob("*.yaml"))}


def plan_of(text):
    sweep = Sweep.from_yaml(text)
    ids = list(expand(sweep).trials.ids())
    return {
        "trials": len(ids),
        "configurations": len(ids) // len(sweep.seeds),
        "ids": digest("\n".join(ids).encode()),
        "first": ids[:3] if len(ids) <= 100 else [],
    }


def changed(line, found):
    return [f"{line} gives {found}"] if line | found != line else []


TRIALS, PLANS = lines("trials.json"), lines("expansions.json")


@pytest.mark.parametrize("env", dict.fromkeys(line["env"] for line in TRIALS))
def test_trials_on_the_kernel(env):
    of = [line for line in TRIALS if line["env"] == env]
    assert not [text for line in of for text in changed(line, log_of(line, "kernel"))]


def test_trials_on_the_gymnasium_loop():
    some = TRIALS[::17]
    assert len({line["env"] for line in some}) == len({line["env"] for line in TRIALS})
    assert not [text for line in some for text in changed(line, log_of(line, "gymnasium"))]


@pytest.mark.parametrize("line", PLANS, ids=lambda line: line["spec"])
def test_plans(line):
    assert not changed(line, plan_of(spec_texts()[line["spec"]]))


def test_every_spec_is_pinned():
    assert set(spec_texts()) == {line["spec"] for line in PLANS}
