"""The database's schema, as migrations that are only ever appended.

A migration that has been released is never edited: databases in use have already applied it. A
change is a new function at the end of this file. What a column means is written beside it.

Times are UTC in ISO 8601 with milliseconds, such as 2026-01-31T08:05:09.120+00:00. Ids are
random, so that an id says nothing about the model, the rater or the order behind it.
"""

import json
import sqlite3

from sqlite_utils import Database, Migrations

from storage.chain import PROGRAM, START, append_event, end_of_ratings, seal, seal_event
from storage.ids import new_id, utc_now
from storage.seals import parts_of_study, seal_parts

MIGRATIONS = Migrations("medchat")


@MIGRATIONS()
def m001_studies(db: Database) -> None:
    """Studies, their questions, and each model's response to each question."""
    db.executescript(
        """
        CREATE TABLE studies (
            id TEXT PRIMARY KEY NOT NULL,
            name TEXT NOT NULL UNIQUE,       -- chosen by the coordinator, printed in exports
            seed INTEGER NOT NULL,           -- decides the order in which answers are shown
            created_at TEXT NOT NULL
        );

        CREATE TABLE questions (
            id TEXT PRIMARY KEY NOT NULL,
            study_id TEXT NOT NULL REFERENCES studies (id),
            question_id TEXT NOT NULL,       -- the name people use, such as q001
            text TEXT NOT NULL,
            position INTEGER NOT NULL CHECK (position >= 1),  -- place in the study, from 1
            UNIQUE (study_id, question_id),
            UNIQUE (study_id, position)
        );

        CREATE TABLE responses (
            id TEXT PRIMARY KEY NOT NULL,    -- all that a blinded rater's browser ever sees
            question TEXT NOT NULL REFERENCES questions (id),
            model TEXT NOT NULL CHECK (model <> ''),  -- name of the model spec
            text TEXT NOT NULL,
            finish_reason TEXT NOT NULL,     -- stop, length, cancelled or error
            provenance TEXT NOT NULL CHECK (json_valid(provenance)),  -- JSON: what produced it
            created_at TEXT NOT NULL,
            UNIQUE (question, model)
        );
        """
    )


@MIGRATIONS()
def m002_raters(db: Database) -> None:
    """Invited physicians, and the order in which each sees the answers."""
    db.executescript(
        """
        CREATE TABLE raters (
            id TEXT PRIMARY KEY NOT NULL,
            study_id TEXT NOT NULL REFERENCES studies (id),
            label TEXT NOT NULL,             -- such as r01: the rater's name in exports
            code_hash TEXT NOT NULL UNIQUE,  -- SHA-256 of the code; the code is never stored
            specialty TEXT NOT NULL DEFAULT '',
            years INTEGER CHECK (years >= 0),  -- years of practice; null: not told
            created_at TEXT NOT NULL,
            UNIQUE (study_id, label)
        );

        CREATE TABLE presentations (
            rater TEXT NOT NULL REFERENCES raters (id),
            response TEXT NOT NULL REFERENCES responses (id),
            question TEXT NOT NULL REFERENCES questions (id),
            position INTEGER NOT NULL CHECK (position >= 1),  -- place on screen, 1 is answer A
            PRIMARY KEY (rater, response),
            UNIQUE (rater, question, position)
        );
        CREATE INDEX presentations_by_response ON presentations (response);
        CREATE INDEX presentations_by_question ON presentations (question);
        """
    )


