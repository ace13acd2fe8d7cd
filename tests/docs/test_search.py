"""The site's own search finds an answer in the asker's own words, by one click on one of the first five hits."""

import re
import tomllib
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.site
FIRST = 5
"""Hits that a reader looks at."""
PHRASES: dict[str, dict[str, str]] = tomllib.loads(Path(__file__).with_name("phrases.toml").read_text())
"""What people ask and what they type, with the pages that answer it."""
ALL = PHRASES["asked"] | PHRASES["typed"]


class Shown(HTMLParser):
    """The text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text = ""
        self.feed(page)

    def handle_data(self, data: str) -> None:
        self.text += f" {data}"


def words(text: str) -> str:
    """A text's words in small letters, one space between two."""
    return " ".join(re.findall(r"[\w.]+", text.lower()))


def hits(page: Any, phrase: str) -> list[str]:
    """Pages that the search box leads to, in their order."""
    page.keyboard.press("Control+k")
    page.keyboard.type(phrase)
    with page.expect_navigation(url="**/search.html?q=*"):  # also from one list of hits to the next
        page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('.search-summary')?.innerText")
    found = page.locator("ul.search > li > a").evaluate_all("links => links.map(link => link.pathname)")
    return [path.removeprefix("/").removesuffix(".html") for path in found]


@pytest.fixture
def found(page: Any) -> Callable[[str], list[str]]:
    """The pages that the search finds for a phrase, without a page drawn for each."""
    page.goto("/search.html?q=gradient")
    page.wait_for_function("document.querySelector('.search-summary')?.innerText")
    ask = "phrase => Search._performSearch(...Search._parseQuery(phrase)).map(([name]) => name).reverse()"
    return lambda phrase: list(page.evaluate(ask, phrase))


def test_there_are_many_phrases_and_few_are_taken_from_the_pages(site: Path) -> None:
    assert len(PHRASES["asked"]) >= 60
    assert len(PHRASES["typed"]) >= 100
    texts = {name: words(Shown((site / f"{name}.html").read_text()).text) for name in " ".join(ALL.values()).split()}
    verbatim = [phrase for phrase, names in ALL.items() if any(words(phrase) in texts[name] for name in names.split())]
    assert len(verbatim) < len(ALL) / 3, verbatim


def test_every_phrase_finds_its_page(page: Any, found: Callable[[str], list[str]]) -> None:
    missed = {
        phrase: found(phrase)[:FIRST]
        for phrase, names in ALL.items()
        if not set(names.split()) & set(found(phrase)[:FIRST])
    }
    assert missed == {}
    assert page.errors == []


def test_what_is_drawn_is_what_was_found(page: Any, found: Callable[[str], list[str]]) -> None:
    for phrase in ("lyapunov exponent", "why are my gradients zero in early layers"):
        listed = found(phrase)
        assert hits(page, phrase) == listed
        assert len(listed) == len(set(listed))  # each page once
        page.go_back()


def test_a_mistyped_word_is_understood(found: Callable[[str], list[str]]) -> None:
    assert "claims/clipping" in found("gradeint cliping")[:FIRST]
    assert "claims/initialisers" in found("xavier initalization")[:FIRST]


def test_a_hit_leads_to_its_page(page: Any) -> None:
    page.goto("/claims/index.html")
    hits(page, "how do lstms prevent vanishing gradients")
    page.locator("ul.search > li > a", has_text="LSTMs and GRUs").first.click()
    assert page.locator("h1").inner_text().startswith("LSTMs and GRUs change how gradients travel through time.")


def test_words_that_stand_nowhere_find_nothing(page: Any) -> None:
    page.goto("/index.html")
    assert hits(page, "zebra marmalade") == []


def test_a_function_is_found_by_its_name(page: Any) -> None:
    page.goto("/index.html")
    assert hits(page, "depth_limit")[0].startswith("reference/")
