"""Pictures of a report with more models than any study will have."""

import pytest
from report_files import QUICK, REFERENCE, assert_pictures_open, frame_of, model_names
from typed_report import make_report


def test_every_picture_of_thirty_models_opens(caplog: pytest.LogCaptureFixture) -> None:
    assert_pictures_open(make_report(frame_of(model_names(30)), QUICK, REFERENCE), caplog)
