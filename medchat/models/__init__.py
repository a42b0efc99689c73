"""Models: what is declared, how it is loaded, and the prompt each was tuned to see.

The names below come when they are first asked for: what only looks at files waits for no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medchat.models.loaded import LoadedBase, LoadedModel
    from medchat.models.loading import load, load_base
    from medchat.models.registry import ModelSpec, Registry
    from medchat.models.templates import TEMPLATES, Template, Turn

__all__ = [
    "TEMPLATES",
    "LoadedBase",
    "LoadedModel",
    "ModelSpec",
    "Registry",
    "Template",
    "Turn",
    "load",
    "load_base",
]
_HOMES = {
    "LoadedBase": "loaded",
    "LoadedModel": "loaded",
    "load": "loading",
    "load_base": "loading",
    "ModelSpec": "registry",
    "Registry": "registry",
    "TEMPLATES": "templates",
    "Template": "templates",
    "Turn": "templates",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
