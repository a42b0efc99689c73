"""Tiny random models in the published file layouts, made once per test run, and copies to damage.

Their tokenizers are trained by ``medchat.training.tokenizers`` on a handful of sentences; two
layers, hidden size 32. Weights are drawn wide enough for every prompt to get its own answer.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import BloomConfig, BloomForCausalLM, LlamaConfig, LlamaForCausalLM

from medchat.models.chatglm import (
    ChatGLMConfig,
    ChatGLMForConditionalGeneration,
    ChatGLMTokenizer,
)
from medchat.models.chatglm.pieces import IMAGE_TOKENS_V0, extra_pieces, proto
from medchat.models.llama import LlamaSentencePieceTokenizer
from medchat.models.shapes import llama_shapes
from medchat.training.tokenizers import train_chatglm_tokenizer, train_llama_tokenizer

# Models this small gain nothing from more threads, and lose much where the machine is busy.
torch.set_num_threads(1)

GOLDENS = Path(__file__).parent.parent.parent / "shared/goldens"
NO_GOLDENS = f"the golden models are not there: {GOLDENS}"

TEXTS = [
    "我感冒了，怎么治疗？",
    "感冒的常见症状有鼻塞、流涕、打喷嚏。",
    "高血压应当低盐饮食，按时服药。",
    "问题：高血压挂什么科？\n答案：高血压应到心内科就诊。",
    "下面是一个问题，运用医学知识来正确回答提问.\n### 问题:\n糖尿病吃什么药\n### 回答:\n",
    "What should I do about a cold? Rest, drink water.",
]
TARGETS = ("q_proj", "v_proj")
WIDTH, LAYERS, TEXT_PIECES = 32, 2, 105


@dataclass(frozen=True)
class TinyModels:
    """Folders of one test run. Never write into them; take a ``copy``."""

    llama: Path
    """The base, in one .safetensors file."""
    wild: Path
    """The same base as it circulates: sharded .bin, wrong ids, useless tokenizer files."""
    first: Path
    second: Path
    """Two different LoRA folders for the LLaMA base."""
    chatglm: Path
    """v1 layout."""
    chatglm_v0: Path
    prefixed: Path
    """``chatglm`` with a p-tuning prefix beside it."""
    prefix: Path
    """The same prefix in a folder of its own, as p-tuning's training leaves it."""
    bloom: Path
    """As Bloom-7B is published: the base model's names only, ``tokenizer.json``."""
    bloom_adapter: Path


def copy(folder: Path, target: Path) -> Path:
    return Path(shutil.copytree(folder, target))


def change_json(file: Path, **values: Any) -> None:
    """Set keys of a JSON file; a value of None removes the key."""
    content = json.loads(file.read_text(encoding="utf-8")) | values
    kept = {key: value for key, value in content.items() if value is not None}
    file.write_text(json.dumps(kept, ensure_ascii=False), encoding="utf-8")


def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> TinyModels:
    """All folders; made at the first call of a test run."""
    return _make(tmp_path_factory.getbasetemp() / "tiny-models")


@cache
def _make(root: Path) -> TinyModels:
    root.mkdir()
    llama = write_llama(root / "llama", seed=1)
    return TinyModels(
        llama=llama,
        wild=write_wild_llama(llama, root / "llama-7b-hf"),
        first=write_adapter(root / "lora-first", seed=2),
        second=write_adapter(root / "lora-second", seed=3),
        chatglm=write_chatglm(root / "chatglm", seed=4),
        chatglm_v0=write_chatglm_v0(root / "chatglm-v0", seed=5),
        prefixed=write_prefixed(root / "chatglm", root / "chatglm-prefixed", seed=6),
        prefix=write_prefix_folder(root / "checkpoint-3000", seed=6),
        bloom=write_bloom(root / "bloom", seed=15),
        bloom_adapter=write_adapter(
            root / "lora-bloom",
            seed=8,
            modules=BLOOM_MODULES,
            target_modules=["query_key_value"],
            base_model_name_or_path="bigscience/bloom-7b1",
        ),
    )


def _widen(model: torch.nn.Module, seed: int, answers: slice = slice(None)) -> None:
    """Draw weights wide enough that answers depend on the prompt, and consist of these ids."""
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1:
                parameter.normal_(std=0.25, generator=draw)
            if name == "lm_head.weight":
                kept = parameter[answers].clone()
                parameter.zero_()
                parameter[answers] = kept


def write_llama(folder: Path, *, seed: int, width: int = WIDTH) -> Path:
    folder.mkdir()
    train_llama_tokenizer(TEXTS, 400, folder / "tokenizer.model")
    tokenizer = LlamaSentencePieceTokenizer(str(folder / "tokenizer.model"))
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=tokenizer.vocab_size,
            hidden_size=width,
            intermediate_size=2 * width,
            num_hidden_layers=LAYERS,
            num_attention_heads=4,
            max_position_embeddings=256,
            bos_token_id=1,
            eos_token_id=2,
            pad_token_id=0,
        )
    )
    _widen(model, seed)
    model.save_pretrained(folder)
    return folder


