"""An object store for tests: moto's, in a thread, behind a WSGI application of the test."""

import threading
import urllib.request
from collections.abc import Callable, Iterator
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


def empty_store() -> Callable:
    """moto's S3 as a WSGI application."""
    return DomainDispatcherApplication(create_backend_app)


@contextmanager
def served(application: Callable) -> Iterator[str]:
    """The application's address, for the length of a block."""
    running = make_server("127.0.0.1", 0, application, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=running.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{running.server_port}"
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
