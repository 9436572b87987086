"""A real browser for the tests of pages: Chromium, driven by playwright; nothing is downloaded.

Debian's binary, or the one that SAL_CHROMIUM names.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUM = os.environ.get("SAL_CHROMIUM", "/usr/bin/chromium")


@dataclass
class Opened:
    """A page, and what it did: `requests` beside its own, `errors` of scripts and the console."""

    page: Page
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


Opener = Callable[..., Opened]
"""`open_page(path_or_url, width=1200, height=800, dark=False)`."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for a module: playwright keeps an event loop in the thread as long as it runs."""
    if not Path(CHROMIUM).exists():
        pytest.skip(f"no Chromium at {CHROMIUM} (SAL_CHROMIUM names another)")
    expect.set_options(timeout=60_000)  # a busy machine is no failure
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Opener]:
    """Opens pages, each in a window of its own; they are closed with the test."""
    contexts = []

    def open_it(
        where: Path | str, width: int = 1200, height: int = 800, dark: bool = False
    ) -> Opened:
        url = where if isinstance(where, str) else where.resolve().as_uri()
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
        )
        contexts.append(context)
        context.set_default_timeout(240_000)
        opened = Opened(context.new_page())
        own = url.partition("#")[0]
        page = opened.page
        page.on("request", lambda r: opened.requests.append(r.url) if r.url != own else None)
        page.on("pageerror", lambda error: opened.errors.append(str(error)))
        page.on("console", lambda m: opened.errors.append(m.text) if m.type == "error" else None)
        page.goto(url)
        return opened

    yield open_it
    for context in contexts:
        context.close()
