"""Tokenizers that lie in a ``tokenizer.json``: Bloom's and Huozi's, and those of some mirrors.

What a user types is always text, also where it spells a special token.
"""

from typing import Any

from transformers import PreTrainedTokenizerFast

ROLES = ("bos_token", "eos_token", "unk_token", "pad_token")
USUAL = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}


def json_tokenizer(file: str, declared: dict[str, Any]) -> PreTrainedTokenizerFast:
    """The tokenizer of a ``tokenizer.json``, with the special tokens of its tokenizer_config.json.

    A role that is not declared, or declared empty, goes to the token that usually has it, if the
    vocabulary knows that. Raises ValueError where no token ends an answer.
    """
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=file, padding_side="left", split_special_tokens=True
    )
    known = tokenizer.get_vocab()
    roles = {role: _content(declared.get(role)) or USUAL[role] for role in ROLES}
    roles = {role: token for role, token in roles.items() if token in known}
    if "eos_token" not in roles:
        raise ValueError("no token ends an answer")
    roles.setdefault("pad_token", roles.get("unk_token", roles["eos_token"]))
    for role, token in roles.items():
        setattr(tokenizer, role, token)
    return tokenizer


def _content(token: Any) -> str:
    """A special token as tokenizer_config.json writes it: a text, or a table with its content."""
    return str(token.get("content", "")) if isinstance(token, dict) else str(token or "")
