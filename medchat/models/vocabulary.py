"""What a tokenizer's file says of its vocabulary: how many pieces, and the ids of the special ones.

Read from the file itself, without the tokenizer libraries: only the file is to be trusted, and the
configurations that circulate with it often are not.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sentencepiece import sentencepiece_model_pb2

from medchat.errors import CheckpointError
from medchat.models.families.chatglm.pieces import IMAGE_TOKENS_V0, check_whole, read_pieces
from medchat.models.weights.files import read_json
from medchat.models.weights.sources import refuse_placeholder

ROLES = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
"""What tokens are for, and how the one that usually serves for it is spelled."""


@dataclass(frozen=True)
class Vocabulary:
    """Size and ids; ``images`` rows of a ChatGLM's stand in front of its pieces."""

    size: int
    bos: int | None
    eos: int
    pad: int
    mask: int | None = None
    gmask: int | None = None
    images: int = 0
    is_v0: bool = False

    def behind(self, images: int) -> "Vocabulary":
        """The same pieces behind so many image tokens."""
        shift = images - self.images
        moved: dict[str, Any] = {
            name: None if (value := getattr(self, name)) is None else value + shift
            for name in ("size", "bos", "eos", "pad", "mask", "gmask")
        }
        return replace(self, images=images, **moved)

    @property
    def config_ids(self) -> dict[str, int | None]:
        """The ids under config.json's names."""
        return {"bos_token_id": self.bos, "eos_token_id": self.eos, "pad_token_id": self.pad}


def read_llama_vocabulary(folder: Path) -> Vocabulary:
    """Of a ``tokenizer.model``, or where a mirror has none, of a ``tokenizer.json``."""
    if (folder / "tokenizer.model").is_file() or not (folder / "tokenizer.json").is_file():
        return _read(folder, "tokenizer.model", _llama_pieces)
    return read_json_vocabulary(folder)


def read_json_vocabulary(folder: Path) -> Vocabulary:
    return _read(folder, "tokenizer.json", _json_pieces)


def read_chatglm_vocabulary(folder: Path) -> Vocabulary:
    """Of an ``ice_text.model``, behind the image tokens of its layout."""
    return _read(folder, "ice_text.model", _chatglm_pieces)


def special_tokens(known: Collection[str], declared: Mapping[str, Any]) -> dict[str, str]:
    """The token for each role: as tokenizer_config.json declares it, or the usual one if known.

    Raises ValueError where no token ends an answer.
    """
    roles = {role: _content(declared.get(role)) or usual for role, usual in ROLES.items()}
    roles = {role: token for role, token in roles.items() if token in known}
    if "eos_token" not in roles:
        raise ValueError("no token ends an answer")
    roles.setdefault("pad_token", roles.get("unk_token", roles["eos_token"]))
    return roles


def declared_tokens(folder: Path) -> dict[str, Any]:
    file = folder / "tokenizer_config.json"
    return read_json(file) if file.is_file() else {}


def _content(token: Any) -> str:
    """A special token as tokenizer_config.json writes it: a text, or a table with its content."""
    return str(token.get("content", "")) if isinstance(token, dict) else str(token or "")


def _read(folder: Path, name: str, reader: Any) -> Vocabulary:
    file = folder / name
    if not file.is_file():
        raise CheckpointError(f"{folder} lacks the tokenizer file {name}.")
    refuse_placeholder(file)
    try:
        vocabulary: Vocabulary = reader(file)
    except CheckpointError:
        raise
    except Exception as error:  # whatever a damaged file makes its reader raise
        raise unreadable(file) from error
    return vocabulary


def unreadable(file: Path) -> CheckpointError:
    return CheckpointError(
        f"{file} ({file.stat().st_size} bytes) cannot be read as a tokenizer; the download may "
        "be incomplete."
    )


def _llama_pieces(file: Path) -> Vocabulary:
    model: Any = sentencepiece_model_pb2
    model = model.ModelProto()
    model.ParseFromString(file.read_bytes())
    check_whole(model)
    ids = {piece.piece: number for number, piece in enumerate(model.pieces)}
    return Vocabulary(len(model.pieces), ids["<s>"], ids["</s>"], ids["<unk>"])


def _chatglm_pieces(file: Path) -> Vocabulary:
    model, is_v0 = read_pieces(file)
    ids = {piece.piece: number for number, piece in enumerate(model.pieces)}
    at_front = Vocabulary(
        len(model.pieces),
        ids["<sop>"],
        ids["<eop>"],
        ids["<pad>"],
        ids["[MASK]"],
        ids["[gMASK]"],
        is_v0=is_v0,
    )
    return at_front.behind(IMAGE_TOKENS_V0) if is_v0 else at_front


def _json_pieces(file: Path) -> Vocabulary:
    content = json.loads(file.read_text(encoding="utf-8"))
    held = content["model"]["vocab"]
    if isinstance(held, list):  # of a unigram model: pairs of piece and score
        held = {piece: number for number, (piece, _) in enumerate(held)}
    ids = held | {token["content"]: token["id"] for token in content.get("added_tokens", [])}
    roles = special_tokens(ids, declared_tokens(file.parent))
    bos = ids[roles["bos_token"]] if "bos_token" in roles else None
    return Vocabulary(max(ids.values()) + 1, bos, ids[roles["eos_token"]], ids[roles["pad_token"]])
