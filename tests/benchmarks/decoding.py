"""Decoding speed: native ChatGLM against transformers' own LLaMA of the same size, in one run.

Also what a processor makes of float32 and bfloat16, which decides what ``auto`` takes. Only ratios
within the run mean anything; they are medians of rounds in which both take turns.
"""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.cache_utils import DynamicCache

from medchat.config import GenerationOptions
from medchat.engine import End, LocalEngine, Request, stream
from medchat.models import Registry, Turn
from medchat.models.families.chatglm import ChatGLMConfig, ChatGLMForConditionalGeneration
from medchat.models.precision import processor_multiplies_bfloat16

ROUNDS, PROMPT, NEW = 7, 64, 32


def chatglm(width: int, layers: int, dtype: torch.dtype) -> Any:
    config = ChatGLMConfig(
        vocab_size=32000,
        hidden_size=width,
        num_layers=layers,
        num_attention_heads=width // 64,
        bos_token_id=4,
        eos_token_id=5,
    )
    return ChatGLMForConditionalGeneration(config).to(dtype).eval()


def llama(width: int, layers: int, dtype: torch.dtype) -> Any:
    """As many parameters: LLaMA's three inner matrices are two thirds as wide as ChatGLM's two."""
    config = LlamaConfig(
        vocab_size=32000,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=width // 64,
        intermediate_size=width * 8 // 3,
    )
    return LlamaForCausalLM(config).to(dtype).eval()


def decode(model: Any) -> float:
    """Seconds per new token behind a prompt, one call of the network each, as the engine decodes.

    The prompt's own call is not counted.
    """
    ids = torch.full((1, PROMPT), 10)
    if isinstance(model, ChatGLMForConditionalGeneration):
        ids[0, -2:] = torch.tensor([model.config.gmask_token_id, model.config.bos_token_id])
    cache = DynamicCache()
    with torch.inference_mode():
        started = 0.0
        for step in range(NEW + 1):
            seen = cache.get_seq_length()
            extra = {}
            if isinstance(model, ChatGLMForConditionalGeneration):
                extra["position_ids"] = model.sequence_positions(ids)[..., seen:]
            output = model(
                input_ids=ids[:, seen:],
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
                **extra,
            )
            token = 10 + output.logits[:, -1].argmax(-1, keepdim=True) % 100
            ids = torch.cat([ids, token], dim=-1)
            if step == 0:
                started = time.perf_counter()
    return (time.perf_counter() - started) / NEW


def in_turns(*measures: Callable[[], float]) -> list[float]:
    """The median of each measure over rounds in which each has its turn."""
    rounds = [[measure() for measure in measures] for _ in range(ROUNDS + 1)][1:]
    return [median(values) for values in zip(*rounds, strict=True)]


def compare_families() -> None:
    print("native ChatGLM against transformers' LLaMA, tokens per second (ratio: 1 is equal)")
    for width, layers in ((256, 8), (1024, 12), (2048, 8)):
        for dtype in (torch.float32, torch.bfloat16):
            models = chatglm(width, layers, dtype), llama(width, layers, dtype)
            sizes = [sum(p.numel() for p in model.parameters()) / 1e6 for model in models]
            ours, theirs = in_turns(*(partial(decode, model) for model in models))
            print(
                f"  {width:5} wide, {layers:2} layers, {str(dtype)[6:]:9} {sizes[0]:6.0f} M / "
                f"{sizes[1]:6.0f} M: {1 / ours:6.1f} / {1 / theirs:6.1f}  ratio {theirs / ours:.2f}"
            )


def compare_precisions() -> None:
    print(
        f"bfloat16 against float32 (multiplied by hardware here: {processor_multiplies_bfloat16()})"
    )
    for width, layers in ((256, 8), (512, 12), (1024, 12), (2048, 8)):
        narrow, wide = (llama(width, layers, dtype) for dtype in (torch.bfloat16, torch.float32))
        half, full = in_turns(partial(decode, narrow), partial(decode, wide))
        size = sum(p.numel() for p in wide.parameters()) / 1e6
        print(f"  {size:6.0f} M: {1 / half:6.1f} / {1 / full:6.1f}  ratio {full / half:.2f}")


def compare_batched() -> None:
    """Whole answers through the engine: eight requests that share their passes, or do not."""
    print("batched answers against answers in turn, eight at once, tokens per second")
    engine = LocalEngine(Registry.read(Path("models.toml")), device="cpu")
    try:
        for name in ("demo-llama", "demo-huatuo", "demo-chatglm-med"):
            alone, shared = in_turns(
                *(partial(seconds_per_token, engine, name, batched) for batched in (False, True))
            )
            print(f"  {name:17}: {1 / shared:6.1f} / {1 / alone:6.1f}  ratio {alone / shared:.2f}")
    finally:
        engine.close()


def seconds_per_token(engine: LocalEngine, model: str, batched: bool) -> float:
    options = GenerationOptions(max_new_tokens=60)
    requests = [
        Request(str(n), model, (Turn(f"感冒了怎么办？{'请说明。' * n}"),), options, batched)
        for n in range(8)
    ]
    started = time.perf_counter()
    ends = [event for event in stream(engine, requests) if isinstance(event, End)]
    return (time.perf_counter() - started) / sum(end.new_tokens for end in ends)


if __name__ == "__main__":
    torch.manual_seed(0)
    compare_families()
    compare_precisions()
    compare_batched()
