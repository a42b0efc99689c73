"""Weight files: every layout of a tensor in them, read in parts, and what is wrong with a file."""

import json
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from medchat.errors import CheckpointError
from medchat.models.weights import reading
from medchat.models.weights.reading import DTYPES, read, read_tensors
from medchat.models.weights.sources import StoredTensor, is_zero, open_weights

PRECISIONS = [torch.float32, torch.float16, torch.bfloat16]


def values(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape))).to(dtype)


@pytest.fixture(params=["zip", "before torch 1.6", "safetensors"])
def save(request, tmp_path: Path):
    """Writes tensors into a file of the kind; returns it."""

    def write(tensors: dict[str, torch.Tensor]) -> Path:
        if request.param == "safetensors":
            file = tmp_path / "model.safetensors"
            save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, file)
        else:
            file = tmp_path / "pytorch_model.bin"
            torch.save(tensors, file, _use_new_zipfile_serialization=request.param == "zip")
        return file

    return write


@pytest.mark.parametrize("stored", PRECISIONS)
@pytest.mark.parametrize("wanted", PRECISIONS)
def test_a_tensor_comes_in_any_precision_as_torch_converts_it(save, stored, wanted) -> None:
    tensor = values(7, 33, dtype=stored)
    source = open_weights(save({"a": values(3), "weight": tensor}))["weight"]
    assert (DTYPES[source.dtype], source.shape) == (stored, (7, 33))
    assert torch.equal(read(source, wanted), tensor.to(wanted))


def test_a_tensor_longer_than_a_chunk_is_whole(save, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "CHUNK", 64)
    tensor = values(5, 77, dtype=torch.float16)
    file = save({"weight": tensor, "next": values(9)})
    for precision in PRECISIONS:
        assert torch.equal(read(open_weights(file)["weight"], precision), tensor.to(precision))


def test_integers_empty_tensors_and_single_numbers_come_through(save) -> None:
    tensors = {
        "packed": torch.arange(-128, 128, dtype=torch.int8).view(16, 16),
        "empty": torch.zeros(0, 4),
        "single": torch.tensor(2.5),
    }
    found = read_tensors(save(tensors))
    for name, tensor in tensors.items():
        assert torch.equal(found[name], tensor), name


@pytest.mark.parametrize("new", [True, False])
def test_views_of_one_storage_and_turned_tensors_keep_their_values(tmp_path: Path, new) -> None:
    whole = values(10, 12)
    tensors = {"turned": whole.t(), "part": whole[2:5], "column": whole[:, 3], "step": whole[::3]}
    file = tmp_path / "pytorch_model.bin"
    torch.save(tensors, file, _use_new_zipfile_serialization=new)
    found = read_tensors(file)
    for name, tensor in tensors.items():
        assert torch.equal(found[name], tensor), name


def test_nothing_is_read_before_it_is_asked_for(tmp_path: Path) -> None:
    """The table of contents of a file of 20 GB, none of which is there."""
    shape = [10**5, 10**5]
    table = {"weight": {"dtype": "F16", "shape": shape, "data_offsets": [0, 2 * 10**10]}}
    header = json.dumps(table).encode()
    file = tmp_path / "model.safetensors"
    with file.open("wb") as stream:
        stream.write(len(header).to_bytes(8, "little") + header)
        stream.truncate(8 + len(header) + 2 * 10**10)
    assert open_weights(file)["weight"].shape == tuple(shape)


# -- what is refused --


def complaint(file: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        read_tensors(file)
    assert str(file) in str(caught.value)
    return str(caught.value)


def write_safetensors(file: Path, table: object, content: bytes = b"") -> Path:
    header = json.dumps(table).encode()
    file.write_bytes(len(header).to_bytes(8, "little") + header + content)
    return file


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"dtype": "F32", "shape": [4], "data_offsets": [0, 8]}, "does not fill its place"),
        ({"dtype": "F32", "shape": [4], "data_offsets": [-8, 8]}, "does not fill its place"),
        ({"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}, "ends too early"),
        ({"dtype": "F4", "shape": [4], "data_offsets": [0, 8]}, "unknown precision F4"),
        ({"dtype": "F32", "shape": [4], "data_offsets": [8, 0]}, "does not fill its place"),
        ({"dtype": "F32", "shape": [-2], "data_offsets": [8, 0]}, "not made of sizes"),
        ({"dtype": "F32", "shape": [-2, -1], "data_offsets": [0, 8]}, "not made of sizes"),
        ({"dtype": "F32", "shape": [-1, 0], "data_offsets": [0, 0]}, "not made of sizes"),
        ({"dtype": "F32", "shape": [2.0], "data_offsets": [0, 8]}, "not made of sizes"),
        ({"dtype": "F32", "shape": ["2"], "data_offsets": [0, 8]}, "not made of sizes"),
        ({"dtype": "F32", "shape": [True, 2], "data_offsets": [0, 8]}, "not made of sizes"),
        ({"dtype": "F32", "shape": [None], "data_offsets": [0, 8]}, "not made of sizes"),
        ({"dtype": "F32", "shape": [2**63], "data_offsets": [0, 8]}, "not made of sizes"),
        ({"dtype": "F32", "shape": [1] * 65, "data_offsets": [0, 4]}, "not made of sizes"),
        (
            {"dtype": "F32", "shape": [2**62] * 60, "data_offsets": [0, 8]},
            "does not fill its place",
        ),
        ({"dtype": "F32", "shape": [2], "data_offsets": [0.0, 8]}, "does not fill its place"),
        ({"dtype": "F32", "shape": [2], "data_offsets": [False, 8]}, "does not fill its place"),
        ({"dtype": "F32", "shape": [2], "data_offsets": [2**62, 2**62 + 8]}, "ends too early"),
        ({"dtype": "F32", "shape": [2], "data_offsets": [0, 4, 8]}, "does not say where"),
        ({"dtype": "F32", "shape": 2, "data_offsets": [0, 8]}, "does not say where"),
        ({"dtype": "F32", "shape": {"0": 2}, "data_offsets": [0, 8]}, "does not say where"),
        ({"dtype": ["F32"], "shape": [2], "data_offsets": [0, 8]}, "does not say where"),
        ({"dtype": "F32", "shape": [2]}, "does not say where"),
        ("text", "does not say where"),
        (None, "does not say where"),
    ],
)
def test_a_table_of_contents_that_lies_is_refused(tmp_path: Path, entry, told) -> None:
    file = write_safetensors(tmp_path / "model.safetensors", {"weight": entry}, b"\0" * 8)
    assert told in complaint(file)


