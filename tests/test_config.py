"""Settings of the app and of a generation: read once, every problem told at once."""

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
from pydantic import ValidationError

from medchat.config import GenerationOptions, Settings
from medchat.errors import BadInput


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"MEDCHAT_{name.upper()}", raising=False)


def complaint(**given: object) -> str:
    with pytest.raises(BadInput) as caught:
        GenerationOptions(**given)  # type: ignore[arg-type]
    return str(caught.value)


# -- the app --


def test_without_a_word_the_app_is_reachable_from_this_machine_only() -> None:
    settings = Settings.read()
    assert (settings.host, settings.port) == ("127.0.0.1", 7860)
    assert settings.db == Path("data/medchat.db")
    assert settings.models.name == "models.toml"


def test_every_setting_can_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "host": "0.0.0.0",
        "port": "8000",
        "db": "/tmp/a.db",
        "models": "/tmp/m.toml",
        "device": "cpu",
        "dtype": "float16",
    }
    for name in Settings.model_fields:
        if name in given:
            monkeypatch.setenv(f"MEDCHAT_{name.upper()}", given[name])
    settings = Settings.read()
    assert {name: str(getattr(settings, name)) for name in given} == given


def test_an_argument_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDCHAT_PORT", "8000")
    assert Settings.read(port=9000).port == 9000


def test_an_argument_that_was_not_given_leaves_the_environment_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MEDCHAT_PORT", "8000")
    assert Settings.read(port=None).port == 8000


@pytest.mark.parametrize("port", [0, 65536, "web"])
def test_a_port_that_is_none_is_refused_with_its_value(port: object) -> None:
    with pytest.raises(BadInput, match=f"port.*{port!r}"):
        Settings.read(port=port)


def test_all_settings_at_fault_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDCHAT_PORT", "web")
    with pytest.raises(BadInput, match=r"(?s)(?=.*port.*'web')(?=.*db.*17)"):
        Settings.read(db=17)


def test_settings_do_not_change_afterwards() -> None:
    with pytest.raises(ValidationError):
        Settings.read().port = 1  # type: ignore[misc]


# -- a generation --


def test_all_options_at_fault_are_told_at_once_with_value_and_range() -> None:
    told = complaint(
        max_new_tokens=0,
        temperature=-1,
        top_p=0,
        top_k=-1,
        repetition_penalty=9,
        num_beams=0,
        seed=-1,
    )
    for part in (
        "max_new_tokens must be a whole number from 1 to 4096 (given: 0)",
        "temperature must be from 0 to 5 (given: -1)",
        "top_p must be above 0 and at most 1 (given: 0)",
        "top_k must be a whole number from 0 to 1000 (given: -1)",
        "repetition_penalty must be from 0.5 to 3 (given: 9)",
        "num_beams must be a whole number from 1 to 16 (given: 0)",
        "seed must be a whole number from 0 to 4294967295 (given: -1)",
    ):
        assert part in told


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", float("nan")),
        ("temperature", float("inf")),
        ("temperature", "hot"),
        ("temperature", None),
        ("top_p", True),
        ("top_k", 2.5),
        ("max_new_tokens", "20"),
        ("max_new_tokens", 10**9),
        ("num_beams", True),
        ("seed", 2**32),
    ],
)
def test_what_is_no_such_number_is_refused_by_name_and_value(name: str, value: object) -> None:
    told = complaint(**{name: value})
    assert name in told
    assert f"(given: {value!r})" in told


@pytest.mark.parametrize(
    "edge",
    [
        {"max_new_tokens": 1, "temperature": 0, "top_p": 1, "top_k": 0, "seed": 0},
        {"max_new_tokens": 4096, "temperature": 5, "top_p": 0.01, "top_k": 1000, "num_beams": 16},
        {"repetition_penalty": 0.5, "seed": 2**32 - 1},
    ],
)
def test_values_at_the_edge_are_taken(edge) -> None:
    options = GenerationOptions(**edge)
    assert {name: options.as_dict()[name] for name in edge} == edge


def test_options_cannot_be_changed_behind_their_check() -> None:
    options = GenerationOptions()
    with pytest.raises(FrozenInstanceError):
        options.top_k = 3  # type: ignore[misc]


def test_an_option_of_a_file_is_refused_with_its_value_in_both_languages() -> None:
    with pytest.raises(BadInput) as refused:
        GenerationOptions.from_mapping({"temperature": "hot"})
    assert refused.value.text("en").endswith("temperature must be from 0 to 5 (given: 'hot').")
    assert refused.value.text("zh").endswith("temperature 必须在 0 到 5 之间（现为 'hot'）。")


def test_an_unknown_option_of_a_file_is_answered_with_the_known_ones() -> None:
    with pytest.raises(BadInput, match=r"temprature.*Known: .*temperature"):
        GenerationOptions.from_mapping({"temprature": 1})
