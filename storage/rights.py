"""Which coordinators may work on which study.

Whoever made a study shares it with others by name. A study that names nobody (one from before, or
made outside the page) is every coordinator's.
"""

from sqlite_utils import Database

from storage.coordinators import Coordinator
from storage.database import Store
from storage.errors import StorageError
from storage.ids import storable
from storage.study_events import log_event


def require_right(db: Database, study_id: str, coordinator: Coordinator) -> None:
    """Raises StorageError unknown_study where the study is others' alone: as if there were none."""
    mine, anyones = db.execute(
        "SELECT coalesce(sum(coordinator = ?), 0), count(*) FROM study_coordinators"
        " WHERE study = ?",
        [coordinator.id, study_id],
    ).fetchone()
    if anyones and not mine:
        raise StorageError("unknown_study", study=study_id)


def share_study(store: Store, study_id: str, name: str, coordinator: Coordinator) -> None:
    """Let the coordinator called ``name`` work on a study too.

    A study that was everyone's is from then on that of the two.

    Raises:
        StorageError: unknown_study, unknown_coordinator.
    """
    with store.transaction() as db:
        require_right(db, study_id, coordinator)
        row = db.execute(
            "SELECT id, name FROM coordinators WHERE name = ?", [storable(name).strip()]
        ).fetchone()
        if row is None:
            raise StorageError("unknown_coordinator", name=name)
        for owner in {row[0], coordinator.id}:
            db.execute("INSERT OR IGNORE INTO study_coordinators VALUES (?, ?)", [study_id, owner])
        parts = [("rights", study_id)]
        log_event(db, study_id, "shared", coordinator.name, row[1], parts=parts)


def coordinators_of(store: Store, study_id: str) -> list[str]:
    """Return the names of those whose study it is; none where it is everyone's."""
    sql = (
        "SELECT name FROM coordinators JOIN study_coordinators"
        " ON study_coordinators.coordinator = coordinators.id WHERE study = ? ORDER BY name"
    )
    with store.connect() as db:
        return [row[0] for row in db.execute(sql, [study_id])]
