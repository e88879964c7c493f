"""One function over many items as Ray tasks, for what follows a sweep: figures by the thousand."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import ray

from sweeps.ray_executor import ray_session

T, R = TypeVar("T"), TypeVar("R")
# A task costs about a millisecond; this many items share one.
ITEMS_PER_TASK = 8
TASKS_PER_CORE = 3


def map_on_ray(
    function: Callable[[T], R],
    items: Sequence[T],
    address: str | None = None,
    cores: int | None = None,
) -> Iterator[R]:
    """The results in the order of the items, with a bounded number of tasks under way.

    Args:
        function: of a module, so that workers can import it.
        items: small enough to travel.
        address: of a cluster; None starts a Ray of its own.
        cores: of that Ray; None is all.

    Raises:
        InputError: no cluster answers at the address.
    """
    with ray_session(address, cores):
        task = ray.remote(_each)
        parts = [items[at : at + ITEMS_PER_TASK] for at in range(0, len(items), ITEMS_PER_TASK)]
        window = max(2, TASKS_PER_CORE * int(ray.cluster_resources().get("CPU", 1)))
        under_way = [task.remote(function, part) for part in parts[:window]]
        for number in range(len(parts)):
            found = ray.get(under_way[number])
            under_way[number] = None  # lets Ray forget the results that were taken
            if number + window < len(parts):
                under_way.append(task.remote(function, parts[number + window]))
            yield from found


def _each(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    return [function(item) for item in items]
