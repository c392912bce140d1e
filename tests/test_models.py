"""Records that repeat each other for speed still agree."""

from dataclasses import fields

from session_service.models import Draft, Entry


def test_an_entry_begins_with_what_a_draft_holds():
    draft = tuple(each.name for each in fields(Draft))
    assert Entry._fields[: len(draft)] == draft
