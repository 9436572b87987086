"""The fixture that opens a page with nothing but a search tree; a plugin, as `browser` is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect
from trees_in_browser import TREE

from bench.trees import tree_page

if TYPE_CHECKING:
    from browser import Opened, Opener


@pytest.fixture
def open_tree(open_page: Opener, tmp_path: Path) -> Any:
    """`open_tree(data, path="", **window)`: a page with this tree, opened at a path."""

    def open_it(data: Any = TREE, path: str = "", **window: Any) -> Opened:
        page = tmp_path / "tree.html"
        page.write_text(tree_page(data), encoding="utf-8")
        opened = open_page(page.as_uri() + (f"#node={path}" if path else ""), **window)
        expect(opened.page.locator(".sal-row").first).to_be_visible()
        return opened

    return open_it
