"""A figure of a diagnosis."""

from typing import Any

import numpy as np


def figure(matplotlib_figure: Any, found: Any) -> Any:
    """Activations above, gradients below, in powers of ten, by layer call; predictions are lines, measurements markers.

    Parameters
    ----------
    matplotlib_figure
        The module ``matplotlib.figure``.
    found
        A ``Diagnosis``.
    """
    drawn = matplotlib_figure.Figure(figsize=(7.0, 5.0), layout="constrained")
    upper, lower = drawn.subplots(2, 1, sharex=True)
    place = np.arange(len(found.rows))

    def series(axes: Any, name: str, label: str, marker: str, colour: str) -> None:
        for column, style in (
            (name, {"ls": "", "marker": marker, "ms": 4}),
            (f"predicted_{name}", {"ls": "-", "lw": 1}),
        ):
            values = np.array([getattr(row, column) for row in found.rows], float) / np.log(10)
            values = np.where(np.isfinite(values), values, np.nan)
            if not np.isnan(values).all():
                axes.plot(
                    place, values, color=colour, label=label if column == name else f"{label}, predicted", **style
                )

    series(upper, "log_rms", "rms of output", "o", "C0")
    series(lower, "log_grad", "|dE/dy|", "o", "C3")
    series(lower, "log_grad_weight", "|dE/dW|", "s", "C2")
    for axes in (upper, lower):
        axes.set_ylabel("power of ten")
        if axes.lines:
            axes.legend(frameon=False)
    step = max(1, len(found.rows) // 12)
    lower.set_xticks(place[::step], [row.layer for row in found.rows[::step]], rotation=40, ha="right", fontsize=7)
    upper.set_title(
        f"{found.verdict.word}, {found.verdict.factor:.3g} per layer over {found.verdict.depth}", fontsize=10
    )
    return drawn
