import pytest

from eval_ui.study.confirmation import require_same_question
from eval_ui.texts import PageError


def test_yes_is_for_the_study_that_was_asked_about() -> None:
    require_same_question(("one", "3 questions?"), ("one", "3 questions?"))


@pytest.mark.parametrize("asked", [("another", "3 questions?"), ("one", "2 questions?")])
def test_yes_does_nothing_where_another_question_was_asked(asked: tuple[str, str]) -> None:
    with pytest.raises(PageError, match="Nothing was done"):
        require_same_question(("one", "3 questions?"), asked)
