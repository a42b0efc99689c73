"""Reading a knowledge base in the style of CMeKG: JSON lines, one disease or drug per line.

Source of the shape: CMeKG (Byambasuren et al. 2019), whose entries HuaTuo's authors turned into
questions and answers. Knows nothing of templates or training.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from medchat.errors import BadInput

NAME_KEY = "中心词"
ALIAS_KEY = "别名"
DRUG_KEY = "药物类别"
"""An entry with this key is a drug; every other one is a disease."""


@dataclass(frozen=True)
class Entry:
    """One disease or drug: its name, its other names and its facts (attribute -> values)."""

    name: str
    aliases: tuple[str, ...]
    kind: str
    facts: dict[str, tuple[str, ...]]


def load_knowledge(folder: Path) -> list[Entry]:
    """All entries of the ``*.jsonl`` files in ``folder``, by file name, then by line.

    Raises BadInput with file and line for anything that is not an entry, and for a name that
    stands there twice.
    """
    files = sorted(folder.glob("*.jsonl"))
    if not files:
        raise BadInput(f"No knowledge base in {folder}: it must hold *.jsonl files.")
    entries: dict[str, Entry] = {}
    for file in files:
        for where, entry in _read_file(file):
            if entry.name in entries:
                raise BadInput(f"{where}: {entry.name} stands in the knowledge base twice.")
            entries[entry.name] = entry
    return list(entries.values())


def _read_file(file: Path) -> Iterable[tuple[str, Entry]]:
    """Each entry behind the place where it stands."""
    try:
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{file} cannot be read as UTF-8 text: {error}.") from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            where = f"{file}, line {number}"
            yield where, _parse(line, where)


def _parse(line: str, where: str) -> Entry:
    try:
        record = json.loads(line)
    except ValueError as error:
        raise BadInput(f"{where}: not JSON ({error}).") from error
    name = record.get(NAME_KEY) if isinstance(record, dict) else None
    if not isinstance(name, str) or not name.strip():
        raise BadInput(f"{where}: an entry needs the key {NAME_KEY} with its name.")
    facts = {}
    for key, values in record.items():
        if key == NAME_KEY:
            continue
        if not isinstance(values, list) or not all(isinstance(v, str) and v for v in values):
            raise BadInput(f"{where}: {key} must be a list of texts.")
        if not values and key != ALIAS_KEY:
            raise BadInput(f"{where}: {key} is empty; leave it out where nothing is known.")
        facts[key] = tuple(values)
    aliases = facts.pop(ALIAS_KEY, ())
    kind = "drug" if DRUG_KEY in facts else "disease"
    return Entry(name, aliases, kind, facts)
