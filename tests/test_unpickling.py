"""The pickles in ``.bin`` files: only what describes tensors is ever looked at."""

import io
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch

from medchat.errors import CheckpointError
from medchat.models.reading import read_tensors
from medchat.models.sources import open_weights


def rewritten(file: Path, change: Any) -> Path:
    """The same zip with another pickle; ``change`` maps the old one's bytes to the new."""
    with zipfile.ZipFile(file) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, content in entries.items():
            archive.writestr(name, change(content) if name.endswith("data.pkl") else content)
    return file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "pytorch_model.bin"
    torch.save({"weight": torch.arange(6.0).view(2, 3)}, path)
    return path


def test_a_state_dict_with_its_metadata_and_parameters_is_read(tmp_path: Path) -> None:
    layer = torch.nn.Linear(3, 2)
    content = OrderedDict(layer.state_dict(keep_vars=True))
    content._metadata = {"": {"version": 1}}
    torch.save(content, tmp_path / "pytorch_model.bin")
    found = read_tensors(tmp_path / "pytorch_model.bin")
    assert torch.equal(found["weight"], layer.weight)


@pytest.mark.parametrize(
    "dtype",
    [
        *(torch.float64, torch.float32, torch.float16, torch.bfloat16),
        *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool),
    ],
)
def test_every_precision_is_known(tmp_path: Path, dtype: torch.dtype) -> None:
    tensor = torch.tensor([[0, 1], [1, 0]]).to(dtype)
    torch.save({"weight": tensor}, tmp_path / "pytorch_model.bin")
    found = read_tensors(tmp_path / "pytorch_model.bin")["weight"]
    assert found.dtype == dtype
    assert torch.equal(found, tensor)


class Calls:
    """Calls a function when it is unpickled."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.function, self.arguments


@pytest.mark.parametrize(
    "content",
    [
        {"weight": Calls(print, "run")},
        {"weight": Calls(eval, "1/0")},
        {"weight": Calls(getattr, OrderedDict, "fromkeys")},
        {"weight": Calls(torch.load, "elsewhere.bin")},
        {"weight": Calls(torch._utils._rebuild_tensor, 1, 2, 3, 4)},
    ],
)
def test_any_other_name_ends_the_reading(file: Path, content: Any) -> None:
    rewritten(file, lambda _: pickle.dumps(content, protocol=2))
    with pytest.raises(CheckpointError, match="never run"):
        open_weights(file)


@pytest.mark.parametrize(
    "content",
    [
        {"weight": Calls(torch._utils._rebuild_tensor_v2, "storage", 0, (2,), (1,))},
        {"weight": OrderedDict()},
        {1: OrderedDict()},
        ["weight"],
        None,
    ],
)
def test_what_is_no_tensor_is_no_weight(file: Path, content: Any) -> None:
    rewritten(file, lambda _: pickle.dumps(content, protocol=2))
    with pytest.raises(CheckpointError, match=str(file)):
        open_weights(file)


@pytest.mark.parametrize("share", [0, 0.3, 0.9])
def test_a_pickle_that_is_cut_short_names_the_file(file: Path, share: float) -> None:
    rewritten(file, lambda content: content[: int(len(content) * share)])
    with pytest.raises(CheckpointError, match=str(file)):
        open_weights(file)


@pytest.mark.parametrize(
    ("offset", "shape", "stride"),
    [(0, (3, 3), (3, 1)), (5, (2, 3), (3, 1)), (-1, (2, 3), (3, 1)), (0, (2, 3), (30, 1))],
)
def test_a_tensor_that_reaches_out_of_its_storage_is_damaged(
    file: Path, offset: int, shape: tuple[int, ...], stride: tuple[int, ...]
) -> None:
    here = object()

    class Stored(pickle.Pickler):
        def persistent_id(self, thing: Any) -> Any:
            if thing is here:
                return ("storage", torch.FloatStorage, "0", "cpu", 6)
            return None

    stream = io.BytesIO()
    rebuilt = Calls(torch._utils._rebuild_tensor_v2, here, offset, shape, stride, False, None)
    Stored(stream, protocol=2).dump({"weight": rebuilt})
    rewritten(file, lambda _: stream.getvalue())
    with pytest.raises(CheckpointError, match="does not fit its storage"):
        open_weights(file)
