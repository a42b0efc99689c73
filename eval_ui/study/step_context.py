"""What the steps of the study tab share: the chosen study, who may work on it, how a click runs.

A click's handler gets the study, not its name, after it has been checked on the server that the
coordinator who clicked may work on it. What it changes is drawn by every step; a refused click
changes nothing on the page, so that what was typed stays.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from eval_ui.backend.services import Services
from eval_ui.backend.study_actions import require_own
from eval_ui.texts import PageError, Texts
from eval_ui.web.access import clicking_request
from eval_ui.web.notices import Updates, listen
from storage import Study

Handler = Callable[..., Updates]


@dataclass(frozen=True)
class Step:
    """One step's components that show something of a study, and what each shows.

    ``fields`` are filled when a study is chosen: a coordinator may be typing into them. ``status``
    is drawn anew after every change.
    """

    fields: list[Any] = field(default_factory=list)
    fill: Callable[[Study], Updates] = lambda _: {}
    status: list[Any] = field(default_factory=list)
    draw: Callable[[Study], Updates] = lambda _: {}


class StepContext:
    """The chosen study of one page: ``chosen`` holds its name, ``changed`` grows by each change."""

    def __init__(self, services: Services, texts: Texts, chosen: Any, changed: Any) -> None:
        self.services, self.texts = services, texts
        self.chosen, self.changed = chosen, changed

    def require_study(self, name: str | None) -> Study:
        """Raises PageError or StorageError where there is no such study of this coordinator."""
        return require_own(self.services.store, name, self.services.access.require())

    @property
    def coordinator(self) -> str:
        """Name of who clicked."""
        coordinator = self.services.access.now()
        return coordinator.name if coordinator else ""

    @property
    def home(self) -> str:
        """The address under which the coordinator sees the app, with a slash at its end."""
        request = clicking_request()
        return str(request.base_url) if request else "/"

    def wire(
        self, event: Any, handler: Handler, inputs: list[Any], outputs: list[Any], **more: Any
    ) -> None:
        """Let ``event`` run ``handler(study, *inputs)``, and every step show what it changed."""

        def run(name: str | None, *values: Any) -> Updates:
            return {**handler(self.require_study(name), *values), self.changed: time.time_ns()}

        self._listen(event, run, inputs, [*outputs, self.changed], more)

    def look(
        self, event: Any, handler: Handler, inputs: list[Any], outputs: list[Any], **more: Any
    ) -> Any:
        """As ``wire``, for what changes nothing. Returns Gradio's dependency, for what follows."""

        def run(name: str | None, *values: Any) -> Updates:
            return handler(self.require_study(name), *values)

        return self._listen(event, run, inputs, outputs, more)

    def _listen(
        self,
        event: Any,
        handler: Handler,
        inputs: list[Any],
        outputs: list[Any],
        more: dict[str, Any],
    ) -> Any:
        access = self.services.access
        return listen(event, handler, [self.chosen, *inputs], outputs, self.texts, access, **more)


def whole_number(value: float | None, error: PageError) -> int | None:
    """What a number field holds; None where it is empty. Raises ``error`` for another number."""
    if value is None:
        return None
    if not math.isfinite(value) or value != int(value):
        raise error
    return int(value)


def hint(texts: Texts, key: str) -> gr.Markdown:
    """A step's explanation."""
    return gr.Markdown(texts(key), elem_classes="hint")


def pressable(*conditions: object) -> list[Any]:
    """For buttons, in their order: one that would do nothing cannot be pressed."""
    return [gr.update(interactive=bool(condition)) for condition in conditions]
