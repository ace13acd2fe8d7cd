"""The index of the claims in Chromium: its filter counts, keeps its state in the address, works by keyboard, and is not needed."""

from typing import Any

import pytest

from experiments.report import claims

pytestmark = pytest.mark.site
INDEX = "/claims/index.html"
ALL = len(claims.CLAIMS)


def shown(page: Any) -> list[str]:
    """Claims of the cards that are visible."""
    return [card.inner_text() for card in page.locator(".vg-card:visible .vg-claim").all()]


def wanted(topic: str = "", verdict: str = "") -> list[str]:
    """Claims that the filter must leave."""
    return [
        claim.claim
        for claim in claims.CLAIMS
        if (not topic or topic in claim.topics) and verdict in ("", claim.verdict)
    ]


def test_topic_and_verdict_leave_the_claims_that_have_them(page: Any) -> None:
    page.goto(INDEX)
    assert len(shown(page)) == ALL
    page.get_by_label("Topic").select_option("recurrence")
    assert sorted(shown(page)) == sorted(wanted("recurrence"))
    page.get_by_label("Verdict").select_option("Wrong")
    left = wanted("recurrence", "Wrong")
    assert sorted(shown(page)) == sorted(left)
    assert page.get_by_role("status").inner_text() == f"{len(left)} of {ALL} claims"
    assert all(group.locator(".vg-card:visible").count() for group in page.locator(".vg-group:visible").all())
    page.get_by_role("button", name="Show all").click()
    assert len(shown(page)) == ALL
    assert page.errors == []


def test_words_are_looked_for_in_other_wordings_too(page: Any) -> None:
    page.goto(INDEX)
    page.get_by_label("Words").fill("adding Problem")
    texts = {claim.claim: " ".join([claim.claim, claim.reason, *claim.asked]).lower() for claim in claims.CLAIMS}
    found = [claim for claim, text in texts.items() if "adding" in text and "problem" in text]
    assert "Plain recurrent networks cannot learn to add, copy or order." in found
    assert sorted(shown(page)) == sorted(found)
    assert len(found) < ALL / 4


def test_the_address_holds_the_state(page: Any) -> None:
    page.goto(INDEX)
    page.get_by_label("Verdict").select_option("Right")
    page.get_by_label("Words").fill("layer")
    before = shown(page)
    assert 0 < len(before) < len(wanted(verdict="Right"))
    assert page.url.endswith("?verdict=Right&words=layer")
    page.reload()
    assert shown(page) == before
    assert page.get_by_label("Words").input_value() == "layer"
    page.goto(f"{INDEX}?topic=nonsense")
    assert len(shown(page)) == ALL


def test_a_topic_of_a_card_filters(page: Any) -> None:
    page.goto(INDEX)
    page.locator(".vg-card a[data-topic=formats]").first.click()
    assert sorted(shown(page)) == sorted(wanted("formats"))
    assert page.url.endswith("?topic=formats")


def test_the_keyboard_is_enough(page: Any) -> None:
    page.goto(INDEX)
    page.get_by_label("Topic").focus()
    for _ in range(1 + claims.TOPICS.index("normalisation")):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    for _ in range(1 + claims.WORDS.index("Depends")):
        page.keyboard.press("ArrowDown")
    assert sorted(shown(page)) == sorted(wanted("normalisation", "Depends"))
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert len(shown(page)) == ALL


def test_without_scripts_everything_is_shown(browser: Any, address: str) -> None:
    context = browser.new_context(base_url=address, java_script_enabled=False)
    page = context.new_page()
    page.goto(INDEX)
    assert len(shown(page)) == ALL
    assert page.locator(".vg-filter").is_hidden()
    context.close()
