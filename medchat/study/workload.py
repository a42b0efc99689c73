"""How long a rater will need, estimated before anybody is asked.

Reading speeds are those of careful adults: about 4.5 Chinese characters a second (Brysbaert 2019
and the studies gathered there put Chinese near 260 characters a minute) and 20 letters of other
writing (about 240 words a minute). Choosing one score takes some seconds; physicians think longer
where an answer is bad. It is an estimate, to plan with: the board shows what it really takes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

CHINESE_PER_SECOND = 4.5
LETTERS_PER_SECOND = 20.0
SECONDS_PER_SCORE = 4.0
SCORES_PER_ANSWER = 3


@dataclass(frozen=True)
class Workload:
    """What one rater has to do: questions and answers, repeats and practice included.

    ``repeats`` of the questions come twice; a short list has room for fewer than were asked for.
    """

    questions: int
    answers: int
    minutes: int
    repeats: int


def seconds_to_read(text: str) -> float:
    """Return how long ``text`` takes to read, in seconds."""
    chinese = sum("\u3400" <= letter <= "\u9fff" for letter in text)
    return chinese / CHINESE_PER_SECOND + (len(text) - chinese) / LETTERS_PER_SECOND


def estimate(
    texts: Sequence[Sequence[str]],
    *,
    raters: int,
    raters_per_answer: int | None,
    repeats: int = 0,
    practice: int = 0,
) -> Workload:
    """Return the work of one rater of ``raters``.

    ``texts`` holds, for each question, the question and its answers. ``raters_per_answer`` None
    stands for all. ``practice`` is the number of practice items, of one answer each.
    """
    raters = max(raters, 1)
    overlap = min(raters_per_answer or raters, raters)
    own = math.ceil(len(texts) * overlap / raters)
    twice = min(repeats, own // 3)
    questions = own + twice
    answers = sum(len(question) - 1 for question in texts)
    mean_answers = answers / len(texts) if texts else 0.0
    seconds = sum(seconds_to_read(text) for question in texts for text in question)
    seconds += answers * SCORES_PER_ANSWER * SECONDS_PER_SCORE
    per_question = seconds / len(texts) if texts else 0.0
    of_practice = practice * per_question / max(mean_answers, 1)
    return Workload(
        questions=questions + practice,
        answers=round(questions * mean_answers) + practice,
        minutes=math.ceil((questions * per_question + of_practice) / 60),
        repeats=twice,
    )
