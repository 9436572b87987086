"""What other packages add by entry points: found by name, loaded when it is named."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any


class PluginError(ValueError):
    """More than one package has what was named, or it cannot be loaded."""


@dataclass(frozen=True, slots=True)
class Plugins:
    """The entry points of `group`, each a `kind` in messages; the names of `own` are taken."""

    group: str
    kind: str
    own: Collection[str]

    def packages(self) -> dict[str, list[str]]:
        """Who has each name; nothing is imported for it."""
        return {name: sorted(map(package, points)) for name, points in self._points().items()}

    def load(self, name: str) -> tuple[EntryPoint, Any] | None:
        """What a package has under `name`; None where none has. Raises `PluginError`."""
        points = self._points().get(name, [])
        if not points:
            return None
        if len(points) > 1:
            packages = " and ".join(sorted(map(package, points)))
            raise PluginError(f"{self.kind} {name!r} is in more than one package: {packages}")
        (point,) = points
        try:
            return point, point.load()
        except Exception as error:  # whatever another package does when it is imported
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            raise PluginError(f"{self.where(point)} cannot be loaded: {reason}") from error

    def where(self, point: EntryPoint) -> str:
        """How a message names it."""
        return f"{self.kind} {point.name!r} of {package(point)}"

    def _points(self) -> dict[str, list[EntryPoint]]:
        found: dict[str, list[EntryPoint]] = {}
        for point in entry_points(group=self.group):
            same = found.setdefault(point.name, [])
            if all((p.value, package(p)) != (point.value, package(point)) for p in same):
                same.append(point)  # a distribution on the path twice is one
        return {name: points for name, points in found.items() if name not in self.own}


def package(point: EntryPoint) -> str:
    """The distribution that an entry point came with."""
    return point.dist.name if point.dist is not None else point.module
