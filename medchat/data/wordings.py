"""From knowledge to training text: plain text for pre-training, questions with answers for tuning.

The wordings are data (``templates.toml``); the draw among them is seeded, so the same knowledge,
templates and seed give the same bytes. Knows nothing of prompts or tokenizers.
"""

import json
import random
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from string import Formatter

from medchat.data.knowledge import Entry
from medchat.errors import BadInput, message


@dataclass(frozen=True)
class Wordings:
    """How one attribute is stated, asked for and answered."""

    statements: tuple[str, ...]
    questions: tuple[str, ...]
    bare: tuple[str, ...]
    answers: tuple[str, ...]


@dataclass(frozen=True)
class Templates:
    starts: tuple[str, ...]
    ends: tuple[str, ...]
    situations: dict[str, tuple[str, ...]]
    attributes: dict[str, dict[str, Wordings]]


@dataclass(frozen=True)
class Pair:
    """A question and its answer, and the fact they are about."""

    question: str
    answer: str
    entity: str
    attribute: str


def load_templates(file: Path) -> Templates:
    """Raises BadInput where the file lacks a wording or a wording lacks its placeholder."""
    try:
        raw = tomllib.loads(file.read_text(encoding="utf-8"))
        wrappers = raw["wrappers"]
        attributes = {
            kind: {
                name: Wordings(**{key: tuple(values) for key, values in wordings.items()})
                for name, wordings in raw[kind].items()
            }
            for kind in ("disease", "drug")
        }
        templates = Templates(
            tuple(wrappers["starts"]),
            tuple(wrappers["ends"]),
            {
                "disease": tuple(wrappers["situations"]),
                "drug": tuple(wrappers["drug_situations"]),
            },
            attributes,
        )
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadInput("wordings_unreadable", file=file, remainder=error) from error
    _check_placeholders(templates, file)
    return templates


def _check_placeholders(templates: Templates, file: Path) -> None:
    _need_wordings(file, "wrappers: starts", templates.starts)
    _need_wordings(file, "wrappers: ends", templates.ends)
    for kind, situations in templates.situations.items():
        _need_wordings(file, f"wrappers: situations of a {kind}", situations, "name", "about")
    for attributes in templates.attributes.values():
        for attribute, wordings in attributes.items():
            _need_wordings(file, attribute, wordings.statements, "name", "items")
            _need_wordings(file, attribute, wordings.answers, "name", "items")
            _need_wordings(file, attribute, wordings.questions, "name")
            _need_wordings(file, attribute, wordings.bare)


def _need_wordings(file: Path, where: str, texts: tuple[str, ...], *placeholders: str) -> None:
    """Refuse an empty list, and a text with other placeholders than these."""
    if not texts:
        raise BadInput("wordings_missing", file=file, where=where)
    for text in texts:
        try:
            names = {name for _, name, _, _ in Formatter().parse(text) if name is not None}
        except ValueError as error:
            raise BadInput(
                "wording_stray_brace", file=file, where=where, text=text, remainder=error
            ) from error
        if names != set(placeholders):
            needed = " + ".join(f"{{{name}}}" for name in placeholders)
            raise BadInput(
                "wording_placeholders",
                file=file,
                where=where,
                text=text,
                needed=needed or message("no_placeholder"),
            )


# -- questions and answers --


def ask(entry: Entry, attribute: str, templates: Templates, draw: random.Random) -> str:
    """One wording of the question for a fact of ``entry``."""
    wordings = templates.attributes[entry.kind][attribute]
    name = draw.choice([entry.name, entry.name, *entry.aliases])
    if draw.random() < 0.3:
        question = draw.choice(templates.situations[entry.kind]).format(
            name=name, about=draw.choice(wordings.bare)
        )
    else:
        question = draw.choice(wordings.questions).format(name=name)
    return draw.choice(templates.starts) + question + draw.choice(templates.ends)


def answer(entry: Entry, attribute: str, templates: Templates, draw: random.Random) -> str:
    wordings = templates.attributes[entry.kind][attribute]
    return draw.choice(wordings.answers).format(
        name=entry.name, items="、".join(entry.facts[attribute])
    )


