"""How the code is laid out: sizes, names, files of one name, and no import circles."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from project import ROOT

ROOMS = ("medchat", "storage", "eval_ui")
MAX_LINES = 450
MAX_FUNCTION_LINES = 60
DATA = {"storage/migrations.py"}
"""Files that are lists, however long."""

VAGUE = {
    *("found", "told", "shown", "made", "given", "drawn", "left", "kept", "taken", "asked"),
    *("wanted", "known", "each", "place", "places", "said", "gone", "done", "seen", "held"),
}
VAGUE_CONSTANTS = ("MOST_", "LONGEST_", "LARGEST_")

SAME_NAME = {
    "errors.py": "medchat's errors, and SQLite's errors as these",
    "ratings.py": "a file of ratings, and the log of ratings",
    "practice.py": "a file of practice items, and the practice items of a study",
    "report.py": "the command, and what it computes",
    "__main__.py": "the two command lines",
}
SAME_NAME = {
    "__main__.py": "the two command lines",
    "errors.py": "medchat's errors, and SQLite's as these",
    "family.py": "one of each family",
    "practice.py": "practice items, in a file and in a study",
    "ratings.py": "ratings, in a file and in the log",
    "report.py": "the report, and the command that makes it",
    "tokenization.py": "one of each family that needs its own",
}
"""File names that two rooms share, as they are about the same thing."""


def modules() -> list[Path]:
    return [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def assigned_names(tree: ast.AST) -> Iterator[str]:
    """Every name that a value is given: variables, arguments, loop variables."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg


def is_vague(name: str) -> bool:
    return name.strip("_") in VAGUE or name.strip("_").startswith(VAGUE_CONSTANTS)


def vague_names() -> tuple[Counter[str], int]:
    """Vague names by file, and how many names there are."""
    vague: Counter[str] = Counter()
    count = 0
    for path in modules():
        for name in assigned_names(ast.parse(path.read_text(encoding="utf-8"))):
            count += 1
            vague[name_of(path)] += is_vague(name)
    return vague, count


def test_names_say_what_a_value_is() -> None:
    vague, count = vague_names()
    assert count > 5_000, "the scan must find the names"
    assert sum(vague.values()) < count / 100, vague.most_common(20)


@pytest.mark.parametrize("name", ["found", "_told", "MOST_SEED", "each"])
def test_a_vague_name_is_caught(name: str) -> None:
    source = f"def f({name}):\n    for {name} in x:\n        {name} = 1"
    assert [is_vague(name) for name in assigned_names(ast.parse(source))] == [True] * 3


def test_files_are_short() -> None:
    lengths = {name_of(path): len(path.read_text("utf-8").splitlines()) for path in modules()}
    too_long = {name: n for name, n in lengths.items() if n > MAX_LINES and name not in DATA}
    assert too_long == {}


def test_functions_are_short() -> None:
    too_long = [
        f"{name_of(path)}:{node.name}"
        for path in modules()
        if name_of(path) not in DATA
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and (node.end_lineno or 0) - node.lineno + 1 > MAX_FUNCTION_LINES
    ]
    assert too_long == []


def test_two_files_of_one_name_are_about_one_thing() -> None:
    names = Counter(path.name for path in modules() if path.name != "__init__.py")
    assert {name for name, n in names.items() if n > 1} <= SAME_NAME.keys()


# -- circles --


def imports_of(path: Path) -> Iterator[str]:
    """Modules that a module imports when it is itself imported."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    pending: list[ast.stmt] = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.unparse(node.test):
            pending += node.body + node.orelse
        elif isinstance(node, ast.Try):
            pending += node.body


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Circles of a graph, each once, as the path that leads back to its beginning."""
    closed: list[list[str]] = []
    finished: set[str] = set()

    def visit(node: str, path: list[str]) -> None:
        if node in path:
            closed.append(path[path.index(node) :])
        elif node not in finished:
            for successor in sorted(graph[node]):
                visit(successor, [*path, node])
            finished.add(node)

    for node in sorted(graph):
        visit(node, [])
    return closed


def test_no_module_imports_itself_through_others() -> None:
    paths = {module_name(path): path for path in modules()}
    graph = {name: set(imports_of(path)) & paths.keys() - {name} for name, path in paths.items()}
    assert sum(map(len, graph.values())) > 300, "the scan must find the imports"
    assert circles(graph) == []


def test_a_circle_is_caught() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == [["b", "c"]]
