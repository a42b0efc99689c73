"""Models in memory: one copy of a base, the adapters on it, and proof that each does something.

Knows nothing of how a base was read, nor of threads: who switches adapters must be the only one to
use the base.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from peft import LoraConfig, PeftModel, set_peft_model_state_dict
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from medchat import __version__
from medchat.errors import CheckpointError
from medchat.models.adapters import (
    Adapter,
    check_fit,
    misfit,
    no_numbers,
    open_adapter,
    untrained,
)
from medchat.models.checkpoint import Checkpoint
from medchat.models.families import find_family
from medchat.models.families.definition import Family, Reply
from medchat.models.quiet import silence_libraries
from medchat.models.registry import ModelSpec
from medchat.models.templates import Template, Turn
from medchat.models.weights.files import fingerprint
from medchat.models.weights.reading import read

PROBE = "问题：感冒了怎么办？"
"""What base and adapter are both shown, to prove that they answer differently."""


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to answer: the network, its tokenizer, its template and what they came from.

    ``adapter`` is the name by which ``LoadedBase.activate`` switches it on; None is the base.
    """

    model: PreTrainedModel | PeftModel
    tokenizer: PreTrainedTokenizerBase
    template: Template
    provenance: dict[str, Any]
    family: Family
    adapter: str | None = None
    eos_ids: frozenset[int] = frozenset()

    @property
    def max_length(self) -> int:
        """Tokens that prompt and answer may have together."""
        return self.family.context_length(self.model.config)

    def encode_prompt(self, turns: Sequence[Turn]) -> tuple[str, list[int]]:
        """The prompt for the last turn's question, as text and as ids."""
        return self.family.encode_prompt(self.tokenizer, self.template, turns)

    def positions(self, input_ids: Tensor) -> Tensor | None:
        """Position ids of a whole sequence where the model needs them given, else None."""
        return self.family.positions(self.model, input_ids)

    def next_position(self, input_ids: Tensor) -> Tensor | None:
        """Position ids of the last token in a pass that longer sequences share."""
        return self.family.next_position(self.model, input_ids)

    def read_reply(self, ids: Sequence[int], prompt: str) -> Reply:
        """What the ids that the model has written so far say."""
        return self.family.read_reply(self.tokenizer, ids, prompt)


