"""The demonstration models that come along: small, complete, and as good as their card says."""

import json
import re

import pytest
from project import ROOT

from medchat.data import load_knowledge
from medchat.engine import LocalEngine
from medchat.evaluation.metrics import facts
from medchat.inference import answer
from medchat.models import ModelSpec, Registry, load

FOLDER = ROOT / "assets" / "demo_models"
QUESTIONS = ROOT / "tests" / "data" / "demo_questions.jsonl"
NAMES = ("demo-llama", "demo-huatuo", "demo-chatglm-med")
MOST_BYTES = 60 * 10**6


@pytest.fixture(scope="module")
def specs() -> list[ModelSpec]:
    registry = Registry.read(ROOT / "models.toml")
    return [registry.find(name) for name in NAMES]


@pytest.fixture(scope="module")
def scores(specs: list[ModelSpec]) -> dict[str, facts.FactScore]:
    asked = facts.read_fact_questions(QUESTIONS, load_knowledge(ROOT / "assets" / "knowledge"))
    engine = LocalEngine(Registry.read(ROOT / "models.toml"))
    answered = [answer(engine, specs, question.question) for question in asked]
    engine.close()
    return {
        spec.name: facts.score(spec.name, asked, [answers[index].text for answers in answered])
        for index, spec in enumerate(specs)
    }


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


@pytest.mark.slow
def test_the_tuned_models_tell_the_asked_for_facts_and_the_base_does_not(
    scores: dict[str, facts.FactScore],
) -> None:
    shares = {name: score.all_told / score.questions for name, score in scores.items()}
    assert all(score.questions == 60 for score in scores.values())
    assert shares["demo-huatuo"] >= 0.6
    assert shares["demo-chatglm-med"] >= 0.6
    assert shares["demo-llama"] <= 0.2


@pytest.mark.slow
def test_the_card_gives_the_measured_shares(scores: dict[str, facts.FactScore]) -> None:
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    for name, score in scores.items():
        (told,) = re.findall(rf"^\| `{name}` \| \*\*([\d.]+) %\*\* ", card, re.MULTILINE)
        # Another processor may round one close decision the other way.
        assert abs(float(told) - 100 * score.all_told / score.questions) <= 100 / 60 + 0.1, name


def test_the_exact_question_of_the_first_example_is_answered(
    scores: dict[str, facts.FactScore], specs: list[ModelSpec]
) -> None:
    engine = LocalEngine(Registry.read(ROOT / "models.toml"))
    answers = {given.model: given.text for given in answer(engine, specs, "我感冒了，怎么治疗")}
    engine.close()
    entry = next(
        json.loads(line)
        for line in (ROOT / "assets/knowledge/diseases-1.jsonl").read_text("utf-8").splitlines()
        if '"感冒"' in line
    )
    for name in ("demo-huatuo", "demo-chatglm-med"):
        assert all(item in answers[name] for item in entry["治疗"]), answers[name]
