import os
import sys

import pytest

from hq_ray.store import DONE
from hq_ray.sweeps.estimate import PILOT_TRIALS, estimate
from hq_ray.sweeps.expand import expand
from hq_ray.sweeps.plan import plan
from hq_ray.sweeps.spec import Sweep

SPEC = {"name": "a", "env": ["FrozenLake-v1", "CliffWalking-v1"], "seeds": "0-9", "episodes": 50}


def cost_of(published=None, **changes):
    trials = expand(Sweep(**SPEC | changes)).trials
    return estimate(plan(trials, published or {}), trials)


def test_every_kind_is_piloted_disk_grows_with_the_rows_and_what_is_done_costs_nothing():
    cost = cost_of(parameters={"alpha": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]})
    assert cost.piloted == 4 * PILOT_TRIALS
    assert cost.failures == ()
    assert min(cost.core_seconds, cost.disk_bytes) > 0
    one = {"variant": "standard", "env": "FrozenLake-v1", "seeds": "0"}
    few, many = cost_of(**one), cost_of(**one | {"seeds": "0-99"})
    assert few.piloted == many.piloted == 1
    assert many.disk_bytes == pytest.approx(100 * few.disk_bytes)
    ids = expand(Sweep(**SPEC)).trials.ids()
    cost = cost_of(published=dict.fromkeys(ids, DONE))
    assert (cost.core_seconds, cost.disk_bytes, cost.piloted) == (0.0, 0.0, 0)


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (sys.exit, "SystemExit"),
        pytest.param(
            lambda: os._exit(3),
            "it ends its process",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is forked"),
        ),
    ],
)
def test_a_pilot_that_ends_its_process_is_told_and_left_out(register_acting, end, reason):
    register_acting("FailingPilot-v0", lambda env, action: end())
    cost = cost_of(env=["FrozenLake-v1", "FailingPilot-v0"], variant="standard")
    assert cost.failures == (f"FailingPilot-v0, standard: {reason}",)
    assert cost.piloted == 1
    assert cost.disk_bytes > 0
