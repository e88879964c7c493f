import time

import psutil
import pytest

from hq_ray.analysis.drawing.captions import format_number
from hq_ray.errors import InputError
from hq_ray.sweeps.executors import ExecutorLost
from hq_ray.sweeps.ray_map import map_on_ray
from hq_ray.sweeps.session import Session
from hq_ray.trial import parse_seeds


def test_nothing_needs_no_ray():
    assert list(map_on_ray(format_number, [])) == []


@pytest.mark.ray
def test_results_come_in_order_and_errors_as_they_were_raised():
    with Session(None, 1) as session:
        session.wait()
        numbers = [1000 * n for n in range(20)]
        assert list(map_on_ray(format_number, numbers)) == [f"{n:,}" for n in numbers]
        with pytest.raises(InputError) as refused:
            list(map_on_ray(parse_seeds, ["0-4", "much"]))
        assert "\n" not in str(refused.value)
        with pytest.raises(TypeError):
            list(map_on_ray(format_number, ["x"]))
        # Whoever stops early leaves nothing that waits.
        assert next(map_on_ray(format_number, numbers)) == "0"
        results = map_on_ray(lambda seconds: time.sleep(seconds), [0.0, 600.0])
        next(results)
        for process in psutil.Process().children():
            if process.name() == "raylet":
                process.kill()
        with pytest.raises(ExecutorLost, match="Ray's raylet has died"):
            next(results)
