"""int8 and int4 ChatGLM checkpoints: they mean the weights that the originals computed with."""

from pathlib import Path

import pytest
import torch
from model_fixtures import TinyModels, change_json, tiny_models, write_quantised, write_shards
from safetensors.torch import load_file

from medchat.errors import CheckpointError
from medchat.models import load
from medchat.models.families.chatglm.weights import unpack_int4
from medchat.models.recognition import read_checkpoint

MATRIX = "transformer.layers.0.attention.query_key_value.weight"
both_widths = pytest.mark.parametrize("bits", [8, 4])


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> TinyModels:
    return tiny_models(tmp_path_factory)


def stored(folder: Path) -> dict[str, torch.Tensor]:
    tensors: dict[str, torch.Tensor] = {}
    for file in sorted(folder.glob("pytorch_model-*.bin")):
        tensors |= torch.load(file, weights_only=True)
    return tensors


def test_a_byte_holds_the_even_column_high_and_the_odd_one_low() -> None:
    packed = torch.tensor([[0x12, 0x8F, -1]], dtype=torch.int16).to(torch.int8)
    assert unpack_int4(packed).tolist() == [[1, 2, -8, -1, -1, -1]]


@both_widths
def test_each_weight_is_its_scale_times_its_integer_in_float16(
    folders: TinyModels, tmp_path: Path, bits: int
) -> None:
    folder = write_quantised(folders.chatglm, tmp_path / "quantised", bits=bits)
    tensors = stored(folder)
    integers, scale = tensors[MATRIX], tensors[f"{MATRIX}_scale"]
    found = load(folder, device="cpu", dtype="float32").model.state_dict()[MATRIX]
    for row, column in ((0, 0), (5, 1), (95, 31)):
        if bits == 8:
            value = int(integers[row, column])
        else:
            byte = int(integers[row, column // 2]) & 0xFF
            value = byte >> 4 if column % 2 == 0 else byte & 0xF
            value -= 16 * (value > 7)
        assert found[row, column] == (scale[row] * value).item()


@both_widths
def test_it_stays_near_the_weights_it_was_made_from(folders, tmp_path: Path, bits: int) -> None:
    folder = write_quantised(folders.chatglm, tmp_path / "quantised", bits=bits)
    found = load(folder, device="cpu", dtype="float32").model.state_dict()
    for name, weight in load_file(folders.chatglm / "model.safetensors").items():
        step = 2 * float(weight.abs().max()) / 2**bits
        assert (found[name] - weight).abs().max() <= step, name


@both_widths
def test_saved_again_it_is_a_plain_checkpoint(folders, tmp_path: Path, bits: int) -> None:
    loaded = load(write_quantised(folders.chatglm, tmp_path / "quantised", bits=bits), device="cpu")
    loaded.model.save_pretrained(tmp_path / "again")
    loaded.tokenizer.save_pretrained(tmp_path / "again")
    checkpoint = read_checkpoint(tmp_path / "again")
    assert checkpoint.bits is None
    again = load(tmp_path / "again", device="cpu").model.state_dict()
    for name, weight in loaded.model.state_dict().items():
        assert torch.equal(again[name], weight), name


@both_widths
def test_the_bits_are_read_from_the_shapes(folders, tmp_path: Path, bits: int) -> None:
    folder = write_quantised(folders.chatglm, tmp_path / "quantised", bits=bits)
    change_json(folder / "config.json", quantization_bit=None)
    assert read_checkpoint(folder).bits == bits


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({f"{MATRIX}_scale": None}, "but not its"),
        ({f"{MATRIX}_scale": torch.ones(7)}, "neither an int8 nor an int4"),
        ({MATRIX: torch.ones(96, 7, dtype=torch.int8)}, "neither an int8 nor an int4"),
        ({MATRIX: torch.ones(96 * 32, dtype=torch.int8)}, "neither an int8 nor an int4"),
        ({MATRIX: torch.ones(96, 16)}, "do not fit"),
    ],
)
def test_what_cannot_be_quantised_weights_is_refused(
    folders: TinyModels, tmp_path: Path, change: dict[str, torch.Tensor | None], told: str
) -> None:
    folder = write_quantised(folders.chatglm, tmp_path / "quantised", bits=8)
    tensors = stored(folder) | change
    write_shards(folder, {name: tensor for name, tensor in tensors.items() if tensor is not None})
    with pytest.raises(CheckpointError, match=told):
        load(folder, device="cpu")
