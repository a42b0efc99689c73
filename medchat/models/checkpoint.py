"""What a base folder holds, and the checks of it that families share.

Every check that needs no weight in memory is made before anything is loaded. Needs no torch. Code
that lies in a folder is never run.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

from medchat.errors import BadInput, CheckpointError, Message, message
from medchat.models.shapes import Shapes
from medchat.models.vocabulary import Vocabulary
from medchat.models.weights.sources import FLOATS, Source


@dataclass(frozen=True)
class Checkpoint:
    """A base folder that has been read and is whole.

    ``family`` is the name of its family, and ``layout`` tells the file layouts of one apart.
    ``config`` is what matters of its config.json, with the ids and sizes that its other files vouch
    for; ``sources`` are the weights under the names that ``shapes`` has, the network's; and
    ``embedding`` is the name of the matrix with a row for each piece. ``bits`` is the precision of
    matrices that are stored quantised.
    """

    folder: Path
    family: str
    layout: str
    vocabulary: Vocabulary
    config: dict[str, Any]
    sources: dict[str, Source]
    shapes: Shapes
    embedding: str
    bits: int | None = None

    @property
    def stored_dtype(self) -> str:
        """The precision, by safetensors' name, that most of the weights are stored in."""
        sizes: dict[str, int] = {}
        for source in self.sources.values():
            sizes[source.dtype] = sizes.get(source.dtype, 0) + source.bytes
        return max(sizes, key=lambda dtype: sizes[dtype])

    @property
    def files(self) -> list[Path]:
        return sorted({source.file for source in self.sources.values()})

    @property
    def parameters(self) -> int:
        return sum(source.count for source in self.sources.values())

    @property
    def rows(self) -> int:
        """The vocabulary of the weights, which may have more rows than the tokenizer pieces."""
        return self.shapes[self.embedding][0]


def without_frequencies(sources: Mapping[str, Source]) -> dict[str, Source]:
    """Rotary frequencies, which some files carry along, are computed here."""
    return {name: s for name, s in sources.items() if not name.endswith("rotary_emb.inv_freq")}


def check_rows(vocabulary: Vocabulary, declared: int, rows: int | None, folder: Path) -> None:
    """Raises CheckpointError where config.json, weights and tokenizer disagree on the vocabulary.

    ``declared`` is the vocab_size of config.json, ``rows`` that of the embeddings if there are any.
    """
    if rows is not None and declared != rows and vocabulary.size <= rows:
        raise CheckpointError(
            "vocabulary_old", folder=folder, declared=declared, rows=rows, pieces=vocabulary.size
        )
    if vocabulary.size > declared:
        raise CheckpointError(
            "vocabulary_too_large", folder=folder, pieces=vocabulary.size, rows=declared
        )


def shapes_of(
    folder: Path, config: Mapping[str, Any], shapes: Callable[[Mapping[str, Any]], Shapes]
) -> Shapes:
    """The weights that a config.json asks for. Raises CheckpointError for sizes that are none."""
    try:
        return shapes(config)
    except BadInput as error:
        file = folder / "config.json"
        raise CheckpointError("config_unusable", file=file, problem=error.message) from error


def check_fit(
    folder: Path, shapes: Shapes, sources: Mapping[str, Source], tied: frozenset[str] = frozenset()
) -> None:
    """Every weight must have a file and every file's weight a place; ``tied`` ones may be absent.

    Raises CheckpointError with an example of each that does not.
    """
    problems: list[Message] = []
    if missing := sorted(set(shapes) - set(sources) - tied):
        problems.append(message("weights_missing", count=len(missing), name=missing[0]))
    if astray := sorted(set(sources) - set(shapes)):
        problems.append(message("weights_astray", count=len(astray), name=astray[0]))
    differing = [name for name in shapes if name in sources and shapes[name] != sources[name].shape]
    for name in differing[:1]:
        own, expected = list(sources[name].shape), list(shapes[name])
        problems.append(message("weight_shape", name=name, shape=own, expected=expected))
    if integers := [name for name, source in sources.items() if source.dtype not in FLOATS]:
        name = integers[0]
        problems.append(message("weight_integers", name=name, dtype=sources[name].dtype))
    if problems:
        raise CheckpointError("weights_misfit", folder=folder, problems=joined(problems))


def joined(problems: list[Message]) -> Message:
    """Several problems as one phrase."""
    return reduce(lambda first, second: message("and_then", first=first, second=second), problems)
