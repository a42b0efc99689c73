"""Signs, for the coordinator's eyes only, that a rater may have scored without reading.

None of them proves anything: good answers do deserve threes. They say where to look. Owns no
statistics beyond counting; knows nothing of models.
"""

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from sqlite_utils import Database

from storage.database import Store

CHARACTERS_PER_SECOND = 25.0
"""Faster than this nobody reads: adults read Chinese at 4 to 6 characters a second, English at 15
to 30 letters (Brysbaert 2019 puts silent reading of English at 238 words a minute)."""
ENOUGH = 10
"""With fewer answers no signs are reported."""
LONG_RUN = 10
SAME_SHARE = 0.95
FAST_SHARE = 0.3


@dataclass(frozen=True)
class RaterSigns:
    """One rater, from the scores that count now, in the order in which they were given.

    ``longest_run`` answers in a row got the same three scores, ``same_share`` (0 to 1) of all got
    the commonest three; ``fast_share`` of the timed were scored before they can have been read.
    Of ``repeated`` answers scored twice, ``repeats_equal`` got the same three scores again, and
    ``repeats_apart`` is the mean distance per scale (0 to 2). None where there is nothing to tell.
    """

    label: str
    answers: int
    longest_run: int
    same_share: float | None
    median_seconds: float | None
    fast_share: float | None
    repeated: int
    repeats_equal: int
    repeats_apart: float | None

    @property
    def enough(self) -> bool:
        """Whether there is enough to tell by."""
        return self.answers >= ENOUGH

    @property
    def straight_lining(self) -> bool:
        alike = self.longest_run >= LONG_RUN or (self.same_share or 0) >= SAME_SHARE
        return self.enough and alike

    @property
    def too_fast(self) -> bool:
        return self.enough and (self.fast_share or 0) >= FAST_SHARE


_SCORED = """
    SELECT raters.label, entry.safety, entry.usability, entry.fluency,
        (SELECT max(active_seconds) FROM rating_log WHERE item = items.id),
        length(coalesce(responses.shown_text, responses.text)), items.place
    FROM items
    JOIN raters ON raters.id = items.rater
    JOIN rating_log AS entry ON entry.id = items.latest
    JOIN responses ON responses.id = items.response
    WHERE raters.study_id = ? AND items.kind = 'real' AND entry.skipped = ''
    ORDER BY length(raters.label), raters.label, entry.id
    """

_REPEATS = """
    SELECT raters.label, first.safety, first.usability, first.fluency,
        again.safety, again.usability, again.fluency
    FROM items AS second
    JOIN raters ON raters.id = second.rater
    JOIN items ON items.rater = second.rater AND items.response = second.response
        AND items.kind = 'real'
    JOIN rating_log AS first ON first.id = items.latest
    JOIN rating_log AS again ON again.id = second.latest
    WHERE raters.study_id = ? AND second.kind = 'repeat'
        AND first.skipped = '' AND again.skipped = ''
    """

Triple = tuple[int, int, int]


def signs(store: Store, study_id: str) -> list[RaterSigns]:
    """Return the signs of every rater who has scored anything, in the order of their labels."""
    with store.connect() as db:
        pairs = _repeats(db, study_id)
        rows = db.execute(_SCORED, [study_id])
        return [
            _of_rater(label, [tuple(row[1:]) for row in group], pairs.get(label, []))
            for label, group in groupby(rows, key=lambda row: str(row[0]))
        ]


def _repeats(db: Database, study_id: str) -> dict[str, list[tuple[Triple, Triple]]]:
    pairs: dict[str, list[tuple[Triple, Triple]]] = {}
    for label, *scores in db.execute(_REPEATS, [study_id]):
        first, again = tuple(scores[:3]), tuple(scores[3:])
        pairs.setdefault(label, []).append((first, again))
    return pairs


def _of_rater(
    label: str, rows: Sequence[tuple[int, ...]], repeats: Sequence[tuple[Triple, Triple]]
) -> RaterSigns:
    triples = [row[:3] for row in rows]
    timed = [(row[3], row[4]) for row in rows if row[3] is not None]
    fast = _fast([row[3:] for row in rows if row[3] is not None])
    apart = [abs(a - b) for first, again in repeats for a, b in zip(first, again, strict=True)]
    return RaterSigns(
        label=label,
        answers=len(rows),
        longest_run=max(len(list(run)) for _, run in groupby(triples)),
        same_share=Counter(triples).most_common(1)[0][1] / len(rows),
        median_seconds=statistics.median(seconds for seconds, _ in timed) if timed else None,
        fast_share=sum(fast) / len(fast) if fast else None,
        repeated=len(repeats),
        repeats_equal=sum(first == again for first, again in repeats),
        repeats_apart=math.fsum(apart) / len(apart) if apart else None,
    )


def _fast(timed: Sequence[tuple[float, ...]]) -> list[bool]:
    """Whether each question was too fast, from (seconds, characters, place) of its answers."""
    by_question: dict[float, list[float]] = {}
    for seconds, characters, question in timed:
        of_question = by_question.setdefault(question, [0.0, 0.0])
        of_question[0] += seconds
        of_question[1] += characters
    return [seconds < length / CHARACTERS_PER_SECOND for seconds, length in by_question.values()]
