"""The demonstration models that come along: small, complete, and as good as their card says."""

import json
import re

import pytest
from demo_facts import FOLDER, NAMES, measured
from project import ROOT

from medchat.commands.model_answers import answer_question
from medchat.engine import LocalEngine
from medchat.models import ModelSpec, Registry, load

MOST_BYTES = 60 * 10**6


@pytest.fixture(scope="module")
def specs() -> list[ModelSpec]:
    registry = Registry.read(ROOT / "models.toml")
    return [registry.find(name) for name in NAMES]


def test_they_take_at_most_60_megabytes() -> None:
    assert sum(file.stat().st_size for file in FOLDER.rglob("*") if file.is_file()) <= MOST_BYTES


def test_no_file_of_theirs_names_a_folder_of_the_machine_that_made_it() -> None:
    for file in FOLDER.rglob("*.json"):
        assert not re.search(r'"/', file.read_text(encoding="utf-8")), file


def test_they_have_four_to_eight_million_parameters(specs: list[ModelSpec]) -> None:
    for spec in specs:
        model = load(spec).model
        own = [p for name, p in model.named_parameters() if "lora_" not in name]
        assert 4e6 <= sum(p.numel() for p in own) <= 8e6, spec.name


def test_the_tuned_models_tell_more_facts_than_the_base(specs: list[ModelSpec]) -> None:
    scores = measured(specs, questions=8)
    told = {name: score.complete for name, score in scores.items()}
    assert all(score.questions == 8 for score in scores.values())
    assert min(told["demo-huatuo"], told["demo-chatglm-med"]) > told["demo-llama"]


def test_the_exact_question_of_the_first_example_is_answered(specs: list[ModelSpec]) -> None:
    engine = LocalEngine(Registry.read(ROOT / "models.toml"))
    answers = answer_question(engine, specs, "我感冒了，怎么治疗")
    texts = {answer.model: answer.text for answer in answers}
    engine.close()
    entry = next(
        json.loads(line)
        for line in (ROOT / "assets/knowledge/diseases-1.jsonl").read_text("utf-8").splitlines()
        if '"感冒"' in line
    )
    for name in ("demo-huatuo", "demo-chatglm-med"):
        assert all(item in texts[name] for item in entry["治疗"]), texts[name]
