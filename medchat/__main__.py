"""The command line: registers the commands of ``medchat COMMAND`` (``python -m medchat``)."""

import sys
from collections.abc import Sequence
from pathlib import Path

import typer

from medchat.commands import (
    app,
    build_data,
    chat,
    check,
    convert,
    evaluate_facts,
    infer,
    report,
    train_demo,
)
from medchat.commands.terminal import allow_every_letter
from medchat.errors import MedchatError

cli = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
)
cli.command("app", context_settings=app.ARGUMENTS_OF_ITS_OWN)(app.run)
cli.command("report")(report.run)
cli.command("chat")(chat.run)
cli.command("infer")(infer.run)
cli.command("check")(check.run)
cli.command("convert")(convert.run)
cli.command("build-data")(build_data.run)
cli.command("train-demo")(train_demo.run)
cli.command("evaluate-facts")(evaluate_facts.run)


@cli.callback()
def medchat() -> None:
    """MedChat: medical chat models side by side, and the figures of a blind rating study."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; a MedchatError becomes its sentence on stderr and exit code 1."""
    allow_every_letter()
    is_installed = Path(sys.argv[0]).stem == "medchat"
    try:
        cli(arguments, prog_name="medchat" if is_installed else "python -m medchat")
    except MedchatError as error:
        typer.echo(str(error), err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
