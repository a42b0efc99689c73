"""What every figure is drawn on: fonts, settings and bytes that do not depend on the machine.

matplotlib's settings belong to the process, so threads draw one after the other, from its defaults
and not a ``matplotlibrc``. Fonts are files of installed packages, never those of the machine or of
matplotlib's list of them, which may be older than the machine's fonts. Text in an SVG stays text
and names fonts that a reader's machine may have.
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import matplotlib
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from pylopdf_fonts_zh_cn import sans_path

DOTS_PER_INCH = 200
INK, QUIET, LINE = "#1f2937", "#64748b", "#cbd5e1"
FONT_FILES = {
    "MedChat Sans": sans_path(),  # Noto Sans SC
    "MedChat Symbols": Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"),
}
"""The second has what the first lacks. No font of a machine has these names, so that matplotlib
takes no other file for them."""
SVG_FONTS = ("Noto Sans CJK SC", "Microsoft YaHei", "PingFang SC", "SimHei", "DejaVu Sans")
_DRAWING = Lock()
_SETTINGS: dict[Any, Any] = {
    "font.family": list(FONT_FILES),
    "font.size": 8.5,
    "svg.fonttype": "none",
    "svg.hashsalt": "medchat",
    "axes.edgecolor": LINE,
    "axes.labelcolor": QUIET,
    "axes.titlesize": 9.5,
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": QUIET,
    "ytick.color": INK,
    "text.color": INK,
    "text.parse_math": False,
    "axes.unicode_minus": False,
}


@contextmanager
def prepare_canvas() -> Iterator[None]:
    """These settings and no others, for one thread at a time."""
    with _DRAWING, matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # an emoji in a name is a box
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        _register_fonts()
        yield


def encode(figure: Figure, kind: Literal["svg", "png"]) -> bytes:
    """The bytes of a figure that was drawn within ``prepare_canvas``."""
    buffer = io.BytesIO()
    if kind == "svg":
        FigureCanvasSVG(figure)
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": "MedChat"})
        return buffer.getvalue().replace(_families(FONT_FILES), _families(SVG_FONTS, "sans-serif"))
    FigureCanvasAgg(figure)
    figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    return buffer.getvalue()


def _register_fonts() -> None:
    """Adds the fonts to matplotlib's list, unless they are there."""
    fonts = font_manager.fontManager.ttflist
    registered = {font.name for font in fonts}
    for name, path in FONT_FILES.items():
        if name not in registered:
            entry = font_manager.FontEntry(fname=str(path), name=name, weight=400, size="scalable")
            fonts.append(entry)


def _families(names: Any, *generic: str) -> bytes:
    return ", ".join([*(f"'{name}'" for name in names), *generic]).encode()
