"""Qwen, Gemma, Llama 3 and whatever else transformers loads without the folder's own code.

transformers builds the network and fits the weights to it; the files are read by this program's own
readers, so that no code in them is ever run. Needs torch, also to look at a folder.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from medchat.errors import BadInput, CheckpointError, Message, message
from medchat.models.checkpoint import Checkpoint, joined
from medchat.models.families.causal.prompts import (
    CHAT,
    check_chat_template,
    encode_chat,
    own_words,
    render_chat,
    turn_end,
)
from medchat.models.families.causal.reasoning import (
    MARKS,
    begins_thinking,
    split_reasoning,
    without_half_mark,
)
from medchat.models.families.definition import Family, Reply
from medchat.models.templates import Template, Turn
from medchat.models.vocabulary import Vocabulary, declared_ends, unreadable
from medchat.models.weights.files import open_folder
from medchat.models.weights.sources import FLOATS, Source, refuse_placeholder

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

LENGTH_FIELDS = ("max_position_embeddings", "n_positions", "seq_length", "max_seq_len")
DEFAULT_LENGTH = 2048
"""Tokens, for a network whose configuration names no limit."""
ATTENTION_LAYERS = {"full_attention", "sliding_attention", "chunked_attention"}


class CausalFamily(Family):
    name = "causal"
    title = "causal language model"
    templates: ClassVar[Mapping[str, Template]] = {CHAT.name: CHAT}
    declared_template = base_template = adapter_template = CHAT.name
    base_template_hint = adapter_template_hint = "chat, which the tokenizer brings"
    lora_targets = ("q_proj", "k_proj", "v_proj", "o_proj")

    # -- folders --

    def claims(self, folder: Path, config: Mapping[str, Any]) -> bool:
        kind = config.get("model_type")
        if not isinstance(kind, str):
            return False
        if _network_name(kind) is None:
            code = "needs_own_code" if config.get("auto_map") else "unknown_to_transformers"
            raise CheckpointError(code, folder=folder, kind=kind)
        return True

    def read(self, folder: Path, config: dict[str, Any]) -> Checkpoint:
        sources = open_folder(folder)
        settings = _read_config(folder)
        build = _network_class(settings)
        if _is_recurrent(build, settings):
            raise CheckpointError("recurrent", folder=folder, kind=settings.model_type)
        tokenizer = _open_tokenizer(folder)
        check_chat_template(tokenizer, folder)
        network = _check_weights(folder, build, settings, sources)
        shapes = {name: tuple(weight.shape) for name, weight in network.state_dict().items()}
        names = {id(weight): name for name, weight in network.named_parameters()}
        embedding = names[id(cast(Any, network.get_input_embeddings()).weight)]
        vocabulary = _read_vocabulary(folder, tokenizer, shapes[embedding][0])
        return Checkpoint(
            folder=folder,
            family=self.name,
            layout=settings.model_type,
            vocabulary=vocabulary,
            config=config,
            sources=sources,
            shapes=shapes,
            embedding=embedding,
        )

    # -- loading --

    def network_class(self, checkpoint: Checkpoint) -> Any:
        return _network_class(self.network_config(checkpoint))

    def network_config(self, checkpoint: Checkpoint) -> Any:
        return _read_config(checkpoint.folder)

    def empty_network(self, checkpoint: Checkpoint) -> "PreTrainedModel":
        config = self.checked_config(checkpoint)
        network, _ = _fit(_network_class(config), config, _without_numbers(checkpoint.sources))
        return network

    def fill_network(
        self, network: "PreTrainedModel", checkpoint: Checkpoint, dtype: "torch.dtype", place: Any
    ) -> "PreTrainedModel":
        from transformers import GenerationConfig

        from medchat.models.weights.reading import forget_old_files, read

        config = self.checked_config(checkpoint)
        by_file = sorted(checkpoint.sources.items(), key=lambda item: str(item[1].file))
        try:
            weights = {name: read(source, dtype) for name, source in by_file}
            forget_old_files()
            devices = place if isinstance(place, dict) else {"": place}
            filled, _ = _fit(type(network), config, weights, dtype=dtype, device_map=devices)
        except CheckpointError:
            raise
        except Exception as error:  # of transformers and torch, too many kinds to name
            folder, words = checkpoint.folder, own_words(error)
            raise CheckpointError("causal_not_loaded", folder=folder, remainder=words) from error
        filled.generation_config = GenerationConfig()  # what is asked for comes with each request
        return cast("PreTrainedModel", filled.eval())

    def open_tokenizer(self, checkpoint: Checkpoint) -> "PreTrainedTokenizerBase":
        return _open_tokenizer(checkpoint.folder)

    # -- answering --

    def context_length(self, config: Any) -> int:
        text = config.get_text_config()
        lengths = (getattr(text, name, None) for name in LENGTH_FIELDS)
        return int(next(filter(None, lengths), DEFAULT_LENGTH))

    def encode_prompt(
        self, tokenizer: "PreTrainedTokenizerBase", template: Template, turns: Sequence[Turn]
    ) -> tuple[str, list[int]]:
        if template.name != CHAT.name:
            return super().encode_prompt(tokenizer, template, turns)
        try:
            return render_chat(tokenizer, turns), encode_chat(tokenizer, turns)
        except Exception as error:  # of Jinja or of the template itself, too many kinds to name
            raise BadInput("conversation_not_rendered", remainder=own_words(error)) from error

    def next_position(self, model: Any, input_ids: "Tensor") -> "Tensor | None":
        build: Any = type(getattr(model, "get_base_model", lambda: model)())
        if not _takes_positions(build):
            return None
        return input_ids.new_tensor([[input_ids.shape[-1] - 1]])

    def read_reply(
        self, tokenizer: "PreTrainedTokenizerBase", ids: Sequence[int], prompt: str
    ) -> Reply:
        parts = split_reasoning(_decode(tokenizer, ids), thinking=begins_thinking(prompt))
        return Reply(*parts)

    def settled(self, answer: str) -> str:
        return without_half_mark(answer)


# -- what transformers says --


def _network_name(kind: str) -> Any:
    from transformers import CONFIG_MAPPING
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    return MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.get(kind) if kind in CONFIG_MAPPING else None


def _network_class(config: Any) -> Any:
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING

    return cast(Any, MODEL_FOR_CAUSAL_LM_MAPPING)[type(config)]


def _read_config(folder: Path) -> Any:
    from transformers import AutoConfig

    from medchat.models.quiet import silence_libraries

    try:
        with silence_libraries():
            return AutoConfig.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
    except Exception as error:  # transformers checks values with errors of its own
        file = folder / "config.json"
        raise CheckpointError("config_refused", file=file, remainder=own_words(error)) from error


def _open_tokenizer(folder: Path) -> "PreTrainedTokenizerBase":
    from transformers import AutoTokenizer

    from medchat.models.quiet import silence_libraries

    for name in ("tokenizer.json", "tokenizer.model"):
        if (folder / name).is_file():
            refuse_placeholder(folder / name)
    try:
        with silence_libraries():
            tokenizer = AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False, padding_side="left"
            )
    except Exception as error:  # whatever a damaged or missing file makes its reader raise
        file = folder / "tokenizer.json"
        if file.is_file():
            raise unreadable(file) from error
        words = own_words(error)
        raise CheckpointError("tokenizer_refused", folder=folder, remainder=words) from error
    return cast("PreTrainedTokenizerBase", tokenizer)


def _read_vocabulary(folder: Path, tokenizer: "PreTrainedTokenizerBase", rows: int) -> Vocabulary:
    size = max(tokenizer.get_vocab().values(), default=-1) + 1
    if size > rows:
        raise CheckpointError("vocabulary_too_large", folder=folder, pieces=size, rows=rows)
    own = (tokenizer.eos_token_id, turn_end(tokenizer))
    ends = [number for number in own if isinstance(number, int)]
    ends += declared_ends(folder, rows)
    if not ends:
        raise CheckpointError("no_end_token", folder=folder)
    pad = tokenizer.pad_token_id
    return Vocabulary(
        size=size,
        bos=cast("int | None", tokenizer.bos_token_id),
        eos=ends[0],
        pad=pad if isinstance(pad, int) else ends[0],
        more_ends=tuple(sorted(set(ends[1:]) - {ends[0]})),
    )


def _is_recurrent(build: Any, config: Any) -> bool:
    """Whether a network remembers by more than keys and values of every token."""
    layers = getattr(config.get_text_config(), "layer_types", None) or ()
    return bool(getattr(build, "_is_stateful", False)) or not ATTENTION_LAYERS.issuperset(layers)


def _takes_positions(build: Any) -> bool:
    return "position_ids" in _parameters(build.forward)


@cache
def _parameters(function: Callable[..., Any]) -> frozenset[str]:
    return frozenset(inspect.signature(function).parameters)


# -- weights --


def _without_numbers(sources: Mapping[str, Source]) -> dict[str, "Tensor"]:
    """Tensors that have shapes, but neither numbers nor memory."""
    import torch

    return {name: torch.empty(s.shape, device="meta") for name, s in sources.items()}


def _fit(
    build: Any, config: Any, weights: Mapping[str, "Tensor"], **options: Any
) -> tuple["PreTrainedModel", dict[str, Any]]:
    """A network with these weights, which transformers renames and joins as it needs them.

    Also what did not fit: ``missing_keys``, ``unexpected_keys`` and ``mismatched_keys``.
    """
    from medchat.models.quiet import silence_libraries

    options = {"device_map": {"": "meta"}} | options
    with silence_libraries():  # one network at a time: torch's default precision is changed
        network, fit = build.from_pretrained(
            None,
            config=config,
            state_dict=dict(weights),
            ignore_mismatched_sizes=True,
            output_loading_info=True,
            **options,
        )
    return cast("PreTrainedModel", network), fit


def _check_weights(
    folder: Path, build: Any, config: Any, sources: Mapping[str, Source]
) -> "PreTrainedModel":
    """The network without numbers. Raises CheckpointError unless each of its weights has a file."""
    problems: list[Message] = []
    for name, source in sources.items():
        if source.dtype not in FLOATS:
            problems.append(message("weight_integers", name=name, dtype=source.dtype))
            break
    try:
        network, fit = _fit(build, config, _without_numbers(sources))
    except Exception as error:  # transformers checks values with errors of its own
        file = folder / "config.json"
        raise CheckpointError("config_refused", file=file, remainder=own_words(error)) from error
    for code, key in (("weights_missing", "missing_keys"), ("weights_astray", "unexpected_keys")):
        if names := _sorted_names(fit[key]):
            problems.append(message(code, count=len(names), name=names[0]))
    for name, own, expected in sorted(fit["mismatched_keys"], key=str)[:1]:
        problems.append(
            message("weight_shape", name=name, shape=list(own), expected=list(expected))
        )
    if problems:
        raise CheckpointError("weights_misfit", folder=folder, problems=joined(problems))
    return network


def _sorted_names(names: Iterable[Any]) -> list[str]:
    return sorted(map(str, names))


# -- text --


def _decode(tokenizer: "PreTrainedTokenizerBase", ids: Sequence[int]) -> str:
    """The text of the ids; marks of reasoning stay in it, also where they are special tokens."""
    marks = {}
    for mark in MARKS:
        number = tokenizer.convert_tokens_to_ids(mark)
        if isinstance(number, int) and tokenizer.convert_ids_to_tokens(number) == mark:
            marks[number] = mark
    text, segment = "", list[int]()
    for token in [*ids, None]:
        if token is not None and token not in marks:
            segment.append(token)
            continue
        text += str(tokenizer.decode(segment, skip_special_tokens=True))
        text += "" if token is None else marks[token]
        segment = []
    return text


FAMILY = CausalFamily()
