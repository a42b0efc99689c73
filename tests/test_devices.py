"""Where a model is put: one device or several, and what a machine is told that lacks one."""

from types import SimpleNamespace

import pytest
import torch
from model_fixtures import TinyModels, tiny_models

from medchat.errors import CheckpointError
from medchat.models import devices, load
from medchat.models.assembly import empty_network, fill
from medchat.models.checkpoint import Checkpoint, read_checkpoint
from medchat.models.devices import check_quantisable, place_for, spread


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> TinyModels:
    return tiny_models(tmp_path_factory)


def weights_in_bytes(checkpoint: Checkpoint) -> int:
    return 4 * checkpoint.parameters


@pytest.mark.parametrize("dtype", ["int8", "int4"])
def test_8_and_4_bits_without_a_gpu_are_refused_in_a_sentence(folders, dtype: str) -> None:
    with pytest.raises(CheckpointError, match=rf"dtype {dtype} needs a CUDA GPU.*cpu"):
        load(folders.llama, device="cpu", dtype=dtype)


def test_8_bits_without_bitsandbytes_say_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(CheckpointError, match="pip install bitsandbytes"):
        check_quantisable("int8", torch.device("cuda"))


@pytest.mark.parametrize("kind", ["llama", "chatglm", "bloom", "prefixed"])
def test_a_network_that_is_spread_keeps_its_layers_whole_and_its_answers(folders, kind) -> None:
    """Over two places with half the room each; both are this machine's memory, under two names."""
    folder = getattr(folders, kind)
    checkpoint = read_checkpoint(folder)
    network = empty_network(checkpoint)
    layers = ".h." if kind == "bloom" else ".layers."
    room = {0: weights_in_bytes(checkpoint) * 3 // 4, "cpu": weights_in_bytes(checkpoint)}
    places = spread(network, torch.float32, room)
    assert isinstance(places, dict)
    assert {place.type for place in places.values()} == {"cuda", "cpu"}
    cut = [name for name in places if layers in name and not name.split(".")[-1].isdigit()]
    assert not cut
    here = {name: torch.device("cpu") for name in places}
    fill(network, checkpoint, dtype=torch.float32, place=here)
    wanted = load(folder, device="cpu", dtype="float32")
    ids = torch.tensor([wanted.tokenizer("我感冒了")["input_ids"]])
    with torch.inference_mode():
        assert torch.equal(network(input_ids=ids).logits, wanted.model(input_ids=ids).logits)


def test_too_little_room_on_all_devices_is_a_sentence_with_the_size(folders: TinyModels) -> None:
    network = empty_network(read_checkpoint(folders.llama))
    with pytest.raises(CheckpointError, match=r"need 0\.0 GB in float32, more than"):
        spread(network, torch.float32, {0: 1000, "cpu": 1000})


def cuda(monkeypatch: pytest.MonkeyPatch, *free: int) -> None:
    """A machine with GPUs that have so much free."""
    count = len(free)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda number=0: (free[number], free[number]))
    room = dict(enumerate(free))
    monkeypatch.setattr(devices, "get_balanced_memory", lambda *_, **__: room)


def test_one_gpu_that_is_large_enough_gets_all(folders, monkeypatch) -> None:
    network = empty_network(read_checkpoint(folders.llama))
    cuda(monkeypatch, 10**9, 10**9)
    place = place_for(network, "auto", torch.device("cuda"), torch.float16)
    assert place == torch.device("cuda", 0)


def test_several_gpus_share_what_is_too_large_for_one(folders, monkeypatch) -> None:
    checkpoint = read_checkpoint(folders.llama)
    network = empty_network(checkpoint)
    half = checkpoint.parameters * 2 * 3 // 4
    cuda(monkeypatch, half, half)
    places = place_for(network, "auto", torch.device("cuda"), torch.float16)
    assert isinstance(places, dict)
    assert {place.index for place in places.values()} == {0, 1}


def test_a_device_that_was_named_is_taken(folders, monkeypatch) -> None:
    network = empty_network(read_checkpoint(folders.llama))
    cuda(monkeypatch, 10, 10)
    named = torch.device("cuda", 1)
    assert place_for(network, "cuda:1", named, torch.float16) == named


def test_without_several_gpus_there_is_nothing_to_share(folders, monkeypatch) -> None:
    network = empty_network(read_checkpoint(folders.llama))
    monkeypatch.setattr(devices.torch, "cuda", SimpleNamespace(device_count=lambda: 1))
    for chosen in (torch.device("cpu"), torch.device("cuda")):
        assert place_for(network, "auto", chosen, torch.float16) == chosen
