"""What models and people write cannot load, link or run anything on a page, and stays readable."""

import html
import re
from html.parser import HTMLParser

import gradio as gr
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from eval_ui.texts import Texts
from eval_ui.web.notices import guarded
from eval_ui.web.safe_text import as_html, as_markdown, table
from medchat.errors import BadInput
from storage import StorageError

PARSER = MarkdownIt("commonmark").enable("strikethrough")
HARMLESS = {
    *("text", "softbreak", "hardbreak", "inline", "hr"),
    *("paragraph_open", "paragraph_close", "heading_open", "heading_close"),
    *("bullet_list_open", "bullet_list_close", "ordered_list_open", "ordered_list_close"),
    *("list_item_open", "list_item_close"),
    *("em_open", "em_close", "strong_open", "strong_close"),
    "code_block",  # indented: it shows letters only
}
# What marked, the renderer behind Gradio's page, makes a link of by itself (GFM).
BARE_ADDRESS = re.compile(
    r"(?:(?:ftp|https?)://|www\.)(?:[a-z0-9-]+\.?)+|[a-z0-9._+-]+@[a-z0-9-_]+(?:\.[a-z0-9-_]+)+",
    re.IGNORECASE | re.ASCII,
)
HOSTILE = [
    "![a](http://192.0.2.1/a.png)",
    "!![x](a)(http://192.0.2.1/a.png)",
    "[x](a)(javascript:alert(1))",
    "[x](<javascript:alert(1)>)",
    "[x](\n  http://192.0.2.1/\n  'title')",
    "[![x](http://192.0.2.1/a.png)](http://192.0.2.1/)",
    "[[x]](http://192.0.2.1/(a)(b))",
    "[x][r] ![x][r]\n\n[r]: http://192.0.2.1/",
    "> [r]: http://192.0.2.1/\n\n[x][r]",
    "- [r]: http://192.0.2.1/\n\n[r]",
    "[a\\]b]: http://192.0.2.1/\n\n[x][a\\]b]",
    "[x\ny]: http://192.0.2.1/\n\n[x y]",
    "<http://192.0.2.1/> http://192.0.2.1/ HTTPS://192.0.2.1 ftp://192.0.2.1/x",
    "www.evil.example WWW.Evil.example doctor@evil.example <doctor@evil.example>",
    "\\[x](http://192.0.2.1/) \\\\[x](http://192.0.2.1/) [x]\\(http://192.0.2.1/)",
    "[\u202ex](http://192.0.2.1/) [\u200bx]\u200b(http://192.0.2.1/)",
    "&#91;x](http://192.0.2.1/) [x](http&colon;//192.0.2.1/) &lt;img src=x&gt;",
    "<img src=http://192.0.2.1/a.png onerror=alert(1)>",
    "<svg/onload=alert(1)><!-- --><base href=http://192.0.2.1/>",
    "a <script>alert(1)</script>\n\n<details open ontoggle=alert(1)>",
    '```mermaid\nflowchart LR\nclick A href "http://192.0.2.1/"\n```',
    "~~~mermaid\nflowchart LR\n~~~",
    "`<img src=x>` ``[x](http://192.0.2.1/)``",
]
PIECES = [
    *"[]()!<>:@`~\\ &#x*_-|^\n'\"。药",
    *("//", "http", "https://192.0.2.1/", "www.", "a.bc", "\n\n", "&#91;", "javascript:", "> "),
    *("img src=", "- ", "    ", "```", "mermaid", "1. "),
]
hostile = st.lists(st.sampled_from(PIECES), max_size=25).map("".join)


def letters(text: str) -> str:
    return "".join(letter for letter in text if letter.isalpha())


def shown(markdown: str) -> str:
    """The text of the page, tags gone."""
    found: list[str] = []
    parser = HTMLParser()
    parser.handle_data = found.append  # type: ignore[method-assign]
    parser.feed(PARSER.render(markdown))
    parser.close()
    return "".join(found)


def assert_harmless(markdown: str) -> None:
    tokens = PARSER.parse(markdown)
    kinds = {child.type for token in tokens for child in [token, *(token.children or [])]}
    assert kinds <= HARMLESS
    assert not BARE_ADDRESS.search(markdown)
    assert "<" not in markdown
    assert "```" not in markdown


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_is_loaded_linked_or_run(text: str) -> None:
    assert_harmless(as_markdown(text))


@pytest.mark.parametrize("text", HOSTILE)
def test_what_would_have_been_active_is_shown_as_it_was_written(text: str) -> None:
    assert letters(shown(as_markdown(text))) == letters(text)


@given(hostile)
def test_no_mixture_of_marks_becomes_active(text: str) -> None:
    assert_harmless(as_markdown(text))


@given(hostile)
def test_no_word_is_lost(text: str) -> None:
    # An indented block shows the letters of an entity instead of the mark.
    plain = re.sub(r"(?m)^[ \t]+", "", text)
    visible = html.unescape(shown(as_markdown(plain)))
    assert letters(visible) == letters(html.unescape(plain))


def test_lists_and_emphasis_stay() -> None:
    page = PARSER.render(as_markdown("1. **多喝水**\n2. *休息*\n\n- 忌烟\n- 忌酒"))
    assert "<ol>" in page
    assert "<ul>" in page
    assert "<strong>多喝水</strong>" in page
    assert "<em>休息</em>" in page


@pytest.mark.parametrize(
    "dose",
    [
        "每次1~2片，每日2~3次",
        "5 mg*10 片*2*3 板",
        ">38.5 ℃ 应就医",
        "白细胞<4.0，血压>140/90",
        "[注]：见(说明书)",
        "剂量 a\\*b",
    ],
)
def test_figures_and_doses_are_shown_sign_by_sign(dose: str) -> None:
    assert shown(as_markdown(dose)).strip() == dose


def test_html_shows_markup_letter_by_letter() -> None:
    assert as_html('<b onclick="x()">\'&amp;') == "&lt;b onclick=&quot;x()&quot;&gt;&#x27;&amp;amp;"


@given(st.text())
def test_html_gives_back_every_letter(text: str) -> None:
    assert html.unescape(as_html(text)) == text
    assert not set("<>\"'") & set(as_html(text))


def test_a_table_escapes_header_cells_and_name() -> None:
    evil = "<script>'\"&"
    made = table([evil, evil], [[evil, evil]], name=evil)
    assert made.count("&lt;script&gt;&#39;&#34;&amp;") == 5
    assert "<script" not in made


def test_a_table_tells_words_from_figures() -> None:
    made = table(["模型", "n"], [["华佗", "3"]])
    assert "<td>华佗</td><td class=figure>3</td>" in made


@pytest.mark.parametrize(
    "error",
    [
        BadInput("models_no_toml", file="<img src=x>"),
        StorageError("study_exists", name="<img src=x>"),
    ],
)
def test_a_notice_quotes_what_was_typed_and_runs_nothing(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    notices: list[str] = []
    monkeypatch.setattr(gr, "Warning", lambda message, **_: notices.append(message))

    def refuse() -> None:
        raise error

    guarded(refuse, Texts("zh"))()
    assert "&lt;img src=x&gt;" in notices[0]
    assert "<" not in notices[0]
