"""Starts MedChat: arguments -> Settings -> build -> serve."""

import sys
from pathlib import Path
from typing import Annotated

import typer

command = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@command.command()
def main(
    host: Annotated[str | None, typer.Option(help="Address to listen on (127.0.0.1).")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on (7860).")] = None,
    db: Annotated[Path | None, typer.Option(help="Database file (data/medchat.db).")] = None,
    models: Annotated[Path | None, typer.Option(help="Declared models (models.toml).")] = None,
    backups: Annotated[
        Path | None, typer.Option(help="Folder for backups (beside the database).")
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps (auto).")] = None,
    dtype: Annotated[
        str | None, typer.Option(help="auto, float32, float16 or bfloat16 (auto).")
    ] = None,
) -> None:
    """Compare medical models side by side and let physicians score them blind.

    Every option is also an environment variable, such as MEDCHAT_PORT. Behind a proxy, set
    MEDCHAT_ALLOWED_HOSTS, MEDCHAT_TRUSTED_PROXIES and MEDCHAT_OPEN_CHAT (docs/security.md).

    \b
    Example:
      python app.py --port 7861 --db data/study.db
    """
    from eval_ui.web.listening import announce_start, listen
    from medchat.commands.terminal import allow_every_letter
    from medchat.config import Settings
    from medchat.errors import MedchatError

    allow_every_letter()
    options = {"host": host, "port": port, "db": db, "models": models, "backups": backups}
    try:
        settings = Settings.read(**options, device=device, dtype=dtype)
        with listen(settings) as listener:
            announce_start()
            from eval_ui.server import start  # Gradio, which takes seconds

            start(settings, listener)
    except MedchatError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    command()
