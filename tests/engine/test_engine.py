"""Answers as streams: what each pane receives, alone, beside others, cancelled, and in error."""

import random
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from model_fixtures import TinyModels, tiny_models, write_adapter
from own_loop import run_in_own_loop

from medchat.config import GenerationOptions
from medchat.engine import Delta, End, Event, LocalEngine, Request, Ticket, astream, stream
from medchat.engine.local.batching import Batch
from medchat.engine.local.decoding import Decoding, TextStream, fit_prompt
from medchat.errors import BadInput, ModelUnavailable
from medchat.models import LoadedModel, ModelSpec, Registry, Turn, load, load_base
from medchat.models.templates import find_template

pytestmark = pytest.mark.timeout(120)

QUESTIONS = ["我感冒了，怎么治疗？", "高血压挂什么科？", "糖尿病吃什么药", "What about a cold?"]
LLAMAS = ("llama", "first", "second")
MODELS = (*LLAMAS, "chatglm", "prefix", "bloom", "bloom-lora")
FIRST_BYTE = 3
"""LLaMA's id of the byte piece <0x00>."""


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> TinyModels:
    return tiny_models(tmp_path_factory)


def declare(folders: TinyModels, *more: ModelSpec) -> Registry:
    plain = find_template("plain")

    def llama(name: str, adapter: Path | None = None) -> ModelSpec:
        return ModelSpec(name, name, "llama", plain, base=folders.llama, adapter=adapter)

    glm = find_template("chatglm")
    return Registry(
        [
            llama("llama"),
            llama("first", folders.first),
            llama("second", folders.second),
            ModelSpec("chatglm", "chatglm", "chatglm", glm, base=folders.chatglm),
            ModelSpec("prefix", "p", "chatglm", glm, base=folders.chatglm, adapter=folders.prefix),
            ModelSpec("bloom", "bloom", "bloom", plain, base=folders.bloom),
            ModelSpec(
                "bloom-lora",
                "bloom-lora",
                "bloom",
                plain,
                base=folders.bloom,
                adapter=folders.bloom_adapter,
            ),
            ModelSpec("away", "Away", "llama", glm, problem=ModelUnavailable("no_base")),
            *more,
        ]
    )


@pytest.fixture(scope="module")
def shared(folders: TinyModels) -> Iterator[LocalEngine]:
    engine = LocalEngine(declare(folders), device="cpu", dtype="float32")
    yield engine
    engine.close()


@pytest.fixture
def engine(folders: TinyModels) -> Iterator[LocalEngine]:
    """One of its own, for a test that closes or breaks it."""
    engine = LocalEngine(declare(folders), device="cpu", dtype="float32")
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def alone(folders: TinyModels) -> dict[str, LoadedModel]:
    """Each model loaded by itself."""
    registry = declare(folders)
    return {name: load(registry.find(name), device="cpu", dtype="float32") for name in MODELS}


def ask(model: str, question: str = QUESTIONS[0], pane: str = "", **options: Any) -> Request:
    asked = GenerationOptions(**({"max_new_tokens": 24} | options))
    return Request(pane or model, model, (Turn(question),), asked)


def answers(engine: LocalEngine, *requests: Request) -> dict[str, End]:
    return {e.pane: e for e in stream(engine, requests) if isinstance(e, End)}


def answer(engine: LocalEngine, request: Request) -> End:
    return answers(engine, request)[request.pane]


def generated(loaded: LoadedModel, prompt: str, count: int, **options: Any) -> list[int]:
    """What transformers' own ``generate`` adds, without the end token."""
    ids = torch.tensor([loaded.tokenizer(prompt)["input_ids"]])
    with torch.inference_mode():
        found = loaded.model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=count,
            do_sample=False,
            **options,
        )
    new = found[0, ids.shape[1] :].tolist()
    return [token for token in new if token not in loaded.eos_ids]


def as_text(loaded: LoadedModel, ids: list[int]) -> str:
    reply = loaded.family.tidy(loaded.tokenizer.decode(ids, skip_special_tokens=True))
    return reply.rstrip("\ufffd").strip()


