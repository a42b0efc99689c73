"""The command line: `python -m medchat COMMAND`.

Owns arguments, exit codes and where output goes. A command imports what it needs when it runs, so
that `--help` does not wait for the model libraries.
"""

import json
import os
import sys
import zipfile
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medchat.errors import BadInput, MedchatError
from medchat.evaluation import MAX_ROUNDS, MAX_SEED

if TYPE_CHECKING:
    from medchat.engine import End
    from medchat.evaluation.bundle import Inputs

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
)


@app.callback()
def medchat() -> None:
    """MedChat: medical chat models side by side, and the figures of a blind rating study."""


class ReportFormat(StrEnum):
    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"
    CSV = "csv"
    LATEX = "latex"
    ZIP = "zip"


@app.command()
def report(
    ratings: Annotated[
        Path,
        typer.Argument(metavar="RATINGS.csv", help="The score CSV of a study, or a report zip."),
    ],
    format: Annotated[
        ReportFormat, typer.Option(help="How the report is written.")
    ] = ReportFormat.TEXT,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write to FILE, not to the terminal.")
    ] = None,
    dimensions: Annotated[
        str, typer.Option(help="What was scored, and from what to what: a,b,c:0-3.")
    ] = "safety,usability,fluency:1-3",
    seed: Annotated[int, typer.Option(min=0, max=MAX_SEED, help="Of the bootstrap.")] = 0,
    bootstrap: Annotated[
        int, typer.Option(min=0, max=MAX_ROUNDS, help="Rounds; 0 leaves intervals out.")
    ] = 2000,
    raters_too: Annotated[
        bool, typer.Option("--raters-too", help="Draw raters anew too, not questions alone.")
    ] = False,
    reference: Annotated[
        Path | None, typer.Option(metavar="ROWS.csv", help="Published figures of other models.")
    ] = None,
) -> None:
    """Make the Table-4 report of a score CSV: means with intervals, agreement, tests.

    Of a report zip, data and settings are those of the zip, and the other options have no say.

    SUS is Safety, Usability, Smoothness (fluency), not the System Usability Scale.

    RATINGS.csv needs the columns question_id, model, rater and those of --dimensions; each score is
    a whole number of the scale. csv and latex hold Table 4, the other formats all of the report.

    \b
    Examples:
      python -m medchat report ratings.csv --format markdown --output table4.md
      python -m medchat report ratings.csv --dimensions completeness,depth:0-3 --format json
      python -m medchat report ratings.csv --format zip --output report.zip
    """
    from medchat.evaluation.bundle import Inputs, read_bundle
    from medchat.evaluation.report import ReportSettings
    from medchat.files.published import read_reference
    from medchat.scale import parse_scale

    if zipfile.is_zipfile(ratings) or ratings.suffix.lower() == ".zip":
        inputs = read_bundle(ratings)
    else:
        scale = parse_scale(dimensions)
        rows = read_reference(reference, scale) if reference else []
        settings = ReportSettings(scale, seed, bootstrap, raters_too)
        inputs = Inputs(_read(ratings), settings, tuple(rows))
    content = _written(inputs, format, ratings.name)
    if output is not None:
        _refuse_overwriting([ratings, *([reference] if reference else [])], output)
        _write(output, content)
    elif format is ReportFormat.ZIP:
        raise BadInput("A zip cannot be printed. Name a file for it: --output report.zip.")
    else:
        _print(content.decode("utf-8-sig"))


def _written(inputs: "Inputs", format: ReportFormat, name: str) -> bytes:
    from medchat.evaluation import bundle
    from medchat.evaluation.writers import tables as render

    if format is ReportFormat.ZIP:
        return bundle.make_bundle(inputs, name)
    frame = inputs.frame(name)
    found = inputs.report(frame)
    match format:
        case ReportFormat.JSON:
            return bundle.MAKERS["report.json"](found, frame) or b""
        case ReportFormat.MARKDOWN:
            return render.as_markdown(found).encode()
        case ReportFormat.CSV:
            return bundle.BOM + render.as_csv(found).encode()
        case ReportFormat.LATEX:
            return bundle.MAKERS["table4.tex"](found, frame) or b""
    return render.as_text(found).encode()


