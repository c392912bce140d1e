"""Notes of the Phoebe API."""

from typing import Any

from flask import g

import schemas.phoebe as words
from session_service.core.notes import Notes
from session_service.dialects.dialect import Dialect
from session_service.dialects.phoebe.envelope import (
    NO_INTEGER_ID,
    NOTES,
    checked_id,
    id_parameter,
)
from session_service.dialects.times import iso_time
from session_service.errors import NotFound
from session_service.models import Note

ONE = f"{NOTES}/<note_id>"
ID = id_parameter("note_id")
FAILING = (*NO_INTEGER_ID, NotFound(code="no_such_note"))
ASKED = {
    "source": "flomo",
    "title": "标题",
    "content": "内容",
    "comment": "评论",
    "tags": ["阅读"],
    "createdAt": "2026-01-09T10:00:00+08:00",
}
NOTE = {
    **ASKED,
    "id": 123,
    "userId": 2,
    "status": "active",
    "createdAt": "2026-01-09T02:00:00.000Z",
    "updatedAt": "2026-01-09T02:00:01.000Z",
}


def add_note_routes(
    dialect: Dialect, notes: Notes, title_chars: int, note_chars: int, comment_chars: int
) -> None:
    limits = (title_chars, note_chars, comment_chars)

    @dialect.post(NOTES)
    @dialect.arguments(words.new_note(*limits), example=ASKED)
    @dialect.answers(
        201, words.NoteStored(), example={"id": 123, "status": "stored"}, failures=NO_INTEGER_ID
    )
    def add_note(body: dict[str, Any]) -> tuple[dict[str, Any], int]:
        """创建笔记 · Store a note of the caller's; its time has a zone."""
        tags = tuple(dict.fromkeys(body.pop("tags") or ()))
        return {"id": notes.add(g.user, tags=tags, **body).id, "status": "stored"}, 201

    @dialect.get(NOTES)
    @dialect.arguments(words.NotesQuery(), location="query")
    @dialect.answers(200, words.NoteShown(many=True), example=[NOTE], failures=NO_INTEGER_ID)
    def list_notes(query: dict[str, Any]) -> list[dict[str, Any]]:
        """笔记列表 · The caller's notes, newest first, or those that fit q, best first.

        `limit` and `before`, the id of the last note you have, give them page by page.
        """
        found = notes.list(g.user, question=query.pop("q"), **query)
        return [show_note(each) for each in found]

    @dialect.get(ONE, parameters=[ID])
    @dialect.answers(200, words.NoteShown(), example=NOTE, failures=FAILING)
    def get_note(note_id: str) -> dict[str, Any]:
        """查询笔记 · One of the caller's notes."""
        return show_note(notes.get(g.user, checked_id(note_id, "noteId")))

    @dialect.put(ONE, parameters=[ID])
    @dialect.arguments(words.note_change(*limits), example={"content": "新内容", "tags": []})
    @dialect.answers(200, words.NoteShown(), example=NOTE, failures=FAILING)
    def change_note(body: dict[str, Any], note_id: str) -> dict[str, Any]:
        """更新笔记 · Change some fields of a note; what is left out stays."""
        if "tags" in body:
            body["tags"] = tuple(dict.fromkeys(body["tags"] or ()))
        return show_note(notes.change(g.user, checked_id(note_id, "noteId"), body))

    @dialect.delete(ONE, parameters=[ID])
    @dialect.answers(
        200, words.NoteStored(), example={"id": 123, "status": "deleted"}, failures=FAILING
    )
    def delete_note(note_id: str) -> dict[str, Any]:
        """删除笔记 · Mark a note as deleted."""
        number = checked_id(note_id, "noteId")
        notes.delete(g.user, number)
        return {"id": number, "status": "deleted"}


def show_note(note: Note) -> dict[str, Any]:
    return {
        "id": note.id,
        "userId": note.user_id,
        "source": note.source,
        "title": note.title,
        "content": note.content,
        "comment": note.comment,
        "tags": list(note.tags),
        "status": note.status,
        "createdAt": iso_time(note.created_at),
        "updatedAt": iso_time(note.updated_at),
    }
