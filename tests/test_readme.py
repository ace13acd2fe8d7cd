"""The README fits one screen, its examples run as written, what it names exists, and its numbers are those of the committed results."""

import contextlib
import io
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
MOST_WORDS = 600
FOLDERS = ("docs", "docs/guides", "docs/coming-from")
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    *(f"{folder}/{page.name}" for folder in FOLDERS for page in sorted((ROOT / folder).glob("*.md"))),
]
PYTHON = re.compile(r"```python\n(.*?)```\n\n```text\n(.*?)```", flags=re.DOTALL)


def words(text: str) -> list[str]:
    """Everything between white space that holds a letter or a digit: prose, code, output, tables and addresses alike; badges aside."""
    without_badges = re.sub(r"\[!\[[^\]]*\]\([^)]*\)\]\([^)]*\)", "", text)
    return [word for word in without_badges.split() if re.search(r"\w", word)]


def ran(code: str) -> str:
    """What a script prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {})
    return printed.getvalue()


def test_the_readme_fits_one_screen() -> None:
    assert len(words(README)) <= MOST_WORDS
    assert len(words("[![badge](a)](b) one `two` | three | --- |")) == 3


@pytest.mark.optimised
def test_the_readmes_script_prints_what_it_shows() -> None:
    """White space aside, for the page breaks the verdict's line."""
    ((code, output),) = PYTHON.findall(README)
    assert ran(code).split() == output.split()
    assert len([line for line in code.splitlines() if line.strip()]) <= 20


@pytest.mark.parametrize("name", PAGES)
def test_links_and_targets_exist(name: str) -> None:
    text = (ROOT / name).read_text()
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert ((ROOT / name).parent / link).exists(), link
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    for target in re.findall(r"make (?:ACCEL=\w+ )?([a-z]+)(?=[`\n ]* {2,}#|`)", text):
        assert target in targets, target


@pytest.mark.parametrize("name", [*PAGES, "benchmarks/README.md", "experiments/README.md", "paper"])
def test_named_files_exist(name: str) -> None:
    files = sorted((ROOT / name).rglob("*.tex")) if name == "paper" else [ROOT / name]
    for file in files:
        text = file.read_text().replace("\\_", "_")
        for path in re.findall(r"\b(?:benchmarks|docs|experiments|figures|tests|vgtheory)/[\w/]+\.(?:py|md|txt)", text):
            assert (ROOT / path).exists(), (file.name, path)


def test_ten_claims_are_those_of_the_committed_results() -> None:
    from experiments.report.claims import CLAIMS

    verdicts = {claim.claim: claim.verdict for claim in CLAIMS}
    rows = re.findall(r"^(.+?\.) \| (\w+)$", README, flags=re.MULTILINE)
    assert len(rows) == 10
    assert all(verdicts[claim] == verdict for claim, verdict in rows)


def test_the_readmes_numbers_are_those_of_the_committed_results() -> None:
    from experiments.corridor import catalogue

    text = " ".join(README.split())
    rates = catalogue.module("rates").findings(catalogue.load("rates")).numbers
    one, two = rates["law/within/1"], rates["law/within/2"]
    assert (
        f"Of {rates['known']} sampled rates, {one} % lie within one predicted standard error and {two} % within" in text
    )
    aspect = catalogue.module("aspect").findings(catalogue.load("aspect")).numbers
    assert (
        f"With {aspect['steep/width']} units and {aspect['steep/depth']} layers it lost {aspect['steep/lost']} decades"
        in text
    )
    assert f"predicts {aspect['steep/lost_predicted']}." in text
