"""The field in which a coordinator chooses a file.

Gradio's own copies each file into a cache that it serves, and leaves an empty file behind at every
click. This one hands the handler the path at which ``uploads`` keeps the file, and no more.
"""

from pathlib import Path
from typing import Any

import gradio as gr


class FileField(gr.File):
    is_template = True
    """Drawn in the browser as its parent is."""

    def preprocess(self, payload: Any) -> str | None:
        """The path of the chosen file, which the gate has checked."""
        return str(payload.path) if payload else None

    async def async_move_resource_to_block_cache(
        self, url_or_file_path: str | Path | None
    ) -> str | None:
        return str(url_or_file_path) if url_or_file_path else None
