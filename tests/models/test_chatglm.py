"""ChatGLM-6B: the golden models' answers, and what must hold for any model of the architecture."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from model_fixtures import GOLDENS, NO_GOLDENS, TinyModels, tiny_models
from peft import LoraConfig, get_peft_model
from transformers.cache_utils import DynamicCache

from medchat.models import LoadedModel, load
from medchat.models.families.chatglm import ChatGLMForConditionalGeneration, ChatGLMTokenizer
from medchat.models.families.chatglm.replies import tidy_chatglm_reply

LAYOUTS = (
    "chatglm-v1",
    "chatglm-v0",
    "chatglm-v1-int8",
    "chatglm-v1-int4",
    "chatglm-v1-ptuning",
)
SINGLE_CASES = ("short", "mask_token", "medium", "long")

needs_goldens = pytest.mark.skipif(not GOLDENS.is_dir(), reason=NO_GOLDENS)
each_layout = pytest.mark.parametrize("layout", LAYOUTS)
QUESTIONS = ["感冒", "高血压挂什么科？", "我感冒了，怎么治疗？\n糖尿病吃什么药"]


def golden(layout: str, name: str) -> Any:
    return json.loads((GOLDENS / layout / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def loaded():
    """Golden models by layout and precision, each loaded once."""
    models: dict[tuple[str, str], LoadedModel] = {}

    def get(layout: str, dtype: str = "float32") -> LoadedModel:
        if (layout, dtype) not in models:
            models[layout, dtype] = load(GOLDENS / layout, device="cpu", dtype=dtype)
        return models[layout, dtype]

    return get


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> TinyModels:
    return tiny_models(tmp_path_factory)


@pytest.fixture(scope="module", params=["chatglm", "chatglm_v0", "prefixed"])
def tiny(request, folders: TinyModels) -> LoadedModel:
    return load(getattr(folders, request.param), device="cpu", dtype="float32")


@pytest.fixture
def fresh(folders: TinyModels) -> ChatGLMForConditionalGeneration:
    """A model that the test may change."""
    return load(folders.chatglm, device="cpu", dtype="float32").model


def generate(loaded: LoadedModel, ids: list[int], count: int, **options: Any) -> list[int]:
    prompt = torch.tensor([ids])
    with torch.inference_mode():
        found = loaded.model.generate(
            input_ids=prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=count,
            do_sample=False,
            **options,
        )
    return found[0, len(ids) :].tolist()


# -- goldens: tokenizer --


@needs_goldens
@each_layout
def test_texts_become_the_published_ids_and_back(loaded, layout: str) -> None:
    tokenizer = loaded(layout).tokenizer
    for case in golden(layout, "tokenizer_cases.json"):
        bare = tokenizer(case["text"], add_special_tokens=False)["input_ids"]
        assert tokenizer(case["text"])["input_ids"] == case["input_ids"], case["text"]
        assert bare == case["ids_without_special"], case["text"]
        assert tokenizer.decode(bare) == case["decoded"], case["text"]
        assert tokenizer.decode(case["input_ids"], skip_special_tokens=True) == case["decoded"]


# -- goldens: logits and answers --


@needs_goldens
@each_layout
@pytest.mark.parametrize("case", SINGLE_CASES)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 2e-3), ("float16", 0.1)])
def test_logits_are_those_of_the_original(loaded, layout, case, dtype, tolerance) -> None:
    model = loaded(layout, dtype).model
    ids = golden(layout, "model_cases.json")[case]["input_ids"]
    wanted = np.load(GOLDENS / layout / "logits.npz")
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([ids])).logits[0].float().numpy()
    assert np.abs(logits[-1] - wanted[f"{case}.{dtype}.last_logits"]).max() <= tolerance
    mean_abs = np.abs(logits).mean(-1)
    assert np.abs(mean_abs - wanted[f"{case}.{dtype}.mean_abs"]).max() <= tolerance


@needs_goldens
@each_layout
@pytest.mark.parametrize("case", SINGLE_CASES)
@pytest.mark.parametrize(("key", "beams"), [("greedy_new_ids", 1), ("beam4_new_ids", 4)])
def test_answers_are_those_of_the_original_token_for_token(
    loaded, layout, case, key, beams
) -> None:
    wanted = golden(layout, "model_cases.json")[case]
    if wanted.get(key) is None:
        return  # an early end of a beam, which is no property of the model
    found = generate(loaded(layout), wanted["input_ids"], len(wanted[key]), num_beams=beams)
    assert found == wanted[key]


@needs_goldens
def test_a_left_padded_batch_is_answered_as_by_the_original(loaded) -> None:
    layout = "chatglm-v1"
    model, tokenizer = loaded(layout).model, loaded(layout).tokenizer
    case = golden(layout, "model_cases.json")["batch"]
    batch = tokenizer(case["texts"], padding=True, return_tensors="pt")
    assert batch["input_ids"].tolist() == case["input_ids"]
    with torch.inference_mode():
        logits = model(**batch).logits[:, -1].numpy()
        count = len(case["greedy_new_ids"][0])
        found = model.generate(**batch, max_new_tokens=count, do_sample=False)
    wanted = np.load(GOLDENS / layout / "logits.npz")["batch.float32.last_logits"]
    assert np.abs(logits - wanted).max() <= 2e-3
    assert found[:, batch["input_ids"].shape[1] :].tolist() == case["greedy_new_ids"]


# -- any model: padding and caching --


def test_a_padded_batch_gives_each_row_the_logits_it_has_alone(tiny: LoadedModel) -> None:
    batch = tiny.tokenizer(QUESTIONS, padding=True, return_tensors="pt")
    assert (batch["attention_mask"] == 0).any()
    with torch.inference_mode():
        together = tiny.model(**batch).logits
        for row, question in enumerate(QUESTIONS):
            alone = tiny.model(**tiny.tokenizer(question, return_tensors="pt")).logits[0]
            torch.testing.assert_close(together[row, -len(alone) :], alone, atol=1e-4, rtol=1e-4)


def test_a_padded_batch_gets_the_answers_that_its_rows_get_alone(tiny: LoadedModel) -> None:
    batch = tiny.tokenizer(QUESTIONS, padding=True, return_tensors="pt")
    with torch.inference_mode():
        found = tiny.model.generate(**batch, max_new_tokens=8, do_sample=False)
    for row, question in enumerate(QUESTIONS):
        alone = generate(tiny, tiny.tokenizer(question)["input_ids"], 8)
        answer = found[row, batch["input_ids"].shape[1] :].tolist()
        assert answer[: len(alone)] == alone


@pytest.mark.parametrize("mask", ["[gMASK]", "[MASK]"])
def test_step_by_step_with_a_cache_gives_the_logits_of_the_whole_at_once(
    tiny: LoadedModel, mask: str
) -> None:
    tokenizer = tiny.tokenizer
    prompt = [
        *tokenizer(QUESTIONS[1], add_special_tokens=False)["input_ids"],
        tokenizer.convert_tokens_to_ids(mask),
        tokenizer.bos_token_id,
    ]
    answer = tokenizer("多喝水，多休息", add_special_tokens=False)["input_ids"]
    ids = torch.tensor([prompt + answer])
    positions = tiny.positions(ids)
    with torch.inference_mode():
        whole = tiny.model(input_ids=ids).logits[0, len(prompt) - 1 :]
        cache = DynamicCache()
        steps = []
        for start, end in [
            (0, len(prompt)),
            *((n, n + 1) for n in range(len(prompt), ids.numel())),
        ]:
            output = tiny.model(
                input_ids=ids[:, start:end],
                position_ids=positions[..., start:end],
                past_key_values=cache,
                use_cache=True,
            )
            steps.append(output.logits[0, -1])
    torch.testing.assert_close(torch.stack(steps), whole, atol=1e-4, rtol=1e-4)


def test_a_cache_without_positions_is_refused_not_guessed(tiny: LoadedModel) -> None:
    ids = torch.tensor([tiny.tokenizer("感冒")["input_ids"]])
    cache = tiny.model(input_ids=ids, use_cache=True).past_key_values
    with pytest.raises(ValueError, match="position_ids"):
        tiny.model(input_ids=ids[:, -1:], past_key_values=cache)


def test_the_prompt_sees_itself_whole_and_the_answer_only_backwards(tiny: LoadedModel) -> None:
    prompt = tiny.tokenizer(QUESTIONS[1])["input_ids"]
    other = prompt.copy()
    other[-3] = prompt[0]  # the last token in front of [gMASK]
    answers = [[*prompt, prompt[1], prompt[2]], [*prompt, prompt[1], prompt[3]]]
    with torch.inference_mode():
        first, changed = (
            tiny.model(input_ids=torch.tensor([ids])).logits[0] for ids in (prompt, other)
        )
        one, two = (tiny.model(input_ids=torch.tensor([ids])).logits[0] for ids in answers)
    assert not torch.allclose(first[0], changed[0])
    torch.testing.assert_close(one[:-1], two[:-1])


# -- any model: saving and training --


def test_a_saved_model_and_tokenizer_load_back_the_same(tiny: LoadedModel, tmp_path: Path) -> None:
    tiny.model.save_pretrained(tmp_path)
    tiny.tokenizer.save_pretrained(tmp_path)
    again = load(tmp_path, device="cpu", dtype="float32")
    ids = tiny.tokenizer(QUESTIONS[2])["input_ids"]
    assert again.tokenizer(QUESTIONS[2])["input_ids"] == ids
    with torch.inference_mode():
        one, two = (m.model(input_ids=torch.tensor([ids])).logits for m in (tiny, again))
    assert torch.equal(one, two)
    assert generate(again, ids, 8) == generate(tiny, ids, 8)


def test_a_tokenizer_loads_back_from_the_folder_it_was_saved_in(tiny, tmp_path: Path) -> None:
    tiny.tokenizer.save_pretrained(tmp_path)
    again = ChatGLMTokenizer.from_pretrained(tmp_path)
    for text in [*QUESTIONS, "a\tb   c"]:
        assert again(text)["input_ids"] == tiny.tokenizer(text)["input_ids"]


def training_loss(model: torch.nn.Module, tokenizer: Any) -> torch.Tensor:
    ids = torch.tensor([tokenizer("感冒怎么治疗")["input_ids"] + [20, 21, tokenizer.eos_token_id]])
    labels = torch.where(torch.arange(ids.numel()) < ids.numel() - 3, -100, ids)
    return model(input_ids=ids, labels=labels).loss


def gradients(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def test_gradient_checkpointing_gives_the_gradients_it_saves_memory_on(fresh, folders) -> None:
    tokenizer = ChatGLMTokenizer(str(folders.chatglm / "ice_text.model"))
    fresh.train()
    training_loss(fresh, tokenizer).backward()
    plain = gradients(fresh)
    fresh.zero_grad()
    fresh.activation_checkpointing_enable()
    assert fresh.is_activation_checkpointing
    training_loss(fresh, tokenizer).backward()
    for name, gradient in gradients(fresh).items():
        assert gradient.isfinite().all(), name
        torch.testing.assert_close(gradient, plain[name])
    assert plain.keys() == gradients(fresh).keys() == dict(fresh.named_parameters()).keys()


@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_lora_by_module_names_learns(fresh, folders, checkpointing: bool) -> None:
    tokenizer = ChatGLMTokenizer(str(folders.chatglm / "ice_text.model"))
    adapted = get_peft_model(
        fresh,
        LoraConfig(r=4, target_modules=["query_key_value", "dense"], task_type="CAUSAL_LM"),
    )
    adapted.train()
    if checkpointing:
        adapted.enable_input_require_grads()
        adapted.activation_checkpointing_enable()
    before = training_loss(adapted, tokenizer)
    before.backward()
    found = gradients(adapted)
    assert found
    assert all("lora_" in name for name in found)
    assert all(gradient.isfinite().all() for gradient in found.values())
    assert any(gradient.any() for gradient in found.values())
    torch.optim.SGD([p for p in adapted.parameters() if p.requires_grad], lr=0.05).step()
    assert training_loss(adapted, tokenizer) < before


def test_the_loss_counts_only_labelled_tokens(tiny: LoadedModel) -> None:
    ids = torch.tensor([[*tiny.tokenizer("感冒")["input_ids"], 30, 31]])
    labels = torch.full_like(ids, -100)
    labels[0, -1] = ids[0, -1]
    with torch.inference_mode():
        output = tiny.model(input_ids=ids, labels=labels)
    wanted = -output.logits[0, -2].log_softmax(-1)[ids[0, -1]]
    torch.testing.assert_close(output.loss, wanted)


# -- any tokenizer --


@pytest.mark.parametrize("typed", ["[gMASK]", "[MASK]", "<sop>", "<eop>", "</s>", "<pad>", "<unk>"])
def test_a_special_token_that_a_user_types_stays_text(tiny: LoadedModel, typed: str) -> None:
    tokenizer = tiny.tokenizer
    special = {*tokenizer.all_special_ids, tokenizer.gmask_id, tokenizer.mask_id}
    bare = tokenizer(f"感冒{typed}感冒", add_special_tokens=False)["input_ids"]
    assert not special - {tokenizer.unk_token_id} & set(bare)
    ids = tokenizer(f"感冒{typed}感冒")["input_ids"]
    assert ids == [*bare, tokenizer.gmask_id, tokenizer.bos_token_id]
    assert tokenizer.decode(bare) == f"感冒{typed}感冒"


def test_whitespace_comes_back_as_it_was_typed(tiny: LoadedModel) -> None:
    text = "感冒\n\n感冒\t感冒  感冒" + " " * 80 + "感冒"
    ids = tiny.tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tiny.tokenizer.decode(ids) == text


def test_an_answer_stands_behind_the_prompt_and_ends(tiny: LoadedModel) -> None:
    tokenizer = tiny.tokenizer
    prompt, answer = (tokenizer(t, add_special_tokens=False)["input_ids"] for t in ("感冒", "休息"))
    assert tokenizer.build_inputs_with_special_tokens(prompt, answer) == [
        *prompt,
        tokenizer.gmask_id,
        tokenizer.bos_token_id,
        *answer,
        tokenizer.eos_token_id,
    ]


def test_v0_files_get_the_pieces_they_lack_in_the_published_order(folders: TinyModels) -> None:
    tokenizer = load(folders.chatglm_v0, device="cpu").tokenizer
    first = tokenizer.mask_id
    pieces = [tokenizer.convert_ids_to_tokens(first + n) for n in range(8 + 80 + 256)]
    assert pieces[:8] == [
        "[MASK]",
        "[gMASK]",
        "[sMASK]",
        "<unused_0>",
        "<sop>",
        "<eop>",
        "<ENC>",
        "<dBLOCK>",
    ]
    assert pieces[8] == "<|tab|>"
    assert pieces[9:88] == [f"<|blank_{n}|>" for n in range(2, 81)]
    assert pieces[88:] == [f"<0x{n:02X}>" for n in range(256)]
    assert tokenizer.vocab_size == first + len(pieces)


def test_v0_ids_of_text_stand_behind_20000_image_tokens(folders: TinyModels) -> None:
    v0, v1 = (load(f, device="cpu").tokenizer for f in (folders.chatglm_v0, folders.chatglm))
    assert v0("高血压\n  😀")["input_ids"] == [20000 + i for i in v1("高血压\n  😀")["input_ids"]]


# -- replies --


@pytest.mark.parametrize(
    ("reply", "tidied"),
    [
        ("感冒,多喝水;好!吗?是:", "感冒，多喝水；好！吗？是："),
        ("a, b: 1,000! 是?", "a, b: 1,000! 是？"),
        (",中", "，中"),
        ("我的数据到[[训练时间]]为止", "我的数据到2023年为止"),
        ("  \n好。\n ", "好。"),
        ("", ""),
    ],
)
def test_a_reply_is_tidied_as_the_original_did(reply: str, tidied: str) -> None:
    assert tidy_chatglm_reply(reply) == tidied
