"""The pickles in ``.bin`` files: only what describes tensors is ever looked at."""

import io
import pickle
import struct
import time
import tracemalloc
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch

from medchat.errors import CheckpointError
from medchat.models.weights import unpickling
from medchat.models.weights.reading import read_tensors
from medchat.models.weights.sources import open_weights


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


def described(offset: int, shape: Any, stride: Any, key: object = "0") -> bytes:
    """The pickle of one tensor, as it says of itself."""
    here = object()

    class Stored(pickle.Pickler):
        def persistent_id(self, thing: Any) -> Any:
            return ("storage", torch.FloatStorage, key, "cpu", 6) if thing is here else None

    stream = io.BytesIO()
    rebuilt = Calls(torch._utils._rebuild_tensor_v2, here, offset, shape, stride, False, None)
    Stored(stream, protocol=2).dump({"weight": rebuilt})
    return stream.getvalue()


@pytest.mark.parametrize(
    ("offset", "shape", "stride"),
    [(0, (3, 3), (3, 1)), (5, (2, 3), (3, 1)), (-1, (2, 3), (3, 1)), (0, (2, 3), (30, 1))],
)
def test_a_tensor_that_reaches_out_of_its_storage_is_damaged(
    file: Path, offset: int, shape: tuple[int, ...], stride: tuple[int, ...]
) -> None:
    rewritten(file, lambda _: described(offset, shape, stride))
    with pytest.raises(CheckpointError, match="does not fit its storage"):
        open_weights(file)


def pickle_of(*instructions: bytes) -> bytes:
    return b"\x80\x02" + b"".join(instructions) + b"."


@pytest.mark.parametrize(
    "content",
    [
        pickle_of(b"}", b"r\xff\xff\xff\x7f"),  # remembers something as number 2,147,483,647
        pickle_of(b"}", b"r\xff\xff\xff\x7f", b"}", b"b"),
    ],
)
def test_a_number_that_is_only_named_takes_no_memory(file: Path, content: bytes) -> None:
    tracemalloc.start()
    try:
        assert open_weights(rewritten(file, lambda _: content)) == {}
        assert tracemalloc.get_traced_memory()[1] < 10**7
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("shape", "stride"), [((10**6, 10**6), (0, 0)), ((7,), (0,)), ((-2, 3), (3, 1))]
)
def test_a_tensor_larger_than_its_storage_is_damaged(file: Path, shape, stride) -> None:
    with pytest.raises(CheckpointError, match="does not fit its storage"):
        open_weights(rewritten(file, lambda _: described(0, shape, stride)))


@pytest.mark.parametrize("key", [("0",), 0, ("0", ("0", "0"))])
def test_a_storage_is_named_by_a_text(file: Path, key: object) -> None:
    with pytest.raises(CheckpointError, match="something other than weights"):
        open_weights(rewritten(file, lambda _: described(0, (2, 3), (3, 1), key=key)))


@pytest.mark.parametrize("number", [1.0, True, "2", None, 2**200])
def test_a_shape_is_made_of_whole_numbers(file: Path, number: object) -> None:
    with pytest.raises(CheckpointError, match=str(file)):
        open_weights(rewritten(file, lambda _: described(0, (number, 3), (3, 1))))


def test_a_state_changes_nothing_but_is_dropped(file: Path) -> None:
    """BUILD could otherwise set attributes of what the reading itself is made of."""
    name = b"ctorch._utils\n_rebuild_tensor_v2\n"
    state = b"}X\x0c\x00\x00\x00__defaults__K\x01K\x02\x86s"
    before = unpickling._tensor.__defaults__
    with pytest.raises(CheckpointError, match="something other than weights"):
        open_weights(rewritten(file, lambda _: pickle_of(name, state, b"b")))
    assert unpickling._tensor.__defaults__ == before


@pytest.mark.parametrize(
    "instruction", [b"(cbuiltins\nprint\no", b"cbuiltins\nobject\n)\x81", b"P0\n"]
)
def test_instructions_that_no_tensor_needs_are_refused(file: Path, instruction: bytes) -> None:
    with pytest.raises(CheckpointError, match="something other than weights"):
        open_weights(rewritten(file, lambda _: pickle_of(instruction)))


# -- what would take long --

