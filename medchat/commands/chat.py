"""``chat``: a conversation with one model in the terminal."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from medchat.commands.options import DEFAULT_MODELS, ModelsFile
from medchat.errors import BadInput, message

if TYPE_CHECKING:
    from medchat.engine import End, Engine
    from medchat.models import ModelSpec


def run(
    model: Annotated[str, typer.Option(help="The name of a declared model.")],
    show_prompt: Annotated[
        bool, typer.Option("--show-prompt", help="Show what the model was asked, to the letter.")
    ] = False,
    models_file: ModelsFile = DEFAULT_MODELS,
) -> None:
    """Talk to one model in the terminal. q ends, c begins a new conversation.

    \b
    Example:
      python -m medchat chat --model demo-huatuo
    """
    from medchat.commands.model_answers import choose_models
    from medchat.engine import LocalEngine
    from medchat.models import Registry

    registry = Registry.read(models_file)
    spec, *others = choose_models(registry, model)
    if others:
        raise BadInput("chat_takes_one_model")
    engine = LocalEngine(registry)
    typer.echo(message("chat_begins", label=spec.label), err=True)
    try:
        while True:
            show = _print_prompt if show_prompt else None
            for piece in converse(engine, spec, _typed_questions(), show):
                typer.echo(piece, nl=False)
    except _Quit:
        pass
    finally:
        engine.close()


def converse(
    engine: "Engine",
    spec: "ModelSpec",
    questions: Iterator[str],
    show: Callable[["End"], None] | None = None,
) -> Iterator[str]:
    """Pieces of text of a conversation: each answer as it streams, then a newline.

    ``show`` gets the end of every answer, with the prompt that the model read.

    Raises MedchatError where the model cannot answer.
    """
    from medchat.engine import Delta, End, Request, stream
    from medchat.models import Turn

    turns: list[Turn] = []
    for question in questions:
        turns.append(Turn(question))
        request = Request("", spec.name, tuple(turns), spec.defaults)
        streamed = ""
        for event in stream(engine, [request]):
            if isinstance(event, Delta):
                streamed += event.text
                yield event.text
            elif event.failure:
                raise event.failure
            else:
                rest = event.text.removeprefix(streamed)
                yield rest if event.text.startswith(streamed) else f"\n{event.text}"
                turns[-1] = Turn(question, event.text)
        yield "\n"
        if show and isinstance(event, End):
            show(event)


class _Quit(Exception):
    """The person at the terminal wants to leave."""


def _typed_questions() -> Iterator[str]:
    """Questions typed at a prompt, until c begins a new conversation; raises _Quit at q."""
    from medchat.text import clean_text

    while True:
        try:
            question, _ = clean_text(input("> "))
        except EOFError:
            raise _Quit from None
        except UnicodeDecodeError as error:
            raise BadInput("typed_in_other_encoding", encoding=error.encoding) from error
        if question == "q":
            raise _Quit
        if question == "c":
            return
        if question:
            yield question


def _print_prompt(end: "End") -> None:
    heading = message("prompt_heading", tokens=end.prompt_tokens)
    typer.echo(f"-- {heading} --\n{end.prompt}\n--", err=True)
