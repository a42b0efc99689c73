"""``medchat check``: what a folder is, what it needs, and what is wrong with it.

Reads tables of contents, never a base's weights, so that 13 GB take no longer than a few megabytes.
What only these can tell (that a LoRA's numbers make no difference, say) is left to loading.
"""

import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil

from medchat.errors import CheckpointError, MedchatError, Message, message
from medchat.models.adapters import adapter_file, check_fit, check_trained, open_adapter
from medchat.models.checkpoint import Checkpoint
from medchat.models.families import find_family
from medchat.models.precision import automatic_dtype, processor_multiplies_bfloat16
from medchat.models.recognition import read_checkpoint
from medchat.models.shapes import layer_parameters

BYTES_PER_WEIGHT = {"fp16": 2.0, "bf16": 2.0, "int8": 1.0, "int4": 0.5}
"""Of the matrices; what is quantised keeps its scales besides, and its embeddings in half."""
DTYPE_NAMES = {"F16": "float16", "BF16": "bfloat16", "F32": "float32"}


@dataclass(frozen=True)
class File:
    name: str
    bytes: int


@dataclass
class Report:
    """What a folder is. Without ``problems`` it can be used."""

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
    device_bytes: int | None = None
    free_bytes: int | None = None
    runs_here: bool = False
    problems: list[Message | MedchatError] = field(default_factory=list)

    @property
    def usable(self) -> bool:
        return not self.problems

    def as_dict(self) -> dict[str, Any]:
        problems = list(map(str, self.problems))
        return asdict(replace(self, problems=[])) | {"problems": problems, "usable": self.usable}


def inspect(folder: Path, adapter: Path | None = None) -> Report:
    """Look at a base folder and, if given, an adapter for it. Never raises CheckpointError."""
    report = Report(str(folder), str(adapter) if adapter else None)
    try:
        report.files = _files(folder)
        checkpoint = read_checkpoint(folder)
        _describe(report, checkpoint, adapter)
        _weigh(report, checkpoint)
    except CheckpointError as error:
        report.problems.append(error)
        return report
    try:
        if adapter:
            report.adapter = _look_at_adapter(adapter, checkpoint)
    except CheckpointError as error:
        report.problems.append(error)
    return report


def _files(folder: Path) -> list[File]:
    if not os.path.isdir(folder):
        return []
    paths = (path for path in sorted(folder.iterdir()) if path.is_file())
    return [File(path.name, path.stat().st_size) for path in paths]


def _describe(report: Report, checkpoint: Checkpoint, adapter: Path | None) -> None:
    report.family = checkpoint.family
    report.layout = checkpoint.layout or None
    report.parameters = checkpoint.parameters
    report.vocabulary = checkpoint.rows
    report.dtype = DTYPE_NAMES.get(checkpoint.stored_dtype, checkpoint.stored_dtype)
    report.quantisation_bits = checkpoint.bits
    report.template = find_family(checkpoint.family).template_hint(adapted=adapter is not None)


def _weigh(report: Report, checkpoint: Checkpoint) -> None:
    """What the weights take in each precision, and what there is."""
    inner = layer_parameters(checkpoint.shapes)
    outer = checkpoint.parameters - inner
    report.memory_bytes = {
        name: round(inner * width + outer * max(width, 2))
        for name, width in BYTES_PER_WEIGHT.items()
    }
    report.device, bfloat16, report.device_bytes, report.free_bytes = _machine()
    report.device_dtype = automatic_dtype(
        report.device,
        stored=checkpoint.stored_dtype,
        parameters=checkpoint.parameters,
        bfloat16=bfloat16,
    )
    report.needed_bytes = checkpoint.parameters * (4 if report.device_dtype == "float32" else 2)
    report.runs_here = report.needed_bytes < report.device_bytes
    if not report.runs_here:
        report.problems.append(
            message(
                "machine_too_small",
                dtype=report.device_dtype,
                needed=_giga(report.needed_bytes),
                device=report.device,
                memory=_giga(report.device_bytes),
            )
        )


def _machine() -> tuple[str, bool, int, int]:
    """The device that models run on here, whether it knows bfloat16, its memory and what is free.

    torch is asked only where there may be a GPU: it takes longer to start than all the rest.
    """
    if Path("/proc/driver/nvidia/version").exists() or psutil.MACOS:
        import torch

        if torch.cuda.is_available():
            memory = [torch.cuda.mem_get_info(n) for n in range(torch.cuda.device_count())]
            free, total = (sum(part) for part in zip(*memory, strict=True))
            return "cuda", torch.cuda.is_bf16_supported(including_emulation=False), total, free
        if torch.backends.mps.is_available():
            memory_here = psutil.virtual_memory()
            return "mps", False, memory_here.total, memory_here.available
    here = psutil.virtual_memory()
    return "cpu", processor_multiplies_bfloat16(), here.total, here.available


def _look_at_adapter(folder: Path, checkpoint: Checkpoint) -> dict[str, Any]:
    family = find_family(checkpoint.family)
    if file := family.prefix_file(folder):
        return {
            "kind": "p-tuning prefix",
            "file": file.name,
            "bytes": file.stat().st_size,
            "length": family.open_prefix(file, checkpoint).shape[0],
        }
    adapter = open_adapter(folder)
    check_fit(adapter, checkpoint.shapes)
    check_trained(adapter)
    file = adapter_file(folder)
    return {
        "kind": "LoRA",
        "file": file.name,
        "bytes": file.stat().st_size,
        "rank": adapter.rank,
        "alpha": adapter.config.get("lora_alpha"),
        "targets": adapter.targets,
        "tensors": len(adapter.sources),
        "base": adapter.config.get("base_model_name_or_path"),
    }


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
        f"family      {find_family(report.family or '').title}{layout}",
        f"parameters  {report.parameters:,}",
        f"vocabulary  {report.vocabulary:,}",
        f"stored in   {stored}",
        f"template    {report.template}",
    ]
    if report.memory_bytes:
        sizes = ", ".join(f"{name} {_giga(size)}" for name, size in report.memory_bytes.items())
        lines.append(f"memory      {sizes} (weights alone)")
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
