"""Weight files, ``.safetensors`` and ``.bin``: what lies in them, and reading it tensor by tensor.

A file is opened by its table of contents alone; bytes are read only into the tensor that is to have
them, in its precision and on its device. So no weight is ever in memory twice, and a folder's
contents can be told without its weights. Code in a file is never run. Knows nothing of networks.
"""

import json
import pickle
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from io import FileIO
from pathlib import Path
from typing import Any, Protocol, cast

import torch
from torch import Tensor

from medchat.errors import CheckpointError

CHUNK = 2**22
"""Bytes read at a time, through a buffer that stays warm: reading straight into fresh memory takes
twice as long, and a buffer made anew for each tensor leaves holes that are never given back."""
LONGEST_HEADER = 100 * 10**6
"""Bytes; the safetensors format allows no longer one."""
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
"""safetensors' names of the precisions that occur in the checkpoints known here."""


class Source(Protocol):
    """A tensor that can be had from ``file``."""

    @property
    def file(self) -> Path: ...
    @property
    def dtype(self) -> torch.dtype: ...
    @property
    def shape(self) -> tuple[int, ...]: ...

    def read_into(self, target: Tensor) -> None:
        """Copy the values into ``target``: contiguous, of the same shape, any dtype and device."""
        ...


def read(source: Source, dtype: torch.dtype | None = None) -> Tensor:
    """A source's values as a new tensor in main memory, in ``dtype`` or its own precision."""
    target = torch.empty(source.shape, dtype=dtype or source.dtype)
    source.read_into(target)
    return target


def raw_bytes(tensor: Tensor) -> memoryview:
    """A contiguous tensor's memory."""
    return memoryview(cast(Any, tensor.view(-1).view(torch.uint8).numpy()))


def size_in_bytes(source: Source) -> int:
    return torch.Size(source.shape).numel() * source.dtype.itemsize


@dataclass(frozen=True)
class StoredTensor:
    """Where in a file a tensor lies: ``offset`` in bytes, ``stride`` in elements."""

    file: Path
    dtype: torch.dtype
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int

    def read_into(self, target: Tensor) -> None:
        """Raises CheckpointError where the file ends before the tensor does."""
        if self.stride != contiguous_stride(self.shape):
            target.copy_(self._span().as_strided(self.shape, self.stride))
            return
        flat = target.view(-1)
        done = 0
        for chunk in self.chunks():
            values = torch.frombuffer(chunk, dtype=self.dtype)
            if flat.dtype == torch.bfloat16 and self.dtype == torch.float16:
                # By way of float32, torch converts four times as fast.
                values = _wide_buffer()[: len(values)].copy_(values)
            flat[done : done + len(values)].copy_(values)
            done += len(values)

    def chunks(self) -> Iterator[memoryview]:
        """The bytes as they lie in the file; each chunk is gone when the next one is asked for.

        For a strided tensor these are not its elements in order.
        """
        room = _buffer()
        left = size_in_bytes(self)
        try:
            with self.file.open("rb", buffering=0) as stream:
                stream.seek(self.offset)
                while left:
                    part = room[: min(left, CHUNK)]
                    _read_whole(stream, part, self.file)
                    yield part
                    left -= len(part)
        except OSError as error:
            raise CheckpointError(f"{self.file} cannot be read: {error.strerror}.") from error

    def _span(self) -> Tensor:
        """Every element from the first to the last that a strided tensor touches, flat."""
        last = sum((n - 1) * step for n, step in zip(self.shape, self.stride, strict=True))
        return read(replace(self, shape=(last + 1,), stride=(1,)))


_thread = threading.local()


def _buffer() -> memoryview:
    """This thread's ``CHUNK`` bytes, aligned for any precision."""
    if not hasattr(_thread, "buffer"):
        _thread.buffer = raw_bytes(torch.empty(CHUNK, dtype=torch.uint8))
    return cast(memoryview, _thread.buffer)


def _wide_buffer() -> Tensor:
    """This thread's room for a chunk's float16 values in float32."""
    if not hasattr(_thread, "wide"):
        _thread.wide = torch.empty(CHUNK // 2)
    return cast(Tensor, _thread.wide)


def _read_whole(stream: FileIO, room: memoryview, file: Path) -> None:
    while room:
        count = stream.readinto(room)
        if not count:
            raise CheckpointError(truncated(file))
        room = room[count:]


@dataclass(frozen=True)
class OldTensor:
    """A tensor of a ``.bin`` as torch wrote it before 1.6: the file can only be read whole.

    The file read last is kept; whoever goes through a folder file by file reads each once.
    """

    file: Path
    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]

    def read_into(self, target: Tensor) -> None:
        target.copy_(_old_file(self.file)[self.name])


