"""The pieces of ChatGLM-6B's ``ice_text.model``, in both published layouts.

v1 files hold every special, blank and byte piece; v0 files end before them and count 20,000 image
tokens in front of the text. The pieces that v0 lacks are appended here, in the published order.
"""

from pathlib import Path
from typing import Any

from sentencepiece import sentencepiece_model_pb2

from medchat.models.vocabulary import check_whole

IMAGE_TOKENS_V0 = 20000
"""Rows of the v0 layout's vocabulary that stand for image tokens, in front of the text pieces."""
MAX_BLANK = 80
SPECIAL_PIECES = (
    "[MASK]",
    "[gMASK]",
    "[sMASK]",
    "<unused_0>",
    "<sop>",
    "<eop>",
    "<ENC>",
    "<dBLOCK>",
)
NEWLINE_PIECE = "<n>"
TAB_PIECE = "<|tab|>"

proto: Any = sentencepiece_model_pb2  # generated at run time, unknown to type checkers
_Piece = proto.ModelProto.SentencePiece


def blank_piece(length: int) -> str:
    return f"<|blank_{length}|>"


def extra_pieces() -> list[tuple[str, int]]:
    """The pieces behind the text ones, as (piece, sentencepiece type), in the published order."""
    whitespace = [TAB_PIECE, *(blank_piece(n) for n in range(2, MAX_BLANK + 1))]
    return [
        *((piece, _Piece.CONTROL) for piece in SPECIAL_PIECES),
        *((piece, _Piece.USER_DEFINED) for piece in whitespace),
        *((f"<0x{byte:02X}>", _Piece.BYTE) for byte in range(256)),
    ]


def append_extra_pieces(model: Any) -> None:
    """Give a sentencepiece model the special, blank and byte pieces of the v1 layout."""
    for piece, kind in extra_pieces():
        model.pieces.add(piece=piece, score=0.0, type=kind)
    model.trainer_spec.byte_fallback = True


def read_pieces(file: Path) -> tuple[Any, bool]:
    """A sentencepiece model with every piece in it, and whether its file is in the v0 layout."""
    model = proto.ModelProto()
    model.ParseFromString(file.read_bytes())
    check_whole(model)
    is_v0 = not any(piece.piece == SPECIAL_PIECES[0] for piece in model.pieces)
    if is_v0:
        append_extra_pieces(model)
    return model, is_v0
