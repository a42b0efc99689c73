"""Damaged, foreign and missing files: each is refused with a sentence that names its path."""

import json
import os
import pickle
import re
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from model_fixtures import (
    TinyModels,
    change_json,
    copy,
    tiny_models,
    write_adapter,
    write_llama,
)
from safetensors.torch import load_file, save_file

from medchat.errors import CheckpointError
from medchat.models import LoadedBase, ModelSpec, load, load_base
from medchat.models.inspection import inspect
from medchat.models.templates import find_template

SHARD = "pytorch_model-00002-of-00002.bin"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:ab12\nsize 9976576152\n"
PAGE = b"\n<!DOCTYPE html><html><body>Not found</body></html>"


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> TinyModels:
    return tiny_models(tmp_path_factory)


@pytest.fixture
def damaged(folders: TinyModels, tmp_path: Path):
    """A copy of a model folder after ``damage`` was done to it."""

    def make(kind: str, damage: Callable[[Path], object]) -> Path:
        folder = copy(getattr(folders, kind), tmp_path / "model")
        damage(folder)
        return folder

    return make


ONLY_NUMBERS_TELL = (
    "gives the same logits",
    "is not all numbers",
    "cannot be read as a tokenizer",
)
"""Of complaints that ``medchat check``, which reads no weights, does not share."""


def complaint(folder: Path, adapter: Path | None = None, **options: Any) -> str:
    """What the user is told; it names a path, and nothing of Python's machinery."""
    with pytest.raises(CheckpointError) as caught:
        load(folder, adapter=adapter, device="cpu", **options)
    text = str(caught.value)
    assert str(adapter or folder) in text
    if not any(words in text for words in ONLY_NUMBERS_TELL) and not options:
        assert list(map(str, inspect(folder, adapter).problems)) == [text]
    assert not re.search(r"Traceback|<class|weights_only|ignore_mismatched|\bself\b", text)
    return text


def spec_of(folder: Path) -> ModelSpec:
    return ModelSpec("base", "Base", "llama", find_template("plain"), base=folder)


def logits(base: LoadedBase, adapter: str | None = None) -> torch.Tensor:
    ids = torch.tensor([base.tokenizer("我感冒了")["input_ids"]])
    with torch.inference_mode():
        return base.activate(adapter)(input_ids=ids).logits


# -- folders --


def test_a_missing_folder_is_named_with_what_it_must_hold(tmp_path: Path) -> None:
    text = complaint(tmp_path / "nowhere")
    assert all(part in text for part in ("config.json", "safetensors", "tokenizer"))


@pytest.mark.parametrize(
    ("kind", "file", "told"),
    [
        ("llama", "config.json", "config.json"),
        ("llama", "model.safetensors", "holds no weights"),
        ("llama", "tokenizer.model", "tokenizer.model"),
        ("chatglm", "ice_text.model", "ice_text.model"),
    ],
)
def test_a_folder_that_lacks_a_file_is_told_which(damaged, kind, file, told) -> None:
    assert told in complaint(damaged(kind, lambda folder: (folder / file).unlink()))


def test_metas_own_files_must_be_converted_first(tmp_path: Path) -> None:
    (tmp_path / "consolidated.00.pth").write_bytes(b"PK")
    (tmp_path / "params.json").write_text("{}")
    assert "Convert them to the Hugging Face layout" in complaint(tmp_path)


def test_a_file_in_place_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "llama.bin").write_bytes(b"x")
    assert "no model folder" in complaint(tmp_path / "llama.bin")


# -- weights --


@pytest.mark.parametrize("content", [POINTER, PAGE, b"", b"\n \n"])
@pytest.mark.parametrize(
    ("kind", "file"),
    [
        ("wild", SHARD),
        ("llama", "model.safetensors"),
        ("llama", "tokenizer.model"),
        ("chatglm", "ice_text.model"),
    ],
)
def test_what_lies_in_place_of_a_file_is_an_incomplete_download(
    damaged, kind, file, content
) -> None:
    folder = damaged(kind, lambda folder: (folder / file).write_bytes(content))
    text = complaint(folder)
    assert str(folder / file) in text
    assert f"{len(content)} bytes" in text
    assert "download is incomplete" in text


