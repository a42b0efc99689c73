"""Raters save while the app is killed, once."""

from pathlib import Path

import pytest
from benchmarks.saving import survive

pytestmark = pytest.mark.browser


def test_no_acknowledged_score_is_lost_or_doubled_when_the_app_is_killed(tmp_path: Path) -> None:
    assert survive(tmp_path, raters=3, pages=0, saves=20, kills=1, pause=0.1)
