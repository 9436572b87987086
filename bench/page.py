"""`python -m bench.page`: how fast the page's search tree is, in headless Chromium.

A figure is the time from an action to the end of the first frame behind it, the wait for that
frame included: what a reader feels.
"""

from __future__ import annotations

import os
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright
from rich.console import Console
from rich.table import Table

from bench.trees import beam_trace, chain_trace, samples_trace, tree_page, with_result
from sal.reports.html_page import explorer, part

CHROMIUM = os.environ.get("SAL_CHROMIUM", "/usr/bin/chromium")
ROUNDS = 20

SHAPES: dict[str, Callable[[], dict[str, Any]]] = {
    "beam search, 10,000 nodes": lambda: beam_trace(10_000),
    "Best-of-N, 1,000 x 10 steps": lambda: samples_trace(1000, 10),
    "a chain of 1,500 steps": lambda: chain_trace(1500),
}

FIRST_PAINT = """() => performance.getEntriesByName("first-contentful-paint")[0].startTime"""

ACTIONS = {
    "open a step": "document.querySelectorAll('.sal-row')[i % 12 + 1].click()",
    "fold or unfold all": "document.querySelectorAll('.sal-row .sal-fold')[0].click()",
    "scroll far": "document.querySelector('.sal-scroll').scrollTop = (i * 79190) % 200000",
    "pan": "send(new PointerEvent('pointermove', at(i % 2 ? 40 : -40)))",
    "zoom": "wheel(i % 4 < 2 ? -240 : 240)",
    "search": "type(['that', 'x and', '7', 'find that'][i % 4])",
    "next hit": "key('n')",
}

TIMED = """async (rounds) => {
  const painted = () => new Promise((done) => requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => done(performance.now());
    port2.postMessage(0);
  }));
  const canvas = document.querySelector(".sal-canvas");
  const box = canvas.getBoundingClientRect();
  const at = (dx) => ({ pointerId: 1, bubbles: true, cancelable: true,
    clientX: box.x + box.width / 2 + dx, clientY: box.y + 60 });
  const send = (event) => canvas.dispatchEvent(event);
  const wheel = (deltaY) => send(new WheelEvent("wheel", { ...at(0), ctrlKey: true, deltaY }));
  const key = (name) => document.querySelector(".sal-scroll")
    .dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true }));
  function type(words) {
    const input = document.querySelector(".sal-search");
    input.value = words;
    input.dispatchEvent(new Event("input"));
  }
  const times = [];
  for (let i = 0; i < rounds; i++) {
    await painted();
    const began = performance.now();
    ACTION;
    times.push((await painted()) - began);
  }
  return times;
}"""


def measure(page: Page, url: str) -> dict[str, list[float]]:
    """Milliseconds of each action on the page at `url`, and of its first paint."""
    page.goto(url)
    page.wait_for_selector(".sal-row")
    times = {
        "first paint": [page.evaluate(FIRST_PAINT)],
        "of it, the tree": [page.evaluate("mounted")],
    }
    for name, action in ACTIONS.items():
        if name == "pan":  # zoomed in on the middle, with the mouse held down there
            zoomed_in = "wheel(-500)"
            page.evaluate(TIMED.replace("ACTION", zoomed_in), 2)
            page.locator(".sal-canvas").hover()
            page.mouse.down()
        times[name] = page.evaluate(TIMED.replace("ACTION", action), ROUNDS)
        page.mouse.up()
    return times


def main() -> None:
    console = Console()
    for suffix in (".js", ".css"):
        size = sum(len(part(name).encode()) for name in explorer(suffix))
        console.print(f"the tree's {suffix[1:]}: {size / 1000:.1f} kB")
    table = Table("ms, median (largest)", *SHAPES)
    with sync_playwright() as driver, tempfile.TemporaryDirectory() as folder:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        columns = []
        for make in SHAPES.values():
            path = Path(folder) / "tree.html"
            path.write_text(tree_page(with_result(make())), encoding="utf-8")
            page = chromium.new_page(viewport={"width": 1280, "height": 800})
            columns.append(measure(page, path.as_uri()))
            page.close()
        chromium.close()
    for name in columns[0]:
        cells = [f"{statistics.median(c[name]):.0f} ({max(c[name]):.0f})" for c in columns]
        table.add_row(name, *cells)
    console.print(table)


if __name__ == "__main__":
    main()
