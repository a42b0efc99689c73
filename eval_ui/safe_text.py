"""Making text from models and people harmless before a page shows it."""

import html
import re

_IMAGE = re.compile(r"!(?=\[)")
_REMOTE_LINK = re.compile(r"\]\(\s*<?[^)]*\)")
_REFERENCE = re.compile(r"^(\s{0,3}\[[^\]]+\]):", re.MULTILINE)


def as_markdown(text: str) -> str:
    """Markdown that keeps lists and emphasis but can load nothing and link nowhere.

    HTML is shown as written; an image or link becomes its words. Gradio's own sanitiser runs
    behind this.
    """
    text = html.escape(text, quote=False).replace("&gt;", ">")
    text = _IMAGE.sub("", text)
    text = _REMOTE_LINK.sub("]", text)
    return _REFERENCE.sub(r"\1 ", text)


def as_html(text: str) -> str:
    """Plain text as HTML: shown letter by letter as it is, line breaks kept by the style sheet."""
    return html.escape(text)


def cell(text: object) -> str:
    """One cell of an HTML table."""
    return html.escape(str(text))


def table(header: list[str], rows: list[list[str]], *, texts: int = 1, name: str = "") -> str:
    """An HTML table; the first ``texts`` columns are words, the others figures."""

    def line(tag: str, cells: list[str]) -> str:
        parts = [
            f"<{tag}{'' if index < texts else ' class=figure'}>{cell(value)}</{tag}>"
            for index, value in enumerate(cells)
        ]
        return f"<tr>{''.join(parts)}</tr>"

    body = "".join(line("td", row) for row in rows)
    return (
        f'<div class="table-scroll"><table class="medchat-table" aria-label="{cell(name)}">'
        f"<thead>{line('th', header)}</thead><tbody>{body}</tbody></table></div>"
    )
