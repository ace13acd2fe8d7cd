"""Claims of books, papers and libraries: what the claim says (grey), the law (lines), networks (markers); a panel for each."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

SOURCES = ("published",)
SEEN = "Markers follow the laws, and the grey dotted line of the claim leaves them."
"""What one sees."""
BELOW, GRADIENT = "layers below the top", r"$\log_{10}(|g_l|\,/\,|g_L|)$"
PANELS = {
    "relu-slope": ("ReLU cannot vanish", BELOW, GRADIENT),
    "sigmoid-power": (r"sigmoid: $0.25^L$", BELOW, GRADIENT),
    "random-matrices": ("$4 \\times 4$ matrices", "matrices", r"$\log_{10}$ of the length"),
    "he-smooth": ("He for GELU, SiLU", BELOW, GRADIENT),
    "tanh-gain": ("gain 5/3 for tanh", BELOW, GRADIENT),
    "forget-bias": ("a forget bias of 1", "steps back", r"$\log_{10}(|g_t|\,/\,|g_T|)$"),
    "batch-norm-cure": ("batch norm cures", BELOW, GRADIENT),
    "pre-norm-variance": ("pre-norm's variance", "block", "mean square $q$"),
    "pre-norm-bottom": ("pre-norm: bottom large", "blocks below the top", GRADIENT),
    "post-norm-top": ("post-norm: top large", "blocks below the top", GRADIENT),
    "query-key": ("queries vanish", "block", r"$\log_{10}$ of query / value"),
    "lost-middle": ("lost in the middle", "position", r"$\log_{10}(|g_t|\,/\,|g_T|)$"),
    "branch-scale": (r"branches by $1/\sqrt{n}$", "branches $n$", r"$\log_{10}(|g_1|\,/\,|g_n|)$"),
    "residual-lambda": (r"residual $\lambda = 1.1$", "branches below the top", GRADIENT),
    "tanh-for-norm": ("tanh for a norm (DyT)", "blocks below the top", GRADIENT),
    "layer-scale": ("LayerScale", r"$\log_{10}$ of the scale", r"$\log_{10}$ of the gradient"),
    "orthogonal-better": ("orthogonal beats Gaussian", "layers", r"$\langle s^4\rangle / \langle s^2\rangle^2 - 1$"),
    "reservoir-radius": ("a radius of 0.9", "spectral radius", "ln of growth per step"),
    "additive-cell": ("LSTM's additive cell", "steps back", r"$\log_{10}(|g_t|\,/\,|g_T|)$"),
    "selu-keeps": ("SELU keeps gradients", BELOW, GRADIENT),
}
"""By claim: title, label of x, label of y."""
LEGENDS = {
    **dict.fromkeys(("random-matrices", "tanh-gain", "pre-norm-variance", "pre-norm-bottom"), "upper left"),
    **dict.fromkeys(("residual-lambda", "tanh-for-norm", "orthogonal-better", "selu-keeps"), "upper left"),
    **{"reservoir-radius": "upper left", "branch-scale": "upper right", "layer-scale": "lower right"},
}
"""Where a claim's legend stands if not below the lines, on the left."""
LOG_X = ("lost-middle",)
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
    axes.set(xscale="log" if name in LOG_X else "linear", yscale="linear")
    _legend(axes, LEGENDS.get(name, "lower left"))


def _legend(axes: Axes, place: str) -> None:
    """The legend, in a room of its own on the left."""
    low, high = axes.get_ylim()
    part = LINE * len(axes.get_legend_handles_labels()[1])
    room = part / (1 - part) * (high - low) * place.endswith("left")
    axes.set_ylim(low - room * place.startswith("lower"), high + room * place.startswith("upper"))
    axes.legend(loc=place, handlelength=1.2, borderpad=0.1, labelspacing=0.2, borderaxespad=0.1)


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
    figure, axes = style.canvas(rows, COLUMNS, height=HEIGHT * rows, width=style.PAGE, squeeze=False)
    for axis, name in zip(axes.flat, names, strict=False):
        _draw(axis, frame[frame.claim == name], name)
    for axis in axes.flat[len(names) :]:
        axis.set_visible(False)
    return figure
