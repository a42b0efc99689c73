"""``infer``: a file of questions, answered by models."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medchat.commands.options import DEFAULT_MODELS, ModelNames, ModelsFile
from medchat.errors import BadInput, MedchatError

if TYPE_CHECKING:
    from medchat.engine import Engine
    from medchat.files.answers import AnsweredQuestion
    from medchat.models import ModelSpec


def run(
    models: ModelNames,
    questions: Annotated[
        Path,
        typer.Option(
            "--input",
            metavar="FILE",
            help='JSON lines with "question" (or HuaTuo\'s "instruction").',
        ),
    ],
    output: Annotated[Path, typer.Option(metavar="FILE", help="Where the answers go.")],
    models_file: ModelsFile = DEFAULT_MODELS,
) -> None:
    """Have models answer a file of questions. A study imports what this writes.

    \b
    Example:
      python -m medchat infer --models demo-llama,demo-huatuo --input questions.jsonl \\
        --output answers.jsonl
    """
    from medchat.commands.model_answers import choose_models
    from medchat.engine import LocalEngine
    from medchat.files.answers import read_questions
    from medchat.models import Registry

    registry = Registry.read(models_file)
    specs = choose_models(registry, models)
    engine = LocalEngine(registry)
    try:
        answer_file(engine, specs, read_questions(questions), output, _show_progress)
    finally:
        engine.close()


def answer_file(
    engine: "Engine",
    specs: Sequence["ModelSpec"],
    questions: Sequence["AnsweredQuestion"],
    output: Path,
    report: Callable[[int, int], None],
) -> None:
    """Write ``questions`` with every model's answer to ``output``, a line as soon as it is there.

    ``report`` gets how many of how many are done. Raises BadInput where ``output`` exists.
    """
    from medchat.commands.model_answers import answer_question
    from medchat.files.answers import AnsweredQuestion, as_line

    try:
        with output.open("x", encoding="utf-8") as out:
            for number, record in enumerate(questions, start=1):
                answers = answer_question(engine, specs, record.question)
                done = AnsweredQuestion(record.question, record.question_id, answers)
                out.write(as_line(done))
                out.flush()
                report(number, len(questions))
    except MedchatError:
        if not output.stat().st_size:
            output.unlink()  # so that the same command works once the cause is gone
        raise
    except FileExistsError:
        raise BadInput("answers_exist", file=output) from None
    except OSError as error:
        raise BadInput("file_unwritable", file=output, reason=error.strerror) from error


def _show_progress(done: int, total: int) -> None:
    typer.echo(f"\r{done}/{total}", err=True, nl=done == total)
