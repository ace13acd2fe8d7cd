"""The site's sources: what the glossary and the reference name exists, and no public name is left out. `make docs` builds the whole."""

import importlib.util
import inspect
import re
from pathlib import Path
from types import ModuleType

import pytest

import vgtheory

DOCS = Path(__file__).resolve().parents[2] / "docs"


def extension(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, DOCS / "_ext" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reference, pages = extension("reference"), extension("pages")


def test_every_call_of_the_glossary_exists() -> None:
    calls = re.findall(r"\| `(theory|measure)\.([\w.]+)` \|", (DOCS / "glossary.md").read_text())
    assert len(calls) > 15
    for room, path in calls:
        found = getattr(vgtheory, room)
        for name in path.split("."):
            found = getattr(found, name)
        assert callable(found)


@pytest.mark.parametrize("package", list(reference.packages()), ids=lambda package: package.__name__)
def test_the_reference_has_every_public_name(package: ModuleType) -> None:
    text = reference.page(package)
    for name, value in reference.members(package).items():
        if not inspect.ismodule(value):
            assert f":: {package.__name__}.{name}\n" in text
            assert not callable(value) or reference.first_line(value)


def test_links_to_the_readmes_stay_on_the_site() -> None:
    assert pages.linked("[a](../experiments/README.md), [b](../tests)") == "[a](experiments.md), [b](../tests)"
    assert pages.linked("[a](../../benchmarks/README.md)") == "[a](../benchmarks.md)"


def test_norms_are_no_substitutions() -> None:
    assert reference.barred("the norm |dE/dh_l|, ln |g|") == r"the norm \|dE/dh_l\|, ln \|g\|"
    assert reference.barred("``|g|`` and |h|") == r"``|g|`` and \|h\|"
    assert reference.barred("``|g|`` stays, as :math:`|g|` does") == "``|g|`` stays, as :math:`|g|` does"
