"""Where the theory fails: the table of every disagreement, and of every number outside a law's range, below what is written by hand."""

from pathlib import Path
from typing import Any

import fragments
from rendering import rendered

from experiments.report import agreement, evidence
from vgtheory import compare


def table(found: evidence.Evidence) -> str:
    """Every comparison that does not agree, with its gap and the reason for which the law declines."""
    rows = agreement.failures(found.table)
    rows = rows.assign(far=(rows.gap.abs() > compare.SIGMAS) | (rows.outcome != "outside"))
    return rendered(
        "failures.html",
        rows=rows.to_dict("records"),
        counts=agreement.counts(found.table),
        total=len(found.table),
        wrong=agreement.wrong_outside(found.table),
    )


def make(app: Any) -> None:
    """Offer the table to the page."""
    found = evidence.gathered(Path(app.config.results))
    fragments.offer(app, "failures", lambda: table(found))


def setup(app: Any) -> dict[str, bool]:
    """Offer the table, and have its page written each time."""
    app.connect("builder-inited", make)
    fragments.always_anew(app, "limits")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
