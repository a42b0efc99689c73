"""A whole report as one zip: what it is made from, every table and picture, and checksums.

From the zip the same report is made again, byte for byte, by the same version on a machine with the
same fonts. Inputs lie in ``data/``; everything else follows from them. A zip that is read is
trusted with nothing: only known names are looked at, and their checksums must hold.
"""

import hashlib
import io
import json
import lzma
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medchat import __version__
from medchat.errors import BadInput, Language
from medchat.evaluation import MAX_ROUNDS, MAX_SEED
from medchat.evaluation.report import ReportSettings, make_report
from medchat.evaluation.types import Report, report_json
from medchat.evaluation.wording.checklist import checklist_markdown, fill_checklist
from medchat.evaluation.wording.methods import methods_paragraph
from medchat.evaluation.writers.figures import FIGURES, draw
from medchat.evaluation.writers.latex import as_latex
from medchat.evaluation.writers.reproducible_zip import zipped
from medchat.evaluation.writers.tables import as_csv, as_markdown
from medchat.files.published import checked_reference
from medchat.files.ratings import parse_ratings
from medchat.scale import Scale, parse_scale
from medchat.study.conduct import Conduct
from medchat.text import quote_formula, unquote_formula

FORMAT = 1
MAX_BYTES = 2**30
"""Size of all that is read out of a zip."""
CHECKSUMS = "SHA256SUMS"
SCORES, EXTRAS, REPEATS = "data/scores.csv", "data/extras.csv", "data/repeats.csv"
ANSWERS = "data/answers.csv"
TEXTS = ("rater", "response_id", "category", "answer", "reference")
"""The columns of these files that hold texts; all others hold numbers."""
SETTINGS = "data/settings.json"
BOM = "\ufeff".encode()
_KEYS = ["response_id", "rater"]
EXTRA_COLUMNS = (*_KEYS, "category", "answer_length", "adjudicated", "rater_flagged")
"""Columns that ``Inputs.extras`` may have."""


@dataclass(frozen=True)
class Inputs:
    """What a report is made from.

    ``scores`` is a score CSV; ``extras`` (may be empty) has ``response_id``, ``rater`` and columns
    that a report can use besides; ``repeats`` is as ``reliability.measure_consistency`` takes it,
    ``answers`` as ``bleu_rouge.measure_overlap`` does.
    """

    scores: bytes
    settings: ReportSettings = field(default_factory=ReportSettings)
    reference: tuple[dict[str, Any], ...] = ()
    extras: pd.DataFrame = field(default_factory=pd.DataFrame)
    repeats: pd.DataFrame = field(default_factory=pd.DataFrame)
    answers: pd.DataFrame = field(default_factory=pd.DataFrame)
    conduct: Conduct | None = None

    def frame(self, name: str = "scores.csv") -> pd.DataFrame:
        """The ratings with the extras beside them. Raises BadInput for a bad score file, which
        complaints call ``name``."""
        frame = parse_ratings(self.scores, name, self.settings.scale)
        if self.extras.empty:
            return frame
        if "response_id" not in frame or set(EXTRA_COLUMNS[2:]) & set(frame):
            raise BadInput("bundle_extras_differ", name=name, extras=EXTRAS)
        return frame.merge(self.extras, on=_KEYS, how="left", validate="many_to_one")

    def report(self, frame: pd.DataFrame) -> Report:
        """The report of ``frame()``, or of some of its rows: then of the repeats of those alone."""
        repeats = self.repeats
        if not repeats.empty:
            repeats = repeats.merge(frame[_KEYS], on=_KEYS)
        return make_report(
            frame, self.settings, self.reference, repeats, self.answers, self.conduct
        )


def make_bundle(inputs: Inputs, name: str = "scores.csv") -> bytes:
    """The zip. Raises BadInput for a bad score file, which complaints call ``name``."""
    frame = inputs.frame(name)
    return bundle(inputs, frame, inputs.report(frame))


def bundle(inputs: Inputs, frame: pd.DataFrame, report: Report) -> bytes:
    """The zip of a report that is made already, of all ratings of ``inputs``."""
    members: dict[str, bytes | None] = {
        SCORES: inputs.scores,
        EXTRAS: _csv(inputs.extras),
        REPEATS: _csv(inputs.repeats),
        ANSWERS: _csv(inputs.answers),
        SETTINGS: _json(_settings(inputs)),
        **{name: make(report, frame) for name, make in MAKERS.items()},
    }
    there = {member: content for member, content in members.items() if content is not None}
    sums = [f"{hashlib.sha256(there[member]).hexdigest()}  {member}\n" for member in there]
    return zipped({**there, CHECKSUMS: "".join(sums).encode()})


