"""Seals: what a study's rows held at one moment, as hashes that the study's events carry.

A seal names its version and its columns, so that a column that is added later enters new seals only
and old ones stay what they are. Owns which columns are sealed, and why the others are not. Does not
know when a seal is due: whoever logs an event says what it seals.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlite_utils import Database

VERSION = 1


@dataclass(frozen=True)
class Kind:
    """The rows that one seal covers: those of ``source`` whose ``key`` is the seal's.

    ``key``, ``order`` and ``where`` are SQL. Of a rater's list, ``key`` is the rater and ``part``
    the place from which on a seal covers it, up to where the next one begins.
    """

    source: str
    key: str
    order: str
    where: str = "1"
    part: str = ""


KINDS = {
    "study": Kind("studies", "studies.id", "studies.id"),
    "name": Kind("studies", "studies.id", "studies.id"),
    "state": Kind("studies", "studies.id", "studies.id"),
    "published": Kind("studies", "studies.id", "studies.id"),
    "rights": Kind("study_coordinators", "study", "coordinator"),
    "question": Kind("questions", "questions.id", "questions.id"),
    "answers": Kind("responses", "question", "responses.id"),
    "practice": Kind(
        "practice_keys JOIN responses ON responses.id = practice_keys.response",
        "responses.question",
        "practice_keys.response",
    ),
    "rater": Kind("raters", "raters.id", "raters.id"),
    "profile": Kind("raters", "raters.id", "raters.id"),
    "link": Kind("raters", "raters.id", "raters.id"),
    "list": Kind("items", "rater", "place, position", part="place"),
    "withdrawn": Kind("items", "rater", "items.id", where="withdrawn_at IS NOT NULL"),
}

COLUMNS: dict[int, dict[str, tuple[str, ...]]] = {
    1: {
        "study": (
            *("studies.id", "studies.seed", "studies.created_at", "studies.opened_at"),
            *("studies.raters_per_answer", "studies.one_by_one", "studies.repeats"),
            *("studies.guide_zh", "studies.guide_en", "studies.blind_key"),
        ),
        "name": ("studies.name",),
        "state": ("studies.locked_at", "studies.unblinded_at"),
        "published": ("studies.reference_rows",),
        "rights": ("study_coordinators.study", "study_coordinators.coordinator"),
        "question": (
            *("questions.id", "questions.study_id", "questions.question_id", "questions.text"),
            *("questions.position", "questions.kind", "questions.category", "questions.reference"),
        ),
        "answers": (
            *("responses.id", "responses.question", "responses.model", "responses.text"),
            *("responses.finish_reason", "responses.provenance", "responses.created_at"),
            *("responses.review", "responses.shown_text"),
        ),
        "practice": (
            *("practice_keys.response", "practice_keys.safety", "practice_keys.usability"),
            *("practice_keys.fluency", "practice_keys.why_zh", "practice_keys.why_en"),
        ),
        "rater": (
            *("raters.id", "raters.study_id", "raters.label", "raters.created_at"),
            *("raters.trial", "raters.adjudicator", "raters.remark"),
        ),
        "profile": (
            *("raters.specialty", "raters.title", "raters.years", "raters.name"),
            *("raters.consent_text", "raters.consent_at"),
        ),
        "link": ("raters.code_hash", "raters.expires_at", "raters.revoked_at"),
        "list": (
            *("items.id", "items.rater", "items.response", "items.question", "items.kind"),
            *("items.place", "items.position", "items.adjudication"),
        ),
        "withdrawn": ("items.id", "items.withdrawn_at"),
    }
}
"""By version and kind. A version that was released is never edited; a change is a new version."""

SEALED_ONCE = ("study", "question", "answers", "practice", "rater", "profile", "list")
"""Kinds that nothing changes once they are sealed, but for what was empty then: a list before the
opening, a profile before the consent. Another seal of the same rows would hide a change."""

UNSEALED = {
    "items.latest": "follows from rating_log, and is compared with it",
    "raters.last_seen_at": "changes with every visit; no figure depends on it",
    "raters.last_place": "where a rater goes on; no figure depends on it",
    "rating_log.id": "the database's own count, which must have no gap",
    "rating_log.previous": "the chain itself",
    "rating_log.hash": "the chain itself",
    "study_events.id": "the database's own count, which must have no gap",
    "study_events.previous": "the chain itself",
    "study_events.hash": "the chain itself",
    "coordinators.*": "accounts are no part of a study; its events name who did what",
    "coordinator_sessions.*": "who is signed in now",
    "rater_sessions.*": "in which browsers a rater's link is open now",
    "sign_in_failures.*": "wrong passwords of the last minutes",
    "sign_in_addresses.*": "where a coordinator has signed in from; slows nobody's rating",
    "answering.*": "the state of a draft's answering; the answers are sealed at the opening",
    "answer_failures.*": "answers that a draft does not have",
    "database_identity.*": "tells databases apart, and which rows came before gaps were watched",
}
"""Columns that no seal covers, each with the reason."""


@dataclass(frozen=True)
class Seal:
    """The hash of some rows' columns."""

    columns: tuple[str, ...]
    hash: str


