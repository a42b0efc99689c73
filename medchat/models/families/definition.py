"""What a family of models says of itself, and all that other rooms know of it.

A family is an object without state. Until a model is loaded nothing here needs torch: methods that
do import it themselves.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from medchat.errors import CheckpointError
from medchat.models.adapters import FILES as ADAPTER_FILES
from medchat.models.checkpoint import Checkpoint
from medchat.models.fields import Rule
from medchat.models.templates import Template, Turn, find_template
from medchat.models.weights.sources import Source

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class Reply(NamedTuple):
    """What a model wrote: the answer, and the reasoning that it set apart from it."""

    answer: str
    reasoning: str = ""


class Family(ABC):
    """The models of one architecture and its habits: files, prompts, positions and replies."""

    name: ClassVar[str]
    """As models.toml and config.json write it."""
    title: ClassVar[str]
    """As a person writes it."""
    fields: ClassVar[Mapping[str, Rule]] = {}
    """The fields of config.json that the network is built from, and what each may hold."""
    templates: ClassVar[Mapping[str, Template]] = {}
    """Templates that this family has besides the bundled ones."""
    declared_template: ClassVar[str] = "plain"
    """The template of a model whose table in models.toml names none."""
    base_template: ClassVar[str] = "plain"
    adapter_template: ClassVar[str] = "plain"
    """Templates of a folder that nobody declares. An adapter is taken for one of HuaTuo's, tuned
    on the knowledge base."""
    base_template_hint: ClassVar[str] = ""
    adapter_template_hint: ClassVar[str] = ""
    """What ``medchat check`` says of the template where there are several to choose from."""
    lora_targets: ClassVar[tuple[str, ...]]
    """The modules that an adapter changes unless its training says otherwise."""
    adapter_files: ClassVar[tuple[str, ...]] = ADAPTER_FILES
    """Names under which the weights of an adapter may lie."""

    # -- folders --

    def claims(self, folder: Path, config: Mapping[str, Any]) -> bool:
        """Whether a folder with this config.json is one of the family.

        Raises CheckpointError where it is a relative that cannot be used.
        """
        return bool(config.get("model_type") == self.name)

    def recognises(self, folder: Path, config: Mapping[str, Any]) -> bool:
        """Whether a folder that nobody declares is taken for one of the family."""
        return self.claims(folder, config)

    @abstractmethod
    def read(self, folder: Path, config: dict[str, Any]) -> Checkpoint:
        """What a folder holds. Raises CheckpointError where it is no whole model."""

    def expected_template(self, *, adapted: bool) -> Template:
        """What a model is asked in where nobody declares its template."""
        name = self.adapter_template if adapted else self.base_template
        return self.find_template(name)

    def find_template(self, name: str) -> Template:
        """A template of this family, or a bundled one."""
        return self.templates[name] if name in self.templates else find_template(name)

    def template_hint(self, *, adapted: bool) -> str:
        hint = self.adapter_template_hint if adapted else self.base_template_hint
        return hint or self.expected_template(adapted=adapted).name

    # -- loading --

    @abstractmethod
    def network_class(self, checkpoint: Checkpoint) -> Any:
        """The class of the network, of transformers or in its manner."""

    @abstractmethod
    def network_config(self, checkpoint: Checkpoint) -> Any:
        """The configuration of the network; raises whatever transformers does."""

    def checked_config(self, checkpoint: Checkpoint) -> Any:
        """As ``network_config``. Raises CheckpointError for values that transformers refuses."""
        try:
            return self.network_config(checkpoint)
        except Exception as error:  # transformers checks values with errors of its own
            file = checkpoint.folder / "config.json"
            raise CheckpointError(
                "config_refused", file=file, remainder=str(error)[:300]
            ) from error

    def empty_network(self, checkpoint: Checkpoint) -> "PreTrainedModel":
        """The network; its parameters have shapes but no memory yet."""
        from medchat.models.assembly import empty_network

        return empty_network(self.network_class(checkpoint), self.checked_config(checkpoint))

    def fill_network(
        self, network: "PreTrainedModel", checkpoint: Checkpoint, dtype: "torch.dtype", place: Any
    ) -> "PreTrainedModel":
        """The network with the checkpoint's weights, at its place (see ``assembly.Place``).

        Raises CheckpointError where a file turns out to be damaged or memory is short.
        """
        from medchat.models.assembly import fill

        fill(network, checkpoint, dtype=dtype, place=place)
        return network

    @abstractmethod
    def open_tokenizer(self, checkpoint: Checkpoint) -> "PreTrainedTokenizerBase":
        """Raises CheckpointError for a file that cannot be read."""

    def check_quantisable(self, checkpoint: Checkpoint) -> None:
        """Raises CheckpointError for weights that bitsandbytes cannot quantise."""
        if checkpoint.bits:
            raise CheckpointError(
                "quantised_already", folder=checkpoint.folder, bits=checkpoint.bits
            )

    # -- p-tuning prefixes, for families that have them --

    def prefix_file(self, folder: Path) -> Path | None:
        """The file of an adapter folder that holds a prefix, if there is one."""
        return None

    def open_prefix(self, file: Path, checkpoint: Checkpoint) -> Source:
        """Keys and values ``[length, …]``. Raises CheckpointError for another base's prefix."""
        raise NotImplementedError(self.name)

    def build_prefix(self, source: Source, model: "PreTrainedModel") -> "nn.Module":
        """The part of a network that puts a prefix in front."""
        raise NotImplementedError(self.name)

    def current_prefix(self, model: "PreTrainedModel") -> "nn.Module | None":
        return None

    def put_prefix(self, model: "PreTrainedModel", prefix: "nn.Module | None") -> None:
        """Let a network use this prefix, or none."""
        assert prefix is None

    # -- answering --

    def context_length(self, config: Any) -> int:
        """Tokens that prompt and answer may have together."""
        return int(config.max_position_embeddings)

    def encode_prompt(
        self, tokenizer: "PreTrainedTokenizerBase", template: Template, turns: Sequence[Turn]
    ) -> tuple[str, list[int]]:
        """The prompt for the last turn's question, as text and as ids."""
        text = template.render(turns)
        return text, list(tokenizer(text)["input_ids"])

    def positions(self, model: Any, input_ids: "Tensor") -> "Tensor | None":
        """Position ids of a whole sequence where the network needs them given, else None."""
        return None

    def next_position(self, model: Any, input_ids: "Tensor") -> "Tensor | None":
        """Position ids of the last token when other, longer sequences share the pass.

        None for a network that derives them from the attention mask.
        """
        positions = self.positions(model, input_ids)
        return None if positions is None else positions[..., -1:]

    def read_reply(
        self, tokenizer: "PreTrainedTokenizerBase", ids: Sequence[int], prompt: str
    ) -> Reply:
        """What the ids that a model has written so far say."""
        return Reply(self.tidy(str(tokenizer.decode(list(ids), skip_special_tokens=True))))

    def tidy(self, reply: str) -> str:
        """The reply as the published model's own code handed it on."""
        return reply

    def settled(self, answer: str) -> str:
        """The beginning of a growing answer that what comes next cannot change."""
        return answer
