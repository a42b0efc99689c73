"""A visitor's conversation, pane by pane. Knows no Gradio: plain data that lives on the server.

What goes into a study is taken from here, never from what a browser sends back.
"""

from dataclasses import dataclass, field

from markupsafe import escape

from eval_ui.texts import PageError, Texts
from eval_ui.web.safe_text import folded
from medchat.engine import Delta, End, Event, Ticket
from medchat.files.answers import MAX_QUESTION_LENGTH
from medchat.models import ModelSpec, Turn
from medchat.text import clean_text
from storage import NewResponse

FINISHED = ("stop", "length")


@dataclass
class PaneSession:
    """One model's side of the conversation.

    ``pending`` from the question until its listener takes it up, ``busy`` until the answer ends.
    ``retired`` once the conversation has been cleared: what still arrives is not shown any more.
    ``added_to`` holds the studies that have its answer, with the number of the question there.
    """

    model: str
    turns: list[Turn] = field(default_factory=list)
    partial: str = ""
    end: End | None = None
    pending: bool = False
    busy: bool = False
    retired: bool = False
    stop_wanted: bool = False
    ticket: Ticket | None = None
    added_to: dict[str, str] = field(default_factory=dict)

    def ask(self, question: str) -> None:
        self.turns.append(Turn(question))
        self.partial, self.end = "", None
        self.added_to.clear()
        self.pending = self.busy = True
        self.stop_wanted = False

    def take_up(self) -> bool:
        """Whether there is a question to answer; true once for each."""
        is_pending, self.pending = self.pending, False
        return is_pending

    def take(self, event: Event) -> None:
        """Note an engine's event."""
        if isinstance(event, Delta):
            self.partial += event.text
            return
        self.end = event
        self.partial = event.text
        self.turns[-1] = Turn(self.turns[-1].question, event.text or None)

    def attach(self, ticket: Ticket) -> None:
        """Remember the request under way, so that Stop reaches it."""
        self.ticket = ticket
        if self.stop_wanted:
            ticket.cancel()

    def stop(self) -> None:
        self.stop_wanted = True
        if self.ticket:
            self.ticket.cancel()
        if self.pending:  # its listener has not begun, and now need not
            self.pending = self.busy = False
            self.take(End("", "cancelled"))

    def retire(self) -> None:
        self.retired = True
        self.stop()

    @property
    def answered_turns(self) -> tuple[Turn, ...]:
        """What the model is to see: the answered turns and the open question."""
        *earlier, last = self.turns
        return (*(turn for turn in earlier if turn.answer), Turn(last.question))


def check_question(text: str) -> tuple[str, int]:
    """The cleaned question and how many control characters it lost.

    Raises PageError where it cannot be sent.
    """
    cleaned, removed = clean_text(text)
    if not cleaned:
        raise PageError("question_empty")
    if len(cleaned) > MAX_QUESTION_LENGTH:
        raise PageError("question_too_long", length=len(cleaned), most=MAX_QUESTION_LENGTH)
    return cleaned, removed


def status_line(pane: PaneSession, spec: ModelSpec, texts: Texts) -> str:
    """How a pane's answer stands, in one line."""
    end = pane.end
    if end is None:
        waiting = texts("status_writing" if pane.partial else "status_waiting")
        return waiting if pane.busy else ""
    first = "–" if end.seconds_to_first is None else f"{end.seconds_to_first:.1f}"
    line = texts(
        "status_line",
        state=texts(f"status_{end.finish_reason}"),
        tokens=end.new_tokens,
        first=first,
        total=f"{end.seconds:.1f}",
    )
    if end.dropped_turns:
        line += texts("status_dropped", count=end.dropped_turns)
    if len(pane.turns) > 1 and not spec.template.keeps_history:
        line += texts("status_single")
    return line


def status_html(pane: PaneSession, spec: ModelSpec, texts: Texts) -> str:
    """The status line and, once the answer has ended, the prompt that led to it, folded away."""
    line = escape(status_line(pane, spec, texts))
    if pane.end is None or not pane.end.prompt:
        return line
    summary = texts("prompt", tokens=pane.end.prompt_tokens)
    return line + folded(summary, pane.end.prompt)


def responses_for_study(
    panes: list[PaneSession], labels: dict[str, str]
) -> tuple[str, list[NewResponse]]:
    """The question and its answers, fit to be rated side by side.

    Raises PageError where there is none yet, one is not finished, or it is a later turn, before
    which every model saw another history.
    """
    answered = [pane for pane in panes if pane.turns]
    if not answered or any(pane.busy for pane in answered):
        raise PageError("nothing_to_add")
    turn = max(len(pane.turns) for pane in answered)
    if turn > 1:
        raise PageError("later_turn", turn=turn)
    if len({pane.turns[0].question for pane in answered}) > 1:
        raise PageError("nothing_to_add")
    unfinished = [p for p in answered if p.end is None or p.end.finish_reason not in FINISHED]
    if unfinished:
        names = "、".join(labels[pane.model] for pane in unfinished)
        raise PageError("answers_unfinished", models=names)
    responses = [
        NewResponse(pane.model, end.text, end.finish_reason, end.provenance)
        for pane in answered
        if (end := pane.end)
    ]
    return answered[0].turns[0].question, responses
