"""The service with one route more, `/stream`, which it does not have: what open streams cost."""

import time
from collections.abc import Iterable, Iterator
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Flask

PATH = "/stream"
EVENTS = 20
PAUSE_S = 0.25
EVENT = "data: 我们周末去爬山吧\n\n".encode()


def make() -> Flask:
    """The service's own application, wrapped."""
    from app import app  # reads the settings, so not before a worker asks for it

    flask_app: Flask = app
    flask_app.wsgi_app = _with_stream(flask_app.wsgi_app)  # type: ignore[assignment, method-assign]
    return flask_app


def _with_stream(wsgi_app: WSGIApplication) -> WSGIApplication:
    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] != PATH:
            return wsgi_app(environ, start_response)
        start_response("200 OK", [("Content-Type", "text/event-stream")])
        return _events()

    return answer


def _events() -> Iterator[bytes]:
    for _ in range(EVENTS):
        yield EVENT
        time.sleep(PAUSE_S)
