"""LLaMA and HuaTuo's adapters: the golden answers, alone and through one base with switching.

The worst failure of this product is one model's text shown as another's.
"""

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from model_fixtures import GOLDENS, NO_GOLDENS, TinyModels, tiny_models

from medchat.models import LoadedBase, LoadedModel, ModelSpec, load, load_base
from medchat.models.families.llama.tokenization import LlamaSentencePieceTokenizer
from medchat.models.templates import Turn, find_template

HUATUO = GOLDENS / "llama-huatuo"
BASE = HUATUO / "llama-7b-hf"
TEMPLATES = {"base": "med", "lora-llama-med": "med", "lora-llama-med-literature": "literature"}

TIES = {("base", 2): 3}
"""Greedy tokens of a case in front of a tie that float32 decides otherwise: see ``half_tables``."""

needs_goldens = pytest.mark.skipif(not HUATUO.is_dir(), reason=NO_GOLDENS)
each_model = pytest.mark.parametrize("name", TEMPLATES)


def cases(name: str) -> list[dict[str, Any]]:
    content = json.loads((HUATUO / "cases.json").read_text(encoding="utf-8"))
    return list(content[name])


def spec(name: str, base: Path, adapter: Path | None) -> ModelSpec:
    template = find_template(TEMPLATES.get(name, "med"))
    return ModelSpec(name, name, "llama", template, base=base, adapter=adapter)


def golden_spec(name: str) -> ModelSpec:
    return spec(name, BASE, None if name == "base" else HUATUO / name)


@pytest.fixture(scope="module")
def alone():
    """Each model loaded by itself, once."""
    models: dict[str, LoadedModel] = {}

    def get(name: str) -> LoadedModel:
        if name not in models:
            models[name] = load(golden_spec(name), device="cpu", dtype="float32")
        return models[name]

    return get


@pytest.fixture(scope="module")
def together() -> LoadedBase:
    """One base that bears both adapters."""
    base = load_base(golden_spec("base"), device="cpu", dtype="float32")
    for name in TEMPLATES:
        if name != "base":
            base.add_adapter(name, HUATUO / name)
    return base


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> TinyModels:
    return tiny_models(tmp_path_factory)


@pytest.fixture
def half_tables(alone):
    """The base with its rotary cosines and sines rounded to float16.

    So the goldens of the base (not those of the adapters) were computed: with it their logits are
    met to 1e-5, without it to 1e-3 only, and one answer meets a tie (two logits 4e-5 apart).
    """
    model = alone("base").model
    rotary = model.model.rotary_emb
    exact = rotary.forward
    rotary.forward = lambda *a, **k: tuple(table.half().float() for table in exact(*a, **k))
    yield model
    del rotary.forward


def published_greedy(name: str) -> list[tuple[list[int], list[int]]]:
    """(input ids, new ids) of each case, up to a tie."""
    return [
        (case["input_ids"], case["greedy_new_ids"][: TIES.get((name, index))])
        for index, case in enumerate(cases(name))
    ]


def generate(model: Any, ids: list[int], count: int, beams: int = 1) -> list[int]:
    prompt = torch.tensor([ids])
    with torch.inference_mode():
        found = model.generate(
            input_ids=prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=count,
            num_beams=beams,
            do_sample=False,
        )
    return found[0, len(ids) :].tolist()


def last_logits(model: Any, ids: list[int]) -> torch.Tensor:
    with torch.inference_mode():
        return model(input_ids=torch.tensor([ids])).logits[0, -1].float()


# -- goldens, each model alone --


@needs_goldens
@each_model
def test_prompts_become_the_published_ids_with_bos_in_front(alone, name: str) -> None:
    tokenizer = alone(name).tokenizer
    for case in cases(name):
        assert tokenizer(case["prompt"])["input_ids"] == case["input_ids"]
        assert case["input_ids"][0] == tokenizer.bos_token_id == 1


@needs_goldens
@each_model
def test_the_template_gives_the_published_prompt(alone, name: str) -> None:
    for case in cases(name):
        start, end = alone(name).template.render([Turn("\0")]).split("\0")
        assert case["prompt"].startswith(start)
        assert case["prompt"].endswith(end)


@needs_goldens
@each_model
def test_the_eight_likeliest_tokens_have_the_published_logits(alone, name: str) -> None:
    for case in cases(name):
        logits = last_logits(alone(name).model, case["input_ids"])
        for token, logit in case["last_logits_top8"]:
            assert abs(float(logits[token]) - logit) <= 2e-3
        assert logits.topk(8).indices.tolist() == [token for token, _ in case["last_logits_top8"]]


@needs_goldens
@each_model
def test_greedy_answers_are_the_published_ones_token_for_token(alone, name: str) -> None:
    for ids, wanted in published_greedy(name):
        assert generate(alone(name).model, ids, len(wanted)) == wanted


@needs_goldens
@each_model
def test_beam_answers_are_the_published_ones_token_for_token(alone, name: str) -> None:
    for case in cases(name):
        wanted = case["beam4_new_ids"]
        assert generate(alone(name).model, case["input_ids"], len(wanted), beams=4) == wanted


@needs_goldens
def test_with_rotary_tables_in_half_precision_the_base_gives_every_published_token(
    half_tables,
) -> None:
    for case in cases("base"):
        logits = last_logits(half_tables, case["input_ids"])
        for token, logit in case["last_logits_top8"]:
            assert abs(float(logits[token]) - logit) <= 1e-4
        assert generate(half_tables, case["input_ids"], 40) == case["greedy_new_ids"]


