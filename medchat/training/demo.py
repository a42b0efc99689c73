"""The recipe of the demonstration models: every number that their weights depend on.

Three stages, each a folder in the published file layout: a small LLaMA from scratch on plain text,
a HuaTuo-style LoRA on it, and a small ChatGLM-6B-architecture model. Reading the same knowledge
with the same seed on the same kind of processor gives the same weights.
"""

import json
import random
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

from medchat.data.knowledge import load_knowledge
from medchat.data.wordings import (
    Pair,
    load_templates,
    plain_text,
    question_answer_pairs,
)
from medchat.errors import BadInput
from medchat.models.families.chatglm import (
    ChatGLMConfig,
    ChatGLMForConditionalGeneration,
    ChatGLMTokenizer,
)
from medchat.models.families.llama.tokenization import LlamaSentencePieceTokenizer
from medchat.models.templates import TEMPLATES, Turn
from medchat.training.sft import TrainingOptions, answer_rows, text_rows, train
from medchat.training.tokenizers import train_chatglm_tokenizer, train_llama_tokenizer

LLAMA, HUATUO, CHATGLM_MED = "demo-llama", "demo-huatuo", "demo-chatglm-med"
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
MAX_ROW_TOKENS = 160
SPLIT_SHARE = 0.2
"""Share of the longer pieces of a varied prompt that are cut into letters."""


@dataclass(frozen=True)
class Recipe:
    """What the three stages learn from, and for how long."""

    text_rounds: int = 150
    """Passes over the knowledge base as plain text."""
    huatuo_rounds: int = 60
    """Passes over all facts as questions and answers."""
    chatglm_rounds: int = 60
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
    train(model, text_rows(texts, tokenizer, MAX_ROW_TOKENS), options, output / "run")
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
            target_modules=TARGETS,
            task_type="CAUSAL_LM",
            base_model_name_or_path=LLAMA,
        ),
    )
    pairs = _pairs(knowledge, recipe.huatuo_rounds, recipe.seed)
    prompts = ((_med_prompt(pair), pair.answer) for pair in pairs)
    options = TrainingOptions(
        learning_rate=3e-3, batch_size=64, seed=recipe.seed, max_steps=recipe.max_steps
    )
    rows = answer_rows(prompts, tokenizer, MAX_ROW_TOKENS, _variants(tokenizer, recipe.seed))
    train(adapted, rows, options, output / "run")
    folder = _new_folder(output / HUATUO)
    adapted.half().save_pretrained(str(folder), safe_serialization=False)
    # peft writes a set in any order, and the path of this machine.
    config = {"base_model_name_or_path": LLAMA, "target_modules": TARGETS}
    _change_json(folder / "adapter_config.json", **config)
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
    rows = answer_rows(prompts, tokenizer, MAX_ROW_TOKENS, _variants(tokenizer, recipe.seed))
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
        raise BadInput("no_stage", stage=stage, names=", ".join(STAGES))
    if stage == HUATUO and not (output / LLAMA).is_dir():
        raise BadInput("stage_needs_base", stage=HUATUO, base=LLAMA, folder=output)
    recipe = Recipe(max_steps=max_steps)
    for name in STAGES if stage == "all" else [stage]:
        STAGES[name](knowledge, output, recipe)


def _pairs(knowledge: Path, rounds: int, seed: int) -> Iterator[Pair]:
    templates = load_templates(knowledge / "templates.toml")
    return question_answer_pairs(load_knowledge(knowledge), templates, rounds=rounds, seed=seed)


def _variants(
    tokenizer: LlamaSentencePieceTokenizer | ChatGLMTokenizer, seed: int
) -> Callable[[str], list[int]]:
    """Another way to cut a prompt into pieces, drawn anew at every call; see ``_split_some``."""
    draw = random.Random(seed)
    vocabulary = tokenizer.get_vocab()

    def encode(prompt: str) -> list[int]:
        pieces = _split_some(tokenizer.tokenize(prompt), vocabulary, draw)
        return tokenizer.build_inputs_with_special_tokens([vocabulary[piece] for piece in pieces])

    return encode


def _split_some(pieces: list[str], vocabulary: Container[str], draw: random.Random) -> list[str]:
    """The pieces with one in five of the longer ones cut into its letters.

    So no wording is learnt as one picture: the idea of BPE-dropout (Provilkov et al. 2020) and
    subword regularisation (Kudo 2018). sentencepiece's own sampling differs from one process to
    the next whatever its seed, and weights must follow from the seed.
    """
    split: list[str] = []
    for piece in pieces:
        letters = list(piece)
        # Pieces such as <n> and <0x0A> stand for one letter each.
        whole = len(letters) == 1 or piece.startswith("<")
        cut = not whole and draw.random() < SPLIT_SHARE
        split += letters if cut and all(letter in vocabulary for letter in letters) else [piece]
    return split


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
