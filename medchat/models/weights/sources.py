"""Weight files, ``.safetensors`` and ``.bin``: what lies where in them.

A file is opened by its table of contents alone, without torch and in milliseconds, however large it
is; ``reading`` gets the numbers. Code in a file is never run. Precisions have safetensors' names.
"""

import json
import pickle
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from medchat.errors import CheckpointError, Message, message
from medchat.models.weights.unpickling import MAX_DIMENSIONS, pickled_tensors, root
from medchat.text import shorten

ITEM_BYTES = {
    "F64": 8,
    "F32": 4,
    "F16": 2,
    "BF16": 2,
    "I64": 8,
    "I32": 4,
    "I16": 2,
    "I8": 1,
    "U8": 1,
    "BOOL": 1,
}
"""Bytes per number of the precisions that occur in the checkpoints known here."""
FLOATS = ("F64", "F32", "F16", "BF16")
MAX_HEADER_BYTES = 100 * 10**6
"""The safetensors format allows no longer header."""
MAX_SHOWN_NAME = 100
"""Characters of a tensor's name in a message: a file may hold any text in its place."""
_LOCAL_HEADER = 30
"""Bytes of a zip entry's own header in front of its name and extra field."""


@dataclass(frozen=True)
class Source:
    """A tensor that ``file`` holds."""

    file: Path
    dtype: str
    shape: tuple[int, ...]

    @property
    def count(self) -> int:
        return prod(self.shape)

    @property
    def bytes(self) -> int:
        return self.count * ITEM_BYTES[self.dtype]


@dataclass(frozen=True)
class StoredTensor(Source):
    """A tensor that lies at ``offset`` bytes in its file, its ``stride`` in elements.

    ``crc32`` is the checksum of its bytes where the file holds one for just these.
    """

    stride: tuple[int, ...]
    offset: int
    crc32: int | None = None

    @property
    def in_order(self) -> bool:
        """Whether its numbers lie one behind the other, as they are counted."""
        return self.stride == contiguous_stride(self.shape)

    @property
    def span(self) -> int:
        """Numbers from its first to its last."""
        if not self.count:
            return 0
        return 1 + sum((n - 1) * step for n, step in zip(self.shape, self.stride, strict=True))


@dataclass(frozen=True)
class OldTensor(Source):
    """A tensor of a ``.bin`` as torch wrote it before 1.6, which can only be read whole."""

    name: str


def open_weights(file: Path) -> dict[str, Source]:
    """The tensors of a weight file by name, none of them read yet.

    Raises CheckpointError, with the file's name and size, for whatever is not a whole weight file.
    """
    refuse_placeholder(file)
    try:
        if file.suffix == ".safetensors":
            return dict(_open_safetensors(file))
        if zipfile.is_zipfile(file):
            return dict(_open_zip(file))
        return dict(_open_old(file))
    except CheckpointError:
        raise
    except pickle.UnpicklingError as error:
        raise CheckpointError("weights_or_code", file=file, bytes=_size(file)) from error
    except Exception as error:  # whatever a damaged file makes its reader raise
        raise CheckpointError(
            "not_weights",
            file=file,
            bytes=_size(file),
            remainder=f"{type(error).__name__}: {str(error)[:200]}",
        ) from error


def refuse_placeholder(file: Path) -> None:
    """Raises CheckpointError for a git-LFS pointer, a web page or an empty file."""
    with file.open("rb") as stream:
        start = stream.read(64).lstrip()
    if not start or start.startswith((b"version https://git-lfs", b"<")):
        raise CheckpointError("placeholder", file=file, bytes=_size(file))


def truncated(file: Path) -> CheckpointError:
    return CheckpointError("ends_too_early", file=file, bytes=_size(file))


def damaged(file: Path, reason: Message) -> CheckpointError:
    return CheckpointError("weights_damaged", file=file, reason=reason)


def contiguous_stride(shape: tuple[int, ...]) -> tuple[int, ...]:
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return tuple(reversed(strides))


def _size(file: Path) -> int:
    return file.stat().st_size


def is_zero(tensor: StoredTensor) -> bool:
    """Whether every number of a tensor is 0 or -0."""
    return not np.any(_magnitudes(tensor))


def is_finite(tensor: StoredTensor) -> bool:
    """Whether no number of a tensor is infinite or none."""
    return bool(np.all(_magnitudes(tensor) < np.uint64(_EXPONENT[tensor.dtype])))


_EXPONENT = {"F64": 0x7FF << 52, "F32": 0xFF << 23, "F16": 0x1F << 10, "BF16": 0xFF << 7}
"""The bits that are all set in infinities and in what is no number."""


def _magnitudes(tensor: StoredTensor) -> np.ndarray[Any, Any]:
    """The bits of a floating tensor's numbers without their signs, as integers."""
    width = ITEM_BYTES[tensor.dtype]
    with tensor.file.open("rb") as stream:
        stream.seek(tensor.offset)
        bits = np.frombuffer(stream.read(tensor.span * width), f"<u{width}")
    magnitudes: np.ndarray[Any, Any] = bits & np.array((1 << (8 * width - 1)) - 1, bits.dtype)
    return magnitudes


# -- tables of contents --