@pytest.mark.parametrize("second", [(0, 8), (4, 12), (0, 16)])
def test_tensors_that_lie_in_one_place_are_refused(tmp_path: Path, second) -> None:
    begin, end = second
    table = {
        "one": {"dtype": "U8", "shape": [8], "data_offsets": [0, 8]},
        "none": {"dtype": "U8", "shape": [0], "data_offsets": [4, 4]},
        "two": {"dtype": "U8", "shape": [end - begin], "data_offsets": [begin, end]},
    }
    file = write_safetensors(tmp_path / "model.safetensors", table, b"\0" * 16)
    assert "'one' and 'two' lie in one place" in complaint(file)


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (b"[]", "no table of tensors"),
        (b"3", "no table of tensors"),
        (b'{"a": {}, "a": {}}', "stands in its header twice"),
        (b'{"a": {"dtype": "U8", "dtype": "F32"}}', "stands in its header twice"),
        (b"", "cannot be read as weights"),
        (b"{", "cannot be read as weights"),
        (b"[" * 100_000, "cannot be read as weights"),
        (b'{"a": ' + b"9" * 5_000 + b"}", "cannot be read as weights"),
        (b"\xff\xfe", "cannot be read as weights"),
        (b'{"' + b"a" * 10**6 + b'": 1}', "does not say where"),
    ],
)
def test_a_header_that_is_no_table_is_refused_in_a_short_sentence(tmp_path, header, told) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(len(header).to_bytes(8, "little") + header)
    assert told in complaint(file)
    assert len(complaint(file)) < 1_000


def test_a_header_longer_than_the_file_is_an_incomplete_download(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes((2**40).to_bytes(8, "little") + b"{}")
    assert "ends too early" in complaint(file)


def test_a_zip_that_was_compressed_later_is_refused(tmp_path: Path) -> None:
    original, packed = tmp_path / "pytorch_model.bin", tmp_path / "packed.bin"
    torch.save({"weight": torch.zeros(999)}, original)
    with (
        zipfile.ZipFile(original) as source,
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for name in source.namelist():
            target.writestr(name, source.read(name))
    assert "compressed" in complaint(packed)


@pytest.mark.parametrize("content", [[torch.ones(2)], {"a": 1}, {3: torch.ones(2)}, "text"])
def test_a_file_of_anything_but_named_tensors_is_refused(tmp_path: Path, content) -> None:
    file = tmp_path / "pytorch_model.bin"
    torch.save(content, file)
    assert "something other than weights" in complaint(file)


def test_a_sparse_tensor_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "pytorch_model.bin"
    torch.save({"weight": torch.eye(3).to_sparse()}, file)
    assert "something other than weights" in complaint(file)


# -- checksums and zeros --


def hole_in(file: Path, storage: str) -> None:
    """Blanks a storage's bytes, as a download that left them out does; the size stays the same."""
    with zipfile.ZipFile(file) as archive:
        content = archive.read(storage)
    whole = file.read_bytes()
    assert whole.count(content) == 1
    file.write_bytes(whole.replace(content, bytes(len(content))))


@pytest.mark.parametrize("turned", [False, True])
def test_a_hole_in_a_bin_file_is_found_when_it_is_read(tmp_path: Path, turned: bool) -> None:
    """A .safetensors holds no checksum, a .bin has one for every tensor."""
    file = tmp_path / "pytorch_model.bin"
    weight = values(64, 8)
    torch.save({"first": values(9), "weight": weight.T if turned else weight}, file)
    hole_in(file, "pytorch_model/data/1")
    sources = open_weights(file)
    assert torch.equal(read(sources["first"]), values(9))
    with pytest.raises(CheckpointError, match="is damaged: the checksum"):
        read(sources["weight"])


def test_a_bin_file_without_checksums_is_read(tmp_path: Path) -> None:
    file = tmp_path / "pytorch_model.bin"
    try:
        torch.serialization.set_crc32_options(False)
        torch.save({"weight": values(64, 8)}, file)
    finally:
        torch.serialization.set_crc32_options(True)
    assert torch.equal(read(open_weights(file)["weight"]), values(64, 8))


@pytest.mark.parametrize("dtype", [torch.float64, *PRECISIONS, torch.int8])
def test_zeros_of_either_sign_are_zero_and_the_smallest_number_is_not(save, dtype) -> None:
    tensors = {"zero": torch.zeros(5, dtype=dtype), "other": torch.zeros(5, dtype=dtype)}
    tensors["other"].view(torch.uint8)[0] = 1
    if dtype.is_floating_point:
        tensors["negative"] = -tensors["zero"]
    stored = {k: s for k, s in open_weights(save(tensors)).items() if isinstance(s, StoredTensor)}
    assert {k: is_zero(s) for k, s in stored.items()} == {k: k != "other" for k in stored}
