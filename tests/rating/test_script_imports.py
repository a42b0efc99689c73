"""The rating page's script: state imports no view, and no imports go in a circle."""

import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from project import ROOT

FOLDER = ROOT / "assets" / "rating"
STATE = {
    *("answers", "going", "opinion", "outbox", "page", "server", "store", "time", "work"),
}
"""What holds and sends; everything else is what is seen."""


def imports(folder: Path) -> dict[str, set[str]]:
    return {
        path.stem: set(
            re.findall(r"""(?:from|import)\s*\(?\s*["']\./(\w+)\.js["']""", path.read_text("utf-8"))
        )
        for path in folder.glob("*.js")
    }


def faults(graph: dict[str, set[str]]) -> list[str]:
    wrong = [
        f"{name} imports {other}"
        for name in sorted(STATE & graph.keys())
        for other in sorted(graph[name] - STATE)
    ]
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        wrong.append(" -> ".join(error.args[1]))
    return wrong


def test_no_part_imports_in_a_circle_and_state_imports_no_view() -> None:
    graph = imports(FOLDER)
    assert graph.keys() >= STATE | {"main", "elements"}
    assert graph["main"], "the imports are recognised"
    assert set.union(*graph.values()) <= graph.keys()
    assert faults(graph) == []


def test_state_touches_no_element() -> None:
    for name in STATE:
        source = (FOLDER / f"{name}.js").read_text("utf-8")
        assert not re.search(r"document\.(query|create|get|body)|\broot\b", source), name


@pytest.mark.parametrize(
    ("graph", "fault"),
    [
        ({"outbox": {"question"}, "question": set()}, "outbox imports question"),
        ({"a": {"b"}, "b": {"c"}, "c": {"a"}}, "a -> "),
        ({"a": {"a"}}, "a -> a"),
    ],
)
def test_a_faulty_import_is_caught(graph: dict[str, set[str]], fault: str) -> None:
    assert any(fault in each for each in faults(graph))
