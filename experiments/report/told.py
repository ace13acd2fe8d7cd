"""What people say about gradients beside law and networks: the main text's table, in powers of ten, and the supplement's of twenty questions."""

import dataclasses
import math
import re
import tomllib
from pathlib import Path
from typing import Any

import pandas as pd

from experiments.corridor import catalogue
from experiments.report import claims, questions
from experiments.report.markup import tex

DECADE = math.log(10)
LINKS = ("per layer", "per step")
"""Units of rates: times the number of links they are those of the whole."""
SURE = 5.0
"""Standard errors by which a measured number may miss what is said for this to hold."""
FLAGGED = 3.0
"""Residuals beyond so many standard errors have a dagger."""
MOST_DIGITS = 4
"""Digits behind the point of a number that is known better than it is shown."""
GROUPS = ("they hold here", "they are wrong here", "wrong here, right under the condition in the last column")
"""Titles of the table's three parts."""
_BY_NAME = {claim.name: claim for claim in claims.CLAIMS}


@dataclasses.dataclass(frozen=True)
class Told:
    """One statement: ``factor`` is what it says one of the ``links`` does to the gradient's norm, exactly or as a bound (``sense``).

    ``statement`` and ``setting`` are LaTeX; ``label`` names the compared number of the claim's experiment,
    ``when`` says where a claim is true.
    """

    claim: str
    statement: str
    setting: str
    label: str
    links: int
    factor: float
    sense: str = ""
    when: str = ""

    @property
    def says(self) -> float:
        """The statement's number, in powers of ten."""
        return self.links * math.log10(self.factor)

    def missed(self, measured: float) -> float:
        """By how many powers of ten a measured number misses what is said; 0 within a bound."""
        below, above = max(self.says - measured, 0.0), max(measured - self.says, 0.0)
        return {"": below + above, r"\ge": below, r"\le": above}[self.sense]

    def decades(self, unit: str) -> float:
        """What makes a stored number one in powers of ten."""
        return 1.0 if unit == "decades" else (self.links if unit in LINKS else 1) / DECADE


TOLD = tuple(Told(**entry) for entry in tomllib.loads(Path(__file__).with_suffix(".toml").read_text())["told"])


def _compared(told: Told, table: pd.DataFrame) -> Any:
    """Its comparison; None where the experiment was not run, or run smaller."""
    found = table[(table.experiment == _BY_NAME[told.claim].experiment) & (table.label == told.label)]
    return next(found.itertuples(), None)


def _shown(value: float, digits: int) -> str:
    """A number without the sign of a zero."""
    return f"{round(value, digits) + 0.0:.{digits}f}"


def _row(told: Told, row: Any) -> str:
    """One line of the table: the statement, its setting and number, the law's, the measured one, by how much that misses, and a note."""
    unit = told.decades(row.unit)
    err = unit * row.measured_err
    digits = min(max(-math.floor(math.log10(err)), 1), MOST_DIGITS)
    says = f"{told.sense}\\,{_shown(told.says, 1)}" if told.sense else _shown(told.says, 1)
    numbers = f"${says.replace('.0', '') if told.says == 0 else says}$ & ${_shown(unit * row.predicted, digits)}$"
    flag = r"\rlap{$^\dagger$}" if abs(row.z) > FLAGGED else ""
    bar = f" \\pm {err:.{digits}f}"
    seen = f"${_shown(unit * row.measured, digits)}{bar}$ & ${_shown(row.z, 1)}${flag}"
    missed = told.missed(unit * row.measured)
    holds = missed < SURE * err
    gap = "--" if holds else f"${_shown(missed, 1)}$"
    return rf"{told.statement} & {told.setting} & {numbers} & {seen} & {gap} & {told.when} \\"


def rows(table: pd.DataFrame) -> tuple[str, dict[str, str]]:
    """The rows of the main text's table, statements that hold first and those that are true elsewhere last; how many there are, hold, miss and are met by the law, and their z."""
    found = [(told, row) for told in TOLD if (row := _compared(told, table)) is not None]
    gaps = [told.missed(told.decades(row.unit) * row.measured) for told, row in found]
    holds = [
        gap < SURE * told.decades(row.unit) * row.measured_err for gap, (told, row) in zip(gaps, found, strict=True)
    ]
    places = [0 if good else 2 if told.when else 1 for good, (told, _) in zip(holds, found, strict=True)]
    groups = [[pair for place, pair in zip(places, found, strict=True) if place == at] for at in range(3)]
    parts = [
        f"\\multicolumn{{8}}{{@{{}}l}}{{\\emph{{{title}}}}} \\\\\n" + "".join(f"{_row(*pair)}\n" for pair in group)
        for title, group in zip(GROUPS, groups, strict=True)
        if group
    ]
    text = "\\midrule\n".join(parts)
    counts = {"rows": len(found), "agree": sum(row.outcome == "agrees" for _, row in found)}
    counts |= {"largest": f"{max((abs(row.z) for _, row in found), default=0):.1f}"}
    z = [row.z for _, row in found]
    counts |= {"within/3": sum(abs(each) <= 3 for each in z), "chi_square": f"{sum(each**2 for each in z):.0f}"}
    missed = [gap for gap, good in zip(gaps, holds, strict=True) if not good]
    counts |= {"holds": sum(holds), "missed": len(missed), "elsewhere": len(groups[2])}
    counts |= {"missed/least": f"{min(missed, default=0):.1f}", "missed/most": f"{max(missed, default=0):.0f}"}
    return text, {f"told/{key}": str(count) for key, count in counts.items()}


def twenty(findings: dict[str, catalogue.Findings]) -> tuple[str, dict[str, str]]:
    """Rows of the supplement's table, the first claim of each of the twenty questions with its figure; and the count of each verdict."""
    counts = dict.fromkeys(claims.WORDS, 0)
    main, own, lines = questions.labels("main"), questions.labels("sections"), {}
    for claim in claims.CLAIMS:
        found, number = findings.get(claim.experiment), claims.tag(claim)
        if not number or number in lines or found is None or claim.key not in found.numbers:
            continue
        figure = questions.figure_of(claim.experiment)
        place = rf"\mainfig{{{main[figure]}}}" if figure in main else rf"\cref{{{own[figure]}}}"
        reason = re.sub(r" \\%", r"\\,\\%", tex(claim.filled(found.numbers, strong="")))
        counts[claim.verdict] += 1
        lines[number] = rf"{number} & {tex(claim.claim)} & {claim.verdict} & {reason} & {place} \\"
    text = "\n".join(lines[number] for number in sorted(lines, key=lambda each: int(each[1:]))) + "\n"
    return text, {f"twenty/{word}": str(count) for word, count in counts.items()}
