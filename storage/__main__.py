"""The command line of the database: ``python -m storage``."""

from pathlib import Path
from typing import Annotated

import typer

from storage.database import Store
from storage.errors import StorageError
from storage.export import score_rows, write_score_csv
from storage.studies import find_study

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
    db: Annotated[Path, typer.Option(help="The database file.", envvar="MEDCHAT_DB")] = Path(
        "data/medchat.db"
    ),
    study: Annotated[
        str | None, typer.Option(help="Name of the study; without it, all studies.")
    ] = None,
) -> None:
    """Write the scores that count now to a CSV file, one row per rating.

    The scores are safety, usability and fluency (the SUS scale of the HuaTuo study), each 1 to
    3. This is not the System Usability Scale.
    """
    try:
        store = Store(db, must_exist=True)
        rows = score_rows(store, find_study(store, study).id if study is not None else None)
        write_score_csv(rows, output)
    except StorageError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    typer.echo(f"Ratings written to {output}: {len(rows)}")


if __name__ == "__main__":
    app(prog_name="python -m storage")
