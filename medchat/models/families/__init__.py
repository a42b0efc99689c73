"""The families of models that this program knows: one folder each, with a ``Family`` in it.

Everything else about models asks a family and knows none by its name. Needs no torch; a family's
module is imported when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medchat.models.families.definition import Family

FAMILIES = ("llama", "bloom", "chatglm", "causal")
"""In the order in which they are asked whether a folder is theirs."""


def find_family(name: str) -> "Family":
    """The family of that name, which is one of ``FAMILIES``."""
    family: Family = import_module(f"{__name__}.{name}.family").FAMILY
    return family
