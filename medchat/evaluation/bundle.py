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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from medchat import __version__
from medchat.errors import BadInput
from medchat.evaluation import MAX_ROUNDS, MAX_SEED
from medchat.evaluation.report import ReportSettings, make_report
from medchat.evaluation.wording.checklist import reporting_sheet, sheet_markdown
from medchat.evaluation.wording.methods import methods_paragraph
from medchat.evaluation.writers import tables as render
from medchat.evaluation.writers.figures import FIGURES, draw
from medchat.evaluation.writers.reproducible_zip import zipped
from medchat.files.published import checked_reference
from medchat.files.ratings import parse_ratings
from medchat.scale import Scale, parse_scale
from medchat.study.conduct import Conduct
from medchat.text import quote_formula, unquote_formula

FORMAT = 1
LARGEST = 2**30
"""Bytes of all that is read out of a zip."""
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
            raise BadInput(f"{name} and {EXTRAS} do not fit together: another file was put in.")
        return frame.merge(self.extras, on=_KEYS, how="left", validate="many_to_one")

    def report(self, frame: pd.DataFrame) -> dict[str, Any]:
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


def bundle(inputs: Inputs, frame: pd.DataFrame, report: dict[str, Any]) -> bytes:
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


def _sheet(report: dict[str, Any], language: Any) -> bytes:
    return sheet_markdown(reporting_sheet(report), language).encode()


KINDS = ("svg", "png")
Maker = Callable[[dict[str, Any], pd.DataFrame], bytes | None]


def _document(language: Any) -> Maker:
    def make(report: dict[str, Any], _: pd.DataFrame) -> bytes:
        from medchat.evaluation.writers.word import as_docx  # python-docx: where it is used

        return as_docx(report, language)

    return make


def _workbook(report: dict[str, Any], frame: pd.DataFrame) -> bytes:
    from medchat.evaluation.writers.workbook import as_xlsx  # openpyxl: where it is used

    return as_xlsx(report, frame)


def _latex(report: dict[str, Any], _: pd.DataFrame) -> bytes:
    from medchat.evaluation.writers.word import as_latex

    return as_latex(report).encode()


def _drawing(name: str, kind: Any) -> Maker:
    return lambda report, _: draw(report, name, kind)


MAKERS: dict[str, Maker] = {
    "report.json": lambda report, _: _json(report),
    "table4.csv": lambda report, _: BOM + render.as_csv(report).encode(),
    "table4.md": lambda report, _: render.as_markdown(report).encode(),
    "table4.tex": _latex,
    "report.xlsx": _workbook,
    "report_zh.docx": _document("zh"),
    "report_en.docx": _document("en"),
    "methods_zh.txt": lambda report, _: f"{methods_paragraph(report, 'zh')}\n".encode(),
    "methods_en.txt": lambda report, _: f"{methods_paragraph(report, 'en')}\n".encode(),
    "reporting_sheet.json": lambda report, _: _json(reporting_sheet(report)),
    "reporting_sheet_zh.md": lambda report, _: _sheet(report, "zh"),
    "reporting_sheet_en.md": lambda report, _: _sheet(report, "en"),
    **{f"figures/{name}.{kind}": _drawing(name, kind) for name in FIGURES for kind in KINDS},
}
"""Name of each file that is made from a report, and how; None where the data cannot give it."""


# -- reading one again --


def read_bundle(path: Path) -> Inputs:
    """The inputs of a zip that ``make_bundle`` has made.

    Raises BadInput where it is no such zip, was changed, or is of a newer format.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = _members(archive, path.name)
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise BadInput(f"{path.name} cannot be read: {error.strerror}.") from error
    except _DAMAGED as error:
        raise BadInput(
            f"{path.name} cannot be read as a zip file: it is damaged, encrypted or cut off. Fetch "
            "or make it again."
        ) from error
    _check_sums(members, path.name)
    try:
        settings = json.loads(members[SETTINGS])
        if not isinstance(settings, dict):
            raise ValueError("the settings must be an object")
        if settings["format"] > FORMAT:
            raise BadInput(
                f"{path.name} was made by version {settings['version']} in a newer format than "
                f"this version ({__version__}) knows. Install that version."
            )
        scale = parse_scale(_typed(settings, "scale", str))
        conduct = settings.get("conduct")
        return Inputs(
            scores=members[SCORES],
            settings=ReportSettings(
                scale=scale,
                seed=_whole(settings, "seed", MAX_SEED),
                bootstrap=_whole(settings, "bootstrap", MAX_ROUNDS),
                raters_too=_typed(settings, "raters_too", bool),
            ),
            reference=tuple(checked_reference(settings["reference"], scale)),
            extras=_frame(members, EXTRAS, _KEYS, EXTRA_COLUMNS),
            repeats=_repeats(members, scale),
            answers=_frame(members, ANSWERS, ["response_id", "answer", "reference"]),
            conduct=None if conduct is None else Conduct.from_dict(conduct),
        )
    except KeyError as error:
        raise BadInput(
            f"{path.name} is no report of this program: {SETTINGS} lacks {error}."
        ) from error
    except (TypeError, ValueError, RecursionError) as error:
        raise BadInput(f"{path.name} is no report of this program: {error}.") from error


_DAMAGED = (
    *(OSError, EOFError, zipfile.BadZipFile, zlib.error, lzma.LZMAError),
    *(RuntimeError, NotImplementedError),
)
"""What reading a zip raises where it is damaged, encrypted, or packed in another way."""


def _typed(settings: dict[str, Any], name: str, kind: type) -> Any:
    if not isinstance(settings[name], kind):
        raise ValueError(f"{SETTINGS}: {name} cannot be {settings[name]!r}")
    return settings[name]


def _whole(settings: dict[str, Any], name: str, most: int) -> int:
    value = settings[name]
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise ValueError(f"{SETTINGS}: {name} must be a whole number from 0 to {most}")
    return value


def _members(archive: zipfile.ZipFile, name: str) -> dict[str, bytes]:
    infos = {info.filename: info for info in archive.infolist()}
    if "[Content_Types].xml" in infos:
        raise BadInput(
            f"{name} is an Excel or Word file. Save the table in it as “CSV UTF-8” and try again."
        )
    known = {SCORES, EXTRAS, REPEATS, ANSWERS, SETTINGS, CHECKSUMS, *MAKERS}
    if unknown := sorted(infos.keys() - known):
        raise BadInput(f"{name} holds {unknown[0]!r}, which no report has. It was left alone.")
    if missing := sorted({SCORES, SETTINGS, CHECKSUMS} - infos.keys()):
        raise BadInput(f"{name} is no report of this program: it lacks {missing[0]}.")
    if sum(info.file_size for info in infos.values()) > LARGEST:
        raise BadInput(f"{name} unpacks to more than {LARGEST // 2**20} MiB.")
    return {each: archive.read(info) for each, info in infos.items()}


def _check_sums(members: dict[str, bytes], name: str) -> None:
    lines = members[CHECKSUMS].decode("utf-8", "replace").splitlines()
    told = {line[66:]: line[:64] for line in lines}
    for member, content in members.items():
        if member != CHECKSUMS and told.get(member) != hashlib.sha256(content).hexdigest():
            raise BadInput(
                f"{name}: {member} was changed after the report was made, or is damaged."
            )


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
        "conduct": None if inputs.conduct is None else inputs.conduct.as_dict(),
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
