"""The reference: one page per package, from what its door names, its own docstring and those of its functions; and one of questions."""

import importlib
import inspect
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

PACKAGES = (
    "vgtheory",
    *(f"vgtheory.{name}" for name in ("theory", "measure", "compare", "diagnose", "scales", "plot")),
)


QUESTIONS = Path(__file__).with_name("questions.toml")
ASKED = """What I want to know
===================

Each question has one call that answers it. Arguments are examples: put your own network in their place. All names come from
``from vgtheory import *`` and ``import jax, numpy as np``. ``model``, ``loss`` and ``x`` are your model, its loss and a batch;
``matrix`` is your recurrent matrix.
"""
INDEX = """Reference
=========

:doc:`What I want to know <questions>` leads from questions to calls. The pages below list every function of a package.
``theory`` predicts and ``measure`` measures. Both are divided into parts of the same names, so that a quantity has one name in both.

"""


def packages() -> Iterator[ModuleType]:
    """Every package with a door, wings after their room."""
    for name in PACKAGES:
        package = importlib.import_module(name)
        yield package
        if name != "vgtheory":
            yield from (each for each in members(package).values() if inspect.ismodule(each))


def members(package: ModuleType) -> dict[str, Any]:
    """What the package's door names."""
    return {name: getattr(package, name) for name in dir(package)}


def first_line(thing: Any) -> str:
    """The first line of a docstring, or nothing for a constant."""
    documented = inspect.ismodule(thing) or inspect.isclass(thing) or callable(thing)
    return (inspect.getdoc(thing) or "").split("\n")[0] if documented else ""


def directive(thing: Any) -> str:
    """How autodoc shows it."""
    if inspect.isclass(thing):
        return "autoexception" if issubclass(thing, BaseException) else "autoclass"
    return "autofunction" if callable(thing) else "py:data"


def contents(constant: Any) -> str:
    """What a constant holds."""
    values = constant if isinstance(constant, dict | tuple | list) else [constant]
    return ", ".join(f"``{each!r}``" for each in values)


def page(package: ModuleType) -> str:
    """The page's source: the package's own guide, a table of its names, and every function in full."""
    name, found = package.__name__, members(package)
    own = {key: value for key, value in found.items() if not inspect.ismodule(value)}
    lines = [name, "=" * len(name), "", f".. automodule:: {name}", "   :no-members:", ""]
    lines += [".. list-table::", "   :widths: 30 70", ""]
    for key, value in own.items():
        role = "class" if inspect.isclass(value) else "func" if callable(value) else "data"
        lines += [f"   * - :py:{role}:`~{name}.{key}`", f"     - {first_line(value)}"]
    for key, value in own.items():
        lines += ["", key, "-" * len(key), "", f".. {directive(value)}:: {name}.{key}"]
        if inspect.isclass(value):
            lines += ["   :members:"]
        elif not callable(value):
            lines += ["", f"   {contents(value)}"]
    return "\n".join(lines) + "\n"


def questions() -> str:
    """The page from questions to calls."""
    lines = [ASKED]
    for group in tomllib.loads(QUESTIONS.read_text())["group"]:
        lines += [group["title"], "-" * len(group["title"]), "", ".. list-table::", "   :widths: 45 55", ""]
        for asked, call in group["asks"]:
            path = call.partition("(")[0]
            lines += [f"   * - {asked}", f"     - :py:func:`{path} <vgtheory.{path}>`", "", f"       ``{call}``", ""]
    return "\n".join(lines)


def write(folder: Path) -> list[str]:
    """One page per package, the page of questions, and an index with what each is about; the packages' names."""
    folder.mkdir(exist_ok=True)
    listed = {package.__name__: first_line(package) for package in packages()}
    for package in packages():
        (folder / f"{package.__name__}.rst").write_text(page(package))
    (folder / "questions.rst").write_text(questions())
    lines = [INDEX, ".. list-table::", "   :widths: 30 70", ""]
    for name, about in listed.items():
        lines += [f"   * - :doc:`{name} <{name}>`", f"     - {about}"]
    entries = [f"   {name}" for name in ("What I want to know <questions>", *listed)]
    lines += ["", ".. toctree::", "   :hidden:", "   :maxdepth: 1", "", *entries, ""]
    (folder / "index.rst").write_text("\n".join(lines))
    return list(listed)


def barred(line: str) -> str:
    """A docstring's line in which ``|g|``, outside of literals and formulas, is a norm and no substitution."""
    parts = re.split(r"(`+[^`]*`+)", line)
    plain = [re.sub(r"\|([\w/]+)\|", r"\\|\1\\|", part) for part in parts[::2]]
    parts[::2] = plain
    return line if "\\" in line else "".join(parts)


def _docstring(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    lines[:] = map(barred, lines)


def setup(app: Any) -> dict[str, bool]:
    """Write the pages before Sphinx looks for them."""
    app.connect("builder-inited", lambda app: write(Path(app.srcdir) / "reference"))
    app.connect("autodoc-process-docstring", _docstring)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
