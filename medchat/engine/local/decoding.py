"""One answer, token by token: prompt in, pieces of text out.

Knows a loaded model and nothing of threads, queues or panes. A ``Decoding`` is advanced by ``step``
so that whoever owns the base can advance several in turn on the same weights.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor
from transformers import (
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)
from transformers.cache_utils import DynamicCache

from medchat.config import GenerationOptions
from medchat.engine.events import FinishReason
from medchat.errors import BadInput
from medchat.models.loaded import LoadedBase, LoadedModel
from medchat.models.templates import Turn

UNFINISHED = "\ufffd"
"""What an incomplete UTF-8 sequence decodes to."""
_BLANK_END = re.compile(rf"[\s{UNFINISHED}]+\Z")


@dataclass(frozen=True)
class Prompt:
    """The rendered prompt, its ids and how many earlier turns had to be left out to fit."""

    text: str
    input_ids: list[int]
    dropped_turns: int


def fit_prompt(loaded: LoadedModel, turns: tuple[Turn, ...], max_new_tokens: int) -> Prompt:
    """Render the turns, the oldest left out until prompt and answer fit into the model's context.

    Raises BadInput where even the question alone does not fit, or there is none.
    """
    if not turns:
        raise BadInput("no_question")
    for dropped in range(len(turns)):
        text, ids = loaded.encode_prompt(turns[dropped:])
        if len(ids) + max_new_tokens <= loaded.max_length:
            return Prompt(text, ids, dropped)
    raise BadInput(
        "prompt_too_long", tokens=len(ids), answer=max_new_tokens, most=loaded.max_length
    )


class TextStream:
    """Turns growing token ids into text that is only ever added to.

    ``visible`` is the answer as far as it is certain; ``reasoning`` is what the model wrote apart
    from it, which nobody is shown.
    """

    def __init__(self, loaded: LoadedModel, prompt: str = "") -> None:
        self._loaded = loaded
        self._prompt = prompt
        self.ids: list[int] = []
        self.visible = ""
        self.reasoning = ""
        self.stopped = False

    def add(self, ids: Iterable[int]) -> str:
        """Take more ids; returns the text that is certain by now and was not before."""
        self.ids.extend(ids)
        text, self.stopped = self._cut_at_stop(self._read())
        return self._advance(_trimmed(text) if self.stopped else self._certain(text))

    def finish(self) -> str:
        """The whole answer."""
        return _trimmed(self._cut_at_stop(self._read())[0])

    def _read(self) -> str:
        reply = self._loaded.read_reply(self.ids, self._prompt)
        self.reasoning = reply.reasoning
        return reply.answer

    def _cut_at_stop(self, text: str) -> tuple[str, bool]:
        positions = [text.find(stop) for stop in self._loaded.template.stops if stop in text]
        return (text[: min(positions)], True) if positions else (text, False)

    def _certain(self, text: str) -> str:
        text = _BLANK_END.sub("", text)
        for stop in self._loaded.template.stops:
            for length in range(len(stop) - 1, 0, -1):
                if text.endswith(stop[:length]):
                    text = text[:-length]
                    break
        return _trimmed(self._loaded.family.settled(text))

    def _advance(self, certain: str) -> str:
        if not certain.startswith(self.visible):
            return ""
        new = certain[len(self.visible) :]
        self.visible = certain
        return new


def _trimmed(text: str) -> str:
    return _BLANK_END.sub("", text).lstrip()


class Decoding:
    """One answer under way on a base that others may use between two steps."""

    def __init__(
        self, base: LoadedBase, loaded: LoadedModel, prompt: Prompt, options: GenerationOptions
    ) -> None:
        self._base = base
        self._loaded = loaded
        self._options = options
        self.prompt = prompt
        self.text = TextStream(loaded, prompt.text)
        self.finish_reason: FinishReason | None = None
        self._device = base.model.device
        self._sequence = torch.tensor([prompt.input_ids], device=self._device)
        self._cache = DynamicCache()
        self._processors = processors(options)
        self._generator = torch.Generator(device=self._device).manual_seed(options.seed)

    @property
    def new_tokens(self) -> int:
        return len(self.text.ids)

    # -- alone --

    @torch.inference_mode()
    def step(self) -> str:
        """One token more (with beams: the whole answer); returns the text that is new."""
        if self._options.num_beams > 1:
            return self._search()
        return self.take(self._next_logits())

    # -- together with others: who makes the pass for several asks for these --

    @property
    def seen(self) -> int:
        """Tokens whose keys and values are known: all but the newest. 0 before the first step."""
        return self._sequence.shape[1] - 1 if self.text.ids else 0

    @property
    def last_token(self) -> Tensor:
        """The newest token's id, ``[1, 1]``."""
        return self._sequence[:, -1:]

    @property
    def device(self) -> torch.device:
        return self._device

    def activate(self) -> Any:
        """The network, with this answer's adapter switched on."""
        return self._base.activate(self._loaded.adapter)

    def next_position(self) -> Tensor | None:
        """Position ids of the newest token, or None for a network that counts the mask itself."""
        return self._loaded.next_position(self._sequence)

    def give_cache(self) -> DynamicCache:
        """Hand over the keys and values; from then on this answer cannot ``step`` alone."""
        cache, self._cache = self._cache, DynamicCache()
        return cache

    @torch.inference_mode()
    def take(self, logits: Tensor) -> str:
        """Choose the next token by logits ``[1, vocabulary]``; returns the text that is new."""
        token = self._choose(logits)
        if token in self._loaded.eos_ids:
            self.finish_reason = "stop"
            return ""
        added = self.text.add([token])
        self._sequence = torch.cat([self._sequence, self._sequence.new_tensor([[token]])], dim=-1)
        if self.text.stopped:
            self.finish_reason = "stop"
        elif self.new_tokens >= self._options.max_new_tokens:
            self.finish_reason = "length"
        return added

    def _next_logits(self) -> Tensor:
        """Logits ``[1, vocabulary]`` behind the sequence so far, float32."""
        seen = self._cache.get_seq_length()
        positions = self._loaded.positions(self._sequence)
        extra = {} if positions is None else {"position_ids": positions[..., seen:]}
        output = self.activate()(
            input_ids=self._sequence[:, seen:],
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
            **extra,
        )
        return cast(Tensor, output.logits[:, -1].float())

    def _choose(self, logits: Tensor) -> int:
        scores = self._processors(cast(Any, self._sequence), cast(Any, logits))
        if self._options.temperature == 0:
            return int(scores.argmax(-1))
        shares = scores.softmax(-1)
        return int(torch.multinomial(shares, 1, generator=self._generator))

    def _search(self) -> str:
        sequences = self.activate().generate(
            input_ids=self._sequence,
            attention_mask=torch.ones_like(self._sequence),
            max_new_tokens=self._options.max_new_tokens,
            num_beams=self._options.num_beams,
            repetition_penalty=self._options.repetition_penalty,
            do_sample=False,
        )
        ids = sequences[0, self._sequence.shape[1] :].tolist()
        ended = [index for index, token in enumerate(ids) if token in self._loaded.eos_ids]
        added = self.text.add(ids[: ended[0]] if ended else ids)
        self.finish_reason = "stop" if ended or self.text.stopped else "length"
        return added


def processors(options: GenerationOptions) -> LogitsProcessorList:
    """transformers' own logits processors, in the order in which ``generate`` applies them."""
    chain = LogitsProcessorList()
    if options.repetition_penalty != 1.0:
        chain.append(RepetitionPenaltyLogitsProcessor(options.repetition_penalty))
    if options.temperature > 0:
        if options.temperature != 1.0:
            chain.append(TemperatureLogitsWarper(options.temperature))
        if options.top_k:
            chain.append(TopKLogitsWarper(options.top_k))
        if options.top_p < 1.0:
            chain.append(TopPLogitsWarper(options.top_p))
    return chain
