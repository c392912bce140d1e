"""What `python -m session_service.discovery` prints."""

import json
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from session_service.discovery import Instance
from session_service.discovery.__main__ import as_json, as_table, ask_all, main
from session_service.discovery.health import Health

ONE = Instance(
    "Session Service", "a.local", ("10.0.0.5", "fd00::5"), 5003, False, "0.1.0", ("sessions",)
)
OTHER = Instance(
    "会话服务 (2)", "b.local", ("10.0.0.6",), 443, True, "0.2.0", ("sessions", "chats")
)


def test_the_table_has_a_line_an_address_and_fits_chinese_names():
    assert as_table([(ONE, Health(200, 4.0)), (OTHER, Health(503, 12.5))]).splitlines() == [
        "NAME             ADDRESSES  PORT  VERSION  APIS             HEALTH",
        "Session Service  10.0.0.5   5003  0.1.0    sessions         4 ms",
        "                 fd00::5",
        "会话服务 (2)     10.0.0.6   443   0.2.0    sessions, chats  503, 12.5 ms",
    ]


def test_an_instance_that_does_not_answer_is_listed_as_such():
    assert as_table([(ONE, None)]).splitlines()[1].endswith("no answer")
    assert json.loads(as_json([(ONE, None)]))[0]["health"] is None


def test_programs_get_everything():
    assert json.loads(as_json([(OTHER, Health(200, 4.0))])) == [
        {
            "name": "会话服务 (2)",
            "host": "b.local",
            "addresses": ["10.0.0.6"],
            "port": 443,
            "tls": True,
            "version": "0.2.0",
            "apis": ["sessions", "chats"],
            "url": "https://10.0.0.6:443",
            "health": {"status": 200, "ms": 4.0},
        }
    ]


def test_the_second_address_is_tried_when_the_first_does_not_answer():
    with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as server:
        Thread(target=server.serve_forever).start()
        addresses = ("127.0.0.2", "127.0.0.1")
        asked = Instance("x", "x.local", addresses, server.server_port, False, "", ())
        [(_, health)] = ask_all([asked])
        server.shutdown()
    assert health is not None
    assert health.status == 404


def test_no_instance_is_an_empty_list_or_a_word(lan, capsys):
    lonely = lan.host("a", "10.77.0.1/24")
    lonely.call(main, ["--wait", "0.2", "--json"])
    assert json.loads(capsys.readouterr().out) == []
    lonely.call(main, ["--wait", "0.2"])
    assert "no instance has answered within 0.2 s" in capsys.readouterr().err


def test_a_host_without_a_network_finds_nothing(lan, capsys):
    alone = lan.host("a")
    alone.call(main, ["--json"])
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.parametrize("arguments", [["--wait", "soon"], ["--nonsense"]])
def test_nonsense_is_refused(arguments):
    with pytest.raises(SystemExit):
        main(arguments)
