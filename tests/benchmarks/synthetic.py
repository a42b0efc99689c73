"""Checkpoints of any size with random or no content, in the published file layouts.

Written straight to files, one shard in memory at a time, so that a full-size one needs little.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from model_fixtures import TEXT_PIECES, TEXTS
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

from medchat.models.families.chatglm import (
    ChatGLMConfig,
    ChatGLMForConditionalGeneration,
    ChatGLMTokenizer,
)
from medchat.training.tokenizers import train_chatglm_tokenizer, train_llama_tokenizer

SHARD = 400 * 2**20
"""Bytes of a shard, about that of LLaMA-7B's copies."""


def write_llama(folder: Path, *, suffix: str, **sizes: Any) -> Path:
    """A LLaMA checkpoint in float16, its sizes as LlamaConfig's."""
    folder.mkdir(parents=True)
    train_llama_tokenizer(TEXTS, 400, folder / "tokenizer.model")
    config = LlamaConfig(**sizes)
    with init_empty_weights():
        network = LlamaForCausalLM(config)
    return _write(folder, config, network, suffix)


def write_chatglm(folder: Path, *, suffix: str, **sizes: Any) -> Path:
    """A ChatGLM-6B checkpoint (v1 layout) in float16, its sizes as ChatGLMConfig's."""
    folder.mkdir(parents=True)
    train_chatglm_tokenizer(TEXTS, TEXT_PIECES, folder / "ice_text.model")
    tokenizer = ChatGLMTokenizer(str(folder / "ice_text.model"))
    config = ChatGLMConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        mask_token_id=tokenizer.mask_id,
        gmask_token_id=tokenizer.gmask_id,
        **sizes,
    )
    with init_empty_weights():
        network = ChatGLMForConditionalGeneration(config)
    return _write(folder, config, network, suffix)


def _write(folder: Path, config: Any, network: torch.nn.Module, suffix: str) -> Path:
    config.dtype = torch.float16
    config.save_pretrained(folder)
    shapes = {name: tensor.shape for name, tensor in network.state_dict().items()}
    shards = list(_shards(shapes))
    stem = "model" if suffix == ".safetensors" else "pytorch_model"
    places = {}
    for number, names in enumerate(shards, start=1):
        file = f"{stem}-{number:05d}-of-{len(shards):05d}{suffix}"
        draw = torch.Generator().manual_seed(number)
        tensors = {
            name: torch.empty(shapes[name], dtype=torch.float16).uniform_(
                -0.02, 0.02, generator=draw
            )
            for name in names
        }
        save_file(tensors, folder / file) if stem == "model" else torch.save(tensors, folder / file)
        places |= dict.fromkeys(names, file)
    index = {"metadata": {"total_size": 0}, "weight_map": places}
    (folder / f"{stem}{suffix}.index.json").write_text(json.dumps(index))
    return folder


def _shards(shapes: dict[str, torch.Size]) -> Iterator[list[str]]:
    names: list[str] = []
    size = 0
    for name, shape in shapes.items():
        if size and size + 2 * shape.numel() > SHARD:
            yield names
            names, size = [], 0
        names.append(name)
        size += 2 * shape.numel()
    yield names
