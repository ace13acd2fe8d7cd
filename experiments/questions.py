"""The questions that people ask, Q1 to Q20, and which experiments answer each: the order of the report, and a list for the paper."""

import re
from collections.abc import Iterable

from experiments import corridor

NUMBERS = range(1, 21)
OWN_FIGURE = {
    "rates": "hero",
    "orthogonal": "hero",
    "sequence_tasks": "sequence_length",
    "sequence_digits": "sequence_length",
    "layer_order": "escape",
    "largest_step": "escape",
    "magnitude_training": "magnitudes",
}
"""Experiments whose figure has another name than theirs."""
_WORDS = {
    "sigma_w": r"$\sigma_w$",
    "sigma_b": r"$\sigma_b$",
    "q_star": r"$q^*$",
    "lambda": r"$\lambda$",
    "xi_c": r"$\xi_c$",
    "chi_1": r"$\chi_1$",
    "+-": r"$\pm$",
    "±": r"$\pm$",
    "<=": r"$\le$",
    ">=": r"$\ge$",
    "<": "$<$",
    ">": "$>$",
    "|": r"$|$",
    "%": r"\%",
    "&": r"\&",
    "#": r"\#",
    "_": r"\_",
    "^": r"\textasciicircum{}",
}
_POWER = re.compile(r"(\w[\w.]*|\))\^(\([^()]*\)|[+-]?\w+(?:[.,]\w+)*)")
_SHOWN = re.compile(r"\\includegraphics\[[^\]]*\]\{(\w+)\}.*?\\label\{(fig:[^}]+)\}", re.DOTALL)
_TOKEN = re.compile("|".join(map(re.escape, _WORDS)))


def figure_of(name: str) -> str:
    """The figure that shows an experiment."""
    return OWN_FIGURE.get(name, name)


def number_of(name: str) -> int | None:
    """The number of the question that an experiment answers; None if it answers none of the list."""
    found = re.match(r"Q(\d+)\. ", corridor.question(name))
    return int(found[1]) if found else None


def ordered(names: Iterable[str]) -> list[str]:
    """By question, those that answer none last."""
    last = max(NUMBERS) + 1
    return sorted(names, key=lambda name: number_of(name) or last)


def tex(text: str) -> str:
    """A sentence of plain text as LaTeX sets it: powers raised, symbols by their letters."""

    def raised(match: re.Match[str]) -> str:
        base, exponent = (part.replace("lambda", r"\lambda ") for part in match.groups())
        exponent = exponent.strip("()").replace("+-", r"\pm").replace("±", r"\pm")
        return f"\0{base}^{{{exponent}}}\0"

    parts = _POWER.sub(raised, text).split("\0")
    plain = [_TOKEN.sub(lambda match: _WORDS[match[0]], part) for part in parts[::2]]
    powers = [f"${part.replace('_', '-')}$" for part in parts[1::2]] + [""]
    return "".join(one for pair in zip(plain, powers, strict=True) for one in pair)


def labels() -> dict[str, str]:
    """The paper's label of every figure that it shows."""
    sections = sorted((corridor.ROOT / "paper" / "sections").glob("*.tex"))
    return dict(_SHOWN.findall("".join(section.read_text() for section in sections)))


def answers(findings: dict[str, corridor.Findings]) -> str:
    """Every question with its verdict and its figure, a LaTeX description list."""
    items, shown = [], labels()
    for name in ordered(findings):
        number = number_of(name)
        if number is None:
            continue
        asked = corridor.question(name).split(". ", 1)[1]
        label = shown[figure_of(name)]
        items.append(rf"\item[Q{number}] \emph{{{tex(asked)}}} {tex(findings[name].verdict)} (\cref{{{label}}})")
    return "\n".join([r"\begin{description}", *items, r"\end{description}", ""])
