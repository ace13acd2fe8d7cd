"""The pages of the claims: each has its verdict, number, figure, call and other wordings, and a claim that lacks one of them is named."""

import dataclasses
import re
from pathlib import Path

import cards
import pytest
from gallery import Drawn
from sphinx.errors import ExtensionError

from experiments.corridor import catalogue
from experiments.report import claims, evidence

pytestmark = pytest.mark.site

FIGURE = Path(__file__)
"""A file that exists."""
(FIRST, *_) = claims.CLAIMS


@pytest.fixture(scope="module")
def found() -> evidence.Evidence:
    return evidence.gathered(catalogue.RESULTS)


def test_every_claim_rests_on_a_comparison(found: evidence.Evidence, tmp_path: Path) -> None:
    for claim in claims.CLAIMS:
        (tmp_path / f"{cards.pictured(claim)}.svg").touch()
    assert cards.faults(found, tmp_path) == []


def test_a_claim_without_a_figure_is_named(found: evidence.Evidence, tmp_path: Path) -> None:
    for claim in claims.CLAIMS:
        if claim.experiment != FIRST.experiment:
            (tmp_path / f"{cards.pictured(claim)}.svg").touch()
    (fault, *others) = cards.faults(found, tmp_path)
    assert fault == "claim 'deep-linear': expected the figure deep_linear.svg, got none; run python -m figures."
    assert all("deep_linear.svg" in other for other in others)


def test_a_claim_without_a_comparison_is_named() -> None:
    (fault,) = cards.lacking(FIRST, 0, FIGURE)
    assert fault == "claim 'deep-linear': expected a comparison in the results of deep_linear, got none."
    assert cards.lacking(FIRST, 1, FIGURE) == []


def test_every_prediction_is_judged_or_said_to_be_none(found: evidence.Evidence) -> None:
    for claim in claims.CLAIMS:
        said = cards.outcome(found, claim)
        known = re.match(
            r"Of (\d+|one) comparisons? of|The prediction is an identity|These numbers are measured only: no law", said
        )
        assert known, (claim.name, said)
    (claim,) = (claim for claim in claims.CLAIMS if claim.name == "lost-middle")
    assert cards.outcome(found, claim) == "Of 11 comparisons of prediction and measurement, 11 agree."
    (claim,) = (claim for claim in claims.CLAIMS if claim.name == "sequence-tasks")
    assert "9 agree. No law says" in cards.outcome(found, claim)


def test_a_page_holds_all_that_a_claim_has(
    found: evidence.Evidence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cards, "drawn", lambda path: Drawn("What one sees.", ()))
    for claim in claims.CLAIMS:
        page = cards.page(claim, found, tmp_path, alone=False)
        number = found.findings[claim.experiment].numbers[claim.key]
        shown = page.replace("\\", "")
        assert f"# {claim.claim}\n" in shown
        assert f"{cards.MARKS[claim.verdict]}</span> {claim.verdict}</strong>" in shown
        assert re.search(r"\*\*.*\*\*", shown)[0].replace("−", "-").count(number) == 1
        assert f"print({claim.call})\n```\n\n```text\n{claim.prints}\n```" in shown
        assert all(f"- {asked}\n" in shown for asked in claim.asked)
        assert f"(../gallery/{claim.experiment}.md)" in shown
        assert f"](../figures/{cards.pictured(claim)}.svg)" in shown
        assert claim.source in shown


def test_a_page_from_small_results_says_what_they_lack(found: evidence.Evidence, tmp_path: Path) -> None:
    few = found._replace(findings=found.findings | {FIRST.experiment: catalogue.Findings("Too few.", {})})
    page = cards.page(FIRST, few, tmp_path, alone=True)
    assert cards.text(cards.MISSING) in page
    assert "![" not in page
    assert cards.MISSING in cards.cards(few)


def test_a_page_says_which_function_gives_the_law() -> None:
    path, says = cards.called("np.exp(theory.recurrent.log_rate(FixedRecurrent('tanh', np.eye(2)), np.ones(2)))")
    assert path == "vgtheory.theory.recurrent.log_rate"
    assert says
    assert cards.called("theory.critical('sigmoid')").says.endswith("at which chi_1 is 1.")
    with pytest.raises(ExtensionError, match="expected a call of theory or measure"):
        cards.called("1 + 1")


def test_a_negative_power_is_raised_with_its_sign(found: evidence.Evidence) -> None:
    (claim,) = (claim for claim in claims.CLAIMS if claim.name == "layer-scale")
    said = cards.reason(claim, found, cards.text, "{{sup}}`{}`", "**")
    exponent = found.findings["published"].numbers[claim.key]
    assert f"**10{{sup}}`{exponent.replace('-', '−')}`**" in said


def test_a_law_that_the_library_has_no_function_for_is_written_out_with_numpy() -> None:
    assert cards.called("np.log(2.0)") == ("", "")
    assert cards.imports("np.log(2.0)") == "import numpy as np"
    (claim,) = (claim for claim in claims.CLAIMS if claim.name == "lost-middle")
    assert cards.called(claim.call).path == ""


def test_a_call_stands_with_its_imports() -> None:
    lines = cards.imports("theory.chi_1(Dense('relu', np.sqrt(2)))")
    assert lines == "import numpy as np\n\nfrom vgtheory import Dense, theory"


def test_powers_are_raised_and_signs_are_escaped(found: evidence.Evidence) -> None:
    claim = dataclasses.replace(FIRST, reason="It is <so>: 10^{decades/gaussian} here.")
    number = found.findings["deep_linear"].numbers["decades/gaussian"]
    assert cards.reason(claim, found, cards.text, "{{{}}}", "**") == rf"It is \<so\>\: **10{{{number}}}** here\."
    assert (
        cards.reason(claim, found, cards.html.escape, "<sup>{}</sup>")
        == f"It is &lt;so&gt;: 10<sup>{number}</sup> here."
    )


def test_the_index_shows_every_claim_once_under_its_question(found: evidence.Evidence) -> None:
    page = cards.cards(found)
    for claim in claims.CLAIMS:
        assert page.count(f'href="{claim.name}.html"') == 1
    headings = re.findall(r"<h2>(Q\d+|[^.<]+)", page)
    numbers = [int(each[1:]) for each in headings if re.fullmatch(r"Q\d+", each)]
    assert numbers == sorted(set(numbers))
    assert headings[len(numbers)] == cards.BEYOND
