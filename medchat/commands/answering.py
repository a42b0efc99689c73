"""Answering a file of questions, and a terminal conversation: the engine without a page."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from medchat.engine import Delta, End, Engine, Request, stream
from medchat.errors import BadInput, MedchatError
from medchat.files.answers import Answer, AnsweredQuestion, as_line
from medchat.models import ModelSpec, Registry, Turn


def choose_models(registry: Registry, names: str) -> list[ModelSpec]:
    """The models of a comma-separated list. Raises BadInput for unknown, doubled or absent ones."""
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if not wanted:
        raise BadInput("Name at least one model, such as --models demo-huatuo,demo-chatglm-med.")
    if len(set(wanted)) < len(wanted):
        raise BadInput(f"A model is named twice in {names!r}.")
    specs = [registry.find(name) for name in wanted]
    for spec in specs:
        if not spec.available:
            raise BadInput(f"{spec.label} ({spec.name}) is not available. {spec.unavailable}")
    return specs


def answer(engine: Engine, specs: Sequence[ModelSpec], question: str) -> tuple[Answer, ...]:
    """Every model's whole answer to one question, in the order of ``specs``.

    Raises MedchatError with the model's name where one fails: a file must not be half answered.
    """
    requests = [Request(spec.name, spec.name, (Turn(question),), spec.defaults) for spec in specs]
    ends = {event.pane: event for event in stream(engine, requests) if isinstance(event, End)}
    for spec in specs:
        if ends[spec.name].finish_reason not in ("stop", "length"):
            raise MedchatError(
                f"{spec.name} could not answer {question!r}: {ends[spec.name].error}"
            )
    return tuple(
        Answer(spec.name, end.text, end.finish_reason, end.provenance)
        for spec in specs
        if (end := ends[spec.name])
    )


def answer_file(
    engine: Engine,
    specs: Sequence[ModelSpec],
    questions: Sequence[AnsweredQuestion],
    output: Path,
    report: Callable[[int, int], None],
) -> None:
    """Write ``questions`` with every model's answer to ``output``, a line as soon as it is there.

    ``report`` is told how many of how many are done. Raises BadInput where ``output`` exists.
    """
    try:
        with output.open("x", encoding="utf-8") as out:
            for number, record in enumerate(questions, start=1):
                answers = answer(engine, specs, record.question)
                done = AnsweredQuestion(record.question, record.question_id, answers)
                out.write(as_line(done))
                out.flush()
                report(number, len(questions))
    except MedchatError:
        if not output.stat().st_size:
            output.unlink()  # so that the same command works once the cause is gone
        raise
    except FileExistsError:
        raise BadInput(f"{output} exists already. Name another file for the answers.") from None
    except OSError as error:
        raise BadInput(f"{output} cannot be written: {error.strerror}.") from error


def converse(
    engine: Engine,
    spec: ModelSpec,
    questions: Iterator[str],
    show: Callable[[End], None] | None = None,
) -> Iterator[str]:
    """Pieces of text of a conversation: each answer as it streams, then a newline.

    ``show`` is handed the end of every answer, with the prompt that the model was shown.

    Raises MedchatError where the model cannot answer.
    """
    turns: list[Turn] = []
    for question in questions:
        turns.append(Turn(question))
        request = Request("", spec.name, tuple(turns), spec.defaults)
        shown = ""
        for event in stream(engine, [request]):
            if isinstance(event, Delta):
                shown += event.text
                yield event.text
            elif event.error:
                raise MedchatError(event.error)
            else:
                rest = event.text.removeprefix(shown)
                yield rest if event.text.startswith(shown) else f"\n{event.text}"
                turns[-1] = Turn(question, event.text)
        yield "\n"
        if show and isinstance(event, End):
            show(event)
