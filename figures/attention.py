"""Transformer blocks: the stream's gradient, and each group of matrices', against depth; law and networks, and their ratio."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

SOURCES = ("attention",)
SEEN = (
    "Lines of the law run through the markers of networks, for the stream and for the matrices of attention and W_2; at logits of scale one the "
    "largest deviation is four per cent, and pre-norm gradients lie about two per cent above the law. At scale two, which the law declines, it is an eighth too large in post-norm blocks."
)
"""What one sees."""
SCALES = (1.0, 2.0)
"""Scales of the logits that are shown, of those that were run."""
MIDDLE = 1.0
"""The scale at which matrices are shown."""
GROUPS = {"query": "$W_q$ (and $W_k$)", "value": "$W_v$ (and $W_o$)", "mlp_out": r"$W_{\mathrm{p}}$"}
"""Matrices that are shown, with those that have the same gradient."""
FIRST = 3
"""Matrices have colours of their own, from this one on."""
DECLINED = 2.0
"""The scale beyond the law's range: its line is dashed, and its markers are grey."""
ASIDE = 0.26
"""How far apart the markers of one block stand."""
MOST, LEAST = 8, -15
"""Per cent shown: the law is up to an eighth too large."""
HOLLOW = {"markerfacecolor": "white", "markeredgewidth": 0.8, "elinewidth": 0.8, "zorder": 3}


def _look(scale: float, index: int) -> dict[str, object]:
    """Colour and marker of a scale or matrix: grey where the law declines."""
    colour = "0.45" if scale == DECLINED else style.COLOURS[index]
    return {"color": colour, "fmt": style.MARKERS[index]} | HOLLOW


def _named(scale: float) -> str:
    """A scale as the legend has it."""
    return rf"$\sigma_{{qk}}={scale:g}$" + (" (law declines)" if scale == DECLINED else "")


def _pair(panels: tuple[Axes, Axes], rows: pd.DataFrame, column: str, index: int, label: str) -> None:
    """A law with its markers above, and below how far these lie from it in per cent."""
    law, seen, err = (rows[f"{column}{end}"] for end in ("", "_hat", "_hat_err"))
    scale = rows.sigma_qk.iloc[0]
    look = _look(scale, index)
    dashes = style.DASHES[1] if scale == DECLINED else ()
    panels[0].plot(rows.block, law / style.DECADE, color=look["color"], dashes=dashes, zorder=2)
    panels[0].errorbar(rows.block, seen / style.DECADE, yerr=err / style.DECADE, label=label, **look)
    ratio, beside = np.exp(seen - law), ASIDE * (index % FIRST - 1)
    free = law != 0  # all else is relative to this, so that it is 0 by construction
    at = {"x": (rows.block + beside)[free], "y": 100 * (ratio - 1)[free], "yerr": 100 * (ratio * err)[free]}
    panels[1].errorbar(**at, **look)


def _scaled(axes: np.ndarray, frame: pd.DataFrame) -> None:
    """All panels' scales: one for all deviations, one for the stream's gradients, and one for the matrices'."""
    for axis in axes[1]:
        axis.axhline(0, color="0.25", linewidth=0.8, zorder=1)
        axis.set(
            xlabel="block", xticks=range(2, int(frame.block.max()) + 1, 2), ylim=(LEAST, MOST), yticks=(-10, -5, 0, 5)
        )
    for column, axis in enumerate(axes[0]):
        axis.set(ylim=(-0.5, 1.05) if column < len(axes[0]) // 2 else (-2, 0.6))
        axis.locator_params(axis="y", nbins=4)
    for row in axes:
        for column, axis in enumerate(row):
            axis.tick_params(labelleft=column in (0, len(row) // 2) if axis in axes[0] else column == 0)


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["attention"].sort_values("block")
    places = sorted(frame.place.unique(), reverse=True)
    size = {"height": 2.85, "width": style.PAGE, "squeeze": False, "gridspec_kw": {"height_ratios": [1.3, 1]}}
    figure, axes = style.canvas(2, 2 * len(places), sharex=True, **size)
    scales = [scale for scale in SCALES if (frame.sigma_qk == scale).any()]
    for column, place in enumerate(places):
        rows = frame[frame.place == place]
        stream, matrix = axes[:, column], axes[:, len(places) + column]
        for index, scale in enumerate(scales):
            _pair(tuple(stream), rows[rows.sigma_qk == scale], "log_grad", index, _named(scale))
        for index, (group, name) in enumerate(GROUPS.items()):
            _pair(tuple(matrix), rows[rows.sigma_qk == MIDDLE], group, FIRST + index, name)
        for panel, of in ((stream, "stream"), (matrix, "matrices")):
            panel[0].set_title(f"{place}-norm, {of}")
            panel[1].set_title(f"{place}-norm, {of} / law")
    _scaled(axes, frame)
    axes[0][0].set_ylabel(r"$\log_{10}$ of the gradient")
    axes[1][0].set_ylabel("measured / law\n$-$ 1 (%)")
    for axis in axes[0]:
        axis.tick_params(labelbottom=False)
    axes[0][0].plot([], [], color="0.3", label="law")
    for panel, side, columns in ((axes[0][0], "left", 4), (axes[0][len(places)], "right", 4)):
        look = {"ncols": columns, "columnspacing": 1.2, "handletextpad": 0.6, "handlelength": 1.6, "borderaxespad": 0.6}
        figure.legend(*panel.get_legend_handles_labels(), loc=f"outside lower {side}", **look)
    return figure
