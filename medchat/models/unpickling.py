"""The table of contents of a ``.bin`` weight file: a zip with a pickle that describes tensors.

The pickle is read without torch and without running anything of it: the only names it may use are
those that torch writes for tensors, and what they stand for here is plain data. Anything else in it
is refused. The format: ``torch.save`` since 1.6, `data.pkl` beside one stored entry per storage.
"""

import pickle
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from medchat.errors import CheckpointError

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
    *(pickle.BINUNICODE, pickle.SHORT_BINUNICODE, pickle.NONE, pickle.NEWTRUE, pickle.NEWFALSE),
    *(pickle.BININT, pickle.BININT1, pickle.BININT2, pickle.LONG1, pickle.BINFLOAT),
    *(pickle.BINPUT, pickle.LONG_BINPUT, pickle.BINGET, pickle.LONG_BINGET, pickle.MEMOIZE),
)
"""Those of pickle's instructions that files of tensors are made of."""


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
        try:
            content = _TensorUnpickler(stream).load()
        except KeyError as error:
            raise pickle.UnpicklingError(f"instruction {error} describes no tensor") from error
    if isinstance(content, dict) and all(
        isinstance(name, str) and isinstance(tensor, PickledTensor)
        for name, tensor in content.items()
    ):
        return dict(content)
    raise CheckpointError(f"{file} holds something other than weights.")


def root(archive: zipfile.ZipFile) -> str:
    """What stands in front of the names of all entries, such as ``archive/``."""
    (pickled,) = (name for name in archive.namelist() if name.endswith("data.pkl"))
    return pickled.removesuffix("data.pkl")


def _no_build(unpickler: Any) -> None:
    """Drop a state instead of giving it to an object: only the metadata of a state_dict has one."""
    unpickler.stack.pop()


class _TensorUnpickler(pickle._Unpickler):
    """Knows seven kinds of names and few instructions; any other ends the reading at once.

    In Python rather than C: that one makes room for as many objects as a file says it has.
    """

    dispatch = {
        instruction[0]: pickle._Unpickler.dispatch[instruction[0]] for instruction in INSTRUCTIONS
    } | {pickle.BUILD[0]: _no_build}

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(stream, encoding="utf-8")

    def find_class(self, module: str, name: str) -> Any:
        match module, name:
            case "collections", "OrderedDict":
                return OrderedDict
            case "torch", _ if name in STORAGES:
                return STORAGES[name]
            case "torch._utils", "_rebuild_tensor_v2":
                return _tensor
            case "torch._utils", "_rebuild_parameter":
                return _parameter
        raise pickle.UnpicklingError(f"{module}.{name} is not the name of a tensor")

    def persistent_load(self, reference: Any) -> Storage:
        match reference:
            case ("storage", str(dtype), str(key), _, int(count)) if dtype in STORAGES.values():
                return Storage(dtype, key, count)
        raise pickle.UnpicklingError("a reference to something other than a storage")


def _tensor(
    storage: Storage, offset: int, shape: tuple[int, ...], stride: tuple[int, ...], *_: Any
) -> PickledTensor:
    numbers = [offset, *shape, *stride]
    whole = all(type(number) is int for number in numbers)
    if not isinstance(storage, Storage) or len(shape) != len(stride) or not whole:
        raise pickle.UnpicklingError("a tensor without a storage")
    return PickledTensor(storage, offset, tuple(shape), tuple(stride))


def _parameter(tensor: PickledTensor, *_: Any) -> PickledTensor:
    return tensor
