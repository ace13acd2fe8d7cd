"""The page "Where the theory fails": every comparison that disagrees or whose law declines, with its gap; and its table for the paper."""

from pathlib import Path
from typing import Any

import pandas as pd

from experiments.report import agreement
from experiments.report.markup import html
from vgtheory import compare

PAGE = "failures.html"
_STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#222}
table{border-collapse:collapse;font-size:.85rem}td,th{padding:.2rem .7rem;text-align:right;border-bottom:1px solid #ddd}
td:nth-child(-n+2),th:nth-child(-n+2),td:last-child,th:last-child{text-align:left}.far{color:#b00}caption{text-align:left}"""
_INTRODUCTION = (
    "Each row is a number that was predicted and then measured. A row <em>disagrees</em> if the two differ by more than five predicted "
    "standard errors. It lies <em>outside</em> if the law declines to give a standard error, by a criterion that does not look at the "
    "measurement; the number that the law would have given is shown all the same. The gap is measured minus predicted, in standard errors "
    "of the measurement alone; gaps beyond five are red. All other comparisons agree."
)


def _shown(row: Any) -> str:
    """One row of the page."""
    look = ' class="far"' if abs(row.gap) > compare.SIGMAS or row.outcome != "outside" else ""
    measured = f"{row.measured:.5g} ± {row.measured_err:.1g}"
    words = (
        row.experiment,
        row.label,
        row.outcome,
        f"{row.predicted:.5g}",
        measured,
        row.unit,
        f"{row.gap:+.1f}",
        row.reason,
    )
    return f"<tr{look}>" + "".join(f"<td>{html(str(word))}</td>" for word in words) + "</tr>"


def write_page(table: pd.DataFrame, out: Path) -> Path:
    """The page, in one file; beside the report, which links to it."""
    rows = agreement.failures(table)
    head = "".join(
        f"<th scope=col>{word}</th>"
        for word in (
            "experiment",
            "configuration",
            "outcome",
            "predicted",
            "measured",
            "unit",
            "gap",
            "why the law declines",
        )
    )
    page = (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>vgtheory: where the theory fails</title><style>{_STYLE}</style>\n<h1>Where the theory fails</h1>\n"
        f"<p>{_INTRODUCTION}</p>\n<p>{html(agreement.closing(table))}; of those outside, {agreement.wrong_outside(table)} have a gap "
        f"beyond five. <a href=index.html>Back to the report</a>.</p>\n<table><thead><tr>{head}</tr></thead>\n"
        + "\n".join(_shown(row) for row in rows.itertuples())
        + "</table>\n</html>\n"
    )
    out.mkdir(parents=True, exist_ok=True)
    path = out / PAGE
    path.write_text(page)
    return path


def listed(table: pd.DataFrame) -> pd.DataFrame:
    """What the paper's table lists: disagreements, and gaps beyond five outside."""
    rows = agreement.failures(table)
    return rows[(rows.outcome != "outside") | (rows.gap.abs() > compare.SIGMAS)]
