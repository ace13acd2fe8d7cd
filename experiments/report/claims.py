"""What people say about vanishing and exploding gradients, and what the committed results say to it.

The claims are written down in ``claims/*.toml``: those of the questions, of threads, and those that books, papers and libraries
publish. A verdict is one word, at most 25 further words, and one number, which is taken from the experiment's findings.
``python -m experiments.report.claims`` writes ``docs/claims.md`` anew, for readers of the repository; the site has a page for each claim.
"""

import ast
import dataclasses
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from experiments.corridor import catalogue

FOLDER = Path(__file__).with_suffix("")
PAGE = catalogue.ROOT / "docs" / "claims.md"
GROUPS = {
    "questions": "Questions",
    "threads": "Threads that had no answer",
    "published": "Books, papers and libraries",
}
"""Files of claims, without their ending, with the heading under which their claims stand."""
WORDS = ("Right", "Wrong", "Depends")
TOPICS = (
    *("activations", "initialisation", "depth", "recurrence", "architecture", "normalisation"),
    *("optimisers", "training", "statistics", "formats"),
)
UNPREDICTED = {"magnitude_training": "no law says how training changes the spread of gradients"}
"""Experiments in which nothing is predicted, and why; every other claim needs a prediction beside its measurement."""
MOST_WORDS = 25
_NUMBER = re.compile(r"\{([^}]+)\}")


@dataclasses.dataclass(frozen=True)
class Claim:
    """One claim with its verdict; the reason holds the key of one finding of the experiment in braces.

    ``asked`` holds the same question in other words, ``call`` an expression of the library that gives the law and ``prints`` what it
    prints. ``source`` says who published the claim. ``panel`` names the panel of the experiment's figure that shows it.
    ``words`` are those that people look for it by and that the card does not hold.
    """

    name: str
    experiment: str
    claim: str
    asked: tuple[str, ...]
    topics: tuple[str, ...]
    verdict: str
    reason: str
    call: str
    prints: str
    source: str = ""
    panel: str = ""
    words: str = ""
    group: str = "questions"

    @property
    def key(self) -> str:
        """Key of the one number."""
        (key,) = _NUMBER.findall(self.reason)
        return str(key)

    def filled(self, numbers: dict[str, str], strong: str = "**") -> str:
        """The reason with its number, in bold."""
        number = numbers[self.key]
        return re.sub(r"(10\^)?\{[^}]+\}( %)?", rf"{strong}\g<1>{number}\g<2>{strong}", self.reason)


class ClaimError(ValueError):
    """Faults of the written claims, one sentence a line."""


_FIELDS = {field.name: field for field in dataclasses.fields(Claim) if field.name != "group"}
_NEEDED = [name for name, field in _FIELDS.items() if field.default is dataclasses.MISSING]
_LISTS = ("asked", "topics")


def _expression(text: str) -> bool:
    try:
        ast.parse(text, mode="eval")
    except SyntaxError:
        return False
    return True


def _shape_faults(entry: dict[str, Any]) -> Iterator[str]:
    """Fields that lack, that are unknown, or that hold something else than text."""
    for field in _NEEDED:
        if not entry.get(field):
            yield f"expected {field}, got none"
    for field, value in entry.items():
        if field not in _FIELDS:
            yield f"expected one of {', '.join(_FIELDS)}, got the field {field!r}"
        elif field in _LISTS and not (isinstance(value, list) and all(isinstance(each, str) for each in value)):
            yield f"expected a list of strings, got {field}={value!r}"
        elif field not in _LISTS and not isinstance(value, str):
            yield f"expected a string, got {field}={value!r}"


def _word_faults(entry: dict[str, Any]) -> Iterator[str]:
    """Words that are none of those known."""
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", entry["name"]):
        yield f"expected a name of small letters, digits and hyphens, got name={entry['name']!r}"
    if entry["experiment"] not in catalogue.EXPERIMENTS:
        yield f"expected an experiment of the catalogue, got experiment={entry['experiment']!r}"
    if entry["verdict"] not in WORDS:
        yield f"expected a verdict of {', '.join(WORDS)}, got verdict={entry['verdict']!r}"
    if unknown := [topic for topic in entry["topics"] if topic not in TOPICS]:
        yield f"expected topics of {', '.join(TOPICS)}, got {', '.join(unknown)}"
    for field, most in (("topics", 3), ("asked", 4)):
        if len(entry[field]) > most:
            yield f"expected at most {most} {field}, got {len(entry[field])}"


