"""Picture of an audit of initialisers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vgtheory.expect import expect
from vgtheory.plot.style import DECADE, MARKERS, canvas, colours, styled

if TYPE_CHECKING:
    import matplotlib.figure

_APART = 0.15
"""Distance between the markers of one activation, in rows."""


def audit(rows: Sequence[Any]) -> "matplotlib.figure.Figure":
    """Picture of an audit: change of the gradient's norm per layer, by activation and initialiser.

    Parameters
    ----------
    rows
        Rows of ``theory.initialiser_audit``.

    Returns
    -------
    matplotlib.figure.Figure
        The picture; ``.axes[0]`` has its axes. Initialisers with equal scales share a marker.

    Examples
    --------
    >>> from vgtheory import plot, theory
    >>> figure = plot.audit(theory.initialiser_audit(["relu"]))
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['relu']
    """
    where = "audit"
    known = isinstance(rows, list | tuple) and len(rows) > 0 and all(hasattr(row, "initialiser") for row in rows)
    expect(known, where, "rows of theory.initialiser_audit", rows=rows)
    names = list(dict.fromkeys(row.activation for row in rows))
    with styled(f"plot.{where}"):
        figure, axes = canvas(6.5, 2.2 + 0.35 * len(names))
        axes.axvline(0.0, color="0.4", lw=1, zorder=0)
        series = _series(rows)
        for index, (label, points) in enumerate(series.items()):
            beside = _APART * (index - (len(series) - 1) / 2)
            places, rates = [names.index(name) + beside for name, _ in points], [rate for _, rate in points]
            style = {"marker": MARKERS[index % len(MARKERS)], "color": colours()[index % 10], "label": label}
            axes.plot(rates, places, ls="", ms=7, mec="white", **style)
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.grid(axis="y", color="0.9")
        axes.set_xlabel("gradient's norm per layer, towards the input\n(power of ten; at 0 it keeps its size)")
        axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2)
    return figure


def _series(rows: Sequence[Any]) -> dict[str, list[tuple[str, float]]]:
    """Points by initialiser; initialisers with the same scales everywhere are one series."""
    found: dict[str, list[tuple[str, float]]] = {}
    for row in rows:
        with np.errstate(divide="ignore"):
            rate = float(np.log(row.factor) / DECADE)
        found.setdefault(row.initialiser, []).append((row.activation, rate))
    joined: dict[tuple[tuple[str, float], ...], list[str]] = {}
    for name, points in found.items():
        joined.setdefault(tuple(points), []).append(name)
    return {", ".join(names): list(points) for points, names in joined.items()}


__all__ = ["audit"]
