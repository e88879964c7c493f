"""An object store for tests: moto's, in a thread, behind faults of the test's own."""

import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

from hq_ray import location


class Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *arguments):
        pass


class ObjectStore:
    """moto's S3 as a WSGI application, which keeps what it was asked for.

    `fault(method, path)` says what a request meets, whose path has its query: None, a status such
    as 503, `late`, or `closed before` or `closed after` (the connection, before or after the store
    has done what was asked).
    """

    def __init__(self):
        self._s3 = DomainDispatcherApplication(create_backend_app)
        self.requests, self.met = [], []
        self.heal()

    def heal(self):
        """Has no more faults."""
        self.fault = lambda method, path: None

    def __call__(self, environ, start_response):
        path = f"{environ['PATH_INFO']}?{environ['QUERY_STRING']}"
        self.requests.append((environ["REQUEST_METHOD"], path))
        fault = self.fault(environ["REQUEST_METHOD"], path)
        if fault is None:
            return self._s3(environ, start_response)
        self.met.append(fault)
        if fault == "late":
            time.sleep(0.2)
            return self._s3(environ, start_response)
        if fault == "closed after":
            list(self._s3(environ, lambda status, headers: None))
        else:
            # Unread, the body would be taken for the next request.
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if str(fault).startswith("closed"):
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            fault = 500
        start_response(f"{fault} Fault", [("Content-Length", "0")])
        return [b""]


@contextmanager
def served() -> Iterator[ObjectStore]:
    """A store at its `endpoint`, for the length of a block."""
    store = ObjectStore()
    running = make_server("127.0.0.1", 0, store, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=running.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    store.endpoint = f"http://127.0.0.1:{running.server_port}"
    yield store
    running.shutdown()
    thread.join()
    running.server_close()


def point_at(endpoint: str, monkeypatch: pytest.MonkeyPatch, bucket: str) -> None:
    """Has S3 locations go there, with credentials of no one and short pauses between tries.

    The bucket is made.
    """
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", endpoint)
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    pause = {"init_backoff": timedelta(milliseconds=1), "max_backoff": timedelta(milliseconds=10)}
    monkeypatch.setitem(location.OPTIONS["retry_config"], "backoff", pause)
    request = urllib.request.Request(f"{endpoint}/{bucket}", method="PUT")
    urllib.request.urlopen(request).close()
