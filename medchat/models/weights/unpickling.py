"""The table of contents of a ``.bin`` weight file: a zip with a pickle that describes tensors.

The pickle is read without torch and without running anything of it: the only names it may use are
those that torch writes for tensors, and what they stand for here is plain data. Anything else in it
is refused, and so is what would take long: a pickle of a few hundred bytes can describe a key of
2^100 parts. The format: ``torch.save`` since 1.6, `data.pkl` beside one stored entry per storage;
before, five pickles in a row, which ``torch.load`` reads once they have been checked here.
"""

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from medchat.errors import CheckpointError

# Kept instead of torch.load(weights_only=True): over a file of 1,102 bytes with a key of 2^40 parts
# torch 2.13 was still busy after a minute; here it is refused in 0.15 seconds.

STORAGES = {
    "DoubleStorage": "F64",
    "FloatStorage": "F32",
    "HalfStorage": "F16",
    "BFloat16Storage": "BF16",
    "LongStorage": "I64",
    "IntStorage": "I32",
    "ShortStorage": "I16",
    "CharStorage": "I8",
    "ByteStorage": "U8",
    "BoolStorage": "BOOL",
}
"""torch's storage classes by safetensors' names of their precisions."""

INSTRUCTIONS = (
    *(pickle.PROTO, pickle.FRAME, pickle.STOP, pickle.MARK),
    *(pickle.EMPTY_DICT, pickle.SETITEM, pickle.SETITEMS),
    *(pickle.EMPTY_LIST, pickle.APPEND, pickle.APPENDS),
    *(pickle.EMPTY_TUPLE, pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3),
    *(pickle.GLOBAL, pickle.STACK_GLOBAL, pickle.REDUCE, pickle.BINPERSID),
    *(pickle.BINUNICODE, pickle.SHORT_BINUNICODE, pickle.SHORT_BINSTRING),
    *(pickle.NONE, pickle.NEWTRUE, pickle.NEWFALSE),
    *(pickle.BININT, pickle.BININT1, pickle.BININT2, pickle.LONG1, pickle.BINFLOAT),
    *(pickle.BINPUT, pickle.LONG_BINPUT, pickle.BINGET, pickle.LONG_BINGET, pickle.MEMOIZE),
)
"""The instructions of pickle that files of tensors consist of."""
MAX_INSTRUCTIONS = 300_000
"""All pickles of a file together may have so many. A tensor takes about forty."""
MAX_BYTES = 2**25
"""All pickles of a file together may take so many. A tensor takes about 150."""
MAX_ARGUMENTS = 16
MAX_DIMENSIONS = 64
"""torch has the same limit."""


@dataclass(frozen=True)
class Storage:
    """A stored run of numbers: its precision, its entry in the zip and how many there are."""

    dtype: str
    key: str
    count: int


@dataclass(frozen=True)
class PickledTensor:
    """A tensor as the pickle describes it; offset and strides in elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


def pickled_tensors(archive: zipfile.ZipFile, file: Path) -> dict[str, PickledTensor]:
    """Every tensor by name. Raises CheckpointError for a pickle that holds anything else."""
    with archive.open(f"{root(archive)}data.pkl") as stream:
        # All at once: the reading asks for a byte at a time, for which a zip is slow.
        content = _TensorUnpickler(_Bounded(BytesIO(stream.read(MAX_BYTES)))).load()
    if isinstance(content, dict) and all(
        isinstance(name, str) and isinstance(tensor, PickledTensor)
        for name, tensor in content.items()
    ):
        return dict(content)
    raise CheckpointError("other_than_weights", file=file)


def root(archive: zipfile.ZipFile) -> str:
    """What stands in front of the names of all entries, such as ``archive/``."""
    (pickled,) = (name for name in archive.namelist() if name.endswith("data.pkl"))
    return pickled.removesuffix("data.pkl")


def check_old_pickles(file: Path) -> None:
    """Raises UnpicklingError unless the five pickles of an old file hold nothing but tensors.

    They are a magic number, a version, the machine, the tensors and the keys of their storages.
    """
    with file.open("rb") as opened:
        bounded = _Bounded(opened)
        for _ in range(5):
            _OldTensorUnpickler(bounded).load()


class _Bounded:
    """A stream of pickles, of which only so many instructions and bytes are read."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._bytes = MAX_BYTES
        self._instructions = MAX_INSTRUCTIONS

    def read(self, size: int) -> bytes:
        if size > self._bytes:
            raise pickle.UnpicklingError("longer than any table of tensors")
        return self._use(self._stream.read(size))

    def readline(self) -> bytes:
        return self._use(self._stream.readline(self._bytes))

    def _use(self, content: bytes) -> bytes:
        self._bytes -= len(content)
        return content

    def use_instruction(self) -> None:
        self._instructions -= 1
        if self._instructions < 0:
            raise pickle.UnpicklingError("more instructions than any table of tensors")