def _open_safetensors(file: Path) -> Iterator[tuple[str, Source]]:
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if length > min(MAX_HEADER_BYTES, _size(file)):
            raise truncated(file)
        table = json.loads(stream.read(length), object_pairs_hook=partial(_unique, file))
    if not isinstance(table, dict):
        raise damaged(file, message("header_no_table"))
    table.pop("__metadata__", None)
    spans = []
    for name, entry in table.items():
        dtype, shape, begin, end = _checked(file, name, entry)
        tensor = StoredTensor(file, dtype, shape, contiguous_stride(shape), 8 + length + begin)
        if end - begin != tensor.bytes:
            raise _damaged(file, "tensor_out_of_place", name)
        if 8 + length + end > _size(file):
            raise truncated(file)
        spans.append((begin, end, name))
        yield name, tensor
    _refuse_overlap(file, spans)


def _unique(file: Path, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object. Of two tensors under one name, one would be lost without a word."""
    table = dict(pairs)
    if len(table) < len(pairs):
        raise damaged(file, message("header_name_twice"))
    return table


def _checked(file: Path, name: str, entry: object) -> tuple[str, tuple[int, ...], int, int]:
    """Precision, shape, begin and end of a tensor as the header gives them."""
    match entry:
        case {"dtype": str(dtype), "shape": [*shape], "data_offsets": [begin, end]}:
            pass
        case _:
            raise _damaged(file, "tensor_without_place", name)
    if dtype not in ITEM_BYTES:
        name, dtype = shorten(name, MAX_SHOWN_NAME), shorten(dtype, 20)
        raise CheckpointError("tensor_precision", file=file, name=name, dtype=dtype)
    if len(shape) > MAX_DIMENSIONS or not all(map(_is_size, shape)):
        raise _damaged(file, "tensor_shape", name)
    if not (_is_size(begin) and _is_size(end)):
        raise _damaged(file, "tensor_out_of_place", name)
    return dtype, tuple(shape), begin, end


def _is_size(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _refuse_overlap(file: Path, spans: list[tuple[int, int, str]]) -> None:
    filled = sorted(span for span in spans if span[0] < span[1])
    for (_, end, name), (begin, _, other) in pairwise(filled):
        if begin < end:
            first, second = (shorten(text, MAX_SHOWN_NAME) for text in (name, other))
            raise damaged(file, message("tensors_overlap", first=first, second=second))


def _damaged(file: Path, code: str, name: str) -> CheckpointError:
    """The file's fault is that of the tensor ``name``."""
    return damaged(file, message(code, name=shorten(name, MAX_SHOWN_NAME)))


def _open_zip(file: Path) -> Iterator[tuple[str, Source]]:
    with zipfile.ZipFile(file) as archive, file.open("rb") as stream:
        entries = {entry.filename: entry for entry in archive.infolist()}
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries.values()):
            raise CheckpointError("weights_compressed", file=file)
        for entry in entries.values():
            if not entry.CRC:  # torch can be told to compute none; zipfile would then complain
                del entry.CRC
        folder = root(archive)
        if f"{folder}byteorder" in entries:
            with archive.open(f"{folder}byteorder") as order:
                if order.read(len(b"little") + 1) != b"little":
                    raise CheckpointError("weights_big_endian", file=file)
        for name, tensor in pickled_tensors(archive, file).items():
            entry = entries[f"{folder}data/{tensor.storage.key}"]
            width = ITEM_BYTES[tensor.storage.dtype]
            stored = StoredTensor(
                file,
                tensor.storage.dtype,
                tensor.shape,
                _plain_stride(tensor.shape, tensor.stride),
                _content_offset(stream, entry) + tensor.offset * width,
            )
            if stored.span * width == entry.file_size:
                stored = replace(stored, crc32=getattr(entry, "CRC", None))
            if (
                min(tensor.offset, *tensor.shape, *tensor.stride, 0) < 0
                or (tensor.offset + stored.span) * width > entry.file_size
                or stored.bytes > entry.file_size  # parts of it would be the same numbers
            ):
                raise _damaged(file, "tensor_out_of_storage", name)
            yield name, stored


def _content_offset(stream: Any, entry: zipfile.ZipInfo) -> int:
    """The byte at which an entry's content begins, behind a header of its own length."""
    stream.seek(entry.header_offset + 26)
    name_length = int.from_bytes(stream.read(2), "little")
    extra_length = int.from_bytes(stream.read(2), "little")
    return int(entry.header_offset) + _LOCAL_HEADER + name_length + extra_length


def _plain_stride(shape: tuple[int, ...], stride: tuple[int, ...]) -> tuple[int, ...]:
    """Strides with those of axes of length 1, which mean nothing, as in a contiguous tensor."""
    plain = contiguous_stride(shape)
    same = all(a == b or n == 1 for n, a, b in zip(shape, stride, plain, strict=True))
    return plain if same or not prod(shape) else stride


def _open_old(file: Path) -> Iterator[tuple[str, Source]]:
    from medchat.models.weights.reading import (  # torch, which only these files need
        old_file,
        stored_dtype,
    )

    for name, tensor in old_file(file).items():
        yield name, OldTensor(file, stored_dtype(tensor), tuple(tensor.shape), name)
