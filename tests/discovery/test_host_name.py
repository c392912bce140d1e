"""The host name of a data directory."""

import re

import pytest

from session_service.discovery.host_name import FILE, HostName


def pause(_seconds: float) -> None:
    """Of no length."""


def test_it_is_the_same_at_every_start_and_told_to_nobody_else(tmp_path):
    data_dir = tmp_path / "data"
    first = HostName(data_dir, pause)
    assert re.fullmatch(r"session-service-[0-9a-f]{4}\.local\.", first.name)
    assert (data_dir / FILE).stat().st_mode & 0o777 == 0o600
    first.close()
    assert HostName(data_dir, pause).name == first.name


def test_a_changed_one_is_kept(tmp_path):
    host = HostName(tmp_path, pause)
    before = host.name
    while host.name == before:  # one in 65,536 is the same
        host.change()
    host.close()
    assert HostName(tmp_path, pause).name == host.name


def test_a_second_server_on_the_directory_gets_a_passing_one(tmp_path):
    first = HostName(tmp_path, pause)
    second = HostName(tmp_path, pause)
    assert second.name.startswith("session-service-")
    second.change()
    first.close()
    assert HostName(tmp_path, pause).name == first.name


@pytest.mark.parametrize("kept", [b"", b"mycomputer.local.\n", b"\xff\xfe" * 200])
def test_a_file_with_something_else_in_it_is_written_anew(tmp_path, kept):
    (tmp_path / FILE).write_bytes(kept)
    first = HostName(tmp_path, pause)
    first.close()
    assert HostName(tmp_path, pause).name == first.name


def test_a_directory_that_cannot_be_written_does_not_matter(tmp_path):
    (tmp_path / "file").touch()
    assert HostName(tmp_path / "file" / "data", pause).name.endswith(".local.")
