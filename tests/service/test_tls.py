"""The whole service over TLS: as without it, and no worse for those who bring no handshake."""

import http.client
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from tests.service.running import DEVELOPMENT, Service, alive, children, running, until

HANDSHAKES = 500
CLIENT_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"  # and nothing after it


@pytest.fixture
def certificate(tmp_path: Path) -> dict[str, str]:
    """The settings for a certificate of this machine's own."""
    return make_certificate(tmp_path)


def make_certificate(folder: Path) -> dict[str, str]:
    cert, key = folder / "cert.pem", folder / "key.pem"
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    make += ["-nodes", "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    subprocess.run([*make, "-keyout", key, "-out", cert], check=True, capture_output=True)
    return {"TLS_CERT": str(cert), "TLS_KEY": str(key)}


def serial_number(service: Service) -> str:
    """That of the certificate which the service shows now."""
    unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", service.port), timeout=10) as plain,
        unverified.wrap_socket(plain) as tls,
    ):
        shown = tls.getpeercert(binary_form=True)
    assert shown is not None
    command = ["openssl", "x509", "-inform", "der", "-noout", "-serial"]
    return subprocess.run(command, input=shown, check=True, capture_output=True).stdout.decode()


def said_over_plain_http(service: Service) -> bytes:
    with socket.create_connection(("127.0.0.1", service.port), timeout=15) as plain:
        plain.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        said = b""
        with suppress(ConnectionResetError):
            while more := plain.recv(4096):
                said += more
    return said


@contextmanager
def unfinished_handshakes(
    service: Service, count: int = HANDSHAKES
) -> Iterator[list[socket.socket]]:
    """Keeps so many connections open that never get through their handshake."""

    def open_one(number: int) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", service.port), timeout=15)
        if number % 2:
            connection.sendall(CLIENT_HELLO)
        return connection

    with ExitStack() as stack:
        yield [stack.enter_context(open_one(number)) for number in range(count)]


@pytest.fixture(scope="session")
def shared_certificate(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="session")
def over_tls(
    mongo_uri: str,
    shared_certificate: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Service]:
    """One service for the tests that do not harm it."""
    folder = tmp_path_factory.mktemp("over-tls")
    with running(folder, mongo_uri, WORKERS="2", **shared_certificate) as service:
        yield service


def test_https_is_spoken_and_its_certificate_holds(over_tls):
    speaks_https(over_tls)


def test_plain_http_is_refused_without_a_stack_trace(over_tls):
    refuses_plain_http(over_tls)


def test_the_development_server_speaks_https_and_nothing_else(serve, certificate):
    service = serve(DEVELOPMENT, **certificate).ready()
    speaks_https(service)
    refuses_plain_http(service)


def speaks_https(service: Service) -> None:
    session_id = service.new_session()
    assert service.send(session_id, "hello")[0] == 201
    assert service.texts(session_id)[0] == ("user", "hello")
    assert f"https://127.0.0.1:{service.port}" in service.log.read_text()


def refuses_plain_http(service: Service) -> None:
    answer = said_over_plain_http(service)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")
    with socket.create_connection(("127.0.0.1", service.port)) as garbage:
        garbage.sendall(b"\x00\x01\x02 nonsense \r\n\r\n" * 10)
    assert service.request("GET", "/health")[0] == 200
    said = service.log.read_text()
    assert "Traceback" not in said
    assert "SSLError" not in said


def test_plain_http_is_told_what_to_speak(over_tls):
    head, _, body = said_over_plain_http(over_tls).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert "HTTPS" in body.decode()


