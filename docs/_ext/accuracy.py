"""The page Accuracy: the count and the calibration from the results, and a plot of every residual on which a point tells what it is."""

from pathlib import Path
from typing import Any

import fragments
import numpy as np
import pandas as pd
import residuals
from rendering import rendered, write

from experiments.corridor import catalogue
from experiments.report import agreement, evidence, questions


def _joined(values: set[Any]) -> str:
    """Numbers as a sentence lists them."""
    *most, last = [f"{value:,}" for value in sorted(values)]
    return f"{', '.join(most)} or {last}" if most else last


def page(found: evidence.Evidence) -> str:
    """The page's source."""
    swept = {axis: {fact["config"][axis][0] for fact in found.records["rates"].values()} for axis in ("width", "depth")}
    return rendered(
        "accuracy.md",
        closing=agreement.closing(found.table),
        of=found.findings["rates"].numbers,
        widths=_joined(swept["width"]),
        depths=_joined(swept["depth"]),
    )


def _experiments(found: evidence.Evidence) -> list[dict[str, Any]]:
    """Each experiment's counts and its furthest comparison."""
    rows = []
    for name in questions.ordered(found.findings):
        own = found.rows(name)
        decided = agreement.decided(own)
        if len(own):
            worst = decided.loc[decided.z.abs().idxmax()] if len(decided) else None
            counts = agreement.counts(own)
            rows.append({"name": name, "total": len(own), "counts": counts, "worst": worst})
    return rows


def comparisons(found: evidence.Evidence) -> pd.DataFrame:
    """Every comparison with the command that runs its cell again, as it can be downloaded."""
    table = found.table.assign(
        command=[found.command(row.experiment, row.cell) for row in found.table.itertuples()],
        z=found.table.z.where(np.isfinite(found.table.predicted_err)),
    )
    return table.drop(columns=["cell", "verdict", "family"])


def residual_plot(found: evidence.Evidence, data: Path) -> str:
    """The plot with what leads through its points, a table of the experiments, and the file of all comparisons."""
    table = comparisons(found)
    data.mkdir(parents=True, exist_ok=True)
    (data / "comparisons.csv").write_text(table.to_csv(index=False, float_format="%.8g"))
    rows = _experiments(found)
    plot = residuals.plot(table, [row["name"] for row in rows])
    return rendered("residuals.html", plot=plot, rows=rows, total=len(table))


def make(app: Any) -> None:
    """Write the page and offer its plot; BokehJS goes into the site, which needs no network."""
    found = evidence.gathered(Path(app.config.results))
    write(Path(app.srcdir) / "accuracy.md", page(found))
    fragments.offer(app, "residuals", lambda: residual_plot(found, Path(app.outdir) / "data"))


def setup(app: Any) -> dict[str, bool]:
    """Write the page before Sphinx looks for it."""
    app.connect("builder-inited", make)
    fragments.always_anew(app, "accuracy")
    app.connect("build-finished", lambda app, error: None if error else residuals.copy_script(Path(app.outdir)))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":  # python docs/_ext/accuracy.py, for the committed page
    write(catalogue.ROOT / "docs" / "accuracy.md", page(evidence.gathered(catalogue.RESULTS)))
