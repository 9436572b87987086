"""The YAML of a recipe file: every value with its line, and what YAML is known to misread refused.

YAML 1.1 takes `no` for false, `010` for 8, `1:30` for 90 and the last of two equal keys for the
only one. A recipe means what it looks like, or is refused.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sal.runs.errors import RunError

_TAG = "tag:yaml.org,2002:"
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_MOST_BYTES = 1 << 20


class RecipeError(RunError):
    """A recipe file that cannot be used. Whatever it holds, the message stays one line."""

    def __init__(self, source: object, message: str) -> None:
        super().__init__(" ".join(f"{source}: {message}".splitlines()))


@dataclass(frozen=True, slots=True)
class Entry:
    """A value and where it was said: "FILE:LINE", a flag, or the words `key=value`.

    The value of a mapping is a dict of entries, that of a list a list of entries.
    """

    value: Any
    source: str

    @property
    def plain(self) -> Any:
        """The value without the places of its parts."""
        if isinstance(self.value, dict):
            return {key: entry.plain for key, entry in self.value.items()}
        if isinstance(self.value, list):
            return [entry.plain for entry in self.value]
        return self.value


class _Loader(yaml.SafeLoader):
    """Without anchors: a few lines of them make a value of a billion parts."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            parser: Any = self  # untyped
            event = parser.peek_event()
            raise yaml.composer.ComposerError(
                None, None, f"no aliases (*{event.anchor}) here", event.start_mark
            )
        return super().compose_node(parent, index)


def read_file(path: Path) -> dict[str, Entry]:
    """The keys of a recipe file; raises `RecipeError`."""
    try:
        with open(path, "rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise RecipeError(path, error.strerror or str(error)) from error
    except ValueError as error:  # a name that is none
        raise RecipeError(repr(str(path)), str(error)) from error
    if len(content) > _MOST_BYTES:
        raise RecipeError(path, "larger than a mebibyte: no recipe")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise RecipeError(f"{path}:{line}", "not UTF-8 text") from error
    node = _compose(text, str(path), lines=True)
    if node is None:
        raise RecipeError(path, "empty: a recipe has at least a strategy, as in strategy: dvts")
    if not isinstance(node, yaml.MappingNode):
        kind = "a list" if isinstance(node, yaml.SequenceNode) else "a text"
        raise RecipeError(
            _place(path, node), f"a recipe is a mapping, as in strategy: dvts, and this is {kind}"
        )
    keys: dict[str, Entry] = _entry(node, str(path), lines=True).value
    return keys


def read_value(text: str, source: str) -> Entry:
    """The value of `key=value`, read as in a file; nothing behind the `=` is an empty text."""
    if not text.strip():
        return Entry("", source)
    node = _compose(text, source, lines=False)
    return Entry(None, source) if node is None else _entry(node, source, lines=False)


def _compose(text: str, source: str, *, lines: bool) -> yaml.Node | None:
    try:
        found: yaml.Node | None = yaml.compose(text, Loader=_Loader)
        return found
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{source}:{mark.line + 1}" if lines and mark else source
        problem = error.problem or "cannot be read"
        if "'\\t'" in problem:
            problem = "a tab: YAML is indented with spaces"
        raise RecipeError(place, f"not YAML: {problem}") from error
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        place = f"{source}:{line}" if lines else source
        raise RecipeError(place, "not YAML: a control character") from error
    except RecursionError as error:
        raise RecipeError(source, "nested too deeply") from error
    except ValueError as error:  # of an escape such as \U00110000
        raise RecipeError(source, f"not YAML: {error}") from error


def _place(source: object, node: yaml.Node) -> str:
    return f"{source}:{node.start_mark.line + 1}"


def _entry(node: yaml.Node, source: str, *, lines: bool) -> Entry:
    place = _place(source, node) if lines else source
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Entry] = {}
        for key_node, value_node in node.value:
            where = _place(source, key_node) if lines else source
            key = _key(key_node, where)
            if key in found:
                raise RecipeError(where, f"{key} stands here again, after {found[key].source}")
            # the line of the key: that of a block text begins below
            found[key] = Entry(_entry(value_node, source, lines=lines).value, where)
        return Entry(found, place)
    if isinstance(node, yaml.SequenceNode):
        return Entry([_entry(item, source, lines=lines) for item in node.value], place)
    return Entry(_scalar(node, place), place)


def _key(node: yaml.Node, place: str) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise RecipeError(place, "a key is a word, not a list or a mapping")
    if node.tag not in (f"{_TAG}str", f"{_TAG}merge"):
        raise RecipeError(place, f"the key {shown(node.value)} is no word")
    return str(node.value)


def _scalar(node: yaml.Node, place: str) -> Any:
    """What a plain value says, as YAML 1.2 and people read it too."""
    raw, kind = str(node.value), node.tag.removeprefix(_TAG)
    quoted = f"or '{raw}' in quotes for the text"
    if kind in ("str", "merge", "value"):
        if "\0" in raw or any("\ud800" <= letter <= "\udfff" for letter in raw):
            raise RecipeError(place, f"{shown(raw)} is no text: it has a character that is none")
        return raw
    if kind == "null":
        return None
    if kind == "bool":
        value = raw.lower() in ("yes", "true", "on")
        if raw.lower() not in ("true", "false"):
            says = str(value).lower()
            raise RecipeError(place, f"YAML reads {raw} as {says}: write {says}, {quoted}")
        return value
    if kind not in ("int", "float"):
        told = "a date" if kind == "timestamp" else f"a {kind}"
        raise RecipeError(place, f"YAML reads {shown(raw)} as {told}: put it in quotes for a text")
    try:
        number = yaml.safe_load(raw)
    except (yaml.YAMLError, ValueError):  # such as 0b, or 5,000 digits
        number = None
    if type(number).__name__ != kind:
        raise RecipeError(place, f"{shown(raw)} is no number that can be read")
    if kind == "int" and not _WHOLE.fullmatch(raw):
        raise RecipeError(place, f"YAML reads {shown(raw)} as {number}: write {number}, {quoted}")
    if kind == "float" and ("_" in raw or ":" in raw or not math.isfinite(number)):
        raise RecipeError(place, f"{shown(raw)} is no number: {quoted.removeprefix('or ')}")
    return number


def shown(value: Any) -> str:
    """A value in a message: short, and on one line."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
