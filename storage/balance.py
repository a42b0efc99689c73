"""Which model comes first for whom: balanced over the questions of a rater and over the raters of
a question, whoever gets which question and whenever raters join.

A rater's questions come in rounds of as many as there are models; in each round every model comes
first once, and the answers behind it follow its row of the Williams square, so that over a round
every model stands in every place once. Rounds of an odd number of models are mirrored in turn. The
order within a round is drawn by the seed; among what a round still allows, the model that fewest
raters of the question were shown first is taken.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from storage.latin_square import balanced_order, row_beginning_with, williams_row

FirstAnswer = tuple[str, str, str]
"""A rater, a question, and the answer that this rater is shown first there."""


def answers_in_row(answers: Sequence[str], row: int, seed: int) -> list[str]:
    """A question's answers (by model) in the order of a row of the study's square."""
    return balanced_order(answers, row, f"{seed}/answers")


class AnswerOrders:
    """Deals out an order of answers for each question that a rater gets.

    ``answers`` holds the ids of each question's answers, by model; ``first_answers`` are those
    that raters have.
    """

    def __init__(
        self,
        seed: int,
        answers: Mapping[str, Sequence[str]],
        first_answers: Iterable[FirstAnswer] = (),
    ) -> None:
        self._seed, self._answers = seed, answers
        self._first_rows: dict[tuple[str, int], list[int]] = defaultdict(list)
        self._first: dict[str, Counter[int]] = defaultdict(Counter)
        self._draws: dict[tuple[int, int], list[int]] = {}
        rows = {question: self._row_of_answer(question) for question in answers}
        for rater, question, response in first_answers:
            if response in rows[question]:
                self._note(rater, question, rows[question][response])

    def _row_of_answer(self, question: str) -> dict[str, int]:
        """What the square calls each of the question's answers."""
        ordered = answers_in_row(self._answers[question], 0, self._seed)
        return dict(zip(ordered, williams_row(len(ordered), 0), strict=True))

    def choices(self, rater: str, question: str) -> int:
        """How many orders a rater's round still allows; who has least is to be dealt with first,
        so that the others can differ."""
        size = len(self._answers[question])
        return size - len(self._first_rows[rater, size]) % size if size else 0

    def next_row(self, rater: str, number: int, question: str) -> int:
        """The row for one more question of a rater, the ``number``-th of the study."""
        size = len(self._answers[question])
        rows = self._first_rows[rater, size]
        done, index = divmod(len(rows), size)
        used = set(rows[done * size :])
        start = number + self._draw(size, done)[index]
        counts = self._first[question]
        free = (first % size for first in range(start, start + size) if first % size not in used)
        first = min(free, key=lambda row: counts[row])  # of equals, the first
        self._note(rater, question, first)
        return row_beginning_with(size, first, mirrored=done % 2 == 1)

    def _note(self, rater: str, question: str, first: int) -> None:
        self._first_rows[rater, len(self._answers[question])].append(first)
        self._first[question][first] += 1

    def _draw(self, size: int, done: int) -> list[int]:
        if (size, done) not in self._draws:
            generator = random.Random(f"{self._seed}/rounds/{size}/{done}")
            self._draws[size, done] = generator.sample(range(size), size)
        return self._draws[size, done]
