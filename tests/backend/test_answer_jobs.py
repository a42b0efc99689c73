"""Having models answer in the background: through a scripted engine, with failures and kills."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from eval_ui.backend.answer_jobs import UNDER_WAY, Answering, require_choice
from eval_ui.texts import PageError
from medchat.engine import Delta, End, Request, Ticket
from medchat.errors import BadInput, MedchatError, ModelUnavailable
from medchat.models import TEMPLATES, ModelSpec, Registry
from storage import (
    NewQuestion,
    StorageError,
    Store,
    Study,
    add_questions,
    answer_job,
    answers_to_check,
    begin_answering,
    create_study,
)

QUESTIONS = 20
Script = Callable[[Request], End | None]


def spec(name: str, problem: ModelUnavailable | None = None) -> ModelSpec:
    template = TEMPLATES["plain"]
    return ModelSpec(name, name.upper(), "llama", template, problem=problem)


REGISTRY = Registry([spec("a"), spec("b"), spec("gone", ModelUnavailable("no_base"))])


class ScriptedEngine:
    """Delivers what ``script`` says of a request, from threads of its own; None: never ends."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.asked: list[Request] = []
        self.most_under_way = 0
        self._under_way = 0
        self._lock = threading.Lock()

    def submit(self, request: Request, deliver: Callable[[Delta | End], None]) -> Ticket:
        ticket = Ticket()
        with self._lock:
            self.asked.append(request)
            self._under_way += 1
            self.most_under_way = max(self.most_under_way, self._under_way)
        threading.Thread(target=self._answer, args=(request, deliver), daemon=True).start()
        return ticket

    def _answer(self, request: Request, deliver: Callable[[Delta | End], None]) -> None:
        time.sleep(0.002)
        deliver(Delta(request.pane, "…"))
        end = self.script(request)
        with self._lock:
            self._under_way -= 1
        if end:
            deliver(end)

    def states(self) -> dict[str, str]:
        return {}

    def close(self) -> None: ...


def fine(request: Request) -> End:
    text = f"{request.model} 答 {request.turns[0].question}"
    return End(request.pane, "stop", text, provenance={"options": request.options.as_dict()})


def failing(request: Request, code: str = "generation_failed") -> End:
    failure = MedchatError(code, label="B", reason="x")
    return End(request.pane, "error", failure=failure)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "medchat.db")


@pytest.fixture
def study(store: Store) -> Study:
    made = create_study(store, "Draft", 7)
    add_questions(store, made.id, [NewQuestion(f"问{n}") for n in range(QUESTIONS)])
    return made


@pytest.fixture
def running(store: Store) -> Iterator[Callable[[Script], tuple[Answering, ScriptedEngine]]]:
    made: list[Answering] = []

    def run(script: Script) -> tuple[Answering, ScriptedEngine]:
        engine = ScriptedEngine(script)
        made.append(Answering(store, engine, REGISTRY))
        return made[-1], engine

    yield run
    for answering in made:
        answering.close()


def wait(store: Store, study: Study, state: str) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        job = answer_job(store, study.id)
        if job and job.state == state:
            return
        time.sleep(0.02)
    raise AssertionError(f"the job is not {state}: {answer_job(store, study.id)}")


def test_every_model_answers_every_question_once(store, study, running) -> None:
    answering, engine = running(fine)
    begin_answering(store, study.id, ["a", "b"])
    answering.start(study.id)
    answering.start(study.id)  # a second click starts no second thread
    wait(store, study, "done")
    answers = answers_to_check(store, study.id)
    assert len(answers) == 2 * QUESTIONS == len(engine.asked)
    for answer in answers:
        assert answer.text.startswith(f"{answer.model} 答 问")
    assert engine.most_under_way <= UNDER_WAY
    view = answering.view(study.id)
    assert view is not None
    assert (view.progress.done, view.progress.total, view.problem) == (40, 40, None)


def test_each_answer_keeps_what_produced_it(store, study, running) -> None:
    from storage import list_questions, responses_of

    answering, _ = running(fine)
    begin_answering(store, study.id, ["a"], {"temperature": 0.5, "seed": 3})
    answering.start(study.id)
    wait(store, study, "done")
    (answer,) = responses_of(store, list_questions(store, study.id)[0])
    options = answer.provenance["options"]
    assert isinstance(options, dict)
    assert (options["temperature"], options["seed"]) == (0.5, 3)


