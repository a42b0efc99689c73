"""ChatGLM-6B, native: configuration, network and tokenizer, without the code of any checkpoint."""

from medchat.models.chatglm.configuration import ChatGLMConfig
from medchat.models.chatglm.modeling import ChatGLMForConditionalGeneration
from medchat.models.chatglm.tokenization import ChatGLMTokenizer

__all__ = ["ChatGLMConfig", "ChatGLMForConditionalGeneration", "ChatGLMTokenizer"]