def test_handshakes_that_never_end_keep_nobody_from_being_served(over_tls):
    service = over_tls
    service.request("GET", "/health")
    with unfinished_handshakes(service):
        took = []
        for _ in range(20):
            began = time.monotonic()
            assert service.request("GET", "/health")[0] == 200
            took.append(time.monotonic() - began)
    assert sorted(took)[len(took) // 2] < 0.25, took  # the contract's; half for a busy machine


def test_a_handshake_has_to_end_in_time(over_tls):
    with unfinished_handshakes(over_tls, 2) as both:
        for slow in both:
            slow.settimeout(30)
            with suppress(ConnectionResetError):
                assert slow.recv(4096) == b""


def test_sigterm_serves_what_was_accepted(serve, certificate):
    service = serve(WORKERS="2", **certificate).ready()
    session_id = service.new_session()
    owned = service.owned()
    failed: list[object] = []

    def ask() -> None:
        connection = service.connection()
        served = False
        try:
            while True:
                answer = service.send_on(connection, session_id)
                served = True
                if answer.status != 201:
                    failed.append(answer.status)
                if answer.will_close:
                    return
        except (OSError, http.client.HTTPException) as error:
            if served:
                failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    until(lambda: len(service.texts(session_id)) > 40, "some load")
    with unfinished_handshakes(service, 20):
        began = time.monotonic()
        assert service.stop() == 0
        assert time.monotonic() - began < 25  # and not the whole GRACEFUL_TIMEOUT of 30 s
    for thread in threads:
        thread.join()
    assert failed == []
    until(lambda: not any(map(alive, owned)), "workers and database to end")
    assert "Traceback" not in service.log.read_text()


def test_sighup_takes_a_renewed_certificate(over_tls, shared_certificate):
    service = over_tls
    first = serial_number(service)
    make_certificate(Path(shared_certificate["TLS_CERT"]).parent)
    assert serial_number(service) == first
    reload(service)
    until(lambda: serial_number(service) != first, "the new certificate")
    assert service.request("GET", "/health")[0] == 200


def test_sighup_with_a_broken_certificate_changes_nothing(over_tls, shared_certificate):
    service = over_tls
    workers = set(service.workers())
    shown = serial_number(service)
    cert = Path(shared_certificate["TLS_CERT"])
    kept = cert.read_bytes()
    cert.write_text("half a certif")
    service.process.send_signal(signal.SIGHUP)
    until(lambda: "TLS_CERT" in service.log.read_text(), "a word about it")
    cert.write_bytes(kept)
    assert service.request("GET", "/health")[0] == 200
    assert serial_number(service) == shown
    until(lambda: set(service.workers()) == workers, "the same workers alone")


def reload(service: Service) -> None:
    before = set(service.workers())
    service.process.send_signal(signal.SIGHUP)
    until(partial(_replaced, service, before), "new workers")


def _replaced(service: Service, before: set[int]) -> bool:
    now = set(service.workers())
    return len(now) == 2 and not now & before and set(now) <= set(children(service.pid))


# What turns bad between the look at the settings and the moment when they are used.
SPOILER = """
import sys
from pathlib import Path

from session_service.replies import load_engine


def engine(environ):
    in_worker = Path(sys.argv[0]).name == "gunicorn"
    if Path(environ["SPOIL"]).exists() and in_worker == (environ["SPOILED_BY"] == "worker"):
        Path(environ["TLS_CERT"]).write_text("half a certif")
    return load_engine("rules", rules_file=None, openai=None, environ=environ)
"""


@pytest.fixture
def spoiler(tmp_path: Path) -> dict[str, str]:
    """The settings for replies by somebody who spoils the certificate once `SPOIL` is there."""
    info = tmp_path / "spoiler-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: spoiler\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[session_service.reply_engines]\nspoiler = spoiler:engine\n"
    )
    (tmp_path / "spoiler.py").write_text(SPOILER)
    spoil = str(tmp_path / "spoil")
    return {"PYTHONPATH": str(tmp_path), "REPLY_ENGINE": "spoiler", "SPOIL": spoil}


@pytest.mark.parametrize("spoiled_by", ["worker", "check"])
def test_a_certificate_that_turns_bad_during_a_reload_ends_nobody(
    serve, certificate, spoiler, spoiled_by
):
    settings = {"SPOILED_BY": spoiled_by, "GRACEFUL_TIMEOUT": "2", **certificate, **spoiler}
    service = serve(WORKERS="2", **settings).ready()
    cert = Path(certificate["TLS_CERT"])
    kept, shown, old = cert.read_bytes(), serial_number(service), set(service.workers())
    Path(spoiler["SPOIL"]).touch()
    service.process.send_signal(signal.SIGHUP)
    until(lambda: cert.read_text() == "half a certif", "the certificate to turn bad")
    until(lambda: service.log.read_text().count("exited with code") == 2, "new ones to give up")
    for _ in range(20):
        assert serial_number(service) == shown
        assert set(service.workers()) == old
        time.sleep(0.1)
    Path(spoiler["SPOIL"]).unlink()
    cert.write_bytes(kept)
    reload(service)
    assert service.request("GET", "/health")[0] == 200
