"""Random ids, times and texts as the database holds them."""

import secrets
from datetime import UTC, datetime


def new_id() -> str:
    """Return a random id: 32 hexadecimal digits that give nothing away."""
    return secrets.token_hex(16)


def utc_now() -> str:
    """Return the time as ISO 8601 in UTC with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def storable(text: str) -> str:
    """Return ``text`` with "?" for lone surrogates: a browser can send them, UTF-8 has none."""
    return text.encode("utf-8", "replace").decode("utf-8")