class Collector:
    """Takes the events of a request and lets a test wait for them.

    One that ``holds`` keeps the engine waiting at the first event until it is released.
    """

    def __init__(self, holds: bool = False) -> None:
        self.events: list[Event] = []
        self._more = threading.Condition()
        self._released = threading.Event()
        if not holds:
            self.release()

    def __call__(self, event: Event) -> None:
        with self._more:
            self.events.append(event)
            self._more.notify_all()
        self._released.wait(60)

    def release(self) -> None:
        self._released.set()

    def wait_for(self, kind: type) -> Any:
        with self._more:
            assert self._more.wait_for(lambda: self._found(kind), timeout=60), f"no {kind}"
            return self._found(kind)

    def _found(self, kind: type) -> Event | None:
        return next((event for event in self.events if isinstance(event, kind)), None)

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, Delta))


# -- the same tokens as transformers' generate --


@pytest.mark.parametrize("penalty", [1.0, 1.3])
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("question", QUESTIONS)
def test_greedy_decoding_takes_the_tokens_of_generate(alone, folders, model, question, penalty):
    spec = declare(folders).find(model)
    base = load_base(spec, device="cpu", dtype="float32")
    if spec.adapter:
        base.add_adapter(spec.name, spec.adapter)
    loaded = base.as_loaded(spec)
    options = GenerationOptions(max_new_tokens=24, repetition_penalty=penalty)
    decoding = Decoding(base, loaded, fit_prompt(loaded, (Turn(question),), 24), options)
    while not decoding.finish_reason:
        decoding.step()
    wanted = generated(alone[model], question, 24, repetition_penalty=penalty)
    assert decoding.text.ids == wanted
    assert decoding.finish_reason == ("length" if len(wanted) == 24 else "stop")


@pytest.mark.parametrize("model", MODELS)
def test_beams_find_the_answer_of_generate_and_deliver_it_once(shared, alone, model) -> None:
    events = list(stream(shared, [ask(model, num_beams=4)]))
    assert [type(event) for event in events] == [Delta, End]
    wanted = generated(alone[model], QUESTIONS[0], 24, num_beams=4)
    assert events[1].text == as_text(alone[model], wanted)
    assert events[1].text.startswith(events[0].text)


# -- panes beside each other --


def test_panes_of_one_base_stream_at_once_and_each_says_what_it_says_alone(shared, alone) -> None:
    deltas: dict[str, str] = dict.fromkeys(LLAMAS, "")
    before_any_end = None
    ends = {}
    for event in stream(shared, [ask(model, max_new_tokens=60) for model in LLAMAS]):
        if isinstance(event, End):
            before_any_end = before_any_end or dict(deltas)
            ends[event.pane] = event
        else:
            deltas[event.pane] += event.text
    assert all(before_any_end.values())
    for model in LLAMAS:
        wanted = as_text(alone[model], generated(alone[model], QUESTIONS[0], 60))
        assert ends[model].text == wanted
        assert wanted.startswith(deltas[model])
    assert len({end.text for end in ends.values()}) == 3


def test_twenty_requests_at_once_all_end_with_their_own_answer(shared, alone) -> None:
    tasks = [(f"pane {n}", MODELS[n % len(MODELS)], QUESTIONS[n % 3]) for n in range(20)]
    random.Random(1).shuffle(tasks)
    ends = answers(shared, *(ask(model, question, pane) for pane, model, question in tasks))
    assert len(ends) == 20
    for pane, model, question in tasks:
        wanted = as_text(alone[model], generated(alone[model], question, 24))
        assert ends[pane].text == wanted, pane
        assert ends[pane].provenance["model"] == model
        assert ends[pane].prompt == question


# -- together --


def batched(model: str, question: str, pane: str, **options: Any) -> Request:
    return replace(ask(model, question, pane, **options), batched=True)