def test_a_kill_loses_only_what_was_under_way(store, study, running) -> None:
    def half(request: Request) -> End | None:
        return fine(request) if int(request.turns[0].question[1:]) < 10 else None

    first, _ = running(half)
    begin_answering(store, study.id, ["a"])
    first.start(study.id)
    deadline = time.monotonic() + 120
    while len(answers_to_check(store, study.id)) < 10 and time.monotonic() < deadline:
        time.sleep(0.02)
    first.close()
    assert answer_job(store, study.id).state == "running"
    second, engine = running(fine)
    second.resume()
    wait(store, study, "done")
    assert len(answers_to_check(store, study.id)) == QUESTIONS
    assert len(engine.asked) == QUESTIONS - 10, "what was stored is not asked again"


def test_a_failed_answer_is_tried_again_and_then_named(store, study, running) -> None:
    tried: list[str] = []

    def flaky(request: Request) -> End:
        question = request.turns[0].question
        tried.append(question)
        if question == "问3" or (question == "问4" and tried.count(question) < 2):
            return failing(request)
        return fine(request)

    answering, _ = running(flaky)
    begin_answering(store, study.id, ["a"])
    answering.start(study.id)
    wait(store, study, "done")
    assert (tried.count("问3"), tried.count("问4")) == (3, 2)
    view = answering.view(study.id)
    assert view is not None
    (failure,) = view.progress.failures
    assert (failure.question_id, failure.error) == ("q004", "B failed: x")
    assert view.progress.done == QUESTIONS - 1


def test_a_model_that_cannot_be_loaded_stops_itself_and_not_the_others(store, study, running):
    def script(request: Request) -> End:
        return failing(request, "load_failed") if request.model == "b" else fine(request)

    answering, engine = running(script)
    begin_answering(store, study.id, ["a", "b"])
    answering.start(study.id)
    wait(store, study, "paused")
    assert len(answers_to_check(store, study.id)) == QUESTIONS
    assert len([each for each in engine.asked if each.model == "b"]) <= UNDER_WAY
    view = answering.view(study.id)
    assert view is not None
    assert str(view.problem) == "B cannot be loaded. x"


def test_a_pause_stops_and_a_start_goes_on(store, study, running) -> None:
    gate = threading.Event()

    def waiting(request: Request) -> End:
        gate.wait(10)
        return fine(request)

    answering, _ = running(waiting)
    begin_answering(store, study.id, ["a"])
    answering.start(study.id)
    answering.pause(study.id)
    assert answer_job(store, study.id).state == "paused"
    assert answers_to_check(store, study.id) == []
    gate.set()
    begin_answering(store, study.id, ["a"])
    answering.start(study.id)
    wait(store, study, "done")
    assert len(answers_to_check(store, study.id)) == QUESTIONS


def test_a_full_disk_pauses_with_its_sentence(store, study, running, monkeypatch) -> None:
    def full(*_: object) -> bool:
        raise StorageError("disk_full", path="x")

    answering, _ = running(fine)
    monkeypatch.setattr("eval_ui.backend.answer_jobs.store_answer", full)
    begin_answering(store, study.id, ["a"])
    answering.start(study.id)
    wait(store, study, "paused")
    view = answering.view(study.id)
    assert view is not None
    assert "full" in str(view.problem)


def test_a_defect_pauses_the_job_and_is_told(store, study, running, monkeypatch) -> None:
    def broken(*_: object) -> bool:
        raise RuntimeError("broken")

    answering, _ = running(fine)
    monkeypatch.setattr("eval_ui.backend.answer_jobs.store_answer", broken)
    begin_answering(store, study.id, ["a"])
    answering.start(study.id)
    wait(store, study, "paused")
    view = answering.view(study.id)
    assert view is not None
    assert str(view.problem).endswith("(RuntimeError: broken)")


def test_a_job_begun_anew_while_the_old_one_ends_is_worked_on(store, study, running) -> None:
    """Whatever moment the second click meets."""
    answering, _ = running(fine)
    for models in (["a"], ["a", "b"]):
        begin_answering(store, study.id, models)
        answering.start(study.id)
        deadline = time.monotonic() + 120
        while len(answers_to_check(store, study.id)) < QUESTIONS and time.monotonic() < deadline:
            time.sleep(0.001)
    wait(store, study, "done")
    assert len(answers_to_check(store, study.id)) == 2 * QUESTIONS


def test_only_declared_and_available_models_can_be_chosen() -> None:
    require_choice(["a", "b"], REGISTRY)
    with pytest.raises(PageError, match="GONE"):
        require_choice(["gone"], REGISTRY)
    with pytest.raises(BadInput, match="No model is called"):
        require_choice(["x"], REGISTRY)
