"""Every block of Python on a page of the site runs as it is written there, and prints what is shown."""

import doctest
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
MADE = ("_build", "_ext", "reference", "gallery", "figures", "notebooks", "claims")
PAGES = [page.relative_to(DOCS) for page in sorted(DOCS.rglob("*.md")) if page.relative_to(DOCS).parts[0] not in MADE]
BLOCK = re.compile(r"^```python\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)


def blocks(page: Path) -> list[str]:
    """The page's blocks of Python."""
    return BLOCK.findall((DOCS / page).read_text())


@pytest.mark.site
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=str)
def test_the_code_of_a_page_runs_and_prints_what_it_shows(page: Path) -> None:
    failed, attempted = doctest.testfile(str(DOCS / page), module_relative=False)
    assert attempted >= len(blocks(page))
    assert failed == 0


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=str)
def test_no_block_escapes_the_tests(page: Path) -> None:
    assert all(block.startswith(">>> ") for block in blocks(page))


def test_the_guides_have_code() -> None:
    pages = [page for page in PAGES if page.parts[0] == "guides" and page.name != "index.md"]
    assert pages
    assert all(blocks(page) for page in pages)
