"""gunicorn's settings, and the hooks by which the server process owns its children."""

import gc
import os
import resource
import socket
import subprocess
import sys
import time
from errno import EADDRINUSE
from pathlib import Path
from signal import SIG_DFL, SIG_IGN, SIGHUP, SIGINT, SIGQUIT, SIGTERM, Signals, getsignal, signal
from typing import Any

# The first process of a container has no way to end at a signal but those it makes itself.
if os.getpid() == 1 and getsignal(SIGTERM) is SIG_DFL:
    signal(SIGTERM, lambda number, _frame: os._exit(128 + number))

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # before a caller's own app.py and config.py

from children import Children  # noqa: E402
from config import load_or_exit  # noqa: E402
from session_service.addresses import reachable_hosts  # noqa: E402
from session_service.metrics.places import Places, enter  # noqa: E402
from session_service.stopping import admit_nobody, succession  # noqa: E402

MOST_CONNECTIONS = 2000  # of a worker
MOST_FILES = 65_536  # of a process; some systems allow a billion, and start with 1,024
OTHER_FILES = 256  # of a worker, besides its connections
PORT_PATIENCE_S = 5.0

CHECK = [sys.executable, str(HERE / "app.py"), "check"]

chosen = load_or_exit()


def raise_file_limit() -> int:
    """Takes what the system allows of open files; gives how many that are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most


bind = f"[{chosen.host}]:{chosen.port}" if ":" in chosen.host else f"{chosen.host}:{chosen.port}"
workers = chosen.workers
# Phones meet the server directly: greenlets bear hundreds of slow connections, threads do not.
worker_class = "session_service.worker.Worker"
files = raise_file_limit()
worker_connections = min(MOST_CONNECTIONS, max(files - OTHER_FILES, files // 2))
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
    wait_for_port()
    checking = subprocess.Popen(CHECK, stdout=subprocess.DEVNULL)  # noqa: S603
    server.children = Children(chosen)
    server.children.start_database()
    if checking.wait():
        server.children.stop()
        sys.exit(1)
    try:
        server.places = Places(chosen.workers)
    except OSError as error:
        server.children.stop()
        sys.exit(f"session-service: TMPDIR: no room for the metrics of the workers: {error}")


def pre_fork(server: Any, worker: Any) -> None:
    worker.place = server.places.free({each.place.number for each in server.WORKERS.values()})


def when_ready(server: Any) -> None:
    # Ctrl-C stops like SIGTERM: what is under way ends first.
    signal(SIGINT, lambda _number, frame: server.signal(SIGTERM, frame))
    server.children.announce()
    server.children.goodbye_first(SIGTERM, SIGINT, SIGQUIT)
    admit_nobody_after(server, SIGTERM, SIGINT)
    check_before(SIGHUP)
    keep_usable_settings(server.app)


def on_reload(server: Any) -> None:
    succession.begin(youngest=server.worker_age)


def post_fork(server: Any, worker: Any) -> None:
    # Until it has handlers of its own, the server's would hear a signal in its place.
    signal(SIGINT, SIG_IGN)
    signal(SIGQUIT, SIG_DFL)
    signal(SIGTERM, SIG_DFL)
    server.children.release()
    enter(worker.place)


def post_worker_init(worker: Any) -> None:
    worker.wsgi.extensions["housekeeping"].start()
    spare_the_collector()
    if worker.age == 1:
        tell_where()


def child_exit(server: Any, worker: Any) -> None:
    worker.place.forget_worker()


def on_exit(server: Any) -> None:
    server.children.stop()
    server.places.remove()


def admit_nobody_after(server: Any, *signals: Signals) -> None:
    """Has these signals end the coming of connections, before what is done about them so far."""

    def before(then: Any) -> Any:
        def handle(number: int, frame: Any) -> None:
            succession.begin(youngest=0)
            if not (server.reexec_pid or server.master_pid or server.systemd):  # listening as well
                for listener in server.LISTENERS:
                    admit_nobody(listener.sock)
            then(number, frame)
            if frame is not None and frame.f_code.co_name == "reload":
                raise StopIteration  # the end of gunicorn's loop; it would wait for old workers

        return handle

    for number in signals:
        signal(number, before(getsignal(number)))


def check_before(number: Signals) -> None:
    """Has a reload start with a look at the settings: unusable ones would end the server."""
    then: Any = getsignal(number)

    def handle(number: int, frame: Any) -> None:
        checked = subprocess.run(CHECK, stdout=subprocess.DEVNULL, check=False)  # noqa: S603
        if checked.returncode == 0:
            then(number, frame)

    signal(number, handle)


def keep_usable_settings(application: Any) -> None:
    """Has a reload keep the settings of before where they turned bad since that look.

    The workers that it starts find the same, say so and end; those of before stay.
    """
    load = application.do_load_config

    def load_or_keep() -> None:
        kept = application.cfg
        try:
            load()
        except SystemExit:
            application.cfg = kept

    application.do_load_config = load_or_keep


def spare_the_collector() -> None:
    """What is loaded by now stays: looking through it time and again for garbage is in vain."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def wait_for_port() -> None:
    """Ends the start with one line when nobody can listen there; cheaper than finding out late.

    The workers of a server that was killed still do so, until they notice.
    """
    if "GUNICORN_FD" in os.environ or "LISTEN_FDS" in os.environ:
        return  # the sockets are handed over
    where = f"session-service: HOST={chosen.host!r} PORT={chosen.port}"
    patient_until, told = time.monotonic() + PORT_PATIENCE_S, False
    while error := refusal_of_port():
        if error.errno != EADDRINUSE or time.monotonic() >= patient_until:
            sys.exit(f"{where}: cannot listen there: {error.strerror or error}")
        if not told:
            sys.stderr.write(f"{where}: in use, waiting for it\n")
            told = True
        time.sleep(0.1)


def refusal_of_port() -> OSError | None:
    """Why nobody can listen there, if so."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in chosen.host else socket.AF_INET) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind((chosen.host, chosen.port))
    except OSError as error:
        return error
    return None


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
