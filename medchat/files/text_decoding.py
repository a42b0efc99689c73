"""The bytes of a file of text, and their encoding.

Knows UTF-8, UTF-16 by its mark, and GB18030 (GBK among it), and nothing of tables.
"""

from pathlib import Path

from medchat.errors import BadInput

# Of 500 short texts in GB18030 from the bundled knowledge base (median 5 characters),
# charset-normalizer 3.5.3 reads 253 rightly; trying UTF-8 first and GB18030 second, all 500.

MAX_BYTES = 20_000_000
_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig", "UTF-8"),
    (b"\xff\xfe", "utf-16", "UTF-16"),
    (b"\xfe\xff", "utf-16", "UTF-16"),
)


def read_bytes(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise BadInput(
            "question_file_unreadable", file=file.name, remainder=error.strerror
        ) from error
    if len(content) > MAX_BYTES:
        raise BadInput("question_file_too_big", file=file.name, limit=MAX_BYTES // 10**6)
    if not content:
        raise BadInput("question_file_empty", file=file.name)
    return content


def decode(name: str, content: bytes) -> tuple[str, str]:
    """The text and the name of its encoding: what the mark says, else UTF-8, else GB18030."""
    for mark, encoding, label in _MARKS:
        if content.startswith(mark):
            return _decoded(name, content, encoding), label
    try:
        return _decoded(name, content, "utf-8"), "UTF-8"
    except BadInput as error:
        # One broken byte must not turn a file of UTF-8 into nonsense that GB18030 can read.
        if error.code != "encoding_unknown" or _is_damaged_utf_8(content):
            raise
    return _decoded(name, content, "gb18030"), "GB18030"


def _decoded(name: str, content: bytes, encoding: str) -> str:
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise BadInput("encoding_unknown", file=name) from error
    if "\0" in text:
        raise BadInput("nul_bytes", file=name)
    return text


def _is_damaged_utf_8(content: bytes) -> bool:
    """True where most signs outside of ASCII are whole UTF-8; in GB18030 hardly any are."""
    text = content.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    return sum(sign >= "\u0800" for sign in text) - broken > broken