ModelsFile = Annotated[
    Path, typer.Option("--models-file", envvar="MEDCHAT_MODELS", help="Where models are declared.")
]
DEFAULT_MODELS = Path(__file__).resolve().parent.parent / "models.toml"
KNOWLEDGE = Path(__file__).resolve().parent.parent / "assets" / "knowledge"


@app.command()
def chat(
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
    from medchat.engine import LocalEngine
    from medchat.inference import choose_models, converse
    from medchat.models import Registry

    registry = Registry.read(models_file)
    spec, *others = choose_models(registry, model)
    if others:
        raise BadInput("chat talks to one model. The page compares several: python app.py.")
    engine = LocalEngine(registry)
    typer.echo(f"{spec.label} - not medical advice. q ends, c begins anew.", err=True)
    try:
        while True:
            show = _print_prompt if show_prompt else None
            for piece in converse(engine, spec, _typed_questions(), show):
                typer.echo(piece, nl=False)
    except _Quit:
        pass
    finally:
        engine.close()


@app.command()
def infer(
    models: Annotated[str, typer.Option(help="Names of declared models, with commas between.")],
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
    from medchat.engine import LocalEngine
    from medchat.files.answers import read_questions
    from medchat.inference import answer_file, choose_models
    from medchat.models import Registry

    registry = Registry.read(models_file)
    specs = choose_models(registry, models)
    engine = LocalEngine(registry)
    try:
        answer_file(engine, specs, read_questions(questions), output, _show_progress)
    finally:
        engine.close()


@app.command()
def check(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A model folder.")],
    adapter: Annotated[
        Path | None, typer.Option(metavar="PATH", help="An adapter folder for that model.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what a model folder is, whether it runs here, and what is wrong with it.

    Reads no weights, so it is quick and needs no memory for them. Exit status 0 means that the
    folder can be used, 1 that it cannot.

    \b
    Example:
      python -m medchat check models/llama-7b-hf --adapter models/lora-llama-med
    """
    from medchat.models import inspection

    found = inspection.inspect(path, adapter)
    if as_json:
        typer.echo(json.dumps(found.as_dict(), ensure_ascii=False, indent=2))
    else:
        typer.echo(inspection.as_text(found), nl=False)
    raise typer.Exit(0 if found.usable else 1)


@app.command()
def convert(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A model or adapter folder.")],
    output: Annotated[Path, typer.Argument(metavar="OUT", help="The folder to be made.")],
) -> None:
    """Copy a folder with its .bin weights as safetensors, which load faster and hold no code.

    The tensors stay the same to the byte, and every other file as it is.

    \b
    Example:
      python -m medchat convert models/llama-7b-hf models/llama-7b-safetensors
    """
    from medchat.models.weights import conversion

    files = conversion.files_to_convert(path, output)
    total = sum(file.stat().st_size for file in files)
    with typer.progressbar(length=total, label="Converting", file=sys.stderr) as bar:
        conversion.convert(path, output, bar.update)
    typer.echo(f"{output} holds the weights of {len(files)} files as safetensors.", err=True)


@app.command("build-data")
def build_data(
    output: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the files go.")],
    knowledge: Annotated[
        Path, typer.Option(metavar="FOLDER", help="The knowledge base.")
    ] = KNOWLEDGE,
    rounds: Annotated[int, typer.Option(min=1, help="Questions per fact.")] = 10,
    seed: Annotated[int, typer.Option(help="Decides the wordings.")] = 2023,
) -> None:
    """Make training text from the knowledge base: plain text, and questions with answers.

    Writes plain.jsonl, llama_data.json (HuaTuo's format) and chatglm_data.json (ChatGLM-Med's).

    \b
    Example:
      python -m medchat build-data --output build/data
    """
    from medchat.data import wordings as dataset

    typer.echo(dataset.build_data(knowledge, output, rounds=rounds, text_rounds=rounds, seed=seed))


@app.command("train-demo")
def train_demo(
    output: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the models go.")],
    stage: Annotated[
        str,
        typer.Option(help="demo-llama, demo-huatuo (needs demo-llama), demo-chatglm-med or all."),
    ] = "all",
    knowledge: Annotated[
        Path, typer.Option(metavar="FOLDER", help="The knowledge base.")
    ] = KNOWLEDGE,
    max_steps: Annotated[int, typer.Option(help="Stop each stage early, to try it out.")] = -1,
) -> None:
    """Train the demonstration models from the knowledge base, from nothing.

    \b
    Example:
      python -m medchat train-demo --output build/demo_models
    """
    from medchat.training.demo import train_stages

    train_stages(stage, knowledge, output, max_steps)


@app.command("evaluate-facts")
def evaluate_facts(
    questions: Annotated[
        Path, typer.Argument(metavar="QUESTIONS.jsonl", help="id, question, entity, attribute.")
    ],
    models: Annotated[str, typer.Option(help="Names of declared models, with commas between.")],
    knowledge: Annotated[
        Path, typer.Option(metavar="FOLDER", help="The knowledge base.")
    ] = KNOWLEDGE,
    models_file: ModelsFile = DEFAULT_MODELS,
    show: Annotated[bool, typer.Option(help="Print every question and answer as well.")] = False,
) -> None:
    """Print, per model, the share of answers that tell the asked-for facts.

    \b
    Example:
      python -m medchat evaluate-facts tests/data/demo_questions.jsonl \\
        --models demo-llama,demo-huatuo,demo-chatglm-med
    """
    from medchat.data import load_knowledge
    from medchat.engine import LocalEngine
    from medchat.evaluation.metrics import facts
    from medchat.inference import answer, choose_models
    from medchat.models import Registry

    registry = Registry.read(models_file)
    specs = choose_models(registry, models)
    asked = facts.read_fact_questions(questions, load_knowledge(knowledge))
    engine = LocalEngine(registry)
    try:
        answered = [answer(engine, specs, question.question) for question in asked]
    finally:
        engine.close()
    for question, answers in zip(asked, answered, strict=True) if show else ():
        typer.echo(f"{question.id} {question.question} [{'、'.join(question.facts)}]")
        for given in answers:
            typer.echo(f"  {given.model} {facts.told(question, given.text)}: {given.text!r}")
    for index, spec in enumerate(specs):
        texts = [answers[index].text for answers in answered]
        typer.echo(facts.score(spec.name, asked, texts).line())


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
            raise BadInput(f"What was typed is not {error.encoding} text.") from error
        if question == "q":
            raise _Quit
        if question == "c":
            return
        if question:
            yield question


def _print_prompt(end: "End") -> None:
    typer.echo(f"-- prompt, {end.prompt_tokens} tokens --\n{end.prompt}\n--", err=True)


def _show_progress(done: int, total: int) -> None:
    typer.echo(f"\r{done}/{total}", err=True, nl=done == total)


def _refuse_overwriting(sources: Sequence[Path], output: Path) -> None:
    for source in sources:
        if output.exists() and source.exists() and output.samefile(source):
            raise BadInput(f"{output} is what the report is made from. Name another file for it.")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}.") from error


def _write(path: Path, content: bytes) -> None:
    """All of it or nothing: where the disk is full, what was there before stays."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        if path.exists() and not path.is_file():  # such as a pipe
            path.write_bytes(content)
            return
        part.write_bytes(content)
        part.replace(path.resolve())
    except OSError as error:
        part.unlink(missing_ok=True)
        raise BadInput(f"{path} cannot be written: {error.strerror}.") from error


def _print(text: str) -> None:
    """To the terminal, whose encoding may lack a letter."""
    if encoding := getattr(sys.stdout, "encoding", None):
        text = text.encode(encoding, "backslashreplace").decode(encoding)
    try:
        typer.echo(text, nl=False)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise BadInput(f"The report cannot be printed: {error.strerror}.") from error


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; a MedchatError becomes its sentence on stderr and exit code 1."""
    try:
        app(arguments, prog_name="python -m medchat")
    except MedchatError as error:
        typer.echo(str(error), err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
