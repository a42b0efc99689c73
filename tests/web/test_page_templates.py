"""What a template is given stands on the page as text; what it lacks is an error."""

import pytest
from jinja2 import UndefinedError
from markupsafe import Markup

from eval_ui.web.html_templates import environment, part

HOSTILE = "<img src=x onerror=alert(1)>\"' &amp; {{ 7 * 7 }} {% raw %}"
ESCAPED = "&lt;img src=x onerror=alert(1)&gt;&#34;&#39; &amp;amp; {{ 7 * 7 }} {% raw %}"


def test_a_value_stands_there_letter_by_letter() -> None:
    assert part("folded", HOSTILE, HOSTILE).count(ESCAPED) == 2
    html = part("table", [HOSTILE], [[HOSTILE]], name=HOSTILE)
    assert html.count(ESCAPED) == 3
    assert "<img" not in html


def test_markup_of_one_template_goes_into_another_as_it_is() -> None:
    inner = part("folded", "a", "b")
    assert inner in part("folded", Markup("x"), inner)


def test_a_value_that_nobody_gives_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        environment().from_string("{{ nothing }}").render()


@pytest.mark.parametrize("name", environment().list_templates())
def test_every_template_can_be_read(name: str) -> None:
    environment().get_template(name)
