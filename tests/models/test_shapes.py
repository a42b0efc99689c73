"""The weights that a configuration asks for: those of the networks themselves."""

import pytest
import torch
from accelerate import init_empty_weights
from transformers import BloomConfig, BloomForCausalLM, LlamaConfig, LlamaForCausalLM

from medchat.errors import BadInput
from medchat.models.families.bloom.family import bloom_shapes
from medchat.models.families.chatglm import ChatGLMConfig, ChatGLMForConditionalGeneration
from medchat.models.families.chatglm.family import chatglm_shapes
from medchat.models.families.llama.family import llama_shapes
from medchat.models.shapes import parameters

CASES = {
    "LLaMA-7B": (llama_shapes, LlamaConfig, LlamaForCausalLM, {}),
    "LLaMA with grouped heads and biases": (
        llama_shapes,
        LlamaConfig,
        LlamaForCausalLM,
        {
            "vocab_size": 99,
            "hidden_size": 64,
            "intermediate_size": 72,
            "num_hidden_layers": 2,
            "num_attention_heads": 8,
            "num_key_value_heads": 2,
            "head_dim": 12,
            "attention_bias": True,
            "mlp_bias": True,
        },
    ),
    "Bloom-7B": (
        bloom_shapes,
        BloomConfig,
        BloomForCausalLM,
        {"hidden_size": 4096, "n_layer": 30, "n_head": 32, "vocab_size": 250880},
    ),
    "ChatGLM-6B": (
        chatglm_shapes,
        ChatGLMConfig,
        ChatGLMForConditionalGeneration,
        {"hidden_size": 4096, "num_layers": 28, "num_attention_heads": 32, "vocab_size": 150528},
    ),
    "ChatGLM-6B with a prefix": (
        chatglm_shapes,
        ChatGLMConfig,
        ChatGLMForConditionalGeneration,
        {
            "hidden_size": 64,
            "num_layers": 2,
            "num_attention_heads": 4,
            "inner_hidden_size": 100,
            "vocab_size": 130528,
            "pre_seq_len": 7,
        },
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_they_are_those_of_the_network(name: str) -> None:
    shapes, config, network, values = CASES[name]
    with init_empty_weights():
        model: torch.nn.Module = network(config(**values))
    wanted = {name: tuple(weight.shape) for name, weight in model.state_dict().items()}
    assert shapes(values) == wanted


def test_what_a_configuration_leaves_out_is_that_of_the_published_model() -> None:
    assert parameters(llama_shapes({})) == 6_738_415_616


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"hidden_size": "wide"}, "hidden_size must be a whole number above 0, not 'wide'"),
        ({"num_hidden_layers": 0}, "num_hidden_layers must be"),
        ({"vocab_size": True}, "vocab_size must be"),
        ({"num_attention_heads": 5}, "cannot be cut into 5 equal parts"),
    ],
)
def test_a_size_that_is_none_is_refused_by_name(values: dict[str, object], told: str) -> None:
    with pytest.raises(BadInput, match=told):
        llama_shapes(values)
