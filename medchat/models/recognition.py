"""A folder -> its family and what it holds: where loading and ``medchat check`` both begin.

Knows the order in which families are asked, and none of them by name. Needs no torch.
"""

from pathlib import Path
from typing import Any

from medchat.errors import CheckpointError
from medchat.models.checkpoint import Checkpoint
from medchat.models.families import FAMILIES, find_family
from medchat.models.fields import known_fields
from medchat.models.weights.files import check_folder, read_json


def read_checkpoint(folder: Path, declared: str | None = None) -> Checkpoint:
    """What a base folder holds; ``declared`` is the family that models.toml gives it.

    Raises CheckpointError where the folder holds no whole model of that or any family.
    """
    config = read_config(folder)
    name = declared
    if declared is None or not find_family(declared).claims(folder, config):
        name = _recognised(folder, config)
        if declared is not None:
            raise CheckpointError("family_other", folder=folder, family=name, declared=declared)
    assert name is not None
    family = find_family(name)
    return family.read(folder, known_fields(config, family.fields, folder / "config.json"))


def recognise(folder: Path) -> str:
    """The name of a folder's family. Raises CheckpointError where it is of none."""
    return _recognised(folder, read_config(folder))


def read_config(folder: Path) -> dict[str, Any]:
    """The config.json of a base folder. Raises CheckpointError where there is none."""
    check_folder(folder)
    file = folder / "config.json"
    if not file.is_file() and (folder / "adapter_config.json").is_file():
        raise CheckpointError("adapter_as_base", folder=folder)
    return read_json(file)


def _recognised(folder: Path, config: dict[str, Any]) -> str:
    for name in FAMILIES:
        if find_family(name).recognises(folder, config):
            return name
    file, kind = folder / "config.json", config.get("model_type")
    raise CheckpointError("family_unknown", file=file, kind=repr(kind), names=", ".join(FAMILIES))