def test_batched_answers_are_those_made_alone_whoever_joins_and_leaves(shared, alone) -> None:
    tasks = [(f"{n}", MODELS[n % len(MODELS)], QUESTIONS[n % 4], 3 + 5 * n % 29) for n in range(70)]
    requests = [batched(m, q, pane, max_new_tokens=count) for pane, m, q, count in tasks]
    ends = answers(shared, *requests)
    for pane, model, question, count in tasks:
        wanted = TextStream(alone[model])
        wanted.add(generated(alone[model], question, count))
        assert ends[pane].text == wanted.finish(), (pane, model, question, count)
        assert ends[pane].provenance["batched"] is True
        assert ends[pane].provenance["model"] == model


@pytest.mark.parametrize("model", ["second", "chatglm", "bloom"])
def test_batched_answers_keep_their_own_seeds(shared, model) -> None:
    asked = [ask(model, q, f"{q} {n}", **SAMPLED | {"seed": n}) for q in QUESTIONS for n in (1, 2)]
    wanted = {request.pane: answer(shared, request).text for request in asked}
    ends = answers(shared, *(replace(request, batched=True) for request in asked))
    assert {pane: end.text for pane, end in ends.items()} == wanted


def test_batched_answers_share_their_passes(shared, monkeypatch) -> None:
    passes = {"alone": 0, "together": 0}

    def counting(kind: str, call: Any) -> Any:
        def counted(*given: Any) -> Any:
            passes[kind] += 1
            return call(*given)

        return counted

    monkeypatch.setattr(Decoding, "step", counting("alone", Decoding.step))
    monkeypatch.setattr(Batch, "next_logits", counting("together", Batch.next_logits))
    answers(shared, *(batched("chatglm", QUESTIONS[n % 4], f"{n}") for n in range(8)))
    assert passes["alone"] == 8  # each prompt
    assert 23 <= passes["together"] <= 30  # the 23 tokens behind it, and what late ones miss


def test_a_watched_answer_does_not_wait_for_batched_ones(shared) -> None:
    requests = [batched("llama", QUESTIONS[0], f"{n}", max_new_tokens=200) for n in range(16)]
    order = [
        event.pane
        for event in stream(shared, [*requests, ask("first", pane="mine", max_new_tokens=4)])
        if isinstance(event, End)
    ]
    assert order[0] == "mine"


def test_a_shared_pass_that_fails_ends_its_own_answers_only(shared, alone, monkeypatch) -> None:
    pass_of_all = Batch.next_logits

    def failing(group: Batch, decodings: list[Decoding]) -> list[torch.Tensor]:
        if decodings[0]._loaded.adapter == "first":
            raise RuntimeError("out of memory")
        return pass_of_all(group, decodings)

    monkeypatch.setattr(Batch, "next_logits", failing)
    ends = answers(
        shared,
        *(batched(model, QUESTIONS[0], f"{model} {n}") for model in LLAMAS for n in range(2)),
        ask("first", pane="watched"),
    )
    assert {pane for pane, end in ends.items() if end.error} == {"first 0", "first 1"}
    for pane, end in ends.items():
        if not end.error:
            model = alone[end.provenance["model"]]
            assert end.text == as_text(model, generated(model, QUESTIONS[0], 24)), pane


def test_a_batched_answer_that_is_cancelled_leaves_the_others(shared, alone) -> None:
    collected = [Collector() for _ in range(3)]
    tickets = [
        shared.submit(
            batched("llama", QUESTIONS[n], f"{n}", max_new_tokens=200 if n == 1 else 60), collector
        )
        for n, collector in enumerate(collected)
    ]
    collected[1].wait_for(Delta)
    tickets[1].cancel()
    ends = [collector.wait_for(End) for collector in collected]
    assert [end.finish_reason for end in ends] == ["length", "cancelled", "length"]
    for n in (0, 2):
        wanted = as_text(alone["llama"], generated(alone["llama"], QUESTIONS[n], 60))
        assert ends[n].text == wanted


# -- sampling --