def _checklist(report: Report, language: Language) -> bytes:
    return checklist_markdown(fill_checklist(report), language).encode()


KINDS = ("svg", "png")
Maker = Callable[[Report, pd.DataFrame], bytes | None]


def _document(language: Language) -> Maker:
    def make(report: Report, _: pd.DataFrame) -> bytes:
        from medchat.evaluation.writers.word import as_docx  # python-docx: where it is used

        return as_docx(report, language)

    return make


def _workbook(report: Report, frame: pd.DataFrame) -> bytes:
    from medchat.evaluation.writers.workbook import as_xlsx  # openpyxl: where it is used

    return as_xlsx(report, frame)


def _drawing(name: str, kind: Any) -> Maker:
    return lambda report, _: draw(report, name, kind)


MAKERS: dict[str, Maker] = {
    "report.json": lambda report, _: _json(report_json(report)),
    "table4.csv": lambda report, _: BOM + as_csv(report).encode(),
    "table4.md": lambda report, _: as_markdown(report).encode(),
    "table4.tex": lambda report, _: as_latex(report).encode(),
    "report.xlsx": _workbook,
    "report_zh.docx": _document("zh"),
    "report_en.docx": _document("en"),
    "methods_zh.txt": lambda report, _: f"{methods_paragraph(report, 'zh')}\n".encode(),
    "methods_en.txt": lambda report, _: f"{methods_paragraph(report, 'en')}\n".encode(),
    "reporting_sheet.json": lambda report, _: _json(
        [asdict(item) for item in fill_checklist(report)]
    ),
    "reporting_sheet_zh.md": lambda report, _: _checklist(report, "zh"),
    "reporting_sheet_en.md": lambda report, _: _checklist(report, "en"),
    **{f"figures/{name}.{kind}": _drawing(name, kind) for name in FIGURES for kind in KINDS},
}
"""Name of each file that is made from a report, and how; None where the data cannot give it."""


# -- reading one again --


class _Settings(BaseModel):
    """What ``data/settings.json`` holds."""

    model_config = ConfigDict(strict=True)

    scale: str
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)]
    bootstrap: Annotated[int, Field(ge=0, le=MAX_ROUNDS)]
    raters_too: bool
    reference: list[dict[str, Any]]
    conduct: Conduct | None = None


class _Format(BaseModel):
    """That part of the settings which every later format has too."""

    format: int
    version: str


