"""The first second of the app: the socket it serves on, and a line that it starts.

Imports no Gradio, which takes seconds.
"""

import socket

from eval_ui.texts import PageError, Texts
from medchat.config import Settings
from medchat.errors import reader_language


def listen(settings: Settings) -> socket.socket:
    """A listening socket; raises PageError where host and port cannot be used."""
    host, port = settings.host, settings.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        reason, *_ = str(error.strerror).lower().split(" (")
        raise PageError("address_unusable", host=host, port=port, reason=reason) from error


def announce_start() -> None:
    texts = Texts(reader_language())
    print(texts("starting"), flush=True)