@dataclass
class LoadedBase:
    """A base in memory and the adapters on it. Not safe for two threads at once.

    An adapter is a LoRA or, in families that have them, a p-tuning prefix. ``checkpoint`` is what
    the base was read from.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    checkpoint: Checkpoint
    peft: PeftModel | None = None
    adapters: dict[str, Path] = field(default_factory=dict)
    prefixes: dict[str, nn.Module] = field(default_factory=dict)
    own_prefix: nn.Module | None = field(init=False)

    def __post_init__(self) -> None:
        self.own_prefix = self.family.current_prefix(self.model)

    @property
    def family(self) -> Family:
        return find_family(self.checkpoint.family)

    @property
    def folder(self) -> Path:
        return self.checkpoint.folder

    def activate(self, adapter: str | None) -> PreTrainedModel | PeftModel:
        """Switch one adapter on, or all off; returns the model to call."""
        prefix = self.prefixes.get(adapter) if adapter is not None else None
        self.family.put_prefix(self.model, prefix or self.own_prefix)
        if self.peft is None:
            return self.model
        if adapter is None or prefix:
            cast(Any, self.peft.base_model).disable_adapter_layers()
        else:
            cast(Any, self.peft.base_model).enable_adapter_layers()
            self.peft.set_adapter(_peft_name(adapter))
        return self.peft

    def add_adapter(self, name: str, folder: Path) -> None:
        """Put an adapter on the base.

        Raises CheckpointError where a tensor of it lands nowhere, where it changes nothing, or
        where it was made for another base; the base is then as it was before.
        """
        if name in self.adapters:
            raise ValueError(f"an adapter {name!r} is on this base already")
        file = self.family.prefix_file(folder)
        try:
            if file:
                self._put_in_front(name, file)
            else:
                self._put_on(name, folder)
            self._prove_difference(name, folder)
        except CheckpointError:
            self._take_off(name)
            raise
        except Exception as error:  # whatever peft raises where config and tensors do not fit
            self._take_off(name)
            reason = f"{type(error).__name__}: {str(error)[:200]}"
            raise CheckpointError(
                "adapter_refused", folder=folder, base=self.folder, remainder=reason
            ) from error
        self.adapters[name] = folder

    def _put_in_front(self, name: str, file: Path) -> None:
        if self.own_prefix is not None:
            raise CheckpointError("prefix_twice", folder=self.folder, file=file)
        prefix = self.family.open_prefix(file, self.checkpoint)
        self.prefixes[name] = self.family.build_prefix(prefix, self.model)

    def _put_on(self, name: str, folder: Path) -> None:
        adapter = open_adapter(folder)
        check_fit(adapter, self.checkpoint.shapes)
        tensors = {key: read(source) for key, source in adapter.sources.items()}
        _check_values(tensors, adapter)
        name, config = _peft_name(name), _lora_config(adapter, self.folder)
        with silence_libraries():
            if self.peft is None:
                self.peft = PeftModel(self.model, config, adapter_name=name)
            else:
                self.peft.add_adapter(name, config)
            result: Any = set_peft_model_state_dict(self.peft, tensors, adapter_name=name)
        missing = [key for key in result.missing_keys if f".{name}." in key]
        if result.unexpected_keys or missing:
            raise misfit(adapter, result.unexpected_keys, missing)
        self.peft.eval()

    def _take_off(self, name: str) -> None:
        """Undo ``_put_on`` or ``_put_in_front``, however far it came."""
        self.prefixes.pop(name, None)
        self.activate(None)
        if self.peft is None:
            return
        if len(self.adapters) > len(self.prefixes):
            if _peft_name(name) in self.peft.peft_config:
                with silence_libraries():
                    self.peft.delete_adapter(_peft_name(name))
        else:
            self.model = cast(PreTrainedModel, cast(Any, self.peft.base_model).unload())
            self.peft = None

    def _prove_difference(self, adapter: str, folder: Path) -> None:
        ids = torch.tensor([self.tokenizer(PROBE)["input_ids"]], device=self.model.device)
        with torch.inference_mode():
            with_adapter = _logits(self.activate(adapter), ids)
            without = _logits(self.activate(None), ids)
        for files, logits in ((self.folder, without), (folder, with_adapter)):
            if not logits.isfinite().all():
                raise CheckpointError("output_no_numbers", folder=files)
        if torch.equal(with_adapter, without):
            raise CheckpointError("adapter_no_change", folder=folder, base=self.folder)

    def as_loaded(self, spec: ModelSpec) -> LoadedModel:
        """The model that ``spec`` declares on this base; its adapter must have been added."""
        adapter = spec.name if spec.adapter else None
        return LoadedModel(
            model=self.activate(adapter),
            tokenizer=self.tokenizer,
            template=spec.template,
            provenance=_provenance(self, spec),
            family=self.family,
            adapter=adapter,
            eos_ids=frozenset(self.checkpoint.vocabulary.ends),
        )


def _check_values(tensors: dict[str, Tensor], adapter: Adapter) -> None:
    """Raises CheckpointError for an adapter that would do nothing, or only harm."""
    if zeros := [key for key, value in tensors.items() if ".lora_" in key and not value.any()]:
        raise untrained(adapter, zeros)
    for key, value in tensors.items():
        if not value.isfinite().all():
            raise no_numbers(adapter, key)


def _lora_config(adapter: Adapter, base: Path) -> LoraConfig:
    """The configuration for today's peft: what ``check_fit`` has compared with the tensors.

    It names the base that the adapter is put on: peft looks up any other name in the network when
    the model is saved.
    """
    settings = adapter.config
    return LoraConfig(
        r=adapter.rank,
        lora_alpha=cast(int, adapter.alpha),  # peft takes any number
        target_modules=adapter.modules,
        rank_pattern=settings.get("rank_pattern", {}),
        alpha_pattern=settings.get("alpha_pattern", {}),
        use_rslora=settings.get("use_rslora", False),
        modules_to_save=adapter.saved or None,
        base_model_name_or_path=str(base),
    )


def _peft_name(adapter: str) -> str:
    """The name as peft may have it: one that no module has, without the dot between modules."""
    return "adapter-" + adapter.replace("%", "%25").replace(".", "%2E")


def _logits(model: PreTrainedModel | PeftModel, ids: Tensor) -> Tensor:
    return cast(Tensor, cast(Any, model)(input_ids=ids).logits)


# -- provenance --


def _provenance(base: LoadedBase, spec: ModelSpec) -> dict[str, Any]:
    names = base.family.adapter_files
    candidates = [spec.adapter / name for name in names] if spec.adapter else []
    adapter_files = [file for file in candidates if file.is_file()]
    return {
        "model": spec.name,
        "base": base.folder.resolve().name,
        "base_fingerprint": fingerprint(base.checkpoint.files),
        "adapter": spec.adapter.resolve().name if spec.adapter else None,
        "adapter_fingerprint": fingerprint(adapter_files) if adapter_files else None,
        "template": spec.template.name,
        "dtype": str(base.model.dtype).removeprefix("torch."),
        "device": base.model.device.type,
        "medchat": __version__,
        "torch": str(torch.__version__),
    }
