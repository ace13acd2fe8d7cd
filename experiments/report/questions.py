"""The questions that people ask, Q1 to Q20, and which experiments answer each: the order of the report, and a list for the paper."""

import re
from collections.abc import Iterable

from experiments.corridor import catalogue
from experiments.report.markup import tex

NUMBERS = range(1, 21)
OWN_FIGURE = {
    "rates": "hero",
    "orthogonal": "weights",
    "sequence_tasks": "sequence_length",
    "sequence_digits": "sequence_length",
    "rank_collapse": "attention",
    "gate_courses": "gates",
    "powered": "held_out",
    "layer_order": "escape",
    "largest_step": "escape",
}
"""Experiments whose figure has another name than theirs."""
_SHOWN = re.compile(r"\\includegraphics\[[^\]]*\]\{(\w+)\}.*?\\label\{(fig:[^}]+)\}", re.DOTALL)


def figure_of(name: str) -> str:
    """The figure that shows an experiment."""
    return OWN_FIGURE.get(name, name)


def number_of(name: str) -> int | None:
    """The number of the question that an experiment answers; None if it answers none of the list."""
    found = re.match(r"Q(\d+)\. ", catalogue.question(name))
    return int(found[1]) if found else None


def ordered(names: Iterable[str]) -> list[str]:
    """By question, those that answer none last."""
    last = max(NUMBERS) + 1
    return sorted(names, key=lambda name: number_of(name) or last)


def labels(part: str) -> dict[str, str]:
    """The label of every figure that the paper's ``main`` part shows, or the supplement's ``sections``."""
    texts = sorted((catalogue.ROOT / "paper" / part).glob("*.tex"))
    return dict(_SHOWN.findall("".join(text.read_text() for text in texts)))


def answers(findings: dict[str, catalogue.Findings]) -> str:
    """Every question with its verdict and its figure, a LaTeX description list for the supplement."""
    items, main, own = [], labels("main"), labels("sections")
    for name in ordered(findings):
        number = number_of(name)
        if number is None:
            continue
        asked = catalogue.question(name).split(". ", 1)[1]
        figure = figure_of(name)
        place = rf"\mainfig{{{main[figure]}}}" if figure in main else rf"\cref{{{own[figure]}}}"
        items.append(rf"\item[Q{number}] \emph{{{tex(asked)}}} {tex(findings[name].verdict)} ({place})")
    return "\n".join([r"\begin{description}", *items, r"\end{description}", ""])
