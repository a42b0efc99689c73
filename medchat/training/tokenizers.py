"""Training the tokenizers of small models, in the layouts that the published ones have."""

from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any

import sentencepiece

from medchat.models.families.chatglm.pieces import NEWLINE_PIECE, append_extra_pieces, proto

MAX_PIECE_LENGTH = 4
"""Longer pieces would swallow whole questions of a small corpus."""


def train_llama_tokenizer(texts: Iterable[str], vocabulary: int, file: Path) -> None:
    """A BPE ``tokenizer.model`` with byte fallback: unk 0, bos 1, eos 2, text left as it is."""
    model = _train(
        texts,
        vocab_size=vocabulary,
        model_type="bpe",
        byte_fallback=True,
        normalization_rule_name="identity",
        unk_id=0,
        bos_id=1,
        eos_id=2,
        pad_id=-1,
    )
    file.write_bytes(model)


def train_chatglm_tokenizer(texts: Iterable[str], text_pieces: int, file: Path) -> int:
    """An ``ice_text.model`` in the v1 layout; returns the number of its pieces.

    The special, blank and byte pieces follow the ``text_pieces`` text ones.
    """
    trained = _train(
        (text.replace("\n", NEWLINE_PIECE) for text in texts),
        vocab_size=text_pieces,
        model_type="unigram",
        normalization_rule_name="nmt_nfkc",
        unk_id=0,
        bos_id=1,
        eos_id=2,
        pad_id=3,
        user_defined_symbols=[NEWLINE_PIECE],
    )
    model = proto.ModelProto()
    model.ParseFromString(trained)
    append_extra_pieces(model)
    file.write_bytes(model.SerializeToString(deterministic=True))
    return len(model.pieces)


def _train(texts: Iterable[str], **options: Any) -> bytes:
    buffer = BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_writer=buffer,
        character_coverage=1.0,
        remove_extra_whitespaces=False,
        max_sentencepiece_length=MAX_PIECE_LENGTH,
        split_digits=True,
        num_threads=1,
        minloglevel=2,
        **options,
    )
    return buffer.getvalue()
