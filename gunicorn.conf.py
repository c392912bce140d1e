"""gunicorn's settings, and the hooks by which the server process owns the embedded database."""

import sys
import threading
import time
from typing import Any

from config import load_or_exit
from session_service import embedded
from session_service.addresses import reachable_hosts

chosen = load_or_exit()

bind = f"[{chosen.host}]:{chosen.port}" if ":" in chosen.host else f"{chosen.host}:{chosen.port}"
workers = chosen.workers
# Phones meet the server directly: greenlets bear hundreds of slow connections, threads do not.
worker_class = "gevent"
worker_connections = 2000
graceful_timeout = chosen.graceful_timeout
timeout = 60
keepalive = 5  # s; a stop waits for idle connections that long, so that no request is cut off
certfile = str(chosen.tls_cert) if chosen.tls_cert else None
keyfile = str(chosen.tls_key) if chosen.tls_key else None
accesslog = None  # the application writes its own line a request
loglevel = chosen.log_level
control_socket_disable = True


def on_starting(server: Any) -> None:
    server.database = None
    if chosen.mongo_uri:
        return
    try:
        server.database = embedded.start(chosen.data_dir)
    except embedded.EmbeddedError as error:
        sys.exit(f"session-service: {error}")
    threading.Thread(target=_keep, args=[server.database], daemon=True).start()


def when_ready(server: Any) -> None:
    scheme = "https" if chosen.tls_cert else "http"
    urls = [f"{scheme}://{host}:{chosen.port}" for host in reachable_hosts(chosen.host)]
    data = f"{chosen.mongo_db} on MONGO_URI" if chosen.mongo_uri else chosen.data_dir.resolve()
    sys.stdout.write(
        f"\n  Session Service   {'  '.join(urls)}\n"
        f"  documentation     {urls[0]}/docs\n"
        f"  data              {data}\n\n"
    )
    sys.stdout.flush()


def post_fork(server: Any, worker: Any) -> None:
    if server.database is not None:
        server.database.release()


def post_worker_init(worker: Any) -> None:
    from app import start_housekeeping  # loaded by now, and not to be before gevent has patched

    start_housekeeping(worker.wsgi)


def on_exit(server: Any) -> None:
    if server.database is not None:
        server.database.stop()


def _keep(database: embedded.EmbeddedDatabase) -> None:
    while True:
        time.sleep(1)
        database.ensure()
