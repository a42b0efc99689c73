"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

from medchat.config import project_file

DEFAULT_MODELS = project_file("models.toml")
DEFAULT_KNOWLEDGE = project_file("assets/knowledge")

ModelsFile = Annotated[
    Path,
    typer.Option(
        "--models-file",
        envvar="MEDCHAT_MODELS",
        help="Where models are declared.",
        show_default="the program's models.toml",
    ),
]
ModelNames = Annotated[
    str, typer.Option("--models", help="Names of declared models, with commas between.")
]
Knowledge = Annotated[
    Path,
    typer.Option(
        "--knowledge",
        metavar="FOLDER",
        help="The knowledge base.",
        show_default="the program's own",
    ),
]
