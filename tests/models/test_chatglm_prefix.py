"""P-tuning v2 prefixes: beside a base, inside a full save, or in a folder of their own."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from model_fixtures import (
    LAYERS,
    WIDTH,
    TinyModels,
    change_json,
    copy,
    tiny_models,
    write_prefix,
    write_shards,
)
from safetensors.torch import load_file, save_file

from medchat.errors import CheckpointError
from medchat.models import LoadedBase, ModelSpec, load, load_base
from medchat.models.templates import find_template

FULL_WIDTH = LAYERS * 2 * WIDTH


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> TinyModels:
    return tiny_models(tmp_path_factory)


def logits(model: Any) -> torch.Tensor:
    ids = torch.tensor([[20, 21, 22, model.config.gmask_token_id, model.config.bos_token_id]])
    with torch.inference_mode():
        return model(input_ids=ids).logits


def base_of(folder: Path) -> LoadedBase:
    spec = ModelSpec("base", "Base", "chatglm", find_template("chatglm"), base=folder)
    return load_base(spec, device="cpu")


def test_every_token_attends_to_the_prefix_as_to_earlier_keys(folders: TinyModels) -> None:
    """The same attention, with the prefix where the originals put it: at the front of a cache."""
    prefixed = load(folders.prefixed, device="cpu").model
    plain = load(folders.chatglm, device="cpu").model
    rows = prefixed.transformer.prefix_encoder.embedding.weight.detach()
    parts = rows.view(len(rows), 2 * LAYERS, 4, WIDTH // 4).permute(1, 2, 0, 3)
    block = plain.transformer.layers[0].attention
    hidden = torch.randn(1, 3, WIDTH)
    still = torch.ones(1, 1, 3, WIDTH // 4), torch.zeros(1, 1, 3, WIDTH // 4)
    with torch.inference_mode():
        mixed = block.query_key_value(hidden).view(3, 4, -1).transpose(0, 1)
        query, key, value = mixed.chunk(3, dim=-1)
        scores = query @ torch.cat([parts[0], key], dim=1).transpose(1, 2) / (WIDTH // 4) ** 0.5
        wanted = scores.softmax(-1) @ torch.cat([parts[1], value], dim=1)
        wanted = block.dense(wanted.transpose(0, 1).reshape(1, 3, WIDTH))
        found = prefixed.transformer.layers[0].attention(
            hidden, None, still, None, (parts[0], parts[1])
        )
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("place", ["beside", "beside, safetensors", "full save", "adapter"])
def test_wherever_a_prefix_lies_it_gives_the_same_logits(
    folders: TinyModels, tmp_path: Path, place: str
) -> None:
    folder, adapter = copy(folders.chatglm, tmp_path / "model"), None
    file = write_prefix(tmp_path / "prefix_encoder.bin", seed=6)
    tensors = torch.load(file, weights_only=True)
    match place:
        case "beside":
            file.rename(folder / file.name)
        case "beside, safetensors":
            save_file(tensors, folder / "prefix_encoder.safetensors")
        case "full save":
            write_shards(folder, load_file(folder / "model.safetensors") | tensors)
            (folder / "model.safetensors").unlink()
            change_json(folder / "config.json", pre_seq_len=6, prefix_projection=False)
        case "adapter":
            adapter = tmp_path / "checkpoint-3000"
            adapter.mkdir()
            torch.save(tensors, adapter / "pytorch_model.bin")
    found = load(folder, adapter=adapter, device="cpu")
    assert torch.equal(logits(found.model), logits(load(folders.prefixed, device="cpu").model))
    assert not torch.equal(logits(found.model), logits(load(folders.chatglm, device="cpu").model))


@pytest.mark.parametrize("strip", ["", "transformer.", "transformer.prefix_encoder."])
def test_its_tensors_may_be_named_from_any_level(folders, tmp_path: Path, strip: str) -> None:
    folder = copy(folders.prefixed, tmp_path / "model")
    file = folder / "prefix_encoder.bin"
    tensors = torch.load(file, weights_only=True)
    torch.save({name.removeprefix(strip): tensor for name, tensor in tensors.items()}, file)
    found, wanted = (load(f, device="cpu").model for f in (folder, folders.prefixed))
    assert torch.equal(logits(found), logits(wanted))


def test_a_projection_is_applied_once_and_for_all(folders: TinyModels, tmp_path: Path) -> None:
    folder = copy(folders.chatglm, tmp_path / "model")
    file = write_prefix(folder / "prefix_encoder.bin", seed=1, projection=24)
    part = {
        name.removeprefix("transformer.prefix_encoder."): tensor
        for name, tensor in torch.load(file, weights_only=True).items()
    }
    inner = torch.tanh(part["embedding.weight"] @ part["trans.0.weight"].T + part["trans.0.bias"])
    wanted = inner @ part["trans.2.weight"].T + part["trans.2.bias"]
    found = load(folder, device="cpu").model.transformer.prefix_encoder.embedding.weight
    torch.testing.assert_close(found.detach(), wanted)


def test_saved_again_it_answers_the_same(folders: TinyModels, tmp_path: Path) -> None:
    loaded = load(folders.prefixed, device="cpu")
    loaded.model.save_pretrained(tmp_path)
    loaded.tokenizer.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["pre_seq_len"] == 6
    assert torch.equal(logits(load(tmp_path, device="cpu").model), logits(loaded.model))


def test_one_base_bears_several_prefixes_in_any_order(folders: TinyModels, tmp_path: Path) -> None:
    base = base_of(folders.chatglm)
    wanted = {None: logits(base.activate(None))}
    for number, length in ((1, 6), (2, 3)):
        folder = tmp_path / f"prefix-{number}"
        folder.mkdir()
        write_prefix(folder / "prefix_encoder.bin", seed=number, length=length)
        base.add_adapter(folder.name, folder)
        wanted[folder.name] = logits(load(folders.chatglm, adapter=folder, device="cpu").model)
    assert len({tuple(row.flatten().tolist()) for row in wanted.values()}) == 3
    for name in random.Random(1).choices(list(wanted), k=20):
        assert torch.equal(logits(base.activate(name)), wanted[name]), name


def test_provenance_changes_with_the_prefix(folders: TinyModels, tmp_path: Path) -> None:
    plain, prefixed = (
        load(folder, device="cpu").provenance for folder in (folders.chatglm, folders.prefixed)
    )
    assert plain["base_fingerprint"] != prefixed["base_fingerprint"]
    write_prefix(tmp_path / "prefix_encoder.bin", seed=1)
    told = load(folders.chatglm, adapter=tmp_path, device="cpu").provenance
    assert told["base_fingerprint"] == plain["base_fingerprint"]
    assert told["adapter_fingerprint"]


# -- what is refused --


def damaged(file: Path, **change: torch.Tensor | None) -> None:
    """Give parts of a prefix other values; None removes one."""
    tensors = torch.load(file, weights_only=True)
    for part, tensor in change.items():
        tensors["transformer.prefix_encoder." + part.replace("__", ".")] = tensor
    torch.save({name: tensor for name, tensor in tensors.items() if tensor is not None}, file)


@pytest.mark.parametrize(
    ("projection", "change", "told"),
    [
        (
            0,
            {"embedding__weight": torch.ones(6, 96)},
            f"96 values where this base needs {FULL_WIDTH}",
        ),
        (0, {"embedding__weight": torch.ones(FULL_WIDTH)}, "do not fit each other"),
        (0, {"embedding__weight": torch.full((6, FULL_WIDTH), float("nan"))}, "not all numbers"),
        (24, {"trans__2__bias": None}, "is incomplete"),
        (24, {"trans__0__weight": torch.ones(24, 7)}, "do not fit each other"),
    ],
)
def test_a_prefix_that_does_not_fit_is_refused(
    folders: TinyModels, tmp_path: Path, projection: int, change, told: str
) -> None:
    file = write_prefix(tmp_path / "prefix_encoder.bin", seed=1, projection=projection)
    damaged(file, **change)
    with pytest.raises(CheckpointError, match=told):
        load(folders.chatglm, adapter=tmp_path, device="cpu")
    base = base_of(folders.chatglm)
    before = logits(base.activate(None))
    with pytest.raises(CheckpointError):
        base.add_adapter("bad", tmp_path)
    assert torch.equal(logits(base.activate(None)), before)


def test_a_prefix_on_a_base_that_has_one_is_refused(folders: TinyModels, tmp_path: Path) -> None:
    write_prefix(tmp_path / "prefix_encoder.bin", seed=1)
    with pytest.raises(CheckpointError, match="has a p-tuning prefix of its own"):
        load(folders.prefixed, adapter=tmp_path, device="cpu")


def test_a_prefix_in_place_of_a_base_is_told_apart(folders: TinyModels, tmp_path: Path) -> None:
    folder = copy(folders.chatglm, tmp_path / "model")
    (folder / "model.safetensors").unlink()
    write_prefix(folder / "pytorch_model.bin", seed=1)
    with pytest.raises(CheckpointError, match=r"They are a p-tuning prefix.*as adapter"):
        load(folder, device="cpu")


def test_a_prefix_on_a_llama_is_refused(folders: TinyModels, tmp_path: Path) -> None:
    write_prefix(tmp_path / "pytorch_model.bin", seed=1)
    with pytest.raises(CheckpointError, match="adapter_config"):
        load(folders.llama, adapter=tmp_path, device="cpu")
