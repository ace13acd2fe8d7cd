"""Every experiment has its verdict, every claim is written as it must be."""

from pathlib import Path

import pytest

from experiments.corridor import catalogue
from experiments.report import claims, questions

GOOD = """
[[claim]]
name = "one"
experiment = "rates"
claim = "Gradients obey a law."
asked = ["Do they?"]
topics = ["depth"]
verdict = "Right"
reason = "They do in {law/within/2} % of the cases."
call = "1 + 1"
prints = "2"
"""


def written(folder: Path, text: str, group: str = "questions") -> Path:
    (folder / f"{group}.toml").write_text(text)
    return folder


def test_every_experiment_has_a_claim() -> None:
    assert {claim.experiment for claim in claims.CLAIMS} == set(catalogue.EXPERIMENTS)


def test_claims_come_in_the_order_of_the_questions() -> None:
    tags = [int(tag[1:]) for claim in claims.CLAIMS if claim.group == "questions" and (tag := claims.tag(claim))]
    assert set(tags) == set(questions.NUMBERS)
    assert tags == sorted(tags)


def test_a_good_entry_is_read(tmp_path: Path) -> None:
    (claim,) = claims.read(written(tmp_path, GOOD))
    assert (claim.key, claim.group, claim.topics) == ("law/within/2", "questions", ("depth",))
    assert claim.filled({"law/within/2": "94.8"}) == "They do in **94.8 %** of the cases."


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('name = "one"', 'name = "One"', "expected a name of small letters"),
        ('name = "one"', "", "expected name, got none"),
        ('experiment = "rates"', 'experiment = "rats"', "experiment='rats'"),
        ('["Do they?"]', "[]", "expected asked, got none"),
        ('["Do they?"]', '"Do they?"', "expected a list of strings"),
        ('["Do they?"]', '["a", "b", "c", "d", "e"]', "expected at most 4 asked, got 5"),
        ('["depth"]', '["deepness"]', "got deepness"),
        ('"Right"', '"Maybe"', "verdict='Maybe'"),
        ("They do in", "They do " + 20 * "so " + "in", "at most 25 words, got 28"),
        ("{law/within/2} %", "nearly all", "expected one key in braces in the reason, got 0"),
        ("the cases", "12 cases", "expected no number in the reason"),
        ("1 + 1", "1 +", "expected one Python expression"),
        (
            'prints = "2"',
            'prints = "2"\nsource = "a book"',
            "expected a source of every published claim, and of no other",
        ),
        ('prints = "2"', 'prints = "2"\ncolour = "red"', "got the field 'colour'"),
        ('prints = "2"', 'prints = "2"' + GOOD, "expected one claim of a name, got several of 'one'"),
    ],
)
def test_a_fault_is_named_in_one_sentence(tmp_path: Path, old: str, new: str, fault: str) -> None:
    with pytest.raises(claims.ClaimError) as caught:
        claims.read(written(tmp_path, GOOD.replace(old, new)))
    (line,) = str(caught.value).splitlines()
    assert fault in line
    assert line.endswith(".")


def test_a_published_claim_needs_a_source(tmp_path: Path) -> None:
    with pytest.raises(claims.ClaimError, match=r"published\.toml, claim 'one': expected a source"):
        claims.read(written(tmp_path, GOOD, "published"))
    (claim,) = claims.read(written(tmp_path, GOOD + 'source = "A. Author, A Book, section 1"\n', "published"))
    assert claim.source.startswith("A. Author")


def test_a_key_that_no_finding_has_is_named(tmp_path: Path) -> None:
    found = claims.read(written(tmp_path, GOOD))
    (line,) = claims.keyless(found, {"rates": {"known": "620"}})
    assert line == "questions.toml, claim 'one': expected a key of the findings of rates, got 'law/within/2'."
