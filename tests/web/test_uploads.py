"""The names of uploaded files: whatever a browser sends, the file arrives under a short one."""

from typing import Any

import pytest
from own_loop import run_in_own_loop
from starlette.datastructures import Headers

from eval_ui.web.uploads import read_upload, safe_name

MULTIPART = Headers({"content-type": "multipart/form-data; boundary=b"})
CONTENT = b"question\r\n\r\nfever\r\n"


def form_with(disposition: str) -> bytes:
    head = f"--b\r\nContent-Disposition: form-data; {disposition}\r\nContent-Type: text/csv\r\n\r\n"
    return head.encode() + CONTENT + b"\r\n--b--\r\n"


async def received(form: bytes, piece: int) -> tuple[str, bytes]:
    """A form that arrives in pieces: the file's name as it is kept, and what it holds."""
    pieces = [form[start : start + piece] for start in range(0, len(form), piece)]

    async def receive() -> dict[str, Any]:
        return {"body": pieces.pop(0), "more_body": bool(pieces)}

    data, file = await read_upload(MULTIPART, receive)
    try:
        return safe_name(file.filename or ""), await file.read()
    finally:
        await data.close()


@pytest.mark.parametrize("piece", [10**6, 7])
@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('name="files"; filename="a.csv"', "a.csv"),
        ('name="files"; filename="题目.csv"', "题目.csv"),
        (r'name="files"; filename="a\"b.csv"', "a_b.csv"),
        ('name="files"; filename=""', "file"),
        ('name="files"', "file"),
        (f'name="files"; filename="{"x" * 5000}.csv"', "x" * 100 + ".csv"),
        (f'name="files"; filename="{"药" * 5000}.xlsx"', "药" * 66 + ".xlsx"),
        (f'name="files"; filename="{chr(92) * 2}{"y" * 5000}.csv"', "y" * 100 + ".csv"),
        (f'name="files"; filename="{" " * 5000}"', "file"),
    ],
)
def test_a_file_arrives_whatever_its_name(disposition: str, name: str, piece: int) -> None:
    assert run_in_own_loop(received(form_with(disposition), piece)) == (name, CONTENT)


@pytest.mark.parametrize(
    "name", ["药" * 300, "药" * 300 + ".csv", "a." + "药" * 300, "\U00020000" * 99]
)
def test_a_name_is_no_longer_than_a_disk_takes(name: str) -> None:
    assert 0 < len(safe_name(name).encode()) < 255
