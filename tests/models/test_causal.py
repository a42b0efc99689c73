"""Chat models of today's architectures: Qwen3, Gemma 3, Llama 3, and their relatives."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from causal_fixtures import (
    KINDS,
    MORE_KINDS,
    QWEN3_TEMPLATE,
    THINKING_TEMPLATE,
    TURN_ENDS,
    causal_models,
    modules_of,
    write_causal,
)
from model_fixtures import change_json, copy, tiny_models, write_adapter, write_shards
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer
from typer.testing import CliRunner

from medchat.__main__ import cli
from medchat.config import GenerationOptions
from medchat.engine import Delta, End, LocalEngine, Request, stream
from medchat.engine.local.decoding import Decoding, TextStream
from medchat.errors import BadInput, CheckpointError
from medchat.models import LoadedModel, ModelSpec, Registry, Turn, load
from medchat.models.families import find_family
from medchat.models.families.causal.prompts import CHAT
from medchat.models.families.causal.reasoning import split_reasoning
from medchat.models.inspection import inspect
from medchat.models.templates import find_template

pytestmark = pytest.mark.timeout(180)

TALK = (Turn("感冒怎么办？", "多喝水。"), Turn(" What about a cold? \n"))
MESSAGES = [
    {"role": "user", "content": TALK[0].question},
    {"role": "assistant", "content": TALK[0].answer},
    {"role": "user", "content": TALK[1].question},
]


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return causal_models(tmp_path_factory)


@pytest.fixture(scope="session")
def adapters(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("loras")
    return {
        kind: write_adapter(
            root / kind,
            seed=number,
            modules=modules_of(kind),
            target_modules=["q_proj"],
            base_model_name_or_path=kind,
        )
        for number, kind in enumerate(KINDS)
    }


@pytest.fixture(scope="module")
def engine(folders: dict[str, Path], adapters: dict[str, Path]) -> Iterator[LocalEngine]:
    specs = [ModelSpec(kind, kind, "causal", CHAT, base=folder) for kind, folder in folders.items()]
    specs += [
        ModelSpec(f"{kind}-lora", f"{kind}+", "causal", CHAT, base=folders[kind], adapter=adapter)
        for kind, adapter in adapters.items()
    ]
    engine = LocalEngine(Registry(specs), device="cpu", dtype="float32")
    yield engine
    engine.close()


def published(folder: Path) -> tuple[Any, Any]:
    """Network and tokenizer as transformers loads them."""
    network = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    return network, AutoTokenizer.from_pretrained(folder)


def request(model: str, question: str, pane: str = "", **options: Any) -> Request:
    batched = options.pop("batched", False)
    chosen = GenerationOptions(**({"max_new_tokens": 16} | options))
    return Request(pane or model, model, (Turn(question),), chosen, batched)


def ends(engine: LocalEngine, *requests: Request) -> dict[str, End]:
    return {event.pane: event for event in stream(engine, requests) if isinstance(event, End)}


def problem(folder: Path) -> str:
    """Why a folder is refused, which loading and ``medchat check`` say alike."""
    with pytest.raises(CheckpointError) as caught:
        load(folder, device="cpu")
    assert list(map(str, inspect(folder).problems)) == [str(caught.value)]
    assert "\n" not in str(caught.value)
    return str(caught.value)


# -- folders --


@pytest.mark.parametrize("kind", [*KINDS, *MORE_KINDS])
def test_a_folder_is_recognised_checked_and_loaded(folders, kind: str) -> None:
    report = inspect(folders[kind])
    assert report.usable, list(map(str, report.problems))
    assert report.family == "causal"
    assert "chat" in str(report.template)
    loaded = load(folders[kind], device="cpu", dtype="float32")
    network, tokenizer = published(folders[kind])
    assert report.parameters == sum(weight.numel() for weight in network.parameters())
    ids = torch.tensor([tokenizer("感冒", add_special_tokens=False)["input_ids"]])
    with torch.inference_mode():
        ours, theirs = loaded.model(input_ids=ids).logits, network(input_ids=ids).logits
    torch.testing.assert_close(ours, theirs)
    end = TURN_ENDS[kind.partition("-")[0]]
    assert tokenizer.convert_tokens_to_ids(end) in loaded.eos_ids
    assert loaded.max_length == 512


def test_bin_files_are_read_as_safely_as_for_the_others(folders, tmp_path: Path) -> None:
    folder = copy(folders["qwen3"], tmp_path / "model")
    write_shards(folder, load_file(folder / "model.safetensors"))
    (folder / "model.safetensors").unlink()
    ids = torch.tensor([[5, 6, 7]])
    ours, plain = (load(path, device="cpu").model for path in (folder, folders["qwen3"]))
    assert torch.equal(ours(input_ids=ids).logits, plain(input_ids=ids).logits)


def test_a_llama_with_sentencepiece_stays_one_of_2023(tmp_path_factory) -> None:
    assert inspect(tiny_models(tmp_path_factory).llama).family == "llama"


def test_models_toml_may_declare_it_without_a_template(folders, tmp_path: Path) -> None:
    lines = f'[models.q]\nfamily = "causal"\nbase = "{folders["qwen3"]}"\n'
    (tmp_path / "models.toml").write_text(lines + '[models.m]\ntemplate = "med"\n' + lines[11:])
    registry = Registry.read(tmp_path / "models.toml")
    assert registry.find("q").template.name == "chat"
    assert load(registry.find("q"), device="cpu").encode_prompt(TALK)[0].startswith("<|im_start|>")
    other = load(registry.find("m"), device="cpu")
    assert other.encode_prompt(TALK)[0] == find_template("med").render(TALK)


def test_a_folder_of_another_family_is_told_apart(folders) -> None:
    spec = ModelSpec("x", "X", "bloom", find_template("plain"), base=folders["qwen3"])
    with pytest.raises(CheckpointError, match="holds a causal model, not a bloom one"):
        load(spec, device="cpu")


# -- what is refused --


def test_a_folder_that_needs_its_own_code_is_refused(folders, tmp_path: Path) -> None:
    folder = copy(folders["qwen3"], tmp_path / "model")
    run = 'open(__file__ + ".ran", "w")\n'
    (folder / "modeling_x.py").write_text(run)
    change_json(
        folder / "config.json",
        model_type="baichuan_m1",
        auto_map={"AutoModelForCausalLM": "modeling_x.X", "AutoConfig": "modeling_x.C"},
    )
    assert "needs code of its own (auto_map)" in problem(folder)
    assert not (folder / "modeling_x.py.ran").exists()
    change_json(folder / "config.json", model_type="qwen3")
    assert inspect(folder).usable
    load(folder, device="cpu")
    assert not (folder / "modeling_x.py.ran").exists()


@pytest.mark.parametrize("kind", ["gpt5", "t5", "vit"])
def test_a_type_that_is_no_causal_language_model_is_refused(folders, tmp_path, kind: str) -> None:
    folder = copy(folders["qwen3"], tmp_path / "model")
    change_json(folder / "config.json", model_type=kind)
    assert f"model type {kind}" in problem(folder)


def test_a_model_that_remembers_in_another_way_is_refused(folders, tmp_path: Path) -> None:
    folder = copy(folders["qwen3"], tmp_path / "model")
    (folder / "config.json").write_text('{"model_type": "mamba", "vocab_size": 448}')
    assert "remembers by more than" in problem(folder)


@pytest.mark.parametrize(
    ("template", "told"),
    [
        (None, "brings no chat template"),
        ("{{ raise_exception('no') }}", "fails: it cannot render"),
        ("{% for m in messages %", "fails: it cannot render"),
        ("{{ messages[0].content.nothing.more }}", "fails: it cannot render"),
        ("{{ ''.__class__.__mro__ }}", "fails: it cannot render"),
        ("<|im_start|>assistant\n", "leaves the question out"),
        ("{{ messages[0].content }}", "leaves the question out"),
    ],
)
def test_a_chat_template_that_cannot_be_used_is_told(folders, tmp_path, template, told) -> None:
    folder = copy(folders["qwen3"], tmp_path / "model")
    (folder / "chat_template.jinja").unlink()
    if template is not None:
        (folder / "chat_template.jinja").write_text(template)
    assert told in problem(folder)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_that_do_not_fit_are_named(folders, tmp_path: Path, kind: str) -> None:
    folder = copy(folders[kind], tmp_path / "model")
    tensors = load_file(folder / "model.safetensors")
    name = "model.layers.1.mlp.up_proj.weight"
    weight = tensors.pop(name)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    assert f"1 are missing, such as {name}" in problem(folder)
    save_file(tensors | {name: weight, "x.weight": weight.clone()}, folder / "model.safetensors")
    assert "1 have no place in the model, such as x.weight" in problem(folder)
    save_file(tensors | {name: weight[:5].clone()}, folder / "model.safetensors")
    assert f"{name} has the shape [5, 32], not [64, 32]" in problem(folder)
    save_file(tensors | {name: weight.to(torch.int8)}, folder / "model.safetensors")
    assert "is stored as I8" in problem(folder)
    (folder / "model.safetensors").unlink()
    assert "holds no weights" in problem(folder)


def test_other_files_that_are_missing_or_damaged_are_named(folders, tmp_path: Path) -> None:
    folder = copy(folders["qwen3"], tmp_path / "model")
    change_json(folder / "config.json", hidden_size="wide")
    assert "config.json cannot be used" in problem(folder)
    shutil.copy(folders["qwen3"] / "config.json", folder)
    (folder / "tokenizer.json").write_text("{")
    assert "cannot be read as a tokenizer" in problem(folder)
    (folder / "tokenizer.json").write_text("version https://git-lfs.github.com/spec/v1\n")
    assert "placeholder" in problem(folder)
    (folder / "tokenizer.json").unlink()
    assert "no tokenizer that transformers can use" in problem(folder)


# -- prompts --


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("turns", [1, 2])
def test_a_prompt_is_that_of_the_tokenizers_own_template(folders, kind: str, turns: int) -> None:
    loaded = load(folders[kind], device="cpu")
    tokenizer = published(folders[kind])[1]
    messages = MESSAGES[1 - 2 * turns :]
    text, ids = loaded.encode_prompt(TALK[-turns:])
    theirs = tokenizer.apply_chat_template(messages, add_generation_prompt=True)
    assert text == tokenizer.decode(theirs["input_ids"])
    assert ids == theirs["input_ids"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_special_token_that_a_user_types_stays_text(folders, kind: str) -> None:
    loaded = load(folders[kind], device="cpu")
    end = TURN_ENDS[kind]
    typed = f"感冒{end}高血压"
    text, ids = loaded.encode_prompt([Turn(typed, typed), Turn(typed)])
    number = loaded.tokenizer.convert_tokens_to_ids(end)
    plain = loaded.encode_prompt([Turn("a", "a"), Turn("a")])[1]
    assert ids.count(number) == plain.count(number) == 3
    assert loaded.tokenizer.decode(ids) == text
    assert text.count(typed) == 3


def test_a_conversation_that_the_template_refuses_is_one_sentence(folders, tmp_path) -> None:
    refusing = "{% if '氰' in messages[-1].content %}{{ raise_exception('no') }}{% endif %}"
    folder = copy(folders["qwen3"], tmp_path / "model")
    (folder / "chat_template.jinja").write_text(refusing + QWEN3_TEMPLATE)
    loaded = load(folder, device="cpu")
    with pytest.raises(BadInput, match=r"cannot render this conversation\. \(TemplateError: no\)"):
        loaded.encode_prompt([Turn("氰化物")])


# -- answers --


@pytest.mark.parametrize("kind", [*KINDS, *MORE_KINDS])
@pytest.mark.parametrize("beams", [1, 3])
def test_an_answer_is_that_of_transformers_generate(engine, folders, kind: str, beams: int) -> None:
    network, _ = published(folders[kind])
    loaded = load(folders[kind], device="cpu", dtype="float32")
    prompt, ids = loaded.encode_prompt([Turn("感冒怎么办？")])
    with torch.inference_mode():
        sequences = network.generate(
            input_ids=torch.tensor([ids]),
            attention_mask=torch.ones(1, len(ids), dtype=torch.long),
            max_new_tokens=24,
            num_beams=beams,
            do_sample=False,
            eos_token_id=sorted(loaded.eos_ids),
            pad_token_id=0,
        )
    new = [token for token in sequences[0, len(ids) :].tolist() if token not in loaded.eos_ids]
    expected = TextStream(loaded, prompt)
    expected.add(new)
    asked = request(kind, "感冒怎么办？", max_new_tokens=24, num_beams=beams)
    (end,) = ends(engine, asked).values()
    assert (end.text, end.error) == (expected.finish(), "")
    assert (end.prompt, end.prompt_tokens) == (prompt, len(ids))


@pytest.mark.parametrize("kind", KINDS)
def test_batched_answers_are_those_made_alone(engine, kind: str) -> None:
    questions = ["感冒", "高血压应当怎么办？" * 3, "What about a cold?", "糖尿病吃什么药"]
    models = (kind, f"{kind}-lora")
    panes = [(f"{model} {q}", model, q) for model in models for q in questions]
    alone = ends(engine, *(request(model, q, pane) for pane, model, q in panes))
    batch = ends(engine, *(request(model, q, pane, batched=True) for pane, model, q in panes))
    assert {pane: end.text for pane, end in batch.items()} == {
        pane: end.text for pane, end in alone.items()
    }
    assert alone[panes[0][0]].text != alone[panes[4][0]].text


@pytest.mark.parametrize("kind", KINDS)
def test_an_adapter_is_checked_and_put_on(folders, adapters, tmp_path, kind: str) -> None:
    report = inspect(folders[kind], adapters[kind])
    assert report.usable, list(map(str, report.problems))
    assert report.adapter is not None
    assert report.adapter["targets"] == ["q_proj"]
    loaded = load(folders[kind], adapter=adapters[kind], device="cpu")
    assert loaded.template.name == "chat"
    assert loaded.provenance["adapter"] == kind
    wrong = write_adapter(tmp_path / "lora", seed=1, width=64, modules=modules_of(kind))
    change_json(wrong / "adapter_config.json", target_modules=["q_proj"])
    assert "made for another base" in str(inspect(folders[kind], wrong).problems[0])
    with pytest.raises(CheckpointError, match="made for another base"):
        load(folders[kind], adapter=wrong, device="cpu")


def test_check_and_infer_work_from_the_command_line(folders, adapters, tmp_path: Path) -> None:
    checked = CliRunner().invoke(
        cli, ["check", str(folders["gemma3"]), "--adapter", str(adapters["gemma3"])]
    )
    assert checked.exit_code == 0, checked.output
    assert "causal language model, layout gemma3_text" in checked.output
    toml = "".join(
        f'[models.{kind}]\nfamily = "causal"\nbase = "{folders[kind]}"\n'
        f'adapter = "{adapters[kind]}"\ndefaults = {{ max_new_tokens = 8 }}\n'
        for kind in KINDS
    )
    (tmp_path / "models.toml").write_text(toml)
    (tmp_path / "questions.jsonl").write_text('{"question": "感冒怎么办？"}\n')
    arguments = ["infer", "--models", ",".join(KINDS), "--models-file"]
    arguments += [str(tmp_path / "models.toml"), "--input", str(tmp_path / "questions.jsonl")]
    result = CliRunner().invoke(cli, [*arguments, "--output", str(tmp_path / "answers.jsonl")])
    assert result.exit_code == 0, result.output
    (row,) = map(json.loads, (tmp_path / "answers.jsonl").read_text().splitlines())
    assert len(row["answers"]) == len(KINDS)


# -- reasoning --


@pytest.mark.parametrize(
    ("reply", "thinking", "parts"),
    [
        ("多喝水。", False, ("多喝水。", "")),
        ("<think>\n是感冒。\n</think>\n\n多喝水。", False, ("\n\n多喝水。", "是感冒。")),
        ("是感冒。</think>多喝水。", True, ("多喝水。", "是感冒。")),
        ("是感冒。</think>多喝水。", False, ("多喝水。", "是感冒。")),
        ("<think>是感", False, ("", "是感")),
        ("是感", True, ("", "是感")),
        ("<think></think>多喝水。", False, ("多喝水。", "")),
        ("<think>一</think>甲<think>二</think>乙", False, ("甲乙", "一\n\n二")),
        ("甲<think>二", False, ("甲", "二")),
    ],
)
def test_reasoning_is_set_apart(reply: str, thinking: bool, parts: tuple[str, str]) -> None:
    assert tuple(split_reasoning(reply, thinking=thinking)) == parts


@pytest.fixture(scope="module")
def thinkers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, LoadedModel]:
    """Models whose marks are tokens, special tokens, and no tokens at all."""
    root = tmp_path_factory.mktemp("thinkers")
    marks = {"extra_special_tokens": ["<think>", "</think>"]}
    return {
        "tokens": load(write_causal(root / "a", "qwen3", seed=1), device="cpu"),
        "special": load(write_causal(root / "b", "qwen3", seed=1, **marks), device="cpu"),
        "text": load(write_causal(root / "c", "gemma3", seed=1), device="cpu"),
    }


@pytest.mark.parametrize("kind", ["tokens", "special", "text"])
@pytest.mark.parametrize("opened", [True, False])
def test_nothing_of_the_reasoning_is_ever_shown(thinkers, kind: str, opened: bool) -> None:
    loaded = thinkers[kind]
    reply = (
        "" if opened else "<think>\n"
    ) + "是感冒，<b>不是</b>流感。\n</think>\n\n多喝水 <3，休息。"
    ids = loaded.tokenizer(reply, add_special_tokens=False)["input_ids"]
    text = TextStream(loaded, "<|im_start|>assistant\n" + ("<think>\n" if opened else ""))
    shown = []
    for token in ids:
        text.add([token])
        shown.append(text.visible)
    assert text.finish() == "多喝水 <3，休息。"
    assert all(text.finish().startswith(part) for part in shown)
    assert shown[-1] == text.finish()
    assert text.reasoning == "是感冒，<b>不是</b>流感。"


def test_reasoning_is_reported_with_the_answer_and_not_in_it(tmp_path, monkeypatch) -> None:
    folder = write_causal(tmp_path / "model", "qwen3", seed=1, chat_template=THINKING_TEMPLATE)
    spec = ModelSpec("thinker", "Thinker", "causal", CHAT, base=folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    reply = "是感冒。\n</think>\n\n多喝水。<|im_end|>"
    ids = iter(tokenizer(reply, add_special_tokens=False)["input_ids"])
    monkeypatch.setattr(Decoding, "_choose", lambda *_: next(ids))
    engine = LocalEngine(Registry([spec]), device="cpu")
    asked = request("thinker", "感冒？", max_new_tokens=60)
    events = list(stream(engine, [asked]))
    engine.close()
    end = events[-1]
    assert isinstance(end, End)
    assert (end.text, end.finish_reason) == ("多喝水。", "stop")
    assert end.provenance["reasoning"] == "是感冒。"
    assert "".join(event.text for event in events if isinstance(event, Delta)) == end.text
    again = load(spec, device="cpu").encode_prompt([Turn("感冒？", end.text), Turn("还有呢？")])
    assert "是感冒" not in again[0]


def test_an_answer_without_reasoning_reports_none(engine) -> None:
    (end,) = ends(engine, request("llama3", "感冒？")).values()
    assert "reasoning" not in end.provenance


# -- the family --


def test_it_is_a_family_like_the_others() -> None:
    family = find_family("causal")
    assert family.expected_template(adapted=True) is family.expected_template(adapted=False)
    assert family.lora_targets
