"""SQLite storage of studies, raters and ratings.

Knows neither models nor pages. Begin with ``store = Store(path)`` and pass it to the functions.
"""

from storage.database import Store
from storage.errors import MESSAGES, StorageError
from storage.export import (
    SCORE_COLUMNS,
    score_csv_bytes,
    score_frame,
    score_rows,
    write_score_csv,
)
from storage.raters import (
    Invitation,
    Rater,
    find_rater,
    invite_raters,
    list_raters,
    renew_code,
    set_profile,
)
from storage.ratings import (
    DIMENSIONS,
    AssignedAnswer,
    AssignedQuestion,
    RaterProgress,
    Rating,
    RatingEntry,
    SaveResult,
    Scores,
    assignment,
    history,
    progress,
    save_ratings,
)
from storage.studies import (
    NewResponse,
    Question,
    Response,
    Study,
    add_question,
    create_study,
    find_study,
    get_study,
    list_questions,
    list_studies,
    question_count,
    responses_of,
)

__all__ = [
    "DIMENSIONS",
    "MESSAGES",
    "SCORE_COLUMNS",
    "AssignedAnswer",
    "AssignedQuestion",
    "Invitation",
    "NewResponse",
    "Question",
    "Rater",
    "RaterProgress",
    "Rating",
    "RatingEntry",
    "Response",
    "SaveResult",
    "Scores",
    "StorageError",
    "Store",
    "Study",
    "add_question",
    "assignment",
    "create_study",
    "find_rater",
    "find_study",
    "get_study",
    "history",
    "invite_raters",
    "list_questions",
    "list_raters",
    "list_studies",
    "progress",
    "question_count",
    "renew_code",
    "responses_of",
    "save_ratings",
    "score_csv_bytes",
    "score_frame",
    "score_rows",
    "set_profile",
    "write_score_csv",
]
