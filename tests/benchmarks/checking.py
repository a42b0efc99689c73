"""`medchat check` on a folder of 13 GB: against starting Python, and against importing torch.

The folder is sparse: its safetensors shards have LLaMA-7B's table of contents and no content.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from model_fixtures import TEXTS, write_sparse_llama

from medchat.training.tokenizers import train_llama_tokenizer

ROUNDS = 5


def seconds(*arguments: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return time.perf_counter() - started


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="medchat-bench-"))
    try:
        (folder / "config.json").write_text(json.dumps({"model_type": "llama"}), encoding="utf-8")
        train_llama_tokenizer(TEXTS, 400, folder / "tokenizer.model")
        write_sparse_llama(folder)
        tasks = {
            "medchat check": ("-m", "medchat", "check", str(folder)),
            "python alone": ("-c", ""),
            "import torch": ("-c", "import torch"),
        }
        rounds = [{name: seconds(*task) for name, task in tasks.items()} for _ in range(ROUNDS)]
        medians = {name: median(each[name] for each in rounds) for name in tasks}
        told = ", ".join(f"{name} {value:.2f} s" for name, value in medians.items())
        ratio = medians["medchat check"] / medians["import torch"]
        print(f"a folder of 13 GB: {told}; check / import torch {ratio:.2f}")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
