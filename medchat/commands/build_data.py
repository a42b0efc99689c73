"""``build-data``: training text from the knowledge base."""

from pathlib import Path
from typing import Annotated

import typer

from medchat.commands.options import DEFAULT_KNOWLEDGE, Knowledge


def run(
    output: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the files go.")],
    knowledge: Knowledge = DEFAULT_KNOWLEDGE,
    rounds: Annotated[int, typer.Option(min=1, help="Questions per fact.")] = 10,
    seed: Annotated[int, typer.Option(help="Decides the wordings.")] = 2023,
) -> None:
    """Make training text from the knowledge base: plain text, and questions with answers.

    Writes plain.jsonl, llama_data.json (HuaTuo's format) and chatglm_data.json (ChatGLM-Med's).

    \b
    Example:
      python -m medchat build-data --output build/data
    """
    from medchat.data.wordings import build_data

    typer.echo(build_data(knowledge, output, rounds=rounds, text_rounds=rounds, seed=seed))
