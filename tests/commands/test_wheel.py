"""The installed program: everything it needs is in the wheel, and it works from any folder."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from project import ROOT


def not_packed(folder: str, names: list[str]) -> set[str]:
    """What is not copied: hidden files, and what only a checkout has at its top."""
    top = {"tests", "docs", "data", "build"} if Path(folder) == ROOT else set()
    return {name for name in names if name.startswith(".") or name == "__pycache__" or name in top}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the wheel was installed, without the packages that it needs."""
    folder = tmp_path_factory.mktemp("wheel")
    source = shutil.copytree(ROOT, folder / "source", ignore=not_packed)
    pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
    options = ["--no-deps", "--no-build-isolation", "--target", str(folder / "installed")]
    done = subprocess.run([*pip, *options, str(source)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "installed"


def test_a_question_is_answered_from_another_folder(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "questions.jsonl").write_text('{"question": "我感冒了，怎么治疗"}', "utf-8")
    command = [sys.executable, "-m", "medchat", "infer", "--models", "demo-huatuo"]
    done = subprocess.run(
        [*command, "--input", "questions.jsonl", "--output", "answers.jsonl"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "answers.jsonl").read_text("utf-8"))
    assert record["answers"][0]["text"]


def test_the_wheel_brings_a_command_and_the_page(installed: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [installed / "bin" / "medchat", "app", "--help"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "--port" in done.stdout


def test_every_file_of_the_packages_is_in_the_wheel(installed: Path) -> None:
    for room in ("medchat", "storage", "eval_ui", "assets"):
        target = installed / "medchat" / "project" / room if room == "assets" else installed / room
        for file in (ROOT / room).rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                assert (target / file.relative_to(ROOT / room)).is_file(), file
