"""In which precision a model is computed where nobody says. Needs no torch."""

from pathlib import Path

SMALL = 50 * 10**6
"""A processor is no faster in bfloat16 with fewer parameters than these: see ``make bench``."""
CPUINFO = Path("/proc/cpuinfo")
PROCESSOR_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}
"""What /proc/cpuinfo calls instructions for products of bfloat16 numbers, on x86 and on ARM."""


def automatic_dtype(device: str, *, stored: str, parameters: int, bfloat16: bool) -> str:
    """The precision for weights that are ``stored`` in another (by safetensors' name).

    On a GPU, bfloat16 where the weights are not float16 and it knows ``bfloat16``, else float16.
    On a processor float32, and bfloat16 for larger models where it multiplies that by hardware:
    they are limited by the memory's speed, and half as large then.
    """
    if device == "cpu":
        return "bfloat16" if parameters >= SMALL and bfloat16 else "float32"
    if device == "cuda" and stored != "F16" and bfloat16:
        return "bfloat16"
    return "float16"


def processor_multiplies_bfloat16() -> bool:
    """Whether this machine's processor does; false where it does not tell."""
    try:
        text = CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    lines = [line for line in text.splitlines() if line.lower().startswith(("flags", "features"))]
    return any(PROCESSOR_FLAGS & set(line.split()) for line in lines[:1])
