"""Doors of packages: names are imported when first used, and a misspelt name gets a suggestion.

A package's ``__init__.py`` lists its names as imports for type checkers only. ``door`` reads that
list. Each name is thus written once, and importing a package imports none of its modules.
"""

import ast
import difflib
import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


def _homes(file: str) -> Iterator[tuple[str, tuple[str, str]]]:
    """Names that the file's imports of this library bind, and where they come from."""
    for node in ast.walk(ast.parse(Path(file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("vgtheory") and node.module != __name__:
            yield from ((alias.asname or alias.name, (str(node.module), alias.name)) for alias in node.names)


def _elsewhere(package: str, rooms: list[str], name: str) -> str | None:
    """Full name of ``name`` in one of the package's subpackages."""
    for room in rooms:
        if name in getattr(importlib.import_module(f"{package}.{room}"), "__all__", ()):
            return f"{package.removeprefix('vgtheory.')}.{room}.{name}"
    return None


def door(package: str, file: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of a package, from its ``__name__`` and ``__file__``."""
    homes = dict(_homes(file))
    rooms = [name for name, (module, _) in homes.items() if module == package]

    def get(name: str) -> Any:
        if name in homes:
            module, original = homes[name]
            if module == package:
                return importlib.import_module(f"{package}.{name}")
            value = getattr(importlib.import_module(module), original)
            setattr(sys.modules[package], name, value)
            return value
        remedy = "" if name.startswith("_") else _remedy(name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}.{remedy}", name=name)

    def _remedy(name: str) -> str:
        found = _elsewhere(package, rooms, name)
        near = [found] if found else difflib.get_close_matches(name, homes, 1)
        return f" Did you mean {near[0]}?" if near else ""

    return get, lambda: sorted(homes)


__all__ = ["door"]
