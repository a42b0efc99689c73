"""Models in this process: one scheduler thread per base, which alone touches that base's weights.

Switching an adapter changes the base for everyone, so a base and its adapters are only ever called
from that thread. It advances all answers under way one token each in turn, so that every pane
streams, and takes up new requests between two rounds. Batched requests of one model take their
step in one forward pass.

That thread also imports torch and the rest, so that nobody waits for them who asks no model.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from medchat.engine.base import Deliver, Ticket
from medchat.engine.events import Delta, End, FinishReason, Request
from medchat.errors import MedchatError, ModelUnavailable
from medchat.models.registry import ModelSpec, Registry

if TYPE_CHECKING:
    from medchat.engine.local.batching import Batch
    from medchat.engine.local.decoding import Decoding
    from medchat.models.loaded import LoadedBase, LoadedModel

AT_ONCE = 8
"""Watched answers that one base advances in turn, and as many batched ones; later ones wait."""

log = logging.getLogger(__name__)
_IMPORTING = threading.Lock()
"""Two threads that import torch and transformers at the same time may each see half of them."""


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

    def end(self, reason: FinishReason, failure: MedchatError | None = None) -> None:
        """Deliver the last event, with what the answer had become by then."""
        decoding = self.decoding
        prompt = decoding.prompt if decoding else None
        text = self._text(reason)
        provenance = dict(self.loaded.provenance) if self.loaded else {}
        provenance["options"] = self.request.options.as_dict()
        provenance["prompt"] = prompt.text if prompt else ""
        provenance["batched"] = self.request.batched
        if decoding and decoding.text.reasoning:
            provenance["reasoning"] = decoding.text.reasoning
        self.send(
            End(
                pane=self.request.pane,
                finish_reason=reason,
                text=text,
                failure=failure,
                prompt_tokens=len(prompt.input_ids) if prompt else 0,
                new_tokens=decoding.new_tokens if decoding else 0,
                seconds_to_first=None if self.first is None else self.first - self.started,
                seconds=time.monotonic() - self.started,
                dropped_turns=prompt.dropped_turns if prompt else 0,
                provenance=provenance,
            )
        )

    def send(self, event: Delta | End) -> None:
        """Deliver; a receiver that fails loses its answer, but not the others theirs."""
        try:
            self.deliver(event)
        except Exception:
            log.exception("pane %s could not take its answer", self.request.pane)
            self.ticket.cancel()

    def _text(self, reason: FinishReason) -> str:
        if self.decoding is None:
            return ""
        # After an error nothing is decoded again: that may be what failed.
        return self.decoding.text.visible if reason == "error" else self.decoding.text.finish()


class BaseScheduler:
    """The one thread that calls a base and its adapters."""

    def __init__(self, name: str, *, device: str, dtype: str) -> None:
        self._device = device
        self._dtype = dtype
        self._inbox: queue.SimpleQueue[Job | ModelSpec | None] = queue.SimpleQueue()
        self._base: LoadedBase | None = None
        self._loaded: dict[str, LoadedModel] = {}
        self._failed: dict[str, ModelUnavailable] = {}
        self._loading: str | None = None
        self._active: list[Job] = []
        self._waiting: list[Job] = []
        self._batches: dict[str | None, Batch] = {}
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

    def close(self) -> None:
        self._inbox.put(None)
        self._thread.join(timeout=10)

    # -- the scheduler's own thread --

    def _run(self) -> None:
        while not self._closed:
            self._take_in()
            if self._closed:
                break
            self._admit()
            for job in self._active[:]:
                if job.ticket.cancelled:
                    self._finish(job, "cancelled")
            self._advance_together()
            for job in [job for job in self._active if not _joinable(job)]:
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
                if not self._closed:
                    self._try_to_load(item)
            else:
                self._waiting.append(item)

    def _admit(self) -> None:
        for job in [job for job in self._waiting if job.ticket.cancelled]:
            self._waiting.remove(job)
            job.end("cancelled")
        for batched in (False, True):
            under_way = sum(job.request.batched == batched for job in self._active)
            for job in [job for job in self._waiting if job.request.batched == batched]:
                if under_way >= AT_ONCE:
                    break
                self._waiting.remove(job)
                if self._begin(job):
                    self._active.append(job)
                    under_way += 1

    def _begin(self, job: Job) -> bool:
        if job.ticket.cancelled:
            job.end("cancelled")
            return False
        if failure := self._try_to_load(job.spec):
            job.end("error", failure)
            return False
        from medchat.engine.local.decoding import Decoding, fit_prompt

        job.loaded = self._loaded[job.spec.name]
        options = job.request.options
        assert self._base is not None
        try:
            prompt = fit_prompt(job.loaded, job.request.turns, options.max_new_tokens)
            job.decoding = Decoding(self._base, job.loaded, prompt, options)
        except MedchatError as error:
            job.end("error", error)
        except Exception as error:
            job.end("error", _failure(job, error))
        return job.decoding is not None

    def _advance_together(self) -> None:
        """One step of every batched answer that is past its prompt; a pass for each model."""
        from medchat.engine.local.batching import Batch

        groups: dict[str | None, list[tuple[Job, Decoding]]] = {}
        for job in self._active:
            if job.loaded and job.decoding and _joinable(job):
                groups.setdefault(job.loaded.adapter, []).append((job, job.decoding))
        self._batches = {key: self._batches.get(key) or Batch() for key in groups}
        for adapter, group in groups.items():
            try:
                logits = self._batches[adapter].next_logits([decoding for _, decoding in group])
            except Exception as error:
                for job, _ in group:
                    self._finish(job, "error", _failure(job, error))
                continue
            for (job, decoding), own in zip(group, logits, strict=True):
                self._advance(job, partial(decoding.take, own))

    def _advance(self, job: Job, step: Callable[[], str] | None = None) -> None:
        decoding = job.decoding
        assert decoding is not None
        try:
            text = (step or decoding.step)()
        except Exception as error:
            self._finish(job, "error", _failure(job, error))
            return
        if job.first is None:
            job.first = time.monotonic()
        if text:
            job.send(Delta(job.request.pane, text))
        if decoding.finish_reason:
            self._finish(job, decoding.finish_reason)

    def _finish(self, job: Job, reason: FinishReason, failure: MedchatError | None = None) -> None:
        self._active.remove(job)
        job.end(reason, failure)

    def _try_to_load(self, spec: ModelSpec) -> MedchatError | None:
        """Load what ``spec`` needs; returns why it cannot be, or None."""
        if spec.name in self._loaded:
            return None
        self._loading = spec.name
        try:
            self._load(spec)
            self._failed.pop(spec.name, None)
            return None
        except Exception as error:
            if not isinstance(error, MedchatError):
                log.exception("%s cannot be loaded", spec.name)
            reason = error if isinstance(error, MedchatError) else _own_words(error)
            failure = ModelUnavailable("load_failed", label=spec.label, reason=reason)
            self._failed[spec.name] = failure
            return failure
        finally:
            self._loading = None

    def _load(self, spec: ModelSpec) -> None:
        with _IMPORTING:
            from medchat.engine.local import batching, decoding  # noqa: F401
            from medchat.models.loading import load_base
        if self._base is None:
            self._base = load_base(spec, device=self._device, dtype=self._dtype)
        if spec.adapter:
            self._base.add_adapter(spec.name, spec.adapter)
        self._loaded[spec.name] = self._base.as_loaded(spec)


def _joinable(job: Job) -> bool:
    """Whether its next step may be made together with others': its prompt's pass is behind it."""
    return job.request.batched and job.decoding is not None and job.decoding.seen > 0


def _failure(job: Job, error: Exception) -> MedchatError:
    """Log what went wrong in one answer; it must not end the thread that serves the others."""
    log.exception("%s failed", job.spec.name)
    return MedchatError("generation_failed", label=job.spec.label, reason=_own_words(error))


def _own_words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


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
        ticket = Ticket()
        job = Job(request, spec, deliver, ticket, time.monotonic())
        with self._lock:  # so that no scheduler is closed between being found and being given it
            self._scheduler(spec).put(job)
        return ticket

    def preload(self, names: list[str]) -> None:
        """Begin to load models that will soon be asked."""
        for name in names:
            spec = self.registry.find(name)
            if spec.available:
                with self._lock:
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
            raise spec.problem or ModelUnavailable("no_base_folder", label=spec.label)
        if spec.base not in self._schedulers:
            self._schedulers[spec.base] = BaseScheduler(
                spec.base.name, device=self._device, dtype=self._dtype
            )
        return self._schedulers[spec.base]
