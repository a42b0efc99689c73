"""Loading: how much memory it holds, and how long it takes against reading the files.

Synthetic checkpoints in the published layouts, each loaded in a process of its own. Times are of
files that the disk must bring, and again of files that are in memory already; only ratios within
the run mean anything.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median
from typing import Any

import synthetic

from medchat.models.weights.files import weight_files

SIZES = {
    "llama": {
        "hidden_size": 2048,
        "num_hidden_layers": 16,
        "num_attention_heads": 16,
        "intermediate_size": 5504,
    },
    "chatglm": {"hidden_size": 1536, "num_layers": 16, "num_attention_heads": 16},
}
"""Between one and two gigabytes each in float16."""
ROUNDS = 5
WRITERS = {"llama": synthetic.write_llama, "chatglm": synthetic.write_chatglm}


def measure(folder: Path, dtype: str, *, cold: bool) -> dict[str, float]:
    """Seconds and bytes of one loading; to be called in a fresh process."""
    from medchat.models import load

    if cold:
        drop_from_memory(folder)
    before = _memory("VmRSS")
    with _PeakMemory() as peak:
        started = time.perf_counter()
        model: Any = load(folder, device="cpu", dtype=dtype).model
        seconds = time.perf_counter() - started
    weights = sum(weight.numel() * weight.element_size() for weight in model.parameters())
    return {"seconds": seconds, "peak": peak.bytes - before, "weights": weights}


class _PeakMemory:
    """The most memory that the process holds while this is open, asked for every millisecond."""

    def __enter__(self) -> "_PeakMemory":
        self.bytes = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.001):
            self.bytes = max(self.bytes, _memory("VmRSS"))


def _memory(kind: str) -> int:
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(kind):
            return int(line.split()[1]) * 1024
    raise LookupError(kind)


def read_files(folder: Path, *, cold: bool) -> float:
    """Seconds to read the weight files into memory, as a program that wants their bytes does."""
    if cold:
        drop_from_memory(folder)
    started = time.perf_counter()
    contents = [file.read_bytes() for file in weight_files(folder)]
    seconds = time.perf_counter() - started
    assert contents
    return seconds


def drop_from_memory(folder: Path) -> None:
    """Let the system forget the files, so that they must come from the disk."""
    for file in weight_files(folder):
        with file.open("rb") as stream:
            os.fsync(stream.fileno())
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def in_fresh_process(folder: Path, dtype: str, *, cold: bool) -> dict[str, float]:
    command = [sys.executable, __file__, str(folder), dtype, "cold" if cold else "warm"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(result.stdout))


def compare(folder: Path) -> None:
    print(f"{folder.name}", flush=True)
    for dtype, cold in (("float16", True), ("float16", False), ("float32", False)):
        ratios, peaks = [], []
        for _ in range(ROUNDS):  # taking turns, so that both meet the same disturbances
            reading = read_files(folder, cold=cold)
            found = in_fresh_process(folder, dtype, cold=cold)
            ratios.append(found["seconds"] / reading)
            peaks.append(found["peak"] / found["weights"])
        print(
            f"  {dtype} {'from the disk' if cold else 'from memory  '}: peak {max(peaks):.2f} × "
            f"the weights' {found['weights'] / 1e9:.2f} GB; time {median(ratios):.2f} × reading "
            f"the files (from {min(ratios):.2f} to {max(ratios):.2f} in {ROUNDS} rounds)",
            flush=True,
        )


def main() -> None:
    root = Path(tempfile.mkdtemp(prefix="medchat-bench-"))
    try:
        for family, write in WRITERS.items():
            for suffix in (".bin", ".safetensors"):
                folder = write(root / f"{family}{suffix}", suffix=suffix, **SIZES[family])
                compare(folder)
                shutil.rmtree(folder)
    finally:
        shutil.rmtree(root)


if __name__ == "__main__":
    if len(sys.argv) == 4:
        _, path, precision, state = sys.argv
        print(json.dumps(measure(Path(path), precision, cold=state == "cold")))
    else:
        main()