NESTED = b")q\x00" + b"h\x00\x86q\x00" * 100
"""A tuple of itself twice, a hundred times over: 2^100 parts, all of which a hash goes through."""
TENSOR = b"ctorch._utils\n_rebuild_tensor_v2\n"
TABLE = b"ccollections\nOrderedDict\n"
STORAGE = (
    b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x06tQ"
)
HOSTILE = {
    "key": b"}" + NESTED + b"Ns",
    "keys": b"}(" + NESTED + b"Nu",
    "key of a tuple": b"}" + NESTED + b"\x85Ns",
    "pairs of a table": TABLE + b"]" + NESTED + b"N\x86a\x85R",
    "key of a called table": TABLE + b")R" + NESTED + b"Ns",
    "name of a storage": b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\n" + NESTED + b"NK\x06tQ",
    "kind of a storage": b"(" + NESTED + b"q\x01h\x01h\x01h\x01h\x01tQ",
    "reference": NESTED + b"Q",
    "function": NESTED + b")R",
    "arguments": TENSOR + NESTED + b"R",
    "shape": TENSOR + b"(" + STORAGE + b"K\x00" + NESTED + b"q\x01h\x01tR",
    "content": NESTED,
    "value": b"}X\x01\x00\x00\x00a" + NESTED + b"s",
    "copies of a table": b"}q\x01("
    + b"".join(b"J" + struct.pack("<i", n) + b"N" for n in range(50_000))
    + b"u"
    + b"".join([TABLE + b"h\x01\x85R"] * 9_000),
    "copies of a shape": b"("
    + b"K\x01" * 100_000
    + b"tq\x01"
    + (TENSOR + b"(" + STORAGE + b"K\x00h\x01h\x01tR") * 5_000,
    "copies of arguments": b"(" + b"K\x01" * 100_000 + b"tq\x01" + (TENSOR + b"h\x01R") * 5_000,
    "instructions": b"}" * 5_000_000,
    "marks": b"(" * 5_000_000,
    "text that is said to be long": b"X\xff\xff\xff\xff",
    "long text": b"X" + struct.pack("<I", 40_000_000) + b"x" * 40_000_000,
    "name without end": b"c" + b"x" * 40_000_000,
    "names without end": b"c" + b"x" * 1_000_000 + b"\n" + b"y" * 1_000_000 + b"\n",
    "frame that is said to be long": b"\x95" + struct.pack("<Q", 2**62),
    "numbers of 255 bytes": b"}(" + (b"\x8a\xff" + b"\x7f" * 255 + b"N") * 50_000 + b"u",
    "lists in lists": b"]" * 200_000 + b"a" * 199_999,
    "tuples in tuples": b")" + b"\x85" * 400_000,
    "a list of itself": b"]q\x01h\x01a",
    "a table of itself": b"}q\x01X\x01\x00\x00\x00ah\x01s",
    "item far behind in a list": b"]J\xff\xff\xff\x7fNs",
    "tensor as a key": b"}" + TENSOR + b"(" + STORAGE + b"K\x00K\x01\x85K\x01\x85tRNs",
    "number that is none as a key": b"}G\x7f\xf8\x00\x00\x00\x00\x00\x00Ns",
    "keys without values": b"}(X\x01\x00\x00\x00au",
    "items of a table in a list": TABLE + b")R]a",
    "nothing on the stack": b"s",
}


def old_file_of(folder: Path, content: bytes) -> Path:
    """A file as torch wrote it before 1.6, with another pickle for its tensors."""
    path = folder / "old.bin"
    torch.save({}, path, _use_new_zipfile_serialization=False)
    whole = path.read_bytes()
    assert whole.count(pickle.dumps({}, protocol=2)) == 1
    path.write_bytes(whole.replace(pickle.dumps({}, protocol=2), pickle_of(content)))
    return path


@pytest.mark.parametrize("is_old", [False, True], ids=["zip", "old"])
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_pickle_made_to_take_long_is_refused_at_once(
    file: Path, tmp_path: Path, kind: str, is_old: bool
) -> None:
    content = HOSTILE[kind]
    path = (
        old_file_of(tmp_path, content) if is_old else rewritten(file, lambda _: pickle_of(content))
    )
    started = time.process_time()
    with pytest.raises(CheckpointError) as caught:
        open_weights(path)
    assert time.process_time() - started < 20  # Read to its end, these take minutes or the memory.
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 1_000


@pytest.mark.parametrize("parameter", [False, True])
def test_a_file_from_before_torch_1_6_is_read(tmp_path: Path, parameter: bool) -> None:
    path = tmp_path / "pytorch_model.bin"
    weight = torch.arange(6.0).view(2, 3)
    content = OrderedDict(
        weight=torch.nn.Parameter(weight) if parameter else weight, part=weight[1:]
    )
    content._metadata = OrderedDict({"": {"version": 1}})
    torch.save(content, path, _use_new_zipfile_serialization=False)
    found = read_tensors(path)
    assert torch.equal(found["weight"], weight)
    assert torch.equal(found["part"], weight[1:])