@pytest.mark.parametrize(
    ("kind", "file"),
    [
        ("wild", SHARD),
        ("llama", "model.safetensors"),
        ("llama", "tokenizer.model"),
        ("chatglm", "ice_text.model"),
    ],
)
@pytest.mark.parametrize("share", [0.02, 0.5, 0.95])
def test_a_truncated_file_is_named_with_its_size(damaged, kind, file, share) -> None:
    def cut(folder: Path) -> None:
        content = (folder / file).read_bytes()
        (folder / file).write_bytes(content[: int(len(content) * share)])

    folder = damaged(kind, cut)
    text = complaint(folder)
    assert str(folder / file) in text
    assert f"{(folder / file).stat().st_size} bytes" in text
    assert "incomplete" in text


def test_bytes_that_are_no_weights_are_named(damaged) -> None:
    folder = damaged("wild", lambda folder: (folder / SHARD).write_bytes(b"\x00garbage" * 99))
    assert str(folder / SHARD) in complaint(folder)


def test_missing_shards_are_listed(damaged) -> None:
    assert SHARD in complaint(damaged("wild", lambda folder: (folder / SHARD).unlink()))


@pytest.mark.parametrize("content", ["{", "[]", '{"metadata": {}}'])
def test_an_index_that_cannot_be_read_is_named(damaged, content: str) -> None:
    name = "pytorch_model.bin.index.json"
    folder = damaged("wild", lambda folder: (folder / name).write_text(content))
    assert name in complaint(folder)


INDEX = "pytorch_model.bin.index.json"


def test_shards_without_an_index_are_taken_if_they_are_all_there(damaged, folders) -> None:
    folder = damaged("wild", lambda folder: (folder / INDEX).unlink())
    found, wanted = (load_base(spec_of(f), device="cpu") for f in (folder, folders.wild))
    assert torch.equal(logits(found), logits(wanted))


def test_shards_without_an_index_tell_by_their_numbers_which_are_missing(damaged) -> None:
    def lose(folder: Path) -> None:
        (folder / INDEX).unlink()
        (folder / SHARD).unlink()

    assert SHARD in complaint(damaged("wild", lose))


def test_an_index_cannot_name_a_file_elsewhere(damaged) -> None:
    def point_outside(folder: Path) -> None:
        places = {"model.norm.weight": "../elsewhere.bin"}
        (folder / INDEX).write_text(json.dumps({"weight_map": places}))

    assert "outside its folder" in complaint(damaged("wild", point_outside))


