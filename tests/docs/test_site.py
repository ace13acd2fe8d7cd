"""The built site in Chromium: no errors, no dead link, a text for every picture, no barrier that axe-core knows, and room on a phone."""

from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

pytestmark = pytest.mark.site
KINDS = {
    "index": "index.html",
    "guide": "guides/diagnose.html",
    "claims": "claims/index.html",
    "claim": "claims/deep-linear.html",
    "gallery": "gallery.html",
    "experiment": "gallery/overflow.html",
    "reference": "reference/vgtheory.theory.cells.html",
    "glossary": "glossary.html",
    "accuracy": "accuracy.html",
    "limits": "limits.html",
    "search": "search.html?q=gradient",
    "explorer": "explorer.html",
}
"""One page of each kind."""
RULES = {
    "light": {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}},
    "dark": {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}},
}
"""All that axe-core knows, and in the dark what depends on colours."""
PHONE = {"width": 390, "height": 844}


class Page(HTMLParser):
    """What a page leads to, what can be led to in it, and its pictures without a text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links, self.anchors, self.mute = list[str](), {""}, list[str]()
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.anchors |= {found[name] or "" for name in ("id", "name") if name in found}
        self.links += [found[name] or "" for name in ("href", "src") if name in found]
        if tag == "img" and not (found.get("alt") or "").strip() and "vg-gallery" not in self.within:
            self.mute.append(found.get("src") or "")
        if tag == "ul":
            self.within = found.get("class") or ""

    within = ""


def pages(site: Path) -> dict[Path, Page]:
    """Every page of the site."""
    return {path: Page(path) for path in sorted(site.rglob("*.html")) if "_static" not in path.parts}


def test_every_link_leads_somewhere_and_every_picture_has_a_text(site: Path) -> None:
    found, dead, mute = pages(site), [], []
    assert len(found) > 100
    for path, page in found.items():
        mute += [f"{path.name}: {picture}" for picture in page.mute]
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchor = unquote(parts.fragment)
            if not target.is_file() or (target in found and anchor not in found[target].anchors | {"top"}):
                dead.append(f"{path.relative_to(site)}: {link}")
    assert dead == []
    assert mute == []


def test_a_dead_link_and_a_mute_picture_are_seen(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<h1 id="top-of-it">A</h1><a href="b.html#x">b</a><img src="c.svg"><img src="d.svg" alt="d">'
    )
    page = Page(tmp_path / "a.html")
    assert (page.links, page.anchors, page.mute) == (["b.html#x", "c.svg", "d.svg"], {"", "top-of-it"}, ["c.svg"])


def test_no_page_has_an_error(site: Path, page: Any) -> None:
    for path in pages(site):
        page.goto(f"/{path.relative_to(site)}", wait_until="load")
    assert page.errors == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_phone_has_room_for_every_kind_of_page(page: Any, kind: str) -> None:
    page.set_viewport_size(PHONE)
    opened(page, kind)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("kind", KINDS)
def test_axe_finds_no_barrier(page: Any, kind: str, theme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page.emulate_media(color_scheme=theme)
    opened(page, kind)
    assert page.evaluate("document.documentElement.dataset.theme ?? 'own'") in (theme, "own")
    found = Axe().run(page, options=RULES[theme]).response["violations"]
    shown = [f"{each['id']}: {node['target']} {node['failureSummary']}" for each in found for node in each["nodes"][:3]]
    assert shown == []


def opened(page: Any, kind: str) -> None:
    """Open the page of a kind, once all of it is there."""
    page.goto(f"/{KINDS[kind]}", wait_until="networkidle")
