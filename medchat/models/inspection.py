"""``medchat check``: what a folder is, what it needs, and what is wrong with it.

Reads tables of contents, never the weights, so that 13 GB take no longer than a few megabytes; what
only the weights themselves can tell (a LoRA of zeros, say) is left to loading.
"""

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig

from medchat.errors import CheckpointError
from medchat.models.adapter_files import (
    adapter_file,
    check_adapter_fit,
    open_adapter,
    read_adapter_config,
)
from medchat.models.assembly import check_fit, empty_network
from medchat.models.checkpoint import Checkpoint, read_checkpoint
from medchat.models.chatglm.prefix import prefix_file, read_prefix_file
from medchat.models.devices import choose_device, choose_dtype
from medchat.models.templates import expected_template

BYTES_PER_WEIGHT = {"fp16": 2.0, "bf16": 2.0, "int8": 1.0, "int4": 0.5}
"""Of the matrices; what is quantised keeps its scales besides, and its embeddings in half."""
NAMES = {"llama": "LLaMA", "bloom": "Bloom", "chatglm": "ChatGLM-6B"}
TEMPLATE_NOTES = {
    ("llama", True): "med, or literature or alpaca if it was tuned in that",
    ("chatglm", False): "chatglm, or chatglm-med for ChatGLM-6B-Med",
}


@dataclass(frozen=True)
class File:
    name: str
    bytes: int


@dataclass
class Report:
    """What was found. ``problems`` are sentences; without any, the folder can be used."""

    path: str
    adapter_path: str | None
    family: str | None = None
    layout: str | None = None
    parameters: int | None = None
    vocabulary: int | None = None
    dtype: str | None = None
    quantisation_bits: int | None = None
    files: list[File] = field(default_factory=list)
    adapter: dict[str, Any] | None = None
    template: str | None = None
    memory_bytes: dict[str, int] | None = None
    device: str | None = None
    device_dtype: str | None = None
    needed_bytes: int | None = None
    free_bytes: int | None = None
    runs_here: bool = False
    problems: list[str] = field(default_factory=list)

    @property
    def usable(self) -> bool:
        return not self.problems

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"usable": self.usable}


def inspect(folder: Path, adapter: Path | None = None) -> Report:
    """Look at a base folder and, if given, an adapter for it. Never raises CheckpointError."""
    report = Report(str(folder), str(adapter) if adapter else None)
    try:
        report.files = _files(folder)
        checkpoint = read_checkpoint(folder)
        _describe(report, checkpoint, adapter)
        network = empty_network(checkpoint.kind, checkpoint.config)
        check_fit(network, checkpoint.sources)
        _weigh(report, checkpoint)
    except CheckpointError as error:
        report.problems.append(str(error))
        return report
    try:
        if adapter:
            report.adapter = _look_at_adapter(adapter, checkpoint, network)
    except CheckpointError as error:
        report.problems.append(str(error))
    return report


def _files(folder: Path) -> list[File]:
    if not folder.is_dir():
        return []
    found = (path for path in sorted(folder.iterdir()) if path.is_file())
    return [File(path.name, path.stat().st_size) for path in found]


def _describe(report: Report, checkpoint: Checkpoint, adapter: Path | None) -> None:
    family = checkpoint.family
    report.family = family
    report.layout = checkpoint.layout or None
    report.parameters = checkpoint.parameters
    report.vocabulary = checkpoint.config.vocab_size
    report.dtype = str(checkpoint.stored_dtype).removeprefix("torch.")
    report.quantisation_bits = checkpoint.quantisation
    expected = expected_template(family, adapted=adapter is not None).name
    report.template = TEMPLATE_NOTES.get((family, adapter is not None), expected)


def _weigh(report: Report, checkpoint: Checkpoint) -> None:
    """What the weights take in each precision, and what there is."""
    inner = checkpoint.matrix_parameters
    outer = checkpoint.parameters - inner
    report.memory_bytes = {
        name: round(inner * width + outer * max(width, 2))
        for name, width in BYTES_PER_WEIGHT.items()
    }
    device = choose_device("auto")
    dtype = choose_dtype(
        "auto", device, stored=checkpoint.stored_dtype, parameters=checkpoint.parameters
    )
    report.device = device.type
    report.device_dtype = str(dtype).removeprefix("torch.")
    report.needed_bytes = checkpoint.parameters * dtype.itemsize
    report.free_bytes = _free_bytes(device)
    report.runs_here = report.needed_bytes < report.free_bytes
    if not report.runs_here:
        report.problems.append(
            f"In {report.device_dtype} the weights need {_giga(report.needed_bytes)}, and "
            f"{device.type} has {_giga(report.free_bytes)} free."
        )


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return sum(
            torch.cuda.mem_get_info(number)[0] for number in range(torch.cuda.device_count())
        )
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _look_at_adapter(adapter: Path, checkpoint: Checkpoint, network: Any) -> dict[str, Any]:
    if checkpoint.family == "chatglm" and (file := prefix_file(adapter)):
        prefix = read_prefix_file(file, checkpoint.config)
        return {
            "kind": "p-tuning prefix",
            "file": file.name,
            "bytes": file.stat().st_size,
            "length": prefix.shape[0],
        }
    config = read_adapter_config(adapter)
    sources = open_adapter(adapter)
    check_adapter_fit(sources, config, network, adapter)
    file = adapter_file(adapter)
    return {
        "kind": "LoRA",
        "file": file.name,
        "bytes": file.stat().st_size,
        "rank": config.r,
        "alpha": config.lora_alpha,
        "targets": _targets(config),
        "tensors": len(sources),
        "base": config.base_model_name_or_path,
    }


def _targets(config: LoraConfig) -> list[str]:
    targets = config.target_modules or []
    return [targets] if isinstance(targets, str) else sorted(targets)


# -- as text --


def as_text(report: Report) -> str:
    """The report for a terminal, a line for each fact."""
    lines = [f"{report.path}"]
    if report.family:
        lines += _facts(report)
    if report.adapter:
        lines += [f"adapter     {report.adapter_path}", *_adapter_facts(report.adapter)]
    lines += [f"file        {file.name}  {_giga(file.bytes)}" for file in report.files]
    if report.usable:
        lines.append(
            f"It can be used here: {report.device}, {report.device_dtype}, "
            f"{_giga(report.needed_bytes or 0)} for the weights."
        )
    else:
        lines += [f"Problem: {problem}" for problem in report.problems]
    return "\n".join(lines) + "\n"


def _facts(report: Report) -> list[str]:
    layout = f", layout {report.layout}" if report.layout else ""
    stored = f"int{report.quantisation_bits}" if report.quantisation_bits else report.dtype
    lines = [
        f"family      {NAMES[report.family or '']}{layout}",
        f"parameters  {report.parameters:,}",
        f"vocabulary  {report.vocabulary:,}",
        f"stored in   {stored}",
        f"template    {report.template}",
    ]
    if report.memory_bytes:
        told = ", ".join(f"{name} {_giga(size)}" for name, size in report.memory_bytes.items())
        lines.append(f"memory      {told} (weights alone)")
    return lines


def _adapter_facts(adapter: dict[str, Any]) -> list[str]:
    if adapter["kind"] != "LoRA":
        return [f"            {adapter['kind']} of length {adapter['length']}"]
    return [
        f"            LoRA of rank {adapter['rank']}, alpha {adapter['alpha']}, "
        f"on {', '.join(adapter['targets'])}",
        f"            made on {adapter['base'] or 'a base that it does not name'}",
    ]


def _giga(size: int) -> str:
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} bytes"
