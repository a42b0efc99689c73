"""Where a model is put: one device or several, and what a machine is told that lacks one."""

from pathlib import Path
from types import SimpleNamespace

import accelerate
import pytest
import torch
from accelerate import dispatch_model
from model_fixtures import TinyModels, tiny_models
from transformers import PreTrainedModel

from medchat.errors import CheckpointError
from medchat.models import LoadedBase, ModelSpec, assembly, devices, load, load_base
from medchat.models.assembly import fill
from medchat.models.checkpoint import Checkpoint
from medchat.models.devices import check_quantisable, place_for, spread
from medchat.models.families import find_family
from medchat.models.recognition import read_checkpoint
from medchat.models.templates import find_template


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> TinyModels:
    return tiny_models(tmp_path_factory)


def weights_in_bytes(checkpoint: Checkpoint) -> int:
    return 4 * checkpoint.parameters


def empty_network(checkpoint: Checkpoint) -> PreTrainedModel:
    return find_family(checkpoint.family).empty_network(checkpoint)


def spec_of(folder: Path, family: str) -> ModelSpec:
    return ModelSpec("base", "Base", family, find_template("plain"), base=folder)


@pytest.mark.parametrize("dtype", ["int8", "int4"])
def test_8_and_4_bits_without_a_gpu_are_refused_in_a_sentence(folders, dtype: str) -> None:
    with pytest.raises(CheckpointError, match=rf"dtype {dtype} needs a CUDA GPU.*cpu"):
        load(folders.llama, device="cpu", dtype=dtype)


def test_8_bits_without_bitsandbytes_say_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(CheckpointError, match="pip install bitsandbytes"):
        check_quantisable("int8", torch.device("cuda"))


@pytest.fixture
def two_places(monkeypatch: pytest.MonkeyPatch) -> None:
    """GPUs 0 and 1 are this machine's memory, under two names that accelerate tells apart."""
    names = {0: "cpu", 1: "cpu:0"}

    def dispatch(network, place, main_device, **options):
        here = {module: torch.device(names[number]) for module, number in place.items()}
        return dispatch_model(network, here, main_device=names[main_device], **options)

    monkeypatch.setattr(assembly, "gpu", lambda number: torch.device(names[number]))
    monkeypatch.setattr(assembly, "dispatch_model", dispatch)
    monkeypatch.setattr(accelerate.utils.modeling, "check_device_same", lambda *_: True)


@pytest.mark.usefixtures("two_places")
@pytest.mark.parametrize(
    ("kind", "adapter"),
    [("llama", "first"), ("chatglm", "prefix"), ("bloom", "bloom_adapter"), ("prefixed", None)],
)
def test_a_network_that_is_spread_keeps_its_layers_whole_and_its_answers(
    folders, kind: str, adapter: str | None
) -> None:
    folder = getattr(folders, kind)
    checkpoint = read_checkpoint(folder)
    network = empty_network(checkpoint)
    layers = ".h." if kind == "bloom" else ".layers."
    room = dict.fromkeys((0, 1), weights_in_bytes(checkpoint) * 3 // 4)
    places = spread(network, torch.float32, room)
    assert isinstance(places, dict)
    assert set(places.values()) == {0, 1}
    cut = [name for name in places if layers in name and not name.split(".")[-1].isdigit()]
    assert not cut
    fill(network, checkpoint, dtype=torch.float32, place=places)
    assert sum(hasattr(module, "_hf_hook") for module in network.modules()) > len(places)
    wanted = load_base(spec_of(folder, checkpoint.family), device="cpu", dtype="float32")
    spread_out = LoadedBase(network, wanted.tokenizer, checkpoint)
    names: list[str | None] = [None]
    if adapter:
        for base in (wanted, spread_out):
            base.add_adapter("x", getattr(folders, adapter))
        names.append("x")
    ids = torch.tensor([wanted.tokenizer("我感冒了")["input_ids"]])
    asked = {"attention_mask": torch.ones_like(ids), "max_new_tokens": 8, "num_beams": 3}
    for name in names:
        with torch.inference_mode():
            answers = [
                base.activate(name).generate(ids, do_sample=False, **asked)
                for base in (spread_out, wanted)
            ]
        assert torch.equal(*answers)


def test_too_little_room_on_all_devices_is_a_sentence_with_the_size(folders: TinyModels) -> None:
    network = empty_network(read_checkpoint(folders.llama))
    with pytest.raises(CheckpointError, match=r"need 0\.0 GB in float32, more than"):
        spread(network, torch.float32, {0: 1000, 1: 1000, "cpu": 10**9})


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
    assert set(places.values()) == {0, 1}


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


def test_weights_that_find_no_memory_are_a_sentence(folders, monkeypatch) -> None:
    checkpoint = read_checkpoint(folders.llama)
    network = empty_network(checkpoint)

    def none_left(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(assembly.torch, "empty", none_left)
    with pytest.raises(CheckpointError, match=r"need 0\.0 GB in float32, more than cpu has free"):
        fill(network, checkpoint, dtype=torch.float32, place=torch.device("cpu"))
