"""A search tree, and what a page shows of one."""

from __future__ import annotations

from playwright.sync_api import Page
from test_trace_data import completion, node, row, trace

from sal.reports.trace_data import trace_data

TREE = trace_data(
    trace(
        node(0, text="alpha", scores=[0.9]),
        node(0, -1, text="ahead one\n\nahead two", scores=[0.8, 0.7]),
        node(0, 0, text="the answer is 42", finish="eot", scores=[0.95]),
        node(0, 1, text="cut short", finish="length", scores=[0.4]),
        node(0, 2, text="", finish="error", error="PRM: it is gone"),
        node(1, text="beta", scores=[0.1]),
        node(2, text="one\n\ntwo\n\nanswer 7", finish="eot", scores=[0.5, 0.3, 0.2], tokens=12),
    ),
    row(completion("alpha\n\nthe answer is 42"), completion("one\n\ntwo\n\nanswer 7")),
)


def words(page: Page) -> list[str]:
    """The texts of the rows in the document."""
    return page.locator(".sal-row .sal-words").all_inner_texts()


def selected(page: Page) -> str:
    row = page.locator('.sal-row[aria-selected="true"] .sal-words')
    return row.inner_text()


def row_at_the_top(page: Page) -> str:
    """The text of the first row in sight."""
    return str(
        page.evaluate(
            """() => {
              const top = document.querySelector(".sal-scroll").getBoundingClientRect().top;
              const rows = [...document.querySelectorAll(".sal-row")];
              return rows.find((row) => row.getBoundingClientRect().bottom > top).textContent;
            }"""
        )
    )


def drawn(page: Page) -> None:
    """Wait until the page has handled what happened, and has drawn it."""
    page.evaluate(
        "() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))"
    )
