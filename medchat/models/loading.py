"""Model folders -> models in memory, with everything checked that could go wrong silently.

One copy of a base serves the base and all its adapters (``LoadedBase``). Never runs code that lies
in a folder, reads ``.bin`` files with ``weights_only`` alone. Knows nothing of threads: who
switches adapters must be the only one to use the base.
"""

import hashlib
import json
import pickle
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
INDEX_FILES = {
    ".safetensors": "model.safetensors.index.json",
    ".bin": "pytorch_model.bin.index.json",
}
ADAPTER_FILES = ("adapter_model.safetensors", "adapter_model.bin", "pytorch_model.bin")
HASHED_WHOLE = 64 * 2**20
"""Bytes up to which a weight file's content enters the fingerprint; of larger ones, the size."""
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
            self.peft.set_adapter(_peft_name(adapter))
        return self.peft

    def add_adapter(self, name: str, folder: Path) -> None:
        """Put an adapter on the base.

        Raises CheckpointError where a tensor of it lands nowhere, where it changes nothing, or
        where it was made for another base; the base is then as it was before.
        """
        if name in self.adapters:
            raise ValueError(f"an adapter {name!r} is on this base already")
        config = read_adapter_config(folder)
        tensors = read_adapter_tensors(folder)
        _check_adapter_shapes(tensors, config, self.model, folder)
        try:
            self._put_on(name, config, tensors, folder)
            self._prove_difference(name, folder)
        except CheckpointError:
            self._take_off(name)
            raise
        except Exception as error:  # whatever peft raises where config and tensors do not fit
            self._take_off(name)
            raise CheckpointError(
                f"The adapter in {folder} cannot be put on the base in {self.folder}. "
                f"{type(error).__name__}: {str(error)[:200]}"
            ) from error
        self.adapters[name] = folder

    def _put_on(
        self, name: str, config: LoraConfig, tensors: dict[str, Tensor], folder: Path
    ) -> None:
        name = _peft_name(name)
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

    def _take_off(self, name: str) -> None:
        """Undo ``_put_on``, however far it came."""
        if self.peft is None:
            return
        if self.adapters:
            if _peft_name(name) in self.peft.peft_config:
                with _quiet():
                    self.peft.delete_adapter(_peft_name(name))
        else:
            self.model = cast(PreTrainedModel, cast(Any, self.peft.base_model).unload())
            self.peft = None

    def _prove_difference(self, adapter: str, folder: Path) -> None:
        ids = torch.tensor([self.tokenizer(PROBE)["input_ids"]], device=self.model.device)
        with torch.inference_mode():
            with_adapter = _logits(self.activate(adapter), ids)
            without = _logits(self.activate(None), ids)
        if torch.equal(with_adapter, without):
            raise CheckpointError(
                f"The adapter in {folder} changes nothing: with and without it the "
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


def _peft_name(adapter: str) -> str:
    """The name as peft may have it: one that no module has, without the dot between modules."""
    return "adapter-" + adapter.replace("%", "%25").replace(".", "%2E")


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
    if folder is None:
        raise CheckpointError(f"{spec.label} names no base folder.")
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
        try:
            return torch.empty(0, device=device).device
        except (RuntimeError, AssertionError) as error:
            raise CheckpointError(
                f"This machine has no device {device!r}. Use auto, cpu, cuda or mps."
            ) from error
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
    """Raises CheckpointError where the folder holds no model of a known family."""
    _check_folder(folder)
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
    tokenizer = _tokenizer(LlamaSentencePieceTokenizer, folder, "tokenizer.model")
    config = _config(LlamaConfig, raw, folder)
    if tokenizer.vocab_size > config.vocab_size:
        raise CheckpointError(
            f"The tokenizer in {folder} knows {tokenizer.vocab_size} pieces, the model only "
            f"{config.vocab_size}: they belong to different models."
        )
    return tokenizer, _from_pretrained(LlamaForCausalLM, folder, config, dtype)


def _load_chatglm(
    folder: Path, dtype: torch.dtype
) -> tuple[PreTrainedTokenizerBase, PreTrainedModel]:
    raw = _read_json(folder / "config.json")
    if raw.get("quantization_bit"):
        raise CheckpointError(
            f"{folder} is quantised to {raw['quantization_bit']} bits; this version reads only "
            "unquantised ChatGLM-6B checkpoints."
        )
    if raw.get("pre_seq_len"):
        raise CheckpointError(
            f"{folder} has a p-tuning prefix (pre_seq_len in its config.json); this version cannot "
            "read it, and without it the model would answer otherwise."
        )
    tokenizer: Any = _tokenizer(ChatGLMTokenizer, folder, "ice_text.model")
    config = _config(ChatGLMConfig, raw, folder)
    ids = (tokenizer.gmask_id, tokenizer.bos_token_id, tokenizer.eos_token_id)
    declared = (config.gmask_token_id, config.bos_token_id, config.eos_token_id)
    if ids != declared:
        raise CheckpointError(
            f"config.json and ice_text.model in {folder} belong to different layouts of ChatGLM-6B:"
            f" the ids of [gMASK], <sop> and <eop> are {declared} in the one and {ids} in the other"
            "."
        )
    return tokenizer, _from_pretrained(ChatGLMForConditionalGeneration, folder, config, dtype)


def _tokenizer(kind: Any, folder: Path, name: str) -> PreTrainedTokenizerBase:
    file = folder / name
    if not file.is_file():
        raise CheckpointError(f"{folder} lacks the tokenizer file {name}.")
    _refuse_placeholder(file)
    try:
        return cast(PreTrainedTokenizerBase, kind(str(file)))
    except Exception as error:  # whatever a damaged file makes its reader raise
        raise CheckpointError(
            f"{file} ({file.stat().st_size} bytes) cannot be read as a tokenizer; the download may "
            "be incomplete."
        ) from error


def _config(kind: Any, raw: dict[str, Any], folder: Path) -> Any:
    try:
        return kind(**raw)
    except Exception as error:  # transformers checks values with errors of its own
        raise CheckpointError(
            f"{folder / 'config.json'} cannot be used: {str(error)[:300]}"
        ) from error


def _from_pretrained(kind: Any, folder: Path, config: Any, dtype: torch.dtype) -> PreTrainedModel:
    try:
        with _quiet():
            model, report = kind.from_pretrained(
                folder,
                config=config,
                dtype=dtype,
                output_loading_info=True,
                local_files_only=True,
                ignore_mismatched_sizes=True,  # they are in the report, and refused below
            )
    except Exception as error:  # whatever a damaged file makes its reader raise
        for file in weight_files(folder):
            _read_tensors(file)  # names the file at fault
        raise CheckpointError(
            f"The weights in {folder} cannot be read: {str(error)[:300]}"
        ) from error
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


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise CheckpointError(
            f"There is no model folder {folder}. It must hold config.json, the weights "
            "(*.safetensors or pytorch_model*.bin) and the tokenizer's .model file."
        )
    if not weight_files(folder) and any(folder.glob("consolidated*.pth")):
        raise CheckpointError(
            f"{folder} holds Meta's own .pth files. Convert them to the Hugging Face layout first."
        )


def _read_json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(f"{file.parent} lacks {file.name}.") from None
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
    _check_shards(folder, files[0].suffix)
    for file in files:
        _refuse_placeholder(file)


def _check_shards(folder: Path, suffix: str) -> None:
    index = folder / INDEX_FILES[suffix]
    if not index.is_file():
        return
    places = _read_json(index).get("weight_map")
    if not isinstance(places, dict):
        raise CheckpointError(f"{index} lacks its weight_map; the download is incomplete.")
    missing = sorted(name for name in set(places.values()) if not (folder / name).is_file())
    if missing:
        raise CheckpointError(
            f"{folder} lacks {len(missing)} of its weight files: {', '.join(missing)}. "
            "The download is incomplete."
        )


def _refuse_placeholder(file: Path) -> None:
    with file.open("rb") as stream:
        start = stream.read(64).lstrip()
    if not start or start.startswith((b"version https://git-lfs", b"<")):
        raise CheckpointError(
            f"{file} is not the file itself but a placeholder of {file.stat().st_size} bytes: "
            "the download is incomplete."
        )


def _read_tensors(file: Path) -> dict[str, Tensor]:
    size = file.stat().st_size
    try:
        if file.suffix == ".safetensors":
            content: Any = load_file(file)
        else:
            content = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # Its own text recommends weights_only=False: nothing to hand on.
        raise CheckpointError(
            f"{file} ({size} bytes) holds something other than weights, or its download is "
            "incomplete. Code in a weight file is never run."
        ) from error
    except Exception as error:  # whatever a damaged file makes its reader raise
        raise CheckpointError(
            f"{file} ({size} bytes) cannot be read as weights; the download may be incomplete. "
            f"{type(error).__name__}: {str(error)[:200]}"
        ) from error
    if not isinstance(content, dict) or not all(isinstance(t, Tensor) for t in content.values()):
        raise CheckpointError(f"{file} ({size} bytes) holds something other than weights.")
    return content


def read_adapter_config(folder: Path) -> LoraConfig:
    """An adapter's configuration, of any peft version since 0.2."""
    file = folder / "adapter_config.json"
    if not folder.is_dir():
        raise CheckpointError(
            f"There is no adapter folder {folder}. It must hold {file.name} and "
            f"{ADAPTER_FILES[0]} or {ADAPTER_FILES[1]}."
        )
    raw = _read_json(file)
    if raw.get("peft_type") != "LORA":
        raise CheckpointError(f"{file} declares {raw.get('peft_type')!r}, not a LoRA.")
    known = {item.name for item in dataclass_fields(LoraConfig)}
    try:
        config = LoraConfig(**{key: value for key, value in raw.items() if key in known})
    except Exception as error:  # peft checks some values, each in its own way
        raise CheckpointError(f"{file} cannot be used: {str(error)[:300]}") from error
    # What changes the base itself would change it for every other adapter on it.
    if config.bias != "none":
        raise CheckpointError(f"{file}: bias {config.bias!r} would change the base; use 'none'.")
    if config.init_lora_weights not in (True, False, "gaussian"):
        raise CheckpointError(
            f"{file}: init_lora_weights {config.init_lora_weights!r} would change the base; "
            "convert the adapter to a plain LoRA."
        )
    return config


def read_adapter_tensors(folder: Path) -> dict[str, Tensor]:
    """The adapter's tensors; raises CheckpointError where its file is missing or damaged."""
    file = next((folder / name for name in ADAPTER_FILES if (folder / name).is_file()), None)
    if file is None:
        raise CheckpointError(
            f"{folder} lacks the adapter's weights: {ADAPTER_FILES[0]} or {ADAPTER_FILES[1]}."
        )
    _refuse_placeholder(file)
    return {
        key.replace("_orig_mod.", "").replace(".default.", "."): value
        for key, value in _read_tensors(file).items()
    }


def _check_adapter_shapes(
    tensors: dict[str, Tensor], config: LoraConfig, model: PreTrainedModel, folder: Path
) -> None:
    grown = {key: value for key, value in tensors.items() if ".lora_B" in key}
    if not grown:
        raise CheckpointError(f"The adapter in {folder} holds no LoRA tensor.")
    if not any(bool(value.any()) for value in grown.values()):
        raise CheckpointError(f"The adapter in {folder} is empty: all its lora_B tensors are zero.")
    modules = dict(model.named_modules())
    for key, value in tensors.items():
        if not value.isfinite().all():
            raise CheckpointError(f"The adapter in {folder} is damaged: {key} is not all numbers.")
        if ".lora_" not in key and not any(f".{name}." in key for name in _saved(config)):
            raise CheckpointError(
                f"The adapter in {folder} would change {key} of its base, for every other adapter "
                "on that base too. Only LoRA tensors can be used."
            )
        if ".lora_A" in key or ".lora_B" in key:
            _check_lora_tensor(key, value, config, modules, folder)


def _check_lora_tensor(
    key: str, value: Tensor, config: LoraConfig, modules: dict[str, torch.nn.Module], folder: Path
) -> None:
    path = key.removeprefix("base_model.model.").split(".lora_")[0]
    base = f"It names {config.base_model_name_or_path or 'no model'} as its base."
    weight = getattr(modules.get(path), "weight", None)
    if not isinstance(weight, Tensor):
        raise CheckpointError(
            f"The adapter in {folder} changes {path}, which this base lacks. {base}"
        )
    if value.dim() != 2:
        raise CheckpointError(f"The adapter in {folder} is damaged: {key} is not a matrix.")
    rank, has = value.shape if ".lora_A" in key else reversed(value.shape)
    wanted = weight.shape[1] if ".lora_A" in key else weight.shape[0]
    if wanted != has:
        raise CheckpointError(
            f"The adapter in {folder} was made for another base: {path} has {has} where this "
            f"base has {wanted}. {base}"
        )
    if rank != config.r and not config.rank_pattern:
        raise CheckpointError(
            f"The adapter in {folder} does not fit its own adapter_config.json: {path} has rank "
            f"{rank}, declared is {config.r}."
        )


def _saved(config: LoraConfig) -> list[str]:
    """Modules that the adapter brings whole; peft keeps such a copy for each adapter."""
    return list(config.modules_to_save or [])


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
    adapter_files = [file for file in adapter_files if file.is_file()]
    return {
        "model": spec.name,
        "base": base.folder.name,
        "base_fingerprint": fingerprint(weight_files(base.folder)),
        "adapter": spec.adapter.name if spec.adapter else None,
        "adapter_fingerprint": fingerprint(adapter_files) if adapter_files else None,
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