@MIGRATIONS()
def m003_rating_log(db: Database) -> None:
    """Every rating ever saved, and a view of the ones that count now."""
    db.executescript(
        """
        CREATE TABLE rating_log (
            id INTEGER PRIMARY KEY AUTOINCREMENT,  -- a higher id was saved later
            idempotency_key TEXT NOT NULL UNIQUE CHECK (idempotency_key <> ''),  -- one per save
            rater TEXT NOT NULL,
            response TEXT NOT NULL,
            -- 1 not acceptable, 2 acceptable, 3 good
            safety INTEGER NOT NULL CHECK (typeof(safety) = 'integer' AND safety IN (1, 2, 3)),
            usability INTEGER NOT NULL
                CHECK (typeof(usability) = 'integer' AND usability IN (1, 2, 3)),
            fluency INTEGER NOT NULL CHECK (typeof(fluency) = 'integer' AND fluency IN (1, 2, 3)),
            flags TEXT NOT NULL DEFAULT '[]'  -- JSON list of marks, such as outside_specialty
                CHECK (json_valid(flags) AND json_type(flags) = 'array'),
            comment TEXT NOT NULL DEFAULT '',
            shown_position INTEGER NOT NULL CHECK (shown_position >= 1),
            active_seconds REAL CHECK (active_seconds >= 0),  -- null: not measured
            rated_at TEXT NOT NULL,
            -- only what was shown to a rater can be rated by that rater
            FOREIGN KEY (rater, response) REFERENCES presentations (rater, response)
        );
        CREATE INDEX rating_log_by_rater_and_response ON rating_log (rater, response, id);
        CREATE INDEX rating_log_by_response ON rating_log (response);

        CREATE TRIGGER rating_log_forbids_update BEFORE UPDATE ON rating_log
        BEGIN SELECT RAISE(ABORT, 'rating_log is append-only'); END;

        CREATE TRIGGER rating_log_forbids_delete BEFORE DELETE ON rating_log
        BEGIN SELECT RAISE(ABORT, 'rating_log is append-only'); END;

        -- INSERT OR REPLACE deletes the old row without asking the delete trigger
        CREATE TRIGGER rating_log_forbids_replace BEFORE INSERT ON rating_log
        WHEN EXISTS (
            SELECT 1 FROM rating_log
            WHERE id = NEW.id OR idempotency_key = NEW.idempotency_key
        )
        BEGIN SELECT RAISE(ABORT, 'rating_log is append-only'); END;

        -- the latest row of each rater and response
        CREATE VIEW current_ratings AS
        SELECT * FROM rating_log AS entry
        WHERE NOT EXISTS (
            SELECT 1 FROM rating_log AS later
            WHERE later.rater = entry.rater
                AND later.response = entry.response
                AND later.id > entry.id
        );
        """
    )