class Malicious:
    """Runs a command when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("container", ["zip", "bare pickle"])
@pytest.mark.parametrize("place", ["base", "adapter"])
def test_code_in_a_weight_file_is_refused_and_never_run(
    damaged, folders, tmp_path: Path, container: str, place: str
) -> None:
    marker = tmp_path / "was-run"
    adapter = write_adapter(tmp_path / "lora", seed=1)
    base = damaged("wild", lambda folder: None)
    file = base / SHARD if place == "base" else adapter / "adapter_model.bin"
    if container == "zip":
        torch.save({"lora_B": Malicious(marker)}, file)
    else:
        file.write_bytes(pickle.dumps(Malicious(marker), protocol=2))
    text = complaint(base, adapter if place == "adapter" else None)
    assert str(file) in text
    assert "never run" in text
    assert not marker.exists()


@pytest.mark.parametrize(
    "values",
    [
        {"num_hidden_layers": 3},
        {"num_hidden_layers": 1},
        {"hidden_size": 64},
        {"intermediate_size": 32},
    ],
)
def test_weights_that_do_not_fit_the_config_are_refused(damaged, values) -> None:
    text = complaint(damaged("llama", lambda folder: change_json(folder / "config.json", **values)))
    assert "do not fit its config.json" in text


# -- configurations --


@pytest.mark.parametrize("content", ["{", "[]", "\udcff"])
def test_a_config_that_is_no_json_object_is_named(damaged, content: str) -> None:
    raw = content.encode("utf-8", "surrogateescape")
    folder = damaged("llama", lambda folder: (folder / "config.json").write_bytes(raw))
    assert "config.json" in complaint(folder)


@pytest.mark.parametrize("values", [{"hidden_size": "wide"}, {"num_attention_heads": 5}])
def test_a_config_with_impossible_values_is_named(damaged, values) -> None:
    folder = damaged("llama", lambda folder: change_json(folder / "config.json", **values))
    assert "config.json" in complaint(folder)


@pytest.mark.parametrize("kind", [7, None])
def test_a_model_of_an_unknown_family_is_refused_with_the_known_ones(damaged, kind) -> None:
    folder = damaged("llama", lambda folder: change_json(folder / "config.json", model_type=kind))
    text = complaint(folder)
    assert repr(kind) in text
    assert "llama, bloom, chatglm, causal" in text


def test_a_model_of_another_family_than_declared_is_refused(folders: TinyModels) -> None:
    with pytest.raises(CheckpointError, match="holds a chatglm model, not a llama one"):
        load_base(spec_of(folders.chatglm))


def test_a_base_with_another_vocabulary_than_declared_is_refused(folders: TinyModels) -> None:
    spec = replace(spec_of(folders.llama), vocabulary=49954, adapter=folders.first)
    with pytest.raises(CheckpointError, match=r"needs a base with a vocabulary of 49954.*is 400"):
        load(spec, device="cpu")


def test_a_later_chatglm_is_refused_by_name(damaged) -> None:
    def rename(folder: Path) -> None:
        (folder / "ice_text.model").rename(folder / "tokenizer.model")
        change_json(folder / "config.json", vocab_size=65024)

    assert "ChatGLM2 or later" in complaint(damaged("chatglm", rename))


def test_a_chatglm_with_a_prefix_is_not_loaded_without_it(damaged) -> None:
    folder = damaged("chatglm", lambda folder: change_json(folder / "config.json", pre_seq_len=8))
    assert "p-tuning prefix" in complaint(folder)


@pytest.mark.parametrize(("kind", "other"), [("chatglm", "chatglm_v0"), ("chatglm_v0", "chatglm")])
def test_a_tokenizer_of_the_other_chatglm_layout_is_noticed(damaged, folders, kind, other) -> None:
    source = getattr(folders, other) / "ice_text.model"
    text = complaint(damaged(kind, lambda folder: shutil.copy(source, folder)))
    assert "different layouts" in text


@pytest.mark.parametrize(("kind", "other"), [("chatglm", "chatglm_v0"), ("chatglm_v0", "chatglm")])
def test_a_config_of_the_other_chatglm_layout_changes_nothing(
    damaged, folders, kind, other
) -> None:
    """The famous "130001 is not in list": weights and tokenizer agree, so they are believed."""
    source = getattr(folders, other) / "config.json"
    folder = damaged(kind, lambda folder: shutil.copy(source, folder))
    found, wanted = (load(f, device="cpu") for f in (folder, getattr(folders, kind)))
    ids = torch.tensor([wanted.tokenizer("感冒")["input_ids"]])
    assert found.model.config.gmask_token_id == wanted.model.config.gmask_token_id
    with torch.inference_mode():
        assert torch.equal(found.model(input_ids=ids).logits, wanted.model(input_ids=ids).logits)


def test_a_tokenizer_that_knows_more_than_the_model_is_noticed(damaged) -> None:
    def cut(folder: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        for name in ("model.embed_tokens.weight", "lm_head.weight"):
            tensors[name] = tensors[name][:300].clone()
        save_file(tensors, folder / "model.safetensors")
        change_json(folder / "config.json", vocab_size=300)

    assert "400 pieces, the model only 300" in complaint(damaged("llama", cut))


@pytest.mark.parametrize("kind", ["llama", "bloom"])
@pytest.mark.parametrize("declared", [300, 512])
def test_a_config_with_the_vocabulary_of_before_a_merge_is_named(damaged, kind, declared) -> None:
    """The weights and the tokenizer are right and config.json is not."""
    rows = {"llama": 400, "bloom": 448}[kind]
    folder = damaged(kind, lambda f: change_json(f / "config.json", vocab_size=declared))
    text = complaint(folder)
    assert f"out of date: it says {declared}, the weights have {rows} rows" in text
    assert f"Set it to {rows}" in text


def test_code_that_lies_in_a_folder_is_never_run(damaged, tmp_path: Path) -> None:
    def add(folder: Path) -> None:
        code = f"open({str(tmp_path / 'was-run')!r}, 'w')\nclass Any: pass\n"
        (folder / "modeling_chatglm.py").write_text(code)
        change_json(folder / "config.json", auto_map={"AutoModel": "modeling_chatglm.Any"})

    load(damaged("chatglm", add), device="cpu")
    assert not (tmp_path / "was-run").exists()


# -- device and precision --


def test_an_unknown_precision_is_answered_with_the_known_ones(folders: TinyModels) -> None:
    with pytest.raises(CheckpointError, match=r"'int3' is unknown.*float16"):
        load(folders.llama, device="cpu", dtype="int3")


def test_a_device_that_this_machine_lacks_is_named(folders: TinyModels) -> None:
    with pytest.raises(CheckpointError, match="no device 'cuda:99'"):
        load(folders.llama, device="cuda:99")


@pytest.mark.parametrize("kind", ["llama", "chatglm"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_a_model_is_loaded_in_the_precision_that_was_asked_for(folders, kind, dtype) -> None:
    loaded = load(getattr(folders, kind), device="cpu", dtype=dtype)
    assert {str(p.dtype) for p in loaded.model.parameters()} == {f"torch.{dtype}"}
    assert loaded.provenance["dtype"] == dtype


# -- adapters that are taken --


def rename_keys(old: str, new: str) -> Callable[[str, torch.Tensor], tuple[str, torch.Tensor]]:
    return lambda key, tensor: (key.replace(old, new), tensor)


def same_answer(base: Path, adapter: Path, wanted: Path) -> bool:
    found, known = (load(base, adapter=folder, device="cpu") for folder in (adapter, wanted))
    ids = torch.tensor([known.tokenizer("我感冒了")["input_ids"]])
    with torch.inference_mode():
        return torch.equal(found.model(input_ids=ids).logits, known.model(input_ids=ids).logits)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (".weight", ".default.weight"),
        ("base_model.model.", "base_model.model._orig_mod."),
        ("base_model.", "_orig_mod.base_model."),
    ],
)
def test_keys_as_other_versions_wrote_them_make_no_difference(
    folders, tmp_path: Path, old, new
) -> None:
    adapter = write_adapter(tmp_path / "lora", seed=2, change=rename_keys(old, new))
    assert same_answer(folders.llama, adapter, folders.first)


def test_fields_of_old_and_unknown_versions_make_no_difference(folders, tmp_path: Path) -> None:
    adapter = write_adapter(
        tmp_path / "lora", seed=2, enable_lora=[True], merge_weights=True, of_the_future={"a": 1}
    )
    assert same_answer(folders.llama, adapter, folders.first)


@pytest.mark.parametrize("name", ["adapter_model.safetensors", "pytorch_model.bin"])
def test_the_weights_may_lie_under_their_other_names(folders, tmp_path: Path, name: str) -> None:
    adapter = write_adapter(tmp_path / "lora", seed=2)
    tensors = torch.load(adapter / "adapter_model.bin", weights_only=True)
    (adapter / "adapter_model.bin").unlink()
    if name.endswith(".bin"):
        torch.save(tensors, adapter / name)
    else:
        save_file(tensors, adapter / name)
    assert same_answer(folders.llama, adapter, folders.first)


@pytest.mark.parametrize(
    "name", ["lora-v1.1", "checkpoint 5%", "lora", "weight", "华佗", "0", "model"]
)
def test_a_folder_may_have_any_name(folders, tmp_path: Path, name: str) -> None:
    assert same_answer(folders.llama, write_adapter(tmp_path / name, seed=2), folders.first)


# -- adapters that are refused --


def shrink(part: str) -> Callable[[str, torch.Tensor], tuple[str, torch.Tensor]]:
    """Values that are not zero, but too small to be seen beside the base's."""
    return lambda key, tensor: (key, tensor * (1e-30 if part in key else 1))


