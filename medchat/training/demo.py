"""The recipe of the demonstration models: every number that their weights depend on.

Three stages, each a folder in the published file layout: a small LLaMA from scratch on plain text,
a HuaTuo-style LoRA on it, and a small ChatGLM-6B-architecture model. Reading the same knowledge
with the same seed on the same kind of processor gives the same weights.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import sentencepiece
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

from medchat.errors import BadInput
from medchat.knowledge.base import load_knowledge
from medchat.knowledge.dataset import (
    Pair,
    load_templates,
    plain_text,
    question_answer_pairs,
)
from medchat.models.chatglm import (
    ChatGLMConfig,
    ChatGLMForConditionalGeneration,
    ChatGLMTokenizer,
)
from medchat.models.chatglm.tokenization import encode_whitespace
from medchat.models.llama import LlamaSentencePieceTokenizer
from medchat.models.templates import TEMPLATES, Turn
from medchat.training.sft import TrainingOptions, answer_rows, text_rows, train
from medchat.training.tokenizers import train_chatglm_tokenizer, train_llama_tokenizer

LLAMA, HUATUO, CHATGLM_MED = "demo-llama", "demo-huatuo", "demo-chatglm-med"
LONGEST = 160
"""Tokens of a training row."""


@dataclass(frozen=True)
class Recipe:
    """What the three stages learn from, and for how long."""

    text_rounds: int = 150
    """Passes over the knowledge base as plain text."""
    huatuo_rounds: int = 60
    """Passes over all facts as questions and answers."""
    chatglm_rounds: int = 100
    vocabulary: int = 3072
    hidden_size: int = 256
    layers: int = 4
    heads: int = 4
    seed: int = 2023
    max_steps: int = -1
    """For a try-out: stop each stage after so many steps."""


def train_llama(knowledge: Path, output: Path, recipe: Recipe) -> None:
    """Tokenizer and base, from scratch, on statements, lists of questions and general text."""
    entries = load_knowledge(knowledge)
    templates = load_templates(knowledge / "templates.toml")
    general = (knowledge / "general.txt").read_text(encoding="utf-8").splitlines()
    texts = list(
        plain_text(entries, templates, general, rounds=recipe.text_rounds, seed=recipe.seed)
    )
    folder = _new_folder(output / LLAMA)
    sample = texts[:4000] + [_med_prompt(pair) for pair in _pairs(knowledge, 2, recipe.seed)]
    train_llama_tokenizer(sample, recipe.vocabulary, folder / "tokenizer.model")
    tokenizer = LlamaSentencePieceTokenizer(str(folder / "tokenizer.model"))
    torch.manual_seed(recipe.seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=tokenizer.vocab_size,
            hidden_size=recipe.hidden_size,
            intermediate_size=recipe.hidden_size * 11 // 4,
            num_hidden_layers=recipe.layers,
            num_attention_heads=recipe.heads,
            max_position_embeddings=1024,
            rms_norm_eps=1e-6,
            bos_token_id=1,
            eos_token_id=2,
            pad_token_id=0,
        )
    )
    options = TrainingOptions(
        learning_rate=2e-3, batch_size=32, seed=recipe.seed, max_steps=recipe.max_steps
    )
    train(model, text_rows(texts, tokenizer, LONGEST), options, output / "run")
    model.half().save_pretrained(folder)
    _write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "LlamaTokenizer",
            "bos_token": "<s>",
            "eos_token": "</s>",
            "unk_token": "<unk>",
            "add_bos_token": True,
            "add_eos_token": False,
        },
    )


def train_huatuo(knowledge: Path, output: Path, recipe: Recipe) -> None:
    """A LoRA on the base that ``train_llama`` left in ``output``, with HuaTuo's med template."""
    base = output / LLAMA
    tokenizer = LlamaSentencePieceTokenizer(str(base / "tokenizer.model"))
    model = LlamaForCausalLM.from_pretrained(base, dtype=torch.float32)
    torch.manual_seed(recipe.seed)
    adapted = get_peft_model(
        model,
        LoraConfig(
            r=32,
            lora_alpha=64,
            lora_dropout=0.0,
            target_modules=[
                "q_proj",
                "k_proj",
                "v_proj",
                "o_proj",
                "gate_proj",
                "up_proj",
                "down_proj",
            ],
            task_type="CAUSAL_LM",
            base_model_name_or_path=LLAMA,
        ),
    )
    pairs = _pairs(knowledge, recipe.huatuo_rounds, recipe.seed)
    prompts = ((_med_prompt(pair), pair.answer) for pair in pairs)
    sentencepiece.set_random_generator_seed(recipe.seed)
    options = TrainingOptions(
        learning_rate=3e-3, batch_size=64, seed=recipe.seed, max_steps=recipe.max_steps
    )
    rows = answer_rows(prompts, tokenizer, LONGEST, _llama_variant(tokenizer))
    train(adapted, rows, options, output / "run")
    folder = _new_folder(output / HUATUO)
    adapted.half().save_pretrained(str(folder), safe_serialization=False)
    _change_json(folder / "adapter_config.json", base_model_name_or_path=LLAMA)
    (folder / "README.md").unlink(missing_ok=True)  # peft's blank card; ours covers all models