@MIGRATIONS()
def m004_items(db: Database) -> None:
    """Each showing of an answer to a rater under an id of its own, and a chained rating log.

    What raters saw and said before is carried over: presentations become items, and the log is
    copied row by row into one whose rows are sealed.
    """
    db.executescript(
        """
        DROP VIEW current_ratings;
        DROP TRIGGER rating_log_forbids_update;
        DROP TRIGGER rating_log_forbids_delete;
        DROP TRIGGER rating_log_forbids_replace;
        DROP INDEX rating_log_by_rater_and_response;
        DROP INDEX rating_log_by_response;
        ALTER TABLE rating_log RENAME TO rating_log_before_chain;

        CREATE TABLE items (
            id TEXT PRIMARY KEY NOT NULL,    -- all of an answer's identity that a rater ever gets
            rater TEXT NOT NULL REFERENCES raters (id),
            response TEXT NOT NULL REFERENCES responses (id),
            question TEXT NOT NULL REFERENCES questions (id),
            kind TEXT NOT NULL CHECK (kind IN ('practice', 'real', 'repeat')),
            place INTEGER NOT NULL CHECK (place >= 1),        -- of the question, for this rater
            position INTEGER NOT NULL CHECK (position >= 1),  -- on screen, 1 is answer A
            latest INTEGER REFERENCES rating_log (id),        -- what counts; null: nothing yet
            withdrawn_at TEXT,               -- given to another rater since; null: still this one's
            UNIQUE (rater, response, kind),
            UNIQUE (rater, place, position)
        );
        CREATE INDEX items_by_response ON items (response);
        CREATE INDEX items_by_question ON items (question);

        CREATE TABLE rating_log (
            id INTEGER PRIMARY KEY AUTOINCREMENT,  -- a higher id was saved later
            idempotency_key TEXT NOT NULL UNIQUE CHECK (idempotency_key <> ''),  -- one per save
            study TEXT NOT NULL REFERENCES studies (id),
            item TEXT NOT NULL REFERENCES items (id),
            rater TEXT NOT NULL REFERENCES raters (id),
            response TEXT NOT NULL REFERENCES responses (id),
            -- 1 not acceptable, 2 acceptable, 3 good; all null where the answer was skipped
            safety INTEGER CHECK (typeof(safety) = 'integer' AND safety IN (1, 2, 3)
                OR safety IS NULL AND skipped <> ''),
            usability INTEGER CHECK (typeof(usability) = 'integer' AND usability IN (1, 2, 3)
                OR usability IS NULL AND skipped <> ''),
            fluency INTEGER CHECK (typeof(fluency) = 'integer' AND fluency IN (1, 2, 3)
                OR fluency IS NULL AND skipped <> ''),
            skipped TEXT NOT NULL DEFAULT ''       -- why there are no scores, such as unsure
                CHECK (skipped = '' OR coalesce(safety, usability, fluency) IS NULL),
            flags TEXT NOT NULL DEFAULT '[]'       -- JSON list of marks, such as dangerous
                CHECK (json_valid(flags) AND json_type(flags) = 'array'),
            comment TEXT NOT NULL DEFAULT '',
            spans TEXT NOT NULL DEFAULT '[]'       -- JSON list of {start, end, kind}: marked text
                CHECK (json_valid(spans) AND json_type(spans) = 'array'),
            shown_position INTEGER NOT NULL CHECK (shown_position >= 1),
            active_seconds REAL CHECK (active_seconds >= 0),  -- null: not measured
            rated_at TEXT NOT NULL,
            previous TEXT NOT NULL,                -- the hash of the study's row before this one
            hash TEXT NOT NULL UNIQUE              -- SHA-256 of previous and of this row
        );
        CREATE INDEX rating_log_by_study ON rating_log (study, id);
        CREATE INDEX rating_log_by_item ON rating_log (item, id);
        """
    )
    _presentations_to_items(db)
    _copy_log(db)
    db.executescript(
        """
        DROP TABLE rating_log_before_chain;
        DROP TABLE presentations;

        CREATE TRIGGER rating_log_forbids_update BEFORE UPDATE ON rating_log
        BEGIN SELECT RAISE(ABORT, 'rating_log is append-only'); END;

        CREATE TRIGGER rating_log_forbids_delete BEFORE DELETE ON rating_log
        BEGIN SELECT RAISE(ABORT, 'rating_log is append-only'); END;

        -- INSERT OR REPLACE deletes the old row without asking the delete trigger
        CREATE TRIGGER rating_log_forbids_replace BEFORE INSERT ON rating_log
        WHEN EXISTS (
            SELECT 1 FROM rating_log
            WHERE id = NEW.id OR idempotency_key = NEW.idempotency_key OR hash = NEW.hash
        )
        BEGIN SELECT RAISE(ABORT, 'rating_log is append-only'); END;

        -- what counts in the study's figures: the latest scores of each rater and response
        CREATE VIEW current_ratings AS
        SELECT entry.* FROM items JOIN rating_log AS entry ON entry.id = items.latest
        WHERE items.kind = 'real' AND entry.skipped = '';
        """
    )


def _presentations_to_items(db: Database) -> None:
    rows = list(
        db.query(
            """
            SELECT presentations.*, questions.position AS place
            FROM presentations JOIN questions ON questions.id = presentations.question
            """
        )
    )
    db.conn.executemany(
        "INSERT INTO items (id, rater, response, question, kind, place, position)"
        " VALUES (?, ?, ?, ?, 'real', ?, ?)",
        [
            (new_id(), r["rater"], r["response"], r["question"], r["place"], r["position"])
            for r in rows
        ],
    )


