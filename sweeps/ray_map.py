"""One function over many items as Ray tasks, for what follows a sweep: figures by the thousand."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import ray
from ray.exceptions import RayTaskError

from hq_ray.errors import HqRayError
from hq_ray.sweeps.ray_life import Pulse
from hq_ray.sweeps.session import Session

T, R = TypeVar("T"), TypeVar("R")
TASKS_PER_CORE = 3
LOOK_SECONDS = 2.0


def map_on_ray(
    function: Callable[[T], R],
    items: Sequence[T],
    address: str | None = None,
    cores: int | None = None,
) -> Iterator[R]:
    """The results in the order of the items, with a bounded number of tasks under way.

    Args:
        function: of a module, so that workers can import it.
        items: small enough to travel, each worth a task: a millisecond at least.
        address: of a cluster; None starts a Ray of its own.
        cores: of that Ray; None is all.

    Raises:
        InputError: no cluster answers at the address.
        ExecutorLost: Ray has died.
        HqRayError: what the function raises on purpose, as it was raised.
    """
    if not items:
        return
    # In a thread of Ray's own: a thread that has started one Ray and gives tasks to the next would
    # number them like those of the next one's starter, and Ray aborts at a number that it has.
    with Session(address, cores) as session:
        session.wait()
        task = ray.remote(function)
        pulse = Pulse()
        window = max(2, TASKS_PER_CORE * int(ray.cluster_resources().get("CPU", 1)))
        under_way = deque(task.remote(item) for item in items[:window])
        for number in range(len(items)):
            # Popped before it is waited for, so that Ray forgets a result once it is taken.
            yield _result(under_way.popleft(), pulse)
            if number + window < len(items):
                under_way.append(task.remote(items[number + window]))


def _result(reference: ray.ObjectRef, pulse: Pulse) -> object:
    while not ray.wait([reference], timeout=LOOK_SECONDS, fetch_local=False)[0]:
        pulse.check()
    try:
        return ray.get(reference)
    except RayTaskError as problem:
        if isinstance(problem.cause, HqRayError):
            raise problem.cause from None
        raise