SAMPLED = {"temperature": 1.0, "top_p": 0.9, "top_k": 50, "seed": 7}


@pytest.mark.parametrize("model", ["second", "chatglm"])
def test_a_seed_gives_the_same_answer_whatever_runs_beside_it(shared, model) -> None:
    request = ask(model, pane="mine", **SAMPLED)
    first = answer(shared, request).text
    others = [ask(m, pane=f"{m} {n}", **SAMPLED | {"seed": n}) for m in MODELS for n in range(2)]
    random.seed(0)
    torch.manual_seed(0)
    assert answers(shared, *others, request)["mine"].text == first
    assert answers(shared, request, *others)["mine"].text == first


def test_another_seed_gives_another_answer(shared) -> None:
    texts = {answer(shared, ask("llama", **SAMPLED | {"seed": n})).text for n in range(4)}
    assert len(texts) > 1


def test_temperature_0_takes_no_notice_of_the_seed(shared) -> None:
    assert answer(shared, ask("llama", seed=1)).text == answer(shared, ask("llama", seed=2)).text


def test_top_k_1_is_the_likeliest_token(shared) -> None:
    narrow = answer(shared, ask("llama", temperature=2.0, top_k=1, seed=3)).text
    assert narrow == answer(shared, ask("llama")).text


# -- deltas and the end --


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("question", QUESTIONS)
def test_the_deltas_are_the_beginning_of_the_whole_text(shared, model, question) -> None:
    *deltas, end = stream(shared, [ask(model, question, max_new_tokens=60)])
    assert end.text.startswith("".join(delta.text for delta in deltas))
    assert all(delta.text for delta in deltas)
    assert len(deltas) > 1


def test_the_end_says_how_long_and_how_many(shared, alone) -> None:
    end = answer(shared, ask("first"))
    assert end.prompt_tokens == len(alone["first"].tokenizer(QUESTIONS[0])["input_ids"])
    assert (end.new_tokens, end.finish_reason, end.error) == (24, "length", "")
    assert 0 < end.seconds_to_first <= end.seconds


def test_the_end_says_what_made_the_answer(shared) -> None:
    told = answer(shared, ask("first", seed=5)).provenance
    assert (told["model"], told["base"], told["adapter"]) == ("first", "llama", "lora-first")
    assert told["options"]["seed"] == 5


# -- cancelling --


def test_a_cancelled_answer_keeps_what_was_said_so_far(shared) -> None:
    received = Collector(holds=True)
    ticket = shared.submit(ask("llama", max_new_tokens=200), received)
    received.wait_for(Delta)
    ticket.cancel()
    received.release()
    end = received.wait_for(End)
    assert (end.finish_reason, end.error) == ("cancelled", "")
    assert 0 < end.new_tokens < 200
    assert received.text
    assert end.text.startswith(received.text)


def test_cancelling_one_pane_leaves_the_others_alone(shared, alone) -> None:
    stopped, going = Collector(holds=True), Collector()
    ticket = shared.submit(ask("llama", max_new_tokens=200), stopped)
    shared.submit(ask("first", max_new_tokens=60), going)
    stopped.wait_for(Delta)
    ticket.cancel()
    stopped.release()
    assert stopped.wait_for(End).finish_reason == "cancelled"
    wanted = as_text(alone["first"], generated(alone["first"], QUESTIONS[0], 60))
    assert going.wait_for(End).text == wanted


def test_one_that_still_waits_for_its_turn_is_cancelled_at_once(shared) -> None:
    running = [Collector(holds=n == 0) for n in range(8)]
    tickets = [shared.submit(ask("llama", max_new_tokens=200), each) for each in running]
    running[0].wait_for(Delta)
    waiting = Collector()
    shared.submit(ask("llama"), waiting).cancel()
    running[0].release()
    end = waiting.wait_for(End)
    assert (end.finish_reason, end.text, end.new_tokens) == ("cancelled", "", 0)
    assert not any(isinstance(each.events[-1], End) for each in running if each.events)
    for ticket in tickets:
        ticket.cancel()
    assert {each.wait_for(End).finish_reason for each in running} == {"cancelled"}


