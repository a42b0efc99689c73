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
"""A weight file up to so many bytes enters its fingerprint whole; of a larger one, samples do."""
SAMPLES, SAMPLE = 256, 2**16
_SHARD = re.compile(r"-(\d{5})-of-(\d{5})\.")


def check_folder(folder: Path) -> None:
    if not os.path.isdir(folder):  # unlike Path's, never raises: a name may be too long
        raise CheckpointError("no_model_folder", folder=folder)
    if not weight_files(folder) and any(folder.glob("consolidated*.pth")):
        raise CheckpointError("metas_own_files", folder=folder)


def read_json(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise CheckpointError("folder_lacks", folder=file.parent, name=file.name)
    refuse_placeholder(file)
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError("not_json_file", file=file, remainder=error) from error
    if not isinstance(content, dict):
        raise CheckpointError("no_json_object", file=file)
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
        raise incomplete(folder, missing)
    if not files:
        raise CheckpointError("no_weights", folder=folder)
    sources: dict[str, Source] = {}
    for file in files:
        held = open_weights(file)
        if repeated := sources.keys() & held.keys():
            name = min(repeated)
            raise CheckpointError(
                "weight_in_two_files",
                folder=folder,
                name=name,
                first=sources[name].file.name,
                second=file.name,
            )
        sources |= held
    return sources


def incomplete(folder: Path, missing: list[str]) -> CheckpointError:
    names = ", ".join(missing)
    return CheckpointError("download_incomplete", folder=folder, count=len(missing), names=names)


def missing_shards(folder: Path) -> list[str]:
    """Files that the index names, or the shards' own numbering, and that are not there."""
    return [name for name in _promised(folder) if not os.path.isfile(folder / name)]


def _promised(folder: Path) -> list[str]:
    """The names of all files that a base's weights should lie in.

    The order is that of transformers: one whole file before those of an index, safetensors before
    ``.bin``. Of several sets the first complete one is used, else the first.
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
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise CheckpointError("no_weight_map", file=index)
    names = sorted(set(map(str, weight_map.values())))
    if outside := [name for name in names if "/" in name or "\\" in name]:
        raise CheckpointError("file_outside", file=index, name=outside[0])
    return names


def _numbered(folder: Path, names: list[str]) -> list[str]:
    """Every name that a set of shards must have, from the names of those that are there."""
    sets = {
        (name[: match.start()], match[2], name[match.end() :])
        for name in names
        if (match := _SHARD.search(name))
    }
    if len(sets) > 1:
        first, second, *_ = sorted(total for _, total, _ in sets)
        raise CheckpointError("mixed_shards", folder=folder, first=first, second=second)
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
