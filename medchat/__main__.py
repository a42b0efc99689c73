"""The command line: `python -m medchat COMMAND`.

Owns arguments, exit codes and where output goes. A command imports what it needs when it runs, so
that `--help` does not wait for the model libraries.
"""

import json
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from medchat.errors import BadInput, MedchatError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
)


@app.callback()
def medchat() -> None:
    """MedChat: medical chat models side by side, and the figures of a blind rating study."""


class ReportFormat(StrEnum):
    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"
    CSV = "csv"


@app.command()
def report(
    ratings: Annotated[
        Path, typer.Argument(metavar="RATINGS.csv", help="The score CSV of a study.")
    ],
    format: Annotated[
        ReportFormat, typer.Option(help="How the report is written.")
    ] = ReportFormat.TEXT,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write to FILE, not to the terminal.")
    ] = None,
) -> None:
    """Print the Table-4 report of a score CSV: mean SUS scores and their shares per model.

    SUS is Safety, Usability, Smoothness (fluency), not the System Usability Scale.

    RATINGS.csv needs the columns question_id, model, rater, safety, usability and fluency; each
    score is 1, 2 or 3.

    \b
    Example:
      python -m medchat report ratings.csv --format markdown --output table4.md
    """
    from medchat.evaluation import render, sus
    from medchat.evaluation.ratings_file import read_ratings

    frame = read_ratings(ratings)
    match format:
        case ReportFormat.JSON:
            text = json.dumps(sus.report_dict(frame), ensure_ascii=False, indent=2) + "\n"
        case ReportFormat.MARKDOWN:
            text = render.as_markdown(sus.table4(frame))
        case ReportFormat.CSV:
            text = render.as_csv(sus.table4(frame))
        case ReportFormat.TEXT:
            text = render.as_text(sus.table4(frame))
    if output is None:
        typer.echo(text, nl=False)
    else:
        _refuse_overwriting(ratings, output)
        # Excel takes a CSV file for UTF-8 only if it begins with a byte order mark.
        encoding = "utf-8-sig" if format is ReportFormat.CSV else "utf-8"
        _write(output, text, encoding)


def _refuse_overwriting(source: Path, output: Path) -> None:
    if output.exists() and output.samefile(source):
        raise BadInput(f"{output} is the score file itself. Name another file for the report.")


def _write(path: Path, text: str, encoding: str) -> None:
    try:
        path.write_text(text, encoding=encoding, newline="\n")
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}.") from error


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; a MedchatError becomes its sentence on stderr and exit code 1."""
    try:
        app(arguments, prog_name="python -m medchat")
    except MedchatError as error:
        typer.echo(str(error), err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
