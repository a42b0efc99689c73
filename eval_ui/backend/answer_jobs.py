"""Having models answer a study's questions in the background, through the engine.

One thread per study keeps some requests with the engine, stores each answer the moment it ends, and
finds what is left from the database: a kill at any moment loses only the answers under way. Knows
nothing of pages.
"""

import logging
import queue
import threading
import time
from dataclasses import dataclass, replace

from eval_ui.texts import PageError
from medchat.config import GenerationOptions
from medchat.engine import End, Engine, Event, Request, Ticket
from medchat.errors import MedchatError
from medchat.models import Registry, Turn
from storage import (
    AnswerJob,
    AnswerProgress,
    JobState,
    NewResponse,
    Question,
    StorageError,
    Store,
    answer_job,
    answer_progress,
    next_unanswered,
    note_failure,
    running_jobs,
    set_job_state,
    store_answer,
)

log = logging.getLogger(__name__)
UNDER_WAY = 16
"""Requests that the engine holds of one study; each base advances up to eight of them together."""
LOOK_SECONDS = 0.5
"""Between two looks at whether a job has been paused."""
FINISHED = ("stop", "length")


@dataclass(frozen=True)
class JobView:
    """What a page shows of a job; ``seconds_left`` is None as long as there is nothing to go by.

    ``problem`` is why it stopped by itself.
    """

    job: AnswerJob
    progress: AnswerProgress
    seconds_left: float | None
    problem: MedchatError | None


class Answering:
    """The jobs of all studies."""

    def __init__(self, store: Store, engine: Engine, registry: Registry) -> None:
        self._store, self._engine, self._registry = store, engine, registry
        self._runs: dict[str, _Run] = {}
        self._lock = threading.Lock()

    def resume(self) -> None:
        """Go on with what was under way when the program ended."""
        for job in running_jobs(self._store):
            self.start(job.study_id)

    def start(self, study_id: str) -> None:
        """Work on a study's job, unless somebody does already."""
        with self._lock:
            run = self._runs.get(study_id)
            if run is None or run.ended or not run.is_alive():
                self._runs[study_id] = _Run(self._store, self._engine, self._registry, study_id)
                self._runs[study_id].start()

    def pause(self, study_id: str) -> None:
        """Stop after what is stored already; answers under way are given up."""
        set_job_state(self._store, study_id, "paused")
        with self._lock:
            run = self._runs.get(study_id)
        if run:
            run.end()

    def view(self, study_id: str) -> JobView | None:
        """What has become of a study's job; None where there never was one."""
        job = answer_job(self._store, study_id)
        if job is None:
            return None
        run = self._runs.get(study_id)
        progress = answer_progress(self._store, study_id)
        seconds = run.seconds_left(progress) if run and job.state == "running" else None
        return JobView(job, progress, seconds, run.problem if run else None)

    def close(self) -> None:
        """End every thread; the jobs stay marked as running, to be resumed."""
        with self._lock:
            runs = list(self._runs.values())
        for run in runs:
            run.end()


class _Run(threading.Thread):
    """One study's job, from now until nothing is left, it is paused, or the program ends."""

    def __init__(self, store: Store, engine: Engine, registry: Registry, study_id: str) -> None:
        super().__init__(name=f"answering {study_id[:8]}", daemon=True)
        self._store, self._engine, self._registry = store, engine, registry
        self._study_id = study_id
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._asked: dict[str, tuple[Question, str, Ticket]] = {}
        self._asked_so_far = 0
        self._down: set[str] = set()  # models that could not be loaded in this run
        self._stored = 0
        self._began = time.monotonic()
        self._ended = threading.Event()
        self._over = False
        self.problem: MedchatError | None = None

    def end(self) -> None:
        self._ended.set()
        if self.is_alive() and threading.current_thread() is not self:
            self.join(timeout=10)

    @property
    def ended(self) -> bool:
        """Whether it takes nothing more, though its thread may still be about."""
        return self._over or self._ended.is_set()

    def seconds_left(self, progress: AnswerProgress) -> float | None:
        missing = progress.total - progress.done - len(progress.failures)
        if not self._stored or missing <= 0:
            return None
        return missing * (time.monotonic() - self._began) / self._stored

    def run(self) -> None:
        try:
            while not self._ended.is_set() and self._go_on():
                self._take()
        except StorageError as error:  # such as a full disk: what is stored is stored
            self.problem = error
            self._pause()
        except Exception as error:  # a defect: told and logged, and the job can be begun again
            log.exception("answering %s failed", self._study_id)
            self.problem = PageError(
                "answering_failed", remainder=f"{type(error).__name__}: {error}"
            )
            self._pause()
        finally:
            for _, _, ticket in self._asked.values():
                ticket.cancel()

    def _go_on(self) -> bool:
        """Keep the engine busy; False when there is nothing left to wait for."""
        job = answer_job(self._store, self._study_id)
        if job is None or job.state != "running":
            return False
        for question, model in self._missing(job):
            self._ask(job, question, model)
        if self._asked:
            return True
        self._over = True  # first, so that who begins the job anew starts another run
        state: JobState = "paused" if self._down else "done"
        self._over = set_job_state(self._store, self._study_id, state, begun=job.started_at)
        return not self._over

    def _missing(self, job: AnswerJob) -> list[tuple[Question, str]]:
        room = UNDER_WAY - len(self._asked)
        possible = replace(job, models=tuple(m for m in job.models if m not in self._down))
        if room <= 0 or not possible.models:
            return []
        under_way = {(question.id, model) for question, model, _ in self._asked.values()}
        pairs = next_unanswered(self._store, possible, UNDER_WAY + len(under_way))
        return [pair for pair in pairs if (pair[0].id, pair[1]) not in under_way][:room]

    def _ask(self, job: AnswerJob, question: Question, model: str) -> None:
        if model in self._down:
            return
        self._asked_so_far += 1
        pane = str(self._asked_so_far)
        try:
            spec = self._registry.find(model)
            options = _options(job, spec.defaults)
            request = Request(pane, model, (Turn(question.text),), options, batched=True)
            self._asked[pane] = question, model, self._engine.submit(request, self._events.put)
        except MedchatError as error:
            self._failed(question, model, error)
            self._down.add(model)

    def _take(self) -> None:
        """Wait for the next end of an answer, and store it."""
        try:
            event = self._events.get(timeout=LOOK_SECONDS)
        except queue.Empty:
            return
        if not isinstance(event, End):
            return
        question, model, _ = self._asked.pop(event.pane)
        if event.finish_reason in FINISHED:
            response = NewResponse(model, event.text, event.finish_reason, event.provenance)
            self._stored += store_answer(self._store, question, response)
        elif event.failure:
            self._failed(question, model, event.failure)
            if event.failure.code == "load_failed":
                self._down.add(model)

    def _failed(self, question: Question, model: str, error: MedchatError) -> None:
        self.problem = error
        note_failure(self._store, question, model, str(error))

    def _pause(self) -> None:
        try:
            set_job_state(self._store, self._study_id, "paused")
        except StorageError as error:  # it will be found running, and resumed, at the next start
            self.problem = error


def _options(job: AnswerJob, defaults: GenerationOptions) -> GenerationOptions:
    if job.options is None:
        return defaults
    return GenerationOptions.from_mapping(dict(job.options))


def require_choice(models: list[str], registry: Registry) -> None:
    """Raises BadInput for a model that is not declared, PageError for one that cannot answer."""
    for name in models:
        spec = registry.find(name)
        if spec.problem:
            raise PageError("model_not_available", model=spec.label, problem=spec.problem)