def known_facts(entry: Entry, templates: Templates) -> list[str]:
    """The attributes of ``entry`` that there are wordings for."""
    return [key for key in entry.facts if key in templates.attributes[entry.kind]]


def question_answer_pairs(
    entries: list[Entry], templates: Templates, *, rounds: int, seed: int
) -> Iterator[Pair]:
    """``rounds`` passes over all facts, each fact once per pass, in an order drawn anew."""
    draw = random.Random(seed)
    facts = [(entry, key) for entry in entries for key in known_facts(entry, templates)]
    for _ in range(rounds):
        draw.shuffle(facts)
        for entry, key in facts:
            yield Pair(
                ask(entry, key, templates, draw),
                answer(entry, key, templates, draw),
                entry.name,
                key,
            )


# -- plain text --


def plain_text(
    entries: list[Entry], templates: Templates, general: list[str], *, rounds: int, seed: int
) -> Iterator[str]:
    """Short documents: an entry's facts as statements, lists of questions, general sentences."""
    draw = random.Random(seed)
    for _ in range(rounds):
        documents = [_article(entry, templates, draw) for entry in entries]
        others = len(entries) * 2 // 5
        documents += [_question_list(entries, templates, draw) for _ in range(others)]
        documents += ["".join(draw.sample(general, min(3, len(general)))) for _ in range(others)]
        draw.shuffle(documents)
        yield from documents


def _article(entry: Entry, templates: Templates, draw: random.Random) -> str:
    wordings = templates.attributes[entry.kind]
    keys = known_facts(entry, templates)
    chosen = draw.sample(keys, min(len(keys), 4))
    sentences = [
        draw.choice(wordings[key].statements).format(
            name=entry.name, items="、".join(entry.facts[key])
        )
        for key in chosen
    ]
    if entry.aliases:
        sentences.insert(0, f"{entry.name}又叫{'、'.join(entry.aliases)}。")
    return "".join(sentences)


def _question_list(entries: list[Entry], templates: Templates, draw: random.Random) -> str:
    """Questions as they stand one after another in a booklet: asked, not answered."""
    lines = []
    entries = [entry for entry in entries if known_facts(entry, templates)]
    for _ in range(4 if entries else 0):
        entry = draw.choice(entries)
        lines.append(ask(entry, draw.choice(known_facts(entry, templates)), templates, draw))
    return "\n".join(lines)


# -- files --


def write_json_lines(records: Iterator[dict[str, str]], file: Path) -> int:
    """Write the records, one JSON object per line; returns how many."""
    count = 0
    with file.open("w", encoding="utf-8") as out:
        for record in records:
            out.write(json.dumps(record, ensure_ascii=False) + "\n")
            count += 1
    return count


def build_data(knowledge: Path, output: Path, *, rounds: int, text_rounds: int, seed: int) -> str:
    """Write ``plain.jsonl``, ``llama_data.json`` and ``chatglm_data.json`` into ``output``.

    The two tuning files are JSON lines under the name ``.json``, as HuaTuo and ChatGLM-Med
    published theirs: ``instruction, input, output`` and ``context, target``. Returns a sentence
    that counts the rows.
    """
    # Imported here: reading a knowledge base must not need what tuning needs.
    from medchat.data.knowledge import load_knowledge

    entries = load_knowledge(knowledge)
    templates = load_templates(knowledge / "templates.toml")
    general = (knowledge / "general.txt").read_text(encoding="utf-8").splitlines()
    output.mkdir(parents=True, exist_ok=True)
    texts = plain_text(entries, templates, general, rounds=text_rounds, seed=seed)
    plain = write_json_lines(({"text": text} for text in texts), output / "plain.jsonl")
    pairs = list(question_answer_pairs(entries, templates, rounds=rounds, seed=seed))
    write_json_lines(
        ({"instruction": p.question, "input": "", "output": p.answer} for p in pairs),
        output / "llama_data.json",
    )
    write_json_lines(
        ({"context": f"问题：{p.question}\n答案：", "target": p.answer} for p in pairs),
        output / "chatglm_data.json",
    )
    return f"{plain} texts and {len(pairs)} question-answer pairs in {output}"
