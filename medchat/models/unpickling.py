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
        content = _TensorUnpickler(stream).load()
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


class _TensorUnpickler(pickle.Unpickler):
    """Knows seven kinds of names; any other ends the reading before anything comes of it."""

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
        kind, dtype, key, _device, count = reference
        if kind != "storage" or dtype not in STORAGES.values():
            raise pickle.UnpicklingError("a reference to something other than a storage")
        return Storage(dtype, str(key), int(count))


def _tensor(
    storage: Storage, offset: int, shape: tuple[int, ...], stride: tuple[int, ...], *_: Any
) -> PickledTensor:
    if not isinstance(storage, Storage) or len(shape) != len(stride):
        raise pickle.UnpicklingError("a tensor without a storage")
    return PickledTensor(storage, int(offset), tuple(map(int, shape)), tuple(map(int, stride)))


def _parameter(tensor: PickledTensor, *_: Any) -> PickledTensor:
    return tensor
