"""The report as one HTML page: the template, its style and scripts, and the data, in one file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

SCRIPTS = (
    "vendor/temml.min.js",
    "dom.js",
    "state.js",
    "model.js",
    "math.js",
    "traces.js",
    "chart.js",
    "save.js",
    "curves.js",
    "costs.js",
    "significance.js",
    "pairs.js",
    "table.js",
    "problem.js",
)
"""In the order in which they need each other; behind them the tree explorer, then `LAST`."""

LAST = ("main.js", "flight.js", "follow.js")


def html_page(data: Mapping[str, Any], traces: Mapping[str, Any]) -> str:
    """The page of `sal.reports.page_data.page_data`, with `traces` as `PackedTraces` holds them."""
    scripts = [*SCRIPTS, *explorer(".js"), *LAST]
    return _filled(
        {
            "title": escape(data["title"]),
            "style": "\n".join(map(part, ["style.css", *explorer(".css")])),
            "data": json_in_html(data),
            "traces": json_in_html(traces),
            "scripts": "\n".join(f"<script>\n{part(name)}\n</script>" for name in scripts),
        }
    )


def json_in_html(value: Any) -> str:
    """JSON that can stand in a script element: no text in it ends the element or opens another."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")


def explorer(suffix: str) -> list[str]:
    """The tree explorer's files, `tree` itself behind its parts."""
    names = [item.name for item in files("sal.reports").joinpath("page").iterdir()]
    found = [name for name in names if name.startswith("tree") and name.endswith(suffix)]
    return sorted(found, key=lambda name: (name == f"tree{suffix}", name))


@cache
def part(name: str) -> str:
    """A file of the page."""
    return files("sal.reports").joinpath("page", name).read_text(encoding="utf-8")


def _filled(values: Mapping[str, str]) -> str:
    """The template with each {{name}} replaced once: what is put in is not looked at again."""
    rest = part("template.html")
    done = []
    for name, value in values.items():
        before, _, rest = rest.partition("{{" + name + "}}")
        done += [before, value]
    return "".join([*done, rest])
