"""Reads XML of unknown origin a piece at a time, in bounded memory and work.

Owns the bounds: bytes, elements, depth, names, and the length of a tag. Knows nothing about
workbooks. Other threads run between any two pieces, so that a long file delays nobody.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Protocol
from xml.parsers import expat

MAX_DEPTH = 100
"""Elements may lie so deep within each other; sheets need about ten."""
MAX_NAMES = 2_000
"""One part may have so many names of elements and attributes; the parser keeps every one."""
MAX_TAG_BYTES = 2**18
"""A tag or comment may be so long; the parser reads it anew from its start with every piece."""
PIECE_BYTES = 2**16


class TooMuch(Exception):
    """The XML goes beyond a bound."""


class Finished(Exception):
    """Raised by a handler that needs nothing more of its part."""


class Handler(Protocol):
    """What is called for the elements of a part, by their names without prefix."""

    def start(self, tag: str, attributes: dict[str, str]) -> None: ...

    def end(self, tag: str) -> None: ...

    def text(self, text: str) -> None: ...


@dataclass
class Allowance:
    """What may still be read, of all parts of a file together: bytes, and tags of start or end."""

    size: int
    tags: int

    def use(self, piece: bytes) -> None:
        self.size -= len(piece)
        self.tags -= piece.count(b"<") + piece.count(b"/>")
        if self.size < 0 or self.tags < 0:
            raise TooMuch("bytes or tags")


def read_xml(stream: IO[bytes], handler: Handler, allowance: Allowance) -> None:
    """Call the handler for every element, until the end or until it raises Finished.

    Raises TooMuch beyond a bound, ``expat.ExpatError`` for what is no XML, and ValueError for a
    document type, which could define entities that multiply.
    """
    names: dict[str, str] = {}
    parser = expat.ParserCreate(intern=names)
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_document_type
    parser.StartElementHandler, parser.EndElementHandler = _limited_depth(handler)
    parser.CharacterDataHandler = handler.text
    read = 0
    try:
        while piece := stream.read(PIECE_BYTES):
            allowance.use(piece)
            parser.Parse(piece, False)
            read += len(piece)
            if read - parser.CurrentByteIndex > MAX_TAG_BYTES or len(names) > MAX_NAMES:
                raise TooMuch("a tag or names")
        parser.Parse(b"", True)
    except Finished:
        return


def _limited_depth(
    handler: Handler,
) -> tuple[Callable[[str, dict[str, str]], None], Callable[[str], None]]:
    """The handler's calls at start and end of an element, with a bound on their depth."""
    # Called for every cell of a sheet: names in a closure are twice as fast as attributes.
    depth = 0
    local = _LocalNames()
    handle_start, handle_end = handler.start, handler.end

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > MAX_DEPTH:
            raise TooMuch("depth")
        handle_start(local[tag], attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        handle_end(local[tag])

    return start, end


class _LocalNames(dict[str, str]):
    """Names without their prefixes, worked out once for every name."""

    def __missing__(self, name: str) -> str:
        self[name] = local_name(name)
        return self[name]


def local_name(name: str) -> str:
    """A name without its prefix, which a file may choose as it likes."""
    return name.rpartition(":")[2]


def _refuse_document_type(*_: object) -> None:
    raise ValueError("a document type is not part of this format")
