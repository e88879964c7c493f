"""Ray's life around a sweep: started and stopped beside other work, since both take seconds."""

import threading
from contextlib import ExitStack
from types import TracebackType

from hq_ray.store import Results
from sweeps.executors import Executor


class Session:
    """Starts Ray in the background at once; `executor` waits for it, `close` stops it likewise.

    Importing Ray takes 0.3 s, starting it 2 s and stopping it 1.3 s on a small machine, most of it
    waiting for other processes. As a context manager it waits at the end until Ray has stopped.
    """

    def __init__(self, address: str | None = None, cores: int | None = None):
        self._address, self._cores = address, cores
        self._stack = ExitStack()
        self._problem: BaseException | None = None
        self._thread = threading.Thread(target=self._start, name="ray-start", daemon=True)
        self._thread.start()

    def _start(self) -> None:
        try:
            from sweeps.ray_executor import ray_session

            self._stack.enter_context(ray_session(self._address, self._cores))
        except BaseException as problem:
            self._problem = problem

    def executor(self, results: Results, keep_q_values: bool, engine: str) -> Executor:
        """The executor on this session's Ray, once it has started.

        Raises:
            InputError: no cluster answers at the address.
        """
        self._thread.join()
        if self._problem is not None:
            raise self._problem
        from sweeps.ray_executor import RayExecutor

        return RayExecutor(results, keep_q_values, engine)

    def close(self) -> threading.Thread:
        """Stops Ray in the background; the thread returned ends when that is done."""
        started = self._thread

        def stop() -> None:
            started.join()
            self._stack.close()

        self._thread = threading.Thread(target=stop, name="ray-stop")
        self._thread.start()
        return self._thread

    def __enter__(self) -> "Session":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close().join()
