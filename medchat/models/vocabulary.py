"""What a tokenizer's file says of its vocabulary: how many pieces, and the ids of the special ones.

Read from the file itself, without the tokenizer libraries: only the file is to be trusted, and the
configurations that circulate with it often are not.
"""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from medchat.errors import CheckpointError
from medchat.models.weights.files import read_json
from medchat.models.weights.sources import refuse_placeholder

ROLES = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
"""What tokens are for, and how the one that usually serves for it is spelled."""


@dataclass(frozen=True)
class Vocabulary:
    """Size and ids. ``eos`` ends a text; at ``more_ends`` an answer ends as well."""

    size: int
    bos: int | None
    eos: int
    pad: int
    more_ends: tuple[int, ...] = ()

    @property
    def ends(self) -> set[int]:
        return {self.eos, *self.more_ends}

    @property
    def config_ids(self) -> dict[str, int | None]:
        """The ids under config.json's names."""
        return {"bos_token_id": self.bos, "eos_token_id": self.eos, "pad_token_id": self.pad}


V = TypeVar("V", bound=Vocabulary)


def read_json_vocabulary(folder: Path) -> Vocabulary:
    """Of a ``tokenizer.json`` and what tokenizer_config.json says of its special tokens."""
    return read_vocabulary(folder, "tokenizer.json", _read_json)


def read_vocabulary(folder: Path, name: str, reader: Callable[[Path], V]) -> V:
    """What ``reader`` makes of a tokenizer file. Raises CheckpointError, whatever it raises."""
    file = folder / name
    if not file.is_file():
        raise CheckpointError("tokenizer_missing", folder=folder, name=name)
    refuse_placeholder(file)
    try:
        return reader(file)
    except CheckpointError:
        raise
    except Exception as error:  # whatever a damaged file makes its reader raise
        raise unreadable(file) from error


def unreadable(file: Path) -> CheckpointError:
    return CheckpointError("tokenizer_unreadable", file=file, bytes=file.stat().st_size)


def check_whole(model: Any) -> None:
    """Raises ValueError for a sentencepiece model whose file was cut off between two pieces."""
    if not (model.HasField("trainer_spec") and model.HasField("normalizer_spec")):
        raise ValueError("the settings behind the pieces are missing")


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


def declared_ends(folder: Path, size: int) -> tuple[int, ...]:
    """The tokens at which generation_config.json ends an answer, as far as they are ids at all."""
    file = folder / "generation_config.json"
    ends = read_json(file).get("eos_token_id") if file.is_file() else None
    ids = ends if isinstance(ends, list) else [ends]
    return tuple(i for i in ids if isinstance(i, int) and not isinstance(i, bool) and 0 <= i < size)


def _read_json(file: Path) -> Vocabulary:
    content = json.loads(file.read_text(encoding="utf-8"))
    pieces = content["model"]["vocab"]
    if isinstance(pieces, list):  # of a unigram model: pairs of piece and score
        pieces = {piece: number for number, (piece, _) in enumerate(pieces)}
    ids = pieces | {token["content"]: token["id"] for token in content.get("added_tokens", [])}
    roles = special_tokens(ids, declared_tokens(file.parent))
    bos = ids[roles["bos_token"]] if "bos_token" in roles else None
    return Vocabulary(max(ids.values()) + 1, bos, ids[roles["eos_token"]], ids[roles["pad_token"]])
