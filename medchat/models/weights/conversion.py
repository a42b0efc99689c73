"""``medchat convert``: a copy of a folder with its ``.bin`` weights as safetensors.

Names, shapes, precisions and bytes of the tensors stay as they are, and so does every other file.
The copy gets its name only when it is whole. Never holds more of the weights than a chunk.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from medchat.errors import BadInput
from medchat.models.weights.files import WEIGHT_STEMS, incomplete, missing_shards, read_json
from medchat.models.weights.reading import chunks, forget_old_files, raw_bytes, read
from medchat.models.weights.sources import ITEM_BYTES, Source, StoredTensor, open_weights

Progress = Callable[[int], None]
"""Called with the number of bytes written since the last call."""
STEMS = (WEIGHT_STEMS[".bin"], "adapter_model", "prefix_encoder")
INDEX = "pytorch_model.bin.index.json"


def files_to_convert(folder: Path, output: Path) -> list[Path]:
    """The ``.bin`` weight files of a folder.

    Raises BadInput where there is nothing to do or ``output`` is in the way, CheckpointError where
    weights are missing.
    """
    if not folder.is_dir():
        raise BadInput("convert_no_folder", folder=folder)
    for path in (output, _partial(output)):
        if path.exists():
            raise BadInput("convert_in_the_way", path=path)
    if output.resolve().is_relative_to(folder.resolve()):
        raise BadInput("convert_inside", output=output, folder=folder)
    files = sorted(file for stem in STEMS for file in folder.glob(f"{stem}*.bin"))
    if not files:
        is_converted = any(folder.glob("*.safetensors"))
        raise BadInput(
            "convert_only_safetensors" if is_converted else "convert_no_bin", folder=folder
        )
    if not any(folder.glob("model*.safetensors")) and (missing := missing_shards(folder)):
        raise incomplete(folder, missing)
    return files


def convert(folder: Path, output: Path, progress: Progress = lambda _: None) -> None:
    """Write the copy. Raises as ``files_to_convert``, and BadInput where the disk is too small."""
    files = files_to_convert(folder, output)
    contents = {file: open_weights(file) for file in files}
    needed = sum(source.bytes for held in contents.values() for source in held.values())
    partial = _partial(output)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        _check_room(output.parent, needed)
        partial.mkdir()
        for file, sources in contents.items():
            write_safetensors(partial / _new_name(file.name), sources, progress)
        _copy_others(folder, partial, files)
        _write_index(folder, partial, contents)
        partial.rename(output)
    except OSError as error:
        raise BadInput("file_unwritable", file=output, reason=error.strerror or error) from error
    finally:
        forget_old_files()
        shutil.rmtree(partial, ignore_errors=True)


def write_safetensors(
    file: Path, sources: dict[str, Source], progress: Progress = lambda _: None
) -> None:
    """Write tensors into a new safetensors file, the widest first, as the library orders them."""
    order = sorted(sources, key=lambda name: (-ITEM_BYTES[sources[name].dtype], name))
    table: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name in order:
        start, end = end, end + sources[name].bytes
        table[name] = {
            "dtype": sources[name].dtype,
            "shape": list(sources[name].shape),
            "data_offsets": [start, end],
        }
    header = json.dumps(table, ensure_ascii=False, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    with file.open("xb") as out:
        out.write(len(header).to_bytes(8, "little") + header)
        for name in order:
            _write(sources[name], out, progress)


def _write(source: Source, out: BinaryIO, progress: Progress) -> None:
    for part in _bytes_in_order(source):
        out.write(part)
        progress(len(part))


def _bytes_in_order(source: Source) -> Iterator[memoryview]:
    if isinstance(source, StoredTensor) and source.in_order:
        yield from chunks(source)
    elif source.count:
        yield raw_bytes(read(source))


def _new_name(name: str) -> str:
    stem = name.removesuffix(".bin")
    return stem.replace(WEIGHT_STEMS[".bin"], WEIGHT_STEMS[".safetensors"], 1) + ".safetensors"


def _copy_others(folder: Path, target: Path, converted: list[Path]) -> None:
    for path in sorted(folder.iterdir()):
        if path.is_file() and path not in converted and path.name != INDEX:
            shutil.copyfile(path, target / path.name)


def _write_index(folder: Path, target: Path, contents: dict[Path, dict[str, Source]]) -> None:
    """An index for weights in shards, with what the old one said besides."""
    shards = {f: held for f, held in contents.items() if f.name.startswith(WEIGHT_STEMS[".bin"])}
    if len(shards) < 2 and not (folder / INDEX).is_file():
        return
    index = read_json(folder / INDEX) if (folder / INDEX).is_file() else {}
    index["weight_map"] = {
        name: _new_name(file.name) for file, held in shards.items() for name in sorted(held)
    }
    text = json.dumps(index, indent=2, ensure_ascii=False) + "\n"
    (target / "model.safetensors.index.json").write_text(text, encoding="utf-8")


def _partial(output: Path) -> Path:
    return output.with_name(f"{output.name}.partial")


def _check_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        sizes = {"needed": f"{needed / 1e9:.1f}", "free": f"{free / 1e9:.1f}"}
        raise BadInput("convert_no_room", folder=folder, **sizes)
