"""Claims of books, papers and libraries: what the claim says (grey), the law (lines), networks (markers); a panel for each."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

SOURCES = ("published",)
BELOW, GRADIENT = "layers below the top", r"$\log_{10}(|g_l|\,/\,|g_L|)$"
PANELS = {
    "relu-slope": ("ReLU cannot vanish", BELOW, GRADIENT),
    "sigmoid-power": (r"sigmoid: $0.25^L$", BELOW, GRADIENT),
    "random-matrices": ("radius of $4 \\times 4$ matrices", "matrices", r"$\log_{10}$ of the length"),
    "he-smooth": ("He's scale for GELU, SiLU", BELOW, GRADIENT),
    "tanh-gain": ("gain 5/3 for tanh", BELOW, GRADIENT),
    "batch-norm-cure": ("batch norm cures", BELOW, GRADIENT),
    "orthogonal-better": ("orthogonal beats Gaussian", "layers", r"$\langle s^4\rangle / \langle s^2\rangle^2 - 1$"),
    "selu-keeps": ("SELU keeps gradients", BELOW, GRADIENT),
}
"""By claim: title, label of x, label of y."""
ABOVE = ("random-matrices", "orthogonal-better", "tanh-gain", "selu-keeps")
"""Claims whose legend stands above the lines; the others' stands below."""
COLUMNS, HEIGHT, LINE = 4, 1.75, 0.1
"""Panels in a row, inches of one, and share of it that a line of its legend takes."""


def _draw(axes: Axes, rows: pd.DataFrame, name: str) -> None:
    """One claim."""
    title, xlabel, ylabel = PANELS[name]
    drawn = set()
    for index, (label, points) in enumerate(rows.groupby("line", sort=False)):
        said = tuple(points.said)
        if np.isfinite(points.said).any() and said not in drawn:
            axes.plot(
                points.x,
                points.said,
                color="0.55",
                linewidth=1.4,
                dashes=(1, 1),
                label=None if drawn else "the claim",
                zorder=1,
            )
            drawn.add(said)
        style.theory(axes, points.x, points.law, index=index)
        style.measured(axes, points.x, points.seen, points.err, index, label)
    axes.set(xlabel=xlabel, ylabel=ylabel, title=title)
    _legend(axes, name in ABOVE)


def _legend(axes: Axes, above: bool) -> None:
    """The legend, in a room of its own."""
    low, high = axes.get_ylim()
    room = LINE * len(axes.get_legend_handles_labels()[1]) * (high - low)
    axes.set_ylim(low - room * (not above), high + room * above)
    axes.legend(
        loc="upper left" if above else "lower left",
        handlelength=1.2,
        borderpad=0.1,
        labelspacing=0.2,
        borderaxespad=0.1,
    )


def panels(frames: dict[str, pd.DataFrame]) -> list[str]:
    """The claims that there are results of, in the figure's order."""
    return [name for name in PANELS if (frames["published"].claim == name).any()]


def panel(frames: dict[str, pd.DataFrame], name: str) -> Figure:
    """One claim alone, for its card."""
    figure, axes = style.canvas(height=2.4)
    frame = frames["published"]
    _draw(axes, frame[frame.claim == name], name)
    return figure


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    names, frame = panels(frames), frames["published"]
    rows = -(-len(names) // COLUMNS)
    figure, axes = style.canvas(rows, COLUMNS, height=HEIGHT * rows, width=2.1 * style.COLUMN, squeeze=False)
    for axis, name in zip(axes.flat, names, strict=False):
        _draw(axis, frame[frame.claim == name], name)
    for axis in axes.flat[len(names) :]:
        axis.set_visible(False)
    return figure