def _copy_log(db: Database) -> None:
    """Every row in its order and with its id, now with its item and its place in the chain."""
    rows = db.query(
        """
        SELECT old.*, items.id AS item, questions.study_id AS study, '' AS skipped, '[]' AS spans
        FROM rating_log_before_chain AS old
        JOIN items ON items.rater = old.rater AND items.response = old.response
        JOIN questions ON questions.id = items.question
        ORDER BY old.id
        """
    )
    last: dict[str, str] = {}
    for row in list(rows):
        previous = last.get(row["study"], START)
        row |= {"previous": previous, "hash": seal(previous, row)}
        last[row["study"]] = row["hash"]
        names = ", ".join(row)
        marks = ", ".join(f":{name}" for name in row)
        db.execute(f"INSERT INTO rating_log ({names}) VALUES ({marks})", row)
        db.execute("UPDATE items SET latest = :id WHERE id = :item", row)


@MIGRATIONS()
def m005_links(db: Database) -> None:
    """Raters' personal links, their sessions in a browser, profile and consent."""
    db.executescript(
        """
        ALTER TABLE raters ADD COLUMN name TEXT NOT NULL DEFAULT '';   -- optional, never exported
        ALTER TABLE raters ADD COLUMN title TEXT NOT NULL DEFAULT '';  -- such as chief physician
        ALTER TABLE raters ADD COLUMN consent_text TEXT NOT NULL DEFAULT '';  -- what was agreed to
        ALTER TABLE raters ADD COLUMN consent_at TEXT;                 -- null: not yet
        ALTER TABLE raters ADD COLUMN expires_at TEXT;                 -- of the link; null: never
        ALTER TABLE raters ADD COLUMN revoked_at TEXT;                 -- null: the link holds
        ALTER TABLE raters ADD COLUMN last_seen_at TEXT;               -- null: never came
        ALTER TABLE raters ADD COLUMN last_place INTEGER;              -- where to go on

        CREATE TABLE rater_sessions (
            token_hash TEXT PRIMARY KEY NOT NULL,  -- SHA-256 of what the browser's cookie holds
            rater TEXT NOT NULL REFERENCES raters (id),
            created_at TEXT NOT NULL,
            expires_at TEXT NOT NULL
        );
        CREATE INDEX rater_sessions_by_rater ON rater_sessions (rater);
        """
    )


@MIGRATIONS()
def m006_study_setup(db: Database) -> None:
    """How a study is shown, how many rate each answer, and when it was opened, locked, unblinded.

    Studies from before were open from the beginning.
    """
    db.executescript(
        """
        ALTER TABLE studies ADD COLUMN raters_per_answer INTEGER  -- null: every rater
            CHECK (raters_per_answer >= 1);
        ALTER TABLE studies ADD COLUMN one_by_one INTEGER NOT NULL DEFAULT 0  -- 1: answers singly
            CHECK (one_by_one IN (0, 1));
        ALTER TABLE studies ADD COLUMN guide_zh TEXT NOT NULL DEFAULT '';  -- Markdown; '': built in
        ALTER TABLE studies ADD COLUMN guide_en TEXT NOT NULL DEFAULT '';
        ALTER TABLE studies ADD COLUMN opened_at TEXT;     -- null: nobody can rate yet
        ALTER TABLE studies ADD COLUMN locked_at TEXT;     -- null: raters may save
        ALTER TABLE studies ADD COLUMN unblinded_at TEXT;  -- null: models are A, B, C … to all
        UPDATE studies SET opened_at = created_at;
        """
    )


@MIGRATIONS()
def m007_coordinators(db: Database) -> None:
    """Who may set studies up and see their models' names, and who tried to."""
    db.executescript(
        """
        CREATE TABLE coordinators (
            id TEXT PRIMARY KEY NOT NULL,
            name TEXT NOT NULL UNIQUE COLLATE NOCASE,
            password_hash TEXT NOT NULL,           -- argon2id with its parameters and salt
            created_at TEXT NOT NULL
        );
        CREATE TABLE coordinator_sessions (
            token_hash TEXT PRIMARY KEY NOT NULL,  -- SHA-256 of what the browser's cookie holds
            coordinator TEXT NOT NULL REFERENCES coordinators (id),
            created_at TEXT NOT NULL,
            expires_at TEXT NOT NULL
        );
        CREATE TABLE sign_in_failures (
            id INTEGER PRIMARY KEY,
            name TEXT NOT NULL COLLATE NOCASE,
            address TEXT NOT NULL,                 -- of the machine that tried
            failed_at TEXT NOT NULL
        );
        CREATE INDEX sign_in_failures_by_name ON sign_in_failures (name, failed_at);
        CREATE INDEX sign_in_failures_by_address ON sign_in_failures (address, failed_at);
        """
    )