class Recording:
    """An engine that remembers the tickets it gave out."""

    def __init__(self, engine: LocalEngine) -> None:
        self.engine = engine
        self.tickets: list[Ticket] = []

    def submit(self, request: Request, deliver: Any) -> Ticket:
        self.tickets.append(self.engine.submit(request, deliver))
        return self.tickets[-1]

    def states(self) -> dict[str, str]:
        return self.engine.states()


def test_leaving_a_stream_early_cancels_what_is_under_way(shared) -> None:
    recording = Recording(shared)
    events = stream(recording, [ask(m, max_new_tokens=200) for m in LLAMAS])
    next(events)
    events.close()
    assert [ticket.cancelled for ticket in recording.tickets] == [True, True, True]


def test_one_refused_request_of_several_cancels_the_others(shared) -> None:
    recording = Recording(shared)
    with pytest.raises(BadInput):
        list(stream(recording, [ask("llama", max_new_tokens=200), ask("chatgpt")]))
    assert [ticket.cancelled for ticket in recording.tickets] == [True]


def test_astream_gives_the_same_answer(shared) -> None:
    async def drain() -> list[Event]:
        return [event async for event in astream(shared, ask("first"))]

    *deltas, end = run_in_own_loop(drain())
    assert end.text == answer(shared, ask("first")).text
    assert end.text.startswith("".join(delta.text for delta in deltas))


def test_closing_astream_cancels_the_request(shared) -> None:
    recording = Recording(shared)

    async def leave() -> None:
        events = astream(recording, ask("llama", max_new_tokens=200))
        await anext(events)
        await events.aclose()

    run_in_own_loop(leave())
    assert [ticket.cancelled for ticket in recording.tickets] == [True]
    assert answer(shared, ask("first")).finish_reason == "length"


# -- errors in one pane --


def test_unknown_and_unavailable_models_are_refused_at_once(shared) -> None:
    with pytest.raises(BadInput, match=r"'chatgpt'.* llama, first"):
        shared.submit(ask("chatgpt"), Collector())
    with pytest.raises(ModelUnavailable, match="names no base folder"):
        shared.submit(ask("away"), Collector())


def test_an_adapter_that_cannot_be_loaded_leaves_the_others_running(
    folders, tmp_path: Path, alone
) -> None:
    empty = write_adapter(tmp_path / "lora", seed=1, change=lambda key, t: (key, t * 0))
    bad = ModelSpec(
        "bad", "Bad", "llama", find_template("plain"), base=folders.llama, adapter=empty
    )
    engine = LocalEngine(declare(folders, bad), device="cpu")
    for _ in range(2):
        ends = answers(engine, ask("first"), ask("bad"), ask("llama"))
        assert ends["bad"].finish_reason == "error"
        assert ends["bad"].error.startswith("Bad cannot be loaded. ")
        assert str(empty) in ends["bad"].error
        for model in ("first", "llama"):
            wanted = as_text(alone[model], generated(alone[model], QUESTIONS[0], 24))
            assert ends[model].text == wanted
    states = engine.states()
    assert (states["bad"], states["first"], states["away"]) == ("failed", "ready", "unavailable")
    engine.close()


def test_a_base_that_cannot_be_loaded_leaves_other_bases_running(folders, tmp_path: Path) -> None:
    bad = ModelSpec("bad", "Bad", "llama", find_template("plain"), base=tmp_path)
    engine = LocalEngine(declare(folders, bad), device="cpu")
    ends = answers(engine, ask("bad"), ask("chatglm"))
    assert "config.json" in ends["bad"].error
    assert ends["chatglm"].finish_reason == "length"
    engine.close()


