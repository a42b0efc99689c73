"""Models: what is declared, how it is loaded, and the prompt each was tuned to see."""

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
