"""Raters save, also in a browser, while the app is killed again and again."""

from pathlib import Path

from benchmarks.saving import survive


def test_no_acknowledged_score_is_lost_or_doubled_over_many_kills(tmp_path: Path) -> None:
    assert survive(tmp_path, raters=6, pages=1, saves=60, kills=5, pause=0.2)
