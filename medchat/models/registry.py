"""``models.toml`` -> model specs: what models there are and whether each can be used.

Knows files and names; loads nothing. A value that begins with ``$`` is an environment variable.
"""

import os
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from medchat.config import GenerationOptions
from medchat.errors import BadInput, ModelUnavailable
from medchat.models.templates import TEMPLATES, Template, find_template

Family = Literal["llama", "bloom", "chatglm"]
FAMILIES: tuple[Family, ...] = ("llama", "bloom", "chatglm")
TEXTS = ("label", "base", "adapter", "template", "engine", "about")
KEYS = {*TEXTS, "family", "vocabulary", "defaults", "demo"}


@dataclass(frozen=True)
class ModelSpec:
    """One declared model. ``problem`` says why it cannot be used, if it cannot.

    ``vocabulary`` is what its base must have; 0 takes any.
    """

    name: str
    label: str
    family: Family
    template: Template
    base: Path | None = None
    adapter: Path | None = None
    vocabulary: int = 0
    engine: str = "local"
    defaults: GenerationOptions = field(default_factory=GenerationOptions)
    about: str = ""
    demo: bool = False
    problem: ModelUnavailable | None = None

    @property
    def available(self) -> bool:
        return self.problem is None

    @property
    def unavailable(self) -> str:
        """Why it cannot be used; empty when it can."""
        return str(self.problem or "")


class Registry:
    """The declared models in the order of the file."""

    def __init__(self, specs: list[ModelSpec]) -> None:
        self._specs = {spec.name: spec for spec in specs}

    def __iter__(self) -> Iterator[ModelSpec]:
        return iter(self._specs.values())

    def __len__(self) -> int:
        return len(self._specs)

    @property
    def available(self) -> list[ModelSpec]:
        return [spec for spec in self if spec.available]

    def find(self, name: str) -> ModelSpec:
        """Raises BadInput that lists the declared models."""
        try:
            return self._specs[name]
        except KeyError:
            known = ", ".join(self._specs)
            raise BadInput(f"No model is called {name!r}. Declared: {known}.") from None

    @classmethod
    def read(cls, file: Path) -> "Registry":
        """Raises BadInput where the file is missing, is not TOML or declares a model wrongly."""
        try:
            raw = tomllib.loads(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise BadInput(f"{file} cannot be read: {error.strerror}.") from error
        except ValueError as error:
            raise BadInput(f"{file} is not a TOML file: {error}.") from error
        tables = raw.get("models")
        if not isinstance(tables, dict) or not tables:
            raise BadInput(f"{file} declares no model: it needs tables [models.NAME].")
        templates = _templates(raw.get("templates", {}), file)
        specs = [_spec(name, table, file, templates) for name, table in tables.items()]
        _refuse_equal_labels(specs, file)
        return cls(specs)


def _templates(tables: Any, file: Path) -> dict[str, Template]:
    """The bundled templates and the file's own, from its tables ``[templates.NAME]``."""
    if not isinstance(tables, dict):
        raise BadInput(f"{file}: templates must be tables [templates.NAME], not {tables!r}.")
    templates = dict(TEMPLATES)
    for name, table in tables.items():
        if name in TEMPLATES:
            raise BadInput(f"{file}: the template {name} is bundled; give yours another name.")
        try:
            templates[name] = Template.from_mapping(name, table)
        except BadInput as error:
            raise BadInput(f"{file}: {error}") from error
    return templates


def _spec(name: str, table: Any, file: Path, templates: dict[str, Template]) -> ModelSpec:
    where = f"{file}, model {name}"
    if not isinstance(table, dict):
        raise BadInput(f"{where}: must be a table [models.{name}].")
    unknown = sorted(set(table) - KEYS)
    if unknown:
        raise BadInput(f"{where}: unknown keys {', '.join(unknown)}.")
    family = table.get("family")
    if family not in FAMILIES:
        raise BadInput(f"{where}: family must be one of {', '.join(FAMILIES)}, not {family!r}.")
    for key in TEXTS:
        if not isinstance(table.get(key, ""), str):
            raise BadInput(f"{where}: {key} must be a text, not {table[key]!r}.")
    vocabulary = table.get("vocabulary", 0)
    if not isinstance(vocabulary, int) or isinstance(vocabulary, bool) or vocabulary < 0:
        raise BadInput(f"{where}: vocabulary must be a whole number, not {vocabulary!r}.")
    base, why_no_base = _folder(table.get("base", ""), "base", file)
    adapter, why_no_adapter = _folder(table.get("adapter", ""), "adapter", file)
    if not table.get("base"):
        why_no_base = ModelUnavailable("It names no base folder.", code="no_base")
    engine = table.get("engine", "local")
    if engine != "local":
        why_no_base = ModelUnavailable(
            f"Its engine {engine!r} is not part of this version.", code="no_engine", engine=engine
        )
    return ModelSpec(
        name=name,
        label=table.get("label", name),
        family=family,
        template=_template(table.get("template", "plain"), templates, where),
        base=base,
        adapter=adapter,
        vocabulary=vocabulary,
        engine=engine,
        defaults=GenerationOptions.from_mapping(table.get("defaults", {}), where),
        about=table.get("about", ""),
        demo=bool(table.get("demo", False)),
        problem=why_no_base or why_no_adapter,
    )


def _template(name: str, templates: dict[str, Template], where: str) -> Template:
    try:
        return find_template(name, templates)
    except BadInput as error:
        raise BadInput(f"{where}: {error}") from error


def _folder(value: str, key: str, file: Path) -> tuple[Path | None, ModelUnavailable | None]:
    """The folder a value names, or None and the reason."""
    if not value:
        return None, None
    named = value
    if value.startswith("$"):
        named = os.environ.get(value[1:], "")
        if not named:
            problem = f"Set {value[1:]} to the folder of its {key}."
            return None, ModelUnavailable(problem, code=f"{key}_unset", variable=value[1:])
    folder = (file.parent / Path(named).expanduser()).resolve()
    if not folder.is_dir():
        problem = f"Its {key} folder {folder} does not exist."
        return None, ModelUnavailable(problem, code=f"{key}_missing", folder=folder)
    return folder, None


def _refuse_equal_labels(specs: list[ModelSpec], file: Path) -> None:
    seen: dict[str, str] = {}
    for spec in specs:
        if spec.label in seen:
            raise BadInput(
                f"{file}: {seen[spec.label]} and {spec.name} have the same label {spec.label!r}; "
                "nobody could tell their answers apart."
            )
        seen[spec.label] = spec.name
