"""Imports go app -> eval_ui -> {medchat, storage}, and each outside library has its one room."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from project import ROOT

# What a module of a room must not import, by top-level name.
FORBIDDEN = {
    "medchat": {"app", "eval_ui", "storage", "gradio", "sqlite3", "sqlite_utils"},
    "storage": {"app", "eval_ui", "gradio"},
    "eval_ui": {"app", "sqlite3", "sqlite_utils"},
    "app": {"sqlite3", "sqlite_utils"},
}


def project_modules() -> list[Path]:
    packages = [path for room in FORBIDDEN for path in sorted((ROOT / room).rglob("*.py"))]
    return [*packages, *ROOT.glob("app.py")]


# What storage may use of medchat: the ground floor, which depends on nothing.
GROUND_FLOOR = {"medchat.errors", "medchat.text", "medchat.scale", "medchat.__version__"}


def imported_names(source: str) -> Iterator[tuple[int, str]]:
    """Yield (line, top-level name) of every absolute import, wherever in the module it stands."""
    for line, name in imported_modules(source):
        yield line, name.partition(".")[0]


def imported_modules(source: str) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module == "medchat":
            yield from ((node.lineno, f"medchat.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.lineno, node.module
        elif isinstance(node, ast.Call) and _imports_by_name(node.func):
            for argument in node.args[:1]:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield node.lineno, argument.value


def _imports_by_name(function: ast.expr) -> bool:
    """Whether a call to `function` is `__import__(...)` or `importlib.import_module(...)`."""
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in ("__import__", "import_module")


def offences(room: str, source: str) -> list[str]:
    return [
        f"line {line}: {room} imports {name}"
        for line, name in imported_names(source)
        if name in FORBIDDEN[room]
    ] + [
        f"line {line}: {room} imports {module}"
        for line, module in imported_modules(source)
        if room == "storage" and module.startswith("medchat") and module not in GROUND_FLOOR
    ]


def reached(module: str, seen: set[str]) -> set[str]:
    """``seen`` and all modules that importing ``module`` imports, outside libraries' by name."""
    if module in seen:
        return seen
    seen.add(module)
    path = ROOT.joinpath(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    if path.exists():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:  # later ones do not count
            for _, name in imported_modules(ast.unparse(node)) if _is_import(node) else ():
                reached(name, seen)
                for alias in getattr(node, "names", ()):
                    reached(f"{name}.{alias.name}", seen)
    return seen


def _is_import(node: ast.stmt) -> bool:
    return isinstance(node, ast.Import | ast.ImportFrom)


@pytest.mark.parametrize("path", sorted((ROOT / "eval_ui" / "backend").glob("*.py")))
def test_the_backend_reaches_no_gradio(path: Path) -> None:
    modules = reached(f"eval_ui.backend.{path.stem}", set())
    assert not [name for name in modules if name.partition(".")[0] == "gradio"]


def test_a_module_behind_another_is_reached() -> None:
    assert "gradio" in reached("eval_ui.page", set())
    assert "eval_ui.web.safe_text" in reached("eval_ui.study.study_tab", set())


def test_there_are_modules_to_look_at() -> None:
    assert ROOT / "medchat" / "errors.py" in project_modules()


@pytest.mark.parametrize("path", project_modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_what_its_room_may(path: Path) -> None:
    room = path.relative_to(ROOT).parts[0].removesuffix(".py")
    assert offences(room, path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("room", "source", "name"),
    [
        ("medchat", "import gradio as gr", "gradio"),
        ("medchat", "from storage.ratings import save", "storage"),
        ("medchat", "def later():\n    import eval_ui.texts", "eval_ui"),
        ("medchat", "import json, sqlite3", "sqlite3"),
        ("medchat", "from importlib import import_module\nimport_module('storage.db')", "storage"),
        ("storage", "if True:\n    from medchat.config import Settings", "medchat.config"),
        ("storage", "from medchat import config", "medchat.config"),
        ("storage", "import medchat", "medchat"),
        ("storage", "from gradio import Blocks", "gradio"),
        ("eval_ui", "import app", "app"),
        ("eval_ui", "from sqlite_utils import Database", "sqlite_utils"),
        ("app", "__import__('sqlite3')", "sqlite3"),
    ],
)
def test_an_offending_module_is_caught(room: str, source: str, name: str) -> None:
    assert [offence.split(": ")[1] for offence in offences(room, source)] == [
        f"{room} imports {name}"
    ]


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("app", "from eval_ui.page import build\nfrom medchat.config import Settings"),
        ("eval_ui", "import gradio\nfrom storage import ratings\nfrom medchat import engine"),
        ("storage", "import sqlite_utils\nfrom . import migrations"),
        ("storage", "from medchat.errors import MedchatError\nfrom medchat import __version__"),
        ("medchat", "from medchat.errors import BadInput\nfrom . import app, storage"),
    ],
)
def test_an_allowed_import_is_left_alone(room: str, source: str) -> None:
    assert offences(room, source) == []
