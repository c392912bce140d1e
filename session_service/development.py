"""The development server: starts anew when the code changes, and speaks TLS where it is set."""

from pathlib import Path

from flask import Flask
from werkzeug.serving import WSGIRequestHandler


def run(app: Flask, host: str, port: int, certificate: Path | None, key: Path | None) -> None:
    """Serves until it is told to end."""
    app.run(
        host,
        port,
        use_reloader=True,
        ssl_context=(str(certificate), str(key)) if certificate else None,
        request_handler=Handler,
    )


class Handler(WSGIRequestHandler):
    """Names no versions, and leaves the log to the application."""

    def version_string(self) -> str:
        return "session-service"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass
