import json
import os
import uuid
from functools import lru_cache

import gymnasium
import numpy as np
import pytest
import torture
from hypothesis import settings

from hq_ray.environments import Environment, resolve
from hq_ray.envs.table_env import TableEnv
from hq_ray.hyperparameters import used_hyperparameters
from hq_ray.store import Results
from hq_ray.trial import Trial

# The first example of a test may compile; no test here is about time.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
# No test asks the address at which a cloud's machines find their credentials.
os.environ["AWS_METADATA_ENDPOINT"] = "http://127.0.0.1:9"


@lru_cache(maxsize=64)
def _resolved(env: str, env_args: str) -> Environment:
    return resolve(env, json.loads(env_args))


@pytest.fixture(scope="session")
def make_trial():
    """A short trial of an environment, or of a bare table where no environment is named."""

    def make(
        variant="standard",
        env=None,
        env_args=None,
        seed=0,
        episodes=30,
        max_steps=50,
        **hyperparameters,
    ):
        where = ("Table-v0", "{}", None)
        if env is not None:
            found = _resolved(env, json.dumps(env_args or {}))
            where = (found.id, found.args, found.fingerprint)
        used = used_hyperparameters(variant, hyperparameters)
        return Trial(*where, variant, seed, episodes, max_steps, **used)

    return make


@pytest.fixture
def results(tmp_path):
    """A results folder in which nothing is yet."""
    return Results.at(tmp_path / "sweep")


@pytest.fixture(scope="session")
def undisturbed_folder(tmp_path_factory):
    """Results of the sweep of `torture`, run in this process."""
    folder = tmp_path_factory.mktemp("undisturbed") / "results"
    torture.run(folder, local=True, trials_per_task=12)
    return folder


@pytest.fixture(scope="session")
def undisturbed(undisturbed_folder):
    """Their episodes, as `torture.assert_complete` wants them."""
    return torture.content(undisturbed_folder)


@pytest.fixture(scope="session")
def served_store():
    """An object store for the whole session."""
    from object_store import served  # moto takes a second to import

    with served() as store:
        yield store


@pytest.fixture
def object_store(served_store, monkeypatch):
    """The store at which S3 locations are, with a bucket named `bucket`, and no faults yet."""
    from object_store import point_at

    point_at(served_store.endpoint, monkeypatch, "bucket")
    served_store.requests.clear()
    served_store.met.clear()
    yield served_store
    served_store.heal()
    asked = [path for _, path in served_store.requests if path.startswith("/latest")]
    assert not asked, "asked at the address where a cloud's machines find their credentials"


@pytest.fixture
def prefix(object_store):
    """A URI below which nothing is yet."""
    return f"s3://bucket/{uuid.uuid4().hex}"


@pytest.fixture(params=["disk", "store"])
def anywhere(request, tmp_path):
    """A folder or a URI in which nothing is yet."""
    if request.param == "disk":
        return str(tmp_path / "results")
    return request.getfixturevalue("prefix")


class AnyTable(TableEnv):
    """Does what any table says, from any distribution of the first state."""

    def __init__(self, table, start):
        super().__init__(table, 0, None)
        self.initial_state_distrib = np.array(start)


@pytest.fixture(scope="session")
def table_env():
    return AnyTable


@pytest.fixture
def register():
    """`gymnasium.register`, undone after the test; cached models must not outlive it: new ids."""
    before = dict(gymnasium.registry)
    yield gymnasium.register
    gymnasium.registry.clear()
    gymnasium.registry.update(before)


@pytest.fixture
def register_acting(register, table_env):
    """Registers an environment without a table, of one step an episode: `act(env, action)` pays."""

    def make(env_id, act):
        class Acting(table_env):
            def __init__(self):
                super().__init__([[[(1.0, 0, 1.0, True)]] * 2], [1.0])
                del self.P

            def reset(self, *, seed=None, options=None):
                self.seed = seed
                return super().reset(seed=seed)

            def step(self, action):
                return 0, act(self, action), True, False, {}

        register(env_id, entry_point=Acting)

    return make
