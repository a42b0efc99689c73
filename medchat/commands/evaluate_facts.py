"""``evaluate-facts``: how many of the facts that questions ask for stand in models' answers."""

from pathlib import Path
from typing import Annotated

import typer

from medchat.commands.options import (
    DEFAULT_KNOWLEDGE,
    DEFAULT_MODELS,
    Knowledge,
    ModelNames,
    ModelsFile,
)


def run(
    questions: Annotated[
        Path, typer.Argument(metavar="QUESTIONS.jsonl", help="id, question, entity, attribute.")
    ],
    models: ModelNames,
    knowledge: Knowledge = DEFAULT_KNOWLEDGE,
    models_file: ModelsFile = DEFAULT_MODELS,
    show: Annotated[bool, typer.Option(help="Print every question and answer as well.")] = False,
) -> None:
    """Print, per model, the share of answers that tell the asked-for facts.

    \b
    Example:
      python -m medchat evaluate-facts tests/data/demo_questions.jsonl \\
        --models demo-llama,demo-huatuo,demo-chatglm-med
    """
    from medchat.commands.model_answers import answer_question, choose_models
    from medchat.data import load_knowledge
    from medchat.engine import LocalEngine
    from medchat.evaluation.metrics import facts
    from medchat.models import Registry

    registry = Registry.read(models_file)
    specs = choose_models(registry, models)
    fact_questions = facts.read_fact_questions(questions, load_knowledge(knowledge))
    engine = LocalEngine(registry)
    try:
        rows = [answer_question(engine, specs, question.question) for question in fact_questions]
    finally:
        engine.close()
    for question, answers in zip(fact_questions, rows, strict=True) if show else ():
        typer.echo(f"{question.id} {question.question} [{'、'.join(question.facts)}]")
        for answer in answers:
            count = facts.count_facts(question, answer.text)
            typer.echo(f"  {answer.model} {count}: {answer.text!r}")
    for index, spec in enumerate(specs):
        texts = [answers[index].text for answers in rows]
        typer.echo(facts.score_facts(spec.name, fact_questions, texts).line())