def test_a_step_that_fails_ends_its_own_pane_only(shared, alone, monkeypatch) -> None:
    step = Decoding.step

    def failing(decoding: Decoding) -> str:
        if decoding.new_tokens == 10 and decoding._loaded.adapter == "first":
            raise RuntimeError("out of memory")
        return step(decoding)

    monkeypatch.setattr(Decoding, "step", failing)
    ends = answers(shared, ask("llama"), ask("first"), ask("second"))
    assert (ends["first"].finish_reason, ends["first"].new_tokens) == ("error", 10)
    assert "out of memory" in ends["first"].error
    full = as_text(alone["first"], generated(alone["first"], QUESTIONS[0], 24))
    assert full.startswith(ends["first"].text)
    for model in ("llama", "second"):
        wanted = as_text(alone[model], generated(alone[model], QUESTIONS[0], 24))
        assert ends[model].text == wanted


def test_a_prompt_that_fails_ends_its_own_pane_only(shared, monkeypatch) -> None:
    def failing(*_: Any) -> None:
        raise RuntimeError("boom")

    with monkeypatch.context() as patch:
        patch.setattr("medchat.engine.local.decoding.fit_prompt", failing)
        end = answer(shared, ask("llama"))
    assert (end.finish_reason, "boom" in end.error) == ("error", True)
    assert answer(shared, ask("llama")).finish_reason == "length"


def test_a_receiver_that_fails_loses_its_own_answer_only(shared) -> None:
    def failing(event: Event) -> None:
        raise RuntimeError("the page is gone")

    ticket = shared.submit(ask("llama"), failing)
    assert answer(shared, ask("first")).finish_reason == "length"
    assert ticket.cancelled


def test_a_question_that_is_too_long_is_told_so(shared) -> None:
    end = answer(shared, ask("llama", "高血压" * 300))
    assert end.finish_reason == "error"
    assert "Shorten it" in end.error
    assert "256" in end.error


def test_a_request_without_a_question_is_told_so(shared) -> None:
    end = answer(shared, Request("p", "llama", (), GenerationOptions(max_new_tokens=4)))
    assert (end.finish_reason, end.error) == ("error", "There is no question to answer.")
    assert answer(shared, ask("llama")).finish_reason == "length"


# -- conversations --


def test_the_oldest_turns_are_dropped_until_the_rest_fits(shared) -> None:
    turns = tuple(Turn(f"问题{n}高血压？", "低盐饮食，按时服药。") for n in range(20))
    options = GenerationOptions(max_new_tokens=24)
    whole = (*turns, Turn("感冒？"))
    end = answer(shared, Request("p", "chatglm", whole, options))
    assert 0 < end.dropped_turns < 20
    assert end.prompt_tokens + 24 <= 256
    kept = whole[end.dropped_turns :]
    again = answer(shared, Request("p", "chatglm", kept, options))
    assert (again.text, again.dropped_turns) == (end.text, 0)


def test_a_conversation_that_fits_is_kept_whole(shared) -> None:
    turns = (Turn("感冒？", "休息。"), Turn("高血压？"))
    options = GenerationOptions(max_new_tokens=24)
    end = answer(shared, Request("p", "chatglm", turns, options))
    assert end.dropped_turns == 0
    assert end.text != answer(shared, ask("chatglm", "高血压？")).text


# -- threads --


def threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("base ")}


def test_one_thread_serves_a_base_with_all_its_adapters(engine) -> None:
    before = threads()
    answers(engine, *(ask(model) for model in MODELS))
    assert len(threads() - before) == len({"llama", "chatglm", "bloom"})


def test_closing_ends_the_threads_and_cancels_what_is_under_way(engine) -> None:
    before = threads()
    received = [Collector() for _ in range(12)]
    for each in received:
        engine.submit(ask("llama", max_new_tokens=200), each)
    received[0].wait_for(Delta)
    engine.close()
    assert threads() == before
    assert {each.wait_for(End).finish_reason for each in received} == {"cancelled"}
    engine.close()


def test_a_model_is_loaded_before_it_is_asked(engine) -> None:
    assert engine.states()["first"] == "idle"
    engine.preload(["first", "away"])
    answer(engine, ask("llama"))
    assert engine.states()["first"] == "ready"
    assert engine.states()["away"] == "unavailable"