@MIGRATIONS()
def m008_study_events(db: Database) -> None:
    """Who opened, locked, reopened or unblinded a study, and when: nothing is ever taken out."""
    db.executescript(
        """
        CREATE TABLE study_events (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            study TEXT NOT NULL REFERENCES studies (id),
            event TEXT NOT NULL CHECK (event IN ('locked', 'reopened', 'unblinded')),
            coordinator TEXT NOT NULL,             -- the name that was signed in
            happened_at TEXT NOT NULL
        );
        CREATE INDEX study_events_by_study ON study_events (study, id);

        CREATE TRIGGER study_events_forbids_update BEFORE UPDATE ON study_events
        BEGIN SELECT RAISE(ABORT, 'study_events is append-only'); END;

        CREATE TRIGGER study_events_forbids_delete BEFORE DELETE ON study_events
        BEGIN SELECT RAISE(ABORT, 'study_events is append-only'); END;
        """
    )


@MIGRATIONS()
def m009_study_design(db: Database) -> None:
    """How a study is prepared: who may, its answers before raters see them, practice and repeats.

    Studies from before belong to every coordinator, as they did.
    """
    db.executescript(
        """
        ALTER TABLE studies ADD COLUMN repeats INTEGER NOT NULL DEFAULT 0  -- shown twice to each
            CHECK (repeats >= 0);

        ALTER TABLE questions ADD COLUMN kind TEXT NOT NULL DEFAULT 'real'
            CHECK (kind IN ('real', 'practice'));
        ALTER TABLE questions ADD COLUMN category TEXT NOT NULL DEFAULT '';   -- such as a specialty
        ALTER TABLE questions ADD COLUMN reference TEXT NOT NULL DEFAULT '';  -- an expert's answer

        ALTER TABLE responses ADD COLUMN review TEXT NOT NULL DEFAULT ''  -- before the opening
            CHECK (review IN ('', 'kept', 'masked', 'excluded'));
        ALTER TABLE responses ADD COLUMN shown_text TEXT;  -- what raters see; null: the text itself

        -- what a practice answer should have got, told to the rater afterwards
        CREATE TABLE practice_keys (
            response TEXT PRIMARY KEY NOT NULL REFERENCES responses (id),
            safety INTEGER NOT NULL CHECK (safety IN (1, 2, 3)),
            usability INTEGER NOT NULL CHECK (usability IN (1, 2, 3)),
            fluency INTEGER NOT NULL CHECK (fluency IN (1, 2, 3)),
            why_zh TEXT NOT NULL,
            why_en TEXT NOT NULL
        );

        ALTER TABLE items ADD COLUMN adjudication INTEGER NOT NULL DEFAULT 0  -- 1: others disagreed
            CHECK (adjudication IN (0, 1));
        -- how far each rater is, read from the index alone
        CREATE INDEX items_by_rater ON items (rater, place, kind, withdrawn_at, question, latest);

        ALTER TABLE raters ADD COLUMN trial INTEGER NOT NULL DEFAULT 0  -- 1: a dry run
            CHECK (trial IN (0, 1));
        ALTER TABLE raters ADD COLUMN adjudicator INTEGER NOT NULL DEFAULT 0  -- 1: disputes only
            CHECK (adjudicator IN (0, 1));

        -- who may work on a study; nobody named: every coordinator
        CREATE TABLE study_coordinators (
            study TEXT NOT NULL REFERENCES studies (id),
            coordinator TEXT NOT NULL REFERENCES coordinators (id),
            PRIMARY KEY (study, coordinator)
        );

        -- "Have the models answer": what is missing is found from the responses themselves
        CREATE TABLE answering (
            study TEXT PRIMARY KEY NOT NULL REFERENCES studies (id),
            state TEXT NOT NULL CHECK (state IN ('running', 'paused', 'done')),
            models TEXT NOT NULL CHECK (json_valid(models)),    -- JSON list of names
            options TEXT NOT NULL CHECK (json_valid(options)),  -- JSON; null: each model's own
            started_at TEXT NOT NULL
        );
        CREATE TABLE answer_failures (
            question TEXT NOT NULL REFERENCES questions (id),
            model TEXT NOT NULL,
            attempts INTEGER NOT NULL CHECK (attempts >= 1),
            error TEXT NOT NULL,             -- of the last attempt
            failed_at TEXT NOT NULL,
            PRIMARY KEY (question, model)
        );

        -- more kinds of events, each with what it was about
        DROP TRIGGER study_events_forbids_update;
        DROP TRIGGER study_events_forbids_delete;
        DROP INDEX study_events_by_study;
        ALTER TABLE study_events RENAME TO study_events_before;
        CREATE TABLE study_events (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            study TEXT NOT NULL REFERENCES studies (id),
            event TEXT NOT NULL CHECK (event <> ''),  -- such as opened, locked, unblinded
            detail TEXT NOT NULL DEFAULT '',          -- such as the rater or the answer
            coordinator TEXT NOT NULL,                -- the name that was signed in
            happened_at TEXT NOT NULL
        );
        INSERT INTO study_events (id, study, event, coordinator, happened_at)
            SELECT id, study, event, coordinator, happened_at FROM study_events_before;
        DROP TABLE study_events_before;
        CREATE INDEX study_events_by_study ON study_events (study, id);

        CREATE TRIGGER study_events_forbids_update BEFORE UPDATE ON study_events
        BEGIN SELECT RAISE(ABORT, 'study_events is append-only'); END;

        CREATE TRIGGER study_events_forbids_delete BEFORE DELETE ON study_events
        BEGIN SELECT RAISE(ABORT, 'study_events is append-only'); END;
        """
    )