def read_bundle(path: Path) -> Inputs:
    """The inputs of a zip that ``make_bundle`` has made.

    Raises BadInput where it is no such zip, was changed, or is of a newer format.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = _members(archive, path.name)
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise BadInput("file_unreadable", file=path.name, reason=error.strerror) from error
    except _DAMAGED as error:
        raise BadInput("bundle_damaged", file=path.name) from error
    _check_sums(members, path.name)
    try:
        return _inputs(members, path.name)
    except ValidationError as error:
        problems = [
            f"{SETTINGS}, {'.'.join(map(str, problem['loc']))}: {problem['msg']}"
            for problem in error.errors()
        ]
        raise BadInput("bundle_foreign", file=path.name, remainder="; ".join(problems)) from error
    except ValueError as error:
        raise BadInput("bundle_foreign", file=path.name, remainder=error) from error


def _inputs(members: dict[str, bytes], name: str) -> Inputs:
    """Raises BadInput for a newer format, ValueError for what this program does not write."""
    made_by = _Format.model_validate_json(members[SETTINGS])
    if made_by.format > FORMAT:
        raise BadInput("bundle_newer", file=name, version=made_by.version, this=__version__)
    settings = _Settings.model_validate_json(members[SETTINGS])
    scale = parse_scale(settings.scale)
    return Inputs(
        scores=members[SCORES],
        settings=ReportSettings(scale, settings.seed, settings.bootstrap, settings.raters_too),
        reference=tuple(checked_reference(settings.reference, scale)),
        extras=_frame(members, EXTRAS, _KEYS, EXTRA_COLUMNS),
        repeats=_repeats(members, scale),
        answers=_frame(members, ANSWERS, ["response_id", "answer", "reference"]),
        conduct=settings.conduct,
    )


_DAMAGED = (
    *(OSError, EOFError, zipfile.BadZipFile, zlib.error, lzma.LZMAError),
    *(RuntimeError, NotImplementedError),
)
"""What reading a zip raises where it is damaged, encrypted, or packed in another way."""


def _members(archive: zipfile.ZipFile, name: str) -> dict[str, bytes]:
    infos = {info.filename: info for info in archive.infolist()}
    if "[Content_Types].xml" in infos:
        raise BadInput("bundle_is_office_file", file=name)
    members = {SCORES, EXTRAS, REPEATS, ANSWERS, SETTINGS, CHECKSUMS, *MAKERS}
    if unknown := sorted(infos.keys() - members):
        raise BadInput("bundle_unknown_member", file=name, member=unknown[0])
    if missing := sorted({SCORES, SETTINGS, CHECKSUMS} - infos.keys()):
        raise BadInput("bundle_lacks_member", file=name, member=missing[0])
    if sum(info.file_size for info in infos.values()) > MAX_BYTES:
        raise BadInput("bundle_too_big", file=name, limit=MAX_BYTES // 2**20)
    return {member: archive.read(info) for member, info in infos.items()}


def _check_sums(members: dict[str, bytes], name: str) -> None:
    lines = members[CHECKSUMS].decode("utf-8", "replace").splitlines()
    sums = {line[66:]: line[:64] for line in lines}
    for member, content in members.items():
        if member != CHECKSUMS and sums.get(member) != hashlib.sha256(content).hexdigest():
            raise BadInput("bundle_member_changed", file=name, member=member)


# -- pieces --


def _settings(inputs: Inputs) -> dict[str, Any]:
    settings = inputs.settings
    return {
        "format": FORMAT,
        "version": __version__,
        "scale": settings.scale.as_text(),
        "seed": settings.seed,
        "bootstrap": settings.bootstrap,
        "raters_too": settings.raters_too,
        "reference": [dict(row) for row in inputs.reference],
        "conduct": None if inputs.conduct is None else asdict(inputs.conduct),
    }


def _json(value: Any) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n").encode()


def _csv(frame: pd.DataFrame) -> bytes | None:
    if frame.empty:
        return None
    texts = {column: frame[column].map(_harmless) for column in TEXTS if column in frame}
    return BOM + frame.assign(**texts).to_csv(index=False, lineterminator="\r\n").encode()


def _harmless(value: Any) -> Any:
    return quote_formula(value) if isinstance(value, str) else value


def _repeats(members: dict[str, bytes], scale: Scale) -> pd.DataFrame:
    twice = [f"{dimension}{again}" for again in ("", "_again") for dimension in scale.dimensions]
    frame = _frame(members, REPEATS, [*_KEYS, *twice])
    if not frame.empty and not frame[twice].isin(scale.scores).all(axis=None):
        raise ValueError(f"{REPEATS} holds a score that the scale does not have")
    return frame


def _frame(
    members: dict[str, bytes], member: str, needed: Sequence[str], known: Sequence[str] = ()
) -> pd.DataFrame:
    """A table of the zip with the ``needed`` columns and others that are ``known``; empty where
    there is none.

    Texts stay texts, so that an id keeps its zeros; what is all numbers becomes that. Raises
    ValueError for other columns, and for a row twice.
    """
    content = members.get(member)
    if content is None:
        return pd.DataFrame()
    try:
        frame = pd.read_csv(
            io.BytesIO(content), dtype=str, keep_default_na=False, encoding="utf-8-sig"
        )
        for column in frame:
            read = frame[column].map(unquote_formula) if column in TEXTS else frame[column]
            frame[column] = read if column in TEXTS else pd.to_numeric(read)
    except ValueError as error:
        raise ValueError(f"{member} cannot be read: {error}") from error
    if missing := [column for column in needed if column not in frame]:
        raise ValueError(f"{member} lacks the column {missing[0]}")
    if unknown := [column for column in frame if column not in (*needed, *known)]:
        raise ValueError(f"{member} has the column {unknown[0]!r}, which no report has")
    if frame.duplicated([key for key in _KEYS if key in frame]).any():
        raise ValueError(f"{member} has a row twice")
    return frame
