"""Model folders -> models in memory, with everything checked that could go wrong silently.

One copy of a base serves the base and all its adapters (``LoadedBase``). Never runs code that lies
in a folder, reads ``.bin`` files with ``weights_only`` alone. Knows nothing of threads: who
switches adapters must be the only one to use the base.
"""

import hashlib
import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from dataclasses import fields as dataclass_fields
from pathlib import Path
from typing import Any, cast

import torch
from peft import LoraConfig, PeftModel, set_peft_model_state_dict
from safetensors.torch import load_file
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from medchat import __version__
from medchat.errors import CheckpointError
from medchat.models.chatglm import (
    ChatGLMConfig,
    ChatGLMForConditionalGeneration,
    ChatGLMTokenizer,
)
from medchat.models.llama import LlamaSentencePieceTokenizer
from medchat.models.postprocess import tidy_chatglm_reply
from medchat.models.registry import Family, ModelSpec
from medchat.models.templates import Template, find_template

WEIGHT_FILES = ("*.safetensors", "pytorch_model*.bin")
ADAPTER_FILES = ("adapter_model.safetensors", "adapter_model.bin")
HASHED_WHOLE = 64 * 2**20
"""Bytes up to which a weight file's content enters the fingerprint; of larger ones, the size."""
PROBE = "问题：感冒了怎么办？"
"""What base and adapter are both shown, to prove that they answer differently."""


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to answer: the network, its tokenizer, its template and what they came from.

    ``adapter`` is the name under which the adapter is switched on in ``model``; None is the base.
    """

    model: PreTrainedModel | PeftModel
    tokenizer: PreTrainedTokenizerBase
    template: Template
    provenance: dict[str, Any]
    family: Family
    adapter: str | None = None

    @property
    def eos_ids(self) -> set[int]:
        return {int(self.tokenizer.eos_token_id)}

    @property
    def longest(self) -> int:
        """Tokens that prompt and answer may have together."""
        return int(self.model.config.max_position_embeddings)

    def positions(self, input_ids: Tensor) -> Tensor | None:
        """Position ids of a whole sequence where the model needs them given, else None."""
        if self.family == "chatglm":
            return cast(ChatGLMForConditionalGeneration, self.model).sequence_positions(input_ids)
        return None

    def tidy(self, reply: str) -> str:
        """The reply as the published model's own code handed it on."""
        return tidy_chatglm_reply(reply) if self.family == "chatglm" else reply


