"""ChatGLM-6B, native: configuration, network and tokenizer, without the code of any checkpoint.

The names below come when they are first asked for: what only looks at files waits for no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medchat.models.families.chatglm.configuration import ChatGLMConfig
    from medchat.models.families.chatglm.modeling import ChatGLMForConditionalGeneration
    from medchat.models.families.chatglm.tokenization import ChatGLMTokenizer

__all__ = ["ChatGLMConfig", "ChatGLMForConditionalGeneration", "ChatGLMTokenizer"]
_HOMES = {
    "ChatGLMConfig": "configuration",
    "ChatGLMForConditionalGeneration": "modeling",
    "ChatGLMTokenizer": "tokenization",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
