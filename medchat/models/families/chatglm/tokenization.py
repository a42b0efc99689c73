"""ChatGLM-6B's tokenizer over ``ice_text.model``, in both published layouts, without icetk.

Knows nothing of models. What a user types is always text: ``[gMASK]`` in a question stays text.
"""

import re
import shutil
from pathlib import Path
from typing import Any

import sentencepiece
from transformers import PreTrainedTokenizer

from medchat.models.families.chatglm.pieces import (
    IMAGE_TOKENS_V0,
    MAX_BLANK,
    NEWLINE_PIECE,
    SPECIAL_PIECES,
    TAB_PIECE,
    blank_piece,
    read_pieces,
)


def encode_whitespace(text: str) -> str:
    """Newlines, tabs and runs of 2 to 80 spaces as the pieces that stand for them."""
    text = text.replace("\n", NEWLINE_PIECE).replace("\t", TAB_PIECE)
    return re.sub(f" {{2,{MAX_BLANK}}}", lambda run: blank_piece(len(run[0])), text)


def decode_whitespace(text: str) -> str:
    text = text.replace(NEWLINE_PIECE, "\n").replace(TAB_PIECE, "\t")
    return re.sub(r"<\|blank_(\d+)\|>", lambda match: " " * int(match[1]), text)


class ChatGLMTokenizer(PreTrainedTokenizer):
    """Text to ids and back; a call adds ``[gMASK] <sop>`` behind the text, as the model expects."""

    vocab_files_names = {"vocab_file": "ice_text.model"}  # noqa: RUF012
    model_input_names = ["input_ids", "attention_mask"]  # noqa: RUF012

    def __init__(
        self,
        vocab_file: str,
        padding_side: str = "left",
        num_image_tokens: int | None = None,
        **kwargs: Any,
    ) -> None:
        """``num_image_tokens`` rows stand in front of the pieces; None takes the layout's own."""
        self.vocab_file = vocab_file
        model, self.is_v0 = read_pieces(Path(vocab_file))
        usual = IMAGE_TOKENS_V0 if self.is_v0 else 0
        self.offset = usual if num_image_tokens is None else num_image_tokens
        self.pieces = sentencepiece.SentencePieceProcessor(model_proto=model.SerializeToString())
        for key in ("auto_map", "remove_space", "do_lower_case"):
            kwargs.pop(key, None)
        for key in ("end_token", "gmask_token", "mask_token", "eop_token"):
            kwargs.pop(key, None)
        kwargs.update(unk_token="<unk>", bos_token="<sop>", eos_token="<eop>", pad_token="<pad>")
        super().__init__(padding_side=padding_side, num_image_tokens=self.offset, **kwargs)

    @property
    def vocab_size(self) -> int:
        return int(self.pieces.get_piece_size()) + self.offset

    @property
    def mask_id(self) -> int:
        return self._convert_token_to_id("[MASK]")

    @property
    def gmask_id(self) -> int:
        return self._convert_token_to_id("[gMASK]")

    def get_vocab(self) -> dict[str, int]:
        return {
            self.pieces.id_to_piece(i): i + self.offset for i in range(self.pieces.get_piece_size())
        }

    def tokenize(
        self, text: str, pair: str | None = None, add_special_tokens: bool = False, **_: Any
    ) -> list[str]:
        # Overridden whole: the inherited one would read special tokens out of what users type.
        return self._tokenize(text)

    def _tokenize(self, text: str, **_: Any) -> list[str]:
        return list(self.pieces.encode(encode_whitespace(text), out_type=str))

    def _convert_token_to_id(self, token: str) -> int:
        return int(self.pieces.piece_to_id(token)) + self.offset

    def _convert_id_to_token(self, index: int) -> str:
        piece = index - self.offset
        # The published vocabularies are padded: some rows of lm_head have no piece.
        if not 0 <= piece < self.pieces.get_piece_size():
            return str(self.unk_token)
        return str(self.pieces.id_to_piece(piece))

    def convert_tokens_to_string(self, tokens: list[str]) -> str:
        return decode_whitespace(self.pieces.decode(tokens))

    def _decode(
        self,
        token_ids: int | list[int],
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
        **_: Any,
    ) -> str:
        ids = [token_ids] if isinstance(token_ids, int) else list(token_ids)
        if skip_special_tokens:
            special = set(self.all_special_ids) | {
                self._convert_token_to_id(piece) for piece in SPECIAL_PIECES
            }
            ids = [token for token in ids if token not in special]
        return self.convert_tokens_to_string([self._convert_id_to_token(i) for i in ids])

    def build_inputs_with_special_tokens(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        """``prompt [gMASK] <sop>``, and with an answer ``prompt [gMASK] <sop> answer <eop>``."""
        ids = list(token_ids_0)
        if self.mask_id not in ids and self.gmask_id not in ids:
            ids.append(self.gmask_id)
        ids.append(self._convert_token_to_id("<sop>"))
        if token_ids_1 is not None:
            ids += [*token_ids_1, self._convert_token_to_id("<eop>")]
        return ids

    def save_vocabulary(
        self, save_directory: str, filename_prefix: str | None = None
    ) -> tuple[str]:
        name = (f"{filename_prefix}-" if filename_prefix else "") + "ice_text.model"
        target = Path(save_directory) / name
        if Path(self.vocab_file).resolve() != target.resolve():
            shutil.copyfile(self.vocab_file, target)
        return (str(target),)
