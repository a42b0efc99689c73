"""Base folders as they circulate: what is read from their files, and from nothing else."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from model_fixtures import (
    TinyModels,
    change_json,
    copy,
    tiny_models,
    write_adapter,
    write_quantised,
    write_shards,
)
from safetensors.torch import load_file, save_file
from sentencepiece.sentencepiece_model_pb2 import ModelProto
from transformers import AutoTokenizer, LlamaForCausalLM

from medchat.errors import CheckpointError
from medchat.models import LoadedModel, load
from medchat.models.recognition import read_checkpoint
from medchat.models.templates import Turn


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> TinyModels:
    return tiny_models(tmp_path_factory)


def logits(loaded: LoadedModel, text: str = "我感冒了") -> torch.Tensor:
    ids = torch.tensor([loaded.tokenizer(text)["input_ids"]])
    with torch.inference_mode():
        return loaded.model(input_ids=ids).logits


def same_answer(one: Path, other: Path) -> bool:
    return torch.equal(logits(load(one, device="cpu")), logits(load(other, device="cpu")))


# -- LLaMA --


def test_a_vocabulary_of_49954_has_a_row_more_than_its_tokenizer_has_pieces(
    folders: TinyModels, tmp_path: Path
) -> None:
    """Chinese-Alpaca: 49953 pieces, and [PAD] in added_tokens.json alone."""
    folder = copy(folders.llama, tmp_path / "alpaca")
    tensors = load_file(folder / "model.safetensors")
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        tensors[name] = torch.cat([tensors[name], torch.zeros(1, tensors[name].shape[1])])
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    change_json(folder / "config.json", vocab_size=401)
    (folder / "added_tokens.json").write_text('{"[PAD]": 400}')
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "LlamaTokenizer"}')
    loaded, plain = load(folder, device="cpu"), load(folders.llama, device="cpu")
    assert loaded.tokenizer("感冒[PAD]")["input_ids"] == plain.tokenizer("感冒[PAD]")["input_ids"]
    torch.testing.assert_close(logits(loaded)[..., :400], logits(plain))
    assert loaded.tokenizer.decode([*loaded.tokenizer("感冒")["input_ids"], 400]) == "感冒"


def test_safetensors_are_taken_before_bin_files(folders: TinyModels, tmp_path: Path) -> None:
    folder = copy(folders.llama, tmp_path / "model")
    write_shards(folder, {"model.norm.weight": torch.ones(3)})
    assert same_answer(folder, folders.llama)


def test_an_adapter_in_a_base_folder_is_not_put_on_unasked(folders, tmp_path: Path) -> None:
    folder = copy(folders.llama, tmp_path / "model")
    for file in folders.first.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    assert same_answer(folder, folders.llama)
    adapted = load(folder, adapter=folder, device="cpu")
    wanted = load(folders.llama, adapter=folders.first, device="cpu")
    assert torch.equal(logits(adapted), logits(wanted))


def test_a_mirror_that_has_only_a_tokenizer_json_gives_the_same_ids(
    folders: TinyModels, tmp_path: Path
) -> None:
    folder = copy(folders.bloom, tmp_path / "mirror")
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_bytes((folders.llama / name).read_bytes())
    change_json(folder / "config.json", vocab_size=400)
    checkpoint = read_checkpoint(folder)
    assert checkpoint.family == "llama"
    loaded = load(folder, device="cpu")
    assert loaded.eos_ids == {checkpoint.vocabulary.eos} == {2}
    assert loaded.model.generation_config.bos_token_id == 1


def test_weights_with_a_tied_head_need_no_head_of_their_own(folders, tmp_path: Path) -> None:
    folder = copy(folders.llama, tmp_path / "model")
    tensors = load_file(folder / "model.safetensors")
    tensors.pop("lm_head.weight")
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match="1 are missing, such as lm_head"):
        load(folder, device="cpu")
    change_json(folder / "config.json", tie_word_embeddings=True)
    model = load(folder, device="cpu").model
    assert model.lm_head.weight is model.model.embed_tokens.weight


# -- Bloom and Huozi --


def test_bloom_is_loaded_with_its_own_tokenizer_and_ids(folders: TinyModels) -> None:
    loaded = load(folders.bloom, device="cpu")
    theirs = AutoTokenizer.from_pretrained(folders.bloom)
    for text in ("感冒怎么办？", "a  b\n\tc", "😀"):
        assert loaded.tokenizer(text)["input_ids"] == theirs(text)["input_ids"]
        ids = loaded.tokenizer(text)["input_ids"]
        assert loaded.tokenizer.decode(ids, skip_special_tokens=True) == text
    config = loaded.model.config
    assert (config.bos_token_id, config.eos_token_id, config.pad_token_id) == (1, 2, 3)
    assert loaded.max_length == 256
    assert loaded.model.lm_head.weight is loaded.model.transformer.word_embeddings.weight


@pytest.mark.parametrize("typed", ["</s>", "<pad>", "<unk>"])
def test_a_special_token_that_a_user_types_stays_text_for_bloom(folders, typed: str) -> None:
    tokenizer = load(folders.bloom, device="cpu").tokenizer
    ids = tokenizer(f"感冒{typed}感冒")["input_ids"]
    assert not {0, 1, 2, 3} & set(ids)
    assert tokenizer.decode(ids, skip_special_tokens=True) == f"感冒{typed}感冒"


def test_an_adapter_on_bloom_is_asked_in_its_own_template(folders: TinyModels) -> None:
    loaded = load(folders.bloom, adapter=folders.bloom_adapter, device="cpu")
    prompt = loaded.template.render([Turn("感冒")])
    assert prompt == "下面是一个问题，运用医学知识来正确回答提问.\n感冒\n### 回答：\n"
    assert not torch.equal(logits(loaded), logits(load(folders.bloom, device="cpu")))


def test_a_bloom_saved_whole_is_the_same(folders: TinyModels, tmp_path: Path) -> None:
    loaded = load(folders.bloom, device="cpu")
    loaded.model.save_pretrained(tmp_path)
    loaded.tokenizer.save_pretrained(tmp_path)
    assert same_answer(tmp_path, folders.bloom)


def test_special_tokens_may_be_declared_as_tables_or_left_empty(folders, tmp_path: Path) -> None:
    folder = copy(folders.bloom, tmp_path / "model")
    declared = {"eos_token": {"content": "</s>"}, "pad_token": "", "bos_token": None}
    (folder / "tokenizer_config.json").write_text(json.dumps(declared))
    vocabulary = read_checkpoint(folder).vocabulary
    assert (vocabulary.bos, vocabulary.eos, vocabulary.pad) == (1, 2, 3)


@pytest.mark.parametrize("content", ["{", "{}", '{"model": {"vocab": {"a": 0}}}'])
def test_a_tokenizer_json_that_cannot_be_used_is_named(folders, tmp_path, content: str) -> None:
    folder = copy(folders.bloom, tmp_path / "model")
    (folder / "tokenizer.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"tokenizer\.json .* cannot be read as a tokenizer"):
        load(folder, device="cpu")


def test_huozi_ends_an_answer_at_any_of_its_end_tokens(folders, tmp_path: Path) -> None:
    folder = copy(folders.bloom, tmp_path / "model")
    (folder / "generation_config.json").write_text('{"eos_token_id": [7, 9, 100000, "x", true]}')
    loaded = load(folder, device="cpu")
    assert loaded.eos_ids == {2, 7, 9}
    assert loaded.model.generation_config.eos_token_id == [2, 7, 9]
    assert load(folders.bloom, device="cpu").eos_ids == {2}


# -- ChatGLM --


@pytest.mark.parametrize("kind", ["chatglm", "chatglm_v0"])
def test_a_config_may_leave_out_every_id(folders: TinyModels, tmp_path: Path, kind: str) -> None:
    folder = copy(getattr(folders, kind), tmp_path / "model")
    ids = ("bos", "eos", "pad", "mask", "gmask")
    change_json(folder / "config.json", vocab_size=None, **{f"{i}_token_id": None for i in ids})
    assert same_answer(folder, getattr(folders, kind))


@pytest.mark.parametrize(("kind", "images"), [("chatglm", 0), ("chatglm_v0", 20000)])
@pytest.mark.parametrize("told", [0, 20000, "many", None])
def test_the_rows_decide_how_many_image_tokens_there_are(
    folders: TinyModels, tmp_path: Path, kind: str, images: int, told: object
) -> None:
    folder = copy(getattr(folders, kind), tmp_path / "model")
    (folder / "tokenizer_config.json").write_text(json.dumps({"num_image_tokens": told}))
    assert read_checkpoint(folder).vocabulary.images == images


def test_frequencies_that_a_file_carries_along_are_ignored(folders, tmp_path: Path) -> None:
    folder = copy(folders.chatglm, tmp_path / "model")
    tensors = load_file(folder / "model.safetensors")
    tensors["transformer.layers.0.attention.rotary_emb.inv_freq"] = torch.ones(2)
    save_file(tensors, folder / "model.safetensors")
    assert same_answer(folder, folders.chatglm)


def test_positions_of_one_dimension_are_refused(folders: TinyModels, tmp_path: Path) -> None:
    folder = copy(folders.chatglm, tmp_path / "model")
    change_json(folder / "config.json", position_encoding_2d=False)
    with pytest.raises(CheckpointError, match="position_encoding_2d must be true"):
        load(folder, device="cpu")


def test_a_later_chatglm_is_told_by_its_config_alone(folders: TinyModels, tmp_path: Path) -> None:
    folder = copy(folders.chatglm, tmp_path / "model")
    (folder / "ice_text.model").unlink()
    change_json(folder / "config.json", multi_query_attention=True)
    with pytest.raises(CheckpointError, match="ChatGLM2 or later"):
        load(folder, device="cpu")


# -- adapters in Trainer's folders --


@pytest.mark.parametrize("config_lies", ["in the checkpoint", "beside it"])
def test_a_checkpoint_of_a_training_is_an_adapter(folders, tmp_path: Path, config_lies) -> None:
    output = tmp_path / "output"
    output.mkdir()
    folder = write_adapter(output / "checkpoint-200", seed=2)
    (folder / "adapter_model.bin").rename(folder / "pytorch_model.bin")
    for name in ("optimizer.pt", "training_args.bin", "trainer_state.json"):
        (folder / name).write_bytes(b"of the training alone")
    if config_lies == "beside it":
        (folder / "adapter_config.json").rename(output / "adapter_config.json")
    found = load(folders.llama, adapter=folder, device="cpu")
    wanted = load(folders.llama, adapter=folders.first, device="cpu")
    assert torch.equal(logits(found), logits(wanted))


def test_a_folder_of_checkpoints_asks_for_one_of_them(folders: TinyModels, tmp_path: Path) -> None:
    for step in (200, 400):
        write_adapter(tmp_path / f"checkpoint-{step}", seed=step)
    with pytest.raises(CheckpointError, match="checkpoint-200, checkpoint-400: name one of these"):
        load(folders.llama, adapter=tmp_path, device="cpu")


def test_an_adapter_with_whole_modules_of_another_vocabulary_is_refused(
    folders: TinyModels, tmp_path: Path
) -> None:
    adapter = write_adapter(tmp_path / "lora", seed=1, modules_to_save=["lm_head"])
    tensors = torch.load(adapter / "adapter_model.bin", weights_only=True)
    tensors["base_model.model.lm_head.weight"] = torch.ones(499, 32)
    torch.save(tensors, adapter / "adapter_model.bin")
    with pytest.raises(CheckpointError, match=r"\[499, 32\] there and \[400, 32\].*decapoda"):
        load(folders.llama, adapter=adapter, device="cpu")


def test_a_base_in_place_of_an_adapter_and_the_reverse_are_told_apart(folders) -> None:
    with pytest.raises(CheckpointError, match=r"lacks adapter_config\.json"):
        load(folders.llama, adapter=folders.wild, device="cpu")
    with pytest.raises(CheckpointError, match="it holds an adapter"):
        load(folders.first, device="cpu")


# -- saved and loaded again --


@pytest.mark.parametrize("kind", ["llama", "wild", "bloom", "chatglm", "chatglm_v0", "prefixed"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_any_model_that_is_saved_loads_again_the_same(
    folders: TinyModels, tmp_path: Path, kind: str, dtype: str
) -> None:
    loaded = load(getattr(folders, kind), device="cpu", dtype=dtype)
    loaded.model.save_pretrained(tmp_path)
    loaded.tokenizer.save_pretrained(tmp_path)
    again = load(tmp_path, device="cpu", dtype=dtype)
    assert torch.equal(logits(again), logits(loaded))
    for text in ("感冒\n  头疼？", "<s>[gMASK]</s>"):
        assert again.tokenizer(text)["input_ids"] == loaded.tokenizer(text)["input_ids"]


@pytest.mark.parametrize(
    ("base", "adapter"), [("llama", "first"), ("wild", "second"), ("bloom", "bloom_adapter")]
)
def test_an_adapter_that_is_saved_loads_again_the_same(folders, tmp_path, base, adapter) -> None:
    loaded = load(getattr(folders, base), adapter=getattr(folders, adapter), device="cpu")
    loaded.model.save_pretrained(tmp_path)
    (saved,) = (path for path in tmp_path.iterdir() if path.is_dir())
    again = load(getattr(folders, base), adapter=saved, device="cpu")
    assert torch.equal(logits(again), logits(loaded))


@pytest.mark.parametrize("kind", ["llama", "bloom", "chatglm", "chatglm_v0", "prefixed"])
def test_sampling_draws_the_same_from_the_same_seed_and_other_things_from_others(
    folders: TinyModels, kind: str
) -> None:
    loaded = load(getattr(folders, kind), device="cpu")
    ids = torch.tensor([loaded.tokenizer("我感冒了")["input_ids"]])

    def draw(seed: int) -> list[int]:
        torch.manual_seed(seed)
        with torch.inference_mode():
            found = loaded.model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=12,
                do_sample=True,
                temperature=2.0,
            )
        return found[0].tolist()

    assert draw(1) == draw(1)
    assert len({tuple(draw(seed)) for seed in range(6)}) > 1


# -- what is cut off, and paths --


@pytest.mark.parametrize(
    ("kind", "name"), [("llama", "tokenizer.model"), ("chatglm_v0", "ice_text.model")]
)
def test_a_tokenizer_that_ends_between_two_pieces_is_refused(folders, tmp_path, kind, name) -> None:
    """Its pieces can all be read, and are not all there."""
    folder = copy(getattr(folders, kind), tmp_path / "model")
    whole = (folder / name).read_bytes()
    model = ModelProto.FromString(whole)
    del model.pieces[200:]
    pieces_alone = ModelProto(pieces=model.pieces).SerializeToString()
    assert whole.startswith(pieces_alone)
    (folder / name).write_bytes(pieces_alone)
    with pytest.raises(CheckpointError, match="cannot be read as a tokenizer"):
        read_checkpoint(folder)


def test_folders_may_be_named_from_within(folders, tmp_path: Path, monkeypatch) -> None:
    adapter = write_adapter(tmp_path / "lora", seed=1)
    monkeypatch.chdir(adapter)
    loaded = load(folders.llama, adapter=".", device="cpu")
    assert loaded.provenance["adapter"] == loaded.provenance["model"] == "lora"
    monkeypatch.chdir(folders.llama)
    assert load(".", device="cpu").provenance["base"] == folders.llama.name


def test_a_prefix_may_be_named_from_within(folders, monkeypatch) -> None:
    monkeypatch.chdir(folders.prefix)
    loaded = load(folders.chatglm, adapter=".", device="cpu")
    assert not torch.equal(logits(loaded), logits(load(folders.chatglm, device="cpu")))


def test_a_bloom_without_a_length_is_taken_for_the_published_one(folders, tmp_path) -> None:
    folder = copy(folders.bloom, tmp_path / "model")
    change_json(folder / "config.json", seq_length=None)
    assert load(folder, device="cpu").max_length == 2048


# -- several sets of weights in one folder --


def sharded(source: Path, folder: Path) -> Path:
    """The same model in two ``.bin`` shards with their index."""
    copy(source, folder)
    write_shards(folder, load_file(folder / "model.safetensors"))
    (folder / "model.safetensors").unlink()
    return folder


def other_weights(folder: Path) -> dict[str, torch.Tensor]:
    return {name: t * 1.5 for name, t in load_file(folder / "model.safetensors").items()}


def test_a_whole_file_is_taken_before_shards_as_transformers_does(folders, tmp_path) -> None:
    folder = sharded(folders.llama, tmp_path / "model")
    torch.save(other_weights(folders.llama), folder / "pytorch_model.bin")
    theirs = LlamaForCausalLM.from_pretrained(folder)
    ours = load(folder, device="cpu", dtype="float32").model
    for name, weight in theirs.named_parameters():
        assert torch.equal(weight, ours.get_parameter(name))


def test_an_index_without_its_files_does_not_hide_those_that_are_there(folders, tmp_path) -> None:
    folder = sharded(folders.llama, tmp_path / "model")
    index = json.loads((folder / "pytorch_model.bin.index.json").read_text())
    places = dict.fromkeys(index["weight_map"], "model-00001-of-00001.safetensors")
    content = json.dumps({"weight_map": places})
    (folder / "model.safetensors.index.json").write_text(content)
    assert same_answer(folder, folders.llama)
    for file in folder.glob("*.bin"):
        file.unlink()
    with pytest.raises(CheckpointError, match=r"model-00001-of-00001\.safetensors"):
        load(folder)


def test_shards_of_two_sets_are_not_mixed(folders: TinyModels, tmp_path: Path) -> None:
    folder = sharded(folders.llama, tmp_path / "model")
    (folder / "pytorch_model.bin.index.json").unlink()
    torch.save(other_weights(folders.llama), folder / "pytorch_model-00001-of-00003.bin")
    with pytest.raises(CheckpointError, match="of 00002 and of 00003 parts"):
        load(folder)


def test_a_tensor_in_two_shards_is_refused(folders: TinyModels, tmp_path: Path) -> None:
    folder = sharded(folders.llama, tmp_path / "model")
    torch.save(other_weights(folders.llama), folder / "pytorch_model-00001-of-00002.bin")
    with pytest.raises(
        CheckpointError, match=r"twice, in pytorch_model-00001-of-00002\.bin and in"
    ):
        load(folder)


@pytest.mark.parametrize("declared", [None, 6])
def test_a_prefix_under_a_models_name_beside_the_bases_shards_is_used(
    folders, tmp_path: Path, declared: int | None
) -> None:
    """As training a p-tuning prefix leaves it, in a folder with an untouched base."""
    folder = sharded(folders.chatglm, tmp_path / "model")
    shutil.copy(folders.prefix / "pytorch_model.bin", folder)
    change_json(folder / "config.json", pre_seq_len=declared)
    assert same_answer(folder, folders.prefixed)
    assert not same_answer(folder, folders.chatglm)


# -- numbers that mean something else --


def test_integers_without_a_scale_are_no_weights(folders: TinyModels, tmp_path: Path) -> None:
    folder = copy(folders.llama, tmp_path / "model")
    tensors = load_file(folder / "model.safetensors")
    name = "model.layers.0.mlp.up_proj.weight"
    tensors[name] = (tensors[name] * 100).to(torch.int8)
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match=rf"{name} is stored as I8, without"):
        load(folder)


def test_a_scale_beside_a_matrix_that_is_none_of_integers_is_refused(folders, tmp_path) -> None:
    """A quantised model that was saved in half precision would be read as if it were none."""
    folder = write_quantised(folders.chatglm, tmp_path / "model", bits=8)
    for file in folder.glob("*.bin"):
        held = torch.load(file, weights_only=True)
        torch.save({name: tensor.half() for name, tensor in held.items()}, file)
    with pytest.raises(CheckpointError, match=r"have no place in the model.*weight_scale"):
        load(folder)


def test_an_adapter_of_integers_is_none(folders: TinyModels, tmp_path: Path) -> None:
    adapter = write_adapter(
        tmp_path / "lora", seed=1, change=lambda key, t: (key, t.to(torch.int8))
    )
    with pytest.raises(CheckpointError, match="as I8: it is no LoRA"):
        load(folders.llama, adapter=adapter)


def test_an_adapter_with_one_tensor_under_two_names_is_refused(folders, tmp_path: Path) -> None:
    adapter = write_adapter(tmp_path / "lora", seed=1)
    file = adapter / "adapter_model.bin"
    tensors = torch.load(file, weights_only=True)
    key = next(iter(tensors))
    tensors[key.replace(".weight", ".default.weight")] = tensors[key] * 2
    torch.save(tensors, file)
    with pytest.raises(CheckpointError, match=rf"holds {key} twice"):
        load(folders.llama, adapter=adapter)
