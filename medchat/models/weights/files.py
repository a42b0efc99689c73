"""The files of a checkpoint folder: what must be there, and which of them are the weights.

Every complaint names the file and its size, and says what is to be done. Nothing of a folder is
ever run. Knows nothing of networks.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from medchat.errors import CheckpointError
from medchat.models.weights.sources import Source, open_weights, refuse_placeholder

WEIGHT_STEMS = {".safetensors": "model", ".bin": "pytorch_model"}
"""What weight files are called, the kind that is preferred first."""
HASHED_WHOLE = 64 * 2**20
"""Bytes up to which all of a weight file enters its fingerprint; of larger ones, samples do."""
SAMPLES, SAMPLE = 256, 2**16
_SHARD = re.compile(r"-(\d{5})-of-(\d{5})\.")


def check_folder(folder: Path) -> None:
    if not os.path.isdir(folder):  # unlike Path's, never raises: a name may be too long
        raise CheckpointError(
            f"There is no model folder {folder}. It must hold config.json, the weights "
            "(*.safetensors or pytorch_model*.bin) and the tokenizer's .model file."
        )
    if not weight_files(folder) and any(folder.glob("consolidated*.pth")):
        raise CheckpointError(
            f"{folder} holds Meta's own .pth files. Convert them to the Hugging Face layout first."
        )


def read_json(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise CheckpointError(f"{file.parent} lacks {file.name}.")
    refuse_placeholder(file)
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{file} cannot be read as JSON: {error}.") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{file} must hold a JSON object.")
    return content


def weight_files(folder: Path) -> list[Path]:
    """The files that a base's weights are read from, as far as they are there."""
    return [folder / name for name in _promised(folder) if os.path.isfile(folder / name)]


def open_folder(folder: Path) -> dict[str, Source]:
    """The tensors of a base folder's weights by name, none of them read yet.

    Raises CheckpointError where files are missing, incomplete or no weights.
    """
    files = weight_files(folder)
    missing = missing_shards(folder)
    if missing:
        raise CheckpointError(
            f"{folder} lacks {len(missing)} of its weight files: {', '.join(missing)}. "
            "The download is incomplete."
        )
    if not files:
        raise CheckpointError(
            f"{folder} holds no weights: neither *.safetensors nor pytorch_model*.bin."
        )
    sources: dict[str, Source] = {}
    for file in files:
        held = open_weights(file)
        if twice := sources.keys() & held.keys():
            raise CheckpointError(
                f"{folder} holds {min(twice)} twice, in {sources[min(twice)].file.name} and in "
                f"{file.name}: the files belong to different models."
            )
        sources |= held
    return sources


def missing_shards(folder: Path) -> list[str]:
    """Files that the index, or without one the shards' own numbering, promises in vain."""
    return [name for name in _promised(folder) if not os.path.isfile(folder / name)]


def _promised(folder: Path) -> list[str]:
    """The names of all files that a base's weights should lie in.

    In the order in which transformers looks: one whole file before those of an index, safetensors
    before ``.bin``. Of several sets the first that is all there is taken, else the first.
    """
    sets = [names for suffix in WEIGHT_STEMS for names in _sets(folder, suffix) if names]
    whole = (names for names in sets if all(os.path.isfile(folder / name) for name in names))
    begun = (names for names in sets if any(os.path.isfile(folder / name) for name in names))
    return next(whole, next(begun, sets[0] if sets else []))


def _sets(folder: Path, suffix: str) -> Iterator[list[str]]:
    stem = WEIGHT_STEMS[suffix]
    index = _index(folder, suffix)
    shards = [file.name for file in folder.glob(f"{stem}-*{suffix}") if file.is_file()]
    single = folder / f"{stem}{suffix}"
    # Beside shards, training a p-tuning prefix leaves it under the name of a whole model.
    if single.is_file() and not ((shards or index.is_file()) and holds_prefix(single)):
        yield [single.name]
    if index.is_file():
        yield _indexed(index)
    else:
        yield _numbered(folder, shards)


def holds_prefix(file: Path) -> bool:
    """Whether a weight file holds a p-tuning prefix and nothing else."""
    names = open_weights(file)
    return bool(names) and all("prefix_encoder." in name for name in names)


def _index(folder: Path, suffix: str) -> Path:
    return folder / f"{WEIGHT_STEMS[suffix]}{suffix}.index.json"


def _indexed(index: Path) -> list[str]:
    places = read_json(index).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise CheckpointError(f"{index} lacks its weight_map; the download is incomplete.")
    names = sorted(set(map(str, places.values())))
    if outside := [name for name in names if "/" in name or "\\" in name]:
        raise CheckpointError(f"{index} names a file outside its folder: {outside[0]}.")
    return names


def _numbered(folder: Path, names: list[str]) -> list[str]:
    """Every name that a set of shards must have, from the names of those that are there."""
    sets = {
        (name[: found.start()], found[2], name[found.end() :])
        for name in names
        if (found := _SHARD.search(name))
    }
    if len(sets) > 1:
        totals = " and of ".join(sorted(total for _, total, _ in sets))
        raise CheckpointError(
            f"{folder} holds weight files of {totals} parts: they belong to different models. "
            "Keep those of one."
        )
    return [
        f"{start}-{number:05d}-of-{total}.{end}"
        for start, total, end in sets
        for number in range(1, int(total) + 1)
    ]


def fingerprint(files: list[Path]) -> str:
    """Sixteen hex digits from the names, sizes and contents of weight files.

    Of a file above ``HASHED_WHOLE`` bytes, ``SAMPLES`` evenly spaced blocks stand for the content.
    """
    digest = hashlib.sha256()
    for file in sorted(files):
        size = file.stat().st_size
        digest.update(f"{file.name}:{size}\n".encode())
        with file.open("rb") as stream:
            if size <= HASHED_WHOLE:
                digest.update(stream.read())
                continue
            for number in range(SAMPLES):
                stream.seek((size - SAMPLE) * number // (SAMPLES - 1))
                digest.update(stream.read(SAMPLE))
    return digest.hexdigest()[:16]
