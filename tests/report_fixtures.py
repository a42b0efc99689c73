"""A rated study for the tests of the report."""

from storage_fixtures import MODELS, answers_shown_to, new_raters

from storage import (
    NewQuestion,
    NewResponse,
    Profile,
    RatingEntry,
    Scores,
    Span,
    Store,
    Study,
    add_questions,
    create_study,
    open_study,
    save_ratings,
    set_profile,
)

EVIL = "<img src=http://192.0.2.1/a.png onerror=alert(1)>"


def rated(store: Store, name: str = "Pilot", raters: int = 3) -> Study:
    """Four questions of two categories, everything scored; r01 marks each first answer."""
    study = create_study(store, name, 7)
    texts = [NewResponse(model, f"{model[0]}：多喝水，多休息。{EVIL}", "stop") for model in MODELS]
    questions = [
        NewQuestion(f"问题{n}？", texts, category=("内科", "外科")[n % 2], reference="多休息多喝水")
        for n in range(4)
    ]
    add_questions(store, study.id, questions)
    open_study(store, study.id, "anna")
    for number, rater in enumerate(new_raters(store, study, raters)):
        with store.transaction() as db:
            set_profile(db, rater.id, Profile(("内科", "外科", "内科")[number], "", 5, ""), "yes")
        for place, answer in enumerate(answers_shown_to(store, rater)):
            entry = RatingEntry(
                answer.item,
                Scores(1 + (place + number) % 3, 1 + place % 3, 3),
                answer.item,
                comment=EVIL if place == 0 else "",
                flags=["dangerous", "own_flag"] if place == 0 else [],
                spans=[Span(2, 5, "harmful"), Span(4, 7, "wrong")] if place == 0 else [],
            )
            save_ratings(store, rater.id, [entry])
    return study