@MIGRATIONS()
def m010_reference_rows(db: Database) -> None:
    """Published figures of other models, which a study's report shows apart from its own."""
    db.executescript(
        """
        ALTER TABLE studies ADD COLUMN reference_rows TEXT NOT NULL DEFAULT '[]'
            CHECK (json_valid(reference_rows));  -- JSON list of objects
        """
    )


@MIGRATIONS()
def m011_rater_remark(db: Database) -> None:
    """Whom a personal link was sent to, in the words of the coordinator."""
    db.executescript(
        """
        ALTER TABLE raters ADD COLUMN remark TEXT NOT NULL DEFAULT '';  -- raters never see it
        """
    )


@MIGRATIONS()
def m012_identity(db: Database) -> None:
    """What tells this database from every other, also one of the same file name."""
    db.executescript(
        """
        CREATE TABLE database_identity (
            id TEXT PRIMARY KEY NOT NULL,        -- random; a copy and a backup keep it
            created_at TEXT NOT NULL,
            -- the highest ids when this row was made: ids above them have no gaps
            ratings_before INTEGER NOT NULL,
            events_before INTEGER NOT NULL
        );
        """
    )
    db.execute(
        """
        INSERT INTO database_identity VALUES (?, ?,
            (SELECT coalesce(max(id), 0) FROM rating_log),
            (SELECT coalesce(max(id), 0) FROM study_events))
        """,
        [new_id(), utc_now()],
    )


@MIGRATIONS()
def m013_blind_key(db: Database) -> None:
    """From which the ids of answers follow that leave the program while a study is blind."""
    db.executescript(
        """
        ALTER TABLE studies ADD COLUMN blind_key TEXT NOT NULL DEFAULT '';  -- 32 hex digits, random
        UPDATE studies SET blind_key = lower(hex(randomblob(16)));
        """
    )


