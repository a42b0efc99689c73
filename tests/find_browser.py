"""Prints the path of a Chromium for the browser tests; with --install, gets one if there is none.

Looked for, in this order: MEDCHAT_CHROMIUM, a Chromium or Chrome on the PATH, the one that
Playwright keeps. Everything but the path goes to stderr.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BY_APT = (
    ["apt-get", "update"],
    ["apt-get", "install", "-y", "--no-install-recommends", "chromium", "fonts-noto-cjk"],
)
BY_PLAYWRIGHT = ([sys.executable, "-m", "playwright", "install", "chromium"],)


def main() -> int:
    chosen = os.environ.get("MEDCHAT_CHROMIUM")
    if chosen:
        if not runs(chosen):
            return fail(f"MEDCHAT_CHROMIUM is {chosen}, which does not run. Name a Chromium.")
        print(chosen)
        return 0
    path = find()
    if path is None and "--install" in sys.argv[1:]:
        path = install()
    if path is None:
        return fail(
            "No Chromium for the browser tests. Install one, or name its path in MEDCHAT_CHROMIUM."
        )
    print(path)
    return 0


def find() -> str | None:
    return next((path for path in candidates() if runs(path)), None)


def candidates() -> Iterator[str]:
    for name in NAMES:
        if path := shutil.which(name):
            yield path
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield playwright.chromium.executable_path


def runs(path: str) -> bool:
    """Whether it starts: Ubuntu's `chromium-browser` may be a stub that only asks for a snap."""
    try:
        result = subprocess.run([path, "--version"], capture_output=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return result.returncode == 0


def install() -> str | None:
    """Try each way of installing a Chromium until one leaves a Chromium that runs."""
    ways = [BY_APT, BY_PLAYWRIGHT] if may_use_apt() else [BY_PLAYWRIGHT]
    for commands in ways:
        if all(run(command) for command in commands) and (path := find()):
            return path
    return None


def may_use_apt() -> bool:
    release = Path("/etc/os-release")
    if not release.exists() or not shutil.which("apt-get") or os.geteuid() != 0:
        return False
    words = release.read_text(encoding="utf-8").replace('"', " ").replace("=", " ").split()
    return "debian" in words or "ubuntu" in words


def run(command: list[str]) -> bool:
    print(f"{' '.join(command)} …", file=sys.stderr)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(command, stdout=sys.stderr, env=environment).returncode == 0


def fail(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
