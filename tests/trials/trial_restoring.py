"""A restore is killed at every line of its code."""

from pathlib import Path

from backup_fixtures import kill_while_restoring, rate

from storage import Store


def test_a_kill_at_any_step_leaves_the_old_or_the_new_database(tmp_path: Path) -> None:
    rated = rate(Store(tmp_path / "medchat.db"))
    assert kill_while_restoring(rated, tmp_path, stride=1) > 60
