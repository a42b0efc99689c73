"""Starts MedChat: arguments -> Settings -> build -> serve."""

import sys
from pathlib import Path
from typing import Annotated

import typer


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
    from eval_ui.web.upload_folder import prepare

    prepare()  # before Gradio is imported, which it tells where files go
    from eval_ui.backend.services import Services
    from eval_ui.server import build, listen, serve
    from medchat.config import Settings
    from medchat.errors import MedchatError
    from storage import StorageError

    try:
        settings = Settings.read(
            host=host,
            port=port,
            db=db,
            models=models,
            backups=backups,
            device=device,
            dtype=dtype,
        )
        with listen(settings) as listener:
            services = Services.start(settings)
            serve(build(services), services, listener)
    except (MedchatError, StorageError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    typer.run(main)
