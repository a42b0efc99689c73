"""Adapter folders that cannot be used are refused for the reason that is true."""

import json
from pathlib import Path
from typing import Any

import pytest

from medchat.errors import CheckpointError
from medchat.models.adapters import CONFIG, open_adapter

SETTINGS = {"peft_type": "LORA", "r": 4, "lora_alpha": 16, "target_modules": ["query_key_value"]}


def written(folder: Path, **settings: Any) -> Path:
    folder.mkdir(parents=True)
    (folder / CONFIG).write_text(json.dumps(SETTINGS | settings))
    return folder


def refused(folder: Path) -> CheckpointError:
    with pytest.raises(CheckpointError) as caught:
        open_adapter(folder)
    return caught.value


def test_a_merged_linear_of_peft_0_2_is_refused_as_such(tmp_path: Path) -> None:
    error = refused(written(tmp_path / "lora", enable_lora=[True, False, True]))
    assert error.code == "adapter_merged_linear"
    assert "enable_lora [true, false, true]: that is peft 0.2's MergedLinear" in error.text("en")
    assert "peft 0.2 的 MergedLinear" in error.text("zh")


@pytest.mark.parametrize("parts", [None, [True], False])
def test_a_plain_lora_of_peft_0_2_is_read_on(tmp_path: Path, parts: object) -> None:
    folder = written(tmp_path / "lora", enable_lora=parts)
    assert refused(folder).code == "adapter_lacks_weights"


@pytest.mark.parametrize("kind", [None, ""])
def test_a_config_that_names_no_kind_is_told_what_to_add(tmp_path: Path, kind: object) -> None:
    error = refused(written(tmp_path / "lora", peft_type=kind))
    assert error.code == "adapter_kind_missing"
    assert '"peft_type": "LORA"' in error.text("en")
    assert '"peft_type": "LORA"' in error.text("zh")


def test_another_kind_of_adapter_is_named(tmp_path: Path) -> None:
    error = refused(written(tmp_path / "lora", peft_type="PREFIX_TUNING"))
    assert "'PREFIX_TUNING', not a LoRA" in error.text("en")


def test_an_adapter_one_folder_too_deep_is_named(tmp_path: Path) -> None:
    outer = tmp_path / "download"
    written(outer / "lora-llama-med")
    (outer / "images").mkdir()
    error = refused(outer)
    assert error.text("en").endswith(
        "lacks adapter_config.json. It holds lora-llama-med: name one of these as the adapter."
    )
    assert "其中有 lora-llama-med：请把其中一个作为适配器。" in error.text("zh")


def test_a_folder_without_any_adapter_gets_no_hint(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    assert refused(tmp_path).text("en").endswith("lacks adapter_config.json.")


def test_weights_one_folder_too_deep_are_named(tmp_path: Path) -> None:
    outer = written(tmp_path / "run")
    (outer / "checkpoint-100").mkdir()
    assert "It holds checkpoint-100:" in refused(outer).text("en")