Part = tuple[str, str]
"""Kind and key, such as ("question", its id); of a list "RATER/PLACE"."""


def list_part(rater: str, first: int) -> Part:
    """What a rater has on the list from the place ``first`` on."""
    return "list", f"{rater}/{first}"


def parts_of_question(question: str) -> list[Part]:
    """A question with its answers, and their key where it is for practice."""
    return [(kind, question) for kind in ("question", "answers", "practice")]


def parts_of_rater(rater: str) -> list[Part]:
    return [(kind, rater) for kind in ("rater", "profile", "link")]


def parts_of_study(db: Database, study_id: str) -> list[Part]:
    """Everything of a study; of a draft, only what does not change until its opening."""
    raters = "SELECT id FROM raters WHERE study_id = ? AND trial = 0 ORDER BY id"
    parts: list[Part] = [(kind, study_id) for kind in ("name", "rights", "published")]
    for (rater,) in db.execute(raters, [study_id]).fetchall():
        parts += [*parts_of_rater(rater), list_part(rater, 1), ("withdrawn", rater)]
    opened = db.execute("SELECT opened_at FROM studies WHERE id = ?", [study_id]).fetchone()
    if opened is None or opened[0] is None:
        return parts
    questions = db.execute("SELECT id FROM questions WHERE study_id = ? ORDER BY id", [study_id])
    of_questions = [part for (key,) in questions.fetchall() for part in parts_of_question(key)]
    return [("study", study_id), ("state", study_id), *of_questions, *parts]


# -- writing --


def seal_parts(db: Database, parts: Iterable[Part], version: int = VERSION) -> dict[str, Any]:
    """Return the seals of ``parts`` as they are now, for an event to carry."""
    sealed: dict[str, dict[str, str]] = {}
    for kind, key in parts:
        columns = COLUMNS[version][kind]
        sealed.setdefault(kind, {})[key] = hash_of_rows(_rows(db, kind, key, columns))
    return {
        "version": version,
        "columns": {kind: COLUMNS[version][kind] for kind in sealed},
        "seals": sealed,
    }


def _rows(db: Database, kind: str, key: str, columns: tuple[str, ...]) -> list[tuple[Any, ...]]:
    shape = KINDS[kind]
    where, values = f"{shape.where} AND {shape.key} = ?", [key]
    if shape.part:
        rater, _, first = key.rpartition("/")
        where, values = f"{where} AND {shape.part} >= {int(first)}", [rater]
    sql = f"SELECT {', '.join(columns)} FROM {shape.source} WHERE {where} ORDER BY {shape.order}"
    return db.execute(sql, values).fetchall()


def hash_of_rows(rows: Iterable[tuple[Any, ...]]) -> str:
    """Return the SHA-256, in hexadecimal, of rows of texts, whole numbers and nulls."""
    return hashlib.sha256(json.dumps(list(rows), ensure_ascii=False).encode()).hexdigest()


# -- comparing --


def seals_of(content: Mapping[str, Any]) -> dict[Part, Seal]:
    """The seals that an event carries, from its content."""
    columns = content.get("columns", {})
    return {
        (kind, key): Seal(tuple(columns[kind]), hashed)
        for kind, sealed in content.get("seals", {}).items()
        for key, hashed in sealed.items()
    }


def owners_of_keys(db: Database) -> dict[str, str]:
    """The study of every study, question and rater that a seal's key may name."""
    return dict(
        db.execute(
            "SELECT id, id FROM studies UNION ALL SELECT id, study_id FROM questions"
            " UNION ALL SELECT id, study_id FROM raters"
        ).fetchall()
    )


def may_be_sealed_anew(part: Part, before: Seal, seal: Seal) -> bool:
    """Whether an event may seal what an earlier one has sealed as ``before``."""
    return (
        part[0] not in SEALED_ONCE
        or (before.columns == seal.columns and before.hash == seal.hash)
        or before.hash in (hash_of_rows(()), _EMPTY_PROFILE)
    )


def seal_content(text: str) -> dict[str, Any] | None:
    """What an event carries; None for what this program has not written: it names columns."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return content if is_seal_content(content) else None


def is_seal_content(content: object) -> bool:
    """Whether an event from elsewhere carries what an event of this program can."""
    if not isinstance(content, dict):
        return False
    columns, sealed, ratings = (content.get(name, {}) for name in ("columns", "seals", "ratings"))
    return (
        content.keys() <= {"version", "columns", "seals", "ratings"}
        and all(isinstance(part, dict) for part in (columns, sealed, ratings))
        and sealed.keys() <= columns.keys()
        and all(_are_known(kind, names) for kind, names in columns.items())
        and all(isinstance(of_kind, dict) for of_kind in sealed.values())
        and all(_is_key(kind, key) for kind, of_kind in sealed.items() for key in of_kind)
        and ("ratings" not in content or _is_end(ratings))
        and all(_is_hash(value) for of_kind in sealed.values() for value in of_kind.values())
    )


def _is_end(ratings: dict[str, Any]) -> bool:
    return (
        ratings.keys() == {"rows", "end"}
        and type(ratings["rows"]) is int
        and 0 <= ratings["rows"] < 2**53
        and _is_hash(ratings["end"])
    )


def _is_hash(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


def _are_known(kind: str, names: object) -> bool:
    """Names of columns go into SQL: none but this program's own."""
    versions = [list(version[kind]) for version in COLUMNS.values() if kind in version]
    return names in versions


