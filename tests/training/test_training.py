"""Rows to learn from, the training run itself, and the tokenizers of small models."""

import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from model_fixtures import TEXTS, TinyModels, tiny_models
from peft import LoraConfig, get_peft_model
from transformers import LlamaForCausalLM

from medchat.models import load
from medchat.models.families.chatglm import ChatGLMForConditionalGeneration, ChatGLMTokenizer
from medchat.models.families.llama.tokenization import LlamaSentencePieceTokenizer
from medchat.training.sft import (
    Row,
    TrainingOptions,
    answer_rows,
    pad_rows,
    text_rows,
    train,
)
from medchat.training.tokenizers import train_chatglm_tokenizer, train_llama_tokenizer

IGNORED = -100
THREE_STEPS = TrainingOptions(batch_size=2, learning_rate=1e-2, max_steps=3, seed=5, threads=1)
PAIRS = [
    ("我感冒了，怎么治疗？", "多休息。"),
    ("高血压挂什么科？", "应到心内科就诊。"),
    ("糖尿病吃什么药", "按时服药。"),
    ("What about a cold?", "Rest."),
]


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> TinyModels:
    return tiny_models(tmp_path_factory)


@pytest.fixture(params=["llama", "chatglm"])
def kind(request) -> str:
    return str(request.param)


@pytest.fixture
def tokenizer(folders: TinyModels, kind: str):
    return load(getattr(folders, kind), device="cpu").tokenizer


@pytest.fixture(autouse=True)
def same_threads_afterwards() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


# -- rows --


def test_an_answer_row_learns_the_answer_and_its_end_but_not_the_prompt(tokenizer) -> None:
    prompt, answer = PAIRS[0]
    (row,) = answer_rows([(prompt, answer)], tokenizer, 100)
    asked = tokenizer(prompt)["input_ids"]
    answered = tokenizer(answer, add_special_tokens=False)["input_ids"]
    assert row.input_ids == [*asked, *answered, tokenizer.eos_token_id]
    assert row.labels == [IGNORED] * len(asked) + [*answered, tokenizer.eos_token_id]


def test_what_an_answer_row_learns_reads_as_the_answer(tokenizer) -> None:
    for (_, answer), row in zip(PAIRS, answer_rows(PAIRS, tokenizer, 100), strict=True):
        learned = [label for label in row.labels if label != IGNORED]
        assert tokenizer.decode(learned, skip_special_tokens=True) == answer


def test_a_cut_answer_learns_no_end(tokenizer) -> None:
    whole = answer_rows(PAIRS[:1], tokenizer, 100)[0]
    for longest in range(len(whole.input_ids) - 2, len(whole.input_ids)):
        (row,) = answer_rows(PAIRS[:1], tokenizer, longest)
        assert row == Row(whole.input_ids[:longest], whole.labels[:longest])
        assert tokenizer.eos_token_id not in row.labels


def test_an_answer_that_just_fits_learns_its_end(tokenizer) -> None:
    whole = answer_rows(PAIRS[:1], tokenizer, 100)[0]
    (row,) = answer_rows(PAIRS[:1], tokenizer, len(whole.input_ids))
    assert row.labels[-1] == tokenizer.eos_token_id


def test_a_prompt_that_leaves_no_room_for_an_answer_makes_no_row(tokenizer) -> None:
    long = ("高血压" * 20, "服药。")
    room = len(tokenizer(PAIRS[0][0])["input_ids"]) + 1
    rows = answer_rows([long, PAIRS[0]], tokenizer, room)
    assert [len(row.input_ids) for row in rows] == [room]
    assert all(len(row.labels) == len(row.input_ids) for row in rows)
    assert rows[0].labels[-1] != IGNORED


def test_a_text_row_learns_every_token_and_the_end(tokenizer) -> None:
    ids = tokenizer(TEXTS[1])["input_ids"]
    (row,) = text_rows([TEXTS[1]], tokenizer, 200)
    assert row.input_ids == row.labels == [*ids, tokenizer.eos_token_id]
    (cut,) = text_rows([TEXTS[1]], tokenizer, 5)
    assert cut.input_ids == cut.labels == ids[:5]


