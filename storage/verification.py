"""Proof that nothing has happened to the ratings: the chain, and that log, items and export agree.

What it cannot see is that the last rows were cut off: so it names the hash at the end of each
study's chain, to be compared with one that was noted before.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlite_utils import Database

from storage.chain import START, seal
from storage.database import Store
from storage.export import current_rows
from storage.ratings import DIMENSIONS


@dataclass(frozen=True)
class ChainEnd:
    """The end of a study's log: how many rows it has, and the hash of the last."""

    study: str
    rows: int
    hash: str


def verify(store: Store) -> list[str]:
    """Return a sentence for everything that is wrong; none if the ratings are as they were saved.

    Raises:
        StorageError: the database cannot be read at all.
    """
    with store.connect() as db:
        db.execute("BEGIN")  # one state of the database for all that follows
        return [
            *_damage(db),
            *_chain_problems(db),
            *_item_problems(db),
            *_export_problems(db),
        ]


def chain_ends(store: Store) -> list[ChainEnd]:
    """Return the end of each study's chain, by name of the study."""
    sql = """
        SELECT studies.name, count(entry.id), (
            SELECT hash FROM rating_log WHERE study = studies.id ORDER BY id DESC LIMIT 1
        )
        FROM studies LEFT JOIN rating_log AS entry ON entry.study = studies.id
        GROUP BY studies.id ORDER BY studies.name
        """
    with store.connect() as db:
        return [ChainEnd(name, rows, end or START) for name, rows, end in db.execute(sql)]


def _damage(db: Database) -> Iterator[str]:
    for (told,) in db.execute("PRAGMA integrity_check"):
        if told != "ok":
            yield f"The database file is damaged: {told}."
    for table, row, parent, _ in db.execute("PRAGMA foreign_key_check"):
        yield f"Row {row} of {table} belongs to a row of {parent} that is not there."


def _chain_problems(db: Database) -> Iterator[str]:
    last: dict[str, str] = {}
    for row in db.query("SELECT * FROM rating_log ORDER BY id"):
        expected = last.get(row["study"], START)
        if row["previous"] != expected:
            yield (
                f"The chain is broken before rating {row['id']}: a row in front of it has been "
                "removed, inserted or changed."
            )
        if seal(row["previous"], row) != row["hash"]:
            yield f"Rating {row['id']} is not what was saved: its hash does not fit its content."
        last[row["study"]] = row["hash"]


def _item_problems(db: Database) -> Iterator[str]:
    sql = """
        SELECT items.id, items.latest, max(entry.id) AS newest
        FROM items LEFT JOIN rating_log AS entry ON entry.item = items.id
        GROUP BY items.id HAVING items.latest IS NOT max(entry.id)
        """
    for item, latest, newest in db.execute(sql):
        yield f"Of answer {item} rating {latest} counts, but the newest is {newest}."
    sql = """
        SELECT entry.id FROM rating_log AS entry
        JOIN items ON items.id = entry.item
        JOIN questions ON questions.id = items.question
        WHERE items.rater <> entry.rater OR items.response <> entry.response
            OR questions.study_id <> entry.study
        """
    for (rating,) in db.execute(sql):
        yield f"Rating {rating} is not of the rater, answer or study that it was shown to."


def _export_problems(db: Database) -> Iterator[str]:
    """The export must say what the log says, whatever the view between them does."""
    newest: dict[tuple[str, str], tuple[object, ...]] = {}
    rows = db.execute(
        """
        SELECT entry.rater, entry.response, entry.safety, entry.usability, entry.fluency,
            entry.skipped
        FROM rating_log AS entry JOIN items ON items.id = entry.item
        WHERE items.kind = 'real' ORDER BY entry.id
        """
    )
    for rater, response, *scores, skipped in rows:
        newest[rater, response] = () if skipped else tuple(scores)
    wanted = {key: scores for key, scores in newest.items() if scores}
    found: dict[tuple[str, str], tuple[object, ...]] = {}
    for row in current_rows(db, None):
        key = (row["rater_id"], row["response_id"])
        if key in found:
            yield f"The export has answer {key[1]} of rater {row['rater']} twice."
        found[key] = tuple(row[dimension] for dimension in DIMENSIONS)
    if missing := wanted.keys() - found.keys():
        yield f"The export lacks {len(missing)} of {len(wanted)} ratings."
    if extra := found.keys() - wanted.keys():
        yield f"The export has {len(extra)} ratings that the log has not."
    for key in wanted.keys() & found.keys():
        if wanted[key] != found[key]:
            yield f"The export has other scores for answer {key[1]} than the log."
