"""The count of agreement: every compared number with its outcome, and the list of those where the theory fails.

A comparison agrees, disagrees, lies outside (the law declines, by a criterion that does not look at the measurement), or is broken.
A comparison that lies outside is still shown: where a number was predicted all the same, the gap is kept, in standard errors of the
measurement. Identities (a ratio that cannot change, one curve computed twice) are tests, and are not counted.
"""

from typing import Any

import numpy as np
import pandas as pd

from experiments.corridor.summary import compared_rows, judged
from vgtheory import compare

_COLUMNS = ("cell", "label", "family", "unit", "predicted", "predicted_err", "measured", "measured_err", "reason")


def rows_of(script: Any, frame: pd.DataFrame) -> pd.DataFrame:
    """The comparisons of one experiment as they are stored; no rows and no columns if there are none."""
    found = compared_rows(script, frame)
    return found[list(_COLUMNS)] if len(found) else pd.DataFrame()


def judged_table(rows: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The comparisons of many experiments in one table, judged."""
    frames = [found.assign(experiment=name) for name, found in rows.items() if len(found)]
    return _judged(pd.concat(frames, ignore_index=True))


def _judged(table: pd.DataFrame) -> pd.DataFrame:
    """The table with the verdict, its first word, z in predicted standard errors and the gap in measured ones."""
    difference = table.measured - table.predicted
    verdicts = [judged(row.measured, row.measured_err, row.predicted, row.predicted_err) for row in table.itertuples()]
    table = table.assign(
        z=difference / table.predicted_err,
        gap=difference / table.measured_err.where(table.measured_err > 0),
        verdict=verdicts,
        outcome=[each.split(" ")[0] for each in verdicts],
    )
    return table.sort_values(["experiment", "label"], kind="stable", ignore_index=True)


def counts(table: pd.DataFrame) -> dict[str, int]:
    """How many comparisons had each of the four outcomes."""
    return {outcome: int((table.outcome == outcome).sum()) for outcome in compare.OUTCOMES}


def decided(table: pd.DataFrame) -> pd.DataFrame:
    """Those that the law did not decline."""
    return table[table.outcome.isin(["agrees", "disagrees"])]


def failures(table: pd.DataFrame) -> pd.DataFrame:
    """Where the theory fails: what is broken, what disagrees, and what lies outside, the largest gap of each first."""
    bad = table[table.outcome != "agrees"]
    rank = bad.outcome.map({"broken": 0, "disagrees": 1, "outside": 2})
    size = bad.gap.abs().fillna(np.inf)
    return bad.assign(rank=rank, size=size).sort_values(["rank", "size"], ascending=[True, False], kind="stable")


def listed(table: pd.DataFrame) -> pd.DataFrame:
    """What the paper's table lists: disagreements, and gaps beyond five outside."""
    rows = failures(table)
    return rows[(rows.outcome != "outside") | (rows.gap.abs() > compare.SIGMAS)]


def wrong_outside(table: pd.DataFrame) -> int:
    """How many of those outside would have disagreed: beyond five of their own measured standard errors."""
    return int(((table.outcome == "outside") & (table.gap.abs() > compare.SIGMAS)).sum())


def closing(table: pd.DataFrame) -> str:
    """The one line of the count."""
    found = counts(table)
    return f"{' / '.join(_SHORT[each] for each in compare.OUTCOMES)} = {' / '.join(str(found[each]) for each in compare.OUTCOMES)}"


_SHORT = {"agrees": "agree", "disagrees": "disagree", "outside": "outside", "broken": "broken"}