def zero(part: str) -> Callable[[str, torch.Tensor], tuple[str, torch.Tensor]]:
    return lambda key, tensor: (key, tensor * (part not in key))


def test_a_base_that_gives_no_numbers_is_told_from_its_adapter(folders, tmp_path: Path) -> None:
    folder = copy(folders.llama, tmp_path / "model")
    tensors = load_file(folder / "model.safetensors")
    tensors["model.norm.weight"][0] = float("nan")
    save_file(tensors, folder / "model.safetensors")
    adapter = write_adapter(tmp_path / "lora", seed=1)
    with pytest.raises(CheckpointError, match="is not all numbers") as caught:
        load(folder, adapter=adapter, device="cpu")
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"width": 64}, "made for another base: .* has 64 where this base has 32.*decapoda"),
        ({"rank": 4, "r": 8}, "has rank 4, declared is 8"),
        ({"change": rename_keys("v_proj", "x_proj")}, "changes .*x_proj, which this base lacks"),
        ({"change": rename_keys("lora_", "other_")}, "holds no LoRA tensor"),
        ({"change": zero("lora_B")}, "in 4 of its 8 tensors, which are all zero"),
        ({"change": zero("lora_A")}, "in 4 of its 8 tensors, which are all zero"),
        ({"change": zero("layers.1.self_attn.v_proj.lora_B")}, "in 1 of its 8 tensors"),
        ({"change": shrink("lora_B")}, "changes nothing"),
        ({"change": lambda key, t: (key, t / 0)}, "is not all numbers"),
        ({"change": lambda key, t: (key, t.flatten())}, "is not a matrix"),
        ({"target_modules": ["x_proj"]}, "8 of its tensors have no place"),
        ({"target_modules": ["q_proj"]}, "4 of its tensors have no place"),
        ({"target_modules": ["q_proj", "k_proj", "v_proj"]}, "4 places stay empty"),
        ({"peft_type": "IA3"}, "declares 'IA3', not a LoRA"),
        ({"bias": "lora_only"}, "would change the base"),
        ({"init_lora_weights": "pissa"}, "would change the base"),
        ({"modules_to_save": ["lm_head"]}, "1 places stay empty"),
        ({"r": "many"}, "r must be a whole number from 1 to 2147483647, not 'many'"),
        ({"lora_alpha": 0}, "lora_alpha must be a number above 0, not '0'"),
        ({"lora_alpha": float("nan")}, "lora_alpha must be a number above 0, not 'nan'"),
        ({"target_modules": "((("}, "target_modules must be a list of names or a pattern"),
        ({"target_modules": "all-linear"}, "20 places stay empty"),
        ({"target_modules": r".*q_proj"}, "4 of its tensors have no place"),
        ({"exclude_modules": ["v_proj"]}, "4 of its tensors have no place"),
        ({"layers_to_transform": [0]}, "4 of its tensors have no place"),
        ({"rank_pattern": {"q_proj": 8}}, "q_proj has rank 4, declared is 8"),
        ({"rank_pattern": "q_proj"}, "rank_pattern must be a table"),
        ({"use_dora": True}, "sets use_dora: that is more than a plain LoRA"),
        ({"lora_bias": True}, "sets lora_bias: that is more than a plain LoRA"),
        ({"layer_replication": [[0, 2], [0, 2]]}, "sets layer_replication"),
    ],
)
def test_an_adapter_that_does_not_fit_is_refused(folders, tmp_path: Path, settings, told) -> None:
    adapter = write_adapter(tmp_path / "lora", seed=1, **settings)
    assert re.search(told, complaint(folders.llama, adapter))


