"""What an export may hold: anything else is refused before it is written anywhere."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import bson
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.errors import BSONError

from session_service.errors import ServiceError
from session_service.store.documents import Document

HEARTBEAT = "health"  # where the service proves that it can write
UNDER_WAY = "import"  # there while an import is not finished
NAME = re.compile(r"(?!system\.)[^.$\0]+(\.[^.$\0]+)*")
MAX_DOCUMENT = 16 * 1024 * 1024  # bytes, as servers have it
MAX_EXPIRY_S = 2**31 - 1
ON_DISK = {"autoIndexId", "flags", "indexOptionDefaults", "storageEngine"}  # one server's affair
OPTIONS = {
    "capped",
    "changeStreamPreAndPostImages",
    "clusteredIndex",
    "collation",
    "expireAfterSeconds",
    "max",
    "size",
    "timeseries",
    "validationAction",
    "validationLevel",
    "validator",
}

# Servers keep dates that Python has no datetime for.
ANY: CodecOptions[Document] = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_AUTO)


class Unfit(ServiceError):
    """Something that cannot be imported; the message names it."""


def decode(document: bytes, what: str) -> Document:
    """The document with all that is in it; Unfit when it is no BSON."""
    try:
        return bson.decode(document, ANY)
    except (BSONError, RecursionError) as error:
        raise Unfit(f"{what} is no BSON ({one_line(error)})") from error


def check_document(document: bytes, what: str) -> None:
    """Unfit when no server would take it."""
    if len(document) > MAX_DOCUMENT:
        raise Unfit(f"{what} is larger than {MAX_DOCUMENT:,} bytes")
    if "_id" not in decode(document, what):
        raise Unfit(f"{what} has no '_id'")


def check_name(name: object) -> str:
    """The name of a collection; Unfit when it is none, or one that is not for data."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise Unfit(f"{name!r:.80} is no name for a collection")
    if name in (HEARTBEAT, UNDER_WAY):
        raise Unfit(f"the collection {name!r} is the service's own")
    return name


def check_collections(collections: object) -> Sequence[Document]:
    """What is told of the collections; Unfit when it is not told of each as it must be."""
    names = set()
    found: Sequence[Document] = _taken(collections, list, "the list of collections")
    for each in found:
        name = check_name(_taken(each, dict, "a collection").get("name"))
        if name in names:
            raise Unfit(f"the collection {name!r} is listed twice")
        names.add(name)
        if _taken(each.get("documents"), int, f"{name!r}: 'documents'") < 0:
            raise Unfit(f"{name!r}: 'documents' is negative")
        check_making(each)
    return found


def check_making(collection: Mapping[str, Any]) -> None:
    """Unfit when a collection cannot be made by its `name`, `options` and `indexes`."""
    name = check_name(collection.get("name"))
    options: Collection[str] = _taken(collection.get("options"), dict, f"{name!r}: 'options'")
    if strange := sorted(set(options) - OPTIONS):
        raise Unfit(f"{name!r}: the option {strange[0]!r:.80} is not taken over")
    for index in _taken(collection.get("indexes"), list, f"{name!r}: 'indexes'"):
        _check_index(name, _taken(index, dict, f"{name!r}: an index"))


def one_line(error: object) -> str:
    return " ".join(str(error).split())[:300]


def _check_index(collection: str, index: Document) -> None:
    called = _taken(index.get("name"), str, f"{collection!r}: the 'name' of an index")
    what = f"{collection!r}: the index {called!r:.80}"
    if not _taken(index.get("key"), dict, f"{what}: 'key'"):
        raise Unfit(f"{what} has no fields")
    expiry = index.get("expireAfterSeconds", 0)
    if not isinstance(expiry, int | float) or not 0 <= expiry <= MAX_EXPIRY_S:
        raise Unfit(f"{what}: 'expireAfterSeconds' is {expiry!r:.80}, not 0 to {MAX_EXPIRY_S}")


def _taken(value: Any, kind: type, what: str) -> Any:
    if not isinstance(value, kind) or isinstance(value, bool):
        told = {dict: "a document", list: "an array", int: "a number", str: "a text"}
        raise Unfit(f"{what} is not {told[kind]} but {value!r:.80}")
    return value
