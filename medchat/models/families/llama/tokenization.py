"""LLaMA's tokenizer over ``tokenizer.model``, exactly as the originals used it.

The tokenizer files that circulate with LLaMA-7B name a class that does not exist and empty special
tokens; only the sentencepiece model is to be trusted. So the ids come from it alone.
"""

from typing import Any

from transformers.tokenization_utils_sentencepiece import SentencePieceBackend

UNKNOWN, BEGIN, END = "<unk>", "<s>", "</s>"


class LlamaSentencePieceTokenizer(SentencePieceBackend):
    """Text to ids through sentencepiece, ``<s>`` first; padding on the left with id 0."""

    vocab_files_names = {"vocab_file": "tokenizer.model"}  # noqa: RUF012
    model_input_names = ["input_ids", "attention_mask"]  # noqa: RUF012

    def __init__(self, vocab_file: str, padding_side: str = "left", **kwargs: Any) -> None:
        kwargs.update(
            unk_token=UNKNOWN,
            bos_token=BEGIN,
            eos_token=END,
            pad_token=UNKNOWN,
            legacy=True,
            split_special_tokens=True,  # what a user types is text, also when it says </s>
        )
        super().__init__(vocab_file=vocab_file, padding_side=padding_side, **kwargs)

    def tokenize(
        self, text: str, pair: str | None = None, add_special_tokens: bool = False, **_: Any
    ) -> list[str]:
        return list(self.sp_model.encode(text, out_type=str))

    def convert_tokens_to_string(self, tokens: list[str]) -> str:
        return str(self.sp_model.decode(tokens))

    def _decode(
        self,
        token_ids: int | list[int],
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
        spaces_between_special_tokens: bool = False,
        **_: Any,
    ) -> str:
        ids = [token_ids] if isinstance(token_ids, int) else list(token_ids)
        if skip_special_tokens:
            special = set(self.all_special_ids)
            ids = [token for token in ids if token not in special]
        pieces = [token for token in ids if token < self.vocab_size]
        return self.convert_tokens_to_string([self._convert_id_to_token(i) for i in pieces])

    def build_inputs_with_special_tokens(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        return [int(self.bos_token_id), *token_ids_0, *(token_ids_1 or [])]