def _is_key(kind: str, key: str) -> bool:
    if KINDS[kind].part:
        rater, _, first = key.rpartition("/")
        return bool(rater) and first.isascii() and first.isdigit() and len(first) < 10
    return bool(key)


def broken_seals(
    db: Database, seals: Mapping[Part, Seal], study_id: str | None = None
) -> Iterator[Part]:
    """Yield every part that is not as it was sealed, and every part that no seal covers.

    ``seals`` are the last ones of one study, or (None) of all.
    """
    for kind in KINDS:
        of_kind = {key: seal for (name, key), seal in seals.items() if name == kind}
        now: set[str] = set()
        for columns in {seal.columns for seal in of_kind.values()} or {COLUMNS[VERSION][kind]}:
            for key, hashed in _hashes(db, kind, columns, of_kind, study_id):
                now.add(key)
                seal = of_kind.get(key)
                if seal is None or (seal.columns == columns and seal.hash != hashed):
                    yield kind, key
        missing = of_kind.keys() - now
        yield from ((kind, key) for key in missing if of_kind[key].hash != hash_of_rows(()))


def _hashes(
    db: Database,
    kind: str,
    columns: tuple[str, ...],
    seals: Mapping[str, Seal],
    study_id: str | None,
) -> Iterator[tuple[str, str]]:
    """The keys that are in the database, each with the hash of its rows."""
    shape = KINDS[kind]
    part = shape.part or "NULL"
    scope, values = ("1", []) if study_id is None else (_OF_STUDY[kind], [study_id])
    rows = db.execute(
        f"SELECT {shape.key}, {part}, {', '.join(columns)} FROM {shape.source}"
        f" WHERE {shape.where} AND {_EXPECTED[kind]} AND {scope} ORDER BY 1, {shape.order}",
        values,
    )
    firsts = _firsts(seals) if shape.part else {}
    for key, group in groupby(rows, key=lambda row: row[0]):
        if not shape.part:
            yield key, hash_of_rows(row[2:] for row in group)
            continue
        # each row belongs to the last part of the list that begins at or before its place
        starts = iter([*firsts.get(key, ()), None])
        first, following = 0, next(starts)
        batch: list[tuple[Any, ...]] = []
        for row in group:
            while following is not None and row[1] >= following:
                if batch:
                    yield f"{key}/{first}", hash_of_rows(batch)
                first, following, batch = following, next(starts), []
            batch.append(row[2:])
        yield f"{key}/{first}", hash_of_rows(batch)


def _firsts(seals: Mapping[str, Seal]) -> dict[str, list[int]]:
    """Where the sealed parts of each rater's list begin."""
    firsts: dict[str, list[int]] = {}
    for key in seals:
        rater, _, first = key.rpartition("/")
        firsts.setdefault(rater, []).append(int(first))
    return {rater: sorted(starts) for rater, starts in firsts.items()}


_OPENED = "(SELECT id FROM studies WHERE opened_at IS NOT NULL)"
_OPENED_QUESTIONS = f"(SELECT id FROM questions WHERE study_id IN {_OPENED})"
_SEALED_RATERS = f"(SELECT id FROM raters WHERE trial = 0 OR study_id IN {_OPENED})"

_EXPECTED = {
    "study": "opened_at IS NOT NULL",
    "state": "opened_at IS NOT NULL",
    **dict.fromkeys(("name", "published", "rights"), "1"),
    "question": f"questions.study_id IN {_OPENED}",
    "answers": f"question IN {_OPENED_QUESTIONS}",
    "practice": f"responses.question IN {_OPENED_QUESTIONS}",
    **dict.fromkeys(("rater", "profile", "link"), f"raters.id IN {_SEALED_RATERS}"),
    **dict.fromkeys(("list", "withdrawn"), f"rater IN {_SEALED_RATERS}"),
}
"""SQL: the rows that must be sealed. What a draft holds may change until its opening, but for who
is invited and who may work on it."""

_QUESTIONS = "(SELECT id FROM questions WHERE study_id = ?)"
_OF_STUDY = {
    **dict.fromkeys(("study", "name", "state", "published"), "studies.id = ?"),
    "rights": "study = ?",
    "question": "questions.study_id = ?",
    "answers": f"question IN {_QUESTIONS}",
    "practice": f"responses.question IN {_QUESTIONS}",
    **dict.fromkeys(("rater", "profile", "link"), "raters.study_id = ?"),
    **dict.fromkeys(("list", "withdrawn"), "rater IN (SELECT id FROM raters WHERE study_id = ?)"),
}

_EMPTY_PROFILE = hash_of_rows([("", "", None, "", "", None)])
"""The hash of a rater's profile before the consent, in the columns of version 1."""