def train_chatglm(knowledge: Path, output: Path, recipe: Recipe) -> None:
    """Tokenizer (v1 layout) and model, from scratch, on ChatGLM-Med's prompts and answers."""
    template = TEMPLATES["chatglm-med"]
    pairs = list(_pairs(knowledge, recipe.chatglm_rounds, recipe.seed))
    prompts = [(template.render([Turn(pair.question)]), pair.answer) for pair in pairs]
    general = (knowledge / "general.txt").read_text(encoding="utf-8").splitlines()
    folder = _new_folder(output / CHATGLM_MED)
    sample = [prompt + answer for prompt, answer in prompts[:4000]] + general
    pieces = train_chatglm_tokenizer(sample, recipe.vocabulary, folder / "ice_text.model")
    tokenizer = ChatGLMTokenizer(str(folder / "ice_text.model"))
    torch.manual_seed(recipe.seed)
    model = ChatGLMForConditionalGeneration(
        ChatGLMConfig(
            vocab_size=-(-pieces // 64) * 64,
            hidden_size=recipe.hidden_size,
            num_layers=recipe.layers,
            num_attention_heads=recipe.heads,
            max_sequence_length=1024,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            mask_token_id=tokenizer.mask_id,
            gmask_token_id=tokenizer.gmask_id,
            initializer_range=0.06,
            architectures=["ChatGLMModel"],
        )
    )
    options = TrainingOptions(
        learning_rate=1.5e-3, batch_size=64, seed=recipe.seed, max_steps=recipe.max_steps
    )
    sentencepiece.set_random_generator_seed(recipe.seed)
    rows = answer_rows(prompts, tokenizer, LONGEST, _chatglm_variant(tokenizer))
    train(model, rows, options, output / "run")
    model.half().save_pretrained(folder)
    _change_json(folder / "config.json", architectures=["ChatGLMModel"])  # as published
    _write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "ChatGLMTokenizer",
            "bos_token": "<sop>",
            "eos_token": "<eop>",
            "end_token": "</s>",
            "gmask_token": "[gMASK]",
            "mask_token": "[MASK]",
            "pad_token": "<pad>",
            "unk_token": "<unk>",
            "num_image_tokens": 0,
            "remove_space": False,
            "do_lower_case": False,
        },
    )


STAGES = {LLAMA: train_llama, HUATUO: train_huatuo, CHATGLM_MED: train_chatglm}


def train_stages(stage: str, knowledge: Path, output: Path, max_steps: int = -1) -> None:
    """Train one stage, or all in order. Raises BadInput for an unknown stage or a missing base."""
    if stage != "all" and stage not in STAGES:
        raise BadInput(f"There is no stage {stage!r}. Known: all, {', '.join(STAGES)}.")
    if stage == HUATUO and not (output / LLAMA).is_dir():
        raise BadInput(f"{HUATUO} is tuned on {LLAMA}, which is not in {output}. Train it first.")
    recipe = Recipe(max_steps=max_steps)
    for name in STAGES if stage == "all" else [stage]:
        STAGES[name](knowledge, output, recipe)


def _pairs(knowledge: Path, rounds: int, seed: int) -> Iterator[Pair]:
    templates = load_templates(knowledge / "templates.toml")
    return question_answer_pairs(load_knowledge(knowledge), templates, rounds=rounds, seed=seed)


def _llama_variant(tokenizer: LlamaSentencePieceTokenizer) -> Callable[[str], list[int]]:
    """A prompt cut into pieces in a way drawn anew, so that no wording is learnt as one picture.

    BPE-dropout (Provilkov et al. 2020), one merge in ten left out.
    """

    def encode(prompt: str) -> list[int]:
        pieces = tokenizer.sp_model.encode(prompt, enable_sampling=True, alpha=0.1)
        return tokenizer.build_inputs_with_special_tokens(pieces)

    return encode


def _chatglm_variant(tokenizer: ChatGLMTokenizer) -> Callable[[str], list[int]]:
    """The same by subword regularisation (Kudo 2018), over all segmentations, alpha 0.3."""

    def encode(prompt: str) -> list[int]:
        text = encode_whitespace(prompt)
        pieces = tokenizer.pieces.encode(text, enable_sampling=True, alpha=0.3, nbest_size=-1)
        return tokenizer.build_inputs_with_special_tokens(pieces)

    return encode


def _change_json(file: Path, **values: object) -> None:
    content = json.loads(file.read_text(encoding="utf-8"))
    _write_json(file, {**content, **values})


def _med_prompt(pair: Pair) -> str:
    return TEMPLATES["med"].render([Turn(pair.question)])


def _new_folder(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _write_json(file: Path, content: dict[str, object]) -> None:
    file.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
