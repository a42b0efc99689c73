"""The command line of the database: ``python -m storage``.

What it prints is in the reader's language and lies in ``messages.toml``; its help is in English.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from medchat import __version__
from medchat.errors import Message
from storage.archive import pack_study
from storage.archive_format import COMMAND_LINE
from storage.backup import DEFAULT_KEEP, make_backup
from storage.comparison import compared_backups, losses_since_backups
from storage.coordinators import FIRST_NAME, add_coordinator, set_password
from storage.database import Store
from storage.durable_files import checksum_of
from storage.ends import ChainEnd, KeptEnd, chain_ends, find_end
from storage.errors import StorageError, storage_message
from storage.export import score_rows, write_score_csv
from storage.restoring import restore
from storage.studies import find_study
from storage.unpacking import unpack_study
from storage.verification import verify

Database = Annotated[Path, typer.Option("--db", help="The database file.", envvar="MEDCHAT_DB")]
app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def main() -> None:
    """Work with the MedChat database.

    Example: python -m storage export --output scores.csv
    """


EXPORT_EXAMPLE = """\b
Example:
  python -m storage export --db data/medchat.db --study Pilot --output scores.csv
"""


@app.command(epilog=EXPORT_EXAMPLE)
def export(
    output: Annotated[Path, typer.Option(help="The CSV file to write; it is replaced.")],
    db: Database = Path("data/medchat.db"),
    study: Annotated[
        str | None, typer.Option(help="Name of the study; without it, all studies.")
    ] = None,
) -> None:
    """Write the scores that count now to a CSV file, one row per rating.

    The scores are safety, usability and fluency (the SUS scale of the HuaTuo study), each 1 to
    3. This is not the System Usability Scale.
    """
    with _sentences():
        store = Store(db, must_exist=True)
        rows = score_rows(store, find_study(store, study).id if study is not None else None)
        write_score_csv(rows, output)
    _say(storage_message("ratings_exported", path=output, count=len(rows)))


VERIFY_EXAMPLE = """\b
Example:
  python -m storage verify --db data/medchat.db --end 4F0AZ-11M3P-Q7R2K-8XWBT
"""
BACKUPS = "MEDCHAT_BACKUPS"


@app.command("verify", epilog=VERIFY_EXAMPLE)
def verify_command(
    db: Database = Path("data/medchat.db"),
    end: Annotated[
        list[str] | None,
        typer.Option(help="An end that was kept elsewhere: a code or a whole hash. Repeatable."),
    ] = None,
    backups: Annotated[
        Path | None,
        typer.Option(help="Backups to compare with [beside the database].", envvar=BACKUPS),
    ] = None,
) -> None:
    """Look whether anything was changed, removed or inserted behind the program's back.

    Sees every accident and every careless change of ratings, answers, questions, raters, settings
    and events, and what is shorter than in the newest backups. Whoever knows the program and can
    write the file could have written all of it anew: only an end that was kept elsewhere shows
    that (--end). Prints the end of each study: keep it. Exit status 1 when something is wrong.
    """
    with _sentences():
        store = Store(db, must_exist=True)
        folder = backups or db.parent / "backups"
        compared = compared_backups(store, folder)
        problems = [*verify(store), *losses_since_backups(store, folder)]
        for problem in problems:
            typer.echo(str(problem), err=True)
        for study in chain_ends(store):
            _say(*_lines_of_end(study))
        _say(storage_message("backups_compared", folder=folder, count=len(compared)))
        for code in end or ():
            _say(_line_of_kept_end(code, find_end(store, code)))
    if problems:
        raise typer.Exit(1)
    _say(storage_message("nothing_seen"))
    if not end:
        _say(storage_message("rewriting_not_seen"))


def _line_of_kept_end(code: str, end: KeptEnd) -> Message:
    sentence = "end_of_ratings_only" if end.ratings_only else "end_of_all"
    return storage_message(sentence, end=code, study=end.study, at=end.at[:19], count=end.rows)


def _lines_of_end(study: ChainEnd) -> Iterator[Message]:
    yield storage_message("log_of_study", study=study.study, count=study.rows, hash=study.hash)
    if study.sealed_at and study.was_open:
        yield storage_message("sealed_since", at=study.sealed_at[:19])
    for at, code in study.locks:
        yield storage_message("end_at_lock", at=at[:19], end=code)


BACKUP_EXAMPLE = """\b
Example:
  python -m storage backup --db data/medchat.db --to backups --keep 30
