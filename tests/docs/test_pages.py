"""The site's sources: what the glossary and the reference name exists, and no public name is left out. `make docs` builds the whole."""

import importlib.util
import inspect
import re
from pathlib import Path
from types import ModuleType

import pytest

import vgtheory
from tests import surface
from vgtheory import theory

DOCS = Path(__file__).resolve().parents[2] / "docs"


def extension(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, DOCS / "_ext" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reference, pages = extension("reference"), extension("pages")


GLOSSARY = (DOCS / "glossary.md").read_text()


def test_every_call_of_the_glossary_exists() -> None:
    calls = re.findall(r"`((?:theory|measure|compare)\.[\w.]+)`", GLOSSARY)
    assert len(calls) > 80
    for path in calls:
        found = vgtheory
        for name in path.split("."):
            assert name in dir(found), path
            found = getattr(found, name)
        assert callable(found)


def test_the_glossary_has_every_public_function_of_theory() -> None:
    functions = {name for name, value in surface.public(theory).items() if inspect.isroutine(value)}
    listed = {path.rpartition(".")[2] for path in re.findall(r"`(theory\.[\w.]+)`", GLOSSARY)}
    assert len(functions) > 80
    assert functions - listed == set()


def test_every_row_of_the_glossary_says_all_five_things() -> None:
    rows = [line for line in GLOSSARY.splitlines() if line.startswith("| ")]
    assert len(rows) > 80
    assert all(len(re.findall(r" [^|]+ \|", row)) == 5 for row in rows)


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
    assert pages.linked("[a](../../CONTRIBUTING.md)") == "[a](../contributing.md)"


def test_norms_are_no_substitutions() -> None:
    assert reference.barred("the norm |dE/dh_l|, ln |g|") == r"the norm \|dE/dh_l\|, ln \|g\|"
    assert reference.barred("``|g|`` and |h|") == r"``|g|`` and \|h\|"
    assert reference.barred("``|g|`` stays, as :math:`|g|` does") == "``|g|`` stays, as :math:`|g|` does"


PROSE = [page for folder in ("", "guides", "coming-from") for page in sorted((DOCS / folder).glob("*.md"))]


@pytest.mark.parametrize("page", PROSE, ids=lambda page: page.stem)
def test_every_function_that_a_page_names_exists(page: Path) -> None:
    for path in re.findall(
        r"`(?:vgtheory\.)?((?:theory|measure|compare|diagnose|plot)\.[a-z][\w.]*)", page.read_text()
    ):
        found = vgtheory
        for name in path.split("."):
            found = getattr(found, name, None)
        assert found is not None, path
