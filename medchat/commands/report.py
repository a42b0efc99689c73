"""``report``: the Table-4 report of a score file."""

import os
import sys
import zipfile
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medchat.errors import BadInput
from medchat.evaluation import MAX_ROUNDS, MAX_SEED

if TYPE_CHECKING:
    from medchat.evaluation.bundle import Inputs


class ReportFormat(StrEnum):
    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"
    CSV = "csv"
    LATEX = "latex"
    ZIP = "zip"


def run(
    ratings: Annotated[
        Path,
        typer.Argument(metavar="RATINGS.csv", help="The score CSV of a study, or a report zip."),
    ],
    format: Annotated[
        ReportFormat, typer.Option(help="How the report is written.")
    ] = ReportFormat.TEXT,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write to FILE, not to the terminal.")
    ] = None,
    dimensions: Annotated[
        str, typer.Option(help="What was scored, and from what to what: a,b,c:0-3.")
    ] = "safety,usability,fluency:1-3",
    seed: Annotated[int, typer.Option(min=0, max=MAX_SEED, help="Seed of the bootstrap.")] = 0,
    bootstrap: Annotated[
        int, typer.Option(min=0, max=MAX_ROUNDS, help="Rounds; 0 leaves intervals out.")
    ] = 2000,
    raters_too: Annotated[
        bool, typer.Option("--raters-too", help="Resample raters as well as questions.")
    ] = False,
    reference: Annotated[
        Path | None, typer.Option(metavar="ROWS.csv", help="Published figures of other models.")
    ] = None,
) -> None:
    """Make the Table-4 report of a score CSV: means with intervals, agreement, tests.

    For a report zip, its own data and settings are used and other options are ignored.

    SUS is Safety, Usability, Smoothness (fluency), not the System Usability Scale.

    RATINGS.csv needs the columns question_id, model, rater and those of --dimensions; each score is
    a whole number of the scale. csv and latex hold Table 4, the other formats all of the report.

    \b
    Examples:
      python -m medchat report ratings.csv --format markdown --output table4.md
      python -m medchat report ratings.csv --dimensions completeness,depth:0-3 --format json
      python -m medchat report ratings.csv --format zip --output report.zip
    """
    from medchat.evaluation.bundle import Inputs, read_bundle
    from medchat.evaluation.report import ReportSettings
    from medchat.files.published import read_reference
    from medchat.scale import parse_scale

    if zipfile.is_zipfile(ratings) or ratings.suffix.lower() == ".zip":
        inputs = read_bundle(ratings)
    else:
        scale = parse_scale(dimensions)
        rows = read_reference(reference, scale) if reference else []
        settings = ReportSettings(scale, seed, bootstrap, raters_too)
        inputs = Inputs(_read(ratings), settings, tuple(rows))
    content = _render(inputs, format, ratings.name)
    if output is not None:
        _refuse_overwriting([ratings, *([reference] if reference else [])], output)
        _write(output, content)
    elif format is ReportFormat.ZIP:
        raise BadInput("zip_to_terminal")
    else:
        _print(content.decode("utf-8-sig"))


def _render(inputs: "Inputs", format: ReportFormat, name: str) -> bytes:
    from medchat.evaluation import bundle
    from medchat.evaluation.writers import tables

    if format is ReportFormat.ZIP:
        return bundle.make_bundle(inputs, name)
    frame = inputs.frame(name)
    report = inputs.report(frame)
    match format:
        case ReportFormat.JSON:
            return bundle.MAKERS["report.json"](report, frame) or b""
        case ReportFormat.MARKDOWN:
            return tables.as_markdown(report).encode()
        case ReportFormat.CSV:
            return bundle.BOM + tables.as_csv(report).encode()
        case ReportFormat.LATEX:
            return bundle.MAKERS["table4.tex"](report, frame) or b""
    return tables.as_text(report).encode()


def _refuse_overwriting(sources: Sequence[Path], output: Path) -> None:
    for source in sources:
        if output.exists() and source.exists() and output.samefile(source):
            raise BadInput("output_is_source", file=output)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInput("file_unreadable", file=path, reason=error.strerror) from error


def _write(path: Path, content: bytes) -> None:
    """All of it or nothing: where the disk is full, what was there before stays."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        if path.exists() and not path.is_file():  # such as a pipe
            path.write_bytes(content)
            return
        part.write_bytes(content)
        part.replace(path.resolve())
    except OSError as error:
        part.unlink(missing_ok=True)
        raise BadInput("file_unwritable", file=path, reason=error.strerror) from error


def _print(text: str) -> None:
    """To the terminal, whose encoding may lack a letter."""
    if encoding := getattr(sys.stdout, "encoding", None):
        text = text.encode(encoding, "backslashreplace").decode(encoding)
    try:
        typer.echo(text, nl=False)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise BadInput("report_unprintable", reason=error.strerror) from error
