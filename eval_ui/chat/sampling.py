"""The controls of the generation settings, for the chat and for a study's answers."""

from dataclasses import dataclass
from math import isfinite
from typing import Any

import gradio as gr

from eval_ui.texts import PageError, Texts
from medchat.config import GenerationOptions


@dataclass(frozen=True)
class Sampling:
    """``own_defaults`` ticked: each model's own settings; else ``values`` for all."""

    own_defaults: gr.Checkbox
    values: dict[str, Any]

    @property
    def inputs(self) -> list[Any]:
        return [self.own_defaults, *self.values.values()]


def create_sampling(texts: Texts, elem_id: str) -> Sampling:
    with gr.Accordion(texts("sampling"), open=False, elem_id=elem_id):
        own_defaults = gr.Checkbox(
            True, label=texts("own_defaults"), info=texts("own_defaults_info")
        )
        with gr.Row():
            values = {
                "temperature": gr.Slider(0, 2, 0, step=0.05, label=texts("temperature")),
                "top_p": gr.Slider(0.05, 1, 1, step=0.05, label=texts("top_p")),
                "top_k": gr.Slider(0, 100, 0, step=1, label=texts("top_k")),
                "repetition_penalty": gr.Slider(
                    1, 2, 1, step=0.05, label=texts("repetition_penalty")
                ),
                "max_new_tokens": gr.Slider(16, 512, 128, step=16, label=texts("max_new_tokens")),
                "seed": gr.Number(0, precision=0, label=texts("seed")),
            }
    return Sampling(own_defaults, values)


def options_of(values: tuple[Any, ...]) -> GenerationOptions:
    """The settings of ``Sampling.values``. Raises PageError or BadInput for what cannot be used."""
    # An empty field is 0.
    if not all(isinstance(value or 0, int | float) and isfinite(value or 0) for value in values):
        raise PageError("settings_no_numbers", values=str(values)[:200])
    temperature, top_p, top_k, penalty, most, seed = (value or 0 for value in values)
    return GenerationOptions(
        max_new_tokens=int(most),
        temperature=float(temperature),
        top_p=float(top_p),
        top_k=int(top_k),
        repetition_penalty=float(penalty),
        seed=int(seed),
    )
