import pytest

from eval_ui.confirmation import require_asked
from eval_ui.texts import Texts
from medchat.errors import BadInput


def test_yes_is_for_the_study_that_was_asked_about() -> None:
    require_asked("one", "one", Texts("zh"))


@pytest.mark.parametrize("asked", ["another", "", None])
def test_yes_does_nothing_to_a_study_that_was_not_asked_about(asked: str | None) -> None:
    with pytest.raises(BadInput, match="选中的研究已经换了"):
        require_asked("one", asked, Texts("zh"))
