"""The numbers of a weight file, read into the tensor that is to have them.

In their final precision, on their final device, a chunk at a time: no weight is in memory twice.
"""

import threading
import zlib
from collections.abc import Iterator
from dataclasses import replace
from functools import singledispatch
from io import FileIO
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from medchat.errors import CheckpointError, message
from medchat.models.weights.sources import (
    OldTensor,
    Source,
    StoredTensor,
    damaged,
    open_weights,
    truncated,
)
from medchat.models.weights.unpickling import check_old_pickles

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
CHUNK = 2**22
"""So many bytes are read at a time, through one buffer: reading straight into fresh memory takes
twice as long, and a new buffer for every tensor leaves holes that are never given back."""


def read(source: Source, dtype: torch.dtype | None = None) -> Tensor:
    """A source's numbers as a new tensor in main memory, in ``dtype`` or its own precision."""
    target = torch.empty(source.shape, dtype=dtype or DTYPES[source.dtype])
    read_into(source, target)
    return target


def read_tensors(file: Path) -> dict[str, Tensor]:
    """All tensors of a (small) file in main memory."""
    return {name: read(source) for name, source in open_weights(file).items()}


@singledispatch
def read_into(source: Source, target: Tensor) -> None:
    """Copy a source's numbers into ``target``: contiguous, of its shape, of any dtype and device.

    Raises CheckpointError where the file ends before the tensor does.
    """
    raise NotImplementedError(type(source))


@read_into.register
def _(source: StoredTensor, target: Tensor) -> None:
    if not source.in_order:
        span = torch.empty(source.span, dtype=DTYPES[source.dtype])
        flat = replace(source, shape=(source.span,), stride=(1,))
        read_into(flat, span)
        target.copy_(span.as_strided(source.shape, source.stride))
        return
    flat_target = target.view(-1)
    done = 0
    for chunk in chunks(source):
        values = torch.frombuffer(chunk, dtype=DTYPES[source.dtype])
        if target.dtype == torch.bfloat16 and values.dtype == torch.float16:
            # By way of float32, torch converts four times as fast.
            values = _wide_buffer()[: len(values)].copy_(values)
        flat_target[done : done + len(values)].copy_(values)
        done += len(values)


@read_into.register
def _(source: OldTensor, target: Tensor) -> None:
    target.copy_(old_file(source.file)[source.name])


def chunks(source: StoredTensor) -> Iterator[memoryview]:
    """The bytes of a tensor that lies in order; each chunk is gone when the next is asked for.

    Raises CheckpointError where they are not all there, or not those that were written.
    """
    room = _buffer()
    remaining = source.bytes
    checksum = 0
    try:
        with source.file.open("rb", buffering=0) as stream:
            stream.seek(source.offset)
            while remaining:
                part = room[: min(remaining, CHUNK)]
                _read_whole(stream, part, source.file)
                if source.crc32 is not None:
                    checksum = zlib.crc32(part, checksum)
                yield part
                remaining -= len(part)
    except OSError as error:
        raise CheckpointError("file_unreadable", file=source.file, reason=error.strerror) from error
    if source.crc32 is not None and checksum != source.crc32:
        end = source.offset + source.bytes
        raise damaged(source.file, message("checksum_differs", begin=source.offset, end=end))


def raw_bytes(tensor: Tensor) -> memoryview:
    """A contiguous tensor's memory."""
    return memoryview(cast(Any, tensor.view(-1).view(torch.uint8).numpy()))


def _read_whole(stream: FileIO, room: memoryview, file: Path) -> None:
    while room:
        count = stream.readinto(room)
        if not count:
            raise truncated(file)
        room = room[count:]


# -- buffers --

_thread = threading.local()


def _buffer() -> memoryview:
    """This thread's ``CHUNK`` bytes, aligned for any precision."""
    if not hasattr(_thread, "buffer"):
        _thread.buffer = raw_bytes(torch.empty(CHUNK, dtype=torch.uint8))
    return cast(memoryview, _thread.buffer)


def _wide_buffer() -> Tensor:
    """This thread's room for a chunk's float16 numbers in float32."""
    if not hasattr(_thread, "wide"):
        _thread.wide = torch.empty(CHUNK // 2)
    return cast(Tensor, _thread.wide)


# -- files that can only be read whole --


def old_file(file: Path) -> dict[str, Tensor]:
    """The tensors of a ``.bin`` as torch wrote it before 1.6; each thread keeps its last file.

    Whoever goes through a folder file by file reads each once. Raises CheckpointError for anything
    but named tensors, and what ``torch.load`` raises for a damaged file.
    """
    if getattr(_thread, "old", (None,))[0] != file:
        forget_old_files()
        _thread.old = (file, _load_old(file))
    return cast(dict[str, Tensor], _thread.old[1])


def _load_old(file: Path) -> dict[str, Tensor]:
    check_old_pickles(file)
    content = torch.load(file, map_location="cpu", weights_only=True)
    if isinstance(content, dict) and all(
        isinstance(name, str) and isinstance(tensor, Tensor) and tensor.layout == torch.strided
        for name, tensor in content.items()
    ):
        return content
    raise CheckpointError("other_than_weights", file=file)


def forget_old_files() -> None:
    """Let go of the file that this thread read last."""
    _thread.old = (None, {})


def stored_dtype(tensor: Tensor) -> str:
    """The name of a tensor's precision; raises KeyError for one that no checkpoint here has."""
    return {dtype: name for name, dtype in DTYPES.items()}[tensor.dtype]
