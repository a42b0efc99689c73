"""The folder of uploads goes with its process, however that ends."""

import os
import subprocess
import sys
from pathlib import Path

from app_server import AppServer
from project import ROOT

NO_MODELS = ROOT / "tests" / "benchmarks" / "no_models.toml"
MAKE = "from eval_ui.web.upload_folder import prepare; print(prepare(), prepare()); "


def run(temporary: Path, ending: str = "") -> Path:
    """Make the folder in a process of its own; returns where it was."""
    environment = os.environ | {"TMPDIR": str(temporary)}
    command = [sys.executable, "-c", MAKE + ending]
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    first, second = result.stdout.split()
    assert first == second
    return Path(first)


def test_the_folder_is_private_and_goes_with_its_process(tmp_path: Path) -> None:
    script = "import os, sys; sys.stdout.flush(); assert os.stat(prepare()).st_mode & 0o77 == 0"
    folder = run(tmp_path, script)
    assert folder.parent == tmp_path
    assert not folder.exists()


def test_what_a_killed_process_left_is_removed_at_the_next_start(tmp_path: Path) -> None:
    script = (
        "import os, sys; sys.stdout.flush(); (prepare() / 'a').touch(); os.kill(os.getpid(), 9)"
    )
    left = run(tmp_path, script)
    assert (left / "a").exists()
    run(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_use_stays(tmp_path: Path) -> None:
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", MAKE + "import sys; sys.stdout.flush(); sys.stdin.read()"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        folder = Path(other.stdout.readline().split()[0])
        run(tmp_path)
        assert folder.exists()
        other.communicate("")
    assert not folder.exists()


def test_the_folder_goes_when_the_program_is_ended(tmp_path: Path) -> None:
    with AppServer(tmp_path / "medchat.db", log=tmp_path / "app.log", models=NO_MODELS) as app:
        (folder,) = app.upload_folders()
        assert folder.exists()
    assert not folder.exists()
