"""gunicorn's settings, and the hooks by which the server process owns its children."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from signal import SIG_DFL, SIG_IGN, SIGINT, SIGQUIT, SIGTERM, signal
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # before a caller's own app.py and config.py

from children import Children  # noqa: E402
from config import load_or_exit  # noqa: E402
from session_service.addresses import reachable_hosts  # noqa: E402

chosen = load_or_exit()

bind = f"[{chosen.host}]:{chosen.port}" if ":" in chosen.host else f"{chosen.host}:{chosen.port}"
workers = chosen.workers
# Phones meet the server directly: greenlets bear hundreds of slow connections, threads do not.
worker_class = "session_service.worker.Worker"
worker_connections = 2000
graceful_timeout = chosen.graceful_timeout
timeout = 60
keepalive = 5  # s; a stop waits for idle connections that long, so that no request is cut off
certfile = str(chosen.tls_cert) if chosen.tls_cert else None
keyfile = str(chosen.tls_key) if chosen.tls_key else None
accesslog = None  # the application writes its own line a request
loglevel = "error"  # its warnings quote headers, tokens among them
# Nobody stands in front of it: what clients say of proxies and paths is not believed.
forwarded_allow_ips = ""
forwarder_headers = ""
control_socket_disable = True


def on_starting(server: Any) -> None:
    refuse_taken_port()
    checking = subprocess.Popen([sys.executable, str(HERE / "app.py"), "check"])  # noqa: S603
    server.children = Children(chosen)
    server.children.start_database()
    if checking.wait():
        server.children.stop()
        sys.exit(1)


def when_ready(server: Any) -> None:
    # Ctrl-C stops like SIGTERM: what is under way ends first.
    signal(SIGINT, lambda _number, frame: server.signal(SIGTERM, frame))
    server.children.announce()
    server.children.goodbye_first(SIGTERM, SIGINT, SIGQUIT)


def post_fork(server: Any, worker: Any) -> None:
    # Until it has handlers of its own, the server's would hear a signal in its place.
    signal(SIGINT, SIG_IGN)
    signal(SIGQUIT, SIG_DFL)
    signal(SIGTERM, SIG_DFL)
    server.children.release()


def post_worker_init(worker: Any) -> None:
    from app import start_housekeeping  # loaded by now, and not to be before gevent has patched

    start_housekeeping(worker.wsgi)
    if worker.age == 1:
        tell_where()


def on_exit(server: Any) -> None:
    server.children.stop()


def refuse_taken_port() -> None:
    """Ends the start with one line when nobody can listen there; cheaper than finding out late."""
    if "GUNICORN_FD" in os.environ or "LISTEN_FDS" in os.environ:
        return  # the sockets are handed over
    try:
        with socket.socket(socket.AF_INET6 if ":" in chosen.host else socket.AF_INET) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind((chosen.host, chosen.port))
    except OSError as error:
        where = f"HOST={chosen.host!r} PORT={chosen.port}"
        sys.exit(f"session-service: {where}: cannot listen there: {error.strerror or error}")


def tell_where() -> None:
    """Says on standard output where the service is reached and where its data lies."""
    scheme = "https" if chosen.tls_cert else "http"
    urls = [f"{scheme}://{host}:{chosen.port}" for host in reachable_hosts(chosen.host)]
    data = f"{chosen.mongo_db} on MONGO_URI" if chosen.mongo_uri else chosen.data_dir.resolve()
    sys.stdout.write(
        f"\n  Session Service   {'  '.join(urls)}\n"
        f"  documentation     {urls[0]}/docs\n"
        f"  data              {data}\n\n"
    )
    sys.stdout.flush()