def _reason_faults(reason: str) -> Iterator[str]:
    """A reason that is too long, or has not one number."""
    if (count := len(reason.split())) > MOST_WORDS:
        yield f"expected a reason of at most {MOST_WORDS} words, got {count}"
    if (count := len(_NUMBER.findall(reason))) != 1:
        yield f"expected one key in braces in the reason, got {count}"
    if re.search(r"\d", _NUMBER.sub("", reason.replace("10^{", "{"))):
        yield f"expected no number in the reason but that of the key, got reason={reason!r}"
    if not reason.endswith("."):
        yield f"expected a reason that ends with a full stop, got reason={reason!r}"


def _content_faults(entry: dict[str, Any], group: str) -> Iterator[str]:
    """What is wrong with an entry that has all its fields."""
    yield from _word_faults(entry)
    yield from _reason_faults(entry["reason"])
    if not _expression(entry["call"]):
        yield f"expected one Python expression, got call={entry['call']!r}"
    if (group == "published") != bool(entry.get("source")):
        yield "expected a source of every published claim, and of no other"


def _faults(entry: dict[str, Any], group: str) -> list[str]:
    """All faults of an entry, whole sentences that begin with its name."""
    found = list(_shape_faults(entry)) or list(_content_faults(entry, group))
    return [f"{group}.toml, claim {entry.get('name', '?')!r}: {fault}." for fault in found]


def read(folder: Path = FOLDER) -> tuple[Claim, ...]:
    """The claims of all files, in the order of ``GROUPS`` and of each file; a file may be missing. ``ClaimError`` if any is at fault."""
    found, faults = [], []
    for group in GROUPS:
        path = folder / f"{group}.toml"
        for entry in tomllib.loads(path.read_text()).get("claim", []) if path.exists() else []:
            at_fault = _faults(entry, group)
            faults += at_fault
            if not at_fault:
                lists = {field: tuple(entry[field]) for field in _LISTS}
                found.append(Claim(**(entry | lists), group=group))
    names = [claim.name for claim in found]
    faults += [
        f"claims: expected one claim of a name, got several of {name!r}."
        for name in sorted(set(names))
        if names.count(name) > 1
    ]
    if faults:
        raise ClaimError("\n".join(faults))
    return tuple(found)


CLAIMS = read()


def keyless(claims: tuple[Claim, ...], numbers: dict[str, dict[str, str]]) -> list[str]:
    """A sentence for each claim whose key is not among its experiment's findings (``numbers``, by experiment)."""
    return [
        f"{claim.group}.toml, claim {claim.name!r}: expected a key of the findings of {claim.experiment}, got {claim.key!r}."
        for claim in claims
        if claim.key not in numbers[claim.experiment]
    ]


def numbers(results: Path = catalogue.RESULTS, claims: tuple[Claim, ...] = CLAIMS) -> dict[str, dict[str, str]]:
    """The findings of every experiment that a claim rests on; ``ClaimError`` if a claim's key is not among them."""
    names = dict.fromkeys(claim.experiment for claim in claims)
    found = {name: catalogue.module(name).findings(catalogue.load(name, results)).numbers for name in names}
    if faults := keyless(claims, found):
        raise ClaimError("\n".join(faults))
    return found


def tag(claim: Claim) -> str:
    """The number of the question that the claim's experiment answers, such as Q4; nothing if it answers none of the list."""
    first = catalogue.question(claim.experiment).split(".")[0]
    return first if re.fullmatch(r"Q\d+", first) else ""


HEAD = """# {count} claims about gradients, tested

Each row holds a claim that people make, the verdict, the reason with one measured number, and the experiment that measured it. A
verdict is *Right*, *Wrong* or *Depends*. The numbers come from the committed results. `make docs` builds a page for each claim, with its
figure, a call that gives the law, its predictions and error bars. `python -m experiments NAME` runs an experiment again. The
[audit of default initialisers](initialisers.md) has a page of its own.

Generated by `python -m experiments.report.claims`; do not edit.
"""
COLUMNS = "| | claim | verdict | reason | experiment |\n|---|---|---|---|---|\n"


def _row(claim: Claim, found: dict[str, dict[str, str]]) -> str:
    """One line of the table."""
    link = f"[`{claim.experiment}`](../experiments/{claim.experiment}.py)"
    said = f"{claim.claim} ({claim.source})" if claim.source else claim.claim
    return f"| {tag(claim)} | {said} | {claim.verdict} | {claim.filled(found[claim.experiment])} | {link} |\n"


def page(found: dict[str, dict[str, str]]) -> str:
    """The whole page for readers of the repository, from the findings of every experiment."""
    text = HEAD.format(count=len(CLAIMS))
    for group, heading in GROUPS.items():
        rows = [_row(claim, found) for claim in CLAIMS if claim.group == group]
        if rows:
            text += f"\n## {heading}\n\n{COLUMNS}{''.join(rows)}"
    return text


if __name__ == "__main__":
    PAGE.write_text(page(numbers()))
    print(f"{len(CLAIMS)} claims in {PAGE}")
