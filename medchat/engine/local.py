"""Models in this process: one scheduler thread per base, which alone touches that base's weights.

Switching an adapter changes the base for everyone, so a base and its adapters are only ever called
from that thread. It advances all answers under way one token each in turn, so that every pane
streams, and takes up new requests between two rounds.
"""

import logging
import queue
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from medchat.engine.base import Deliver, Ticket
from medchat.engine.decoding import Decoding, Prompt, fit_prompt
from medchat.engine.events import Delta, End, FinishReason, Request
from medchat.errors import MedchatError, ModelUnavailable
from medchat.models.loading import LoadedBase, LoadedModel, load_base
from medchat.models.registry import ModelSpec, Registry

AT_ONCE = 8
"""Answers that one base advances in turn; later ones wait."""

log = logging.getLogger(__name__)


@dataclass
class Job:
    """A request on its way through a scheduler."""

    request: Request
    spec: ModelSpec
    deliver: Deliver
    ticket: Ticket
    started: float
    first: float | None = None
    decoding: Decoding | None = None
    loaded: LoadedModel | None = None

    def end(self, reason: FinishReason, error: str = "") -> None:
        """Deliver the last event, with what the answer had become by then."""
        decoding = self.decoding
        prompt = decoding.prompt if decoding else Prompt("", [], 0)
        provenance = dict(self.loaded.provenance) if self.loaded else {}
        provenance["options"] = self.request.options.as_dict()
        self.deliver(
            End(
                pane=self.request.pane,
                finish_reason=reason,
                text=decoding.text.finish() if decoding else "",
                error=error,
                prompt_tokens=len(prompt.input_ids),
                new_tokens=decoding.new_tokens if decoding else 0,
                seconds_to_first=None if self.first is None else self.first - self.started,
                seconds=time.monotonic() - self.started,
                dropped_turns=prompt.dropped_turns,
                provenance=provenance,
            )
        )


