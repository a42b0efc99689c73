"""``medchat check``: what it says of a folder, without reading a weight."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from model_fixtures import (
    TinyModels,
    change_json,
    copy,
    tiny_models,
    write_adapter,
    write_prefix,
    write_quantised,
    write_sparse_llama,
)
from project import ROOT
from typer.testing import CliRunner

from medchat.__main__ import cli
from medchat.errors import CheckpointError
from medchat.models import inspection, load
from medchat.models.families import find_family
from medchat.models.inspection import inspect


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> TinyModels:
    return tiny_models(tmp_path_factory)


def told(*arguments: object) -> tuple[int, str]:
    """Exit status and output of the command."""
    result = CliRunner().invoke(cli, ["check", *map(str, arguments)])
    return result.exit_code, result.output


# -- what it says --


@pytest.mark.parametrize("kind", ["llama", "wild", "bloom", "chatglm", "chatglm_v0", "prefixed"])
def test_it_agrees_with_the_model_that_is_loaded(folders: TinyModels, kind: str) -> None:
    folder = getattr(folders, kind)
    report = inspect(folder)
    model = load(folder, device="cpu").model
    assert report.usable, report.problems
    assert report.family == model.config.model_type
    assert report.parameters == sum(weight.numel() for weight in model.parameters())
    assert report.vocabulary == model.get_input_embeddings().num_embeddings
    assert report.dtype == "float32"
    assert report.needed_bytes == 4 * report.parameters
    assert {file.name for file in report.files} == {path.name for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("kind", "layout"), [("chatglm", "v1"), ("chatglm_v0", "v0"), ("llama", None)]
)
def test_the_layouts_of_one_family_are_told_apart(folders, kind: str, layout: str) -> None:
    assert inspect(getattr(folders, kind)).layout == layout


def test_memory_is_told_for_each_precision(folders: TinyModels) -> None:
    report = inspect(folders.llama)
    embeddings = 2 * 400 * 32
    norms = 5 * 32
    matrices = report.parameters - embeddings - norms
    assert report.memory_bytes == {
        "fp16": 2 * report.parameters,
        "bf16": 2 * report.parameters,
        "int8": matrices + 2 * (embeddings + norms),
        "int4": matrices // 2 + 2 * (embeddings + norms),
    }


@pytest.mark.parametrize("bits", [8, 4])
def test_a_quantised_checkpoint_says_its_bits(folders, tmp_path: Path, bits: int) -> None:
    status, text = told(write_quantised(folders.chatglm, tmp_path / "model", bits=bits))
    assert status == 0
    assert f"stored in   int{bits}" in text


def test_an_adapter_is_described_by_rank_targets_and_base(folders: TinyModels) -> None:
    status, text = told(folders.llama, "--adapter", folders.first)
    assert status == 0
    for part in ("rank 4, alpha 16", "q_proj, v_proj", "decapoda-research/llama-7b-hf", "med"):
        assert part in text


def test_a_prefix_is_described_by_its_length(folders: TinyModels, tmp_path: Path) -> None:
    write_prefix(tmp_path / "prefix_encoder.bin", seed=1, length=9)
    assert "p-tuning prefix of length 9" in told(folders.chatglm, "--adapter", tmp_path)[1]


def test_json_is_what_a_program_can_read(folders: TinyModels) -> None:
    status, text = told(folders.wild, "--adapter", folders.first, "--json")
    content = json.loads(text)
    assert (status, content["usable"], content["problems"]) == (0, True, [])
    assert content["family"] == "llama"
    assert content["adapter"]["rank"] == 4
    assert content["runs_here"] is True


# -- what is wrong --


@pytest.mark.parametrize("as_json", [False, True])
def test_a_problem_is_a_sentence_and_exit_status_1(folders, tmp_path: Path, as_json: bool) -> None:
    folder = copy(folders.wild, tmp_path / "model")
    (folder / "pytorch_model-00002-of-00002.bin").unlink()
    status, text = told(folder, *(["--json"] if as_json else []))
    problem = json.loads(text)["problems"][0] if as_json else text
    assert status == 1
    assert "lacks 1 of its weight files: pytorch_model-00002-of-00002.bin" in problem


def test_a_folder_that_is_not_there_is_a_problem_too(tmp_path: Path) -> None:
    status, text = told(tmp_path / "nowhere")
    assert status == 1
    assert "There is no model folder" in text


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"width": 64}, "made for another base"),
        ({"target_modules": ["q_proj"]}, "4 of its tensors have no place"),
        ({"target_modules": ["q_proj", "k_proj", "v_proj"]}, "4 places stay empty"),
        ({"rank": 4, "r": 8}, "has rank 4, declared is 8"),
        ({"bias": "all"}, "would change the base"),
        ({"change": lambda key, t: (key, t * ("lora_A" not in key))}, "which are all zero"),
    ],
)
def test_an_adapter_that_does_not_fit_is_found_without_loading(
    folders: TinyModels, tmp_path: Path, settings, problem: str
) -> None:
    adapter = write_adapter(tmp_path / "lora", seed=1, **settings)
    report = inspect(folders.llama, adapter)
    assert problem in str(report.problems[0])
    assert report.family == "llama"


def test_weights_that_are_larger_than_the_machine_are_a_problem(
    folders: TinyModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection, "_machine", lambda: ("cpu", False, 10**5, 10**4))
    report = inspect(folders.llama)
    assert not report.runs_here
    assert "In float32 the weights need 185.0 kB" in str(report.problems[0])


# -- what it costs --


def test_13_gigabytes_need_neither_their_memory_nor_torch(
    folders: TinyModels, tmp_path: Path
) -> None:
    folder = copy(folders.wild, tmp_path / "llama-7b-hf")
    for file in folder.glob("pytorch_model*"):
        file.unlink()
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
    write_sparse_llama(folder)
    assert sum(file.stat().st_size for file in folder.iterdir()) > 13e9
    code = (
        "import re, sys\n"
        "from medchat.models.inspection import inspect\n"
        "from pathlib import Path\n"
        "report = inspect(Path(sys.argv[1]))\n"
        "assert report.parameters == 6738415616, report.problems\n"
        "status = Path('/proc/self/status').read_text()\n"
        "print('torch' in sys.modules, re.search(r'VmHWM:\\s+(\\d+)', status)[1])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    imported, kilobytes = result.stdout.split()
    assert imported == "False"
    assert int(kilobytes) < 300_000


def test_changing_what_was_declared_is_seen_the_next_time(folders, tmp_path: Path) -> None:
    folder = copy(folders.llama, tmp_path / "model")
    assert inspect(folder).usable
    change_json(folder / "config.json", hidden_size=64)
    assert "do not fit its config.json" in str(inspect(folder).problems[0])


# -- whether it can be used, as loading finds --

NONSENSE = ["x", [], {}, -1, 1.5, True, "4", [1, 2], float("nan"), 10**12]


@pytest.mark.parametrize("kind", ["llama", "bloom", "chatglm"])
def test_a_config_of_nonsense_is_judged_as_loading_judges_it(folders, tmp_path, kind: str) -> None:
    fields = find_family(kind).fields
    refused = 0
    for name in [*fields, "model_type", "quantization_config"]:
        for value in NONSENSE:
            folder = copy(getattr(folders, kind), tmp_path / "model")
            change_json(folder / "config.json", **{name: value})
            report = inspect(folder)
            try:
                load(folder, device="cpu")
                problems = []
            except CheckpointError as error:
                problems = [str(error)]
                refused += 1
            assert list(map(str, report.problems)) == problems, (name, value)
            shutil.rmtree(folder)
    assert refused > len(fields)


@pytest.mark.parametrize("kind", ["llama", "bloom", "chatglm"])
def test_fields_that_no_answer_depends_on_are_not_read(folders, tmp_path, kind: str) -> None:
    folder = copy(getattr(folders, kind), tmp_path / "model")
    change_json(
        folder / "config.json",
        dtype="x",
        id2label=3,
        return_dict="no",
        attn_implementation="y",
        use_cache=[],
        num_labels=-1,
        auto_map={"AutoModel": "modeling_x.X"},
        initializer_range="z",
    )
    assert inspect(folder).usable
    ours, plain = (load(path, device="cpu") for path in (folder, getattr(folders, kind)))
    ids = torch.tensor([ours.tokenizer("感冒")["input_ids"]])
    assert torch.equal(ours.model(input_ids=ids).logits, plain.model(input_ids=ids).logits)


def test_a_path_that_no_system_takes_is_a_problem() -> None:
    assert "There is no model folder" in str(inspect(Path("a" * 5000)).problems[0])


@pytest.mark.parametrize("content", ["[" * 200_000, "\0", "{}{}"])
def test_a_config_that_is_no_json_is_a_problem(folders, tmp_path: Path, content: str) -> None:
    folder = copy(folders.llama, tmp_path / "model")
    (folder / "config.json").write_text(content)
    assert "cannot be read as JSON" in str(inspect(folder).problems[0])


def test_a_folder_in_place_of_a_weight_file_is_a_missing_one(folders, tmp_path: Path) -> None:
    folder = copy(folders.llama, tmp_path / "model")
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").mkdir()
    assert "holds no weights" in str(inspect(folder).problems[0])
