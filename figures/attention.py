"""Transformer blocks: the gradient of the stream and of each group of matrices against depth, by law and in networks, and their ratio."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

SOURCES = ("attention",)
SEEN = (
    "Lines of the law run through the markers of networks, for the stream and for the matrices of attention and of the perceptron; at logits of scale one "
    "the largest deviation is four per cent, and gradients of pre-norm matrices lie about two per cent above the law."
)
"""What one sees."""
MIDDLE = 1.0
"""The scale of the logits that is shown."""
GROUPS = {
    "log_grad": "stream",
    "query": "$W_q$ (and $W_k$)",
    "value": "$W_v$ (and $W_o$)",
    "mlp_out": r"$W_{\mathrm{p}}$",
}
"""Gradients that are shown: the stream's, and those of matrices, with those that have the same."""
MATRICES = ("query", "key", "value", "output", "mlp_in", "mlp_out")
"""All of a block, for the mean distance from the law."""
COLOURS = (0, 3, 4, 2)
ASIDE = 0.2
"""How far apart the markers of one block stand."""
MOST = 7.5
"""Per cent shown."""
BAND = 4.0
"""Per cent within which all gradients lie."""
HOLLOW = {"markerfacecolor": "white", "markeredgewidth": 0.8, "elinewidth": 0.8, "zorder": 3}


def _pair(panels: tuple[Axes, Axes], rows: pd.DataFrame, column: str, index: int) -> None:
    """A law with its markers in one panel, and in the other how far these lie from it in per cent."""
    law, seen, err = (rows[f"{column}{end}"] for end in ("", "_hat", "_hat_err"))
    look = {"color": style.COLOURS[COLOURS[index]], "fmt": style.MARKERS[(0, 3, 4, 5)[index]]} | HOLLOW
    panels[0].plot(rows.block, law / style.DECADE, color=look["color"], zorder=2)
    panels[0].errorbar(rows.block, seen / style.DECADE, yerr=err / style.DECADE, label=GROUPS[column], **look)
    ratio, beside = np.exp(seen - law), ASIDE * (index - (len(GROUPS) - 1) / 2)
    free = law != 0  # all else is relative to this, so that it is 0 by construction
    panels[1].errorbar((rows.block + beside)[free], 100 * (ratio - 1)[free], yerr=100 * (ratio * err)[free], **look)


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["attention"].sort_values("block")
    frame = frame[frame.sigma_qk == MIDDLE]
    places = sorted(frame.place.unique(), reverse=True)
    widths = [1] * len(places) + [1.35] * len(places)
    size = {"height": 2.15, "width": style.PAGE, "squeeze": False, "gridspec_kw": {"width_ratios": widths}}
    figure, panels = style.canvas(1, 2 * len(places), **size)
    sizes, ratios = panels[0][: len(places)], panels[0][len(places) :]
    for place, size, ratio in zip(places, sizes, ratios, strict=True):
        rows = frame[frame.place == place]
        for index, column in enumerate(GROUPS):
            _pair((size, ratio), rows, column, index)
        off = [np.expm1(rows[f"{name}_hat"] - rows[name])[rows[name] != 0] for name in MATRICES]
        told = f"all matrices: {100 * np.concatenate(off).mean():+.1f} %".replace("-", "\N{MINUS SIGN}")
        ratio.text(0.98, 0.03, told, ha="right", va="bottom", fontsize=7.5, transform=ratio.transAxes)
        size.set(title=f"{place}-norm", ylim=(-2.05, 0.6))
        ratio.set(title=f"{place}-norm, off the law", ylim=(-MOST, MOST), yticks=(-5, 0, 5))
        ratio.axhspan(-BAND, BAND, color="0.93", linewidth=0, zorder=0)
        ratio.axhline(0, color="0.25", linewidth=0.8, zorder=1)
        for axes in (size, ratio):
            axes.set(xlabel="block", xticks=range(2, int(frame.block.max()) + 1, 2))
            axes.tick_params(labelleft=place == places[0])
    sizes[0].set_ylabel(r"$\log_{10}$ of the gradient")
    ratios[0].set_ylabel("measured / law $-$ 1 (%)")
    sizes[0].plot([], [], color="0.3", label="law")
    figure.legend(*sizes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5, columnspacing=1.6)
    return figure
