"""The files of a checkpoint folder: what must be there, and reading them without running any code.

Every complaint names the file and its size, and says what is to be done. Knows tensors only as
what a file holds, nothing of networks.
"""

import hashlib
import json
import pickle
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from medchat.errors import CheckpointError

WEIGHT_FILES = ("*.safetensors", "pytorch_model*.bin")
INDEX_FILES = {
    ".safetensors": "model.safetensors.index.json",
    ".bin": "pytorch_model.bin.index.json",
}
HASHED_WHOLE = 64 * 2**20
"""Bytes up to which a weight file's content enters the fingerprint; of larger ones, the size."""


def check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise CheckpointError(
            f"There is no model folder {folder}. It must hold config.json, the weights "
            "(*.safetensors or pytorch_model*.bin) and the tokenizer's .model file."
        )
    if not weight_files(folder) and any(folder.glob("consolidated*.pth")):
        raise CheckpointError(
            f"{folder} holds Meta's own .pth files. Convert them to the Hugging Face layout first."
        )


def read_json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(f"{file.parent} lacks {file.name}.") from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{file} cannot be read as JSON: {error}.") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{file} must hold a JSON object.")
    return content


def weight_files(folder: Path) -> list[Path]:
    """The weight files of a base folder; safetensors before ``.bin`` where it has both."""
    for pattern in WEIGHT_FILES:
        if found := sorted(folder.glob(pattern)):
            return found
    return []


def check_weight_files(folder: Path) -> None:
    files = weight_files(folder)
    if not files:
        raise CheckpointError(
            f"{folder} holds no weights: neither *.safetensors nor pytorch_model*.bin."
        )
    _check_shards(folder, files[0].suffix)
    for file in files:
        refuse_placeholder(file)


def _check_shards(folder: Path, suffix: str) -> None:
    index = folder / INDEX_FILES[suffix]
    if not index.is_file():
        return
    places = read_json(index).get("weight_map")
    if not isinstance(places, dict):
        raise CheckpointError(f"{index} lacks its weight_map; the download is incomplete.")
    missing = sorted(name for name in set(places.values()) if not (folder / name).is_file())
    if missing:
        raise CheckpointError(
            f"{folder} lacks {len(missing)} of its weight files: {', '.join(missing)}. "
            "The download is incomplete."
        )


def refuse_placeholder(file: Path) -> None:
    with file.open("rb") as stream:
        start = stream.read(64).lstrip()
    if not start or start.startswith((b"version https://git-lfs", b"<")):
        raise CheckpointError(
            f"{file} is not the file itself but a placeholder of {file.stat().st_size} bytes: "
            "the download is incomplete."
        )


def read_tensors(file: Path) -> dict[str, Tensor]:
    size = file.stat().st_size
    try:
        if file.suffix == ".safetensors":
            content: Any = load_file(file)
        else:
            content = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # Its own text recommends weights_only=False: nothing to hand on.
        raise CheckpointError(
            f"{file} ({size} bytes) holds something other than weights, or its download is "
            "incomplete. Code in a weight file is never run."
        ) from error
    except Exception as error:  # whatever a damaged file makes its reader raise
        raise CheckpointError(
            f"{file} ({size} bytes) cannot be read as weights; the download may be incomplete. "
            f"{type(error).__name__}: {str(error)[:200]}"
        ) from error
    if not isinstance(content, dict) or not all(isinstance(t, Tensor) for t in content.values()):
        raise CheckpointError(f"{file} ({size} bytes) holds something other than weights.")
    return content


def fingerprint(files: list[Path]) -> str:
    """Sixteen hex digits from the names and contents of weight files, of large ones the size."""
    digest = hashlib.sha256()
    for file in files:
        size = file.stat().st_size
        digest.update(f"{file.name}:{size}\n".encode())
        if size <= HASHED_WHOLE:
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
