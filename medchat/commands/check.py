"""``check``: what a model folder is and whether it can be used here."""

import json
from pathlib import Path
from typing import Annotated

import typer


def run(
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

    result = inspection.inspect(path, adapter)
    if as_json:
        typer.echo(json.dumps(result.as_dict(), ensure_ascii=False, indent=2))
    else:
        typer.echo(inspection.as_text(result), nl=False)
    raise typer.Exit(0 if result.usable else 1)
