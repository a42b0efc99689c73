"""Choosing models by their names and asking them one question: what several commands do."""

from collections.abc import Sequence

from medchat.engine import End, Engine, Request, stream
from medchat.errors import BadInput, MedchatError
from medchat.files.answers import Answer
from medchat.models import ModelSpec, Registry, Turn


def choose_models(registry: Registry, names: str) -> list[ModelSpec]:
    """The models of a comma-separated list. Raises BadInput for unknown, doubled or absent ones."""
    listed = [name.strip() for name in names.split(",") if name.strip()]
    if not listed:
        raise BadInput("no_model_named")
    if len(set(listed)) < len(listed):
        raise BadInput("model_named_twice", names=names)
    specs = [registry.find(name) for name in listed]
    for spec in specs:
        if spec.problem:
            raise BadInput(
                "model_not_available", label=spec.label, name=spec.name, reason=spec.problem
            )
    return specs


def answer_question(
    engine: Engine, specs: Sequence[ModelSpec], question: str
) -> tuple[Answer, ...]:
    """Every model's whole answer to one question, in the order of ``specs``.

    Raises MedchatError with the model's name where one fails: a file must not be half answered.
    """
    requests = [Request(spec.name, spec.name, (Turn(question),), spec.defaults) for spec in specs]
    ends = {event.pane: event for event in stream(engine, requests) if isinstance(event, End)}
    for name, end in ends.items():
        if end.finish_reason not in ("stop", "length"):
            raise MedchatError(
                "model_gave_no_answer", name=name, question=question, reason=end.failure or ""
            )
    return tuple(
        Answer(name, ends[name].text, ends[name].finish_reason, ends[name].provenance)
        for name in (spec.name for spec in specs)
    )
