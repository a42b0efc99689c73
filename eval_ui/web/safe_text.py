"""Making text from models and people harmless before a page shows it."""

import html
import re

from eval_ui.web.html_templates import part

_ACTIVE = re.compile(
    r"(?<=\])[(:]"  # the target behind [words], and behind a [reference]
    r"|:(?=//)|(?<=www)\.|@(?=[\w-])"  # what makes a bare address a link
    r"|`"  # code: an entity shows as letters there, and mermaid draws
    r"|~"  # "1~2片，2~3次" would be struck through
    r"|(?<=[^\s*])\*(?=\d)"  # "5 mg*10片*2板" would lose its signs
    r"|\\",  # an escape would undo an entity behind it
    re.IGNORECASE | re.ASCII,
)


def as_markdown(text: str) -> str:
    """Markdown that keeps lists and emphasis but can load nothing and link nowhere.

    HTML, links, images, code, quotes (">38.5 ℃") and escapes are shown as they were written: the
    one character that would give each its meaning becomes an entity. Nothing is taken out, so that
    nothing new can form. Gradio's own sanitiser runs behind this.
    """
    return _ACTIVE.sub(lambda found: f"&#{ord(found[0])};", html.escape(text, quote=False))


def as_html(text: str) -> str:
    """Plain text as HTML: shown letter by letter as it is, line breaks kept by the style sheet."""
    return html.escape(text)


def folded(summary: str, text: str) -> str:
    """Plain text under a line that opens and closes it."""
    return part("folded", summary, text)


def cell(text: object) -> str:
    """One cell of an HTML table."""
    return html.escape(str(text))


def table(
    header: list[str], rows: list[list[str]], *, texts: int = 1, last: int = 0, name: str = ""
) -> str:
    """An HTML table; the first ``texts`` and the ``last`` columns are words, the others figures."""
    return part("table", header, rows, texts=texts, last=last, name=name)
