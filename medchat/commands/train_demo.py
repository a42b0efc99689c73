"""``train-demo``: the demonstration models, from nothing."""

from pathlib import Path
from typing import Annotated

import typer

from medchat.commands.options import DEFAULT_KNOWLEDGE, Knowledge


def run(
    output: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the models go.")],
    stage: Annotated[
        str,
        typer.Option(help="demo-llama, demo-huatuo (needs demo-llama), demo-chatglm-med or all."),
    ] = "all",
    knowledge: Knowledge = DEFAULT_KNOWLEDGE,
    max_steps: Annotated[int, typer.Option(help="Stop each stage early, to try it out.")] = -1,
) -> None:
    """Train the demonstration models from the knowledge base, from nothing.

    \b
    Example:
      python -m medchat train-demo --output build/demo_models
    """
    from medchat.training.demo import train_stages

    train_stages(stage, knowledge, output, max_steps)
