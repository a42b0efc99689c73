"""Raters save while the app is killed: the benchmark's own trial, in small."""

from pathlib import Path

import pytest
from benchmarks.saving import survive

pytestmark = pytest.mark.browser


def test_no_acknowledged_score_is_lost_or_doubled_when_the_app_is_killed(tmp_path: Path) -> None:
    assert survive(tmp_path, raters=6, pages=1, saves=60, kills=2, pause=0.2)
