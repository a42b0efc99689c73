"""``convert``: .bin weights as safetensors."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from medchat.errors import message


def run(
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
    label = str(message("converting"))
    with typer.progressbar(length=total, label=label, file=sys.stderr) as bar:
        conversion.convert(path, output, bar.update)
    typer.echo(message("converted", folder=output, count=len(files)), err=True)
