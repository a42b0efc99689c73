"""What several browser tests do on the pages."""

import json
import re
from typing import Any

from playwright.sync_api import Page, expect


def open_tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).click()


def fill_number(page: Page, selector: str, number: int) -> None:
    """Type ``number`` as a person would: after the page has settled, and then leave the field."""
    field = page.locator(f"{selector} input")
    expect(field).to_be_editable()
    page.wait_for_timeout(300)  # a tab that has only just been drawn may set the field once more
    field.fill(str(number))
    field.press("Tab")
    page.wait_for_timeout(300)
    expect(field).to_have_value(str(number))


def confirm(page: Page, button: str, name: str) -> None:
    """Press a button that asks, and say yes."""
    page.locator(f"#{button}").click()
    page.locator(f"#{name}-yes").click()
    expect(page.locator(f"#{name}-asks")).to_be_hidden()


def page_config(html: str) -> dict[str, Any]:
    """Gradio's description of a page, as it stands in the page itself."""
    found = re.search(r"window\.gradio_config = (\{.*?\});</script>", html, re.DOTALL)
    assert found, html[:500]
    return dict(json.loads(found[1]))
