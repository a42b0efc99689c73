"""What goes into an engine and what comes out. Plain frozen data."""

from dataclasses import dataclass, field
from typing import Any, Literal

from medchat.config import GenerationOptions
from medchat.errors import MedchatError
from medchat.models.templates import Turn

FinishReason = Literal["stop", "length", "cancelled", "error"]


@dataclass(frozen=True)
class Request:
    """One model's task: answer the last turn's question. ``pane`` comes back on every event.

    ``batched`` is for many requests that nobody watches: it waits behind those that somebody does,
    and shares its passes with others of its model, several times faster and equal up to rounding.
    """

    pane: str
    model: str
    turns: tuple[Turn, ...]
    options: GenerationOptions
    batched: bool = False


@dataclass(frozen=True)
class Delta:
    """More of a pane's answer: ``text`` goes behind what came before."""

    pane: str
    text: str


@dataclass(frozen=True)
class End:
    """The last event of a pane.

    ``text`` is the whole answer and the authority on it; ``seconds_to_first`` and ``seconds`` count
    from the request. ``dropped_turns`` earlier turns did not fit into the model's context.
    """

    pane: str
    finish_reason: FinishReason
    text: str = ""
    failure: MedchatError | None = None
    prompt_tokens: int = 0
    new_tokens: int = 0
    seconds_to_first: float | None = None
    seconds: float = 0.0
    dropped_turns: int = 0
    provenance: dict[str, Any] = field(default_factory=dict)

    @property
    def prompt(self) -> str:
        """The text that the model was shown, to the letter; empty where it was not reached."""
        return str(self.provenance.get("prompt", ""))

    @property
    def error(self) -> str:
        """What went wrong, in a sentence; empty where nothing did."""
        return str(self.failure or "")


Event = Delta | End
