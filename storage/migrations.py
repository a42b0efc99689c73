"""The database's schema, as migrations that are only ever appended.

A migration that has been released is never edited: databases in use have already applied it. A
change is a new function at the end of this file. What a column means is written beside it.

Times are UTC in ISO 8601 with milliseconds, such as 2026-01-31T08:05:09.120+00:00. Ids are
random, so that an id says nothing about the model, the rater or the order behind it.
"""

from sqlite_utils import Database, Migrations

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
