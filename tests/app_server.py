"""The app as its users run it: a process of its own, on a free port, with its own database."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SECONDS_TO_START = 300


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


PASSWORD = "of the coordinator"


class AppServer:
    """``with AppServer(db) as app: app.url``. What it prints goes to ``log``."""

    def __init__(self, db: Path, *, log: Path, models: Path | None = None, **settings: str) -> None:
        """``settings`` are further ones, such as ``open_chat="true"``."""
        self.db = db
        self.temporary = db.parent / "temporary"
        self._settings = {f"MEDCHAT_{name.upper()}": text for name, text in settings.items()}
        self.log = log
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._models = models
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "AppServer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        command = [sys.executable, "app.py", "--port", str(self.port), "--db", str(self.db)]
        if self._models:
            command += ["--models", str(self._models)]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("MEDCHAT_")}
        self.temporary.mkdir(exist_ok=True)
        environment["TMPDIR"] = str(self.temporary)
        environment["MEDCHAT_COORDINATOR_PASSWORD"] = PASSWORD
        environment |= self._settings
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=log, stderr=log
            )
        self._wait()

    def stop(self) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait(timeout=30)
            self._process = None

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(timeout=30)
        self._process = None

    def sign_in(self, context: Any) -> None:
        """Sign the coordinator in in a Playwright browser context."""
        form = {"name": "coordinator", "password": PASSWORD, "to": "/"}
        answer = context.request.post(f"{self.url}/sign-in", form=form)
        assert answer.ok, answer.text()

    @property
    def process(self) -> int:
        """The number of the running process."""
        assert self._process is not None
        return self._process.pid

    def upload_folders(self) -> list[Path]:
        return list(self.temporary.glob("medchat-uploads-*"))

    def health(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}/healthz", timeout=10) as answer:
            return dict(json.load(answer))

    def _wait(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + SECONDS_TO_START
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                self.health()
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.2)
            else:
                return
        raise AssertionError(f"the app did not start: {self.log.read_text(encoding='utf-8')}")