@dataclass
class LoadedBase:
    """A base in memory and the adapters on it. Not safe for two threads at once."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    family: Family
    folder: Path
    peft: PeftModel | None = None
    adapters: dict[str, Path] = field(default_factory=dict)

    def activate(self, adapter: str | None) -> PreTrainedModel | PeftModel:
        """Switch one adapter on, or all off; returns the model to call."""
        if self.peft is None:
            return self.model
        if adapter is None:
            cast(Any, self.peft.base_model).disable_adapter_layers()
        else:
            cast(Any, self.peft.base_model).enable_adapter_layers()
            self.peft.set_adapter(adapter)
        return self.peft

    def add_adapter(self, name: str, folder: Path) -> None:
        """Put an adapter on the base.

        Raises CheckpointError where a tensor of it lands nowhere, where it changes nothing, or
        where it was made for another base.
        """
        config = read_adapter_config(folder)
        tensors = read_adapter_tensors(folder)
        _check_adapter_shapes(tensors, self.model, folder)
        with _quiet():
            if self.peft is None:
                self.peft = PeftModel(self.model, config, adapter_name=name)
            else:
                self.peft.add_adapter(name, config)
            result: Any = set_peft_model_state_dict(self.peft, tensors, adapter_name=name)
        missing = [key for key in result.missing_keys if f".{name}." in key]
        if result.unexpected_keys or missing:
            astray = [*result.unexpected_keys, *missing][:3]
            raise CheckpointError(
                f"The adapter in {folder} does not fit the base in {self.folder}: "
                f"{len(result.unexpected_keys)} of its tensors have no place and {len(missing)} "
                f"places stay empty, for example {', '.join(astray)}."
            )
        self.peft.eval()
        self.adapters[name] = folder
        self._prove_difference(name)

    def _prove_difference(self, adapter: str) -> None:
        ids = torch.tensor([self.tokenizer(PROBE)["input_ids"]], device=self.model.device)
        with torch.inference_mode():
            with_adapter = _logits(self.activate(adapter), ids)
            without = _logits(self.activate(None), ids)
        if torch.equal(with_adapter, without):
            raise CheckpointError(
                f"The adapter in {self.adapters[adapter]} changes nothing: with and without it the "
                f"base in {self.folder} gives the same logits. Its file is probably damaged."
            )

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
        )


def _logits(model: PreTrainedModel | PeftModel, ids: Tensor) -> Tensor:
    return cast(Tensor, cast(Any, model)(input_ids=ids).logits)


# -- public loaders --


def load(
    path_or_spec: Path | str | ModelSpec,
    *,
    adapter: Path | str | None = None,
    device: str = "auto",
    dtype: str = "auto",
) -> LoadedModel:
    """Load one model, by folder or by spec.

    A folder's family is read from its ``config.json``; its template is the plain one, or the med
    one with an adapter. Raises CheckpointError for files that cannot be used.
    """
    if isinstance(path_or_spec, ModelSpec):
        spec = path_or_spec
    else:
        folder = Path(path_or_spec)
        family = read_family(folder)
        template = "chatglm" if family == "chatglm" else "med" if adapter else "plain"
        spec = ModelSpec(
            name=Path(adapter).name if adapter else folder.name,
            label=folder.name,
            family=family,
            template=find_template(template),
            base=folder,
            adapter=Path(adapter) if adapter else None,
        )
    base = load_base(spec, device=device, dtype=dtype)
    if spec.adapter:
        base.add_adapter(spec.name, spec.adapter)
    return base.as_loaded(spec)


def load_base(spec: ModelSpec, *, device: str = "auto", dtype: str = "auto") -> LoadedBase:
    """Load the base that ``spec`` stands on, without any adapter.

    ``device`` is ``auto`` (cuda, mps or cpu) or a torch device; ``dtype`` is ``auto`` (float16 on
    a GPU, float32 on a processor), ``float32``, ``float16`` or ``bfloat16``.
    """
    folder = spec.base
    if folder is None or not folder.is_dir():
        raise CheckpointError(
            f"There is no model folder {folder}. It must hold config.json, the weights "
            "(*.safetensors or pytorch_model*.bin) and the tokenizer's .model file."
        )
    family = read_family(folder)
    if family != spec.family:
        raise CheckpointError(f"{folder} holds a {family} model, not a {spec.family} one.")
    _check_weight_files(folder)
    place = choose_device(device)
    precision = choose_dtype(dtype, place)
    tokenizer, model = (_load_llama if family == "llama" else _load_chatglm)(folder, precision)
    model.to(place)  # type: ignore[arg-type, unused-ignore]
    model.eval()
    return LoadedBase(model, tokenizer, family, folder)


def choose_device(device: str) -> torch.device:
    if device != "auto":
        return torch.device(device)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def choose_dtype(dtype: str, device: torch.device) -> torch.dtype:
    if dtype == "auto":
        return torch.float32 if device.type == "cpu" else torch.float16
    known = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
    try:
        return known[dtype]
    except KeyError:
        raise CheckpointError(
            f"dtype {dtype!r} is unknown. Use auto, {', '.join(known)}."
        ) from None


# -- families --


def read_family(folder: Path) -> Family:
    config = _read_json(folder / "config.json")
    kind = config.get("model_type")
    if kind == "llama":
        return "llama"
    if kind == "chatglm":
        if (folder / "tokenizer.model").exists() and not (folder / "ice_text.model").exists():
            raise CheckpointError(f"{folder} holds a ChatGLM2 or later; only ChatGLM-6B is known.")
        return "chatglm"
    raise CheckpointError(
        f"{folder / 'config.json'} declares the model type {kind!r}; known are llama and chatglm."
    )


def _load_llama(
    folder: Path, dtype: torch.dtype
) -> tuple[PreTrainedTokenizerBase, PreTrainedModel]:
    raw = _read_json(folder / "config.json")
    # The copies of LLaMA-7B that circulate carry wrong ids; the originals are 0, 1 and 2.
    raw.update(bos_token_id=1, eos_token_id=2, pad_token_id=0)
    if "max_sequence_length" in raw:
        raw.setdefault("max_position_embeddings", raw.pop("max_sequence_length"))
    tokenizer = LlamaSentencePieceTokenizer(str(_need(folder, "tokenizer.model")))
    model = _from_pretrained(LlamaForCausalLM, folder, LlamaConfig(**raw), dtype)
    return cast(PreTrainedTokenizerBase, tokenizer), model


def _load_chatglm(
    folder: Path, dtype: torch.dtype
) -> tuple[PreTrainedTokenizerBase, PreTrainedModel]:
    raw = _read_json(folder / "config.json")
    if raw.get("quantization_bit"):
        raise CheckpointError(
            f"{folder} is quantised to {raw['quantization_bit']} bits; this version reads only "
            "unquantised ChatGLM-6B checkpoints."
        )
    tokenizer = ChatGLMTokenizer(str(_need(folder, "ice_text.model")))
    model = _from_pretrained(
        ChatGLMForConditionalGeneration, folder, ChatGLMConfig.from_dict(raw), dtype
    )
    return cast(PreTrainedTokenizerBase, tokenizer), model


def _from_pretrained(kind: Any, folder: Path, config: Any, dtype: torch.dtype) -> PreTrainedModel:
    try:
        with _quiet():
            model, report = kind.from_pretrained(
                folder, config=config, dtype=dtype, output_loading_info=True, local_files_only=True
            )
    except (OSError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"The weights in {folder} cannot be read: {error}") from error
    wrong = {
        what: sorted(map(str, report[what]))
        for what in ("missing_keys", "unexpected_keys", "mismatched_keys")
        if report[what]
    }
    # Frequencies that some files carry along are computed here.
    wrong = {
        what: names
        for what, names in wrong.items()
        if not all(name.endswith("rotary_emb.inv_freq") for name in names)
    }
    if wrong:
        told = "; ".join(f"{what.split('_')[0]}: {', '.join(n[:3])}" for what, n in wrong.items())
        raise CheckpointError(f"The weights in {folder} do not fit its config.json ({told}).")
    model.generation_config.eos_token_id = config.eos_token_id
    model.generation_config.pad_token_id = config.pad_token_id
    model.generation_config.bos_token_id = config.bos_token_id
    return cast(PreTrainedModel, model)


# -- files --


def _need(folder: Path, name: str) -> Path:
    file = folder / name
    if not file.is_file():
        raise CheckpointError(f"{folder} lacks the tokenizer file {name}.")
    return file


def _read_json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(f"{file.parent} is no model folder: it lacks {file.name}.") from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{file} cannot be read as JSON: {error}.") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{file} must hold a JSON object.")
    return content


def weight_files(folder: Path) -> list[Path]:
    """The weight files of a base folder; safetensors before ``.bin`` where it has both."""
    for pattern in WEIGHT_FILES:
        if found := sorted(folder.glob(pattern)):
            return found
    return []


def _check_weight_files(folder: Path) -> None:
    files = weight_files(folder)
    if not files:
        raise CheckpointError(
            f"{folder} holds no weights: neither *.safetensors nor pytorch_model*.bin."
        )
    for file in files:
        with file.open("rb") as stream:
            start = stream.read(64)
        if start.startswith((b"version https://git-lfs", b"<")):
            raise CheckpointError(
                f"{file} is not the weights but a placeholder of {file.stat().st_size} bytes: "
                "the download is incomplete."
            )


def read_adapter_config(folder: Path) -> LoraConfig:
    """An adapter's configuration, of any peft version since 0.2."""
    raw = _read_json(folder / "adapter_config.json")
    if raw.get("peft_type") != "LORA":
        raise CheckpointError(
            f"{folder / 'adapter_config.json'} declares {raw.get('peft_type')!r}, not a LoRA."
        )
    known = {item.name for item in dataclass_fields(LoraConfig)}
    return LoraConfig(**{key: value for key, value in raw.items() if key in known})