def write_wild_llama(llama: Path, folder: Path) -> Path:
    """``llama`` as most users have LLaMA-7B."""
    folder.mkdir()
    shutil.copy(llama / "tokenizer.model", folder)
    shutil.copy(llama / "config.json", folder)
    change_json(
        folder / "config.json",
        architectures=["LLaMAForCausalLM"],
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=-1,
        max_sequence_length=256,
        max_position_embeddings=None,
    )
    wrong = {"_from_model_config": True, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 0}
    (folder / "generation_config.json").write_text(json.dumps(wrong))
    empty = {"bos_token": "", "eos_token": "", "unk_token": "", "tokenizer_class": "LLaMATokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(empty))
    (folder / "special_tokens_map.json").write_text("{}")
    tensors = LlamaForCausalLM.from_pretrained(llama).state_dict()
    tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(4)
    write_shards(folder, tensors)
    return folder


def write_shards(folder: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Two ``pytorch_model-0000k-of-00002.bin`` with their index."""
    names = list(tensors)
    halves = names[: len(names) // 2], names[len(names) // 2 :]
    places: dict[str, str] = {}
    for number, half in enumerate(halves, start=1):
        file = f"pytorch_model-0000{number}-of-00002.bin"
        torch.save({name: tensors[name].clone() for name in half}, folder / file)
        places |= dict.fromkeys(half, file)
    index = {"metadata": {"total_size": 1}, "weight_map": places}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))


LLAMA_MODULES = {
    f"model.layers.{layer}.self_attn.{target}": 1 for layer in range(LAYERS) for target in TARGETS
}
BLOOM_MODULES = {
    f"transformer.h.{layer}.self_attention.query_key_value": 3 for layer in range(LAYERS)
}
"""Matrices that an adapter changes, and how many times as wide their output is as their input."""


def write_adapter(
    folder: Path,
    *,
    seed: int,
    width: int = WIDTH,
    rank: int = 4,
    modules: dict[str, int] = LLAMA_MODULES,
    change: Callable[[str, torch.Tensor], tuple[str, torch.Tensor]] | None = None,
    **config: Any,
) -> Path:
    """A LoRA folder as peft 0.3 wrote it. ``change`` maps each (key, tensor) to what is written."""
    folder.mkdir()
    settings = {
        "base_model_name_or_path": "decapoda-research/llama-7b-hf",
        "bias": "none",
        "enable_lora": None,
        "fan_in_fan_out": False,
        "inference_mode": True,
        "lora_alpha": 16,
        "lora_dropout": 0.05,
        "merge_weights": False,
        "modules_to_save": None,
        "peft_type": "LORA",
        "r": rank,
        "target_modules": list(TARGETS),
        "task_type": "CAUSAL_LM",
    }
    (folder / "adapter_config.json").write_text(json.dumps(settings | config))
    draw = torch.Generator().manual_seed(seed)
    tensors = {}
    for module, times in modules.items():
        path = f"base_model.model.{module}"
        pair = {
            f"{path}.lora_A.weight": torch.randn(rank, width, generator=draw) * 0.2,
            f"{path}.lora_B.weight": torch.randn(times * width, rank, generator=draw) * 0.2,
        }
        tensors |= dict(change(*item) for item in pair.items()) if change else pair
    torch.save(tensors, folder / "adapter_model.bin")
    return folder


def write_chatglm(folder: Path, *, seed: int) -> Path:
    """v1: ids in the config, the special pieces inside ``ice_text.model``."""
    folder.mkdir()
    pieces = train_chatglm_tokenizer(TEXTS, TEXT_PIECES, folder / "ice_text.model")
    tokenizer = ChatGLMTokenizer(str(folder / "ice_text.model"))
    model = ChatGLMForConditionalGeneration(
        ChatGLMConfig(
            vocab_size=-(-pieces // 64) * 64,
            hidden_size=WIDTH,
            num_layers=LAYERS,
            num_attention_heads=4,
            max_sequence_length=256,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            mask_token_id=tokenizer.mask_id,
            gmask_token_id=tokenizer.gmask_id,
            architectures=["ChatGLMModel"],
        )
    )
    _widen(model, seed, slice(5, TEXT_PIECES))
    model.save_pretrained(folder)
    return folder


def write_chatglm_v0(folder: Path, *, seed: int) -> Path:
    """v0: 20000 image rows in front, no mask ids, ``ice_text.model`` without the special pieces."""
    folder.mkdir()
    train_chatglm_tokenizer(TEXTS, TEXT_PIECES, folder / "ice_text.model")
    model = proto.ModelProto()
    model.ParseFromString((folder / "ice_text.model").read_bytes())
    text_pieces = len(model.pieces) - len(extra_pieces())
    del model.pieces[text_pieces:]
    model.trainer_spec.byte_fallback = False
    (folder / "ice_text.model").write_bytes(model.SerializeToString())
    sop = IMAGE_TOKENS_V0 + text_pieces + 4
    network = ChatGLMForConditionalGeneration(
        ChatGLMConfig(
            vocab_size=-(-(IMAGE_TOKENS_V0 + text_pieces + len(extra_pieces())) // 64) * 64,
            hidden_size=WIDTH,
            num_layers=LAYERS,
            num_attention_heads=4,
            max_sequence_length=256,
            bos_token_id=sop,
            eos_token_id=sop + 1,
            pad_token_id=IMAGE_TOKENS_V0 + 3,
            architectures=["ChatGLMModel"],
        )
    )
    _widen(network, seed, slice(IMAGE_TOKENS_V0 + 5, IMAGE_TOKENS_V0 + TEXT_PIECES))
    network.save_pretrained(folder)
    change_json(
        folder / "config.json",
        mask_token_id=None,
        gmask_token_id=None,
        sop_keeps_its_position=None,
        pad_token_id=None,
    )
    return folder


def write_prefix(file: Path, *, seed: int, length: int = 6, projection: int = 0) -> Path:
    """A p-tuning v2 prefix for the tiny ChatGLM, through a projection of that width or without."""
    draw = torch.Generator().manual_seed(seed)
    width = LAYERS * 2 * WIDTH
    shapes = {"embedding.weight": (length, (projection and WIDTH) or width)}
    if projection:
        shapes |= {
            "trans.0.weight": (projection, WIDTH),
            "trans.0.bias": (projection,),
            "trans.2.weight": (width, projection),
            "trans.2.bias": (width,),
        }
    tensors = {
        f"transformer.prefix_encoder.{part}": torch.randn(shape, generator=draw)
        for part, shape in shapes.items()
    }
    torch.save(tensors, file)
    return file


def write_prefixed(chatglm: Path, folder: Path, *, seed: int) -> Path:
    copy(chatglm, folder)
    write_prefix(folder / "prefix_encoder.bin", seed=seed)
    return folder


def write_prefix_folder(folder: Path, *, seed: int) -> Path:
    folder.mkdir()
    write_prefix(folder / "pytorch_model.bin", seed=seed)
    return folder


def write_quantised(chatglm: Path, folder: Path, *, bits: int) -> Path:
    """The blocks' matrices of ``chatglm`` as the published int8 and int4 checkpoints hold them."""
    copy(chatglm, folder)
    tensors = {}
    for name, tensor in load_file(folder / "model.safetensors").items():
        if tensor.dim() != 2 or ".layers." not in name:
            tensors[name] = tensor.half()
            continue
        scale = tensor.abs().amax(-1) / (2 ** (bits - 1) - 1)
        integers = (tensor / scale[:, None]).round().to(torch.int8)
        if bits == 4:
            integers = (integers[:, 0::2] << 4) | (integers[:, 1::2] & 15)
        tensors |= {name: integers, f"{name}_scale": scale.half()}
    (folder / "model.safetensors").unlink()
    write_shards(folder, tensors)
    change_json(folder / "config.json", quantization_bit=bits)
    return folder


def write_bloom(folder: Path, *, seed: int) -> Path:
    folder.mkdir()
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<unk>", "<s>", "</s>", "<pad>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    model = BloomForCausalLM(
        BloomConfig(vocab_size=448, hidden_size=WIDTH, n_layer=LAYERS, n_head=4, seq_length=256)
    )
    _widen(model, seed)
    with torch.no_grad():  # with its tied head, a weaker network would repeat the last token
        for layer in model.transformer.h:
            for matrix in (layer.self_attention.dense, layer.mlp.dense_4h_to_h):
                matrix.weight *= 8
    model.config.save_pretrained(folder)
    change_json(folder / "config.json", bos_token_id=None, eos_token_id=None, pad_token_id=None)
    write_shards(folder, model.transformer.state_dict())
    return folder


def write_sparse_llama(folder: Path) -> Path:
    """LLaMA-7B in three safetensors shards of 13.5 GB together, which take no room on the disk."""
    shapes = llama_shapes({})
    names = list(shapes)
    places = {}
    for number in range(3):
        file = f"model-{number + 1:05d}-of-00003.safetensors"
        table, end = {}, 0
        for name in names[number::3]:
            begin, end = end, end + 2 * torch.Size(shapes[name]).numel()
            table[name] = {"dtype": "F16", "shape": shapes[name], "data_offsets": [begin, end]}
            places[name] = file
        header = json.dumps(table).encode()
        with (folder / file).open("wb") as stream:
            stream.write(len(header).to_bytes(8, "little") + header)
            stream.truncate(8 + len(header) + end)
    index = {"metadata": {}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder
