"""The form of a packed study: its files, which rows of the database are in them, and its limits.

Knows neither how one is written nor how one that arrives is read.
"""

import stat
import zipfile

from medchat.errors import Message
from storage.archive_rules import short
from storage.errors import StorageError, storage_message

FORMAT = "medchat-study"
FORMAT_VERSION = 1
COMMAND_LINE = "python -m storage"
"""Stands in the study's events for whoever packs or unpacks without being signed in."""

MAX_MEMBERS = 50
MAX_BYTES = 2**30
"""All members together may have so many bytes, unpacked."""
MAX_RATIO = 200
RATIO_FROM = 16 * 2**20
"""A member of more bytes than this may not have shrunk to less than one in ``MAX_RATIO``."""
MAX_ROW_BYTES = 16 * 2**20
MAX_MANIFEST_BYTES = 2**20
MAX_DIRECTORY_BYTES = 2**16
"""The zip's own list of members, which is read before they can be counted, may have so many."""

_QUESTIONS = "(SELECT id FROM questions WHERE study_id = :study)"
_RESPONSES = f"(SELECT id FROM responses WHERE question IN {_QUESTIONS})"
_RATERS = "(SELECT id FROM raters WHERE study_id = :study AND trial = 0)"
TABLES = {
    "studies": ("id = :study", "id"),
    "questions": ("study_id = :study", "position"),
    "responses": (f"question IN {_QUESTIONS}", "id"),
    "practice_keys": (f"response IN {_RESPONSES}", "response"),
    "raters": ("study_id = :study AND trial = 0", "length(label), label"),
    "items": (f"rater IN {_RATERS}", "rater, place, position"),
    "rating_log": ("study = :study", "id"),
    "study_events": ("study = :study", "id"),
    "answering": ("study = :study", "study"),
    "answer_failures": (f"question IN {_QUESTIONS}", "question, model"),
}
"""Which rows of each table are a study's, and their order in the file. A table comes behind those
that it refers to, but for ``items.latest``."""

MANIFEST = "manifest.json"
README = """\
一项医学问答盲评研究的完整打包 / A whole blinded rating study, packed by MedChat

Safety, Usability, Smoothness (SUS) 是安全性、实用性、流畅性，不是 System Usability Scale。
SUS here is Safety, Usability, Smoothness (fluency). It is not the System Usability Scale.

注意：responses.jsonl 写明了每个回答来自哪个模型；请勿交给评分者。
Take care: responses.jsonl names the model of every answer. Keep it from raters.

python -m storage unpack study.zip --db medchat.db
把它放进另一个数据库，不丢失任何内容 / takes it into another database without loss.

manifest.json          格式、版本、各文件的校验值、评分链的末端哈希
                       format, versions, a hash of each file, the hash that ends the rating chain
studies.jsonl          研究及其设置 / the study and its settings
questions.jsonl        题目，包括练习题 / the questions, practice included
responses.jsonl        模型的回答、来源，以及开放前的处理
                       the models' answers, where they come from, what was decided about them
practice_keys.jsonl    练习题的参考分 / what practice answers should have got
raters.jsonl           评分者的资料；个人链接只存哈希
                       the raters' profiles; of personal links only a hash
items.jsonl            每个回答向每位评分者的一次展示 / each showing of an answer to a rater
rating_log.jsonl       所有保存过的评分，每行以哈希与前一行相连
                       every rating ever saved, each row chained to the one before by a hash
study_events.jsonl     谁在何时对研究做了什么 / who did what to the study, and when
answering.jsonl        “让模型作答”的状态 / the state of "have the models answer"
answer_failures.jsonl  模型没能给出的回答 / answers that a model could not give
scores.csv             当前有效的评分；揭盲前模型以字母代称
                       the scores that count now; before the unblinding, models are letters
order.csv              谁按什么顺序看到了什么；不含模型名
                       who saw what in which order; names no model

.jsonl：每行一个 JSON 对象，UTF-8。.csv：带 BOM 的 UTF-8。
.jsonl: one JSON object per line, UTF-8. .csv: UTF-8 with a byte order mark.
"""
MEMBERS = (*(f"{table}.jsonl" for table in TABLES), "scores.csv", "order.csv", "README.txt")


def new_entry(name: str) -> zipfile.ZipInfo:
    """A member that tells neither the time nor the machine of its packing."""
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system = 3
    entry.external_attr = (stat.S_IFREG | 0o644) << 16
    return entry


def check_sizes(entries: list[zipfile.ZipInfo]) -> None:
    """Raises StorageError archive_too_large, for a zip that arrives and for one that leaves."""
    if len(entries) > MAX_MEMBERS:
        raise too_large(storage_message("zip_files", most=MAX_MEMBERS))
    total = sum(entry.file_size for entry in entries)
    if total > MAX_BYTES:
        raise too_large(storage_message("zip_unpacked_bytes", size=total, most=MAX_BYTES))
    for entry in entries:
        if entry.file_size > max(RATIO_FROM, MAX_RATIO * entry.compress_size):
            raise too_large(storage_message("zip_bomb", member=short(ascii(entry.filename))))


def too_large(problem: Message) -> StorageError:
    return StorageError("archive_too_large", problem=problem)