def test_a_tensor_that_would_overwrite_the_base_is_refused(folders, tmp_path: Path) -> None:
    adapter = write_adapter(tmp_path / "lora", seed=1)
    tensors = torch.load(adapter / "adapter_model.bin", weights_only=True)
    tensors["base_model.model.model.norm.weight"] = torch.full((32,), 7.0)
    torch.save(tensors, adapter / "adapter_model.bin")
    base = load_base(spec_of(folders.llama), device="cpu")
    before = logits(base)
    with pytest.raises(CheckpointError, match=r"would change .*norm\.weight of its base"):
        base.add_adapter("greedy", adapter)
    assert torch.equal(logits(base), before)


def test_an_adapter_on_a_base_of_another_family_is_refused(folders: TinyModels) -> None:
    text = complaint(folders.chatglm, folders.first)
    assert "which this base lacks" in text
    assert "decapoda-research/llama-7b-hf" in text


def test_an_adapter_on_a_base_of_another_width_is_refused(folders, tmp_path: Path) -> None:
    wide = write_llama(tmp_path / "wide", seed=1, width=64)
    assert "has 32 where this base has 64" in complaint(wide, folders.first)


def test_an_adapter_folder_that_is_not_there_is_named(folders, tmp_path: Path) -> None:
    assert "adapter_config.json" in complaint(folders.llama, tmp_path / "nowhere")


