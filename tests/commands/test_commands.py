"""The commands that run models, and the start of the app, as a person at a terminal meets them."""

import io
import json
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from app_server import ROOT
from model_fixtures import tiny_models

import app
from eval_ui.backend.study_actions import import_answers
from medchat.__main__ import main
from medchat.models.templates import Turn, find_template
from storage import Store, create_study, list_questions, responses_of

MODELS = """
[models.tiny]
label = "Tiny"
family = "llama"
base = "{llama}"
template = "plain"
defaults = {{ max_new_tokens = 6 }}

[models.tuned]
label = "Tuned"
family = "llama"
base = "{llama}"
adapter = "{first}"
template = "med"
defaults = {{ max_new_tokens = 6 }}

[models.absent]
label = "Absent"
family = "llama"
base = "$MEDCHAT_NOT_SET"
template = "plain"

[models.broken]
label = "Broken"
family = "llama"
base = "{broken}"
template = "plain"
"""
QUESTIONS = '{"question": "我感冒了，怎么治疗？", "question_id": "t1"}\n{"instruction": "头疼"}\n'
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tiny = tiny_models(tmp_path_factory)
    folder = tmp_path_factory.mktemp("declared")
    (folder / "broken").mkdir()
    (folder / "broken" / "config.json").write_text("{}")
    text = MODELS.format(llama=tiny.llama, first=tiny.first, broken=folder / "broken")
    (folder / "models.toml").write_text(text, encoding="utf-8")
    return folder / "models.toml"


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    file = tmp_path / "questions.jsonl"
    file.write_text(QUESTIONS, encoding="utf-8")
    return file


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "answers.jsonl"


