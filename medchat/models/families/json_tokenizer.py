"""Tokenizers that lie in a ``tokenizer.json``: Bloom's and Huozi's, and those of some mirrors."""

from collections.abc import Mapping
from typing import Any

from transformers import PreTrainedTokenizerFast

from medchat.models.vocabulary import special_tokens


def json_tokenizer(file: str, declared: Mapping[str, Any]) -> PreTrainedTokenizerFast:
    """The tokenizer, with the special tokens that its tokenizer_config.json declares.

    What a user types is always text, also where it spells a special token. Raises ValueError as
    ``special_tokens``.
    """
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=file, padding_side="left", split_special_tokens=True
    )
    for role, token in special_tokens(tokenizer.get_vocab(), declared).items():
        setattr(tokenizer, role, token)
    return tokenizer
