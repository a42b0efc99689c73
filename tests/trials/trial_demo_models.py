"""All test questions to the demonstration models: as good as their card says."""

import re

import pytest
from demo_facts import FOLDER, NAMES, measured
from project import ROOT

from medchat.evaluation.metrics import facts
from medchat.models import Registry


@pytest.fixture(scope="module")
def scores() -> dict[str, facts.FactScore]:
    registry = Registry.read(ROOT / "models.toml")
    return measured([registry.find(name) for name in NAMES], questions=60)


def test_the_tuned_models_tell_the_asked_for_facts_and_the_base_does_not(
    scores: dict[str, facts.FactScore],
) -> None:
    shares = {name: score.complete / score.questions for name, score in scores.items()}
    assert all(score.questions == 60 for score in scores.values())
    assert shares["demo-huatuo"] >= 0.6
    assert shares["demo-chatglm-med"] >= 0.6
    assert shares["demo-llama"] <= 0.2


def test_the_card_gives_the_measured_shares(scores: dict[str, facts.FactScore]) -> None:
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    for name, score in scores.items():
        (told,) = re.findall(rf"^\| `{name}` \| \*\*([\d.]+) %\*\* ", card, re.MULTILINE)
        # Another processor may round one close decision the other way.
        assert abs(float(told) - 100 * score.complete / score.questions) <= 100 / 60 + 0.1, name
