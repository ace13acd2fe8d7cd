"""Claims: an index of cards, and a page for every claim. A claim without a comparison or a figure stops the build."""

import ast
import hashlib
import html
import importlib
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import fragments
import pandas as pd
from gallery import drawn, title
from rendering import rendered, text, write
from sphinx.errors import ExtensionError

import vgtheory
from experiments.corridor import catalogue
from experiments.report import claims, evidence, questions
from experiments.report.claims import Claim

MARKS = {"Right": "✓", "Wrong": "✗", "Depends": "≈"}
"""A sign beside each verdict's word, so that its colour is not the only one."""
MISSING = "These results are too few to give the number of this claim."
BEYOND = "Beyond the list of questions"
_CALLED = re.compile(r"\b(theory|measure)((?:\.[a-z]\w*)*)\.([a-z]\w*)\(")


class Called(NamedTuple):
    """A function of the library that a call uses, and the first line of what it says of itself."""

    path: str
    says: str


def called(call: str) -> Called:
    """The first function of a room in a call; nothing if the law is written out with NumPy, because the library has no function for it."""
    found = _CALLED.search(call)
    if found is None and "np." in call:
        return Called("", "")
    if found is None:
        raise ExtensionError(f"claims: expected a call of theory or measure, got call={call!r}.")
    package = importlib.import_module(f"vgtheory.{found[1]}{found[2]}")
    says = (inspect.getdoc(getattr(package, found[3])) or "").split("\n")[0].replace("``", "")
    return Called(f"vgtheory.{found[1]}{found[2]}.{found[3]}", says)


def compared(found: evidence.Evidence, claim: Claim) -> pd.DataFrame:
    """The comparisons of a claim: those of its experiment, or of its panel alone."""
    rows = found.rows(claim.experiment)
    return rows[rows.label.str.startswith(f"{claim.panel}: ")] if claim.panel else rows


def identity(claim: Claim) -> str:
    """Why nothing is compared where the prediction is an identity; nothing where it is none."""
    return getattr(catalogue.module(claim.experiment), "IDENTITY", "")


def lacking(claim: Claim, rows: int, figure: Path) -> list[str]:
    """A sentence for each thing that a claim's card cannot do without: a prediction that is judged, and a figure."""
    faults = []
    if not rows and not identity(claim) and claim.experiment not in claims.UNPREDICTED:
        faults.append(f"claim {claim.name!r}: expected a comparison in the results of {claim.experiment}, got none.")
    if not figure.exists():
        faults.append(f"claim {claim.name!r}: expected the figure {figure.name}, got none; run python -m figures.")
    return faults


def pictured(claim: Claim) -> str:
    """The picture of a claim: the figure of its experiment, or the panel of it that the claim names."""
    figure = questions.figure_of(claim.experiment)
    return f"{figure}-{claim.panel}" if claim.panel else figure


def outcome(found: evidence.Evidence, claim: Claim) -> str:
    """How a claim's predictions fared, and what they are of where that is not the claim's own number."""
    rows, name = compared(found, claim), claim.experiment
    if len(rows):
        counts = rows.outcome.value_counts()
        words = (("agrees", "agree"), ("disagrees", "disagree"), ("outside", "lie outside the law's range"))
        said = ", ".join(f"{counts[key]} {word}" for key, word in words if counts.get(key))
        counted = f"Of {len(rows)} comparisons" if len(rows) > 1 else "Of one comparison"
        of = getattr(catalogue.module(name), "COMPARED", "")
        return f"{counted} of prediction and measurement, {said}.{' ' if of else ''}{of}"
    if why := identity(claim):
        return f"The prediction is an identity, which tests check: {why}."
    return f"These numbers are measured only: {claims.UNPREDICTED.get(name, 'these results are too few to compare')}."


def reason(claim: Claim, found: evidence.Evidence, shown: Callable[[str], str], raised: str, strong: str = "") -> str:
    """The reason with its number: strings as they are ``shown``, the number between two signs that make it ``strong``, powers ``raised``.

    Results of a small run may lack the number: then that is said.
    """
    if claim.key not in found.findings[claim.experiment].numbers:
        return shown(MISSING)
    said = claim.filled(found.findings[claim.experiment].numbers, strong="\0")
    before, number, after = map(shown, said.replace("10^", "10\1").split("\0"))
    power = re.sub(
        "\1([-\\d.\\\\]+)", lambda match: raised.format(match[1].replace("\\", "").replace("-", "−")), number
    )
    return f"{before}{strong}{power}{strong}{after}"