def test_padding_is_on_the_right_neither_seen_nor_learned() -> None:
    batch = pad_rows([Row([5, 6, 7], [IGNORED, 6, 7]), Row([8], [8])])
    assert batch["input_ids"].tolist() == [[5, 6, 7], [8, 0, 0]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch["labels"].tolist() == [[IGNORED, 6, 7], [8, IGNORED, IGNORED]]


def test_padding_does_not_change_the_loss_of_a_batch(folders, kind: str) -> None:
    loaded = load(getattr(folders, kind), device="cpu")
    rows = answer_rows(PAIRS, loaded.tokenizer, 100)
    with torch.inference_mode():
        together = loaded.model(**pad_rows(rows)).loss
        each = [(loaded.model(**pad_rows([row])).loss, learned(row)) for row in rows]
    mean = sum(loss * count for loss, count in each) / sum(count for _, count in each)
    torch.testing.assert_close(together, mean, atol=1e-4, rtol=1e-4)


def learned(row: Row) -> int:
    return sum(label != IGNORED for label in row.labels)


# -- the run --


def trained(folders: TinyModels, kind: str, options: TrainingOptions, workplace: Path):
    """Weights and loss after a run on a fresh copy of the model."""
    loaded = load(getattr(folders, kind), device="cpu")
    rows = answer_rows(PAIRS, loaded.tokenizer, 100)
    loss = train(loaded.model, rows, options, workplace)
    return loaded.model.state_dict(), loss


def test_the_same_seed_trains_the_same_weights_to_the_last_bit(folders, kind, tmp_path) -> None:
    one, loss = trained(folders, kind, THREE_STEPS, tmp_path / "one")
    torch.rand(3)  # whatever was drawn before must not matter
    two, again = trained(folders, kind, THREE_STEPS, tmp_path / "two")
    assert math.isfinite(loss)
    assert loss == again
    assert all(torch.equal(one[name], two[name]) for name in one)
    untrained = load(getattr(folders, kind), device="cpu").model.state_dict()
    assert any(not torch.equal(one[name], untrained[name]) for name in one)
    assert all(tensor.isfinite().all() for tensor in one.values())


def test_another_seed_sees_the_rows_in_another_order(folders, tmp_path) -> None:
    other = TrainingOptions(batch_size=2, learning_rate=1e-2, max_steps=3, seed=6, threads=1)
    one, _ = trained(folders, "llama", THREE_STEPS, tmp_path / "one")
    two, _ = trained(folders, "llama", other, tmp_path / "two")
    assert any(not torch.equal(one[name], two[name]) for name in one)


def test_a_longer_run_learns_its_rows_by_heart(folders, kind, tmp_path) -> None:
    long = TrainingOptions(epochs=40, batch_size=4, learning_rate=1e-2, threads=1)
    loaded = load(getattr(folders, kind), device="cpu")
    rows = answer_rows(PAIRS, loaded.tokenizer, 100)
    with torch.inference_mode():
        before = float(loaded.model(**pad_rows(rows)).loss)
    train(loaded.model, rows, long, tmp_path)
    loaded.model.eval()
    with torch.inference_mode():
        assert float(loaded.model(**pad_rows(rows)).loss) < before / 2


def test_a_run_leaves_nothing_that_could_be_taken_for_a_model(folders, tmp_path: Path) -> None:
    trained(folders, "llama", THREE_STEPS, tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.suffix in (".bin", ".safetensors")] == []


def test_a_trained_lora_loads_back_as_an_adapter_that_answers_alike(folders, tmp_path) -> None:
    model = LlamaForCausalLM.from_pretrained(folders.llama)
    tokenizer = LlamaSentencePieceTokenizer(str(folders.llama / "tokenizer.model"))
    adapted = get_peft_model(
        model, LoraConfig(r=4, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    )
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    loss = train(adapted, answer_rows(PAIRS, tokenizer, 100), THREE_STEPS, tmp_path / "run")
    assert math.isfinite(loss)
    changed = {name for name, t in model.state_dict().items() if not torch.equal(t, before[name])}
    assert changed
    assert all("lora_" in name for name in changed)
    adapted.save_pretrained(str(tmp_path / "lora"))
    adapted.eval()
    ids = torch.tensor([tokenizer(PAIRS[0][0])["input_ids"]])
    again = load(folders.llama, adapter=tmp_path / "lora", device="cpu")
    with torch.inference_mode():
        torch.testing.assert_close(again.model(input_ids=ids).logits, adapted(input_ids=ids).logits)


def test_a_trained_and_saved_chatglm_loads_back_the_same(folders, tmp_path: Path) -> None:
    loaded = load(folders.chatglm, device="cpu")
    train(loaded.model, answer_rows(PAIRS, loaded.tokenizer, 100), THREE_STEPS, tmp_path / "run")
    loaded.model.save_pretrained(tmp_path / "model")
    loaded.tokenizer.save_pretrained(tmp_path / "model")
    again = load(tmp_path / "model", device="cpu")
    assert isinstance(again.model, ChatGLMForConditionalGeneration)
    assert again.model.config.use_cache
    wanted = loaded.model.state_dict()
    assert all(torch.equal(wanted[name], t) for name, t in again.model.state_dict().items())


# -- tokenizers --


def test_a_llama_tokenizer_has_the_published_ids_and_knows_every_byte(tmp_path: Path) -> None:
    train_llama_tokenizer(TEXTS, 400, tmp_path / "tokenizer.model")
    tokenizer = LlamaSentencePieceTokenizer(str(tmp_path / "tokenizer.model"))
    ids = (tokenizer.unk_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id)
    assert (*ids, tokenizer.pad_token_id, tokenizer.vocab_size) == (0, 1, 2, 0, 400)
    unseen = "龘😀\x07\nＡ，"
    found = tokenizer(unseen)["input_ids"]
    assert tokenizer.unk_token_id not in found
    assert tokenizer.decode(found, skip_special_tokens=True) == unseen


def test_a_chatglm_tokenizer_has_the_v1_layout(tmp_path: Path) -> None:
    count = train_chatglm_tokenizer(TEXTS, 105, tmp_path / "ice_text.model")
    tokenizer = ChatGLMTokenizer(str(tmp_path / "ice_text.model"))
    assert not tokenizer.is_v0
    assert tokenizer.vocab_size == count == 105 + 8 + 80 + 256
    assert (tokenizer.unk_token_id, tokenizer.pad_token_id) == (0, 3)
    assert (tokenizer.mask_id, tokenizer.gmask_id) == (105, 106)
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id) == (109, 110)
    text = "问题：龘😀\n  答案\t："
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids) == text.replace("：", ":")


@pytest.mark.parametrize(
    ("train_tokenizer", "size"), [(train_llama_tokenizer, 400), (train_chatglm_tokenizer, 105)]
)
def test_the_same_texts_give_the_same_tokenizer_file(tmp_path, train_tokenizer, size) -> None:
    for name in ("one", "two"):
        train_tokenizer(TEXTS, size, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