@lru_cache(maxsize=1)
def _old_file(file: Path) -> dict[str, Tensor]:
    return _named_tensors(torch.load(file, map_location="cpu", weights_only=True), file)


def forget_old_files() -> None:
    """Let go of the file that was read last."""
    _old_file.cache_clear()


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
        return {
            name: OldTensor(file, name, tensor.dtype, tuple(tensor.shape))
            for name, tensor in _old_file(file).items()
        }
    except CheckpointError:
        raise
    except pickle.UnpicklingError as error:
        # Its own text recommends weights_only=False: nothing to hand on.
        raise CheckpointError(
            f"{file} ({_size(file)} bytes) holds something other than weights, or its download is "
            "incomplete. Code in a weight file is never run."
        ) from error
    except Exception as error:  # whatever a damaged file makes its reader raise
        raise CheckpointError(
            f"{file} ({_size(file)} bytes) cannot be read as weights; the download may be "
            f"incomplete. {type(error).__name__}: {str(error)[:200]}"
        ) from error


def read_tensors(file: Path) -> dict[str, Tensor]:
    """All of a (small) file's tensors in main memory."""
    return {name: read(source) for name, source in open_weights(file).items()}


def refuse_placeholder(file: Path) -> None:
    """Raises CheckpointError for a git-LFS pointer, a web page or an empty file."""
    with file.open("rb") as stream:
        start = stream.read(64).lstrip()
    if not start or start.startswith((b"version https://git-lfs", b"<")):
        raise CheckpointError(
            f"{file} is not the file itself but a placeholder of {_size(file)} bytes: "
            "the download is incomplete."
        )


def truncated(file: Path) -> str:
    return f"{file} ({_size(file)} bytes) ends too early: the download is incomplete."


def contiguous_stride(shape: tuple[int, ...]) -> tuple[int, ...]:
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return tuple(reversed(strides))


# -- tables of contents --


def _open_safetensors(file: Path) -> Iterator[tuple[str, StoredTensor]]:
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if length > min(LONGEST_HEADER, _size(file)):
            raise CheckpointError(truncated(file))
        raw = stream.read(length)
    table: dict[str, Any] = json.loads(raw)
    table.pop("__metadata__", None)
    start = 8 + length
    ends = [entry["data_offsets"][1] for entry in table.values()]
    if start + max(ends, default=0) > _size(file):
        raise CheckpointError(truncated(file))
    for name, entry in table.items():
        shape = tuple(int(size) for size in entry["shape"])
        begin, end = entry["data_offsets"]
        if entry["dtype"] not in DTYPES:
            raise CheckpointError(f"{file}: {name} has the unknown precision {entry['dtype']}.")
        tensor = StoredTensor(
            file, DTYPES[entry["dtype"]], shape, contiguous_stride(shape), start + begin
        )
        if begin < 0 or end - begin != size_in_bytes(tensor):
            raise CheckpointError(f"{file} is damaged: {name} does not fill its place.")
        yield name, tensor


def _open_zip(file: Path) -> Iterator[tuple[str, StoredTensor]]:
    content = _named_tensors(torch.load(file, map_location="meta", weights_only=True), file)
    with zipfile.ZipFile(file) as archive:
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
            raise CheckpointError(
                f"{file} has been compressed after it was written. Take the original file."
            )
        order = [name for name in archive.namelist() if name.endswith("/byteorder")]
        if order and archive.read(order[0]) != b"little":
            raise CheckpointError(f"{file} was written on a big-endian machine; convert it there.")
    for name, tensor in content.items():
        place: Any = tensor.untyped_storage()
        yield (
            name,
            StoredTensor(
                file,
                tensor.dtype,
                tuple(tensor.shape),
                _plain_stride(tensor),
                place._checkpoint_offset + tensor.storage_offset() * tensor.dtype.itemsize,
            ),
        )


def _plain_stride(tensor: Tensor) -> tuple[int, ...]:
    """A tensor's strides; where several would do, the contiguous ones."""
    shape = tuple(tensor.shape)
    return contiguous_stride(shape) if tensor.is_contiguous() else tuple(tensor.stride())


def _named_tensors(content: Any, file: Path) -> dict[str, Tensor]:
    if isinstance(content, dict) and all(
        isinstance(name, str) and isinstance(tensor, Tensor) and tensor.layout == torch.strided
        for name, tensor in content.items()
    ):
        return content
    raise CheckpointError(f"{file} ({_size(file)} bytes) holds something other than weights.")


def _size(file: Path) -> int:
    return file.stat().st_size
