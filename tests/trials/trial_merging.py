"""Tens of thousands of interleavings of devices, tabs, lost replies and restored databases."""

import random

import pytest
from blank_page import OPTIONS, SIMULATE, blank_page, run_in
from playwright.sync_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.timeout(3600)]


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_nothing_is_lost_or_doubled_over_many_interleavings(
    browser: Browser, options: dict[str, bool]
) -> None:
    first = random.randrange(10**9)
    with blank_page(browser, lambda folder, name, source: source) as page:
        for start in range(first, first + 20_000, 1000):
            runs = {"first": start, "count": 1000, "options": options}
            assert run_in(page, SIMULATE, runs) == {}
