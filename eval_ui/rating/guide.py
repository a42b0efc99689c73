"""The guide for raters: the built-in text, and any study's own as harmless HTML."""

from markdown_it import MarkdownIt

from eval_ui.texts import Language, Texts
from medchat.scale import DIMENSIONS, SCORES

_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")
# Nothing may be fetched from elsewhere, and no rater led away.
_MARKDOWN.disable(["image", "link", "autolink", "html_inline", "html_block", "reference"])


def default_guide(language: Language) -> str:
    """The built-in guide as Markdown: each scale, and what each of its scores means."""
    texts = Texts(language)
    parts = [texts("guide_intro")]
    for dimension in DIMENSIONS:
        parts.append(f"### {texts(dimension)}")
        parts.append(texts(f"{dimension}_question"))
        parts.append(
            "\n".join(f"- **{score}** {texts(f'{dimension}_{score}')}" for score in SCORES)
        )
    parts.append(texts("guide_end"))
    return "\n\n".join(parts)


def guide_html(markdown: str) -> str:
    """Markdown as HTML without images, links or foreign HTML."""
    return str(_MARKDOWN.render(markdown))
