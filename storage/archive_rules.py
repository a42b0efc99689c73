"""What the rows of a packed study may hold: only what the program can have written itself.

Owns the rule of every value and of the order of numbered rows. Trusts no type and no text: whoever
makes a file can make its hashes too. Does not know where the rows come from, or where they go.
"""

import json
import math
import re
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlite_utils import Database

from medchat.errors import Message
from medchat.scale import DIMENSIONS
from medchat.text import shorten
from storage.errors import storage_message
from storage.ids import storable
from storage.ratings import SPAN_KINDS
from storage.seals import is_seal_content
from storage.studies import MAX_GUIDE_LENGTH
from storage.study_events import EVENTS

MAX_POSITION = 1000
"""Answers on screen are counted up to this; each is a letter there."""

Row = dict[str, Any]

NUMBERED = ("rating_log", "study_events")
"""Tables whose ids are the database's own count, and are given anew."""


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


class Damage(ValueError):
    """What is wrong with a study or a file: a sentence to stand in that of a StorageError."""

    def __init__(self, problem: Message) -> None:
        super().__init__(problem.code)
        self.problem = problem


@dataclass(frozen=True)
class Column:
    """``allows`` says whether a value is one that the program can have written."""

    types: tuple[type, ...]
    nullable: bool
    has_default: bool
    allows: Callable[[Any], bool] | None


def columns_of(db: Database, table: str) -> dict[str, Column]:
    """The columns of a table of this database, each with its rule."""
    types = {"TEXT": (str,), "INTEGER": (int,), "REAL": (float, int)}
    return {
        name: Column(
            types[kind],
            nullable=not (notnull or key),
            has_default=default is not None or not (notnull or key),
            allows=_rule(table, name, kind),
        )
        for _, name, kind, notnull, default, key in db.execute(f"PRAGMA table_info({table})")
    }


def check_rows(
    rows: Iterable[Row], table: str, columns: dict[str, Column], is_older: bool
) -> "array[int]":
    """Check every value of a table's rows; returns the ids of a table whose ids are numbers.

    Raises Damage for the first that cannot be. In an older pack columns with a default may lack.
    """
    numbers = array("q")
    used: dict[str, Column] = {}
    for line, row in enumerate(rows, start=1):
        if line == 1:
            used = _used_columns(table, row, columns, is_older)
        if row.keys() != used.keys():
            raise Damage(storage_message("row_has_other_columns", table=table, line=line))
        for name, column in used.items():
            value = row[name]
            if value is None:
                allowed = column.nullable
            else:
                # not isinstance: True is an int, but no score that somebody chose
                allowed = type(value) in column.types and (
                    column.allows is None or column.allows(value)
                )
            if not allowed:
                text = short(ascii(value))
                raise Damage(
                    storage_message(
                        "value_not_allowed", table=table, line=line, column=name, value=text
                    )
                )
        if table in NUMBERED:
            if numbers and row["id"] <= numbers[-1]:
                raise Damage(storage_message("row_out_of_order", table=table, line=line))
            numbers.append(row["id"])
    return numbers


def _used_columns(
    table: str, row: Row, columns: dict[str, Column], is_older: bool
) -> dict[str, Column]:
    """The columns of a member. In an older pack those may lack that have a default."""
    for name in row:
        if name not in columns:
            unknown = short(ascii(name))
            raise Damage(storage_message("column_unknown", table=table, column=unknown))
    for name, column in columns.items():
        if name not in row and not (is_older and column.has_default):
            raise Damage(storage_message("column_missing", table=table, column=name))
    return {name: columns[name] for name in row}


def _rule(table: str, column: str, kind: str) -> Callable[[Any], bool] | None:
    if kind == "REAL":
        return math.isfinite
    if column.endswith("_at"):
        return is_time
    if kind == "TEXT" and column in ("id", "response", "study", "study_id", "question", "rater"):
        return is_id
    return _RULES.get(f"{table}.{column}")


def is_id(value: object) -> bool:
    """Ids stand in addresses and pages; so nothing that means something there."""
    return isinstance(value, str) and re.fullmatch(r"[0-9A-Za-z_-]{1,64}", value) is not None


_TIME = re.compile(r"(19|20|21)\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?\+00:00", re.ASCII)


def is_time(value: object) -> bool:
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _is_span(span: object) -> bool:
    return (
        isinstance(span, dict)
        and span.keys() == {"start", "end", "kind"}
        and type(span["start"]) is int
        and type(span["end"]) is int
        and 0 <= span["start"] < span["end"]
        and span["kind"] in SPAN_KINDS
    )


def _json(holds: Callable[[Any], bool]) -> Callable[[str], bool]:
    """A rule for a text that is JSON, and whose content fulfils ``holds``."""

    def allows(text: str) -> bool:
        if text == "[]":
            return holds([])
        try:
            value = DECODER.decode(text)
            json.dumps(value, ensure_ascii=False).encode()  # an escape can hide half a character
        except (ValueError, RecursionError):
            return False
        return holds(value)

    return allows


def _is_list_of(holds: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(holds, value))


def _is_reference(row: object) -> bool:
    """A row of published figures: its texts, and numbers or nothing for the dimensions."""
    return (
        isinstance(row, dict)
        and row.keys() == {"model", "source", *DIMENSIONS}
        and all(isinstance(row[key], str) for key in ("model", "source"))
        and all(row[key] is None or type(row[key]) in (int, float) for key in DIMENSIONS)
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


_RULES: dict[str, Callable[[Any], bool]] = {
    "studies.seed": lambda value: value >= 0,
    "studies.blind_key": lambda value: re.fullmatch("[0-9a-f]{32}", value) is not None,
    "studies.guide_zh": lambda value: len(value) <= MAX_GUIDE_LENGTH,
    "studies.guide_en": lambda value: len(value) <= MAX_GUIDE_LENGTH,
    "studies.reference_rows": _json(_is_list_of(_is_reference)),
    "raters.code_hash": lambda value: re.fullmatch("[0-9a-f]{64}", value) is not None,
    "responses.finish_reason": lambda value: value in ("stop", "length", "cancelled", "error"),
    "responses.provenance": _json(lambda value: isinstance(value, dict)),
    "items.position": lambda value: value <= MAX_POSITION,
    "rating_log.item": is_id,
    "rating_log.flags": _json(_is_list_of(_is_text)),
    "rating_log.spans": _json(_is_list_of(_is_span)),
    "study_events.event": lambda value: value in EVENTS,
    "study_events.content": _json(is_seal_content),
    "answering.models": _json(_is_list_of(_is_text)),
    "answering.options": _json(lambda value: value is None or isinstance(value, dict)),
}
"""What the program relies on beyond the database's own checks: a page that meets something else
would break, and whoever makes a file can make its hashes too."""


def short(text: object) -> str:
    return shorten(storable(str(text)), 200)