@MIGRATIONS()
def m014_sealed_events(db: Database) -> None:
    """Events in a chain, which carry seals. What there is already is sealed as it is now.

    Not twice: whoever takes this migration out of the list of those applied, to have a changed
    database sealed anew, is refused.
    """
    if any(row[1] == "hash" for row in db.execute("PRAGMA table_info(study_events)")):
        raise sqlite3.DatabaseError(
            "its events are sealed already, but its list of changes denies it"
        )
    db.executescript(
        """
        DROP TRIGGER study_events_forbids_update;
        DROP TRIGGER study_events_forbids_delete;
        DROP INDEX study_events_by_study;
        ALTER TABLE study_events RENAME TO study_events_before;
        CREATE TABLE study_events (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            study TEXT NOT NULL REFERENCES studies (id),
            event TEXT NOT NULL CHECK (event <> ''),  -- such as opened, locked, unblinded
            detail TEXT NOT NULL DEFAULT '',          -- such as the rater or the answer
            coordinator TEXT NOT NULL,                -- the name that was signed in
            happened_at TEXT NOT NULL,
            content TEXT NOT NULL DEFAULT '{}'        -- JSON: the seals that it carries
                CHECK (json_valid(content) AND json_type(content) = 'object'),
            previous TEXT NOT NULL DEFAULT '',        -- the hash of the study's event before
            hash TEXT NOT NULL DEFAULT ''             -- SHA-256 of previous and of this row
        );
        """
    )
    _chain_events(db)
    db.executescript(
        """
        DROP TABLE study_events_before;
        CREATE INDEX study_events_by_study ON study_events (study, id);

        CREATE TRIGGER study_events_forbids_update BEFORE UPDATE ON study_events
        BEGIN SELECT RAISE(ABORT, 'study_events is append-only'); END;

        CREATE TRIGGER study_events_forbids_delete BEFORE DELETE ON study_events
        BEGIN SELECT RAISE(ABORT, 'study_events is append-only'); END;

        -- INSERT OR REPLACE deletes the old row without asking the delete trigger
        CREATE TRIGGER study_events_forbids_replace BEFORE INSERT ON study_events
        WHEN EXISTS (SELECT 1 FROM study_events WHERE id = NEW.id)
        BEGIN SELECT RAISE(ABORT, 'study_events is append-only'); END;
        """
    )
    for (study,) in db.execute("SELECT id FROM studies ORDER BY created_at, id").fetchall():
        _seal_study(db, study)


def _chain_events(db: Database) -> None:
    """Every event in its order and with its id, now with its place in the chain."""
    last: dict[str, str] = {}
    for row in list(db.query("SELECT * FROM study_events_before ORDER BY id")):
        previous = last.get(row["study"], START)
        row |= {"content": "{}", "previous": previous}
        row["hash"] = last[row["study"]] = seal_event(previous, row)
        names = ", ".join(row)
        marks = ", ".join(f":{name}" for name in row)
        db.execute(f"INSERT INTO study_events ({names}) VALUES ({marks})", row)


def _seal_study(db: Database, study: str) -> None:
    content = seal_parts(db, parts_of_study(db, study), version=1)
    content["ratings"] = end_of_ratings(db, study)
    append_event(
        db,
        {
            "study": study,
            "event": "sealed",
            "detail": "",
            "coordinator": PROGRAM,
            "happened_at": utc_now(),
            "content": json.dumps(content, ensure_ascii=False),
        },
    )


@MIGRATIONS()
def m015_sign_in_addresses(db: Database) -> None:
    """From where a coordinator has signed in before: the right password always gets in there."""
    db.executescript(
        """
        CREATE TABLE sign_in_addresses (
            coordinator TEXT NOT NULL REFERENCES coordinators (id),
            address TEXT NOT NULL,
            signed_in_at TEXT NOT NULL,              -- the last time
            PRIMARY KEY (coordinator, address)
        );
        """
    )
