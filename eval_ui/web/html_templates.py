"""The page's HTML: templates in which every value stands letter by letter, never as markup.

The files in ``templates/`` are jinja2 with autoescape. What ``render`` and ``part`` return is
markup already, so that one template's result may be a value of another.
"""

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

FOLDER = Path(__file__).with_name("templates")


@cache
def environment() -> Environment:
    """A value that a template names and nobody gives is an error, not an empty text."""
    return Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(template: str, **values: object) -> Markup:
    """A whole template, by its file name."""
    return Markup(environment().get_template(template).render(values))


def part(name: str, /, *values: object, **more: object) -> Markup:
    """A macro of ``parts.html``, such as a table."""
    macro: Any = getattr(environment().get_template("parts.html").module, name)
    return Markup(macro(*values, **more))
