"""The end of each study's chain, which is to be kept elsewhere, and what a kept one stands for."""

from dataclasses import dataclass

from sqlite_utils import Database

from storage.chain import START, end_code, hash_start
from storage.database import Store
from storage.errors import StorageError
from storage.seals import seal_content


@dataclass(frozen=True)
class ChainEnd:
    """The end of a study's log: how many rows it has, and the hash of the last.

    ``sealed_at`` is since when (UTC) its content is sealed, None for a draft; ``was_open`` says
    that it had been open before that; ``locks`` holds (time, code) of every lock since.
    """

    study: str
    rows: int
    hash: str
    sealed_at: str | None = None
    was_open: bool = False
    locks: tuple[tuple[str, str], ...] = ()


def chain_ends(store: Store) -> list[ChainEnd]:
    """Return the end of each study's chain, by name of the study."""
    sql = """
        SELECT studies.id, studies.name, count(entry.id), (
            SELECT hash FROM rating_log WHERE study = studies.id ORDER BY id DESC LIMIT 1
        )
        FROM studies LEFT JOIN rating_log AS entry ON entry.study = studies.id
        GROUP BY studies.id ORDER BY studies.name
        """
    with store.connect() as db:
        db.execute("BEGIN")
        return [
            ChainEnd(name, rows, end or START, *_sealed(db, study))
            for study, name, rows, end in db.execute(sql).fetchall()
        ]


def _sealed(db: Database, study: str) -> tuple[str | None, bool, tuple[tuple[str, str], ...]]:
    """Since when a study is sealed, whether it was open before, and the ends at its locks."""
    rows = db.execute(
        "SELECT event, happened_at, hash FROM study_events WHERE study = ? AND ("
        " json_extract(content, '$.seals.study') IS NOT NULL"
        " OR event = 'locked' AND content <> '{}') ORDER BY id",
        [study],
    ).fetchall()
    first = next((row for row in rows if row[0] != "locked"), None)
    locks = tuple((at, end_code(end)) for event, at, end in rows if event == "locked" and end)
    return (first[1], first[0] == "sealed", locks) if first else (None, False, locks)


@dataclass(frozen=True)
class KeptEnd:
    """What an end that was kept elsewhere stands for; ``rows`` ratings were there by then.

    ``ratings_only``: it is of the chain of ratings, and says nothing of anything else.
    """

    study: str
    rows: int
    at: str
    ratings_only: bool = False


def find_end(store: Store, code: str) -> KeptEnd:
    """Return where the chain of some study has the end with this code, or with this whole hash.

    With no problems of ``verify``, everything that was sealed up to there is what it was when the
    code was shown: no event behind it may seal the same anew.

    Raises:
        StorageError: end_no_code for what is no code, end_unknown where no chain has this end.
    """
    start = code.lower() if len(code) == len(START) else hash_start(code)
    if start is None or set(start) - set("0123456789abcdef"):
        raise StorageError("end_no_code", text=code[:80])
    with store.connect() as db:
        for study, at, content in db.execute(
            "SELECT name, happened_at, content FROM study_events"
            " JOIN studies ON studies.id = study WHERE substr(hash, 1, ?) = ?",
            [len(start), start],
        ):
            ratings = (seal_content(content) or {}).get("ratings", {})
            return KeptEnd(study, ratings.get("rows", 0), at)
        for study, study_id, number, at in db.execute(
            "SELECT name, study, rating_log.id, rated_at FROM rating_log"
            " JOIN studies ON studies.id = study WHERE hash BETWEEN ? AND ?",
            [start, start + "g"],
        ):
            where = "study = ? AND id <= ?"
            rows = db["rating_log"].count_where(where, [study_id, number])
            return KeptEnd(study, rows, at, ratings_only=True)
    raise StorageError("end_unknown", text=code)
