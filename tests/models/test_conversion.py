"""``medchat convert``: the same tensors to the byte, in files that hold no code."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from model_fixtures import (
    GOLDENS,
    NO_GOLDENS,
    TinyModels,
    change_json,
    copy,
    tiny_models,
    write_adapter,
    write_prefixed,
    write_quantised,
)
from safetensors.torch import load_file

from medchat.__main__ import main
from medchat.errors import BadInput, CheckpointError
from medchat.models import load
from medchat.models.weights import conversion
from medchat.models.weights.conversion import convert


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> TinyModels:
    return tiny_models(tmp_path_factory)


def stored(folder: Path) -> dict[str, torch.Tensor]:
    """Every tensor of a folder, as torch and safetensors themselves read it."""
    tensors: dict[str, torch.Tensor] = {}
    for file in sorted(folder.glob("*.bin")):
        tensors |= torch.load(file, weights_only=True)
    for file in sorted(folder.glob("*.safetensors")):
        tensors |= load_file(file)
    return tensors


def assert_same_bytes(one: Path, other: Path) -> None:
    before, after = stored(one), stored(other)
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        assert (tensor.dtype, tensor.shape) == (after[name].dtype, after[name].shape), name
        same = tensor.contiguous().view(-1).view(torch.uint8)
        assert torch.equal(same, after[name].view(-1).view(torch.uint8)), name


@pytest.mark.parametrize(
    "name",
    [
        "chatglm-v0",
        "chatglm-v1",
        "chatglm-v1-int4",
        "chatglm-v1-int8",
        "chatglm-v1-ptuning",
        "llama-huatuo/llama-7b-hf",
        "llama-huatuo/lora-llama-med",
    ],
)
@pytest.mark.skipif(not GOLDENS.is_dir(), reason=NO_GOLDENS)
def test_published_layouts_keep_every_byte_of_every_tensor(tmp_path: Path, name: str) -> None:
    convert(GOLDENS / name, tmp_path / "out")
    assert not list((tmp_path / "out").glob("*.bin"))
    assert_same_bytes(GOLDENS / name, tmp_path / "out")


def test_a_copy_answers_as_the_original_and_keeps_its_other_files(folders, tmp_path) -> None:
    convert(folders.wild, tmp_path / "out")
    for name in ("config.json", "tokenizer.model", "tokenizer_config.json"):
        assert (tmp_path / "out" / name).read_bytes() == (folders.wild / name).read_bytes()
    ids = torch.tensor([[1, 20, 30]])
    with torch.inference_mode():
        one, two = (
            load(f, device="cpu").model(input_ids=ids).logits
            for f in (folders.wild, tmp_path / "out")
        )
    assert torch.equal(one, two)


def test_shards_keep_their_index_with_its_other_entries(folders, tmp_path: Path) -> None:
    folder = copy(folders.wild, tmp_path / "model")
    change_json(folder / "pytorch_model.bin.index.json", metadata={"total_size": 77})
    convert(folder, tmp_path / "out")
    index = json.loads((tmp_path / "out" / "model.safetensors.index.json").read_text())
    assert index["metadata"] == {"total_size": 77}
    for name, file in index["weight_map"].items():
        assert name in load_file(tmp_path / "out" / file)
    assert not (tmp_path / "out" / "pytorch_model.bin.index.json").exists()


@pytest.mark.parametrize("kind", ["int4", "int8", "prefix", "adapter"])
def test_what_else_lies_in_bin_files_is_converted_and_still_loads(
    folders: TinyModels, tmp_path: Path, kind: str
) -> None:
    source, out = tmp_path / "source", tmp_path / "out"
    if kind == "adapter":
        convert(write_adapter(source, seed=2), out)
        load(folders.llama, adapter=out, device="cpu")
    elif kind == "prefix":
        write_prefixed(folders.chatglm, source, seed=1)
        convert(source, out)
        assert load(out, device="cpu").model.config.pre_seq_len == 6
    else:
        convert(write_quantised(folders.chatglm, source, bits=int(kind[-1])), out)
        load(out, device="cpu")
    assert_same_bytes(source, out)


def test_turned_and_shared_tensors_keep_their_values(tmp_path: Path) -> None:
    whole = torch.randn(6, 4, dtype=torch.float64)
    (tmp_path / "in").mkdir()
    torch.save(
        {"turned": whole.t(), "row": whole[2], "single": torch.tensor(3), "none": whole[:0]},
        tmp_path / "in" / "pytorch_model.bin",
    )
    convert(tmp_path / "in", tmp_path / "out")
    assert_same_bytes(tmp_path / "in", tmp_path / "out")


def test_a_file_from_before_torch_1_6_is_converted(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    file = tmp_path / "in" / "pytorch_model.bin"
    torch.save({"a": torch.randn(9).half()}, file, _use_new_zipfile_serialization=False)
    convert(tmp_path / "in", tmp_path / "out")
    assert_same_bytes(tmp_path / "in", tmp_path / "out")


def test_progress_adds_up_to_the_bytes_of_the_weights(folders, tmp_path: Path) -> None:
    written: list[int] = []
    convert(folders.wild, tmp_path / "out", written.append)
    assert sum(written) == sum(t.numel() * t.element_size() for t in stored(folders.wild).values())


# -- the command --


def test_the_command_draws_a_bar_and_says_where_the_copy_is(folders, tmp_path, capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["convert", str(folders.wild), str(tmp_path / "out")])
    told = capsys.readouterr().err
    assert ended.value.code == 0
    assert "100%" in told or "Converting" in told
    assert f"{tmp_path / 'out'} holds the weights of 2 files" in told


# -- what is refused --


def refused(folder: Path, output: Path) -> str:
    with pytest.raises((BadInput, CheckpointError)) as caught:
        convert(folder, output)
    assert not output.with_name(f"{output.name}.partial").exists()
    return str(caught.value)


def test_nothing_is_overwritten(folders: TinyModels, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("kept")
    assert "exists already" in refused(folders.wild, tmp_path / "out")
    assert (tmp_path / "out" / "mine.txt").read_text() == "kept"


def test_a_copy_inside_its_own_original_is_refused(folders: TinyModels, tmp_path: Path) -> None:
    folder = copy(folders.wild, tmp_path / "model")
    assert "lies inside" in refused(folder, folder / "out")


def test_a_folder_with_nothing_to_convert_is_told_why(folders: TinyModels, tmp_path: Path) -> None:
    assert "only safetensors" in refused(folders.llama, tmp_path / "out")
    (tmp_path / "empty").mkdir()
    assert "no .bin weights" in refused(tmp_path / "empty", tmp_path / "out")
    assert "There is no folder" in refused(tmp_path / "nowhere", tmp_path / "out")


def test_a_missing_shard_is_named_before_anything_is_written(folders, tmp_path: Path) -> None:
    folder = copy(folders.wild, tmp_path / "model")
    (folder / "pytorch_model-00001-of-00002.bin").unlink()
    assert "pytorch_model-00001-of-00002.bin" in refused(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_disk_that_is_too_small_is_told_before_anything_is_written(
    folders: TinyModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=10)
    monkeypatch.setattr(conversion.shutil, "disk_usage", lambda _: usage)
    assert "has 0.0 GB free" in refused(folders.wild, tmp_path / "out")


def test_a_failure_half_way_leaves_nothing_behind(folders, tmp_path: Path) -> None:
    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(BadInput, match="No space left on device"):
        convert(folders.wild, tmp_path / "out", fail)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small file system")
def test_a_hole_in_the_original_leaves_nothing_behind(folders, tmp_path: Path) -> None:
    """A copy would have lost the checksum that tells."""
    folder = copy(folders.wild, tmp_path / "model")
    file = sorted(folder.glob("*.bin"))[0]
    whole = bytearray(file.read_bytes())
    whole[len(whole) // 2 : len(whole) // 2 + 64] = bytes(64)
    file.write_bytes(whole)
    with pytest.raises(CheckpointError, match="is damaged: the checksum"):
        convert(folder, tmp_path / "copy")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_disk_that_fills_up_leaves_nothing_behind(folders, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=160k", "none", small], check=False
    )
    if mounted.returncode:
        pytest.skip("this machine lets nobody mount a file system")
    try:
        monkey = pytest.MonkeyPatch()
        monkey.setattr(conversion, "_check_room", lambda *_: None)
        with pytest.raises(BadInput, match="No space left"):
            convert(folders.wild, small / "out")
        monkey.undo()
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", small], check=True)


def test_the_command_refuses_in_a_sentence(folders: TinyModels, tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "medchat", "convert", folders.llama, tmp_path / "out"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "only safetensors: there is nothing to convert" in result.stderr
    assert "Traceback" not in result.stderr