class _Dispatch(dict[int, Callable[[Any], None]]):
    """Pickle's instructions by their codes; every look-up counts as one that is carried out."""

    def __init__(self, instructions: dict[int, Callable[[Any], None]], stream: _Bounded) -> None:
        super().__init__(instructions)
        self._stream = stream

    def __getitem__(self, instruction: int) -> Callable[[Any], None]:
        self._stream.use_instruction()
        if instruction not in self:
            raise pickle.UnpicklingError(f"instruction {instruction} describes no tensor")
        return super().__getitem__(instruction)


# -- instructions that do less than pickle's --


def _drop_state(unpickler: Any) -> None:
    """Drop a state instead of giving it to an object: only the metadata of a state_dict has one."""
    unpickler.stack.pop()


def _set_item(unpickler: Any) -> None:
    value = unpickler.stack.pop()
    _fill(unpickler.stack[-2], [unpickler.stack.pop(), value])


def _set_items(unpickler: Any) -> None:
    items = unpickler.pop_mark()
    _fill(unpickler.stack[-1], items)


def _fill(table: Any, items: list[Any]) -> None:
    """Any other key, such as a tuple of tuples, might take for ever to hash."""
    if not isinstance(table, dict):
        raise pickle.UnpicklingError("items of something that is no table")
    for key, value in zip(items[::2], items[1::2], strict=True):
        if type(key) not in (str, int):
            raise pickle.UnpicklingError("a key that is neither a text nor a number")
        table[key] = value


def _extend(unpickler: Any) -> None:
    _add(unpickler, unpickler.pop_mark())


def _append(unpickler: Any) -> None:
    _add(unpickler, [unpickler.stack.pop()])


def _add(unpickler: Any, items: Iterable[Any]) -> None:
    if type(unpickler.stack[-1]) is not list:
        raise pickle.UnpicklingError("items of something that is no list")
    unpickler.stack[-1].extend(items)


def _call(unpickler: Any) -> None:
    arguments = unpickler.stack.pop()
    function = unpickler.stack[-1]
    if type(arguments) is not tuple or len(arguments) > MAX_ARGUMENTS:
        raise pickle.UnpicklingError("arguments that no tensor has")
    if function not in _FUNCTIONS:
        raise pickle.UnpicklingError("a call of something that is no function")
    unpickler.stack[-1] = function(*arguments)


class _TensorUnpickler(pickle._Unpickler):
    """Knows seven kinds of names and few instructions; any other ends the reading at once.

    In Python rather than C: that one makes room for as many objects as a file says it has.
    """

    instructions = {
        instruction[0]: pickle._Unpickler.dispatch[instruction[0]] for instruction in INSTRUCTIONS
    } | {
        pickle.BUILD[0]: _drop_state,
        pickle.SETITEM[0]: _set_item,
        pickle.SETITEMS[0]: _set_items,
        pickle.APPEND[0]: _append,
        pickle.APPENDS[0]: _extend,
        pickle.REDUCE[0]: _call,
    }

    def __init__(self, stream: _Bounded) -> None:
        super().__init__(stream, encoding="utf-8")
        self.dispatch = _Dispatch(self.instructions, stream)  # type: ignore[misc]  # counts for one file

    def find_class(self, module: str, name: str) -> Any:
        match module, name:
            case "collections", "OrderedDict":
                return _empty_table
            case "torch", _ if name in STORAGES:
                return STORAGES[name]
            case "torch._utils", "_rebuild_tensor_v2":
                return _tensor
            case "torch._utils", "_rebuild_parameter":
                return _parameter
        raise pickle.UnpicklingError("a name that is not one of a tensor")

    def persistent_load(self, reference: Any) -> Storage:
        match reference:
            case ("storage", str(dtype), str(key), _, int(count)) if dtype in STORAGES.values():
                return Storage(dtype, key, count)
        raise pickle.UnpicklingError("a reference to something other than a storage")


class _OldTensorUnpickler(_TensorUnpickler):
    """For files from before 1.6, whose references also name a part of a storage."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("torch._utils", "_rebuild_tensor"):
            return _tensor
        return super().find_class(module, name)

    def persistent_load(self, reference: Any) -> Storage:
        match reference:
            case ("storage", _, _, _, _, None | (str(), int(), int())):
                return super().persistent_load(reference[:5])
        raise pickle.UnpicklingError("a reference to something other than a storage")


def _empty_table() -> OrderedDict[Any, Any]:
    return OrderedDict()


def _tensor(
    storage: Storage, offset: int, shape: tuple[int, ...], stride: tuple[int, ...], *_: Any
) -> PickledTensor:
    sizes = (shape, stride)
    if any(type(axes) is not tuple or len(axes) > MAX_DIMENSIONS for axes in sizes):
        raise pickle.UnpicklingError("a tensor without a shape")
    whole = all(type(number) is int for number in (offset, *shape, *stride))
    if not isinstance(storage, Storage) or len(shape) != len(stride) or not whole:
        raise pickle.UnpicklingError("a tensor without a storage")
    return PickledTensor(storage, offset, shape, stride)


def _parameter(tensor: PickledTensor, *_: Any) -> PickledTensor:
    return tensor


_FUNCTIONS = (_empty_table, _tensor, _parameter)
