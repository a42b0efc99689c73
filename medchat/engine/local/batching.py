"""Several answers of one model that take every step in one forward pass.

What a step costs is mostly reading the weights, which one pass does once for all of them. Their
keys and values stand in one cache, padded on the left; every answer keeps its own sampler, seed and
text. A wider pass is rounded differently, so an answer equals the one made alone up to that.
"""

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers.cache_utils import DynamicCache

from medchat.engine.local.decoding import Decoding


class Together:
    """The answers of one base and adapter that share their passes; who is among them may change."""

    def __init__(self) -> None:
        self._members: list[Decoding] = []
        self._cache = DynamicCache()

    @torch.inference_mode()
    def next_logits(self, decodings: list[Decoding]) -> list[Tensor]:
        """For each answer, logits ``[1, vocabulary]`` behind its sequence so far, float32.

        All must be of one model and past their prompts. Who was among them before and is not named
        now is let go.
        """
        if decodings != self._members:
            self._regroup(decodings)
        seen = torch.tensor([[each.seen] for each in decodings])
        keys = torch.arange(-int(seen.max()), 1)  # 0 is the token that is new
        positions = [each.next_position() for each in decodings]
        given = [position for position in positions if position is not None]
        extra = {"position_ids": torch.cat(given)} if given else {}
        output = cast(Any, decodings[0].activate())(
            input_ids=torch.cat([each.last_token for each in decodings]),
            attention_mask=(keys >= -seen).long().to(decodings[0].device),
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
            **extra,
        )
        return list(output.logits[:, -1:].float().unbind())

    def _regroup(self, decodings: list[Decoding]) -> None:
        """Make the cache one row per answer, in their order, as wide as the longest needs."""
        own = {id(each): row for row, each in enumerate(self._members)}
        rows = [
            (self._cache, own[id(each)]) if id(each) in own else (each.give_cache(), 0)
            for each in decodings
        ]
        longest = max(each.seen for each in decodings)

        def gather(layer: int, part: str) -> Tensor:
            states = [getattr(cache.layers[layer], part)[row] for cache, row in rows]
            padded = [
                F.pad(one[:, -each.seen :], (0, 0, longest - each.seen, 0))
                for one, each in zip(states, decodings, strict=True)
            ]
            return torch.stack(padded)

        self._cache = DynamicCache(
            [
                (gather(layer, "keys"), gather(layer, "values"))
                for layer in range(len(rows[0][0].layers))
            ]
        )
        self._members = list(decodings)
