"""Reading a knowledge base in the style of CMeKG: JSON lines, one disease or drug per line.

Source of the shape: CMeKG (Byambasuren et al. 2019), whose entries HuaTuo's authors turned into
questions and answers. Knows nothing of templates or training.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from medchat.errors import BadInput, Message, message

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
        raise BadInput("no_knowledge", folder=folder)
    entries: dict[str, Entry] = {}
    for file in files:
        for where, entry in _read_file(file):
            if entry.name in entries:
                raise BadInput("entry_twice", where=where, name=entry.name)
            entries[entry.name] = entry
    return list(entries.values())


def _read_file(file: Path) -> Iterable[tuple[Message, Entry]]:
    """Every entry of a file, with its line in front of it."""
    try:
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput("knowledge_unreadable", file=file, remainder=error) from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            where = message("line_of_file", file=file, line=number)
            yield where, _parse(line, where)


def _parse(line: str, where: Message) -> Entry:
    try:
        record = json.loads(line)
    except ValueError as error:
        raise BadInput("entry_no_json", where=where, remainder=error) from error
    name = record.get(NAME_KEY) if isinstance(record, dict) else None
    if not isinstance(name, str) or not name.strip():
        raise BadInput("entry_nameless", where=where, key=NAME_KEY)
    facts = {}
    for key, values in record.items():
        if key == NAME_KEY:
            continue
        if not isinstance(values, list) or not all(isinstance(v, str) and v for v in values):
            raise BadInput("entry_no_texts", where=where, key=key)
        if not values and key != ALIAS_KEY:
            raise BadInput("entry_key_empty", where=where, key=key)
        facts[key] = tuple(values)
    aliases = facts.pop(ALIAS_KEY, ())
    kind = "drug" if DRUG_KEY in facts else "disease"
    return Entry(name, aliases, kind, facts)
