"""The socket that the app serves on. Imports no Gradio, as it is taken before that is loaded."""

import socket

from eval_ui.texts import PageError
from medchat.config import Settings


def listen(settings: Settings) -> socket.socket:
    """A listening socket; raises PageError where host and port cannot be used."""
    host, port = settings.host, settings.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        reason, *_ = str(error.strerror).lower().split(" (")
        raise PageError("address_unusable", host=host, port=port, reason=reason) from error
