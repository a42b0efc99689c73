"""Which precision ``auto`` takes."""

from pathlib import Path

import pytest

from medchat.models import precision
from medchat.models.precision import SMALL, automatic_dtype, processor_multiplies_bfloat16


@pytest.mark.parametrize(
    ("device", "stored", "parameters", "bfloat16", "wanted"),
    [
        ("cpu", "F16", 6 * 10**9, True, "bfloat16"),
        ("cpu", "F16", 6 * 10**9, False, "float32"),
        ("cpu", "F16", SMALL - 1, True, "float32"),
        ("cpu", "F32", SMALL, True, "bfloat16"),
        ("cuda", "F16", 6 * 10**9, True, "float16"),
        ("cuda", "F16", 10, True, "float16"),
        ("cuda", "BF16", 6 * 10**9, True, "bfloat16"),
        ("cuda", "BF16", 6 * 10**9, False, "float16"),
        ("cuda", "F32", 6 * 10**9, True, "bfloat16"),
        ("mps", "BF16", 6 * 10**9, True, "float16"),
    ],
)
def test_auto_is_what_is_fast_and_safe_there(device, stored, parameters, bfloat16, wanted) -> None:
    found = automatic_dtype(device, stored=stored, parameters=parameters, bfloat16=bfloat16)
    assert found == wanted


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        ("processor : 0\nflags\t\t: fpu avx512f avx512_bf16 amx_tile\n", True),
        ("processor : 0\nflags\t\t: fpu avx2 avx512f\nbugs : bf16\n", False),
        ("processor : 0\nFeatures\t: fp asimd bf16 i8mm\n", True),
        ("", False),
    ],
)
def test_a_processor_tells_by_its_flags(tmp_path, monkeypatch, told: str, wanted: bool) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text(told)
    monkeypatch.setattr(precision, "CPUINFO", file)
    assert processor_multiplies_bfloat16() is wanted


def test_a_processor_that_tells_nothing_gets_float32(monkeypatch) -> None:
    monkeypatch.setattr(precision, "CPUINFO", Path("/nowhere/cpuinfo"))
    assert not processor_multiplies_bfloat16()