def read_adapter_tensors(folder: Path) -> dict[str, Tensor]:
    """The adapter's tensors; raises CheckpointError where its file is missing or damaged."""
    file = next((folder / name for name in ADAPTER_FILES if (folder / name).is_file()), None)
    if file is None:
        raise CheckpointError(f"{folder} lacks the adapter's weights: {' or '.join(ADAPTER_FILES)}")
    try:
        if file.suffix == ".safetensors":
            tensors = load_file(file)
        else:
            tensors = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a damaged file makes its reader raise
        raise CheckpointError(
            f"{file} ({file.stat().st_size} bytes) cannot be read as weights; the download may be "
            f"incomplete. {type(error).__name__}: {str(error)[:200]}"
        ) from error
    return {key.replace(".default.", "."): value for key, value in tensors.items()}


def _check_adapter_shapes(tensors: dict[str, Tensor], model: PreTrainedModel, folder: Path) -> None:
    grown = {key: value for key, value in tensors.items() if ".lora_B" in key}
    if not grown:
        raise CheckpointError(f"The adapter in {folder} holds no LoRA tensor.")
    if not any(bool(value.any()) for value in grown.values()):
        raise CheckpointError(f"The adapter in {folder} is empty: all its lora_B tensors are zero.")
    sizes = dict(model.named_modules())
    for key, value in tensors.items():
        if ".lora_A" not in key and ".lora_B" not in key:
            continue
        path = key.removeprefix("base_model.model.").split(".lora_")[0]
        weight = getattr(sizes.get(path), "weight", None)
        if weight is None:
            raise CheckpointError(f"The adapter in {folder} changes {path}, which its base lacks.")
        wanted = weight.shape[1] if ".lora_A" in key else weight.shape[0]
        has = value.shape[1] if ".lora_A" in key else value.shape[0]
        if wanted != has:
            raise CheckpointError(
                f"The adapter in {folder} was made for another base: {path} has {has} where this "
                f"base has {wanted}."
            )


# -- provenance --


def fingerprint(files: list[Path]) -> str:
    """Sixteen hex digits from the names and contents of weight files, of large ones the size."""
    digest = hashlib.sha256()
    for file in files:
        size = file.stat().st_size
        digest.update(f"{file.name}:{size}\n".encode())
        if size <= HASHED_WHOLE:
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _provenance(base: LoadedBase, spec: ModelSpec) -> dict[str, Any]:
    adapter_files = [spec.adapter / n for n in ADAPTER_FILES] if spec.adapter else []
    return {
        "model": spec.name,
        "base": base.folder.name,
        "base_fingerprint": fingerprint(weight_files(base.folder)),
        "adapter": spec.adapter.name if spec.adapter else None,
        "adapter_fingerprint": fingerprint([f for f in adapter_files if f.is_file()]) or None,
        "template": spec.template.name,
        "dtype": str(base.model.dtype).removeprefix("torch."),
        "device": base.model.device.type,
        "medchat": __version__,
        "torch": str(torch.__version__),
    }


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the libraries' progress bars and remarks: what matters of them is checked here."""
    before = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        transformers_logging.set_verbosity(before)