@needs_goldens
@each_model
def test_an_answer_reads_as_the_published_one(alone, name: str) -> None:
    for case in cases(name):
        text = alone(name).tokenizer.decode(case["greedy_new_ids"], skip_special_tokens=True)
        assert text == case["greedy_text"]


# -- goldens, all through one base --


@needs_goldens
def test_one_base_gives_every_model_its_own_answers_in_whatever_order_they_come(together) -> None:
    tasks = [(name, *case) for name in TEMPLATES for case in published_greedy(name)] * 3
    random.Random(2023).shuffle(tasks)
    for name, ids, wanted in tasks:
        model = together.activate(None if name == "base" else name)
        assert generate(model, ids, len(wanted[:12])) == wanted[:12], name


@needs_goldens
def test_beams_on_one_base_are_those_of_each_model_alone(together) -> None:
    for name in [*TEMPLATES, *reversed(TEMPLATES)]:
        case = cases(name)[0]
        model = together.activate(None if name == "base" else name)
        wanted = case["beam4_new_ids"]
        assert generate(model, case["input_ids"], len(wanted), beams=4) == wanted, name


@needs_goldens
def test_the_weights_of_the_base_are_there_once(together) -> None:
    shared = together.model.get_input_embeddings().weight.data_ptr()
    for name in TEMPLATES:
        model = together.activate(None if name == "base" else name)
        assert model.get_input_embeddings().weight.data_ptr() == shared


# -- without goldens --


@pytest.fixture
def bearing_two(folders: TinyModels) -> LoadedBase:
    base = load_base(spec("base", folders.llama, None), device="cpu", dtype="float32")
    base.add_adapter("first", folders.first)
    base.add_adapter("second", folders.second)
    return base


def test_switching_in_random_order_never_mixes_models_up(bearing_two, folders) -> None:
    ids = bearing_two.tokenizer("我感冒了，怎么治疗？")["input_ids"]
    wanted = {
        None: generate(load(folders.llama, device="cpu").model, ids, 12),
        "first": generate(load(folders.llama, adapter=folders.first, device="cpu").model, ids, 12),
        "second": generate(
            load(folders.llama, adapter=folders.second, device="cpu").model, ids, 12
        ),
    }
    assert len({tuple(answer) for answer in wanted.values()}) == 3
    draw = random.Random(1)
    for name in draw.choices(list(wanted), k=30):
        assert generate(bearing_two.activate(name), ids, 12) == wanted[name], name


def test_an_adapter_that_comes_later_changes_nothing_for_those_before(bearing_two, folders) -> None:
    ids = bearing_two.tokenizer("高血压")["input_ids"]
    before = {name: last_logits(bearing_two.activate(name), ids) for name in (None, "first")}
    bearing_two.add_adapter("third", folders.second)
    for name, logits in before.items():
        assert torch.equal(last_logits(bearing_two.activate(name), ids), logits), name


def test_the_files_as_they_circulate_give_the_model_that_the_repaired_ones_give(folders) -> None:
    wild, repaired = (load(f, device="cpu") for f in (folders.wild, folders.llama))
    ids = repaired.tokenizer("我感冒了")["input_ids"]
    assert wild.tokenizer("我感冒了")["input_ids"] == ids
    assert torch.equal(last_logits(wild.model, ids), last_logits(repaired.model, ids))
    for loaded in (wild, repaired):
        config = loaded.model.generation_config
        assert (config.bos_token_id, config.eos_token_id, config.pad_token_id) == (1, 2, 0)
        assert loaded.max_length == 256
        assert loaded.eos_ids == {2}


@pytest.mark.parametrize("typed", ["</s>", "<s>", "<unk>"])
def test_a_special_token_that_a_user_types_stays_text(folders: TinyModels, typed: str) -> None:
    tokenizer = LlamaSentencePieceTokenizer(str(folders.llama / "tokenizer.model"))
    ids = tokenizer(f"感冒{typed}感冒")["input_ids"]
    assert ids[0] == tokenizer.bos_token_id
    assert not {1, 2} & set(ids[1:])
    assert tokenizer.decode(ids, skip_special_tokens=True) == f"感冒{typed}感冒"


def test_text_comes_back_as_it_was(folders: TinyModels) -> None:
    tokenizer = LlamaSentencePieceTokenizer(str(folders.llama / "tokenizer.model"))
    for text in ("感冒\n### 回答:\n", "a  b\tc", "😀 β-谷甾醇", ""):
        assert tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True) == text


def test_a_batch_is_padded_on_the_left_with_id_0(folders: TinyModels) -> None:
    tokenizer = LlamaSentencePieceTokenizer(str(folders.llama / "tokenizer.model"))
    batch = tokenizer(["感冒", "高血压应当低盐饮食"], padding=True)
    short, long = batch["input_ids"]
    pad = len(long) - len(tokenizer("感冒")["input_ids"])
    assert short == [0] * pad + tokenizer("感冒")["input_ids"]
    assert batch["attention_mask"][0] == [0] * pad + [1] * (len(long) - pad)


def test_provenance_says_what_exactly_answered(folders: TinyModels) -> None:
    told = load(folders.llama, adapter=folders.first, device="cpu").provenance
    assert (told["base"], told["adapter"], told["template"]) == ("llama", "lora-first", "med")
    assert (told["dtype"], told["device"]) == ("float32", "cpu")
    other = load(folders.llama, adapter=folders.second, device="cpu").provenance
    assert told["base_fingerprint"] == other["base_fingerprint"]
    assert told["adapter_fingerprint"] != other["adapter_fingerprint"]


def test_a_model_without_an_adapter_has_no_fingerprint_of_one(folders: TinyModels) -> None:
    told = load(folders.llama, device="cpu").provenance
    assert (told["adapter"], told["adapter_fingerprint"]) == (None, None)
