"""What a start costs: processor seconds until the page answers, against ``import gradio`` alone.

Both are of a process of its own. Run by ``make bench``.
"""

import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from app_server import free_port
from project import ROOT

ROUNDS = 3
GRADIO = (
    "import gradio, resource; use = resource.getrusage(resource.RUSAGE_SELF); "
    "print(use.ru_utime + use.ru_stime)"
)


def seconds_of_gradio() -> float:
    command = [sys.executable, "-c", GRADIO]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return float(done.stdout)


def processor_seconds(process: int) -> float:
    """Used so far by a process that is under way, in all its threads."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def seconds_of_app() -> tuple[float, float]:
    """Seconds until the first line is printed, and processor seconds until the page answers."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "app.py", "--port", str(port), "--db", f"{folder}/medchat.db"]
        began = time.monotonic()
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            first_line = time.monotonic() - began
            # The port is open from the beginning: the request waits until the page answers.
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=300) as page:
                page.read()
            seconds = processor_seconds(process.pid)
            process.kill()
    return first_line, seconds


def main() -> None:
    gradio = min(seconds_of_gradio() for _ in range(ROUNDS))
    first_line, app = map(min, zip(*(seconds_of_app() for _ in range(ROUNDS)), strict=True))
    print(
        f"start: first line after {first_line:.1f} s, page after {app:.1f} s of processor time, "
        f"{app / gradio:.2f} times import gradio ({gradio:.1f} s; at most 1.6)"
    )


if __name__ == "__main__":
    main()