@pytest.fixture
def medchat(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command with ``typed`` at its prompt; returns (exit code, stdout, stderr)."""

    def run(*arguments: str | Path, typed: bytes = b"") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(typed), encoding="utf-8"))
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return run


def assert_refused(result: tuple[int, str, str], sentence: str) -> None:
    """One sentence on stderr, exit code 1, nothing else."""
    code, out, err = result
    assert code == 1
    assert sentence in err
    assert "Traceback" not in out + err
    assert len(err.strip().splitlines()) == 1


COMMANDS = ("infer", "chat", "check", "convert", "build-data", "train-demo", "evaluate-facts")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(medchat: Run, command: str) -> None:
    code, out, _ = medchat(command, "--help")
    assert code == 0
    assert f"Example:\n    python -m medchat {command} " in out


def test_the_app_is_a_command_whose_arguments_are_those_of_app_py(medchat: Run) -> None:
    code, out, _ = medchat("app", "--help")
    assert code == 0
    assert "--port" in out
    assert "python app.py --port 7861" in out


# -- infer --


def test_infer_writes_a_file_that_a_study_takes(
    medchat: Run, models: Path, questions: Path, output: Path, tmp_path: Path
) -> None:
    code, out, err = medchat(
        *("infer", "--models", "tiny, tuned", "--models-file", models),
        *("--input", questions, "--output", output),
    )
    assert (code, out) == (0, "")
    assert "2/2" in err
    written = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert [record["question"] for record in written] == ["我感冒了，怎么治疗？", "头疼"]
    assert written[0]["answers"][1]["provenance"]["options"]["max_new_tokens"] == 6

    store = Store(tmp_path / "medchat.db")
    study = create_study(store, "试评")
    assert import_answers(store, study, output) == 2
    first, second = list_questions(store, study.id)
    assert (first.question_id, second.text) == ("t1", "头疼")
    stored = {response.model: response.text for response in responses_of(store, first)}
    assert stored == {answer["model"]: answer["text"] for answer in written[0]["answers"]}
    assert set(stored) == {"tiny", "tuned"}


def test_infer_never_overwrites_a_file(
    medchat: Run, models: Path, questions: Path, output: Path
) -> None:
    output.write_text("precious")
    result = medchat(
        *("infer", "--models", "tiny", "--models-file", models),
        *("--input", questions, "--output", output),
    )
    assert_refused(result, f"{output} exists already. Name another file")
    assert output.read_text() == "precious"


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        ("nobody", "No model is called 'nobody'. Declared: tiny, tuned, absent, broken."),
        ("tiny,absent", "Absent (absent) is not available. Set MEDCHAT_NOT_SET"),
        ("tiny,tuned,tiny", "A model is named twice in 'tiny,tuned,tiny'."),
        (" , ", "Name at least one model"),
    ],
)
def test_infer_refuses_models_that_cannot_answer_and_writes_nothing(
    medchat: Run, models: Path, questions: Path, output: Path, names: str, sentence: str
) -> None:
    result = medchat(
        *("infer", "--models", names, "--models-file", models),
        *("--input", questions, "--output", output),
    )
    assert_refused(result, sentence)
    assert not output.exists()


def test_infer_leaves_no_empty_file_behind_when_a_model_cannot_be_loaded(
    medchat: Run,
    models: Path,
    questions: Path,
    output: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    result = medchat(
        *("infer", "--models", "broken", "--models-file", models),
        *("--input", questions, "--output", output),
    )
    assert_refused(result, "broken could not answer '我感冒了，怎么治疗？'")
    assert not output.exists()
    assert caplog.records == [], "a damaged checkpoint is a sentence, not a traceback"


def test_infer_keeps_the_answers_that_it_has_when_a_question_does_not_fit(
    medchat: Run, models: Path, questions: Path, output: Path
) -> None:
    questions.write_text(QUESTIONS + json.dumps({"question": "药" * 2000}), encoding="utf-8")
    code, _, err = medchat(
        *("infer", "--models", "tiny", "--models-file", models),
        *("--input", questions, "--output", output),
    )
    assert code == 1
    assert "Shorten it" in err
    assert len(output.read_text(encoding="utf-8").splitlines()) == 2


def test_infer_says_which_files_cannot_be_read_or_written(
    medchat: Run, models: Path, questions: Path, output: Path, tmp_path: Path
) -> None:
    command = ("infer", "--models", "tiny", "--models-file", models)
    missing, nowhere = tmp_path / "missing.jsonl", tmp_path / "nowhere" / "answers.jsonl"
    result = medchat(*command, "--input", missing, "--output", output)
    assert_refused(result, f"{missing} cannot be read")
    result = medchat(*command, "--input", questions, "--output", nowhere)
    assert_refused(result, f"{nowhere} cannot be written")
    result = medchat(
        *command[:3], "--models-file", missing, "--input", questions, "--output", output
    )
    assert_refused(result, f"{missing} cannot be read")
    assert not output.exists()


# -- chat --


@pytest.mark.parametrize("end", ["q\n", ""])
def test_chat_answers_until_q_or_the_end_of_the_input(medchat: Run, models: Path, end: str) -> None:
    typed = f"感冒怎么办\n\n头疼\n{end}".encode()
    code, out, err = medchat("chat", "--model", "tiny", "--models-file", models, typed=typed)
    assert code == 0
    assert "not medical advice" in err
    first, second = (part for part in out.split("> ") if part.strip())
    assert first.strip()
    assert second.strip()


def test_c_begins_a_new_conversation(medchat: Run, models: Path) -> None:
    code, out, _ = medchat(
        *("chat", "--model", "tuned", "--models-file", models),
        typed="头疼\nc\n头疼\nq\n".encode(),
    )
    answers = [part for part in out.split("> ") if part.strip()]
    assert code == 0
    assert answers[0] == answers[1]


def test_chat_shows_what_the_model_was_asked_to_the_letter(medchat: Run, models: Path) -> None:
    code, _, err = medchat(
        *("chat", "--model", "tuned", "--models-file", models, "--show-prompt"),
        typed="感冒怎么办？\nq\n".encode(),
    )
    prompt = find_template("med").render([Turn("感冒怎么办？")])
    assert code == 0
    assert f"tokens --\n{prompt}\n--\n" in err


def test_chat_takes_one_model(medchat: Run, models: Path) -> None:
    assert_refused(
        medchat("chat", "--model", "tiny,tuned", "--models-file", models), "chat talks to one model"
    )


def test_input_in_another_encoding_is_a_sentence(medchat: Run, models: Path) -> None:
    code, _, err = medchat(
        *("chat", "--model", "tiny", "--models-file", models), typed="感冒\n".encode("gbk")
    )
    assert code == 1
    assert err.splitlines()[-1] == "What was typed is not utf-8 text."


# -- build-data and evaluate-facts --


def test_build_data_without_a_knowledge_base_is_a_sentence(medchat: Run, tmp_path: Path) -> None:
    result = medchat("build-data", "--output", tmp_path / "data", "--knowledge", tmp_path)
    assert_refused(result, f"No knowledge base in {tmp_path}")


def test_evaluate_facts_prints_a_line_per_model(
    medchat: Run, models: Path, questions: Path
) -> None:
    asked = {"id": "t1", "question": "我感冒了，怎么治疗", "entity": "感冒", "attribute": "治疗"}
    questions.write_text(json.dumps(asked), encoding="utf-8")
    code, out, _ = medchat(
        "evaluate-facts", questions, "--models", "tiny,tuned", "--models-file", models, "--show"
    )
    assert code == 0
    assert out.startswith("t1 我感冒了，怎么治疗 [")
    *_, tiny, tuned = out.splitlines()
    assert tiny.startswith("tiny: ")
    assert tuned.endswith("of 1 answers tell every asked-for fact, 0.0 % at least half")


def test_evaluate_facts_says_that_its_file_is_missing(
    medchat: Run, models: Path, tmp_path: Path
) -> None:
    missing = tmp_path / "missing.jsonl"
    result = medchat("evaluate-facts", missing, "--models", "tiny", "--models-file", models)
    assert_refused(result, f"{missing} cannot be read")


# -- the app --


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, models: Path, tmp_path: Path) -> Callable[..., str]:
    """Starts the app in this process with options that it must refuse; returns its sentence."""
    for name in ("HOST", "PORT", "DB", "MODELS", "DEVICE", "DTYPE"):
        monkeypatch.delenv(f"MEDCHAT_{name}", raising=False)

    def run(**options: object) -> str:
        usual = {"port": free_port(), "db": tmp_path / "medchat.db", "models": models}
        with pytest.raises(SystemExit) as ended:
            app.main(**(usual | options))
        # A text as the code of SystemExit is printed to stderr, and the exit code is 1.
        assert isinstance(ended.value.code, str)
        assert "\n" not in ended.value.code
        return ended.value.code

    return run


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_port_that_cannot_be_is_refused_with_its_number(
    start: Callable[..., str], port: int
) -> None:
    assert f"a port is a whole number from 1 to 65535, not {port}" in start(port=port)


def test_a_text_file_is_not_taken_for_a_database(start: Callable[..., str], tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("many precious notes\n" * 100)
    assert start(db=notes).startswith(f"The file {notes} is not a database.")
    assert notes.read_text() == "many precious notes\n" * 100


def test_a_database_of_a_newer_version_is_left_alone(
    start: Callable[..., str], tmp_path: Path
) -> None:
    store = Store(tmp_path / "medchat.db")
    with store.transaction() as db:
        row = next(iter(db.query("SELECT * FROM _sqlite_migrations")))
        row.pop("id", None)
        db.table("_sqlite_migrations").insert(row | {"name": "from_the_future"})
    assert "was made by a newer version" in start()
    assert "from_the_future" in start()


def test_a_models_file_that_is_missing_is_named(start: Callable[..., str], tmp_path: Path) -> None:
    missing = tmp_path / "missing.toml"
    assert start(models=missing).startswith(f"{missing} cannot be read")


def test_a_host_that_is_not_of_this_machine_is_refused(start: Callable[..., str]) -> None:
    assert start(host="192.0.2.1").endswith(
        "Choose another one with --port or --host, or end the program that uses it."
    )


def test_a_port_in_use_is_one_sentence_before_anything_is_loaded(
    models: Path, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        command = [sys.executable, "app.py", "--port", str(port), "--models", str(models)]
        ended = subprocess.run(
            [*command, "--db", str(tmp_path / "medchat.db")],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(f"Port {port} of 127.0.0.1 cannot be used: address already in")
    assert ended.stderr.count("\n") == 1
    assert not (tmp_path / "medchat.db").exists()
