"""A study with something in every table, and the ways in which its file can be changed by hand."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlite_utils import Database
from storage_fixtures import answers_of, answers_shown_to, entry, new_study, tell_profile

from storage import (
    PracticeItem,
    Scores,
    Store,
    StudySettings,
    add_coordinator,
    add_practice,
    add_question,
    add_questions,
    adjudicate,
    answers_to_check,
    change_settings,
    create_study,
    find_rater,
    hand_over,
    invite_raters,
    list_raters,
    lock_study,
    open_study,
    review_answer,
    save_ratings,
    set_reference_rows,
    share_study,
    unblind_study,
)
from storage.chain import (
    SEALED,
    SEALED_OF_EVENT,
    START,
    end_code,
    end_of_ratings,
    seal,
    seal_event,
)
from storage.events import log_event
from storage.seals import parts_of_study, seal_parts
from storage.studies import NewQuestion

FIGURES = '[{"model": "m", "source": "s", "safety": 1, "usability": 2, "fluency": 3}]'


def build(path: Path) -> str:
    """Fill a database; returns the code that was shown when its main study was locked."""
    store = Store(path)
    names = ("anna", "bo", "cleo")
    anna, *_ = (add_coordinator(store, name, "a long password") for name in names)
    create_study(store, "First, never opened", owner=anna.id)
    study = create_study(store, "Main", 7, owner=anna.id)
    guides = {"guide_zh": "说明", "guide_en": "Guide"}
    change_settings(store, study.id, StudySettings(raters_per_answer=2, repeats=1, **guides))
    practice = PracticeItem("练习？", "多喝水。", Scores(3, 3, 3), "因为", "why")
    add_practice(store, study.id, [practice])
    for number in range(4):
        new = NewQuestion(f"感冒怎么办？{number}", answers_of(), None, "内科", "参考答案")
        add_questions(store, study.id, [new])
    first, second, *_ = answers_to_check(store, study.id)
    review_answer(store, study.id, first.response, "masked", "anna", "多喝水。")
    review_answer(store, study.id, second.response, "kept", "anna")
    share_study(store, study.id, "bo", anna)
    open_study(store, study.id, "anna")
    invite_raters(store, study.id, 3, remarks=["王医生"])
    invite_raters(store, study.id, 1, adjudicator=True)
    add_question(store, study.id, "后来的问题？", answers_of())
    for number, rater in enumerate(list_raters(store, study.id)[:2]):
        tell_profile(store, rater, "内科", 9)
        for answer in answers_shown_to(store, rater):
            scores = (1 + 2 * number, 2, 2)
            save_ratings(store, rater.id, [entry(answer.item, answer.item, scores)])
    hand_over(store, study.id, "r03", "anna")
    adjudicate(store, study.id, "anna")
    set_reference_rows(store, study.id, FIGURES, "anna")
    lock_study(store, study.id, "anna")
    unblind_study(store, study.id, "anna")
    code = end_of(path)
    last = new_study(store, name="Last, running")
    rater = find_rater(store, invite_raters(store, last.id, 1)[0].token)
    tell_profile(store, rater, "儿科")
    for answer in answers_shown_to(store, rater):
        save_ratings(store, rater.id, [entry(answer.item, answer.item)])
    return code


def end_of(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        (end,) = connection.execute(
            "SELECT hash FROM study_events WHERE event = 'locked' ORDER BY id DESC LIMIT 1"
        ).fetchone()
    return end_code(end)


def tamper(path: Path, sql: str) -> None:
    """Change a file as its owner can, and put the triggers back that forbid it."""
    with closing(sqlite3.connect(path)) as connection:
        triggers = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall()
        connection.executescript(
            "PRAGMA ignore_check_constraints = ON;"
            + "".join(f"DROP TRIGGER {name};" for name, _ in triggers)
            + sql
        )
        for _, text in triggers:
            connection.execute(text)
        connection.commit()


MAIN = "(SELECT id FROM studies WHERE name = 'Main')"
_RATED = "(SELECT id FROM raters WHERE label = '{}' AND study_id = " + MAIN + ")"
R1, R2 = _RATED.format("r01"), _RATED.format("r02")
LOG = f"rating_log WHERE study = {MAIN}"
EVENTS = f"study_events WHERE study = {MAIN}"

LATEST = "UPDATE items SET latest = (SELECT max(id) FROM rating_log WHERE item = items.id);"
"""What somebody careful adds who takes ratings out."""


def without_study(name: str) -> str:
    """SQL that takes all of a study out."""
    study = f"(SELECT id FROM studies WHERE name = '{name}')"
    raters = f"(SELECT id FROM raters WHERE study_id = {study})"
    questions = f"(SELECT id FROM questions WHERE study_id = {study})"
    responses = f"(SELECT id FROM responses WHERE question IN {questions})"
    return f"""
        DELETE FROM items WHERE rater IN {raters};
        DELETE FROM rating_log WHERE study = {study};
        DELETE FROM rater_sessions WHERE rater IN {raters};
        DELETE FROM raters WHERE study_id = {study};
        DELETE FROM practice_keys WHERE response IN {responses};
        DELETE FROM responses WHERE question IN {questions};
        DELETE FROM questions WHERE study_id = {study};
        DELETE FROM study_events WHERE study = {study};
        DELETE FROM study_coordinators WHERE study = {study};
        DELETE FROM studies WHERE id = {study};
        """


TAMPERINGS = {
    "two models exchanged everywhere": "UPDATE responses SET model = 'x' WHERE model = 'llama';"
    " UPDATE responses SET model = 'llama' WHERE model = 'huatuo';"
    " UPDATE responses SET model = 'huatuo' WHERE model = 'x'",
    "two models exchanged in one question": "UPDATE responses SET model = 'x' || model WHERE"
    f" question = (SELECT id FROM questions WHERE study_id = {MAIN} AND kind = 'real' LIMIT 1)",
    "two texts exchanged": "UPDATE responses SET text = (SELECT text FROM responses AS o WHERE"
    " o.id <> responses.id AND o.question = responses.question LIMIT 1) WHERE model = 'llama'",
    "an answer masked afterwards": "UPDATE responses SET review = 'masked', shown_text = 'x'"
    " WHERE model = 'huatuo'",
    "a mask taken away": "UPDATE responses SET shown_text = NULL, review = ''",
    "an answer excluded afterwards": "UPDATE responses SET review = 'excluded' WHERE model='llama'",
    "an answer added": "INSERT INTO responses SELECT 'new', question, 'new', text, finish_reason,"
    f" provenance, created_at, '', NULL FROM responses WHERE question IN (SELECT id FROM questions"
    f" WHERE study_id = {MAIN}) LIMIT 1",
    "another provenance": """UPDATE responses SET provenance = '{"seed": 99}'""",
    "a question's text changed": f"UPDATE questions SET text = 'x' WHERE study_id = {MAIN}",
    "two questions' places exchanged": "UPDATE questions SET position = 100 - position",
    "practice counted as real": "UPDATE questions SET kind = 'real'",
    "a category changed": "UPDATE questions SET category = '外科' WHERE question_id = 'q002'",
    "an expert's answer changed": "UPDATE questions SET reference = 'x' WHERE question_id = 'q001'",
    "a question added": f"INSERT INTO questions SELECT 'new', {MAIN}, 'q999', 'x', 999, 'real',"
    " '', ''",
    "practice scores changed": "UPDATE practice_keys SET safety = 1",
    "the reason of a practice score changed": "UPDATE practice_keys SET why_zh = 'x'",
    "an item's kind changed": "UPDATE items SET kind = 'real', place = place + 900"
    " WHERE kind = 'repeat' AND latest IS NOT NULL AND response NOT IN"
    " (SELECT response FROM items WHERE kind = 'real')"
    "; UPDATE items SET kind = 'repeat' WHERE kind = 'real' AND rater = "
    + R2
    + " AND response NOT IN (SELECT response FROM items WHERE kind = 'repeat')",
    "an adjudication counted as a rating": "UPDATE items SET adjudication = 0",
    "ratings turned into adjudications": f"UPDATE items SET adjudication = 1 WHERE rater = {R1}",
    "answers shown in another order": "UPDATE items SET position = 100 - position",
    "what was taken from a rater given back": "UPDATE items SET withdrawn_at = NULL",
    "items taken from a rater": f"UPDATE items SET withdrawn_at = '2026' WHERE rater = {R2}",
    "an item without ratings taken out": "DELETE FROM items WHERE id = (SELECT id FROM items"
    " WHERE latest IS NULL LIMIT 1)",
    "an older rating made to count": "UPDATE items SET latest = NULL WHERE id = (SELECT item FROM"
    " rating_log LIMIT 1)",
    "two raters' labels exchanged": "UPDATE raters SET label = CASE label WHEN 'r01' THEN 'x'"
    f" ELSE label END; UPDATE raters SET label = 'r01' WHERE id = {R2};"
    " UPDATE raters SET label = 'r02' WHERE label = 'x'",
    "a rater's specialty changed": f"UPDATE raters SET specialty = '外科' WHERE id = {R1}",
    "a rater's years changed": f"UPDATE raters SET years = 30 WHERE id = {R1}",
    "a consent changed": f"UPDATE raters SET consent_text = 'No.' WHERE id = {R1}",
    "a consent made up": "UPDATE raters SET consent_at = '2026-01-01' WHERE consent_at IS NULL",
    "a rater hidden as a dry run": f"UPDATE raters SET trial = 1 WHERE id = {R1}",
    "a rater added": "INSERT INTO raters (id, study_id, label, code_hash, created_at)"
    f" VALUES ('new', {MAIN}, 'r99', 'h', '2026')",
    "a link of one's own": f"UPDATE raters SET code_hash = 'mine' WHERE id = {R1}",
    "a withdrawn link revived": "UPDATE raters SET expires_at = NULL",
    "a score changed": "UPDATE rating_log SET safety = 3 WHERE safety = 1",
    "a comment changed": "UPDATE rating_log SET comment = 'x' WHERE id = 2",
    "a mark added": """UPDATE rating_log SET flags = '["dangerous"]' WHERE id = 2""",
    "a time changed": "UPDATE rating_log SET rated_at = '2020' WHERE id = 2",
    "a score turned into a skip": "UPDATE rating_log SET skipped = 'other', safety = NULL,"
    " usability = NULL, fluency = NULL WHERE id = 3",
    "a rating in the middle taken out": f"DELETE FROM rating_log WHERE id = 3;{LATEST}",
    "the last ratings of a running study taken out": "DELETE FROM rating_log WHERE id > (SELECT"
    f" max(id) - 2 FROM rating_log);{LATEST}",
    "the last ratings of a locked study taken out": f"DELETE FROM rating_log WHERE id IN (SELECT id"
    f" FROM {LOG} ORDER BY id DESC LIMIT 2);{LATEST}",
    "all ratings taken out": "UPDATE items SET latest = NULL; DELETE FROM rating_log",
    "a rating copied to the end": "INSERT INTO rating_log SELECT (SELECT max(id) + 1 FROM"
    " rating_log), 'key', study, item, rater, response, 3, 3, 3, '', flags, comment, spans,"
    " shown_position, active_seconds, rated_at, hash, 'hash' FROM rating_log WHERE id = 3;"
    f" {LATEST}",
    "another order of ratings": "UPDATE rating_log SET id = 90000 WHERE id = 3",
    "a lock taken back": f"UPDATE studies SET locked_at = NULL WHERE id = {MAIN}",
    "a lock and its event taken out": f"UPDATE studies SET locked_at = NULL WHERE id = {MAIN};"
    f" DELETE FROM {EVENTS} AND event = 'locked'",
    "an unblinding hidden": f"UPDATE studies SET unblinded_at = NULL WHERE id = {MAIN};"
    f" DELETE FROM {EVENTS} AND event = 'unblinded'",
    "an unblinding dated later": f"UPDATE studies SET unblinded_at = '2030' WHERE id = {MAIN}",
    "an opening undone": f"UPDATE studies SET opened_at = NULL WHERE id = {MAIN}",
    "a draft opened by hand": "UPDATE studies SET opened_at = '2026' WHERE opened_at IS NULL",
    "another name on an event": "UPDATE study_events SET coordinator = 'x' WHERE id = 3",
    "the events of a study taken out": f"DELETE FROM {EVENTS}",
    "the last events taken out": "DELETE FROM study_events WHERE id > (SELECT max(id) - 1 FROM"
    " study_events)",
    "seals emptied": "UPDATE study_events SET content = '{}'",
    "another guide": f"UPDATE studies SET guide_zh = 'x' WHERE id = {MAIN}",
    "another seed": f"UPDATE studies SET seed = 8 WHERE id = {MAIN}",
    "other settings": "UPDATE studies SET raters_per_answer = 9, one_by_one = 1, repeats = 9",
    "a study renamed": f"UPDATE studies SET name = 'x' WHERE id = {MAIN}",
    "published figures changed": f"UPDATE studies SET reference_rows = '[]' WHERE id = {MAIN}",
    "rights given": f"INSERT INTO study_coordinators SELECT {MAIN}, id FROM coordinators"
    " WHERE name = 'cleo'",
    "rights taken": f"DELETE FROM study_coordinators WHERE study = {MAIN}",
    "the first study taken out": without_study("First, never opened"),
    "a study in the middle taken out": without_study("Main"),
    "the last study taken out": without_study("Last, running"),
    "every study taken out": "".join(
        without_study(name) for name in ("First, never opened", "Main", "Last, running")
    ),
    "another view of what counts": "DROP VIEW current_ratings; CREATE VIEW current_ratings AS"
    " SELECT entry.* FROM items JOIN rating_log AS entry ON entry.id = items.latest"
    " WHERE items.kind = 'real' AND entry.skipped = '' AND 1",
    "no view of what counts": "DROP VIEW current_ratings",
    "a trigger that bears the name of an index": "CREATE TRIGGER items_by_rater AFTER UPDATE OF"
    " locked_at ON studies BEGIN UPDATE responses SET model = 'x'; END",
    "another table": "CREATE TABLE evil (x)",
    "another column": "ALTER TABLE rating_log ADD COLUMN evil",
    "a check of scores taken out": "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql ="
    " replace(sql, 'AND safety IN (1, 2, 3)', '') WHERE name = 'rating_log'",
    "a key of raters taken out": "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql ="
    " replace(sql, 'REFERENCES raters (id)', '') WHERE name = 'rating_log'",
    "gaps no longer counted": "UPDATE database_identity SET ratings_before = 1000000",
    "two identities": "INSERT INTO database_identity SELECT 'x', created_at, 0, 0 FROM"
    " database_identity",
    "contents of events that no program writes": "UPDATE study_events SET content ="
    " '{\"columns\":' || replace(hex(zeroblob(100000)), '00', '[') WHERE id = 3",
    "an event without a hash": "UPDATE study_events SET hash = '' WHERE event = 'locked'",
    "a table taken out": "DROP TABLE practice_keys",
    "an index taken out": "DROP INDEX rating_log_by_item",
    "the identity taken out": "DELETE FROM database_identity",
    "the count of ratings reset": "UPDATE sqlite_sequence SET seq = 1",
}
"""What is found without any end that was kept: accidents, and changes by who does not know all."""


# -- by who knows the program: all hashes are written anew --


def rewrite(path: Path, change: str) -> None:
    """Change a file and make everything fit again: seals, chains, counters and triggers."""
    tamper(path, f"{change};{LATEST}")
    with closing(sqlite3.connect(path)) as connection:
        studies = [study for (study,) in connection.execute("SELECT id FROM studies")]
    for study in studies:
        tamper(path, _rehashed(path, study))
    tamper(
        path,
        "UPDATE database_identity SET"
        " ratings_before = coalesce((SELECT max(id) FROM rating_log), 0),"
        " events_before = (SELECT max(id) FROM study_events);"
        "UPDATE sqlite_sequence SET seq = coalesce((SELECT max(id) FROM rating_log), 0)"
        " WHERE name = 'rating_log';"
        "UPDATE sqlite_sequence SET seq = (SELECT max(id) FROM study_events)"
        " WHERE name = 'study_events'",
    )


def _rehashed_ratings(db: Database, study: str) -> tuple[list[str], str]:
    statements, end = [], START
    sql = f"SELECT id, {', '.join(SEALED)} FROM rating_log WHERE study = ? ORDER BY id"
    for row in db.query(sql, [study]):
        previous, end = end, seal(end, row)
        statements.append(
            f"UPDATE rating_log SET previous = '{previous}', hash = '{end}' WHERE id = {row['id']};"
        )
    return statements, end


def _rehashed(path: Path, study: str) -> str:
    """SQL that writes the chains of a study anew, its last event sealing what there is now."""
    with Store(path).connect() as db:
        statements, end = _rehashed_ratings(db, study)
        ratings = {**end_of_ratings(db, study), "end": end}
        end = START
        sql = f"SELECT id, {', '.join(SEALED_OF_EVENT)} FROM study_events WHERE study = ?"
        for row in list(db.query(f"{sql} ORDER BY id", [study])):
            content = json.loads(row["content"])
            for kind, keys in content.get("seals", {}).items():
                # of a list that grew, one seal for all of it
                wanted = [(kind, key) for key in keys if kind != "list" or key.endswith("/1")]
                content["seals"][kind] = seal_parts(db, wanted)["seals"].get(kind, {})
            if "ratings" in content:
                content["ratings"] = ratings
            row["content"] = json.dumps(content, ensure_ascii=False)
            previous, end = end, seal_event(end, row)
            quoted = row["content"].replace("'", "''")
            statements.append(
                f"UPDATE study_events SET content = '{quoted}', previous = '{previous}',"
                f" hash = '{end}' WHERE id = {row['id']};"
            )
    return "".join(statements)


def append_seals(path: Path, event: str, *kinds: str, with_ratings: bool = False) -> None:
    """Let an event of the main study seal anew what it holds now; no hash before it changes."""
    store = Store(path)
    with store.transaction() as db:
        (study,) = db.execute(f"SELECT {MAIN}").fetchone()
        parts = [part for part in parts_of_study(db, study) if part[0] in kinds]
        log_event(db, study, event, "anna", parts=parts, with_ratings=with_ratings)


def rechain_ratings(path: Path) -> None:
    """Write the hashes of the main study's ratings anew."""
    with Store(path).connect() as db:
        (study,) = db.execute(f"SELECT {MAIN}").fetchone()
        statements, _ = _rehashed_ratings(db, study)
    tamper(path, "".join(statements))


RESEALINGS = {
    "the models exchanged": (TAMPERINGS["two models exchanged everywhere"], "answers"),
    "a question changed": (TAMPERINGS["a question's text changed"], "question"),
    "practice scores changed": (TAMPERINGS["practice scores changed"], "practice"),
    "a rater's specialty changed": (TAMPERINGS["a rater's specialty changed"], "profile"),
    "two raters' labels exchanged": (TAMPERINGS["two raters' labels exchanged"], "rater"),
    "another order": (TAMPERINGS["answers shown in another order"], "list"),
    "another guide": (TAMPERINGS["another guide"], "study"),
}
"""What somebody changes, and the kind of seal that an event appended afterwards makes anew."""

REWRITINGS = {
    "every score of a model raised": "UPDATE rating_log SET safety = 3, usability = 3, fluency = 3"
    " WHERE response IN (SELECT id FROM responses WHERE model = 'llama')",
    "the models exchanged": TAMPERINGS["two models exchanged everywhere"],
    "the last ratings of the locked study taken out": TAMPERINGS[
        "the last ratings of a locked study taken out"
    ],
    "the whole locked study taken out": without_study("Main"),
}
"""What only an end that was kept elsewhere shows."""