def imports(call: str) -> str:
    """The lines that a call needs before it."""
    names = {node.id for node in ast.walk(ast.parse(call, mode="eval")) if isinstance(node, ast.Name)}
    ours = sorted(names & set(vgtheory.__all__), key=lambda name: (name[0].islower(), name))
    lines = ["import numpy as np"] if "np" in names else []
    return "\n".join(
        [*lines, *([""] if lines and ours else []), *([f"from vgtheory import {', '.join(ours)}"] if ours else [])]
    )


def page(claim: Claim, found: evidence.Evidence, figures: Path, alone: bool) -> str:
    """A claim's page. One that stands ``alone``, in the report of a run, has no reference to lead to."""
    name, figure = claim.experiment, pictured(claim)
    seen, function = drawn(figures / f"{figure}.svg"), called(claim.call)
    return rendered(
        "claim.md",
        claim=claim,
        mark=MARKS[claim.verdict],
        reason=reason(claim, found, text, "{{sup}}`{}`", "**"),
        figure=figure,
        drawn=seen is not None,
        alt=seen.alt if seen else "",
        function=function.path and (f"`{function.path}`" if alone else f"{{py:func}}`~{function.path}`"),
        says=function.says,
        imports=imports(claim.call),
        question=title(name),
        outcome=outcome(found, claim),
    )


def heading(claim: Claim) -> tuple[int, str]:
    """The heading under which a claim stands, with its place among the headings of the index."""
    if claim.group != "questions":
        return 2 + list(claims.GROUPS).index(claim.group), claims.GROUPS[claim.group]
    tag = claims.tag(claim)
    return (0, tag) if tag else (1, BEYOND)


def groups(found: evidence.Evidence) -> list[dict[str, Any]]:
    """The cards under their headings: questions in their order, what is beyond them, threads, published claims."""
    shown: dict[str, dict[str, Any]] = {}
    for claim in sorted(claims.CLAIMS, key=lambda claim: heading(claim)[0]):
        place, key = heading(claim)
        asked = f"{key}. {title(claim.experiment)}" if place == 0 else key
        group = shown.setdefault(
            key, {"heading": asked, "id": key.lower().replace(" ", "-").replace(",", ""), "cards": []}
        )
        said = reason(claim, found, html.escape, "<sup>{}</sup>")
        group["cards"].append({"claim": claim, "mark": MARKS[claim.verdict], "reason": said})
    return list(shown.values())


def cards(found: evidence.Evidence) -> str:
    """The index's filter and cards."""
    topics = [topic for topic in claims.TOPICS if any(topic in claim.topics for claim in claims.CLAIMS)]
    return rendered("cards.html", groups=groups(found), topics=topics, verdicts=claims.WORDS, count=len(claims.CLAIMS))


def faults(found: evidence.Evidence, figures: Path) -> list[str]:
    """A sentence for everything that a card cannot do without and has not: its number, a comparison, a figure."""
    numbers = {name: said.numbers for name, said in found.findings.items()}
    wrong = claims.keyless(claims.CLAIMS, numbers)
    for claim in claims.CLAIMS:
        wrong += lacking(claim, len(compared(found, claim)), figures / f"{pictured(claim)}.svg")
    return wrong


def make(app: Any) -> None:
    """All pages of the claims into Sphinx's sources.

    ``ExtensionError`` if a card of the site lacks its number, its comparison or its figure. In the report of a run, which may be a small
    one, the card says so itself.
    """
    found, figures, folder = (
        evidence.gathered(Path(app.config.results)),
        Path(app.config.figures),
        Path(app.srcdir) / "claims",
    )
    alone = app.tags.has("report")
    if not alone and (wrong := faults(found, figures)):
        raise ExtensionError("\n".join(wrong))
    for claim in claims.CLAIMS:
        write(folder / f"{claim.name}.md", page(claim, found, figures, alone))
    shown = cards(found)
    fragments.offer(app, "claims", lambda: shown)
    digest = hashlib.sha256(shown.encode()).hexdigest()[:12]
    write(folder / "index.md", rendered("claims.md", names=[claim.name for claim in claims.CLAIMS], digest=digest))


def setup(app: Any) -> dict[str, bool]:
    """The pages, once the gallery has said where results and figures lie."""
    app.connect("builder-inited", make, priority=600)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