# -- growing text --


def stream_text(loaded: LoadedModel, ids: list[int]) -> tuple[list[str], TextStream]:
    """What is shown after each id."""
    text, shown = TextStream(loaded), []
    for token in ids:
        text.add([token])
        shown.append(text.visible)
        if text.stopped:
            break
    return shown, text


def with_template(loaded: LoadedModel, name: str) -> LoadedModel:
    parts = {field: getattr(loaded, field) for field in loaded.__dataclass_fields__}
    return LoadedModel(**parts | {"template": find_template(name)})


@pytest.mark.parametrize("model", ["llama", "chatglm"])
def test_a_character_of_several_tokens_is_shown_when_it_is_whole(alone, model) -> None:
    reply = "好的😀多喝水，𠮷β-谷甾醇"
    ids = alone[model].tokenizer(reply, add_special_tokens=False)["input_ids"]
    assert len(ids) > len(reply)
    shown, text = stream_text(alone[model], ids)
    assert not any("\ufffd" in each for each in shown)
    assert text.finish() == reply


@given(st.lists(st.integers(0, 399), max_size=40))
@settings(max_examples=150, deadline=None)
def test_whatever_llama_says_is_only_ever_added_to(alone, ids) -> None:
    shown, text = stream_text(with_template(alone["llama"], "med"), ids)
    for earlier, later in zip(shown, [*shown[1:], text.finish()], strict=bool(shown)):
        assert later.startswith(earlier)
        assert not earlier.endswith("\ufffd")


@given(st.lists(st.one_of(st.integers(0, 120), st.integers(0, 448)), max_size=40))
@settings(max_examples=150, deadline=None)
def test_whatever_chatglm_says_is_only_ever_added_to(alone, ids) -> None:
    shown, text = stream_text(alone["chatglm"], ids)
    for earlier, later in zip(shown, [*shown[1:], text.finish()], strict=bool(shown)):
        assert later.startswith(earlier)
        assert not earlier.endswith("\ufffd")


@pytest.mark.parametrize(
    ("template", "reply", "kept"),
    [
        ("med", "多休息。\n### 问题:\n高血压", "多休息。"),
        ("med", "\n### 问题:\n高血压", ""),
        ("med", "\n多休息。\n###", "多休息。"),
        ("literature", "多休息。 <user>: 还有呢", "多休息。"),
        ("literature", "多休息。\n### 说明", "多休息。"),
    ],
)
@pytest.mark.parametrize("unit", ["pieces", "bytes"])
def test_nothing_of_a_stop_text_is_ever_shown(alone, template, reply, kept, unit) -> None:
    loaded = with_template(alone["llama"], template)
    ids = loaded.tokenizer(reply, add_special_tokens=False)["input_ids"]
    if unit == "bytes":
        ids = [FIRST_BYTE + byte for byte in reply.encode()]
    shown, text = stream_text(loaded, ids)
    assert text.stopped
    assert all(kept.startswith(each) for each in shown)
    assert text.finish() == shown[-1] == kept


def test_what_only_looks_like_a_stop_text_is_shown_in_the_end(alone) -> None:
    loaded = with_template(alone["llama"], "literature")
    for reply in ("a <b> c\n# d", "a\n##", "x <user"):
        ids = loaded.tokenizer(reply, add_special_tokens=False)["input_ids"]
        shown, text = stream_text(loaded, ids)
        assert not text.stopped
        assert text.finish() == reply
        assert reply.startswith(shown[-1])


def test_half_width_punctuation_is_held_back_until_its_neighbour_is_known(alone) -> None:
    tokenizer = alone["chatglm"].tokenizer
    ids = tokenizer("感冒,多喝水[[训练时间]]好", add_special_tokens=False)["input_ids"]
    shown, text = stream_text(alone["chatglm"], ids)
    assert text.finish() == "感冒，多喝水2023年好"
    assert all(text.finish().startswith(each) for each in shown)
    assert shown[-1] == text.finish()