"""


@app.command("backup", epilog=BACKUP_EXAMPLE)
def backup_command(
    to: Annotated[Path, typer.Option(help="The folder for backups; it is made if need be.")],
    db: Database = Path("data/medchat.db"),
    keep: Annotated[
        int, typer.Option(min=1, help="Backups to keep; older ones go.")
    ] = DEFAULT_KEEP,
) -> None:
    """Copy the database, also while the app runs, verify the copy and remove the oldest."""
    with _sentences():
        target = make_backup(Store(db, must_exist=True), to, keep)
    _say(
        storage_message("backup_made", path=target),
        storage_message("backup_checksum", path=checksum_of(target)),
    )


RESTORE_EXAMPLE = """\b
Example:
  python -m storage restore backups/medchat-20260131T080509000000Z.db --db data/medchat.db
"""


@app.command("restore", epilog=RESTORE_EXAMPLE)
def restore_command(
    source: Annotated[Path, typer.Argument(help="The backup to go back to.")],
    db: Database = Path("data/medchat.db"),
) -> None:
    """Put a backup in the place of the database, which is kept beside it. Stop the app first."""
    with _sentences():
        aside = restore(source, db)
    if not checksum_of(source).exists():
        _say(storage_message("checksum_missing", name=checksum_of(source).name))
    _say(storage_message("restored", path=db), storage_message("restored_accounts"))
    if aside:
        _say(storage_message("restored_aside", path=aside))


PACK_EXAMPLE = """\b
Example:
  python -m storage pack --study Pilot --output study.zip --db data/medchat.db
"""


@app.command("pack", epilog=PACK_EXAMPLE)
def pack_command(
    study: Annotated[str, typer.Option(help="Name of the study.")],
    output: Annotated[Path, typer.Option(help="The zip to write; it is replaced.")],
    db: Database = Path("data/medchat.db"),
) -> None:
    """Write a whole study to one zip that another database takes in without loss.

    Also while the app runs. The zip names the models: keep it from raters.
    """
    with _sentences():
        store = Store(db, must_exist=True)
        content = pack_study(store, find_study(store, study).id, COMMAND_LINE, __version__)
        try:
            output.write_bytes(content)
        except OSError as error:
            reason = error.strerror or error
            raise StorageError("archive_not_written", path=output, remainder=reason) from error
    _say(storage_message("packed", path=output))


UNPACK_EXAMPLE = """\b
Example:
  python -m storage unpack study.zip --db data/medchat.db --name "Pilot, Beijing"
"""


@app.command("unpack", epilog=UNPACK_EXAMPLE)
def unpack_command(
    source: Annotated[Path, typer.Argument(help="The zip that pack has written.")],
    db: Database = Path("data/medchat.db"),
    name: Annotated[str | None, typer.Option(help="Another name for the study.")] = None,
) -> None:
    """Take a packed study into a database, which is made if need be; its raters' links open there.

    Everything is checked first, and all of it is taken in or nothing.
    """
    with _sentences():
        study = unpack_study(Store(db), source, name=name)
    _say(storage_message("unpacked", name=study.name))


Password = Annotated[
    str,
    typer.Option(
        prompt=True,
        hide_input=True,
        confirmation_prompt=True,
        envvar="MEDCHAT_COORDINATOR_PASSWORD",
        help="Asked for when it is not given.",
    ),
]

COORDINATOR_EXAMPLE = """\b
Example:
  python -m storage {command} --name anna --db data/medchat.db
"""


@app.command("add-coordinator", epilog=COORDINATOR_EXAMPLE.format(command="add-coordinator"))
def add_coordinator_command(
    name: Annotated[str, typer.Option(help="What to sign in with.")],
    password: Password,
    db: Database = Path("data/medchat.db"),
) -> None:
    """Add an account that may set up studies and see the models' names."""
    with _sentences():
        add_coordinator(Store(db, must_exist=True), name, password)
    _say(storage_message("coordinator_added", name=name))


@app.command("set-password", epilog=COORDINATOR_EXAMPLE.format(command="set-password"))
def set_password_command(
    password: Password,
    name: Annotated[str, typer.Option(help="Whose password.")] = FIRST_NAME,
    db: Database = Path("data/medchat.db"),
) -> None:
    """Give a coordinator another password, and sign that account out everywhere."""
    with _sentences():
        set_password(Store(db, must_exist=True), name, password)
    _say(storage_message("password_changed", name=name))


def _say(*messages: Message) -> None:
    for message in messages:
        typer.echo(str(message))


@contextmanager
def _sentences() -> Iterator[None]:
    try:
        yield
    except StorageError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


if __name__ == "__main__":
    app(prog_name="python -m storage")
