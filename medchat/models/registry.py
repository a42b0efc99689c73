"""``models.toml`` -> model specs: what models there are and whether each can be used.

Knows files and names; loads nothing. A value that begins with ``$`` is an environment variable.
"""

import os
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from medchat.config import GenerationOptions
from medchat.errors import BadInput, ModelUnavailable, message
from medchat.models.families import FAMILIES, find_family
from medchat.models.templates import TEMPLATES, Template, find_template
from medchat.validation import StrictTable, problems


class _ModelTable(StrictTable):
    """A table ``[models.NAME]``."""

    family: str
    label: str = ""
    base: str = ""
    adapter: str = ""
    template: str = ""
    vocabulary: int = Field(default=0, ge=0)
    engine: str = "local"
    defaults: dict[str, Any] = Field(default_factory=dict)
    about: str = ""
    demo: bool = False


class _TemplateTable(StrictTable):
    """A table ``[templates.NAME]``."""

    single: str = ""
    round: str = ""
    last: str = ""
    opening: str = ""
    stops: list[str] = Field(default_factory=list)


class _File(StrictTable):
    models: dict[str, _ModelTable]
    templates: dict[str, _TemplateTable] = Field(default_factory=dict)


@dataclass(frozen=True)
class ModelSpec:
    """One declared model. ``problem`` says why it cannot be used, if it cannot.

    ``vocabulary`` is what its base must have; 0 takes any.
    """

    name: str
    label: str
    family: str
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
        if name not in self._specs:
            raise BadInput("no_such_model", name=name, names=", ".join(self._specs))
        return self._specs[name]

    @classmethod
    def read(cls, file: Path) -> "Registry":
        """Raises BadInput where the file is missing, is not TOML or declares a model wrongly."""
        try:
            raw = tomllib.loads(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise BadInput("file_unreadable", file=file, reason=error.strerror) from error
        except ValueError as error:
            raise BadInput("models_no_toml", file=file, remainder=error) from error
        if not raw.get("models"):
            raise BadInput("models_missing", file=file)
        try:
            content = _File.model_validate(raw)
        except ValidationError as error:
            raise BadInput("models_wrong", file=file, problems=problems(error)) from error
        templates = _templates(content.templates, file)
        specs = [_spec(name, table, file, templates) for name, table in content.models.items()]
        _refuse_equal_labels(specs, file)
        return cls(specs)


def _templates(tables: dict[str, _TemplateTable], file: Path) -> dict[str, Template]:
    """The bundled templates and the file's own."""
    if bundled := sorted(tables.keys() & TEMPLATES.keys()):
        raise BadInput("template_bundled", file=file, name=bundled[0])
    templates = dict(TEMPLATES)
    for name, table in tables.items():
        stops = tuple(filter(None, table.stops))
        try:
            templates[name] = Template(name, **table.model_dump() | {"stops": stops})
        except BadInput as error:
            raise BadInput("models_wrong", file=file, problems=error) from error
    return templates


def _spec(name: str, table: _ModelTable, file: Path, templates: dict[str, Template]) -> ModelSpec:
    if table.family not in FAMILIES:
        problem = message("no_such_family", family=table.family, names=", ".join(FAMILIES))
        raise BadInput("model_wrong", file=file, name=name, problem=problem)
    family = find_family(table.family)
    base, base_problem = _folder(table.base, file, "base_unset", "base_missing")
    adapter, adapter_problem = _folder(table.adapter, file, "adapter_unset", "adapter_missing")
    if not table.base:
        base_problem = ModelUnavailable("no_base")
    if table.engine != "local":
        base_problem = ModelUnavailable("no_engine", engine=table.engine)
    try:
        name_of_template = table.template or family.declared_template
        template = find_template(name_of_template, {**templates, **family.templates})
        defaults = GenerationOptions.from_mapping(table.defaults)
    except BadInput as error:
        raise BadInput("model_wrong", file=file, name=name, problem=error) from error
    return ModelSpec(
        name=name,
        label=table.label or name,
        family=table.family,
        template=template,
        base=base,
        adapter=adapter,
        vocabulary=table.vocabulary,
        engine=table.engine,
        defaults=defaults,
        about=table.about,
        demo=table.demo,
        problem=base_problem or adapter_problem,
    )


def _folder(
    value: str, file: Path, unset: str, missing: str
) -> tuple[Path | None, ModelUnavailable | None]:
    """The folder a value names, or None and the reason, by its code."""
    if not value:
        return None, None
    path = os.environ.get(value[1:], "") if value.startswith("$") else value
    if not path:
        return None, ModelUnavailable(unset, variable=value[1:])
    folder = (file.parent / Path(path).expanduser()).resolve()
    return (folder, None) if folder.is_dir() else (None, ModelUnavailable(missing, folder=folder))


def _refuse_equal_labels(specs: list[ModelSpec], file: Path) -> None:
    names: dict[str, str] = {}
    for spec in specs:
        if spec.label in names:
            first = names[spec.label]
            raise BadInput(
                "labels_equal", file=file, first=first, second=spec.name, label=spec.label
            )
        names[spec.label] = spec.name