class BaseScheduler:
    """The one thread that calls a base and its adapters."""

    def __init__(self, name: str, *, device: str, dtype: str) -> None:
        self._device = device
        self._dtype = dtype
        self._inbox: queue.SimpleQueue[Job | ModelSpec | None] = queue.SimpleQueue()
        self._base: LoadedBase | None = None
        self._loaded: dict[str, LoadedModel] = {}
        self._failed: dict[str, str] = {}
        self._loading: str | None = None
        self._active: list[Job] = []
        self._waiting: list[Job] = []
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=f"base {name}", daemon=True)
        self._thread.start()

    # -- called from any thread --

    def put(self, job: Job) -> None:
        self._inbox.put(job)

    def preload(self, spec: ModelSpec) -> None:
        self._inbox.put(spec)

    def state(self, spec: ModelSpec) -> str:
        if spec.name in self._failed:
            return "failed"
        if self._loading == spec.name:
            return "loading"
        return "ready" if spec.name in self._loaded else "idle"

    def reason(self, spec: ModelSpec) -> str:
        return self._failed.get(spec.name, "")

    def close(self) -> None:
        self._inbox.put(None)
        self._thread.join(timeout=10)

    # -- the scheduler's own thread --

    def _run(self) -> None:
        while not self._closed:
            self._take_in()
            self._admit()
            for job in list(self._active):
                self._advance(job)
        for job in [*self._active, *self._waiting]:
            job.end("cancelled")

    def _take_in(self) -> None:
        """Empty the inbox; wait for it only when there is nothing to advance."""
        idle = not self._active and not self._waiting
        while idle or not self._inbox.empty():
            item = self._inbox.get()
            idle = False
            if item is None:
                self._closed = True
            elif isinstance(item, ModelSpec):
                self._try_to_load(item)
            else:
                self._waiting.append(item)

    def _admit(self) -> None:
        while self._waiting and len(self._active) < AT_ONCE:
            job = self._waiting.pop(0)
            if self._begin(job):
                self._active.append(job)

    def _begin(self, job: Job) -> bool:
        if job.ticket.cancelled:
            job.end("cancelled")
            return False
        if error := self._try_to_load(job.spec):
            job.end("error", error)
            return False
        job.loaded = self._loaded[job.spec.name]
        options = job.request.options
        try:
            prompt = fit_prompt(job.loaded, job.request.turns, options.max_new_tokens)
        except MedchatError as error:
            job.end("error", str(error))
            return False
        assert self._base is not None
        job.decoding = Decoding(self._base, job.loaded, prompt, options)
        return True

    def _advance(self, job: Job) -> None:
        decoding = job.decoding
        assert decoding is not None
        if job.ticket.cancelled:
            self._finish(job, "cancelled")
            return
        try:
            text = decoding.step()
        except Exception as error:
            # Whatever goes wrong in one answer must not end the thread that serves the others.
            log.exception("%s failed", job.spec.name)
            self._finish(job, "error", f"{job.spec.label} failed: {type(error).__name__}: {error}")
            return
        if job.first is None:
            job.first = time.monotonic()
        if text:
            job.deliver(Delta(job.request.pane, text))
        if decoding.finish_reason:
            self._finish(job, decoding.finish_reason)

    def _finish(self, job: Job, reason: FinishReason, error: str = "") -> None:
        self._active.remove(job)
        job.end(reason, error)

    def _try_to_load(self, spec: ModelSpec) -> str:
        """Load what ``spec`` needs; returns why it cannot be, or an empty text."""
        if spec.name in self._loaded:
            return ""
        self._loading = spec.name
        try:
            self._load(spec)
            self._failed.pop(spec.name, None)
            return ""
        except Exception as error:
            if not isinstance(error, MedchatError):
                log.exception("%s cannot be loaded", spec.name)
            reason = str(error) or type(error).__name__
            self._failed[spec.name] = reason
            return f"{spec.label} cannot be loaded. {reason}"
        finally:
            self._loading = None

    def _load(self, spec: ModelSpec) -> None:
        if self._base is None:
            self._base = load_base(spec, device=self._device, dtype=self._dtype)
        if spec.adapter:
            self._base.add_adapter(spec.name, spec.adapter)
        self._loaded[spec.name] = self._base.as_loaded(spec)


class LocalEngine:
    """All local models of a registry; bases are loaded when they are first needed."""

    def __init__(self, registry: Registry, *, device: str = "auto", dtype: str = "auto") -> None:
        self.registry = registry
        self._device = device
        self._dtype = dtype
        self._schedulers: dict[Path, BaseScheduler] = {}
        self._lock = threading.Lock()

    def submit(self, request: Request, deliver: Deliver) -> Ticket:
        spec = self.registry.find(request.model)
        scheduler = self._scheduler(spec)
        ticket = Ticket()
        scheduler.put(Job(request, spec, deliver, ticket, time.monotonic()))
        return ticket

    def preload(self, names: list[str]) -> None:
        """Begin to load models that will soon be asked."""
        for name in names:
            spec = self.registry.find(name)
            if spec.available:
                self._scheduler(spec).preload(spec)

    def states(self) -> dict[str, str]:
        return {spec.name: self._state(spec) for spec in self.registry}

    def close(self) -> None:
        """End every scheduler thread; answers under way end as cancelled."""
        with self._lock:
            for scheduler in self._schedulers.values():
                scheduler.close()
            self._schedulers.clear()

    def _state(self, spec: ModelSpec) -> str:
        if not spec.available:
            return "unavailable"
        scheduler = self._schedulers.get(spec.base) if spec.base else None
        return scheduler.state(spec) if scheduler else "idle"

    def _scheduler(self, spec: ModelSpec) -> BaseScheduler:
        if spec.unavailable or spec.base is None:
            raise ModelUnavailable(f"{spec.label} is not available. {spec.unavailable}")
        with self._lock:
            if spec.base not in self._schedulers:
                self._schedulers[spec.base] = BaseScheduler(
                    spec.base.name, device=self._device, dtype=self._dtype
                )
            return self._schedulers[spec.base]