@pytest.mark.parametrize("file", ["adapter_config.json", "adapter_model.bin"])
def test_an_adapter_that_lacks_a_file_is_told_which(folders, tmp_path: Path, file: str) -> None:
    adapter = write_adapter(tmp_path / "lora", seed=1)
    (adapter / file).unlink()
    assert file in complaint(folders.llama, adapter)


@pytest.mark.parametrize("content", [POINTER, PAGE, b"", "cut"])
def test_an_adapter_file_that_is_not_whole_is_named_with_its_size(
    folders, tmp_path: Path, content
) -> None:
    adapter = write_adapter(tmp_path / "lora", seed=1)
    file = adapter / "adapter_model.bin"
    file.write_bytes(file.read_bytes()[:443] if content == "cut" else content)
    text = complaint(folders.llama, adapter)
    assert str(file) in text
    assert f"{file.stat().st_size} bytes" in text
    assert "incomplete" in text


@pytest.mark.parametrize("content", [{}, [1], {"x.lora_B.weight": "text"}])
def test_an_adapter_file_without_adapter_tensors_is_refused(folders, tmp_path, content) -> None:
    adapter = write_adapter(tmp_path / "lora", seed=1)
    torch.save(content, adapter / "adapter_model.bin")
    complaint(folders.llama, adapter)


@pytest.mark.parametrize("content", ["{", "[]", json.dumps({"peft_type": "LORA", "r": 0})])
def test_an_adapter_config_that_cannot_be_used_is_named(folders, tmp_path, content) -> None:
    adapter = write_adapter(tmp_path / "lora", seed=1)
    (adapter / "adapter_config.json").write_text(content)
    assert "adapter_config.json" in complaint(folders.llama, adapter)


@pytest.mark.parametrize(
    "settings",
    [
        {"target_modules": ["q_proj", "k_proj", "v_proj"]},
        {"target_modules": ["q_proj"]},
        {"change": zero("lora_A")},
        {"modules_to_save": ["lm_head"]},
    ],
)
@pytest.mark.parametrize("company", [False, True], ids=["alone", "beside another"])
def test_a_refused_adapter_leaves_the_base_as_it_was_however_often_it_is_tried(
    folders, tmp_path: Path, settings, company: bool
) -> None:
    bad = write_adapter(tmp_path / "lora", seed=1, **settings)
    base = load_base(spec_of(folders.llama), device="cpu")
    before = logits(base)
    if company:
        base.add_adapter("first", folders.first)
    told = []
    for _ in range(3):
        with pytest.raises(CheckpointError) as caught:
            base.add_adapter("bad", bad)
        told.append(str(caught.value))
    assert len(set(told)) == 1
    assert torch.equal(logits(base), before)
    base.add_adapter("bad", folders.second)
    base.add_adapter("later", folders.first)
    alone = load_base(spec_of(folders.llama), device="cpu")
    alone.add_adapter("a", folders.first)
    alone.add_adapter("b", folders.second)
    assert torch.equal(logits(base, "later"), logits(alone, "a"))
    assert torch.equal(logits(base, "bad"), logits(alone, "b"))
    assert torch.equal(logits(base), before)


def test_bases_and_adapters_that_load_at_once_do_not_disturb_each_other(folders) -> None:
    tasks = [
        (folders.llama, folders.first),
        (folders.chatglm, None),
        (folders.bloom, folders.bloom_adapter),
        (folders.chatglm, folders.prefix),
    ]

    def answer(task: tuple[Path, Path | None]) -> torch.Tensor:
        loaded = load(task[0], adapter=task[1], device="cpu", dtype="float32")
        ids = torch.tensor([loaded.tokenizer("感冒")["input_ids"]])
        with torch.inference_mode():
            return loaded.model(input_ids=ids).logits

    wanted = [answer(task) for task in tasks]
    with ThreadPoolExecutor(len(tasks)) as pool:
        for _ in range(8):
            for found, expected in zip(pool.map(answer, tasks), wanted, strict=True):
                assert torch.equal(found, expected)
    assert not torch.nn.Linear(2, 2).weight.is_meta
