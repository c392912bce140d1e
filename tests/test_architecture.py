"""The house holds: imports point down, and each third-party library has one door."""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("session_service", "schemas", "app", "children", "config", "cores")

# Which part may import which others of ours, and which libraries come in through it alone.
MAY_IMPORT = {
    "session_service.errors": set(),
    "session_service.models": set(),
    "session_service.core": {"session_service.errors", "session_service.models"},
    "session_service.store": {"session_service.errors", "session_service.models"},
    "session_service.replies": {"session_service.errors", "session_service.models"},
    "session_service.addresses": set(),
    "session_service.stopping": set(),
    "session_service.worker": {"session_service.stopping"},
    "session_service.commands": {
        "session_service.core",
        "session_service.errors",
        "session_service.store",
    },
    "session_service.account_commands": {
        "session_service.core",
        "session_service.errors",
        "schemas",
    },
    "session_service.housekeeping": {
        "session_service.core",
        "session_service.errors",
        "session_service.models",
    },
    "session_service.file_types": set(),
    "session_service.knowledge": set(),
    "session_service.native": set(),
    "session_service.passwords": set(),
    "session_service.leash": set(),
    "session_service.child": set(),
    "session_service.allowed": {"schemas"},
    "session_service.environment": {"session_service.allowed"},
    "session_service.kept_key": set(),
    "session_service.development": set(),
    "session_service.metrics": set(),
    "session_service.embedded": {
        "session_service.child",
        "session_service.errors",
        "session_service.leash",
    },
    "session_service.discovery": {
        "session_service.addresses",
        "session_service.child",
        "session_service.leash",
    },
    "session_service.dialects": {
        "session_service",
        "session_service.core",
        "session_service.errors",
        "session_service.models",
        "schemas",
    },
    "schemas": set(),
    "config": {
        "session_service.allowed",
        "session_service.environment",
        "session_service.kept_key",
    },
}
DOORS = {
    "argon2": {"session_service.passwords"},
    "click": {"app", "session_service.account_commands", "session_service.commands"},
    "email_validator": {"schemas"},
    "filetype": {"session_service.file_types"},
    "flask": {"session_service.dialects", "session_service.development", "app"},
    "flask_smorest": {"session_service.dialects"},
    "flask_jwt_extended": {"session_service.dialects", "app"},
    "flask_cors": {"app"},
    "webargs": {"session_service.dialects"},
    "werkzeug": {"session_service.dialects", "session_service.development"},
    "marshmallow": {
        "schemas",
        "session_service.account_commands",
        "session_service.allowed",
        "session_service.dialects",
        "session_service.environment",
    },
    "environs": {"session_service.allowed", "session_service.environment"},
    "pymongo": {"session_service.store", "session_service.embedded"},
    "bson": {"session_service.store"},
    "regex": {"schemas", "session_service.replies"},
    "openai": {"session_service.replies"},
    "httpx2": {"session_service.replies"},
    "yaml": {"session_service.replies"},
    "orjson": {"session_service.dialects", "session_service.worker"},
    "prometheus_client": {"session_service.metrics"},
    "secantus": set(),  # GPL: a program we start, never a library we import
    "gevent": {"session_service.native", "session_service.worker"},
    "gunicorn": {"session_service.worker"},
    "ifaddr": {"session_service.addresses"},
    "zeroconf": {"session_service.discovery"},
}


def modules() -> dict[str, Path]:
    files = [ROOT / f"{name}.py" for name in ("app", "children", "config", "cores")]
    files += sorted((ROOT / "schemas").rglob("*.py"))
    files += sorted((ROOT / "session_service").rglob("*.py"))
    return {
        ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file
        for file in files
    }


@cache
def imports(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            found |= {f"{node.module}.{each.name}" for each in node.names} | {str(node.module)}
    return found


def part_of(name: str) -> str:
    first, _, rest = name.partition(".")
    if first != "session_service" or not rest:
        return first
    part = f"{first}.{rest.partition('.')[0]}"
    return part if part in MAY_IMPORT else first


@pytest.mark.parametrize(
    "module", sorted(set(modules()) - {"app", "children", "cores", "session_service"})
)
def test_arrows_point_down(module):
    part = part_of(module)
    ours = {part_of(name) for name in imports(modules()[module]) if name.startswith(PACKAGES)}
    if part != "session_service.dialects":
        ours.discard("session_service")  # `from session_service.x import y` names it as well
    assert ours <= {part, *MAY_IMPORT[part], "session_service"}, module


@pytest.mark.parametrize("library", DOORS)
def test_a_library_comes_in_by_its_door(library):
    through = {
        part_of(module)
        for module, file in modules().items()
        if any(name == library or name.startswith(f"{library}.") for name in imports(file))
    }
    assert through <= DOORS[library]


def test_no_dialect_imports_another():
    dialects = ROOT / "session_service" / "dialects"
    names = {"sessions", "chats", "conversations"}
    for file in dialects.glob("*.py"):
        used = {
            name.removeprefix("session_service.dialects.").partition(".")[0]
            for name in imports(file)
            if name.startswith("session_service.dialects.")
        }
        assert not (used & names) - {file.stem}, file.name
